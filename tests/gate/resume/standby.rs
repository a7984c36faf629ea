//! Coming back to sessions that two backends follow.

use super::{Logged, admitted, claim, has_parked, heard, log_in, number_of, numbered};
use crate::fakes::{Backend, Gate, Manner};
use realmgate::wire::link::Message;

#[tokio::test]
async fn only_the_first_of_a_hot_standby_is_kept_for_the_player() {
    let login = Backend::echo().await;
    let (first, second) = (Backend::with(Manner::Silent).await, Backend::with(Manner::Silent).await);
    let gate = Gate::builder()
        .shared("login", "10", &[login.address()], "")
        .shared("battle", "1000", &[first.address(), second.address()], "balance = \"hot_standby\"")
        .table("[login]\nroute = \"login\"\nresume = \"60s\"");
    let gate = gate.start().await;
    let Logged { mut player, session, token } = log_in(&login, gate.player().await, "ann").await;
    player.send(1000, b"both hear this").await;
    first.has_frames(1).await;
    second.has_frames(1).await;
    drop(player);
    has_parked(&gate, 1).await;
    for number in 0..5 {
        let payload = numbered(number, 50);
        for backend in [&first, &second] {
            backend.say(session, Message::Frame { payload: &payload }).await;
            heard(backend).await;
        }
    }
    let mut back = gate.player().await;
    back.send_raw(&claim(&token, Some(0))).await;
    assert_eq!(admitted(&mut back).await.1, 0);
    for number in 0..5 {
        assert_eq!(number_of(&back.recv().await), number);
    }
    back.send(1000, b"and both hear this").await;
    first.has_frames(2).await;
    second.has_frames(2).await;
}
