//! Backends that fail: who gets the request then, who does not, and what is said.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::net::TcpListener;

use crate::origin::{Asked, Deed, Origin, ok, said};
use crate::stage::{Client, Stage, before};

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const POST: &str = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi";

/// An address at which nobody listens.
async fn nobody() -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    listener.local_addr().expect("bound")
}

#[tokio::test]
async fn a_backend_that_cannot_be_reached_costs_no_request_whatever_its_method() {
    let shop = Origin::named("shop").await;
    let gone = nobody().await;
    let stage =
        before(&[gone, shop.address]).cluster("balance = \"backup\"").route("retries = 0").start().await;
    for _ in 0..10 {
        assert_eq!(stage.ask(POST).await.told(), (200, "shop"));
    }
    assert_eq!(stage.in_flight(), [0, 0]);
}

#[tokio::test]
async fn with_nobody_to_be_reached_the_client_is_told() {
    let stage = before(&[nobody().await]).start().await;
    let first = stage.get("/").await;
    assert_eq!(first.status, 502, "{}", first.text());
    let second = stage.get("/").await;
    assert_eq!((second.status, second.all("retry-after")), (503, vec!["1"]), "it is left alone for a second");
    assert!(second.text().contains("\"request\""), "{}", second.text());
    stage.shows("realmgate_http_tries_failed_total{http=\"shop\",reason=\"unreachable\"} 1").await;
    stage.shows("realmgate_http_tries_failed_total{http=\"shop\",reason=\"unavailable\"} 1").await;
}

#[tokio::test]
async fn a_request_that_may_be_repeated_is_asked_anew_elsewhere() {
    for (deed, reason) in [(Deed::Break, "broken"), (said(503, "", "busy"), "status")] {
        let (bad, good) = (Origin::start(move |_| deed.clone()).await, Origin::named("good").await);
        let stage = before(&[bad.address, good.address]).cluster("balance = \"backup\"").start().await;
        assert_eq!(stage.ask(GET).await.told(), (200, "good"));
        assert_eq!((bad.connections(), good.connections()), (1, 1));
        stage.shows("realmgate_http_retries_total{http=\"shop\"} 1").await;
        stage
            .shows(&format!("realmgate_http_tries_failed_total{{http=\"shop\",reason=\"{reason}\"}} 1"))
            .await;
        assert_eq!(stage.in_flight(), [0, 0]);
    }
}

#[tokio::test]
async fn a_request_that_may_not_be_repeated_is_asked_once() {
    let (mut bad, mut good) = (Origin::start(|_| Deed::Break).await, Origin::named("good").await);
    let stage = before(&[bad.address, good.address]).cluster("balance = \"backup\"").start().await;
    let answered = stage.ask(POST).await;
    assert_eq!(answered.status, 502, "{}", answered.text());
    assert_eq!(bad.asked().await.body, b"hi");
    assert!(good.is_idle());
}

#[tokio::test]
async fn the_time_for_the_answer_is_that_of_all_tries_and_its_rest_is_held_against_nobody() {
    let (bad, slow) = (
        Origin::start(|_| Deed::WaitAndBreak(Duration::from_secs(5))).await,
        Origin::start(|_| Deed::Wait).await,
    );
    let stage = before(&[bad.address, slow.address])
        .cluster("balance = \"backup\"")
        .route("timeout = \"6s\"")
        .table("[http.shop.breaker]\nconsecutive = 1")
        .start()
        .await;
    let began = tokio::time::Instant::now();
    let answered = stage.ask(GET).await;
    assert_eq!(answered.status, 504, "{}", answered.text());
    assert!(
        began.elapsed() < Duration::from_millis(10_500),
        "{:?}: not six seconds for each",
        began.elapsed()
    );
    for (backend, state) in [(&bad, 2), (&slow, 0)] {
        let labels = format!("{{route=\"http.shop\",backend=\"{}\"}}", backend.address);
        stage.shows(&format!("realmgate_route_breaker_state{labels} {state}")).await;
    }
}

#[tokio::test]
async fn without_retries_a_backends_own_words_are_passed_on() {
    let (bad, mut good) =
        (Origin::start(|_| said(503, "Retry-After: 7\r\n", "busy")).await, Origin::named("good").await);
    let stage = before(&[bad.address, good.address])
        .cluster("balance = \"backup\"")
        .route("retries = 0")
        .start()
        .await;
    let answered = stage.ask(GET).await;
    assert_eq!((answered.told(), answered.all("retry-after")), ((503, "busy"), vec!["7"]));
    assert!(good.is_idle());
}

