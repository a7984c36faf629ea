//! Backends that answer badly. A file says what they send (`send`, `repeat`), whether they close then (`close`), how they
//! were asked (`ask METHOD`) and what the client gets: `expect STATUS BODY`, or `cut`: an answer that is plainly not whole.

use std::collections::HashMap;
use std::sync::Arc;

use crate::case::{files, lines, unescape};
use crate::client::Client;
use crate::passes;
use crate::stage::{Door, Stage};

struct Case {
    name: String,
    method: String,
    bytes: Vec<u8>,
    closes: bool,
    /// `None`: cut.
    expected: Option<(u16, String)>,
}

fn cases() -> Vec<Case> {
    files("answers")
        .iter()
        .map(|path| read(&path.file_stem().expect("a name").to_string_lossy(), &lines(path)))
        .collect()
}

fn read(name: &str, lines: &[String]) -> Case {
    let (mut bytes, mut closes, mut method, mut expected) = (Vec::new(), false, "GET".to_owned(), None);
    for line in lines {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "send" => bytes.extend(unescape(rest)),
            "repeat" => {
                let (count, text) = rest.split_once(' ').expect("a number and a text");
                bytes.extend(unescape(text).repeat(count.parse().expect("a number")));
            }
            "close" => closes = true,
            "ask" => rest.clone_into(&mut method),
            "cut" => expected = Some(None),
            "expect" => {
                let (status, body) = rest.split_once(' ').unwrap_or((rest, ""));
                expected = Some(Some((status.parse().expect("a status"), body.to_owned())));
            }
            word => panic!("{name}: {word}?"),
        }
    }
    Case { name: name.to_owned(), method, bytes, closes, expected: expected.expect("what comes of it") }
}

async fn check(door: Door, case: Arc<Case>) {
    let what = format!("{} {}", door.name, case.name);
    let mut client = Client::connect(door.address).await;
    let ask = format!(
        "{} /answer/{} HTTP/1.1\r\nHost: gate.test\r\nConnection: close\r\n\r\n",
        case.method, case.name
    );
    client.send(ask.as_bytes()).await;
    if case.method == "HEAD" {
        while client.read_more().await {}
        let text = String::from_utf8_lossy(client.bytes()).into_owned();
        assert!(text.starts_with("HTTP/1.1 200") && text.ends_with("\r\n\r\n"), "{what}: {text}");
    } else {
        let answered = client.answer().await.map(|answered| (answered.status, answered));
        match (&case.expected, answered) {
            (None, None) => assert!(client.bytes().starts_with(b"HTTP/1.1 200"), "{what}: it began"),
            (Some((502, _)), Some((502, answered))) => assert!(!answered.recorded, "{what}"),
            (Some((status, body)), Some((found, answered))) => {
                assert_eq!((found, &answered.body), (*status, body), "{what}");
            }
            (expected, answered) => panic!("{what}: {answered:?} and not {expected:?}"),
        }
    }
    // Whatever the backend left behind is nobody's answer.
    door.is_sound(&case.name).await;
    door.is_sound(&case.name).await;
}

#[tokio::test]
async fn no_client_gets_an_answer_that_it_could_misread() {
    let cases = cases();
    assert!(cases.len() >= 15, "only {} files", cases.len());
    let scripts: HashMap<_, _> = cases
        .iter()
        .map(|case| (format!("/answer/{}", case.name), (case.bytes.clone(), case.closes)))
        .collect();
    let stage = Stage::start(&scripts).await;
    let mut failed = Vec::new();
    for case in cases.into_iter().map(Arc::new) {
        for door in stage.doors.clone() {
            let name = format!("{} {}", door.name, case.name);
            if !passes(check(door, Arc::clone(&case))).await {
                failed.push(name);
            }
        }
    }
    assert_eq!(failed, Vec::<String>::new());
    stage.stop().await;
}
