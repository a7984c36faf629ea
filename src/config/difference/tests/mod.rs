//! Every kind of change: a file, the same file with one thing changed, and what is told of it.

mod login;
mod release;

use std::path::PathBuf;

use super::*;
use crate::config::{AdminState, Maintenance, Override, Overrides, Source, parse};

const OLD: &str = r#"
[gateway]
zone = "sh-a"
[admin]
listen = "127.0.0.1:9600"
token_file = "one.token"
[frame.game]
length = { width = 4 }
id = { offset = 4, width = 2 }
notice = { id = 9000 }
[frame.long]
length = { width = 4 }
id = { offset = 4, width = 4 }
notice = { id = 9000 }
[listener.players]
listen = "127.0.0.1:7000"
frame = "game"
[cluster.battle]
backends = [
  { address = "10.0.1.1:7100", group = "a" },
  { address = "10.0.1.2:7100", group = "b", zone = "sh-b" },
  { address = "10.0.1.3:7100" },
]
[cluster.chat]
link = "dedicated"
on_loss = "close"
frame = "game"
backends = [{ address = "10.0.1.1:7300" }, { address = "10.0.1.2:7300" }]
[route.battle]
ids = ["1000-1999"]
cluster = "battle"
[route.chat]
ids = ["2000-2999"]
cluster = "chat"
[release]
active = "a"
"#;

fn plan(text: &str) -> Plan {
    let source = Source { path: PathBuf::from("test.toml"), text: text.to_owned() };
    parse(vec![source]).unwrap_or_else(|report| panic!("{report}"))
}

/// Each change as what it is, what it does and whom it touches.
fn told(old: &Plan, new: &Plan) -> Vec<(String, String, Touched)> {
    let difference = difference(old, new);
    difference.changes().iter().map(|change| (change.what(), change.effect(), change.touches())).collect()
}

/// The only change between two texts.
fn only(old: &str, new: &str) -> (String, String, Touched) {
    let told = told(&plan(old), &plan(new));
    match <[_; 1]>::try_from(told) {
        Ok([one]) => one,
        Err(many) => panic!("not one change but {many:#?}"),
    }
}

/// The file with one text replaced by another, told as one change.
fn replaced(from: &str, to: &str) -> (String, String, Touched) {
    assert_eq!(OLD.matches(from).count(), 1, "{from}");
    only(OLD, &OLD.replace(from, to))
}

fn check(found: &(String, String, Touched), what: &str, effect: &str, touches: &Touched) {
    assert_eq!(found.0, what);
    assert!(found.1.contains(effect), "{what}: {}", found.1);
    assert_eq!(&found.2, touches, "{what}");
}

fn backend(cluster: &str, address: &str) -> Touched {
    Touched::BackendSessions { cluster: cluster.to_owned(), address: address.to_owned() }
}

fn chat() -> Touched {
    Touched::ClusterSessions("chat".to_owned())
}

#[test]
fn the_same_plan_read_twice_is_no_difference() {
    let moved = OLD.replace("[frame.game]", "# a remark\n\n[frame.game]");
    assert!(difference(&plan(OLD), &plan(OLD)).is_empty(), "layouts are compared by what they say");
    assert!(difference(&plan(OLD), &plan(&moved)).is_empty(), "and places in the file are not");
    let cut = OLD.replace("[\"1000-1999\"]", "[\"1500-1999\", \"1000-1499\"]");
    assert!(difference(&plan(OLD), &plan(&cut)).is_empty(), "and so are IDs");
}

