//! What the pages for authors show is true: the server of `docs/backends.md` runs, and the frames of `docs/players.md`
//! are frames.

use realmgate::wire::NoticeCode;

use crate::fakes::{Example, HEARD, NOTICE, Player, frame, gate_of, root};

pub(crate) fn page(name: &str) -> String {
    std::fs::read_to_string(root().join("docs").join(name)).expect(name)
}

/// The first block of a page in this language.
pub(crate) fn block<'a>(page: &'a str, language: &str) -> &'a str {
    let (_, behind) = page.split_once(&format!("```{language}\n")).expect("a block");
    behind.split_once("```").expect("its end").0
}

#[tokio::test]
async fn the_server_of_the_page_sends_every_frame_back() {
    let page = page("backends.md");
    let server = block(&page, "python").replace("7101", "0").replace(
        "server.serve_forever()",
        "print('listening on 127.0.0.1:%d' % server.server_address[1], flush=True)\nserver.serve_forever()",
    );
    let echo = Example::python(&["-c", &server]);
    let file = format!(
        "[gateway]\nworkers = 2\n[frame.game]\nlength = {{ width = 4 }}\nid = {{ offset = 4, width = 2 }}\n\
         [listener.players]\nlisten = \"127.0.0.1:0\"\n[cluster.echo]\nbackends = [{{ address = \"{}\" }}]\n\
         [route.echo]\nids = [\"*\"]\ncluster = \"echo\"\n",
        echo.address
    );
    let gate = gate_of(file).await;
    for _ in 0..4 {
        let mut player = Player::connect(&gate).await;
        for text in ["", "hello", &"x".repeat(60_000)] {
            player.says_as(HEARD, text).await;
            player.hears(text).await;
        }
    }
    gate.stop().await;
}

#[test]
fn the_page_has_a_row_for_every_notice_and_says_who_may_come_back() {
    let page = page("players.md");
    let (_, behind) = page.split_once("\n## Notices\n").expect("the section");
    let (section, _) = behind.split_once("\n## ").expect("its end");
    let rows = section.lines().filter_map(|line| {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        let code = cells.get(1)?.strip_prefix('`')?.strip_suffix('`')?;
        Some((code, *cells.get(4).expect("a column")))
    });
    let expected =
        NoticeCode::ALL.map(|code| (code.as_str(), if code.may_reconnect() { "yes" } else { "no" }));
    assert_eq!(rows.collect::<Vec<_>>(), expected);
}

#[test]
fn the_frames_of_the_page_are_frames() {
    let page = page("players.md");
    let shown = page.lines().filter(|line| line.starts_with(['>', '<']) && !line.ends_with("..."));
    let mut codes = Vec::new();
    for line in shown.filter(|line| !line.contains("  ...  ")) {
        let parts: Vec<_> = line.trim_start_matches(['>', '<']).trim().splitn(3, ' ').collect();
        let [length, id, body] = parts[..] else { panic!("{line}") };
        let id = u16::from_str_radix(id, 16).expect(line);
        let bytes = frame(id, body);
        let head: String = bytes[..4].iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(head, length, "{line}");
        if id == NOTICE {
            let json: serde_json::Value = serde_json::from_str(body).expect(line);
            codes.extend(json.get("code").map(|code| code.as_str().expect(line).to_owned()));
        }
    }
    codes.sort();
    codes.dedup();
    assert_eq!(codes, ["admitted", "login_required", "queued", "replaced"]);
    for code in NoticeCode::ALL.map(NoticeCode::as_str) {
        codes.retain(|shown| shown != code);
    }
    assert_eq!(codes, Vec::<String>::new(), "codes that there are not");
}
