//! Sessions that say nothing: what memory each takes, over WebSocket and over TCP, without and with TLS; and connections
//! of HTTP between two requests.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::gate::Gate;
use crate::session::{Session, Transport};
use crate::{AT_ONCE, Outcome, now};

/// Players', in the order of the report.
pub(crate) const PLAYERS: [Transport; 4] = [Transport::Tcp, Transport::Ws, Transport::Tls, Transport::Wss];
/// Those of clients that ask.
pub(crate) const CLIENTS: [Transport; 2] = [Transport::Http, Transport::Https];
/// How long all may take to come, or to say something.
const ALL: Duration = Duration::from_secs(60);

/// What one gate held.
#[derive(Debug)]
struct Held {
    transport: Transport,
    joined: u64,
    /// Sessions that were answered when they had come, and again after the silence.
    alive: u64,
    resident: u64,
    kib_each: f64,
    seconds: f64,
    failure: Option<String>,
}

/// Holds them in one gate after the other; an error if a session was lost.
pub(crate) async fn compare(transports: &[Transport], sessions: u64, silence: Duration) -> Outcome<()> {
    let mut all = Vec::new();
    for &transport in transports {
        let held = hold(transport, sessions, silence).await?;
        println!("{:<5} {} sessions came in {:.1} s", transport.name(), held.joined, held.seconds);
        all.push(held);
    }
    println!("\n| {sessions} silent sessions | KiB a session | resident | answered before and after |");
    println!("|---|---:|---:|---:|");
    for Held { transport, alive, resident, kib_each, .. } in &all {
        println!("| {} | {kib_each:.2} | {} MiB | {alive} |", transport.name(), resident >> 20);
    }
    for (over, beside) in [(1, 0), (3, 2)] {
        if let (Some(one), Some(other)) = (all.get(over), all.get(beside))
            && one.joined.min(other.joined) == sessions
        {
            let more = one.kib_each - other.kib_each;
            println!("{} takes {more:+.2} KiB beside {}", one.transport.name(), other.transport.name());
        }
    }
    let mut lost = 0;
    for held in &all {
        let missing = sessions - held.alive;
        lost += missing;
        let (word, name) = (if missing == 0 { "PASS" } else { "FAIL" }, held.transport.name());
        println!("{word}  {name}: every session was answered before the silence of {silence:?} and after it");
        if let Some(failure) = &held.failure {
            println!("      for example: {failure}");
        }
    }
    if lost == 0 { Ok(()) } else { Err(format!("{lost} sessions were lost").into()) }
}

async fn hold(transport: Transport, sessions: u64, silence: Duration) -> Outcome<Held> {
    let gate = Gate::start(transport)?;
    let (empty, began) = (gate.memory()?, now());
    let turns = Rc::new(Semaphore::new(AT_ONCE));
    let mut failure = None;
    let mut coming = JoinSet::new();
    for _ in 0..sessions {
        let (turns, client, address) = (Rc::clone(&turns), Arc::clone(&gate.client), gate.address);
        coming.spawn_local(async move {
            let _turn = turns.acquire().await.map_err(|error| error.to_string())?;
            let come = async {
                let mut session = Session::open(transport, address, client).await?;
                session.beat().await?;
                Ok(session)
            };
            come.await.map_err(|error: Box<dyn std::error::Error>| error.to_string())
        });
    }
    let there = gather(coming, &mut failure).await;
    let seconds = began.elapsed().as_secs_f64();
    sleep(silence).await;
    let full = gate.memory()?;
    let joined = u64::try_from(there.len())?;
    let mut beating = JoinSet::new();
    for mut session in there {
        let turns = Rc::clone(&turns);
        beating.spawn_local(async move {
            let _turn = turns.acquire().await.map_err(|error| error.to_string())?;
            session.beat().await.map_err(|error| error.to_string())?;
            Ok(session)
        });
    }
    let alive = u64::try_from(gather(beating, &mut failure).await.len())?;
    let kib_each = full.saturating_sub(empty) as f64 / 1024.0 / joined.max(1) as f64;
    Ok(Held { transport, joined, alive, resident: full, kib_each, seconds, failure })
}

/// Those that are done within the time; the first failure of the others is kept.
async fn gather(mut tasks: JoinSet<Result<Session, String>>, failure: &mut Option<String>) -> Vec<Session> {
    let mut done = Vec::new();
    let all = async {
        while let Some(ended) = tasks.join_next().await {
            match ended.map_err(|error| error.to_string()).and_then(|ended| ended) {
                Ok(session) => done.push(session),
                Err(reason) => drop(failure.get_or_insert(reason)),
            }
        }
    };
    if timeout(ALL, all).await.is_err() {
        failure.get_or_insert(format!("not all were done within {ALL:?}"));
    }
    done
}
