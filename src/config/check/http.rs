//! `[http.NAME]`: which requests go where.

use std::sync::Arc;
use std::time::Duration;

use super::{Context, breaker, convert, no_such, required, web};
use crate::base::ProtocolId;
use crate::config::plan::{Conversion, HttpRoute, HttpTarget, Listener, PathPattern, Protocol};
use crate::config::problem::Problem;
use crate::config::raw::{self, Named};
use crate::config::site::{Located, Site};
use crate::wire::FrameLayout;

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);
const DEFAULT_RETRIES: u8 = 1;
const DEFAULT_MAX_BODY: u64 = 1 << 20;

/// Every HTTP route; `None` for one with a mistake.
pub(super) fn check(context: &Context<'_>, listeners: &[Option<Listener>]) -> Vec<Option<HttpRoute>> {
    context.raw.http.iter().map(|raw| one(context, raw, listeners)).collect()
}

fn one(context: &Context<'_>, raw: &Named<raw::Http>, listeners: &[Option<Listener>]) -> Option<HttpRoute> {
    let body = &raw.body;
    let listener = listener(context, raw, listeners);
    let (host, path, strip) = (web::host(context, body), path(context, raw), web::strip(context, body));
    web::methods(context, body);
    let partners = partners(context, raw);
    let target = target(context, raw);
    let breaker = breaker::check(context, &body.breaker);
    Some(HttpRoute {
        name: raw.name.get().clone(),
        listener: listener?,
        host: host?,
        path: path?,
        strip: strip?,
        methods: convert::methods(body),
        partners: partners?,
        target: target?,
        cache: body.cache.value().copied(),
        timeout: body.timeout.or(DEFAULT_TIMEOUT),
        retries: body.retries.or(DEFAULT_RETRIES),
        max_body: body.max_body.or(Some(DEFAULT_MAX_BODY)).unwrap_or(u64::MAX),
        breaker: breaker?.0,
    })
}

fn missing(raw: &Named<raw::Http>, site: &Site, key: &str, write: &str) -> Problem {
    Problem::at(site, format!("[http.{}] has no `{key}`", raw.name.get()))
        .because("no request would ever have taken it")
        .write(write)
}

fn listener(context: &Context<'_>, raw: &Named<raw::Http>, listeners: &[Option<Listener>]) -> Option<usize> {
    let name = required(&raw.body.listener, "listener", raw.name.site(), context.mistakes, |site| {
        missing(
            raw,
            site,
            "listener",
            "add listener = and the name of a [listener.NAME] with protocol = \"http\"",
        )
    })?;
    let place = context.raw.listeners.iter().position(|listener| listener.name.get() == name.get());
    let Some(place) = place else {
        let known: Vec<_> = context.raw.listeners.iter().map(|one| one.name.get().as_str()).collect();
        context.add(no_such("listener", name, &known));
        return None;
    };
    let is_http = listeners.get(place)?.as_ref()?.protocol == Protocol::Http;
    if !is_http {
        context.add(
            Problem::at(name.site(), format!("[listener.{}] is for players", name.get()))
                .because("no request would ever have come in there")
                .write("name a listener with protocol = \"http\""),
        );
    }
    Some(place)
}

fn path(context: &Context<'_>, raw: &Named<raw::Http>) -> Option<PathPattern> {
    let path = required(&raw.body.path, "path", raw.name.site(), context.mistakes, |site| {
        missing(raw, site, "path", "add path = \"/pay/*\", or \"/*\" for all")
    })?;
    web::path(context, path)
}

fn partners(context: &Context<'_>, raw: &Named<raw::Http>) -> Option<Vec<usize>> {
    let known = &context.raw.partners;
    let place = |name: &Located<String>| {
        let place = known.iter().position(|partner| partner.name.get() == name.get());
        if place.is_none() {
            let names: Vec<_> = known.iter().map(|partner| partner.name.get().as_str()).collect();
            context.add(no_such("partner", name, &names));
        }
        place
    };
    let named: Vec<_> = raw.body.partners.value().into_iter().flatten().collect();
    for (place, name) in named.iter().enumerate() {
        if let Some(first) = named.iter().take(place).find(|other| other.get() == name.get()) {
            let problem = Problem::at(name.site(), format!("{} is here twice", name.get()));
            let problem = problem.because("once is enough").see(first.site(), "the first one");
            context.add(problem.write("leave one out"));
        }
    }
    let places: Vec<_> = named.into_iter().map(place).collect();
    places.into_iter().collect()
}

fn target(context: &Context<'_>, raw: &Named<raw::Http>) -> Option<HttpTarget> {
    if let Some(file) = raw.body.file.given() {
        return Some(HttpTarget::File(context.resolve(file)));
    }
    let name = required(&raw.body.cluster, "cluster", raw.name.site(), context.mistakes, |site| {
        missing(raw, site, "cluster", "add cluster = and the name of a [cluster.NAME], or `file`")
    })?;
    let place = context.raw.clusters.iter().position(|cluster| cluster.name.get() == name.get());
    let Some(cluster) = place else {
        let known: Vec<_> = context.raw.clusters.iter().map(|one| one.name.get().as_str()).collect();
        context.add(no_such("cluster", name, &known));
        return None;
    };
    let Some(conversion) = raw.body.convert.value() else { return Some(HttpTarget::Cluster(cluster)) };
    let id = |key: &'static str, field, like: &str| {
        required(field, key, &conversion.site, context.mistakes, |site| {
            Problem::at(site, format!("`convert` has no `{key}`"))
                .because("nobody would have known which frames a request and its answer are")
                .write(format!("add {like} inside convert"))
        })
    };
    let id_of = id("id", &conversion.id, "id = 5001");
    let (id, reply) = (id_of, id("reply", &conversion.reply, "reply = 5002"));
    let (frame, layout) = layout(context, cluster)?;
    Some(HttpTarget::Convert(Conversion {
        cluster,
        id: ProtocolId(*id?.get()),
        reply: ProtocolId(*reply?.get()),
        frame: frame.to_owned(),
        layout,
    }))
}

/// The frames of a cluster: the ones it names, or the only ones.
fn layout<'a>(context: &Context<'a>, cluster: usize) -> Option<(&'a str, Arc<FrameLayout>)> {
    let cluster = context.raw.clusters.get(cluster)?;
    let named = cluster.body.frame.value().map(String::as_str).or(context.layouts.only());
    if named.is_none() {
        convert::no_layout(context, cluster);
    }
    Some((named?, context.layouts.get(named?)?))
}
