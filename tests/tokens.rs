//! Tokens that prove an account, and whatever else comes in their place.
#![expect(clippy::indexing_slicing, reason = "a test may panic and names what it means")]

use std::time::Duration;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519, PKCS_RSA_SHA256};
use realmgate::config::{self, LoginWay, Source, TokenTrust};
use realmgate::players::{Claims, KeyFault, TokenFault, Verifier};
use rustls::pki_types::PrivatePkcs8KeyDer;
use serde_json::{Value, json};

const NOW: u64 = 1_800_000_000;
const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";

fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// The rules of a file that says so of its token.
fn rules(algorithm: &str, more: &str) -> TokenTrust {
    let text = format!(
        "[frame.game]\nlength = {{ width = 4 }}\nid = {{ offset = 4, width = 2 }}\n\
         [listener.players]\nlisten = \"127.0.0.1:0\"\n\
         [cluster.battle]\nbackends = [{{ address = \"127.0.0.1:1\" }}]\n[route.battle]\nids = [1000]\ncluster = \"battle\"\n\
         [login]\ntoken = {{ id = 1, offset = 6, algorithm = \"{algorithm}\", key = \"key\"{more} }}"
    );
    let plan = config::parse(vec![Source { path: "test.toml".into(), text }]);
    let plan = plan.unwrap_or_else(|report| panic!("{}", report.render(false)));
    match plan.login().expect("it has one").way() {
        LoginWay::Token(rules) => rules.trust().clone(),
        LoginWay::Route(_) => panic!("it has a token"),
    }
}

fn verifier(algorithm: &str, more: &str, key: &[u8]) -> Verifier {
    Verifier::open(&rules(algorithm, more), key).expect("a good key")
}

fn sign(header: &Header, claims: &Value, key: &EncodingKey) -> Vec<u8> {
    jsonwebtoken::encode(header, claims, key).expect("a token").into_bytes()
}

fn hs256(claims: &Value) -> Vec<u8> {
    sign(&Header::new(Algorithm::HS256), claims, &EncodingKey::from_secret(SECRET))
}

fn good() -> Value {
    json!({ "sub": "ann", "exp": NOW + 100 })
}

fn public(pair: &KeyPair) -> DecodingKey {
    DecodingKey::from_ed_pem(pair.public_key_pem().as_bytes()).expect("a key")
}

fn ed25519() -> (KeyPair, EncodingKey) {
    let pair = KeyPair::generate_for(&PKCS_ED25519).expect("randomness");
    let key = EncodingKey::from_ed_pem(pair.serialize_pem().as_bytes()).expect("a key");
    (pair, key)
}

fn rsa() -> KeyPair {
    let pair = aws_lc_rs::rsa::KeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048).expect("randomness");
    let der: Pkcs8V1Der<'_> = pair.as_der().expect("a key");
    let der = PrivatePkcs8KeyDer::from(der.as_ref().to_vec());
    KeyPair::from_pkcs8_der_and_sign_algo(&der, &PKCS_RSA_SHA256).expect("a key")
}

/// The public half of a key as a set shows it.
fn jwk(key: &DecodingKey, algorithm: Algorithm, id: Option<&str>) -> Value {
    let jwk = Jwk::from_decoding_key(key, Some(algorithm)).expect("a key");
    let mut jwk = serde_json::to_value(jwk).expect("JSON");
    if let Some(id) = id {
        jwk["kid"] = json!(id);
    }
    jwk
}

#[test]
fn every_algorithm_verifies_its_own_tokens_and_no_others() {
    let ec = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("randomness");
    let rsa = rsa();
    let (ed, ed_key) = ed25519();
    let ec_key = EncodingKey::from_ec_pem(ec.serialize_pem().as_bytes()).expect("a key");
    let rsa_key = EncodingKey::from_rsa_pem(rsa.serialize_pem().as_bytes()).expect("a key");
    let cases = [
        ("EdDSA", Algorithm::EdDSA, ed.public_key_pem().into_bytes(), ed_key),
        ("ES256", Algorithm::ES256, ec.public_key_pem().into_bytes(), ec_key),
        ("RS256", Algorithm::RS256, rsa.public_key_pem().into_bytes(), rsa_key),
        ("HS256", Algorithm::HS256, SECRET.to_vec(), EncodingKey::from_secret(SECRET)),
    ];
    for (name, _, public, _) in &cases {
        let verifier = verifier(name, "", public);
        for (other, algorithm, _, key) in &cases {
            let verified = verifier.verify(&sign(&Header::new(*algorithm), &good(), key), at(NOW));
            if name == other {
                let ann = Claims { account: "ann".to_owned(), issued: None, version: None };
                assert_eq!(verified, Ok(ann), "{name}");
            } else {
                assert_eq!(verified, Err(TokenFault::Algorithm), "{name} against {other}");
            }
        }
    }
}

