//! One game from the first port to the last player.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep_until, timeout};

use super::DemoError;
use super::backend::{self, Backend};
use super::grounds::Grounds;
use super::player::{GRACE, Invitation, News, play};
use super::score::Score;
use super::screen::Screen;
use super::show::Show;
use super::stage::Stage;
use crate::app::Gate;
use crate::config::{self, Plan};
use crate::net;
use crate::wire::FrameLayout;

/// A running game.
#[derive(Debug)]
pub(super) struct Game {
    gate: Gate,
    players: JoinSet<()>,
    /// They serve until it is dropped.
    _servers: JoinSet<()>,
    show: Show,
    news: mpsc::Receiver<News>,
    over: watch::Sender<bool>,
    /// The folder goes with it.
    _grounds: Grounds,
}

/// How many players there are.
const PLAYERS: usize = 30;
/// How long `--once` plays.
const ONCE: Duration = Duration::from_secs(10);
/// The longest that the gateway may take to start and to stop.
const START: Duration = Duration::from_secs(20);
const STOP: Duration = Duration::from_secs(10);

impl Game {
    /// Opens the servers, starts the gateway from a real configuration file and sends the players in.
    ///
    /// # Errors
    /// The machine gives no port, no folder or no thread.
    pub(super) async fn begin(screen: &mut Screen) -> Result<Self, DemoError> {
        let grounds = Grounds::prepare()?;
        let backends = backend::open_all().await.map_err(|error| DemoError::Io("open a port", error))?;
        let file = grounds.configure(&backends)?;
        let plan = config::load(&file).map_err(|report| DemoError::Configuration(Box::new(report)))?;
        let layout = plan.frames().first().map(|frame| Arc::clone(frame.layout()));
        let layout = layout.ok_or(DemoError::Missing("[frame.game]"))?;
        let (stage, score) = (Stage::new(&plan, &backends), Arc::new(Score::default()));
        let servers = serve(backends, &layout, &score);
        let gate = start(plan).await?;
        let gateway = gate.address("players").ok_or(DemoError::Missing("[listener.players]"))?;
        let meters = Arc::clone(gate.meters());
        let began = net::now().into();
        let show = Show { stage, score: Arc::clone(&score), meters, began, samples: 0, noticed: false };
        show.open(gateway, &file, PLAYERS, screen);
        let (news_out, news) = mpsc::channel(2 * PLAYERS);
        let (over, is_over) = watch::channel(false);
        let tls = grounds.client()?;
        let invitation = Invitation { gateway, tls, layout, score, news: news_out, over: is_over };
        let mut players = JoinSet::new();
        (1..=PLAYERS).for_each(|number| drop(players.spawn(play(number, invitation.clone()))));
        Ok(Self { gate, players, _servers: servers, show, news, over, _grounds: grounds })
    }

    /// Shows the game until its time is over, the operator has enough or nobody reads any more.
    pub(super) async fn watch(&mut self, once: bool, enough: &mut Enough, screen: &mut Screen) {
        let mut redraw = interval(Duration::from_secs(if screen.is_terminal() { 1 } else { 2 }));
        redraw.set_missed_tick_behavior(MissedTickBehavior::Delay);
        redraw.tick().await;
        let end = self.show.began + ONCE;
        while !screen.is_closed() {
            tokio::select! {
                _ = redraw.tick() => self.show.progress(once, screen),
                Some(news) = self.news.recv() => self.show.tell(&news, screen),
                () = sleep_until(end), if once => break,
                () = enough.said() => break,
            }
        }
    }

    /// Lets the players finish, drains the gateway and tells how it went: whether as it must.
    pub(super) async fn end(self, screen: &mut Screen) -> bool {
        let Self { gate, mut players, mut show, mut news, over, .. } = self;
        let seconds = show.began.elapsed().as_secs();
        over.send_replace(true);
        let everybody = async { while players.join_next().await.is_some() {} };
        let all_left = timeout(GRACE + Duration::from_secs(5), everybody).await.is_ok();
        let drained = timeout(STOP, gate.drain()).await;
        while let Ok(news) = news.try_recv() {
            show.tell(&news, screen);
        }
        let good = show.score.is_perfect() && all_left && drained == Ok(0);
        show.close(seconds, good, screen);
        if drained != Ok(0) {
            screen.print("the gateway did not come to its end in time\n");
        }
        good
    }
}

/// The signals that end a game. They are heard from before its beginning on, so that its folder always goes.
#[derive(Debug)]
pub(super) struct Enough {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Enough {
    /// # Errors
    /// The machine gives no signal handlers.
    pub(super) fn listen() -> Result<Self, DemoError> {
        let handler = |kind| signal(kind).map_err(|error| DemoError::Io("listen for signals", error));
        Ok(Self {
            interrupt: handler(SignalKind::interrupt())?,
            terminate: handler(SignalKind::terminate())?,
            hangup: handler(SignalKind::hangup())?,
        })
    }

    async fn said(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hangup.recv() => {}
        }
    }
}

fn serve(backends: Vec<Backend>, layout: &Arc<FrameLayout>, score: &Arc<Score>) -> JoinSet<()> {
    let mut servers = JoinSet::new();
    for backend in backends {
        servers.spawn(backend.serve(Arc::clone(layout), Arc::clone(score)));
    }
    servers
}

async fn start(plan: Plan) -> Result<Gate, DemoError> {
    let late = |_| DemoError::Io("start the gateway", io::Error::from(io::ErrorKind::TimedOut));
    timeout(START, Gate::start(plan)).await.map_err(late)?.map_err(DemoError::Start)
}
