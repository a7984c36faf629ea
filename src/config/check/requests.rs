//! `[cluster.NAME]` with `link = "http"`: its backends get requests and no frames. Which keys mean something there,
//! by what part of a request a backend may be chosen, and who may name such a cluster.

use std::collections::BTreeSet;

use super::Context;
use crate::config::nearest::nearest;
use crate::config::plan::{Cluster, HashOn, HttpRoute, HttpTarget, ProxyHeader};
use crate::config::problem::{Problem, short};
use crate::config::raw::{self, Field, HttpKey, Link, Named};
use crate::config::site::Site;
use crate::policy::Balance;

/// Whether a cluster gets requests, as far as the file says.
pub(super) fn takes_requests(cluster: &raw::Cluster) -> bool {
    cluster.link.value() == Some(&Link::Http)
}

/// Keys that are about frames and sessions, and mean nothing for requests.
pub(super) fn check(context: &Context<'_>, body: &raw::Cluster) {
    let proxy = body.proxy_protocol.given().filter(|proxy| *proxy.get() != ProxyHeader::Off);
    let balance = body.balance.given().filter(|balance| *balance.get() == Balance::HotStandby);
    let word = "X-Forwarded-For tells the backend the client's address";
    let keys = [
        (body.frame.given().map(|given| given.site()), "frame", "its backends get requests and no frames"),
        (
            body.sticky.given().map(|given| given.site()),
            "sticky",
            "`hash_on` says what keeps a client at its backend",
        ),
        (
            body.on_loss.given().map(|given| given.site()),
            "on_loss",
            "a request has no session that could be lost",
        ),
        (
            body.send_buffer.given().map(|given| given.site()),
            "send_buffer",
            "what a backend does not take is not read",
        ),
        (
            body.websocket.given().map(|given| given.site()),
            "websocket",
            "a request says itself when it wants one",
        ),
        (proxy.map(|given| given.site()), "proxy_protocol", word),
    ];
    for (site, key, because) in keys {
        if let Some(site) = site {
            context.add(
                Problem::at(
                    site,
                    format!("`{key}` is for links that carry frames, and this link is \"http\""),
                )
                .because(format!("it would have had no effect: {because}"))
                .write(format!("remove `{key}`")),
            );
        }
    }
    if let Some(given) = balance {
        context.add(
            Problem::at(given.site(), "\"hot_standby\" is for shared links, and this link is \"http\"")
                .because("every request would have been made twice")
                .write("write balance = \"backup\", or link = \"shared\""),
        );
    }
}

/// A word of `hash_on` where requests come: only the client's address is one of theirs.
pub(super) fn word(context: &Context<'_>, word: &HashOn, site: &Site) -> Option<HashOn> {
    if *word == HashOn::ClientIp {
        return Some(HashOn::ClientIp);
    }
    context.add(
        Problem::at(
            site,
            format!("hash_on = \"{word}\" is something of a player, and this cluster gets requests"),
        )
        .because("there would have been no key to choose by")
        .write(FORMS),
    );
    None
}

/// A word that is no key where requests come.
pub(super) fn no_word(context: &Context<'_>, word: &str, site: &Site) -> Option<HashOn> {
    let (title, write) = match (place_named(word), nearest(word, ["client_ip"])) {
        (Some(form), _) => {
            (format!("hash_on = \"{word}\" does not say which one"), format!("write hash_on = {form}"))
        }
        (None, Some(near)) => (there_is_no(word), format!("write \"{near}\"")),
        (None, None) => (there_is_no(word), FORMS.to_owned()),
    };
    let problem = Problem::at(site, title).because("there would have been no key to choose by");
    context.add(problem.write(write));
    None
}

fn there_is_no(word: &str) -> String {
    format!("`hash_on`: there is no \"{}\"", short(word))
}

