//! Who has proven to be a partner, and every way not to: each with its own reason, counted once, and nothing of it
//! reaches the backend.

use std::fmt::Write;

use aws_lc_rs::digest;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use rcgen::{KeyPair, PKCS_ED25519};
use serde_json::{Value, json};

use crate::fakes::{Backend, Folder, Program, Request, Signer, fresh, seconds};

const KEY: &str = "a-key-of-more-than-thirty-two-characters";
const TABLES: &str = r#"
[http.pay]
listener = "open"
path = "/pay/*"
strip = "/pay"
cluster = "pay"
partners = ["adnet", "keyed", "tokens", "far", "off"]
max_body = "1KiB"
[http.other]
listener = "open"
path = "/other"
cluster = "pay"
partners = ["keyed"]
[http.public]
listener = "open"
path = "/public"
cluster = "pay"
[partner.adnet]
auth = { kind = "hmac", secret_file = "secret" }
allow = ["127.0.0.0/8"]
[partner.keyed]
auth = { kind = "api_key", keys_file = "keys" }
[partner.tokens]
auth = { kind = "jwt", key = "tokens.pem", algorithm = "EdDSA", audience = "realm", skew = "0s" }
[partner.far]
auth = { kind = "hmac", secret_file = "secret" }
allow = ["192.0.2.0/24", "2001:db8::/32"]
[partner.off]
enabled = false
auth = { kind = "hmac", secret_file = "secret" }
"#;

struct House {
    backend: Backend,
    program: Program,
    issuer: KeyPair,
}

fn house() -> House {
    let (folder, backend) = (Folder::new(), Backend::start());
    let issuer = KeyPair::generate_for(&PKCS_ED25519).expect("randomness");
    folder.write("tokens.pem", &issuer.public_key_pem());
    let hash = digest::digest(&digest::SHA256, KEY.as_bytes());
    let hash = hash.as_ref().iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a text takes all");
        text
    });
    folder.write("keys", &format!("# since spring\n{hash}  -\n"));
    let program = Program::start_in(folder, "", backend.address, TABLES);
    House { backend, program, issuer }
}

impl House {
    /// Asks, and looks that this is refused with its own reason, once, and is seen by nobody else.
    fn refuses(&self, partner: &str, reason: &str, status: u16, request: &Request) {
        let before = self.program.refusals();
        let answer = self.program.ask(request);
        assert_eq!(answer.status, status, "{reason}: {answer:?}");
        let told = answer.json();
        let id = answer.header("x-request-id").expect("an ID");
        let words = if status == 401 { "unauthorized" } else { "forbidden" };
        assert_eq!(told, json!({ "error": words, "request": id }), "no more than that");
        assert_eq!(answer.header("www-authenticate").is_some(), status == 401);
        let mut after = self.program.refusals();
        let one = (partner.to_owned(), reason.to_owned());
        let place = after.iter().position(|(who, why, _)| (who, why) == (&one.0, &one.1));
        let place = place.unwrap_or_else(|| panic!("{reason} of {partner:?} is not counted: {after:?}"));
        after[place].2 -= 1;
        after.retain(|(_, _, count)| *count > 0);
        assert_eq!(before, after, "once, and nothing else");
        assert_eq!(self.backend.seen().len(), 0, "nobody else has seen {request:?}");
    }

    fn token(&self, claims: &Value) -> Request {
        let key = EncodingKey::from_ed_pem(self.issuer.serialize_pem().as_bytes()).expect("a key");
        bearer(&jsonwebtoken::encode(&Header::new(Algorithm::EdDSA), claims, &key).expect("a token"))
    }
}

fn bearer(token: &str) -> Request {
    Request::new("GET", "/pay/done", "").header("Authorization", &format!("Bearer {token}"))
}

fn post(body: &str) -> Request {
    Request::new("POST", "/pay/done?order=17", body)
}

