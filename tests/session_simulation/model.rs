//! The rules of a session told a second time, in milliseconds and plain fields, and the driver that walks both
//! tellings through one history of bytes and compares them after every step.

use std::sync::Arc;
use std::time::{Duration, Instant};

use realmgate::base::{BackendKey, ClusterKey, ProtocolId};
use realmgate::config::{self, Plan, Source};
use realmgate::router::Router;
use realmgate::session::{Binding, EndReason, Expired, Membership, Opening, Rules, Session, Verdict};
use realmgate::wire::NoticeCode;

const FILE: &str = r#"
[frame.game]
length = { offset = 0, width = 4, order = "big" }
id = { offset = 4, width = 2, order = "big" }
heartbeat = { id = 1, reply = 2 }
notice = { id = 9000, body = "json" }
[listener.players]
listen = "127.0.0.1:0"
[listener.players.limits]
handshake_timeout = "5s"
frame_timeout = "10s"
idle_timeout = "90s"
write_timeout = "15s"
frames_per_session = "1/s"
[cluster.battle]
backends = [{ address = "127.0.0.1:1" }]
[route.battle]
ids = [1000]
cluster = "battle"
"#;

const HANDSHAKE: u64 = 5_000;
const FRAME: u64 = 10_000;
const IDLE: u64 = 90_000;
const WRITE: u64 = 15_000;
const LINGER: u64 = 1_000;
const LONGEST_END: u64 = 60_000;
const RESUME: u64 = 3_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Handshaking,
    Playing,
    HalfClosed,
    Parked,
    Leaving(EndReason),
}

/// What must be true of the session.
#[derive(Debug)]
struct Shadow {
    stage: Stage,
    idle_for: u64,
    handshake: Option<u64>,
    frame: Option<u64>,
    /// A frame was half here when the reading stopped.
    torn: bool,
    /// Nobody waits for it to take its last words.
    hurries: bool,
    idle: Option<u64>,
    write: Option<u64>,
    pause: Option<u64>,
    linger: Option<u64>,
    is_in: bool,
    parked: Option<u64>,
    bound: Vec<(u16, u32, u32)>,
    /// Who said no, and in which life of its link it did so last.
    refused: Vec<(u32, u32)>,
    frames: Bucket,
    sense: Bucket,
    told: Option<u64>,
}

/// So many at once, and one more each second.
#[derive(Debug)]
struct Bucket {
    most: u64,
    left: u64,
    at: u64,
}

impl Bucket {
    fn of(count: u64) -> Self {
        Self { most: count * 1000, left: count * 1000, at: 0 }
    }

    /// Takes one out; otherwise how long it is until there is one.
    fn take(&mut self, now: u64) -> Result<(), u64> {
        self.left = (self.left + now - self.at).min(self.most);
        self.at = now;
        match self.left.checked_sub(1000) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => Err(1000 - self.left),
        }
    }
}

/// Walks a history; every message names `label` and the step.
pub(crate) fn run(history: &[u8], label: &str) {
    walk(history, label, IDLE);
}

/// The same with a shadow that is wrong about the idle time.
#[allow(dead_code, reason = "the fuzz target shares this file and needs only the right model")]
pub(crate) fn run_with_a_wrong_rule(history: &[u8]) {
    walk(history, "a wrong rule", IDLE - 1);
}

#[expect(clippy::disallowed_methods, reason = "an origin for a stepped clock")]
fn walk(history: &[u8], label: &str, idle_for: u64) {
    let text = FILE.to_owned();
    let plan = config::parse(vec![Source { path: "simulation.toml".into(), text }]).expect("a good file");
    let tls = history.first().is_some_and(|byte| byte % 2 == 1);
    let start = Instant::now();
    let limits = Arc::clone(plan.listeners().first().expect("one listener").limits());
    let mut pair = Pair {
        session: Session::new(limits, tls, start),
        shadow: Shadow::new(tls, idle_for),
        router: Router::new(&plan),
        plan,
        start,
        now: 0,
    };
    for (step, bytes) in history.get(1..).unwrap_or_default().chunks_exact(2).enumerate() {
        let [what, how] = bytes else { continue };
        let context = format!("{label}, step {step} ({what}, {how})");
        pair.step(*what, *how, &context);
        pair.compare(&context);
    }
}

struct Pair {
    session: Session,
    shadow: Shadow,
    router: Router,
    plan: Plan,
    start: Instant,
    now: u64,
}

impl Pair {
    fn at(&self, millis: u64) -> Instant {
        self.start + Duration::from_millis(millis)
    }

