//! The lines of shell in docs/partners.md, exactly as they stand there.

use std::path::Path;
use std::process::Command;

use crate::fakes::{Backend, Folder, Program};

const TABLES: &str = r#"
[http.pay]
listener = "open"
path = "/pay/*"
cluster = "pay"
partners = ["adnet"]
[partner.adnet]
auth = { kind = "hmac", secret_file = "secret" }
"#;

/// The blocks of shell in the document.
fn blocks() -> Vec<String> {
    let text = std::fs::read_to_string("docs/partners.md").expect("the document");
    let blocks = text.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap_or_default());
    blocks.map(str::to_owned).collect()
}

fn shell(folder: &Path, text: &str) -> String {
    let said = Command::new("sh").args(["-e", "-c", text]).current_dir(folder).output().expect("a shell");
    let error = String::from_utf8_lossy(&said.stderr);
    assert!(said.status.success(), "{error}");
    String::from_utf8_lossy(&said.stdout).into_owned()
}

#[test]
fn a_request_is_signed_in_four_lines() {
    let backend = Backend::start();
    let program = Program::start(backend.address, TABLES);
    let lines = blocks().remove(0);
    assert_eq!(lines.lines().count(), 4);
    let here = lines.replace("https://open.example.com", &format!("http://{}", program.open));
    assert_ne!(here, lines);
    assert_eq!(shell(&program.folder, &here), "ok\n");
    let seen = backend.seen();
    assert_eq!(seen[0].line, "POST /pay/done?order=17 HTTP/1.1");
    assert_eq!(seen[0].body, b"{\"order\":17}");
    assert_eq!(seen[0].header("x-realmgate-partner"), Some("adnet"));
    assert_eq!(shell(&program.folder, &here), "ok\n", "another nonce each time");
    let altered = here.replace("--data-binary \"$BODY\"", "--data-binary \"$BODY \"");
    assert_ne!(altered, here);
    assert!(shell(&program.folder, &altered).contains("\"unauthorized\""));
    assert_eq!(backend.seen().len(), 2);
}

#[test]
fn a_key_is_made_in_two_lines_and_its_hash_is_what_the_operator_keeps() {
    let (folder, backend) = (Folder::new(), Backend::start());
    let lines = blocks().remove(1);
    let hash = shell(&folder, &lines);
    let secret = std::fs::read_to_string(folder.path("secret")).expect("a secret");
    folder.write("keys", &hash);
    let tables = TABLES
        .replace("kind = \"hmac\", secret_file = \"secret\"", "kind = \"api_key\", keys_file = \"keys\"");
    let program = Program::start_in(folder, "", backend.address, &tables);
    let url = format!("http://{}/pay/done", program.open);
    let ask = format!("curl -sS {url} -H 'X-Api-Key: adnet.{}'", secret.trim());
    assert_eq!(shell(&program.folder, &ask), "ok\n");
    assert_eq!(backend.seen().len(), 1);
}