/// The public key is known to everybody: whoever could make it a secret could sign.
#[test]
fn a_token_does_not_choose_how_it_is_verified() {
    let (pair, _) = ed25519();
    let pem = pair.public_key_pem();
    let verifier = verifier("EdDSA", "", pem.as_bytes());
    let confused = sign(&Header::new(Algorithm::HS256), &good(), &EncodingKey::from_secret(pem.as_bytes()));
    assert_eq!(verifier.verify(&confused, at(NOW)), Err(TokenFault::Algorithm));
    assert_eq!(Verifier::open(&rules("HS256", ""), pem.as_bytes()).err(), Some(KeyFault::PublicSecret));
    // {"alg":"none"} and {"sub":"ann","exp":1800000100}, with and without a signature.
    let none = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbm4iLCJleHAiOjE4MDAwMDAxMDB9.";
    for token in [none.to_owned(), format!("{none}AAAA"), none.trim_end_matches('.').to_owned()] {
        assert_eq!(verifier.verify(token.as_bytes(), at(NOW)), Err(TokenFault::Malformed), "{token}");
    }
    let mut critical = Header::new(Algorithm::HS256);
    critical.crit = Some(vec!["b64".to_owned()]);
    let token = sign(&critical, &good(), &EncodingKey::from_secret(SECRET));
    let verifier = self::verifier("HS256", "", SECRET);
    assert_eq!(verifier.verify(&token, at(NOW)), Err(TokenFault::Malformed));
}

#[test]
fn times_are_judged_to_the_second_of_the_skew() {
    let verifier = verifier("HS256", ", skew = \"10s\"", SECRET);
    let judged = |claims: Value| verifier.verify(&hs256(&claims), at(NOW)).map(|claims| claims.issued);
    for (exp, result) in [
        (json!(NOW), Ok(None)),
        (json!(NOW - 9), Ok(None)),
        (json!(NOW - 10), Err(TokenFault::Expired)),
        (json!((NOW - 10) as f64 + 0.5), Ok(None)),
        (json!(0), Err(TokenFault::Expired)),
        (json!(u64::MAX), Ok(None)),
        (json!(-1), Err(TokenFault::Malformed)),
        (json!("1800000100"), Err(TokenFault::Malformed)),
        (json!(null), Err(TokenFault::Malformed)),
    ] {
        assert_eq!(judged(json!({ "sub": "ann", "exp": exp.clone() })), result, "exp {exp}");
    }
    assert_eq!(judged(json!({ "sub": "ann" })), Err(TokenFault::Expired), "a token must say when it is over");
    let later = |key: &str, time: u64| {
        let mut claims = good();
        claims[key] = json!(time);
        judged(claims).map(|_| ())
    };
    for key in ["nbf", "iat"] {
        assert_eq!(later(key, NOW + 10), Ok(()), "{key}");
        assert_eq!(later(key, NOW + 11), Err(TokenFault::NotYet), "{key}");
    }
    let issued = json!({ "sub": "ann", "exp": NOW + 100, "iat": NOW as f64 - 0.25 });
    assert_eq!(judged(issued), Ok(Some(NOW - 1)));
}

#[test]
fn an_audience_is_only_looked_at_where_the_file_names_one() {
    let (any, ours) = (verifier("HS256", "", SECRET), verifier("HS256", ", audience = \"game\"", SECRET));
    for (audience, fits) in [
        (json!("game"), true),
        (json!(["web", "game"]), true),
        (json!("gam"), false),
        (json!(["web"]), false),
        (json!([]), false),
        (json!({ "game": true }), false),
        (json!(7), false),
    ] {
        let token = hs256(&json!({ "sub": "ann", "exp": NOW + 1, "aud": audience.clone() }));
        let expected = if fits { Ok("ann".to_owned()) } else { Err(TokenFault::Audience) };
        assert_eq!(ours.verify(&token, at(NOW)).map(|claims| claims.account), expected, "{audience}");
        assert!(any.verify(&token, at(NOW)).is_ok(), "{audience}");
    }
    assert_eq!(ours.verify(&hs256(&good()), at(NOW)), Err(TokenFault::Audience), "none at all");
}

