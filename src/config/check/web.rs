//! What requests must have in common with a route: host, path and methods of `[http.NAME]`; and which keys say nothing at
//! a listener for them.

use super::Context;
use crate::config::plan::{HttpRoute, PathPattern, Protocol};
use crate::config::problem::{Problem, short};
use crate::config::raw::{self, Field, Named};
use crate::config::site::{Located, Site};

/// The host as requests are compared with it. The outer `None`: it is wrong.
pub(super) fn host(context: &Context<'_>, raw: &raw::Http) -> Option<Option<String>> {
    let Some(given) = raw.host.given() else { return raw.host.is_absent().then_some(None) };
    let host = given.get().to_ascii_lowercase();
    let host = host.strip_suffix('.').unwrap_or(&host);
    let address = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    let is_host = match address {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.bytes().all(is_plain),
    };
    if !is_host {
        let write = if host.contains('*') {
            "write one whole name, or leave `host` out: then every name is taken"
        } else {
            "write a name or an address without scheme, port and path: \"open.example.com\""
        };
        let title = format!("\"{}\" is no host", short(given.get()));
        context.add(Problem::at(given.site(), title).because(NEVER).write(write));
    }
    is_host.then(|| Some(host.to_owned()))
}

/// What the path of a request is compared with.
pub(super) fn path(context: &Context<'_>, path: &Located<String>) -> Option<PathPattern> {
    let (fixed, is_prefix) = match path.get().strip_suffix('*') {
        Some(fixed) => (fixed, true),
        None => (path.get().as_str(), false),
    };
    if let Some((why, write)) = wrong_path(fixed) {
        let title = format!("\"{}\" {why}", short(path.get()));
        context.add(Problem::at(path.site(), title).because(NEVER).write(write));
        return None;
    }
    let fixed = fixed.to_owned();
    Some(if is_prefix { PathPattern::Prefix(fixed) } else { PathPattern::Exact(fixed) })
}

/// What is wrong with a path, and what to write.
fn wrong_path(path: &str) -> Option<(&'static str, &'static str)> {
    let like = "write a path as people read it: \"/pay/*\"";
    let is_dots = |segment: &str| matches!(segment.split(';').next(), Some("." | ".."));
    let faults = [
        (!path.starts_with('/'), "does not begin with a slash", "write \"/pay/*\", or \"/*\" for every path"),
        (path.contains('*'), "has a * that is not its end", "write one * at the end, or none"),
        (path.contains(['?', '#']), "has more than a path", "leave the query and the fragment out"),
        (
            path.contains('%'),
            "is encoded",
            "write the letters themselves: paths of requests are decoded first",
        ),
        (path.contains("//"), "has two slashes in a row", "write one: slashes in a row are taken as one"),
        (
            path.contains('\\') || path.chars().any(char::is_control),
            "has letters that no path may have",
            like,
        ),
        (path.split('/').any(is_dots), "has a segment of dots", "write the path that is meant"),
        (
            path.contains(';'),
            "has parameters",
            "write it without what follows each semicolon: where that leads elsewhere, a request is refused",
        ),
    ];
    faults.into_iter().find(|(is_so, ..)| *is_so).map(|(_, why, write)| (why, write))
}

/// What is taken off the path; the outer `None`: it is wrong.
pub(super) fn strip(context: &Context<'_>, raw: &raw::Http) -> Option<Option<String>> {
    let Some(strip) = raw.strip.given() else { return raw.strip.is_absent().then_some(None) };
    let Some(path) = raw.path.value().filter(|_| raw.file.is_absent()) else {
        return Some(Some(strip.get().clone()));
    };
    let (fixed, is_whole) = path.strip_suffix('*').map_or((path.as_str(), true), |fixed| (fixed, false));
    let title = |what: &str| format!("`strip` \"{}\" {what} \"{}\"", short(strip.get()), short(path));
    let problem = match fixed.strip_prefix(strip.get().as_str()) {
        None => Problem::at(strip.site(), title("is no beginning of"))
            .because("no path would have had it, and backends would have seen the whole path")
            .write("write the part of `path` that backends do not know: \"/pay\" of \"/pay/*\""),
        Some(rest) if strip.get().ends_with('/') || rest.starts_with('/') || rest.is_empty() && is_whole => {
            return Some(Some(strip.get().clone()));
        }
        Some(_) => Problem::at(strip.site(), title("cuts a segment of"))
            .because("the rest of that segment would have become a path of its own")
            .write("end it before a slash of `path`"),
    };
    context.add(problem);
    None
}