    fn step(&mut self, what: u8, how: u8, context: &str) {
        let now = self.at(self.now);
        let odd = how % 2 == 1;
        match what % 12 {
            0 | 1 => self.pass_time(u64::from(how) * if odd { 400 } else { 20 }, context),
            2 => {
                self.session.handshake_done(now);
                self.shadow.handshake_done(self.now);
            }
            3 | 4 => self.frame(how, context),
            5 => {
                self.session.holds_part(odd, now);
                self.shadow.holds_part(odd, self.now);
            }
            6 => {
                self.session.waits(odd, how % 4 > 1, now);
                self.shadow.waits(odd, how % 4 > 1, self.now);
            }
            7 if odd => {
                self.session.pause(Duration::from_millis(250), now);
                self.shadow.torn |= self.shadow.frame.take().is_some();
                self.shadow.touched(self.now);
                self.shadow.pause = Some(self.now + 250);
            }
            7 => {
                self.session.resume(now);
                self.shadow.resume(self.now);
            }
            8 if how < 40 => {
                self.session.half_close();
                self.shadow.half_close();
            }
            9 if how < 40 => self.leave(EndReason::ALL[usize::from(how) % EndReason::ALL.len()], context),
            8 if how < 60 => {
                self.session.becomes(Membership::In, now);
                self.shadow.is_in = true;
            }
            9 if how < 80 => {
                let parks = self.session.park(Duration::from_millis(RESUME), now);
                assert_eq!(parks, self.shadow.park(self.now), "{context}");
            }
            9 if how < 140 => {
                let limits = Arc::clone(self.plan.listeners().first().expect("one listener").limits());
                self.session.comes_back(limits, now);
                self.shadow.comes_back(self.now);
            }
            9 if how < 180 => {
                let wait = [0, 5_000, 0, 75_000][usize::from(how) % 4];
                self.session.lingers_from(now + Duration::from_millis(wait), now);
                self.shadow.lingers_from(wait, self.now);
            }
            8 | 9 => {
                self.session.touched(now);
                self.shadow.touched(self.now);
            }
            _ => self.bindings(what, how, context),
        }
    }

    fn frame(&mut self, how: u8, context: &str) {
        let id = [1, 1000, 77][usize::from(how) % 3];
        let listener = self.plan.listeners().first().expect("one listener");
        let rules =
            Rules { layout: listener.layout(), unknown_id: listener.unknown_id(), router: &self.router };
        let now = self.start + Duration::from_millis(self.now);
        self.session.touched(now);
        self.shadow.touched(self.now);
        let verdict = self.session.frame(ProtocolId(id), &rules, now);
        let said = match verdict {
            Verdict::Answer(reply) => format!("answer {reply}"),
            Verdict::Forward(route) => format!("forward {}", route.get()),
            Verdict::Refuse(NoticeCode::UnknownId) => "unknown".to_owned(),
            Verdict::Ignore => "ignore".to_owned(),
            Verdict::TooMany(told) => format!("too many {:?}", told.map(|wait| wait.as_millis())),
            other @ (Verdict::Refuse(_) | Verdict::NotYet(..) | Verdict::Drop | Verdict::Leave(_)) => {
                format!("{other:?}")
            }
        };
        assert_eq!(said, self.shadow.frame(id, self.now), "{context}");
    }

    fn leave(&mut self, end: EndReason, context: &str) {
        let began = self.session.leave(end, self.at(self.now));
        assert_eq!(began, self.shadow.leave(end, self.now), "{context}");
    }

    fn bindings(&mut self, what: u8, how: u8, context: &str) {
        let (cluster, backend, epoch) = (u16::from(how % 2), u32::from(how % 5), u32::from(how / 128));
        if what % 12 == 10 {
            let binding = Binding {
                cluster: ClusterKey(cluster),
                backend: BackendKey(backend),
                epoch,
                stands_in: false,
            };
            let opening = self.session.bindings.bind(binding);
            assert_eq!(opening, self.shadow.bind(cluster, backend, epoch), "{context}");
        } else if how > 200 {
            let refused = self.session.bindings.refuse(BackendKey(backend)).is_some();
            let life = self.shadow.bound.iter().find(|(_, of, _)| *of == backend).map(|(_, _, epoch)| *epoch);
            assert_eq!(refused, self.shadow.unbind(backend), "{context}");
            if let Some(life) = life {
                self.shadow.refused.retain(|(of, _)| *of != backend);
                self.shadow.refused.push((backend, life));
            }
        } else {
            let known = self.session.bindings.unbind(BackendKey(backend)).is_some();
            assert_eq!(known, self.shadow.unbind(backend), "{context}");
        }
    }

