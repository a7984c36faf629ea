//! Frames gather at a worker that is busy, where the file says so; nothing of them is lost or changes its place.

use crate::fakes::{Backend, Gate, GateBuilder, Player, frame, within};

/// How many frames one write of a player holds.
const CROWD: u16 = 2_000;

fn gathered(gate: &Gate) -> u64 {
    gate.meters().worker(0).expect("a worker").gathered_turns.get()
}

async fn gate(battle: &Backend, net: &str) -> (Gate, Player) {
    let builder = builder(battle, net);
    let gate = builder.start().await;
    let player = gate.player().await;
    (gate, player)
}

fn builder(battle: &Backend, net: &str) -> GateBuilder {
    Gate::builder().workers(1).shared("battle", "1000", &[battle.address()], "").table(net)
}

/// Sends many heartbeats at once, which the gateway answers itself, and frames of a backend between them.
async fn press(player: &mut Player) {
    let crowd: Vec<u8> = (0..CROWD).flat_map(|_| frame(1, b"")).collect();
    for place in 0..4_u8 {
        player.send_raw(&crowd).await;
        player.send(1000, &[place]).await;
    }
    let mut echoes = Vec::new();
    let mut answers = 0;
    while answers < usize::from(CROWD) * 4 || echoes.len() < 4 {
        match player.recv().await {
            answer if answer.id == 2 => answers += 1,
            echo => echoes.extend(echo.body),
        }
    }
    assert_eq!(echoes, [0, 1, 2, 3], "in their order");
}

#[tokio::test]
async fn a_busy_worker_gathers_until_a_reload_says_otherwise() {
    let battle = Backend::echo().await;
    let (mut gate, mut player) = gate(&battle, "[net]\ngather = \"adaptive\"").await;
    within("a worker that is busy enough", async {
        while gathered(&gate) == 0 {
            press(&mut player).await;
        }
    })
    .await;
    gate.reload(builder(&battle, "")).await;
    player.echo(1000, b"the worker has heard of it").await;
    let before = gathered(&gate);
    press(&mut player).await;
    assert_eq!(gathered(&gate), before);
}

#[tokio::test]
async fn nothing_gathers_where_the_file_says_nothing() {
    let battle = Backend::echo().await;
    let (gate, mut player) = gate(&battle, "").await;
    press(&mut player).await;
    press(&mut player).await;
    assert_eq!(gathered(&gate), 0);
}