/// How a place in a request is written that is only named.
pub(super) fn place_named(word: &str) -> Option<&'static str> {
    match word {
        "header" => Some("{ header = \"x-player\" }, with the header's name"),
        "cookie" => {
            Some("{ cookie = \"gate\", insert = true }, or { cookie = \"sid\" } for one of the backends")
        }
        "query" => Some("{ query = \"sid\" }, with the parameter's name"),
        _ => None,
    }
}

/// A field of a frame where requests come.
pub(super) fn field(context: &Context<'_>, site: &Site) -> Option<HashOn> {
    context.add(
        Problem::at(site, "this `hash_on` is a place in a frame, and this cluster gets requests")
            .because("there would have been no key to choose by")
            .write(FORMS),
    );
    None
}

/// One of the three places in a request.
pub(super) fn place(context: &Context<'_>, key: &HttpKey) -> Option<HashOn> {
    let insert = key.insert.or(false);
    if insert && matches!(key.cookie, Field::Absent) {
        context.add(
            Problem::at(&key.site, "`insert` is for a cookie, and `hash_on` names none")
                .because("clients would have been given nothing to show again")
                .write("write { cookie = \"gate\", insert = true }"),
        );
        return None;
    }
    match (&key.header, &key.cookie, &key.query) {
        (Field::Given(name), Field::Absent, Field::Absent) => {
            let name = token(context, name.get(), name.site(), "header", "x-player")?;
            Some(HashOn::Header(name.to_ascii_lowercase()))
        }
        (Field::Absent, Field::Given(name), Field::Absent) => {
            let name = token(context, name.get(), name.site(), "cookie", "gate")?;
            Some(HashOn::Cookie { name, insert })
        }
        (Field::Absent, Field::Absent, Field::Given(name)) => {
            parameter(context, name.get(), name.site()).map(HashOn::Query)
        }
        (Field::Bad, ..) | (_, Field::Bad, _) | (.., Field::Bad) => None,
        _ => {
            context.add(
                Problem::at(&key.site, "`hash_on` names no place in a request, or more than one")
                    .because("nobody would have known where the key is")
                    .write(FORMS),
            );
            None
        }
    }
}

/// Who names a cluster must bring it what it takes: frames of a route, or requests.
pub(super) fn across(context: &Context<'_>) {
    let named = |name: &str| context.raw.clusters.iter().find(|cluster| cluster.name.get() == name);
    for raw in &context.raw.routes {
        let Some(given) = raw.body.cluster.given() else { continue };
        if named(given.get()).is_some_and(|cluster| takes_requests(&cluster.body)) {
            context.add(frames_to_requests(raw.name.get(), given.get(), given.site()));
        }
    }
    for raw in &context.raw.http {
        let Some(given) = raw.body.cluster.given() else { continue };
        let Some(cluster) = named(given.get()) else { continue };
        if matches!(cluster.body.link, Field::Bad) {
            continue;
        }
        match (takes_requests(&cluster.body), &raw.body.convert) {
            (false, Field::Absent) => context.add(requests_to_frames(raw, given.get(), given.site())),
            (true, Field::Given(convert)) => context.add(
                Problem::at(convert.site(), format!("[cluster.{}] takes requests as they are", given.get()))
                    .because("a frame would have been made for a backend that speaks HTTP")
                    .write("remove `convert`, or name a cluster with link = \"shared\""),
            ),
            (true, Field::Absent | Field::Bad) | (false, Field::Given(_) | Field::Bad) => {}
        }
    }
}