#[test]
fn listeners() {
    let in_there = Touched::ListenerSessions("players".to_owned());
    let second = format!("{OLD}[listener.second]\nlisten = '127.0.0.1:7001'\nframe = 'game'\n");
    let nobody = Touched::Nobody;
    check(&only(OLD, &second), "listener second: added at 127.0.0.1:7001", "players can come in", &nobody);
    let gone = Touched::ListenerSessions("second".to_owned());
    check(
        &only(&second, OLD),
        "listener second: removed from 127.0.0.1:7001",
        "accepts nobody any more",
        &gone,
    );
    let after = "frame = \"game\"\n[cluster.battle]";
    for (from, to, what, effect, touches) in [
        (
            "127.0.0.1:7000",
            "127.0.0.1:7002",
            "address 127.0.0.1:7000 -> 127.0.0.1:7002",
            "sessions that are in stay",
            &in_there,
        ),
        (after, "frame = \"long\"\n[cluster.battle]", "frame game -> long", "keep the old layout", &in_there),
        (
            after,
            "frame = \"game\"\nunknown_id = \"drop\"\n[cluster.battle]",
            "unknown_id",
            "new connections",
            &nobody,
        ),
        (
            after,
            "frame = \"game\"\nlimits = { connections = 5, idle_timeout = \"5s\" }\n[cluster.battle]",
            "limits connections, idle_timeout",
            "new connections",
            &nobody,
        ),
        (
            after,
            "frame = \"game\"\ntls = { certificate = \"a.pem\", key = \"a.key\" }\n[cluster.battle]",
            "certificates plain -> a.pem",
            "new handshakes only",
            &nobody,
        ),
    ] {
        check(&replaced(from, to), &format!("listener players: {what}"), effect, touches);
    }
}

/// What is written for requests.
const REQUESTS: &str = r#"
[listener.open]
listen = "127.0.0.1:8080"
protocol = "http"
[cluster.web]
link = "http"
backends = [{ address = "10.0.0.9:80" }]
[http.shop]
listener = "open"
host = "open.example.com"
path = "/shop/*"
cluster = "web"
"#;

#[test]
fn routes_of_requests() {
    let old = format!("{OLD}{REQUESTS}");
    let nobody = Touched::Nobody;
    let page = "[http.page]\nlistener = 'open'\npath = '/'\nmethods = ['GET']\ncluster = 'web'\n";
    let more = format!("{old}{page}");
    check(&only(&old, &more), "http page: added, to web for everybody", "answered from now on", &nobody);
    check(&only(&more, &old), "http page: removed", "requests under way are answered", &nobody);
    let shop = |line: &str| old.replace("path = \"/shop/*\"", line);
    for (new, what) in [
        (
            shop("path = '/store/*'"),
            "open any method open.example.com/shop/* -> open any method open.example.com/store/*",
        ),
        (
            shop("path = '/shop/*'\nmethods = ['GET', 'POST']"),
            "open any method open.example.com/shop/* -> open GET,POST open.example.com/shop/*",
        ),
        (shop("path = '/shop/*'\nstrip = '/shop'\nretries = 3"), "strip, retries"),
        (shop("path = '/shop/*'\nbreaker = { consecutive = 3 }"), "breaker"),
    ] {
        check(&only(&old, &new), &format!("http shop: {what}"), "requests under way go on", &nobody);
    }
}

#[test]
fn a_route_that_loses_its_partners_is_open_to_everybody() {
    let pay = "[partner.pay]\nauth = { kind = 'api_key', keys_file = 'pay.keys' }\n\
               [http.other]\nlistener = 'open'\npath = '/other'\ncluster = 'web'\npartners = ['pay']\n";
    let open = format!("{OLD}{REQUESTS}{pay}");
    let of = |partners: &str| {
        open.replace("path = \"/shop/*\"", &format!("path = '/shop/*'\npartners = {partners}"))
    };
    let nobody = Touched::Nobody;
    let what = "http shop: open to everybody, and was to pay only";
    check(&only(&of("['pay']"), &of("[]")), what, "are answered whoever asks", &nobody);
    check(&only(&of("['pay']"), &open), what, "are answered whoever asks", &nobody);
    let what = "http shop: partners everybody -> pay";
    check(&only(&open, &of("['pay']")), what, "requests under way go on", &nobody);
    assert!(difference(&plan(&open), &plan(&of("[]"))).is_empty(), "an empty list says what none says");
}

