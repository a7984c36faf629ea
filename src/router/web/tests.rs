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

/// A table and the names of its routes.
struct Named {
    router: WebRouter,
    names: Vec<String>,
}

fn router(routes: &[(&str, &str)]) -> Named {
    let mut text = PLAN.to_owned();
    for (name, body) in routes {
        text += &format!("[http.{name}]\nlistener = \"open\"\ncluster = \"web\"\n{body}\n");
    }
    text += "[http.elsewhere]\nlistener = \"other\"\ncluster = \"web\"\npath = \"/elsewhere\"\n";
    let source = Source { path: "web.toml".into(), text };
    let plan = config::parse(vec![source]).unwrap_or_else(|report| panic!("{}", report.render(false)));
    let names = plan.http().iter().map(|route| route.name().to_owned()).collect();
    Named { router: WebRouter::new(&plan), names }
}

/// The name of the route at the listener `open`.
fn place<'n>(named: &'n Named, host: &str, path: &str, method: &str) -> Result<&'n str, WebMiss> {
    let host = Some(host).filter(|host| !host.is_empty());
    let open = named.router.route(0, host, path.as_bytes(), method);
    open.map(|route| named.names.get(route.get()).expect("a route of the plan").as_str())
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
        ("", "/", "all"),
        ("", "/payment", "all"),
        ("", "/pay", "all"),
        ("", "/pay/", "pay"),
        ("x.example.com", "/pay/x", "pay"),
        ("", "/pay/done", "paid"),
        ("", "/pay/done/x", "pay"),
        ("", "/pay/refunds/7", "refunds"),
        ("shop.example.com", "/pay/done", "shop"),
        ("shop.example.com", "/other", "all"),
    ] {
        assert_eq!(place(&router, host, path, "GET"), Ok(expected), "{host}{path}");
    }
    assert_eq!(router.router.route(1, None, b"/", "GET"), Err(WebMiss::Nowhere), "a listener of its own");
    assert_eq!(router.router.route(7, None, b"/", "GET"), Err(WebMiss::Nowhere));
}

#[test]
fn routes_of_one_path_share_its_methods_and_others_are_told_which_there_are() {
    let router = router(&[
        ("read", "path = \"/a\"\nmethods = [\"GET\", \"HEAD\"]"),
        ("write", "path = \"/a\"\nmethods = [\"POST\"]"),
        ("all", "path = \"/b/*\""),
        ("beside", "path = \"/*\"\nmethods = [\"DELETE\"]"),
    ]);
    assert_eq!(place(&router, "", "/a", "HEAD"), Ok("read"));
    assert_eq!(place(&router, "", "/a", "POST"), Ok("write"));
    let other = WebMiss::Method("GET, HEAD, POST".to_owned());
    assert_eq!(place(&router, "", "/a", "DELETE"), Err(other.clone()), "not the route of a shorter path");
    assert_eq!(place(&router, "", "/a", "get"), Err(other), "methods have their case");
    assert_eq!(place(&router, "", "/b/c", "PROPFIND"), Ok("all"));
    for unusual in UNUSUAL {
        assert!(matches!(place(&router, "", "/b/c", unusual), Err(WebMiss::Method(_))), "{unusual}");
    }
}

#[test]
fn where_no_path_fits_there_is_no_route() {
    let router = router(&[("a", "path = \"/a\""), ("b", "host = \"b.test\"\npath = \"/*\"")]);
    assert_eq!(place(&router, "", "/b", "GET"), Err(WebMiss::Nowhere));
    assert_eq!(place(&router, "c.test", "/b", "GET"), Err(WebMiss::Nowhere));
    assert_eq!(place(&router, "b.test", "/b", "GET"), Ok("b"));
}
