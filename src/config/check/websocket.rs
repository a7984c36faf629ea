//! What a WebSocket listener asks of a handshake, and that nobody else has the keys for it.

use super::Context;
use crate::config::plan::{Protocol, WebSocketRules};
use crate::config::problem::{Problem, short};
use crate::config::raw::{self, Field, Named};
use crate::config::site::{Located, Site};

/// The rules of a WebSocket listener; `None` for one of another protocol, whose keys for it are mistakes.
pub(super) fn check(
    context: &Context<'_>,
    raw: &Named<raw::Listener>,
    protocol: Protocol,
) -> Option<WebSocketRules> {
    let body = &raw.body;
    if protocol != Protocol::WebSocket {
        for (key, site) in given(body) {
            context.add(
                Problem::at(
                    site,
                    format!("`{key}` is for WebSocket, and [listener.{}] has none", raw.name.get()),
                )
                .because("nobody would have looked at it")
                .write(format!("remove `{key}`, or write protocol = \"websocket\"")),
            );
        }
        return None;
    }
    body.path.given().into_iter().for_each(|given| path(context, given));
    let listed = |field: &Field<Vec<Located<String>>>| field.given().map(|list| list.get().clone());
    let (origins, subprotocols) = (listed(&body.origins), listed(&body.subprotocols));
    origins.iter().flatten().for_each(|given| origin(context, given));
    subprotocols.iter().flatten().for_each(|given| subprotocol(context, given));
    for list in [&origins, &subprotocols].into_iter().flatten() {
        repeated(context, list);
    }
    let texts = |list: Option<Vec<Located<String>>>| {
        list.into_iter().flatten().map(|text| text.get().clone()).collect()
    };
    Some(WebSocketRules {
        path: body.path.value().cloned().unwrap_or_else(|| "/".to_owned()),
        origins: texts(origins),
        subprotocols: texts(subprotocols),
        compression: body.compression.or(false),
    })
}

fn given(body: &raw::Listener) -> impl Iterator<Item = (&'static str, &Site)> {
    let keys = [
        ("path", body.path.given().map(Located::site)),
        ("origins", body.origins.given().map(Located::site)),
        ("subprotocols", body.subprotocols.given().map(Located::site)),
        ("compression", body.compression.given().map(Located::site)),
    ];
    keys.into_iter().filter_map(|(key, site)| Some((key, site?)))
}

fn path(context: &Context<'_>, given: &Located<String>) {
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'?' | b'#');
    if !given.get().starts_with('/') || !given.get().bytes().all(is_plain) {
        context.add(
            Problem::at(given.site(), format!("\"{}\" is no path of a handshake", short(given.get())))
                .because("no client could have asked for it, and every handshake would have been refused")
                .write("write a path such as \"/play\": visible ASCII that begins with /, without ? and #"),
        );
    }
}

/// As browsers write it: a scheme, a host, and a port where it is not the scheme's own.
fn origin(context: &Context<'_>, given: &Located<String>) {
    let host = given.get().split_once("://").map(|(_, host)| host);
    let is_host = |host: &str| {
        !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_graphic() && !b"/?#@*".contains(&byte))
    };
    if !host.is_some_and(is_host) {
        context.add(
            Problem::at(given.site(), format!("\"{}\" is no origin of a page", short(given.get())))
                .because("no browser sends it so, and the page would have been refused")
                .write("write a scheme and a host without a path, such as \"https://game.example.com\""),
        );
    }
}

fn subprotocol(context: &Context<'_>, given: &Located<String>) {
    let is_sign = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if given.get().is_empty() || !given.get().bytes().all(is_sign) {
        context.add(
            Problem::at(given.site(), format!("\"{}\" is no name of a subprotocol", short(given.get())))
                .because("no client could have offered it")
                .write("write letters, digits and -._ such as \"game.v1\""),
        );
    }
}

fn repeated(context: &Context<'_>, list: &[Located<String>]) {
    for (place, text) in list.iter().enumerate() {
        if let Some(first) = list.iter().take(place).find(|first| first.get() == text.get()) {
            context.add(
                Problem::at(text.site(), format!("\"{}\" is in the list already", short(text.get())))
                    .because("the second one would have said nothing")
                    .write("remove one of them")
                    .see(first.site(), "the first one"),
            );
        }
    }
}