    /// Lets time pass; every deadline must be told once, in order.
    fn pass_time(&mut self, millis: u64, context: &str) {
        self.now += millis;
        let now = self.at(self.now);
        loop {
            let expired = self.session.expired(now);
            assert_eq!(expired, self.shadow.expired(self.now), "{context}");
            match expired {
                Some(Expired::Leave(end)) => self.leave(end, context),
                Some(Expired::Resume | Expired::Close | Expired::TellPlace) => {}
                None => return,
            }
        }
    }

    fn compare(&self, context: &str) {
        let shadow = &self.shadow;
        let leaving = if let Stage::Leaving(end) = shadow.stage { Some(end) } else { None };
        assert_eq!(self.session.leaving(), leaving, "{context}");
        assert_eq!(self.session.is_playing(), shadow.stage == Stage::Playing, "{context}");
        assert_eq!(self.session.is_handshaking(), shadow.stage == Stage::Handshaking, "{context}");
        assert_eq!(self.session.is_parked(), shadow.stage == Stage::Parked, "{context}");
        assert_eq!(self.session.is_half_closed(), shadow.stage == Stage::HalfClosed, "{context}");
        let may_come_back = matches!(shadow.stage, Stage::Playing | Stage::Parked);
        assert_eq!(self.session.may_come_back(), may_come_back, "{context}");
        assert_eq!(self.session.is_paused(), shadow.pause.is_some(), "{context}");
        let next = shadow.deadlines().into_iter().filter_map(|(at, _)| at).min();
        assert_eq!(self.session.next_deadline(), next.map(|at| self.at(at)), "{context}");
        for cluster in 0..2 {
            let pinned =
                shadow.bound.iter().rev().find(|(of, _, _)| *of == cluster).map(|(_, backend, _)| *backend);
            let found = self.session.bindings.pinned(ClusterKey(cluster)).map(|backend| backend.0);
            assert_eq!(found, pinned, "{context}");
        }
        for (backend, life) in (0..5).flat_map(|backend| [(backend, 0), (backend, 1)]) {
            let refused = self.session.bindings.has_refused(BackendKey(backend), life);
            assert_eq!(refused, shadow.refused.contains(&(backend, life)), "{context}");
        }
        assert_eq!(self.session.bindings.iter().count(), shadow.bound.len(), "{context}");
    }
}

impl Shadow {
    fn new(tls: bool, idle_for: u64) -> Self {
        Self {
            stage: if tls { Stage::Handshaking } else { Stage::Playing },
            idle_for,
            handshake: tls.then_some(HANDSHAKE),
            frame: None,
            torn: false,
            hurries: false,
            idle: (!tls).then_some(idle_for),
            write: None,
            pause: None,
            linger: None,
            is_in: false,
            parked: None,
            bound: Vec::new(),
            refused: Vec::new(),
            frames: Bucket::of(2),
            sense: Bucket::of(199),
            told: None,
        }
    }

    fn handshake_done(&mut self, now: u64) {
        if self.stage == Stage::Handshaking {
            self.stage = Stage::Playing;
            self.handshake = None;
            self.idle = Some(now + self.idle_for);
        }
    }

    fn frame(&mut self, id: u64, now: u64) -> String {
        if self.stage != Stage::Playing {
            return "ignore".to_owned();
        }
        self.frame = None;
        if let Err(wait) = self.frames.take(now) {
            if self.sense.take(now).is_err() {
                return "Leave(RateLimited)".to_owned();
            }
            let tells = self.told.is_none_or(|at| now - at >= 1000);
            self.told = if tells { Some(now) } else { self.told };
            return format!("too many {:?}", tells.then_some(wait));
        }
        match id {
            1 => "answer 2".to_owned(),
            1000 => "forward 0".to_owned(),
            _ if self.sense.take(now).is_err() => "Leave(Malformed)".to_owned(),
            _ => "unknown".to_owned(),
        }
    }

    fn touched(&mut self, now: u64) {
        if matches!(self.stage, Stage::Playing | Stage::HalfClosed) {
            self.idle = Some(now + self.idle_for);
        }
    }

    fn resume(&mut self, now: u64) {
        self.pause = None;
        if self.torn {
            self.holds_part(true, now);
        }
    }

    fn holds_part(&mut self, part: bool, now: u64) {
        self.torn = false;
        if !part {
            self.frame = None;
        } else if self.stage == Stage::Playing && self.frame.is_none() {
            self.frame = Some(now + FRAME);
        }
    }

