//! Many WebSocket players, beside players of plain TCP.

use realmgate::wire::link::{LINK, Message as Link, Scope};

use super::before;
use crate::fakes::{Backend, Frame, Player, frame};

#[tokio::test]
async fn one_frame_for_all_reaches_players_with_and_without_messages() {
    let battle = Backend::echo().await;
    let plain = "[listener.plain]\nlisten = \"127.0.0.1:0\"\nframe = \"game\"";
    let gate = before(&battle).workers(2).table(plain).start().await;
    let address = gate.inner().address("plain").expect("a listener");
    let (mut browsers, mut players) = (Vec::new(), Vec::new());
    for _ in 0..6 {
        let mut browser = gate.browser().await;
        browser.echo(1000, b"in").await;
        browsers.push(browser);
        let mut player = Player::connect(address).await;
        player.echo(1000, b"in").await;
        players.push(player);
    }
    let bodies = [vec![1; 58], vec![2; 8186], vec![3; 1], vec![4; 60_000], vec![5; 4090]];
    for body in &bodies {
        let payload = frame(1500, body);
        battle.say_on(0, LINK, Link::Broadcast { scope: Scope::All, payload: &payload }).await;
    }
    for browser in &mut browsers {
        for body in &bodies {
            assert_eq!(browser.recv().await, Frame { id: 1500, body: body.clone() });
        }
        browser.echo(1000, b"and on").await;
    }
    for player in &mut players {
        for body in &bodies {
            assert_eq!(player.recv().await, Frame { id: 1500, body: body.clone() });
        }
        player.echo(1000, b"and on").await;
    }
}