#[test]
fn the_right_ones_pass_with_their_name_and_without_their_keys() {
    let house = house();
    let good = json!({ "sub": "tokens", "exp": seconds() + 60, "aud": "realm" });
    let key = format!("keyed.{KEY}");
    let all = [
        ("adnet", fresh("adnet")),
        ("adnet", Signer::new("adnet").sign(Request::new("GET", "/pay/", ""))),
        ("keyed", Request::new("GET", "/other", "").header("X-Api-Key", &key)),
        ("keyed", bearer(&key)),
        ("tokens", house.token(&good)),
    ];
    for (place, (partner, request)) in all.iter().enumerate() {
        let request = request.clone().header("X-Realmgate-Partner", "somebody");
        let answer = house.program.ask(&request);
        assert_eq!((answer.status, answer.body.as_str()), (200, "ok\n"), "{partner}: {answer:?}");
        assert_eq!(answer.number("x-ratelimit-limit"), 200);
        assert!(answer.number("x-ratelimit-remaining") < 200);
        let seen = house.backend.seen();
        assert_eq!(seen.len(), place + 1);
        let named: Vec<_> =
            seen[place].headers.iter().filter(|(name, _)| name == "x-realmgate-partner").collect();
        assert_eq!(named.len(), 1);
        assert_eq!(named[0].1, *partner);
        assert_eq!(seen[place].header("authorization"), None, "{partner}");
        assert_eq!(seen[place].header("x-api-key"), None, "{partner}");
    }
    let first = &house.backend.seen()[0];
    assert_eq!(
        (first.line.as_str(), first.body.as_slice()),
        ("POST /done?order=17 HTTP/1.1", &b"{\"order\":17}"[..])
    );
    assert_eq!(house.program.refusals(), []);
    let adnet = house.program.partner("adnet");
    assert_eq!((&adnet["passed"], &adnet["used_today"]), (&json!(2), &json!(2)));
}

#[test]
fn a_route_without_partners_is_for_everybody_and_takes_nothing_away() {
    let house = house();
    let request = Request::new("GET", "/public", "").header("Authorization", "Bearer of a player's own");
    assert_eq!(house.program.ask(&request).status, 200);
    assert_eq!(house.backend.seen()[0].header("authorization"), Some("Bearer of a player's own"));
}

#[test]
fn what_was_altered_after_it_was_signed_is_refused() {
    let house = house();
    let signed = fresh("adnet");
    let altered = [
        Request { method: "PUT".to_owned(), ..signed.clone() },
        Request { target: "/pay/done?order=18".to_owned(), ..signed.clone() },
        Request { target: "/pay/done".to_owned(), ..signed.clone() },
        Request { target: "/pay/%64one?order=17".to_owned(), ..signed.clone() },
        Request { target: "/pay/undone?order=17".to_owned(), ..signed.clone() },
        Request { body: "{\"order\":18}".to_owned(), ..signed.clone() },
        Request { body: String::new(), ..signed.clone() },
    ];
    for request in &altered {
        house.refuses("adnet", "bad_signature", 401, request);
    }
    for (name, value) in [("X-Realmgate-Timestamp", seconds() + 1), ("X-Realmgate-Nonce", u64::MAX)] {
        let mut request = signed.clone();
        for header in request.headers.iter_mut().filter(|header| header.0 == name) {
            header.1 = value.to_string();
        }
        house.refuses("adnet", "bad_signature", 401, &request);
    }
    let foreign = Signer::new("adnet").secret("another secret of thirty-two bytes").sign(post("{}"));
    house.refuses("adnet", "bad_signature", 401, &foreign);
    assert_eq!(house.program.ask(&signed).status, 200, "the nonce was not spent by any of them");
}

#[test]
fn what_was_signed_at_another_time_is_late_either_way() {
    let house = house();
    for time in [0, seconds() - 302, seconds() + 360] {
        house.refuses("adnet", "late", 401, &Signer::new("adnet").at(time).sign(post("{}")));
    }
    for time in [seconds() - 290, seconds() + 290] {
        assert_eq!(house.program.ask(&Signer::new("adnet").at(time).sign(post("{}"))).status, 200);
    }
}

