//! Who may ask, and how: the token, pages of other origins, methods, types.

use crate::fakes::{Office, TOKEN};

#[tokio::test]
async fn every_path_but_the_health_checks_wants_the_token() {
    let office = Office::with_token().await;
    let good = format!("Authorization: Bearer {TOKEN}");
    for path in ["/v1/status", "/v1/config", "/metrics", "/nowhere", "/healthz/"] {
        let reply = office.get(path).await;
        assert_eq!(reply.status, 401, "{path}");
        assert_eq!(reply.header("www-authenticate"), Some("Bearer"));
        assert_eq!(reply.header("connection"), Some("close"), "a stranger keeps no place");
        assert_eq!(reply.error().1, "unauthorized", "nothing else is told");
    }
    for wrong in ["Bearer 0123456789abcdef-admix", "Bearer 0123456789abcdef", "Basic eDp5", "Bearer", TOKEN] {
        let head = format!("Authorization: {wrong}");
        assert_eq!(office.request("GET /v1/status", &[&head], "").await.status, 401, "{wrong}");
    }
    assert_eq!(office.request("GET /v1/status", &[&good], "").await.status, 200);
    assert_eq!(office.post("/v1/reload", "").await.status, 401);
    assert_eq!((office.get("/healthz").await.status, office.get("/readyz").await.status), (200, 200));
    assert_eq!(office.post("/healthz", "").await.status, 401, "only GET is open");
    let page = office.request("GET /metrics", &[&good], "").await.body;
    assert!(page.contains("realmgate_admin_refused_total{reason=\"token\"} 12\n"), "{page}");
    office.close().await;
}

#[tokio::test]
async fn pages_of_other_origins_are_refused() {
    let office = Office::open().await;
    let own = format!("Origin: http://{}", office.address);
    assert_eq!(
        office.request("GET /v1/status", &[&own, "Sec-Fetch-Site: same-origin"], "").await.status,
        200
    );
    for head in [
        "Origin: http://evil.example",
        "Origin: null",
        "Origin: http://127.0.0.1:1",
        "Sec-Fetch-Site: cross-site",
        "Sec-Fetch-Site: same-site",
    ] {
        assert_eq!(office.request("GET /v1/status", &[head], "").await.error().0, 403, "{head}");
        let posted = office.request("POST /v1/reload", &[head, "Content-Type: application/json"], "{}").await;
        assert_eq!(posted.error().0, 403, "{head}");
        assert_eq!(office.request("GET /healthz", &[head], "").await.error().0, 403, "{head}");
    }
    office.close().await;
}

#[tokio::test]
async fn a_name_that_was_turned_to_this_machine_is_refused() {
    let office = Office::open().await;
    for host in
        ["Host: rebound.example", "Host: rebound.example:9600", "Host: ", "Host: 127.0.0.1.evil.example"]
    {
        assert_eq!(office.request("GET /v1/status", &[host], "").await.error().0, 421, "{host}");
    }
    for host in ["Host: localhost:9600", "Host: [::1]:9600", "Host: 10.0.0.5", "host: LOCALHOST"] {
        assert_eq!(office.request("GET /v1/status", &[host], "").await.status, 200, "{host}");
    }
    let none = office.raw("GET /v1/status HTTP/1.0\r\n\r\n").await.expect("an answer");
    assert_eq!(none.status, 421, "no host at all");
    office.close().await;
}

#[tokio::test]
async fn reads_are_get_and_changes_post() {
    let office = Office::open().await;
    for (line, allowed) in [
        ("POST /v1/status", "GET"),
        ("PUT /v1/bans", "GET, POST"),
        ("DELETE /v1/overrides", "GET"),
        ("PATCH /healthz", "GET"),
        ("GET /v1/backends/battle/127.0.0.1:1", "POST"),
        ("GET /v1/reload", "POST"),
        ("GET /v1/upgrade", "POST"),
        ("GET /v1/release", "POST"),
        ("GET /v1/partners/x", "POST"),
        ("GET /v1/sessions/1/kick", "POST"),
        ("GET /v1/accounts/ann/kick", "POST"),
        ("GET /v1/routes/battle/maintenance", "POST"),
        ("OPTIONS /v1/overrides/clear", "POST"),
    ] {
        let reply = office.request(line, &["Content-Type: application/json"], "").await;
        assert_eq!((reply.status, reply.header("allow")), (405, Some(allowed)), "{line}");
    }
    // No method, no path: what is wrong with the body is of no interest.
    let reply = office.request("POST /v1/status", &["Content-Type: text/plain"], "x").await;
    assert_eq!((reply.status, reply.header("allow")), (405, Some("GET")));
    assert_eq!(office.request("POST /v1/clusters", &[], "").await.status, 405);
    assert_eq!(office.request("POST /nowhere", &[], "").await.status, 404);
    for path in ["/", "/v1", "/v1/", "/v1/statuss", "/v1/clusters/a/b", "//v1/status", "/v1/status/"] {
        assert_eq!(office.get(path).await.error().0, 404, "{path}");
    }
    assert_eq!(office.get("/v1/clusters/%ff").await.error().0, 400, "no UTF-8");
    office.close().await;
}

#[tokio::test]
async fn a_change_is_json_or_nothing() {
    let office = Office::open().await;
    for kind in
        ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/jsonp"]
    {
        let head = format!("Content-Type: {kind}");
        assert_eq!(office.request("POST /v1/reload", &[&head], "{}").await.error().0, 415, "{kind}");
    }
    assert_eq!(office.request("POST /v1/reload", &[], "{}").await.error().0, 415, "none");
    office.close().await;
}
