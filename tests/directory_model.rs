//! One seat for each account: random histories of logins and ends beside a second telling of the rules.

use std::collections::HashMap;
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use realmgate::base::{GatewayId, SessionId};
use realmgate::config::Duplicate;
use realmgate::players::{Claim, Directory, Epoch, Memory, Seating};

const ACCOUNTS: [&str; 3] = ["ann", "bob", "carol"];
const SEEDS: u64 = 200;
const STEPS: usize = 500;

fn session(counter: u32) -> SessionId {
    SessionId::new(GatewayId::new(1).expect("small"), 1, counter)
}

/// What an account is in the second telling: everything that ever had its seat, and who has it.
#[derive(Default)]
struct Told {
    seats: Vec<(SessionId, Epoch)>,
    /// Of them, those whose player is away.
    away: Vec<SessionId>,
    /// Logins that are known, and when the last session left after them.
    known: Vec<Epoch>,
    empty_since: Option<Duration>,
}

impl Told {
    fn claim(&mut self, seating: &Seating<'_>) -> Claim {
        if self.empty_since.is_some_and(|since| seating.now >= since + Duration::from_secs(60)) {
            self.known.clear();
        }
        let others: Vec<_> = self.seats.iter().filter(|(seated, _)| *seated != seating.session).collect();
        let away = |(seated, _): &&&(SessionId, Epoch)| self.away.contains(seated);
        let elders: Vec<SessionId> = match seating.duplicate {
            Duplicate::Refuse if others.iter().any(|other| !away(&other)) => return Claim::Taken,
            Duplicate::Allow | Duplicate::Refuse => {
                others.iter().filter(away).map(|(seated, _)| *seated).collect()
            }
            Duplicate::Replace if self.known.iter().any(|known| *known > seating.epoch) => {
                return Claim::Older;
            }
            Duplicate::Replace => others.iter().map(|(seated, _)| *seated).collect(),
        };
        self.seats.retain(|(seated, _)| *seated != seating.session && !elders.contains(seated));
        self.seats.push((seating.session, seating.epoch));
        self.known.push(seating.epoch);
        self.away.retain(|away| *away != seating.session && !elders.contains(away));
        self.empty_since = None;
        Claim::Seated(elders)
    }

    fn set_away(&mut self, session: SessionId, away: bool) {
        self.away.retain(|known| *known != session);
        if away && self.seats.iter().any(|(seated, _)| *seated == session) {
            self.away.push(session);
        }
    }

    fn release(&mut self, session: SessionId, now: Duration) {
        let before = self.seats.len();
        self.away.retain(|away| *away != session);
        self.seats.retain(|(seated, _)| *seated != session);
        if before > 0 && self.seats.is_empty() {
            self.empty_since = Some(now);
        }
    }
}

fn in_order(claim: Claim) -> Claim {
    match claim {
        Claim::Seated(mut elders) => {
            elders.sort_unstable();
            Claim::Seated(elders)
        }
        other @ (Claim::Older | Claim::Taken) => other,
    }
}

#[test]
fn every_history_seats_whom_the_rules_say() {
    for seed in 0..SEEDS {
        let mut dice = SmallRng::seed_from_u64(seed);
        let memory = Memory::default();
        let mut told: HashMap<&str, Told> = HashMap::new();
        let mut now = Duration::from_secs(1);
        // Mostly one rule, as a gateway has it; a reload changes it now and then.
        let mut duplicate = Duplicate::Replace;
        for step in 0..STEPS {
            let context = format!("seed {seed}, step {step}");
            now += Duration::from_millis(dice.random_range(0..15_000));
            if dice.random_ratio(1, 40) {
                let rules = [Duplicate::Replace, Duplicate::Replace, Duplicate::Refuse, Duplicate::Allow];
                duplicate = rules.get(dice.random_range(0..4)).copied().unwrap_or(duplicate);
            }
            let account = ACCOUNTS.get(dice.random_range(0..3)).copied().unwrap_or("ann");
            let told = told.entry(account).or_default();
            let counter = dice.random_range(0..12_u32);
            if dice.random_ratio(1, 5) {
                let away = dice.random_ratio(2, 3);
                memory.set_away(account, session(counter), away);
                told.set_away(session(counter), away);
            } else if dice.random_ratio(2, 5) {
                memory.release(account, session(counter), now);
                told.release(session(counter), now);
            } else {
                let epoch = Epoch { login: dice.random_range(0..6), arrival: counter.into() };
                let seating = Seating { account, session: session(counter), epoch, duplicate, now };
                let claim = memory.claim(&seating);
                assert_eq!(in_order(claim.clone()), in_order(told.claim(&seating)), "{context}");
                if duplicate == Duplicate::Replace && matches!(claim, Claim::Seated(_)) {
                    assert_eq!(memory.sessions(account), [session(counter)], "{context}");
                }
            }
            let mut seated = memory.sessions(account);
            let mut expected: Vec<_> = told.seats.iter().map(|(session, _)| *session).collect();
            seated.sort_unstable();
            expected.sort_unstable();
            assert_eq!(seated, expected, "{context}");
        }
    }
}

#[test]
fn threads_that_log_in_at_the_same_time_leave_the_newest_and_every_elder_is_told_of_once() {
    for round in 0..200_u32 {
        let memory = Memory::default();
        let told: Vec<SessionId> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4_u32)
                .map(|thread| {
                    let memory = &memory;
                    scope.spawn(move || {
                        let counter = |login| 1 + login * 4 + (thread + round) % 4;
                        (0..10_u32).flat_map(|login| goes(memory, counter(login))).collect::<Vec<_>>()
                    })
                })
                .collect();
            threads.into_iter().flat_map(|thread| thread.join().expect("no panic")).collect()
        });
        assert_eq!(memory.sessions("ann"), [session(40)], "round {round}");
        let mut told: Vec<_> = told.iter().map(|session| session.counter()).collect();
        told.sort_unstable();
        assert_eq!(told, (1..40).collect::<Vec<_>>(), "round {round}: all others are told, each once");
    }
}

/// Who goes when the session with this counter logs in.
fn goes(memory: &Memory, counter: u32) -> Vec<SessionId> {
    let claim = memory.claim(&Seating {
        account: "ann",
        session: session(counter),
        epoch: Epoch { login: 0, arrival: counter.into() },
        duplicate: Duplicate::Replace,
        now: Duration::ZERO,
    });
    match claim {
        Claim::Seated(elders) => elders,
        Claim::Older => vec![session(counter)],
        Claim::Taken => panic!("nobody refuses"),
    }
}