#[tokio::test]
async fn only_a_fifth_of_the_requests_is_asked_anew() {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let manner = move |_: &Asked| {
        counted.fetch_add(1, Ordering::Relaxed);
        said(503, "", "busy")
    };
    let (one, two) = (Origin::start(manner.clone()).await, Origin::start(manner).await);
    let stage = before(&[one.address, two.address])
        .route("retries = 5")
        .table("[http.shop.breaker]\nconsecutive = 1000000\nmin_frames = 1000000")
        .table("[cluster.shop.outlier]\nconsecutive = 1000000")
        .start()
        .await;
    let mut client = stage.client().await;
    for _ in 0..100 {
        assert_eq!(client.ask(GET).await.told(), (503, "busy"));
    }
    assert_eq!(count.load(Ordering::Relaxed), 120, "100 requests and 20 of them once more");
}

#[tokio::test]
async fn what_is_no_answer_is_not_passed_on() {
    for bytes in [
        "SSH-2.0-OpenSSH\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nhi",
        "HTTP/1.1 200 OK\r\nBad Name: x\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
    ] {
        let shop = Origin::start(move |_| Deed::Say(bytes.as_bytes().to_vec())).await;
        let breaker = "[http.shop.breaker]\nconsecutive = 1";
        let stage = before(&[shop.address]).route("retries = 0").table(breaker).start().await;
        let answered = stage.get("/").await;
        assert_eq!(answered.status, 502, "{bytes:?}: {}", answered.text());
        let labels = format!("{{route=\"http.shop\",backend=\"{}\"}}", shop.address);
        stage.shows(&format!("realmgate_route_breaker_state{labels} 2")).await;
        stage.shows("realmgate_http_tries_failed_total{http=\"shop\",reason=\"garbled\"} 1").await;
        stage.has_in_flight(&[0]).await;
    }
}