#[test]
fn whoever_shows_nothing_or_half_of_it_is_unsigned() {
    let house = house();
    house.refuses("", "unsigned", 401, &post("{}"));
    house.refuses("", "unsigned", 401, &post("{}").header("Authorization", "Basic YWRuZXQ6eA=="));
    for missing in ["X-Realmgate-Timestamp", "X-Realmgate-Nonce", "X-Realmgate-Signature"] {
        let mut request = fresh("adnet");
        request.headers.retain(|(name, _)| name != missing);
        house.refuses("adnet", "unsigned", 401, &request);
    }
    let mut nameless = fresh("adnet");
    nameless.headers.retain(|(name, _)| name != "X-Realmgate-Key");
    house.refuses("", "unsigned", 401, &nameless);
    let twice = fresh("adnet").header("X-Realmgate-Signature", "00");
    house.refuses("adnet", "bad_signature", 401, &twice);
}

#[test]
fn a_name_that_the_route_does_not_know_is_unknown() {
    let house = house();
    house.refuses("", "unknown", 401, &fresh("somebody"));
    house.refuses("", "unknown", 401, &fresh("keyed")); // a partner that does not sign
    let there = Request { target: "/other".to_owned(), ..post("") };
    house.refuses("", "unknown", 401, &Signer::new("adnet").sign(there)); // one of another route
    house.refuses("", "unknown", 401, &bearer(&format!("adnet.{KEY}")));
    house.refuses("", "unknown", 401, &post("{}").header("X-Api-Key", "nothing"));
}

#[test]
fn a_key_is_right_or_wrong() {
    let house = house();
    for wrong in [KEY.trim_start_matches('a'), &format!("{KEY}x"), "short", ""] {
        house.refuses("keyed", "bad_key", 401, &bearer(&format!("keyed.{wrong}")));
    }
}

#[test]
fn a_token_is_good_for_its_partner_its_audience_and_its_time() {
    let house = house();
    let now = seconds();
    for (reason, claims) in [
        ("expired", json!({ "sub": "tokens", "exp": now - 1, "aud": "realm" })),
        ("expired", json!({ "sub": "tokens", "aud": "realm" })),
        ("late", json!({ "sub": "tokens", "exp": now + 900, "nbf": now + 600, "aud": "realm" })),
        ("bad_signature", json!({ "sub": "tokens", "exp": now + 60, "aud": "another" })),
    ] {
        house.refuses("tokens", reason, 401, &house.token(&claims));
    }
    house.refuses(
        "",
        "unknown",
        401,
        &house.token(&json!({ "sub": "adnet", "exp": now + 60, "aud": "realm" })),
    );
    let stranger = KeyPair::generate_for(&PKCS_ED25519).expect("randomness");
    let forger = House { issuer: stranger, ..house };
    let forged = forger.token(&json!({ "sub": "tokens", "exp": now + 60, "aud": "realm" }));
    forger.refuses("tokens", "bad_signature", 401, &forged);
}

#[test]
fn another_network_and_the_kill_switch_are_looked_at_before_anything_that_costs() {
    let house = house();
    house.refuses("far", "address", 403, &fresh("far"));
    house.refuses("off", "disabled", 403, &fresh("off"));
    let unproven = fresh("far").header("X-Realmgate-Signature", "00");
    house.refuses("far", "address", 403, &unproven);
}

#[test]
fn a_body_that_is_too_long_goes_nowhere_and_is_held_by_nobody() {
    let house = house();
    let long = "x".repeat(1025);
    let answer = house.program.ask(&Signer::new("adnet").sign(post(&long)));
    assert_eq!(answer.status, 413, "{answer:?}");
    let mut chunked = Signer::new("adnet").sign(post("")).bytes();
    let head = String::from_utf8(std::mem::take(&mut chunked)).expect("text");
    let head = head.replace("Content-Length: 0", "Transfer-Encoding: chunked");
    let mut client = crate::fakes::Client::connect(house.program.open);
    client.send(format!("{head}401\r\n{long}\r\n0\r\n\r\n").as_bytes());
    assert_eq!(client.answer().status, 413);
    assert_eq!(house.backend.seen().len(), 0);
    assert_eq!(house.program.partner("adnet")["in_flight"], 0);
}
