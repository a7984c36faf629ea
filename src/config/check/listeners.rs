//! `[listener.NAME]`: where players arrive.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use super::{Context, door, required, web, websocket};
use crate::base::format_size;
use crate::config::plan::{CertificatePair, Listener, ListenerLimits, Protocol, UnknownId};
use crate::config::problem::{Problem, short};
use crate::config::raw::{self, Field, Named};
use crate::config::site::{Located, Site};
use crate::wire::{FrameLayout, Framing};

const DEFAULT_SEND_BUFFER: u32 = 256 << 10;
/// The longest header of a message.
const MESSAGE_HEADER: u64 = 10;

/// Every listener; `None` for one with a mistake.
pub(super) fn check(context: &Context<'_>) -> Vec<Option<Listener>> {
    let listeners: Vec<_> = context.raw.listeners.iter().map(|raw| one(context, raw)).collect();
    if !context.raw.any_listener {
        context.add(
            Problem::without_site("there is no [listener.NAME]")
                .because("no player could have come in")
                .write("add a listener with listen = \"0.0.0.0:7000\""),
        );
    }
    repeated(context);
    listeners
}

fn one(context: &Context<'_>, raw: &Named<raw::Listener>) -> Option<Listener> {
    let listen = address(context, raw);
    let protocol = raw.body.protocol.or(Protocol::Tcp);
    let frame = match protocol {
        Protocol::Http => Some((String::new(), no_frames())),
        Protocol::Tcp | Protocol::WebSocket => layout(context, raw, protocol),
    };
    let tls = raw.body.tls.given().map(|pairs| certificates(context, pairs));
    let client_ca = raw.body.tls.value().map(|pairs| door::client_ca(context, pairs));
    let proxies = door::proxies(context, &raw.body.proxy_protocol);
    let websocket = websocket::check(context, raw, protocol);
    let no_limits = raw::Limits::default();
    let limits = raw.body.limits.value().unwrap_or(&no_limits);
    web::listener(context, raw);
    let (frame, layout) = frame?;
    let unknown_id = match protocol {
        Protocol::Http => UnknownId::Drop,
        Protocol::Tcp | Protocol::WebSocket => unknown_id(context, &raw.body.unknown_id, &layout),
    };
    let header = if protocol == Protocol::WebSocket { MESSAGE_HEADER } else { 0 };
    send_buffer(context, limits, raw.name.site(), (&layout, header));
    let frames = (protocol != Protocol::Http).then_some(&*layout);
    let limits = self::limits(context, limits, frames);
    Some(Listener {
        name: raw.name.get().clone(),
        listen: listen?,
        protocol,
        websocket: websocket.map(Arc::new),
        layout,
        frame,
        tls: tls.unwrap_or(Some(Vec::new()))?,
        client_ca: client_ca.unwrap_or(Some(None))?,
        proxies: proxies?,
        allow: door::networks(&raw.body.allow),
        deny: door::networks(&raw.body.deny),
        unknown_id,
        limits: Arc::new(limits?),
    })
}

fn address(context: &Context<'_>, raw: &Named<raw::Listener>) -> Option<Located<SocketAddr>> {
    let text = required(&raw.body.listen, "listen", raw.name.site(), context.mistakes, |site| {
        Problem::at(site, format!("[listener.{}] has no `listen`", raw.name.get()))
            .because("no player could have come in")
            .write("add listen = \"0.0.0.0:7000\"")
    })?;
    parsed(context, text, "0.0.0.0:7000")
}

/// An address to listen on; another text is a mistake.
pub(super) fn parsed(
    context: &Context<'_>,
    text: &Located<String>,
    like: &str,
) -> Option<Located<SocketAddr>> {
    let address = text.get().parse().ok();
    if address.is_none() {
        let title = format!("\"{}\" is no address to listen on", short(text.get()));
        context.add(
            Problem::at(text.site(), title)
                .because("the gateway could not have listened there")
                .write(format!("write an IP address and a port: \"{like}\" or \"{}\"", in_ipv6(like))),
        );
    }
    Some(Located::new(address?, text.site().clone()))
}