#[test]
fn listeners_for_requests() {
    let old = format!("{OLD}{REQUESTS}");
    let gone = REQUESTS.replace(
        "listener.open]\nlisten = \"127.0.0.1:8080\"",
        "listener.other]\nlisten = \"127.0.0.1:8080\"",
    );
    let gone = gone.replace("listener = \"open\"", "listener = \"other\"");
    let told = told(&plan(&old), &plan(&format!("{OLD}{gone}")));
    let of_open = told.iter().find(|(what, ..)| what.starts_with("listener open")).expect("it is gone");
    let there = Touched::ListenerSessions("open".to_owned());
    check(of_open, "listener open: removed from 127.0.0.1:8080", "end behind their answers", &there);
}

#[test]
fn listeners_that_speak_websocket() {
    let with = |keys: &str| {
        OLD.replace("frame = \"game\"\n[cluster", &format!("frame = \"game\"\n{keys}\n[cluster"))
    };
    let old = with("protocol = 'websocket'");
    let check = |new: &str, what: &str| {
        let what = format!("listener players: {what}");
        check(&only(&old, &with(new)), &what, "for new connections", &Touched::Nobody);
    };
    check("", "protocol");
    check("protocol = 'websocket'\npath = '/play'", "path");
    check("protocol = 'websocket'\norigins = ['https://a.example.com']", "origins");
    check("protocol = 'websocket'\npath = '/play'\nsubprotocols = ['v1']", "path, subprotocols");
}

#[test]
fn a_layout_of_the_same_name_is_told_where_it_is_used() {
    let other = OLD.replacen("notice = { id = 9000 }", "notice = { id = 9001 }", 1);
    let found = told(&plan(OLD), &plan(&other));
    let whats: Vec<_> = found.iter().map(|(what, ..)| what.as_str()).collect();
    assert_eq!(whats, ["listener players: [frame.game] is another layout", "cluster chat: frame"]);
    let unused = OLD.replace("width = 4 }\nnotice", "width = 8 }\nnotice");
    assert!(difference(&plan(OLD), &plan(&unused)).is_empty(), "nobody has frames of [frame.long]");
}

#[test]
fn frames_that_requests_are_converted_to_are_told_as_their_routes() {
    let shared = "[cluster.ask]\nframe = 'game'\nbackends = [{ address = '10.0.0.8:7100' }]\n";
    let old = format!("{OLD}{REQUESTS}{shared}")
        .replace("cluster = \"web\"", "cluster = \"ask\"\nconvert = { id = 5, reply = 6 }");
    let other = old.replace("[cluster.ask]\nframe = 'game'", "[cluster.ask]\nframe = 'long'");
    check(
        &only(&old, &other),
        "http shop: to ask as frame 5 of [frame.game] answered by 6 -> ask as frame 5 of [frame.long] answered by 6",
        "requests under way go on",
        &Touched::Nobody,
    );
    let wider = other.replace("id = { offset = 4, width = 4 }", "id = { offset = 4, width = 8 }");
    let what = "http shop: [frame.long] is another layout";
    check(&only(&other, &wider), what, "requests under way go on", &Touched::Nobody);
}

