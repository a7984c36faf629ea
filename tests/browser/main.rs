//! `examples/browser/` in a real browser: the page and its player behind a gate with the example's file, and a player over
//! TCP in the same room.
#![expect(clippy::indexing_slicing, reason = "a test may panic and names what it means")]

mod chromium;
#[allow(dead_code, reason = "the fakes of another test, which uses all of them")]
#[path = "../examples/fakes.rs"]
mod fakes;

use std::path::PathBuf;

use chromium::Page;
use fakes::polling::until_shown;
use fakes::{Example, Language, Player, root, within};
use realmgate::app::Gate;
use realmgate::config::{self, Plan, Source};

/// The example's file, for pages of this origin only.
fn plan(backend: &Example, origin: &str) -> Plan {
    let path: PathBuf = root().join("conf/examples/browser.toml");
    let text = std::fs::read_to_string(&path).expect("the example's file");
    let changes = [
        ("\"127.0.0.1:7000\"", "\"127.0.0.1:0\"".to_owned()),
        ("\"127.0.0.1:7001\"", "\"127.0.0.1:0\"".to_owned()),
        ("\"127.0.0.1:8080\"", "\"127.0.0.1:0\"".to_owned()),
        ("\"http://127.0.0.1:8080\", \"http://localhost:8080\"", format!("{origin:?}")),
        ("127.0.0.1:7101", backend.address.clone()),
    ];
    let text = changes.iter().fold(text, |text, (from, to)| {
        assert!(text.contains(from), "the file has {from}");
        text.replace(from, to)
    });
    let text = format!("{text}\n[gateway]\nworkers = 2\n[drain]\nlame_duck = \"0s\"\nspread = \"0s\"\n");
    config::parse(vec![Source { path, text }]).unwrap_or_else(|report| panic!("{}", report.render(false)))
}

async fn shows(gate: &Gate, line: &str) {
    until_shown(line, || gate.metrics_page()).await;
}

async fn say(page: &mut Page, line: &str) {
    page.run(&format!("document.getElementById('line').value = {line:?}")).await;
    page.run("document.getElementById('talk').requestSubmit()").await;
}

#[tokio::test]
async fn a_player_in_a_browser_talks_is_lost_comes_back_and_is_told_why_it_ends() {
    let backend = Example::start(Language::Rust);
    let gate = within("the gate to start", Gate::start(plan(&backend, "https://elsewhere.example"))).await;
    let mut gate = gate.unwrap_or_else(|error| panic!("{error}"));
    let address = |name: &str| gate.address(name).expect("a listener of the file");
    let origin = format!("http://{}", address("web"));
    let url = format!("{origin}/?gate=ws://{}/play&name=%C3%84nne", address("browsers"));

    // A page of another origin is not let in, and tries again by itself; a reload lets it in.
    let mut page = Page::open().await;
    page.visit(&url).await;
    page.tells(&["close 1006"]).await;
    gate.reload(plan(&backend, &origin), "test").await.expect("a good plan");
    page.tells(&["open", "> 100 login Änne", "< 101 welcome welcome, Änne", r#""code":"admitted""#]).await;

    // It meets players over TCP.
    say(&mut page, "/join inn").await;
    page.tells(&["you are in inn"]).await;
    let mut ben = Player::in_room(&gate, "Ben", "inn").await;
    ben.says("hello 七").await;
    ben.hears("Ben: hello 七").await;
    page.tells(&["< 201 hear Ben: hello 七"]).await;
    say(&mut page, "hello Ben").await;
    ben.hears("Änne: hello Ben").await;
    page.tells(&["Änne: hello Ben"]).await;
    page.run("send(HEARTBEAT, '')").await;
    page.tells(&["< 2 heartbeat"]).await;

    // It loses its connection, and nothing that was said meanwhile.
    page.run("game.final = true; document.getElementById('lose').click()").await;
    page.tells(&["close 4000"]).await;
    shows(&gate, "realmgate_sessions_parked 1").await;
    ben.says("where are you?").await;
    let counted = page.run("game.counted").await;
    page.run("game.final = false; connect()").await;
    page.tells(&["open", r#""lost":0"#, "Ben: where are you?"]).await;
    assert_eq!(page.run("game.counted").await, counted.as_u64().expect("a number") + 1);
    say(&mut page, "here again").await;
    page.tells(&["Änne: here again"]).await;
    page.run("document.getElementById('lose').click()").await;
    page.tells(&["close 4000", "open", r#""code":"admitted""#]).await;

    // Another device takes its seat, and it stays away.
    let mut other = Player::connect(&gate).await;
    other.log_in("Änne").await;
    page.tells(&[r#""code":"replaced""#, "close 1008 replaced"]).await;
    assert_eq!(page.run("game.final").await, true);

    // It comes by hand, and hears why the gateway goes.
    page.run("document.getElementById('enter').requestSubmit()").await;
    page.tells(&["open", r#""code":"admitted""#]).await;
    assert!(page.exceptions().is_empty(), "{:?}", page.exceptions());
    let (cut, ()) =
        tokio::join!(gate.drain(), page.tells(&[r#""code":"shutting_down""#, "close 1001 shutting_down"]));
    assert_eq!(cut, 0);
    page.close().await;
}
