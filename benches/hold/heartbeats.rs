//! TLS sessions that say something every ten seconds: what of the gate's time and memory they take.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use crate::gate::Gate;
use crate::session::{Session, Transport};
use crate::{AT_ONCE, Outcome, now};

const EVERY: Duration = Duration::from_secs(10);

/// What the players counted.
#[derive(Default)]
struct Tally {
    joined: Cell<u64>,
    sent: Cell<u64>,
    answered: Cell<u64>,
    slowest: Cell<Duration>,
    failures: RefCell<Vec<String>>,
}

/// Holds them for that time.
pub(crate) async fn hold(sessions: u64, time: Duration) -> Outcome<()> {
    let gate = Gate::start(Transport::Tls)?;
    let empty = gate.memory()?;
    let tally = Rc::new(Tally::default());
    let (began, handshakes) = (now(), Rc::new(Semaphore::new(AT_ONCE)));
    let joined = Rc::new(tokio::sync::Notify::new());
    let mut players = tokio::task::JoinSet::new();
    for _ in 0..sessions {
        let player = play(gate.address, Arc::clone(&gate.client), Rc::clone(&handshakes), Rc::clone(&tally));
        let (tally, joined) = (Rc::clone(&tally), Rc::clone(&joined));
        players.spawn_local(async move {
            if let Err(error) = player.await {
                tally.failures.borrow_mut().push(error.to_string());
                joined.notify_one();
            }
        });
    }
    while tally.joined.get() < sessions
        && tally.failures.borrow().is_empty()
        && began.elapsed() < Duration::from_secs(300)
    {
        drop(timeout(Duration::from_millis(100), joined.notified()).await);
    }
    println!("{} TLS sessions joined in {:.1} s", tally.joined.get(), began.elapsed().as_secs_f64());
    let (cpu, held_from) = (gate.cpu_seconds()?, now());
    sleep(time).await;
    let (held, burnt) = (held_from.elapsed().as_secs_f64(), gate.cpu_seconds()? - cpu);
    let full = gate.memory()?;
    println!(
        "held for {held:.0} s: {} heartbeats sent, {} answered, the slowest in {:?}",
        tally.sent.get(),
        tally.answered.get(),
        tally.slowest.get()
    );
    println!(
        "gate: {:.1} % of a core, {} MiB resident, {:.2} KiB a session",
        100.0 * burnt / held,
        full >> 20,
        (full - empty) as f64 / 1024.0 / sessions as f64
    );
    let failures = tally.failures.borrow();
    match failures.first() {
        None if tally.joined.get() == sessions => Ok(()),
        first => Err(format!("{} sessions failed, the first with: {first:?}", failures.len()).into()),
    }
}

async fn play(
    gate: SocketAddr,
    client: Arc<rustls::ClientConfig>,
    handshakes: Rc<Semaphore>,
    tally: Rc<Tally>,
) -> Outcome<()> {
    let turn = handshakes.acquire().await?;
    let mut session = Session::open(Transport::Tls, gate, client).await?;
    drop(turn);
    tally.joined.set(tally.joined.get() + 1);
    loop {
        let asked = now();
        tally.sent.set(tally.sent.get() + 1);
        session.beat().await?;
        tally.answered.set(tally.answered.get() + 1);
        tally.slowest.set(tally.slowest.get().max(asked.elapsed()));
        sleep(EVERY).await;
    }
}