#[test]
fn an_account_has_1_to_128_bytes_and_a_version_is_text() {
    let verifier = verifier("HS256", "", SECRET);
    let claims = |claims: Value| verifier.verify(&hs256(&claims), at(NOW));
    for account in [json!("a"), json!("ä".repeat(64))] {
        let verified = claims(json!({ "sub": account.clone(), "exp": NOW + 1 })).map(|claims| claims.account);
        assert_eq!(verified.as_deref(), Ok(account.as_str().expect("text")));
    }
    for account in [json!(""), json!("ä".repeat(65)), json!(7), json!(null)] {
        let token = json!({ "sub": account.clone(), "exp": NOW + 1 });
        assert_eq!(claims(token), Err(TokenFault::Account), "{account}");
    }
    for (key, version, known) in [
        ("ver", json!("1.4.0"), Some("1.4.0")),
        ("version", json!("1.4.0"), Some("1.4.0")),
        ("ver", json!(1.4), None),
        ("ver", json!("1".repeat(65)), None),
    ] {
        let mut token = good();
        token[key] = version;
        assert_eq!(claims(token).expect("a good token").version.as_deref(), known);
    }
}

#[test]
fn what_is_no_token_is_malformed_and_a_changed_one_has_a_wrong_signature() {
    let verifier = verifier("HS256", "", SECRET);
    let token = hs256(&good());
    let text = String::from_utf8(token.clone()).expect("ASCII");
    let parts: Vec<&str> = text.split('.').collect();
    let malformed = [
        Vec::new(),
        b"...".to_vec(),
        b"\xFF\xFE\xFD".to_vec(),
        vec![b'a'; 8 * 1024 + 1],
        vec![b'.'; 8 * 1024],
        format!("{}.{}", parts[0], parts[1]).into_bytes(),
        format!("{text}.{}", parts[1]).into_bytes(),
        format!(" {text}").into_bytes(),
        [&token[..], b"\0"].concat(),
    ];
    for wrong in malformed {
        assert_eq!(verifier.verify(&wrong, at(NOW)), Err(TokenFault::Malformed), "{wrong:?}");
    }
    let other = String::from_utf8(hs256(&json!({ "sub": "bob", "exp": NOW + 100 }))).expect("ASCII");
    let swapped = format!("{}.{}.{}", parts[0], other.split('.').nth(1).expect("claims"), parts[2]);
    assert_eq!(verifier.verify(swapped.as_bytes(), at(NOW)), Err(TokenFault::Signature));
    for place in 0..token.len() {
        let mut changed = token.clone();
        changed[place] = if changed[place] == b'A' { b'B' } else { b'A' };
        // The last character of a part may hold bits that nobody reads.
        assert!(changed == token || verifier.verify(&changed, at(NOW)).is_err(), "byte {place}");
    }
    let list = sign(&Header::new(Algorithm::HS256), &json!(["ann"]), &EncodingKey::from_secret(SECRET));
    assert_eq!(verifier.verify(&list, at(NOW)), Err(TokenFault::Malformed), "claims are an object");
}