fn in_ipv6(address: &str) -> String {
    let address = address.replace("127.0.0.1:", "[::1]:");
    address.replace("0.0.0.0:", "[::]:")
}

/// An HTTP listener reads none.
fn no_frames() -> Arc<FrameLayout> {
    let framing = Framing::Opaque;
    Arc::new(FrameLayout { framing, id: None, max_length: u32::MAX, heartbeat: None, notice: None })
}

fn layout(
    context: &Context<'_>,
    raw: &Named<raw::Listener>,
    protocol: Protocol,
) -> Option<(String, Arc<FrameLayout>)> {
    let (name, site) = match (&raw.body.frame, context.layouts.only()) {
        (Field::Bad, _) => return None,
        (Field::Given(name), _) => (name.get().clone(), name.site()),
        (Field::Absent, Some(only)) => (only.to_owned(), raw.name.site()),
        (Field::Absent, None) => {
            context.add(which_frame(raw.name.site(), &format!("[listener.{}]", raw.name.get()), context));
            return None;
        }
    };
    let layout = context.layouts.find(&Located::new(name.clone(), site.clone()), context.mistakes)?;
    if layout.framing == Framing::Message && protocol == Protocol::Tcp {
        context.add(
            Problem::at(site, format!("frames of [frame.{name}] are messages, and TCP has none"))
                .because("nobody would have known where a frame ends")
                .write("choose a frame whose length is \"fixed\", \"varint\" or \"opaque\", or write protocol = \"websocket\""),
        );
    }
    Some((name, layout))
}

/// A key `frame` that cannot be left out.
pub(super) fn which_frame(site: &Site, owner: &str, context: &Context<'_>) -> Problem {
    let names = context.layouts.names();
    let problem = Problem::at(site, format!("{owner} does not say which `frame` it has"))
        .because("nobody would have known what its frames look like");
    match names.is_empty() {
        true => problem.write("add a table [frame.NAME] and name it here"),
        false => problem.write(format!("add `frame` with one of {}", names.join(", "))),
    }
}

fn certificates(
    context: &Context<'_>,
    pairs: &Located<Vec<Located<raw::CertificatePair>>>,
) -> Option<Vec<CertificatePair>> {
    if pairs.get().is_empty() {
        context.add(
            Problem::at(pairs.site(), "`tls` is an empty list")
                .because("the listener would have spoken plain TCP")
                .write("remove `tls`, or add { certificate = \"tls/game.pem\", key = \"tls/game.key\" }"),
        );
    }
    let pairs: Vec<_> = pairs.get().iter().map(|pair| certificate(context, pair.get())).collect();
    pairs.into_iter().collect()
}

fn certificate(context: &Context<'_>, raw: &raw::CertificatePair) -> Option<CertificatePair> {
    let missing = |site: &Site, key: &str| {
        Problem::at(site, format!("`tls` has no `{key}`"))
            .because("no handshake could have been done")
            .write(format!("add {key} = and the path of a PEM file"))
    };
    let certificate = required(&raw.certificate, "certificate", &raw.site, context.mistakes, |site| {
        missing(site, "certificate")
    });
    let key = required(&raw.key, "key", &raw.site, context.mistakes, |site| missing(site, "key"));
    Some(CertificatePair { certificate: context.resolve(certificate?), key: context.resolve(key?) })
}

/// The default is a notice where the frames have one; where they have none, nothing can be told.
fn unknown_id(context: &Context<'_>, raw: &Field<UnknownId>, layout: &FrameLayout) -> UnknownId {
    let silent = layout.notice.is_none();
    let default = if silent { UnknownId::Drop } else { UnknownId::Notice };
    if let (Some(given), true) = (raw.given().filter(|given| *given.get() == UnknownId::Notice), silent) {
        context.add(
            Problem::at(given.site(), "players cannot be told: the frame of this listener has no `notice`")
                .because("unknown IDs would have been dropped in silence")
                .write(
                    "add notice = { id = 9000 } to the frame, or write unknown_id = \"drop\" or \"close\"",
                ),
        );
    }
    raw.or(default)
}

