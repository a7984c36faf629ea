//! Routes of requests, by what each may be told apart from the others.

use super::*;
use crate::config::{self, Source};

const PLAN: &str = r#"
[listener.open]
listen = "127.0.0.1:0"
protocol = "http"

[listener.other]
listen = "127.0.0.1:0"
protocol = "http"

[cluster.web]
link = "http"
backends = [{ address = "127.0.0.1:1" }]
"#;

fn router(routes: &[(&str, &str)]) -> WebRouter {
    let mut text = PLAN.to_owned();
    for (name, body) in routes {
        text += &format!("[http.{name}]\nlistener = \"open\"\ncluster = \"web\"\n{body}\n");
    }
    let source = Source { path: "web.toml".into(), text };
    WebRouter::new(&config::parse(vec![source]).unwrap_or_else(|report| panic!("{}", report.render(false))))
}

fn place(router: &WebRouter, host: &str, path: &str, method: &str) -> Result<usize, WebMiss> {
    let host = Some(host).filter(|host| !host.is_empty());
    router.route(0, host, path.as_bytes(), method).map(WebIndex::get)
}

#[test]
fn the_host_comes_first_then_the_one_path_then_the_longest_prefix() {
    let router = router(&[
        ("all", "path = \"/*\""),
        ("pay", "path = \"/pay/*\""),
        ("paid", "path = \"/pay/done\""),
        ("refunds", "path = \"/pay/refunds/*\""),
        ("shop", "host = \"Shop.example.com\"\npath = \"/pay/*\""),
    ]);
    for (host, path, expected) in [
        ("", "/", 0),
        ("", "/payment", 0),
        ("", "/pay", 0),
        ("", "/pay/", 1),
        ("x.example.com", "/pay/x", 1),
        ("", "/pay/done", 2),
        ("", "/pay/done/x", 1),
        ("", "/pay/refunds/7", 3),
        ("shop.example.com", "/pay/done", 4),
        ("shop.example.com", "/other", 0),
    ] {
        assert_eq!(place(&router, host, path, "GET"), Ok(expected), "{host}{path}");
    }
    assert_eq!(router.route(1, None, b"/", "GET"), Err(WebMiss::Nowhere), "a listener of its own");
    assert_eq!(router.route(7, None, b"/", "GET"), Err(WebMiss::Nowhere));
}

#[test]
fn routes_of_one_path_share_its_methods_and_others_are_told_which_there_are() {
    let router = router(&[
        ("read", "path = \"/a\"\nmethods = [\"GET\", \"HEAD\"]"),
        ("write", "path = \"/a\"\nmethods = [\"POST\"]"),
        ("all", "path = \"/b/*\""),
        ("beside", "path = \"/*\"\nmethods = [\"DELETE\"]"),
    ]);
    assert_eq!(place(&router, "", "/a", "HEAD"), Ok(0));
    assert_eq!(place(&router, "", "/a", "POST"), Ok(1));
    let other = WebMiss::Method("GET, HEAD, POST".to_owned());
    assert_eq!(place(&router, "", "/a", "DELETE"), Err(other.clone()), "not the route of a shorter path");
    assert_eq!(place(&router, "", "/a", "get"), Err(other), "methods have their case");
    assert_eq!(place(&router, "", "/b/c", "PROPFIND"), Ok(2));
    for unusual in UNUSUAL {
        assert!(matches!(place(&router, "", "/b/c", unusual), Err(WebMiss::Method(_))), "{unusual}");
    }
}

#[test]
fn where_no_path_fits_there_is_no_route() {
    let router = router(&[("a", "path = \"/a\""), ("b", "host = \"b.test\"\npath = \"/*\"")]);
    assert_eq!(place(&router, "", "/b", "GET"), Err(WebMiss::Nowhere));
    assert_eq!(place(&router, "c.test", "/b", "GET"), Err(WebMiss::Nowhere));
    assert_eq!(place(&router, "b.test", "/b", "GET"), Ok(1));
}