    fn waits(&mut self, waits: bool, took: bool, now: u64) {
        let waited = self.write.is_some();
        if !waits {
            self.write = None;
        } else if took || !waited {
            self.write = Some(now + WRITE);
        }
        if matches!(self.stage, Stage::Leaving(_)) && !self.hurries {
            if waits && (took || !waited) {
                self.linger = Some(now + WRITE);
            } else if !waits && waited {
                self.linger = Some(now + LINGER);
            }
        }
    }

    fn half_close(&mut self) {
        if self.stage == Stage::Playing {
            self.stage = Stage::HalfClosed;
            self.frame = None;
        }
    }

    fn leave(&mut self, end: EndReason, now: u64) -> bool {
        if matches!(self.stage, Stage::Leaving(_)) {
            return false;
        }
        self.hurries = self.stage == Stage::Handshaking || matches!(end, EndReason::TooSlow | EndReason::Cut);
        self.stage = Stage::Leaving(end);
        self.stop_timers();
        self.linger = Some(now + LINGER);
        self.idle = Some(now + LONGEST_END);
        true
    }

    fn lingers_from(&mut self, wait: u64, now: u64) {
        if matches!(self.stage, Stage::Leaving(_)) {
            self.hurries = wait > 0;
            let takes_on = !self.hurries && self.write.is_some();
            self.linger = Some(now + wait + if takes_on { WRITE } else { LINGER });
            self.idle = Some(now + wait + LONGEST_END);
        }
    }

    fn park(&mut self, now: u64) -> bool {
        let parks = self.stage == Stage::Playing && self.is_in;
        if parks {
            self.stage = Stage::Parked;
            self.stop_timers();
            self.parked = Some(now + RESUME);
        }
        parks
    }

    fn comes_back(&mut self, now: u64) {
        if matches!(self.stage, Stage::Playing | Stage::Parked) {
            self.stage = Stage::Playing;
            self.torn = false;
            self.stop_timers();
            self.idle = Some(now + self.idle_for);
        }
    }

    fn stop_timers(&mut self) {
        (self.handshake, self.frame, self.idle) = (None, None, None);
        (self.write, self.pause, self.parked) = (None, None, None);
    }

    fn deadlines(&self) -> [(Option<u64>, Expired); 7] {
        let leaves = matches!(self.stage, Stage::Leaving(_));
        [
            (self.handshake, Expired::Leave(EndReason::HandshakeTimeout)),
            (self.frame, Expired::Leave(EndReason::FrameTimeout)),
            (self.idle, if leaves { Expired::Close } else { Expired::Leave(EndReason::Idle) }),
            (self.write, Expired::Leave(EndReason::TooSlow)),
            (self.pause, Expired::Resume),
            (self.linger, Expired::Close),
            (self.parked, Expired::Leave(EndReason::NotResumed)),
        ]
    }

    fn expired(&mut self, now: u64) -> Option<Expired> {
        let over =
            self.deadlines().into_iter().filter_map(|(at, what)| Some((at.filter(|at| *at <= now)?, what)));
        let (_, what) = over.min_by_key(|(at, _)| *at)?;
        match what {
            Expired::Leave(EndReason::HandshakeTimeout) => self.handshake = None,
            Expired::Leave(EndReason::FrameTimeout) => self.frame = None,
            Expired::Leave(EndReason::Idle) => self.idle = None,
            Expired::Leave(EndReason::NotResumed) => self.parked = None,
            Expired::Leave(_) => self.write = None,
            Expired::Resume => self.resume(now),
            Expired::Close
                if self.idle.is_some_and(|idle| self.linger.is_none_or(|linger| idle <= linger)) =>
            {
                self.idle = None;
            }
            Expired::Close => self.linger = None,
            Expired::TellPlace => unreachable!("nobody waits in line here"),
        }
        Some(what)
    }

    fn bind(&mut self, cluster: u16, backend: u32, epoch: u32) -> Opening {
        match self.bound.iter_mut().find(|(_, known, _)| *known == backend) {
            None => {
                self.bound.push((cluster, backend, epoch));
                Opening::Open
            }
            Some((_, _, known)) if *known == epoch => Opening::Known,
            Some((_, _, known)) => {
                *known = epoch;
                Opening::OpenAgain
            }
        }
    }

    fn unbind(&mut self, backend: u32) -> bool {
        let before = self.bound.len();
        self.bound.retain(|(_, known, _)| *known != backend);
        before != self.bound.len()
    }
}