fn send_buffer(
    context: &Context<'_>,
    limits: &raw::Limits,
    owner: &Site,
    (layout, header): (&FrameLayout, u64),
) {
    let bytes = limits.send_buffer.or(DEFAULT_SEND_BUFFER);
    let site = limits.send_buffer.given().map_or(owner, Located::site);
    let needed = u64::from(layout.max_length) + header;
    if layout.framing != Framing::Opaque && u64::from(bytes) < needed {
        context.add(too_small(site, bytes, needed));
    }
}

/// A buffer that its longest frame does not fit.
pub(super) fn too_small(site: &Site, bytes: u32, needed: u64) -> Problem {
    let (bytes, needed) = (format_size(u64::from(bytes)), format_size(needed));
    Problem::at(site, format!("`send_buffer` ({bytes}) is smaller than the longest frame ({needed})"))
        .because("a long frame could never have been sent")
        .write(format!("write send_buffer = \"{needed}\" or more, or a smaller `max_length` of the frame"))
}

/// `frames`: what its players send; `None`: none come in.
fn limits(context: &Context<'_>, raw: &raw::Limits, frames: Option<&FrameLayout>) -> Option<ListenerLimits> {
    let paced = |layout| door::frames_per_session(context, &raw.frames_per_session, layout);
    Some(ListenerLimits {
        connections: raw.connections.or(20_000),
        handshake_timeout: raw.handshake_timeout.or(Duration::from_secs(5)),
        frame_timeout: raw.frame_timeout.or(Duration::from_secs(10)),
        idle_timeout: raw.idle_timeout.or(Duration::from_secs(90)),
        write_timeout: raw.write_timeout.or(Duration::from_secs(15)),
        send_buffer: usize::try_from(raw.send_buffer.or(DEFAULT_SEND_BUFFER)).ok()?,
        connections_per_ip: door::connections_per_ip(&raw.connections_per_ip),
        new_per_ip: door::new_per_ip(&raw.new_per_ip),
        handshakes: raw.handshakes.or(256),
        login_timeout: raw.login_timeout.or(Duration::from_secs(15)),
        frames_per_session: frames.and_then(paced),
    })
}

/// Two listeners that want the same port of the same address, one of them perhaps of all addresses.
fn repeated(context: &Context<'_>) {
    let address = |raw: &'_ Named<raw::Listener>| raw.body.listen.value()?.parse::<SocketAddr>().ok();
    let mut opened: Vec<_> =
        context.raw.listeners.iter().filter_map(|raw| Some((raw, address(raw)?))).collect();
    opened
        .sort_by_key(|(raw, _)| raw.body.listen.given().map(|text| (text.site.source, text.site.span.start)));
    for (index, (raw, address)) in opened.iter().enumerate() {
        let first = opened.iter().take(index).find(|(_, other)| collide(address, other));
        let Some(((first, other), text)) = first.zip(raw.body.listen.given()) else { continue };
        let problem = Problem::at(
            text.site(),
            format!("{address} is taken: [listener.{}] has {other}", first.name.get()),
        )
        .because("the second listener could not have been opened")
        .write("write another port");
        context.add(match first.body.listen.given() {
            Some(given) => problem.see(given.site(), "the first one"),
            None => problem,
        });
    }
}

/// Port 0 is a new port each time. A socket for all addresses of IPv6 takes IPv4 too, and an address of IPv4 is the
/// same one as IPv6 writes it.
pub(super) fn collide(one: &SocketAddr, other: &SocketAddr) -> bool {
    let ip = |address: &SocketAddr| address.ip().to_canonical();
    let covers = |all: IpAddr, one: IpAddr| all.is_unspecified() && (all.is_ipv6() || one.is_ipv4());
    let same = ip(one) == ip(other) || covers(ip(one), ip(other)) || covers(ip(other), ip(one));
    one.port() != 0 && one.port() == other.port() && same
}