#[tokio::test]
async fn a_backend_that_fails_in_a_row_is_taken_out_and_the_breaker_of_its_route_opens() {
    let broken = Arc::new(AtomicBool::new(true));
    let is_broken = Arc::clone(&broken);
    let shop =
        Origin::start(
            move |_| {
                if is_broken.load(Ordering::Relaxed) { said(502, "", "ill") } else { ok("well") }
            },
        )
        .await;
    let stage = before(&[shop.address])
        .table("[http.shop.breaker]\nconsecutive = 3\nopen = \"100ms\"")
        .table("[cluster.shop.outlier]\nconsecutive = 1000")
        .start()
        .await;
    for _ in 0..3 {
        assert_eq!(stage.ask(POST).await.told(), (502, "ill"));
    }
    let refused = stage.ask(POST).await;
    assert_eq!((refused.status, refused.all("retry-after")), (503, vec!["1"]), "{}", refused.text());
    // The words of a conversion that nobody serves: tests/gate/convert.rs.
    assert!(refused.text().contains(r#""error":"nobody can serve this now""#), "{}", refused.text());
    let shown = |state: u8| {
        let labels = format!("{{route=\"http.shop\",backend=\"{}\"}}", shop.address);
        format!("realmgate_route_breaker_state{labels} {state}")
    };
    stage.shows(&shown(2)).await;
    broken.store(false, Ordering::Relaxed);
    crate::within("the breaker to close", async {
        while stage.ask(POST).await.told() != (200, "well") {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    stage.shows(&shown(0)).await;
}

#[tokio::test]
async fn an_answer_that_admits_a_fault_of_the_program_is_a_success_of_the_backend() {
    for status in [500, 501, 505] {
        let shop = Origin::start(move |_| said(status, "", "a fault")).await;
        let stage = before(&[shop.address])
            .table("[http.shop.breaker]\nconsecutive = 1")
            .table("[cluster.shop.outlier]\nconsecutive = 1")
            .start()
            .await;
        for _ in 0..3 {
            assert_eq!(stage.ask(GET).await.told(), (status, "a fault"));
        }
        let labels = format!("{{route=\"http.shop\",backend=\"{}\"}}", shop.address);
        stage.shows(&format!("realmgate_route_breaker_state{labels} 0")).await;
    }
}

#[tokio::test]
async fn traffic_takes_an_ill_backend_out_of_the_cluster() {
    let (ill, well) = (Origin::start(|_| said(504, "", "ill")).await, Origin::named("well").await);
    let stage = before(&[ill.address, well.address])
        .cluster("balance = \"backup\"")
        .cluster("panic_threshold = 0")
        .table("[http.shop.breaker]\nconsecutive = 1000000\nmin_frames = 1000000")
        .table("[cluster.shop.outlier]\nconsecutive = 3\neject = \"20s\"")
        .start()
        .await;
    for _ in 0..3 {
        assert_eq!(stage.ask(POST).await.told(), (504, "ill"));
    }
    assert_eq!(stage.ask(POST).await.told(), (200, "well"));
}

/// Asks the same again and again and counts what was not answered.
async fn ask_often(address: std::net::SocketAddr, request: &str, failed: Arc<AtomicUsize>) {
    let mut client = Client::connect(address).await;
    for _ in 0..300 {
        let answered = client.ask(request).await;
        assert!(matches!(answered.status, 200 | 502), "{}: {}", answered.status, answered.text());
        failed.fetch_add(usize::from(answered.status == 502), Ordering::Relaxed);
    }
}

#[tokio::test]
async fn a_backend_that_is_killed_under_load_fails_only_what_it_had_and_what_may_not_be_repeated() {
    let (mut one, two) = (Origin::named("one").await, Origin::named("two").await);
    let stage = before(&[one.address, two.address]).start().await;
    let address = stage.address();
    let (failed_gets, failed_posts) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let clients: Vec<_> = (0..8)
        .map(|number| match number % 2 {
            0 => tokio::spawn(ask_often(address, GET, Arc::clone(&failed_gets))),
            _ => tokio::spawn(ask_often(address, POST, Arc::clone(&failed_posts))),
        })
        .collect();
    for _ in 0..50 {
        one.asked().await;
    }
    one.die();
    for client in clients {
        crate::within("a client", client).await.expect("it ends well");
    }
    assert_eq!(failed_gets.load(Ordering::Relaxed), 0, "each was asked anew");
    let posts = failed_posts.load(Ordering::Relaxed);
    assert!(posts <= 4, "{posts} of four clients: only those on their way may have failed");
    assert_eq!(stage.in_flight(), [0, 0]);
}

/// A gate whose breaker at this backend has opened and waits for its trial, and a client that is the trial and has not
/// said all of its body.
async fn slow_trial(shop: &Origin) -> (Stage, Client) {
    let stage = before(&[shop.address])
        .limit("write_timeout = \"1m\"")
        .table("[http.shop.breaker]\nconsecutive = 1\nopen = \"100ms\"")
        .table("[cluster.shop.outlier]\nconsecutive = 1000")
        .start()
        .await;
    assert_eq!(stage.get("/fail").await.told(), (502, "ill"));
    breaker_is(&stage, shop, 2).await;
    let mut slow = stage.client().await;
    crate::within("the slow one to be the trial", async {
        loop {
            slow.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nh").await;
            let refused = tokio::time::timeout(Duration::from_millis(50), slow.stream.readable()).await;
            if refused.is_err() {
                return;
            }
            slow = stage.client().await;
        }
    })
    .await;
    breaker_is(&stage, shop, 1).await;
    (stage, slow)
}

async fn breaker_is(stage: &Stage, shop: &Origin, state: u8) {
    let labels = format!("{{route=\"http.shop\",backend=\"{}\"}}", shop.address);
    stage.shows(&format!("realmgate_route_breaker_state{labels} {state}")).await;
}

fn ill_or_well(asked: &Asked) -> Deed {
    if asked.line() == "GET /fail" { said(502, "", "ill") } else { ok("well") }
}

#[tokio::test]
async fn a_trial_whose_body_takes_its_time_leaves_the_decision_to_the_next_request() {
    let shop = Origin::start(ill_or_well).await;
    let (stage, mut slow) = slow_trial(&shop).await;
    crate::within("another request to be the trial", async {
        while stage.get("/").await.told() != (200, "well") {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    breaker_is(&stage, &shop, 0).await;
    slow.send("i").await;
    assert_eq!(slow.answer(false).await.told(), (200, "well"), "and the slow one is served all the same");
}

#[tokio::test]
async fn a_trial_whose_body_took_its_time_decides_where_nobody_else_has() {
    let shop = Origin::start(ill_or_well).await;
    let (stage, mut slow) = slow_trial(&shop).await;
    breaker_is(&stage, &shop, 2).await; // it waits for the slow one no more
    slow.send("i").await;
    assert_eq!(slow.answer(false).await.told(), (200, "well"));
    breaker_is(&stage, &shop, 0).await;
}