/// Clients have one cookie of a name for all paths of a host: two clusters that give it take it from each other, unless
/// they have the same backends, since it names one of those and no cluster.
pub(super) fn cookies(context: &Context<'_>, clusters: &[Option<Cluster>], routes: &[Option<HttpRoute>]) {
    let cookie_of = |place: usize| clusters.get(place)?.as_ref()?.hash_on.given_cookie();
    let backends_of = |place: usize| {
        let backends = clusters.get(place).into_iter().flatten().flat_map(|cluster| &cluster.backends);
        backends.map(|backend| backend.address().get().as_str()).collect::<BTreeSet<_>>()
    };
    let routes_to = |place: usize| {
        let is_it = move |route: &&HttpRoute| matches!(route.target, HttpTarget::Cluster(to) if to == place);
        routes.iter().flatten().filter(is_it)
    };
    for (place, raw) in context.raw.clusters.iter().enumerate() {
        let Some(cookie) = cookie_of(place) else { continue };
        let shares = |other: usize| {
            cookie_of(other) == Some(cookie)
                && backends_of(other) != backends_of(place)
                && routes_to(place).any(|one| routes_to(other).any(|other| have_one_host(one, other)))
        };
        let mut earlier = context.raw.clusters.iter().take(place).enumerate();
        let Some((_, first)) = earlier.find(|(other, _)| shares(*other)) else { continue };
        let (name, first_name) = (raw.name.get(), first.name.get());
        let title = format!(
            "[cluster.{name}] gives the cookie \"{cookie}\", and [cluster.{first_name}] does on the same host"
        );
        context.add(
            Problem::at(cookie_site(raw), title)
                .because("each would have replaced the other's, and clients would have lost their backends")
                .see(cookie_site(first), "the other one")
                .write(format!("write another name: {{ cookie = \"{cookie}-{name}\", insert = true }}")),
        );
    }
}

/// Whether clients may meet both under one name. Two listeners may be there for two kinds of clients.
fn have_one_host(one: &HttpRoute, other: &HttpRoute) -> bool {
    match (&one.host, &other.host) {
        (Some(one), Some(other)) => one == other,
        (None, _) | (_, None) => one.listener == other.listener,
    }
}

fn cookie_site(raw: &Named<raw::Cluster>) -> &Site {
    raw.body.hash_on.given().map_or(raw.name.site(), |given| given.site())
}

fn frames_to_requests(route: &str, cluster: &str, site: &Site) -> Problem {
    Problem::at(site, format!("[cluster.{cluster}] takes requests, and [route.{route}] brings frames"))
        .because("its backends speak HTTP and would not have understood a frame")
        .write(format!(
            "name a cluster with link = \"shared\" or \"dedicated\", or make it an [http.{route}]"
        ))
}

fn requests_to_frames(raw: &Named<raw::Http>, cluster: &str, site: &Site) -> Problem {
    Problem::at(
        site,
        format!("[cluster.{cluster}] takes frames, and [http.{}] brings requests", raw.name.get()),
    )
    .because("its backends would not have understood a request")
    .write("add convert = { id = 5001, reply = 5002 }, or name a cluster with link = \"http\"")
}

/// A name of a header or a cookie.
fn token(context: &Context<'_>, name: &str, site: &Site, what: &str, like: &str) -> Option<String> {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if !name.is_empty() && name.bytes().all(is_token) {
        return Some(name.to_owned());
    }
    context.add(
        Problem::at(site, format!("\"{}\" cannot be the name of a {what}", name.escape_debug()))
            .because("no request could ever have had one")
            .write(format!("write {what} = \"{like}\": letters, digits and - _ . with nothing between")),
    );
    None
}

fn parameter(context: &Context<'_>, name: &str, site: &Site) -> Option<String> {
    let fits = |byte: u8| byte.is_ascii_graphic() && !b"&=#".contains(&byte);
    if !name.is_empty() && name.bytes().all(fits) {
        return Some(name.to_owned());
    }
    context.add(
        Problem::at(site, format!("\"{}\" cannot be the name of a parameter", name.escape_debug()))
            .because("no request could ever have had one")
            .write("write query = \"sid\", as it stands in the URL"),
    );
    None
}

const FORMS: &str = "write \"client_ip\", { header = \"x-player\" }, { cookie = \"gate\", insert = true } or { query = \"sid\" }";