#[test]
fn of_a_set_the_key_that_a_token_names_is_taken_and_else_a_few_are_tried() {
    let keys: Vec<(KeyPair, EncodingKey)> = (0..9).map(|_| ed25519()).collect();
    let set = |count: usize, named: bool| {
        let id = |place: usize| named.then(|| format!("key-{place}"));
        let of = |(place, (pair, _)): (usize, &(KeyPair, EncodingKey))| {
            jwk(&public(pair), Algorithm::EdDSA, id(place).as_deref())
        };
        let mut all: Vec<Value> = keys.iter().take(count).enumerate().map(of).collect();
        // Keys for other purposes are passed over.
        all.push(jwk(&DecodingKey::from_secret(SECRET), Algorithm::HS256, Some("key-0")));
        let mut sealing = jwk(&public(&keys[0].0), Algorithm::EdDSA, Some("sealing"));
        sealing["use"] = json!("enc");
        all.push(sealing);
        verifier("EdDSA", "", json!({ "keys": all }).to_string().as_bytes())
    };
    let token = |place: usize, id: Option<&str>| {
        let header = Header { kid: id.map(str::to_owned), ..Header::new(Algorithm::EdDSA) };
        sign(&header, &good(), &keys[place].1)
    };
    let all = set(9, true);
    assert_eq!(all.keys(), 9);
    assert!(all.verify(&token(8, Some("key-8")), at(NOW)).is_ok());
    let fault = |verifier: &Verifier, token: Vec<u8>| verifier.verify(&token, at(NOW)).err();
    assert_eq!(fault(&all, token(8, Some("key-7"))), Some(TokenFault::Signature));
    assert_eq!(fault(&all, token(8, Some("key-9"))), Some(TokenFault::UnknownKey));
    assert_eq!(fault(&all, token(0, Some("sealing"))), Some(TokenFault::UnknownKey));
    assert_eq!(fault(&all, token(8, None)), Some(TokenFault::UnknownKey), "nine are too many to try");
    let few = set(8, true);
    assert_eq!(fault(&few, token(7, None)), None, "the last of eight");
    assert_eq!(fault(&few, token(8, None)), Some(TokenFault::Signature));
    let unnamed = set(3, false);
    assert_eq!(fault(&unnamed, token(2, Some("whatever"))), None, "keys without IDs are for every token");
    let single = jwk(&public(&keys[0].0), Algorithm::EdDSA, None).to_string();
    let single = verifier("EdDSA", "", single.as_bytes());
    assert_eq!(fault(&single, token(0, Some("whatever"))), None);
}

#[test]
fn a_key_that_could_verify_nothing_is_refused_when_it_is_opened() {
    let (ed, _) = ed25519();
    let wide = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).expect("randomness");
    let set = json!({ "keys": [jwk(&public(&ed), Algorithm::EdDSA, None)] }).to_string();
    let cases: [(&str, Vec<u8>, KeyFault); 11] = [
        ("EdDSA", Vec::new(), KeyFault::NotPem(config::TokenAlgorithm::EdDsa)),
        ("EdDSA", b"\xFF\xFE".to_vec(), KeyFault::NotPem(config::TokenAlgorithm::EdDsa)),
        ("EdDSA", ed.serialize_pem().into_bytes(), KeyFault::Private),
        ("ES256", ed.public_key_pem().into_bytes(), KeyFault::NotPem(config::TokenAlgorithm::Es256)),
        ("ES256", wide.public_key_pem().into_bytes(), KeyFault::NotPem(config::TokenAlgorithm::Es256)),
        ("RS256", ed.public_key_pem().into_bytes(), KeyFault::NotPem(config::TokenAlgorithm::Rs256)),
        ("HS256", SECRET[..31].to_vec(), KeyFault::ShortSecret),
        ("HS256", [&SECRET[..31], b"\n"].concat(), KeyFault::ShortSecret),
        ("EdDSA", b"{ keys".to_vec(), KeyFault::NotJwks),
        ("ES256", set.into_bytes(), KeyFault::NoneFits(config::TokenAlgorithm::Es256)),
        ("EdDSA", b"{\"keys\": []}".to_vec(), KeyFault::NoneFits(config::TokenAlgorithm::EdDsa)),
    ];
    for (algorithm, key, fault) in cases {
        assert_eq!(Verifier::open(&rules(algorithm, ""), &key).err(), Some(fault), "{algorithm} {key:?}");
        assert!(!fault.to_string().is_empty() && !fault.hint().is_empty());
    }
    let bytes: Vec<u8> = (0..=31).collect();
    let verifier = verifier("HS256", "", &bytes);
    let token = sign(&Header::new(Algorithm::HS256), &good(), &EncodingKey::from_secret(&bytes));
    assert!(verifier.verify(&token, at(NOW)).is_ok(), "a secret of raw bytes is taken as it is");
    let verifier = self::verifier("HS256", "", &[SECRET, b"\r\n"].concat());
    assert!(verifier.verify(&hs256(&good()), at(NOW)).is_ok(), "the end of a line belongs to no secret");
}
