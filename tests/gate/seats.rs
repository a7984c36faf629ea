//! Two logins of one account at the same time, ten thousand times: the newer one stays, never both, never none.

use std::rc::Rc;

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use tokio::task::{JoinSet, LocalSet};

use crate::fakes::{Backend, Frame, Gate, Issuer, Manner, Player};

/// Rounds that are under way at one time, each with an account of its own.
const TABLES: u64 = 50;
const SEED: u64 = 0x5EA7;

/// How a table's players log in.
#[derive(Clone)]
enum Way {
    /// With a token that was issued then.
    Token(Rc<Issuer>),
    /// By a BIND with this epoch.
    Bind,
}

/// What became of a player who logged in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Stays,
    Replaced,
    /// The connection ended without a word.
    Cut,
}

impl Way {
    /// What logs a player in: the ID of the frame and its body.
    fn words(&self, account: &str, epoch: u64) -> (u16, Vec<u8>) {
        match self {
            Self::Token(issuer) => (10, issuer.token_of(account, epoch)),
            Self::Bind => (500, format!("{account}:{epoch}").into_bytes()),
        }
    }
}

/// A player whom the gate has taken. On a machine that stands still for a moment the door refuses new sessions; who
/// is refused tries again.
async fn arrive(gate: &Gate) -> Player {
    crate::fakes::within("an open door", async {
        loop {
            let mut player = gate.player().await;
            let asked = player.try_send_raw(&crate::fakes::frame(1, b"")).await;
            if asked.is_ok() && player.try_recv().await.is_ok_and(|answer| answer.id == 2) {
                return player;
            }
            tokio::task::yield_now().await;
        }
    })
    .await
}

/// Logs in after a while, and plays until it is replaced or the other one is.
async fn play(player: &mut Player, words: (u16, Vec<u8>), turns: u32) {
    for _ in 0..turns {
        tokio::task::yield_now().await;
    }
    // A session that is replaced before it can log in does not read this any more.
    drop(player.try_send_raw(&crate::fakes::frame(words.0, &words.1)).await);
}

/// What a player reads until it knows: the echo of its frame, or that it was replaced.
async fn fate(player: &mut Player, mark: &[u8]) -> Fate {
    loop {
        let Ok(Frame { id, body }) = player.try_recv().await else { return Fate::Cut };
        match (id, String::from_utf8_lossy(&body)) {
            (1000, text) if text.as_bytes() == mark => return Fate::Stays,
            (9000, text) if text.contains("\"replaced\"") => {
                player.closed().await;
                return Fate::Replaced;
            }
            (9000, text) if text.contains("\"admitted\"") => {}
            (500, _) => {}
            (id, text) => panic!("frame {id}: {text}"),
        }
    }
}

/// One account, so many rounds. A round's players are newer than those of all rounds before.
async fn table(gate: &Gate, way: &Way, number: u64, rounds: u64) {
    let mut dice = SmallRng::seed_from_u64(SEED + number);
    let account = format!("account-{number}");
    let mut last: Option<Player> = None;
    for round in 0..rounds {
        let context = format!("seed {SEED:#x}, table {number}, round {round}");
        // Accepted in this order; which login is the newer one the epoch says first.
        let (mut first, mut second) = (arrive(gate).await, arrive(gate).await);
        let epoch = 1000 + 2 * round;
        let epochs: [u64; 2] = [epoch + dice.random_range(0..2), epoch + dice.random_range(0..2)];
        let second_is_newer = epochs[1] >= epochs[0];
        let turns: [u32; 2] = [dice.random_range(0..30), dice.random_range(0..30)];
        if dice.random_bool(0.5) {
            last = None; // the one of the round before leaves at the same time, or is replaced by these
        }
        let words = epochs.map(|epoch| way.words(&account, epoch));
        let [first_words, second_words] = words;
        tokio::join!(play(&mut first, first_words, turns[0]), play(&mut second, second_words, turns[1]));
        let (mut winner, mut loser) = if second_is_newer { (second, first) } else { (first, second) };
        let lost = fate(&mut loser, b"").await;
        assert_eq!(lost, Fate::Replaced, "{context}: the elder one\n{}", refusals(gate));
        drop(winner.try_send_raw(&crate::fakes::frame(1000, context.as_bytes())).await);
        let won = fate(&mut winner, context.as_bytes()).await;
        assert_eq!(won, Fate::Stays, "{context}: the newer one\n{}", refusals(gate));
        if let Some(mut before) = last.take() {
            assert_eq!(fate(&mut before, b"").await, Fate::Replaced, "{context}: the one of before");
        }
        last = Some(winner);
    }
}

/// What the gate counted of ends and refusals, for whoever reads why a round failed.
fn refusals(gate: &Gate) -> String {
    let page = gate.inner().metrics_page();
    let counts = ["listener_refused_total", "session_ended_total", "session_logins_total"];
    let told = |line: &&str| counts.iter().any(|name| line.contains(name)) && !line.ends_with(" 0");
    page.lines().filter(told).collect::<Vec<_>>().join("\n")
}

/// Every table in a task of its own; what they do is mixed by what they wait for.
async fn tables(gate: Gate, way: Way, rounds: u64) {
    let (gate, mut tables) = (Rc::new(gate), JoinSet::new());
    let all = LocalSet::new();
    for number in 0..TABLES {
        let (gate, way) = (Rc::clone(&gate), way.clone());
        tables.spawn_local_on(async move { table(&gate, &way, number, rounds).await }, &all);
    }
    let joined = async {
        while let Some(table) = tables.join_next().await {
            table.expect("a table without a fault");
        }
    };
    all.run_until(joined).await;
    gate.is_empty().await;
}

#[tokio::test]
async fn of_two_logins_by_token_the_newer_one_always_stays() {
    let battle = Backend::echo().await;
    let issuer = Issuer::new();
    let gate = Gate::builder()
        .workers(2)
        .shared("battle", "1000", &[battle.address()], "")
        .table(&issuer.login(""))
        .start()
        .await;
    tables(gate, Way::Token(Rc::new(issuer)), 200).await;
}

#[tokio::test]
async fn of_two_logins_by_bind_the_newer_one_always_stays() {
    let (login, battle) = (Backend::with(Manner::LogIn).await, Backend::echo().await);
    let gate = Gate::builder()
        .workers(2)
        .shared("login", "500", &[login.address()], "")
        .shared("battle", "1000", &[battle.address()], "")
        .table("[login]\nroute = \"login\"")
        .start()
        .await;
    tables(gate, Way::Bind, 20).await;
}
