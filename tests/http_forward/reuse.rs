//! Connections to backends: used again, found dead, and met under TLS.

use crate::origin::{Deed, Origin, ok};
use crate::stage::before;

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const POST: &str = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi";

#[tokio::test]
async fn one_connection_serves_many_clients_one_after_the_other() {
    let shop = Origin::named("shop").await;
    let stage = before(&[shop.address]).start().await;
    for _ in 0..20 {
        assert_eq!(stage.ask(GET).await.told(), (200, "shop"));
        assert_eq!(stage.ask(POST).await.told(), (200, "shop"));
    }
    assert_eq!(shop.connections(), 1);
}

#[tokio::test]
async fn a_connection_that_the_backend_says_it_closes_is_not_used_again() {
    let shop = Origin::start(|_| {
        Deed::SayAndLeave(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi".to_vec())
    })
    .await;
    let stage = before(&[shop.address]).start().await;
    for _ in 0..5 {
        assert_eq!(stage.ask(POST).await.told(), (200, "hi"));
    }
    assert_eq!(shop.connections(), 5);
}

#[tokio::test]
async fn a_connection_that_died_while_it_waited_fails_nobody() {
    // The backend leaves behind each answer without a word of it, as servers do whose patience is over.
    for deed in [
        Deed::SayAndLeave(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi".to_vec()),
        Deed::SayAndBreak(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi".to_vec()),
    ] {
        let shop = Origin::start(move |_| deed.clone()).await;
        let stage = before(&[shop.address]).route("retries = 0").start().await;
        for _ in 0..20 {
            assert_eq!(stage.ask(GET).await.told(), (200, "hi"));
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn a_connection_on_which_something_is_left_is_not_used_again() {
    // Bytes behind the answer would be taken for the answer of the next request.
    let shop = Origin::start(|asked| match asked.connection {
        0 => Deed::Say(
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhiHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
                .to_vec(),
        ),
        _ => ok("good"),
    })
    .await;
    let stage = before(&[shop.address]).start().await;
    assert_eq!(stage.ask(GET).await.told(), (200, "hi"));
    for _ in 0..5 {
        let answered = stage.ask(GET).await;
        assert_eq!(answered.told(), (200, "good"), "the answer of nobody's request");
    }
}
