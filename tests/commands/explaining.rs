//! What `explain` says of frames and players.

use super::*;

#[test]
fn explain_says_what_a_frame_meets_and_why() {
    let folder =
        Folder::new("explain", &GOOD.replace("[route.rest]\nids = [\"*\"]", "[route.rest]\nids = [5000]"));
    let explain = |id: &str| {
        let output = realmgate(&["explain", "--listener", "players", "--id", id], &folder.file());
        assert_eq!(output.status.code(), Some(0));
        text(&output.stdout)
    };
    let routed = explain("1150");
    for part in [
        "battle because 1150 is in 1100-1199",
        "class normal",
        "answer    nobody waits for one",
        "shared link",
        "a PING over a fresh link every 2s",
        "out after 7 failures in a row",
        "below 50% of healthy backends health is ignored",
        "127.0.0.1:1 weight 100",
    ] {
        assert!(routed.contains(part), "{part} in {routed}");
    }
    assert!(explain("1").contains("answered by the gateway with 2"));
    let unknown = explain("1200");
    assert!(
        unknown.contains("no route has 1200") && unknown.contains("route battle has 1100-1199"),
        "{unknown}"
    );
    let opaque = GOOD.replace("link = \"dedicated\"", "link = \"dedicated\"\nframe = \"raw\"")
        + "[frame.raw]\nlength = { kind = \"opaque\" }\n[listener.raw]\nlisten = \"127.0.0.1:0\"\nframe = \"raw\"\n";
    let opaque = Folder::new(
        "explain-opaque",
        &opaque.replace("[listener.players]", "[listener.players]\nframe = \"game\""),
    );
    let output = realmgate(&["explain", "--listener", "raw", "--id", "7"], &opaque.file());
    let whole = text(&output.stdout) + &text(&output.stderr);
    assert!(whole.contains("whole to one backend") && whole.contains("127.0.0.1:2"), "{whole}");
    let framed = realmgate(&["explain", "--listener", "players", "--id", "7"], &opaque.file());
    assert!(text(&framed.stdout).contains("no route has 7"), "no frame goes to an opaque cluster");
    let nobody = realmgate(&["explain", "--listener", "plyers", "--id", "1"], &folder.file());
    assert_eq!(nobody.status.code(), Some(64));
    assert!(text(&nobody.stderr).contains("players"), "the names there are");
}

#[test]
fn explain_says_which_group_a_player_meets_and_by_which_rule() {
    let folder = two_groups("groups");
    let explain = |more: &[&str]| {
        let output = realmgate(&[&["explain", "--listener", "players"], more].concat(), &folder.file());
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        text(&output.stdout)
    };
    let tester = explain(&["--id", "1000", "--account", "alice"]);
    for part in [
        "group     b: canary rule 1 of 3: its list has the account alice\n",
        "backend   127.0.0.1:1 weight 100 group a; not for this player: another group\n",
        "backend   127.0.0.1:3 weight 100 group b\n",
        "hint      canary rules look at --version and --address too\n",
    ] {
        assert!(tester.contains(part), "{part} in {tester}");
    }
    let new = explain(&["--id", "1000", "--account", "bob", "--version", "1.4.1", "--address", "192.0.2.7"]);
    assert!(new.contains("b: canary rule 2 of 3: 1.4.1 is >=1.4.0") && !new.contains("hint"), "{new}");
    let drawn = explain(&["--id", "1000", "--address", "192.0.2.7"]);
    assert!(drawn.contains("the address 192.0.2.7 is in the share of 100% by client_ip"), "{drawn}");
    let rest = explain(&["--id", "7", "--account", "alice"]);
    assert!(rest.contains("its list has the account alice; this cluster serves every group"), "{rest}");
    let closed = "closed    closed, frames get the notice maintenance: \"back soon\", again after 20m\n";
    assert!(rest.contains(closed), "{rest}");

    fs::remove_file(folder.0.join("testers.txt")).expect("it was there");
    let missing = realmgate(&["explain", "--listener", "players", "--id", "7"], &folder.file());
    assert_eq!(missing.status.code(), Some(64));
    assert!(text(&missing.stderr).contains("one account a line"), "{}", text(&missing.stderr));
}
