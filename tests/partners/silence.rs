//! What is secret never gets into the log, at whatever level and whatever goes wrong: no bytes of frames, no tokens, no
//! keys; of requests neither headers nor queries nor bodies.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use rcgen::{KeyPair, PKCS_ED25519};
use serde_json::{Value, json};

use crate::fakes::{BOUND, Backend, Client, Folder, Program, Request, SECRET, Signer, seconds, until};

/// The SHA-256 of `SECRET`.
const KEY_HASH: &str = "40b4aff082342ddc68a61b7490cf51dddba00ffc2a8b225f729d703721bae931";

/// What nobody may read in a log, besides `SECRET` and what is made in the test.
const BODY: &str = "body-of-a-request";
const QUERY: &str = "query-of-a-request";
const HEADER: &str = "header-of-a-request";
const FRAME: &str = "body-of-a-frame";
const TOKEN: &str = "token-of-nobody";

fn tables(folder: &Folder, game: SocketAddr) -> String {
    let key = folder.path("tokens.pem");
    format!(
        r#"
[http.pay]
listener = "open"
path = "/pay/*"
cluster = "pay"
partners = ["adnet", "keyed", "tokens"]
max_body = "1KiB"
[http.gone]
listener = "open"
path = "/gone/*"
cluster = "gone"
[cluster.gone]
link = "http"
backends = [{{ address = "127.0.0.1:1" }}]
health = {{ probe = "tcp", fall = 100 }}
[partner.adnet]
auth = {{ kind = "hmac", secret_file = "secret" }}
[partner.keyed]
auth = {{ kind = "api_key", keys_file = "keys" }}
[partner.tokens]
auth = {{ kind = "jwt", key = "{key}", algorithm = "EdDSA", audience = "realm" }}
[frame.game]
max_length = "1KiB"
length = {{ offset = 0, width = 4 }}
id = {{ offset = 4, width = 2 }}
notice = {{ id = 9000, body = "json" }}
[listener.players]
listen = "127.0.0.1:0"
[login]
token = {{ id = 10, offset = 6, algorithm = "EdDSA", key = "{key}" }}
resume = "60s"
[cluster.battle]
link = "dedicated"
frame = "game"
backends = [{{ address = "{game}" }}]
[route.battle]
ids = [1000]
cluster = "battle"
"#,
        key = key.display(),
    )
}

/// A game server that sends every frame back, and something else behind one that asks for it.
fn game() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound");
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || serve(stream));
        }
    });
    address
}

fn serve(mut stream: TcpStream) -> Option<()> {
    loop {
        let (id, body) = read_frame(&mut stream)?;
        stream.write_all(&frame(id, &body)).ok()?;
        if body.ends_with(b"break") {
            stream.write_all(FRAME.as_bytes()).ok()?;
        }
    }
}

fn frame(id: u16, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 2).expect("short");
    [&length.to_be_bytes()[..], &id.to_be_bytes(), body].concat()
}

fn read_frame(stream: &mut TcpStream) -> Option<(u16, Vec<u8>)> {
    let mut head = [0; 6];
    stream.read_exact(&mut head).ok()?;
    let [a, b, c, d, high, low] = head;
    let mut body = vec![0; usize::try_from(u32::from_be_bytes([a, b, c, d])).ok()?.checked_sub(2)?];
    stream.read_exact(&mut body).ok()?;
    Some((u16::from_be_bytes([high, low]), body))
}

/// A player's connection.
struct Player(TcpStream);

impl Player {
    fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("a connection");
        stream.set_read_timeout(Some(BOUND)).expect("a bound");
        Self(stream)
    }

    /// Sends a frame and reads the next one.
    fn ask(&mut self, id: u16, body: &[u8]) -> (u16, Vec<u8>) {
        self.0.write_all(&frame(id, body)).expect("the gate reads");
        read_frame(&mut self.0).expect("a frame")
    }

    /// The same where it must be this notice.
    fn noticed(&mut self, id: u16, body: &[u8], code: &str) -> Value {
        let (id, body) = self.ask(id, body);
        assert_eq!(id, 9000);
        let notice: Value = serde_json::from_slice(&body).expect("JSON");
        assert_eq!(notice["code"], code, "{notice}");
        notice
    }

    /// Waits until the gate closes it.
    fn closed(mut self) {
        let ended = self.0.read_to_end(&mut Vec::new());
        let in_vain = |error: &std::io::Error| error.kind() == std::io::ErrorKind::WouldBlock;
        assert!(!ended.as_ref().is_err_and(in_vain), "{ended:?}");
    }
}

/// Players who do what is right and what is wrong: the tokens that they were given.
fn play(program: &Program, token: &str) -> Vec<String> {
    let player = || Player::connect(program.listener("players"));
    let text = |body: &str| [FRAME, body].concat().into_bytes();
    player().noticed(1000, &text("too early"), "login_required");
    let nobody = format!("{TOKEN}.{TOKEN}.{TOKEN}");
    player().noticed(10, nobody.as_bytes(), "unauthorized");
    player().noticed(10, format!("{token}x").as_bytes(), "unauthorized");
    player().noticed(9000, json!({ "resume": TOKEN }).to_string().as_bytes(), "login_required");

    let mut ann = player();
    let first = ann.noticed(10, token.as_bytes(), "admitted");
    assert_eq!(ann.ask(1000, &text("")), (1000, text("")));
    ann.noticed(77, &text("of no route"), "unknown_id");
    let mut again = player();
    let claim =
        |notice: &Value| json!({ "resume": notice["resume"], "received": 1 }).to_string().into_bytes();
    let second = again.noticed(9000, &claim(&first), "admitted");
    ann.closed();
    again.0.write_all(&frame(1000, &text("break"))).expect("the gate reads");
    until("a word on the backend", || program.said("sent what is no frame of its layout") == 1);
    drop(again);
    let third = player().noticed(9000, &claim(&second), "admitted");
    let mut bob = player();
    bob.noticed(10, token.as_bytes(), "admitted");
    bob.0.write_all(&frame(1000, FRAME.repeat(200).as_bytes())).expect("the gate reads");
    bob.closed();
    [first, second, third].map(|notice| notice["resume"].as_str().expect("a token").to_owned()).into()
}

