//! The file for third parties, with the pay server of `docs/backends.md` behind it: what the page and the file show is
//! what happens.

use realmgate::app::Gate;
use realmgate::config;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::documents::{block, page};
use crate::fakes::{Example, root, within};

const KEY: &str = "payments.an-example-that-everybody-may-read-and-nobody-should-use";

/// The server of the page that answers requests.
fn pay_server() -> Example {
    let page = page("backends.md");
    let (before, behind) = page.split_once("## Answer requests").expect("the chapter");
    let server = block(before, "python");
    let old = server.lines().find(|line| line.contains("kind == 32")).expect("the line for FRAME");
    let server = server.replace(&format!("{old}\n"), block(behind, "python")).replace("7101", "0").replace(
        "server.serve_forever()",
        "print('listening on 127.0.0.1:%d' % server.server_address[1], flush=True)\nserver.serve_forever()",
    );
    Example::python(&["-c", &server])
}

async fn ask(gate: &Gate, request: String) -> String {
    let address = gate.address("open").expect("the listener of the file");
    let mut stream = TcpStream::connect(address).await.expect("the gate listens");
    stream.write_all(request.as_bytes()).await.expect("it takes the request");
    let mut answer = String::new();
    within("an answer", stream.read_to_string(&mut answer)).await.expect("text");
    answer
}

fn post(key: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST /pay/callback HTTP/1.1\r\nHost: a\r\n{key}Connection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}

fn get(more: &str) -> String {
    format!("GET /config/season.json HTTP/1.1\r\nHost: a\r\n{more}Connection: close\r\n\r\n")
}

#[tokio::test]
async fn a_third_party_pays_and_a_client_fetches_what_has_changed() {
    let pay = pay_server();
    let path = root().join("conf/examples/third-party.toml");
    let text = std::fs::read_to_string(&path).expect("the example's file");
    assert!(text.contains(KEY) && text.contains("127.0.0.1:7101") && text.contains("127.0.0.1:8080"));
    let text = text.replace("127.0.0.1:7101", &pay.address).replace("127.0.0.1:8080", "127.0.0.1:0");
    let state = std::env::temp_dir().join(format!("realmgate-third-party-{}", std::process::id()));
    let text = format!("{text}\n[gateway]\nworkers = 2\nstate_dir = \"{}\"\n", state.display());
    let plan = config::parse(vec![config::Source { path, text }]);
    let plan = plan.unwrap_or_else(|report| panic!("{}", report.render(false)));
    let gate = within("the gate to start", Gate::start(plan)).await.unwrap_or_else(|error| panic!("{error}"));
    let answer = ask(&gate, post(&format!("X-Api-Key: {KEY}\r\n"), "{\"order\": 17}")).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(answer.ends_with("\r\n\r\n{\"order\": 17, \"paid\": true}"), "{answer}");
    let answer = ask(&gate, post("", "{\"order\": 17}")).await;
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
    let season = std::fs::read_to_string(root().join("conf/examples/season.json")).expect("the file");
    let answer = ask(&gate, get("")).await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with(&season), "{answer}");
    let lower = answer.to_ascii_lowercase();
    let tag = lower.lines().find_map(|line| line.strip_prefix("etag: ")).expect("a fingerprint");
    let answer = ask(&gate, get(&format!("If-None-Match: {tag}\r\n"))).await;
    assert!(answer.starts_with("HTTP/1.1 304 ") && answer.ends_with("\r\n\r\n"), "{answer}");
    within("the gate to stop", gate.stop()).await;
    drop(std::fs::remove_dir_all(state));
}