#[test]
fn clusters() {
    let pay = format!("{OLD}[cluster.pay]\nbackends = [{{ address = '10.0.1.1:7200' }}]\n");
    check(&only(OLD, &pay), "cluster pay: added with 1 backend", "nothing", &Touched::Nobody);
    let gone = Touched::ClusterSessions("pay".to_owned());
    check(&only(&pay, OLD), "cluster pay: removed", "lose it and stay connected", &gone);
    let closes = pay.replace("[cluster.pay]", "[cluster.pay]\non_loss = 'close'");
    check(&only(&closes, OLD), "cluster pay: removed", "are closed", &gone);

    let nobody = Touched::Nobody;
    let key = "on_loss = \"close\"";
    let with = |more: &str| replaced(key, &format!("{key}\n{more}"));
    check(
        &with("connect_timeout = '2s'\nsend_buffer = '1MiB'"),
        "cluster chat: connect_timeout, send_buffer",
        "new connections",
        &nobody,
    );
    check(&with("tls = { ca = 'ca.pem' }"), "cluster chat: tls", "new connections", &nobody);
    check(&with("proxy_protocol = 'v2'"), "cluster chat: proxy_protocol", "new connections", &nobody);
    check(&with("websocket = '/play'"), "cluster chat: websocket", "new connections", &nobody);
    check(
        &with("balance = 'random'\nslow_start = '0s'"),
        "cluster chat: balance, slow_start",
        "next choice",
        &nobody,
    );
    check(&with("panic_threshold = 10"), "cluster chat: panic_threshold", "next choice", &nobody);
    check(&with("sticky = false"), "cluster chat: sticky", "next frame", &chat());
    check(
        &with("health = { fall = 9 }\noutlier = { consecutive = 9 }"),
        "cluster chat: health, outlier",
        "judged",
        &nobody,
    );
    check(&replaced(key, ""), "cluster chat: on_loss close -> repick", "until a backend is lost", &nobody);
    check(
        &replaced("link = \"dedicated\"", "health = { probe = \"tcp\" }"),
        "cluster chat: link dedicated -> shared",
        "bound anew",
        &chat(),
    );
    let swapped = replaced(
        r#"{ address = "10.0.1.1:7300" }, { address = "10.0.1.2:7300" }"#,
        r#"{ address = "10.0.1.2:7300" }, { address = "10.0.1.1:7300" }"#,
    );
    check(&swapped, "cluster chat: order of backends", "next choice", &nobody);
}

#[test]
fn a_hot_standby_binds_its_sessions_to_the_order_of_its_backends() {
    let standby = OLD.replace("[cluster.battle]", "[cluster.battle]\nbalance = 'hot_standby'");
    let battle = Touched::ClusterSessions("battle".to_owned());
    check(&only(OLD, &standby), "cluster battle: balance", "next frame", &battle);
    let keyed = OLD.replace("on_loss = \"close\"", "on_loss = \"close\"\nsticky = false\nbalance = 'modulo'");
    let other = keyed.replace("'modulo'", "'modulo'\nhash_on = 'client_ip'");
    check(&only(&keyed, &other), "cluster chat: hash_on", "next frame", &chat());
}

