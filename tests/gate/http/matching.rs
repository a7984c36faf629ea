//! Which route a request meets, and what nobody may ask.

use super::{Asker, answered, gate, get, open, route, with_status};

fn routes() -> crate::fakes::GateBuilder {
    gate("")
        .table(&route("pay", "path = \"/pay/*\"\nmethods = [\"POST\"]"))
        .table(&route("paid", "path = \"/pay/done\"\nmethods = [\"GET\", \"HEAD\"]"))
        .table(&route("shop", "host = \"shop.test\"\npath = \"/*\""))
}

#[tokio::test]
async fn host_path_and_method_lead_to_the_route() {
    let gate = routes().start().await;
    let mut asker = Asker::connect(open(&gate)).await;
    for (request, route) in [
        ("GET /pay/done HTTP/1.1\r\nHost: a.test\r\n\r\n", "paid"),
        ("POST /pay/new HTTP/1.1\r\nHost: a.test\r\nContent-Length: 0\r\n\r\n", "pay"),
        ("POST /p%61y//new HTTP/1.1\r\nHost: a.test\r\nContent-Length: 0\r\n\r\n", "pay"),
        ("GET /pay/done HTTP/1.1\r\nHost: SHOP.test:8443\r\n\r\n", "shop"),
        ("GET http://shop.test/x HTTP/1.1\r\nHost: shop.test\r\n\r\n", "shop"),
    ] {
        let before = answered(&gate, route);
        asker.ask(request).await;
        assert_eq!(answered(&gate, route), before + 1, "{request}");
    }
    assert_eq!(answered(&gate, ""), 0);
    // Each took its time.
    for (route, requests) in [("paid", 1), ("pay", 2), ("shop", 2)] {
        gate.shows(&format!("realmgate_http_request_seconds_count{{http=\"{route}\"}} {requests}")).await;
    }
}

#[tokio::test]
async fn what_has_no_route_is_told_so_and_the_connection_goes_on() {
    let gate = routes().start().await;
    let mut asker = Asker::connect(open(&gate)).await;
    let nowhere = asker.ask(get("/other")).await;
    assert_eq!((nowhere.status, nowhere.json()["error"].as_str()), (404, Some("there is nothing here")));
    let method = asker.ask(get("/pay/new")).await;
    assert_eq!((method.status, method.header("allow")), (405, Some("POST")));
    let method = asker.ask("DELETE /pay/done HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
    assert_eq!((method.status, method.header("allow")), (405, Some("GET, HEAD")));
    assert_eq!((with_status(&gate, "", 404), with_status(&gate, "", 405)), (1, 2));
    gate.shows("realmgate_http_requests_total{http=\"\",partner=\"\",status=\"404\"} 1").await;
}

#[tokio::test]
async fn what_two_readers_could_read_in_two_ways_is_refused() {
    let gate = routes().start().await;
    for target in [
        "/pay/../x",
        "/pay/%2e%2e/x",
        "/a%2fb",
        "/a%5cb",
        "/a%00",
        "/a%zz",
        "/..;/pay/done",
        "//a/pay/done",
        "///pay/done",
        "http://shop.test//a/pay/done",
        "/;/../pay",
        "http://b.test/x",
        "*",
    ] {
        let mut asker = Asker::connect(open(&gate)).await;
        let reply = asker.ask(format!("OPTIONS {target} HTTP/1.1\r\nHost: shop.test\r\n\r\n")).await;
        assert_eq!(reply.status, 400, "{target}");
    }
    for head in
        ["Host: a.test\r\nHost: a.test\r\n", "Host: a b\r\n", "Host: me@a.test\r\n", "X-No-Host: a\r\n"]
    {
        let mut asker = Asker::connect(open(&gate)).await;
        let reply = asker.ask(format!("GET /pay/done HTTP/1.1\r\n{head}\r\n")).await;
        assert_eq!(reply.status, 400, "{head}");
    }
    for route in ["pay", "paid", "shop"] {
        assert_eq!(answered(&gate, route), 0, "{route}");
    }
}

#[tokio::test]
async fn what_is_left_behind_a_prefix_is_no_host_to_anybody() {
    let gate = gate("")
        .table(&route("shop", "path = \"/shop/*\"\nstrip = \"/shop\""))
        .table(&route("all", "path = \"/*\""))
        .start()
        .await;
    let mut asker = Asker::connect(open(&gate)).await;
    for target in ["/shop//a/pay/done", "/sh%6fp//a/pay/done"] {
        assert_eq!(asker.ask(get(target)).await.status, 400, "{target}");
    }
    assert_eq!((answered(&gate, "shop"), answered(&gate, "all")), (0, 0));
    for (target, route) in [("/shop/a//b", "shop"), ("/a//b", "all")] {
        let before = answered(&gate, route);
        asker.ask(get(target)).await;
        assert_eq!(answered(&gate, route), before + 1, "{target}");
    }
}

#[tokio::test]
async fn a_path_whose_semicolons_lead_to_two_routes_is_refused() {
    let gate = gate("")
        .table(&route("pay", "path = \"/pay/*\""))
        .table(&route("all", "path = \"/*\""))
        .start()
        .await;
    let mut asker = Asker::connect(open(&gate)).await;
    for target in ["/pay;a/x", "/;a/pay/x", "/pay;/x", "/pay%3Ba/x"] {
        assert_eq!(asker.ask(get(target)).await.status, 400, "{target}");
    }
    assert_eq!((answered(&gate, "pay"), answered(&gate, "all")), (0, 0));
    for (target, route) in
        [("/pay/x;v=1", "pay"), ("/pay/a;/x", "pay"), ("/shop;v=1/x", "all"), ("/;x", "all")]
    {
        let before = answered(&gate, route);
        asker.ask(get(target)).await;
        assert_eq!(answered(&gate, route), before + 1, "{target}");
    }
}

#[tokio::test]
async fn every_request_has_a_number_that_the_gate_gave_it() {
    let gate = routes().start().await;
    let mut asker = Asker::connect(open(&gate)).await;
    let mut seen = Vec::new();
    for _ in 0..3 {
        let reply = asker.ask("GET /x HTTP/1.1\r\nHost: a.test\r\nX-Request-Id: mine\r\n\r\n").await;
        let id = reply.header("x-request-id").expect("a number").to_owned();
        assert!(id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
        assert_eq!(reply.json()["request"], id.as_str());
        assert!(!seen.contains(&id), "{id} was there before");
        seen.push(id);
    }
}
