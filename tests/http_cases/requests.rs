//! HTTP/1.1 through a whole gate.

use std::collections::HashMap;
use std::sync::Arc;

use crate::backend::echo;
use crate::case::{Case, Expected, Seen, requests};
use crate::client::Client;
use crate::passes;
use crate::stage::{Door, Stage, ask};

async fn check(door: Door, case: Arc<Case>) {
    let what = format!("{} {}", door.name, case.name);
    let marker = Seen::get(&format!("/marker/{}", case.name));
    let mut client = Client::connect(door.address).await;
    client.send(&[case.bytes.clone(), ask(&marker)].concat()).await;
    let mut seen = case.seen();
    for expected in &case.expected {
        match expected {
            Expected::Pass(passed) => {
                let answered = client.answer().await.unwrap_or_else(|| panic!("{what}: no answer"));
                assert_eq!((answered.status, answered.body), (200, echo(passed)), "{what}");
            }
            Expected::Answer => {
                let answered = client.answer().await.unwrap_or_else(|| panic!("{what}: no answer"));
                assert!(!answered.recorded && (400..500).contains(&answered.status), "{what}: {answered:?}");
            }
            Expected::Refuse => {
                let answered = client.answer().await.unwrap_or_else(|| panic!("{what}: no refusal"));
                assert!(!answered.recorded && (400..500).contains(&answered.status), "{what}: {answered:?}");
                client.ends(&what).await;
            }
            Expected::Close => client.ends(&what).await,
        }
    }
    if case.lives() {
        let answered = client.answer().await.unwrap_or_else(|| panic!("{what}: no answer to the marker"));
        assert_eq!((answered.status, answered.body), (200, echo(&marker)), "{what}: the marker");
        seen.push(marker);
    }
    seen.push(door.is_sound(&case.name).await);
    assert_eq!(door.backend.take(), seen, "{what}: what the backend saw");
}

#[tokio::test]
async fn backend_and_gate_agree_where_each_request_ends() {
    let stage = Stage::start(&HashMap::new()).await;
    let mut failed = Vec::new();
    for case in requests().into_iter().map(Arc::new) {
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