/// Methods are words of their own case, each once, and there is one.
pub(super) fn methods(context: &Context<'_>, raw: &raw::Http) {
    if let Some(given) = raw.methods.given().filter(|methods| methods.get().is_empty()) {
        context.add(
            Problem::at(given.site(), "`methods` is an empty list")
                .because("every method would have been taken")
                .write("leave `methods` out, or write those that the route takes: [\"GET\", \"POST\"]"),
        );
    }
    let methods: Vec<_> = raw.methods.value().into_iter().flatten().collect();
    for (place, method) in methods.iter().enumerate() {
        let first = methods.iter().take(place).find(|other| other.get() == method.get());
        if let Some(problem) = wrong_method(method, first.copied()) {
            context.add(problem);
        }
    }
}

fn wrong_method(method: &Located<String>, first: Option<&Located<String>>) -> Option<Problem> {
    let word = method.get();
    let upper = word.to_ascii_uppercase();
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    let at = |title: String| Problem::at(method.site(), title);
    if !word.bytes().all(is_token) {
        let title = format!("\"{}\" is no method", short(word));
        return Some(at(title).because(NEVER).write("write words such as \"GET\" or \"POST\""));
    }
    if upper == "CONNECT" {
        let title = "CONNECT asks for a tunnel, which this gateway does not dig".to_owned();
        return Some(at(title).because(NEVER).write("leave it out"));
    }
    if *word != upper {
        let title = format!("\"{word}\" is not \"{upper}\": methods have their case");
        return Some(at(title).because(NEVER).write(format!("write \"{upper}\"")));
    }
    let first = first?;
    let problem = at(format!("{word} is here twice")).because("once is enough").write("leave one out");
    Some(problem.see(first.site(), "the first one"))
}

/// Requests that two routes want.
pub(super) fn across(context: &Context<'_>, routes: &[Option<HttpRoute>]) {
    let known: Vec<_> =
        context.raw.http.iter().zip(routes).filter_map(|(raw, route)| Some((raw, route.as_ref()?))).collect();
    for (place, (raw, route)) in known.iter().enumerate() {
        let earlier = known.iter().take(place).find(|(_, other)| both_want(route, other));
        let Some((first, _)) = earlier else { continue };
        let site = |raw: &Named<raw::Http>| -> Site {
            raw.body.path.given().map_or_else(|| raw.name.site().clone(), |path| path.site().clone())
        };
        let title = format!("[http.{}] has requests that [http.{}] has too", route.name, first.name.get());
        context.add(
            Problem::at(&site(raw), title)
                .because("it would have depended on the order who gets them")
                .see(&site(first), "the other one")
                .write("another host, another path, or methods that the other one does not take"),
        );
    }
}

fn both_want(one: &HttpRoute, other: &HttpRoute) -> bool {
    let same = one.listener == other.listener && one.host == other.host && one.path == other.path;
    let shares = |method: &String| other.methods.contains(method);
    same && (one.methods.is_empty() || other.methods.is_empty() || one.methods.iter().any(shares))
}

/// Keys that say something of players and nothing of requests; and a listener that no route names.
pub(super) fn listener(context: &Context<'_>, raw: &Named<raw::Listener>) {
    let (body, name) = (&raw.body, raw.name.get());
    if body.protocol.or(Protocol::Tcp) != Protocol::Http {
        return;
    }
    let limits = body.limits.value();
    let keys = [
        ("frame", site(&body.frame)),
        ("unknown_id", site(&body.unknown_id)),
        ("login_timeout", limits.and_then(|limits| site(&limits.login_timeout))),
        ("frame_timeout", limits.and_then(|limits| site(&limits.frame_timeout))),
        ("frames_per_session", limits.and_then(|limits| site(&limits.frames_per_session))),
        ("send_buffer", limits.and_then(|limits| site(&limits.send_buffer))),
    ];
    for (key, site) in keys.into_iter().filter_map(|(key, site)| Some((key, site?))) {
        context.add(
            Problem::at(site, format!("`{key}` is for players, and [listener.{name}] takes requests"))
                .because("it would have said nothing")
                .write("leave it out"),
        );
    }
    let is_named =
        |route: &Named<raw::Http>| route.body.listener.value().is_none_or(|listener| listener == name);
    if !context.raw.http.iter().any(is_named) {
        context.add(
            Problem::at(raw.name.site(), format!("no [http.NAME] has listener = \"{name}\""))
                .because("every request there would have been answered by 404")
                .write("add a table [http.NAME] with `listener`, `path` and `cluster`"),
        );
    }
}

fn site<T>(field: &Field<T>) -> Option<&Site> {
    field.given().map(Located::site)
}

const NEVER: &str = "no request would ever have been like that";