/// Requests of partners and others, right ones and wrong ones: each with the status that it must have.
fn trade(program: &Program, token: &str) {
    let request = |path: &str| {
        Request::new("POST", &format!("{path}?{QUERY}"), BODY)
            .header("Cookie", HEADER)
            .header("X-Own", HEADER)
    };
    let pay = || request("/pay/done");
    let bearer = |token: &str| pay().header("Authorization", &format!("Bearer {token}"));
    let all = [
        (200, Signer::new("adnet").sign(pay())),
        (200, pay().header("X-Api-Key", &format!("keyed.{SECRET}"))),
        (200, bearer(token)),
        (401, pay()),
        (401, pay().header("X-Api-Key", &format!("keyed.{HEADER}"))),
        (401, bearer(&format!("{token}x"))),
        (401, Signer::new("adnet").secret(HEADER).sign(pay())),
        (404, request("/nowhere")),
        (502, request("/gone/away")),
        (413, Request { body: BODY.repeat(100), ..pay() }.header("X-Api-Key", &format!("keyed.{SECRET}"))),
    ];
    for (status, request) in all {
        let answer = program.ask(&request);
        assert_eq!(answer.status, status, "{request:?}: {answer:?}");
    }
    let mut rude = Client::connect(program.open);
    rude.send(
        format!("POST /pay/done?{QUERY} HTTP/1.1\r\nHost: open.test\r\n{HEADER}\r\n\r\n{BODY}").as_bytes(),
    );
    assert_eq!(rude.answer().status, 400);
    let ask = Request::new("POST", "/v1/reload", "{}").header("Content-Type", "application/json");
    let ask = ask.header("Authorization", &format!("Bearer {TOKEN}"));
    assert_eq!(program.admin_asked(ask).status, 200);
}

#[test]
fn no_frame_no_token_and_nothing_private_of_a_request_is_ever_in_the_log() {
    let (folder, backend) = (Folder::new(), Backend::start());
    let pair = KeyPair::generate_for(&PKCS_ED25519).expect("randomness");
    folder.write("tokens.pem", &pair.public_key_pem());
    folder.write("keys", KEY_HASH);
    let key = EncodingKey::from_ed_pem(pair.serialize_pem().as_bytes()).expect("a key");
    let sign = |claims| jsonwebtoken::encode(&Header::new(Algorithm::EdDSA), &claims, &key).expect("a token");
    let of_ann = sign(json!({ "sub": "ann", "exp": seconds() + 600 }));
    let of_partner = sign(json!({ "sub": "tokens", "exp": seconds() + 600, "aud": "realm" }));

    let tables = tables(&folder, game());
    let program = Program::start_in(folder, "", backend.address, &tables);
    let resumes = play(&program, &of_ann);
    trade(&program, &of_partner);
    let log = program.whole_log();

    let made = [of_ann, of_partner].into_iter().chain(resumes);
    let said = [BODY, QUERY, HEADER, FRAME, TOKEN, SECRET].map(str::to_owned).into_iter().chain(made);
    for secret in said {
        for shape in [secret.clone(), hex(&secret), listed(&secret)] {
            let told: Vec<_> = log.iter().filter(|line| line.contains(&shape)).collect();
            assert!(told.is_empty(), "{secret}: {told:#?}");
        }
    }
    is_told_of_requests(&log);
}

/// The access log has a line for each request, with what it may say of it.
fn is_told_of_requests(log: &[String]) {
    let lines = log.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let lines: Vec<_> = lines.filter(|line| line["message"] == "request").collect();
    let told = |line: &Value| {
        let words = ["listener", "http", "partner", "method", "path", "version"];
        let words: Vec<_> = words.iter().map(|name| line[name].as_str().expect("a text")).collect();
        format!("{} {}", words.join(" "), line["status"])
    };
    let told: Vec<_> = lines.iter().map(told).collect();
    let pay = |partner: &str, status| format!("open pay {partner} POST /pay/done 1.1 {status}");
    for line in [pay("adnet", 200), pay("keyed", 200), pay("tokens", 200), pay("", 401)] {
        assert!(told.contains(&line), "{line}: {told:#?}");
    }
    let first = &lines[0];
    assert_eq!(first["level"], "DEBUG");
    assert_eq!(first["request"].as_str().map(str::len), Some(32));
    assert_eq!(first["bytes_out"], 3);
    assert!(first["address"].is_string() && first["duration_ms"].is_u64(), "{first}");
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

/// As the bytes of a list are printed.
fn listed(text: &str) -> String {
    text.bytes().map(|byte| byte.to_string()).collect::<Vec<_>>().join(", ")
}
