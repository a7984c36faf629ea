//! Who gets a request: every balance, by what part of the request, and where the file says otherwise after a reload.

use std::collections::{BTreeMap, BTreeSet};

use crate::origin::Origin;
use crate::stage::{Setting, Stage, before};

struct Three {
    origins: Vec<Origin>,
}

impl Three {
    async fn start() -> Self {
        let origins =
            vec![Origin::named("one").await, Origin::named("two").await, Origin::named("three").await];
        Self { origins }
    }

    fn setting(&self) -> Setting {
        before(&self.origins.iter().map(|origin| origin.address).collect::<Vec<_>>())
    }
}

/// How often each backend answered so many requests.
async fn shares(stage: &Stage, count: usize) -> BTreeMap<String, usize> {
    let mut shares = BTreeMap::new();
    let mut client = stage.client().await;
    for _ in 0..count {
        let answered = client.ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        *shares.entry(answered.text().to_owned()).or_default() += 1;
    }
    shares
}

#[tokio::test]
async fn balances_without_a_key_share_as_they_say() {
    let three = Three::start().await;
    let stage = three.setting().start().await;
    assert_eq!(shares(&stage, 30).await.into_values().collect::<Vec<_>>(), [10, 10, 10], "in turn");
    for (balance, backends) in [("random", 3), ("least_load", 3), ("backup", 1)] {
        let stage = three.setting().cluster(&format!("balance = \"{balance}\"")).start().await;
        assert_eq!(shares(&stage, 100).await.len(), backends, "{balance}");
    }
}

#[tokio::test]
async fn a_key_of_the_request_finds_the_same_backend_each_time() {
    let three = Three::start().await;
    for balance in ["modulo", "consistent_hash"] {
        for (hash_on, request) in [
            ("{ header = \"X-Player\" }", "GET / HTTP/1.1\r\nHost: a\r\nx-player: KEY\r\n\r\n"),
            ("{ cookie = \"sid\" }", "GET / HTTP/1.1\r\nHost: a\r\nCookie: a=b; sid=KEY\r\n\r\n"),
            ("{ query = \"sid\" }", "GET /?a=b&sid=KEY HTTP/1.1\r\nHost: a\r\n\r\n"),
        ] {
            let lines = format!("balance = \"{balance}\"\nhash_on = {hash_on}");
            let stage = three.setting().cluster(&lines).start().await;
            let mut met = BTreeSet::new();
            for player in 0..20 {
                let request = request.replace("KEY", &format!("player-{player}"));
                let first = stage.ask(&request).await;
                met.insert(first.text().to_owned());
                let (second, third) = (stage.ask(&request).await, stage.ask(&request).await);
                assert_eq!([second.text(), third.text()], [first.text(); 2], "{balance} {hash_on}");
            }
            assert_eq!(met.len(), 3, "{balance} {hash_on}: all have players");
        }
    }
}

#[tokio::test]
async fn without_its_key_a_request_goes_by_its_address() {
    let three = Three::start().await;
    for hash_on in ["\"client_ip\"", "{ header = \"x-player\" }"] {
        let lines = format!("balance = \"consistent_hash\"\nhash_on = {hash_on}");
        let stage = three.setting().cluster(&lines).start().await;
        assert_eq!(shares(&stage, 20).await.len(), 1, "{hash_on}");
    }
}

#[tokio::test]
async fn a_reload_changes_the_backends_of_the_next_request_on_the_same_connection() {
    let (old, new) = (Origin::named("old").await, Origin::named("new").await);
    let mut stage = before(&[old.address]).start().await;
    let mut client = stage.client().await;
    assert_eq!(client.ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.told(), (200, "old"));
    let both =
        before(&[old.address, new.address]).cluster("balance = \"backup\"").cluster("slow_start = \"0s\"");
    stage.reload(both).await;
    assert_eq!(client.ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.told(), (200, "old"));
    stage.reload(before(&[new.address]).cluster("slow_start = \"0s\"")).await;
    assert_eq!(client.ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.told(), (200, "new"));
}