#[test]
fn in_a_hot_standby_the_first_two_that_live_serve_every_session_at_once() {
    let ungrouped = [", group = \"a\"", ", group = \"b\"", "[release]\nactive = \"a\"\n"];
    let old = ungrouped.iter().fold(OLD.to_owned(), |text, group| text.replace(group, ""));
    let standby = old.replace("[cluster.battle]", "[cluster.battle]\nbalance = 'hot_standby'");
    let line = r#"{ address = "10.0.1.3:7100" }"#;
    let with = |keys: &str| only(&standby, &standby.replace(line, keys));
    let (nobody, third) = (Touched::Nobody, backend("battle", "10.0.1.3:7100"));
    let all = Touched::ClusterSessions("battle".to_owned());
    let of = |what: &str| format!("backend battle 10.0.1.3:7100: {what}");
    let (taken, asked) = ("go on with the first two others", "goes to the first two that live");
    let weightless = r#"{ address = "10.0.1.3:7100", weight = 0 }"#;
    check(&with(weightless), &of("weight 100 -> 0"), taken, &third);
    check(&only(&standby.replace(line, weightless), &standby), &of("weight 0 -> 100"), asked, &all);
    check(
        &with(r#"{ address = "10.0.1.3:7100", weight = 50 }"#),
        &of("weight 100 -> 50"),
        "nothing",
        &nobody,
    );
    check(
        &with(r#"{ address = "10.0.1.3:7100", zone = 'sh-a' }"#),
        &of("zone none -> sh-a"),
        "nothing",
        &nobody,
    );
    let gone = only(&standby, &standby.replace(&format!("  {line},\n"), ""));
    check(&gone, &of("removed"), taken, &third);
    let more = with(&format!(r#"{line}, {{ address = "10.0.1.4:7100" }}"#));
    check(&more, "backend battle 10.0.1.4:7100: added", asked, &all);
    let file = plan(&standby);
    let (cluster, address) = ("battle".to_owned(), "10.0.1.3:7100".to_owned());
    let drain = Override::State { cluster, address, state: AdminState::Drain };
    let drained = file.with(&Overrides::default().with(drain));
    check(&told(&file, &drained)[0], &of("ready -> drain"), taken, &third);
    check(&told(&drained, &file)[0], &of("drain -> ready"), asked, &all);
}

#[test]
fn backends() {
    let nobody = Touched::Nobody;
    let third = backend("battle", "10.0.1.3:7100");
    let line = r#"{ address = "10.0.1.3:7100" }"#;
    let with = |keys: &str| replaced(line, &format!(r#"{{ address = "10.0.1.3:7100", {keys} }}"#));
    let of = |what: &str| format!("backend battle 10.0.1.3:7100: {what}");
    check(&with("weight = 50"), &of("weight 100 -> 50"), "another share", &nobody);
    check(&with("weight = 0"), &of("weight 100 -> 0"), "no new sessions", &third);
    check(&with("zone = 'sh-a'"), &of("zone none -> sh-a"), "another share", &nobody);
    check(&with("group = 'b'"), &of("group none -> b"), "go to another one at their next frame", &third);
    check(&with("max_sessions = 5"), &of("max_sessions any number -> 5"), "even if they are more", &nobody);
    check(
        &replaced(&format!("  {line},\n"), ""),
        &of("removed"),
        "bound elsewhere at their next frame",
        &third,
    );
    let more = r#"{ address = "10.0.1.3:7100" }, { address = "10.0.1.4:7100" }"#;
    check(&replaced(line, more), "backend battle 10.0.1.4:7100: added", "it gets new ones", &nobody);
    let closes = replaced(r#"{ address = "10.0.1.1:7300" }, "#, "");
    check(&closes, "backend chat 10.0.1.1:7300: removed", "are closed", &backend("chat", "10.0.1.1:7300"));
}

#[test]
fn what_operators_want_of_a_backend() {
    let file = plan(OLD);
    let wanted = |state| {
        let (cluster, address) = ("chat".to_owned(), "10.0.1.1:7300".to_owned());
        file.with(&Overrides::default().with(Override::State { cluster, address, state }))
    };
    let first = backend("chat", "10.0.1.1:7300");
    for (state, what, effect) in [
        (AdminState::Drain, "ready -> drain", "no new sessions; those it has go on"),
        (AdminState::Disable, "ready -> disable", "its sessions are closed"),
    ] {
        let found = told(&file, &wanted(state));
        check(&found[0], &format!("backend chat 10.0.1.1:7300: {what}"), effect, &first);
    }
    let found = told(&wanted(AdminState::Drain), &file);
    check(&found[0], "backend chat 10.0.1.1:7300: drain -> ready", "gets new ones", &first);
}

#[test]
fn routes() {
    let (nobody, chat) = (Touched::Nobody, Touched::RouteSessions("chat".to_owned()));
    let last = "[route.chat]\nids = [\"2000-2999\"]\ncluster = \"chat\"\n";
    check(
        &only(&OLD.replace(last, ""), OLD),
        "route chat: added, to chat",
        "frames of its IDs go to chat",
        &nobody,
    );
    check(&replaced(last, ""), "route chat: removed", "unknown from now on", &chat);
    let of = |what: &str| format!("route chat: {what}");
    check(
        &replaced("\"2000-2999\"", "2000, \"2500-2999\""),
        &of("ids 2000-2999 -> 2000,2500-2999"),
        "no more are unknown",
        &chat,
    );
    check(
        &replaced("cluster = \"chat\"", "cluster = \"battle\""),
        &of("cluster chat -> battle"),
        "keep their connection and are bound to battle at their next frame",
        &chat,
    );
    let with = |keys: &str| replaced("cluster = \"chat\"", &format!("cluster = \"chat\"\n{keys}"));
    check(&with("class = 'optional'"), &of("class normal -> optional"), "too much", &nobody);
    check(
        &with("limit = { per_session = '30/s', total = '600/m', action = 'drop' }"),
        &of("limit none -> 30/s a session (60 at once), 10/s in all (1200 at once), drop"),
        "judged by the new limit",
        &nobody,
    );
    let slow = OLD.replace("cluster = \"chat\"", "cluster = \"chat\"\nlimit = { total = '5/h' }");
    let seen = slow.replace("'5/h'", "'5/h', observe = true");
    check(
        &only(&slow, &seen),
        &of("limit 5/h in all (10 at once), notice -> 5/h in all (10 at once), only observed"),
        "sessions that are in stay",
        &nobody,
    );
    check(&with("breaker = { consecutive = 3 }"), &of("breaker"), "what was counted stays", &nobody);
    check(&with("breaker = { reply = { id = 7, within = '3s' } }"), &of("breaker"), "counted", &nobody);
    check(
        &with("maintenance = { message = 'back soon' }"),
        &of("maintenance on, \"back soon\""),
        "answered by maintenance",
        &chat,
    );
    let closed = OLD.replace("cluster = \"chat\"", "cluster = \"chat\"\nmaintenance = {}");
    check(&only(&closed, OLD), &of("maintenance off"), "recovered once", &chat);
    let words = Maintenance { message: "later".to_owned(), retry_after: None, until: None };
    let change = Override::Maintenance { route: "chat".to_owned(), closed: Some(words) };
    let reworded = told(&plan(&closed), &plan(&closed).with(&Overrides::default().with(change)));
    check(&reworded[0], &of("maintenance goes on, \"later\""), "new words", &chat);
}

#[test]
fn the_process() {
    let nobody = Touched::Nobody;
    check(
        &replaced("zone = \"sh-a\"", "zone = \"sh-c\""),
        "gateway: zone sh-a -> sh-c",
        "new sessions prefer",
        &nobody,
    );
    let drain = format!("{OLD}[drain]\nspread = '1s'\n");
    check(&only(OLD, &drain), "drain: other times", "until the process stops", &nobody);
    let net = format!("{OLD}[net]\ngather = 'adaptive'\n");
    check(&only(OLD, &net), "net: gather off -> 500us", "busy workers turn", &nobody);
    let slower = format!("{net}gather_delay = '1ms'\n");
    check(&only(&net, &slower), "net: gather 500us -> 1ms", "nothing is lost", &nobody);
    let gateway = |key: &str| replaced("zone = \"sh-a\"", &format!("zone = \"sh-a\"\n{key}"));
    let no_admin = OLD.replace("[admin]\nlisten = \"127.0.0.1:9600\"\ntoken_file = \"one.token\"\n", "");
    for (found, key) in [
        (gateway("id = 7"), "gateway.id"),
        (gateway("workers = 7"), "gateway.workers"),
        (gateway("state_dir = 'state'"), "gateway.state_dir"),
        (replaced("127.0.0.1:9600", "127.0.0.1:9601"), "admin.listen"),
        (replaced("one.token", "two.token"), "admin.token_file"),
        (only(OLD, &no_admin), "[admin]"),
    ] {
        let what = format!("{key}: only a restart or an upgrade changes it");
        check(&found, &what, "goes on as it is", &nobody);
    }
}
