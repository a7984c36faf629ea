//! What answers the requests of an HTTP route, where it is not a cluster that speaks HTTP: `convert` and `file`; and
//! `cache`. Each key that would have no effect there is a mistake.

use super::layouts::highest_id;
use super::requests::takes_requests;
use super::{Context, listeners::which_frame};
use crate::config::plan::{Cluster, HashOn, HttpRoute, HttpTarget, LinkKind};
use crate::config::problem::Problem;
use crate::config::raw::{self, Named};
use crate::config::site::{Located, Site};
use crate::wire::FrameLayout;

/// The methods that bring a body to be converted, where a route names none.
const CONVERTED: [&str; 1] = ["POST"];
/// The methods that ask for a file.
const READING: [&str; 2] = ["GET", "HEAD"];
/// The methods whose requests have a body.
const WITH_BODY: [&str; 3] = ["POST", "PUT", "PATCH"];

/// The methods of a route's requests: where something else than a cluster answers, those that it can answer.
pub(super) fn methods(raw: &raw::Http) -> Vec<String> {
    let default: &[&str] = match (raw.file.is_absent(), raw.convert.is_absent()) {
        (false, _) => &READING,
        (true, false) => &CONVERTED,
        (true, true) => &[],
    };
    match raw.methods.value() {
        Some(methods) => methods.iter().map(|method| method.get().clone()).collect(),
        None => default.iter().map(|&method| method.to_owned()).collect(),
    }
}

/// Looks at the routes that could be made.
pub(super) fn across(context: &Context<'_>, clusters: &[Option<Cluster>], routes: &[Option<HttpRoute>]) {
    for (raw, route) in context.raw.http.iter().zip(routes) {
        one_answers(context, &raw.body);
        no_reply(context, &raw.body);
        if !raw.body.file.is_absent() {
            keys_of_a_file(context, &raw.body);
            methods_among(context, raw, &READING, "a file is only read");
        } else if !raw.body.convert.is_absent() {
            cache_of_frames(context, &raw.body);
            methods_among(
                context,
                raw,
                &WITH_BODY,
                "what is converted is a body, and these methods have none",
            );
        } else {
            cache_of_nothing(context, &raw.body);
            cache_of_one(context, &raw.body, clusters, route.as_ref());
        }
        let Some((convert, route)) = raw.body.convert.value().zip(route.as_ref()) else { continue };
        let HttpTarget::Convert(conversion) = &route.target else { continue };
        if let Some(cluster) = clusters.get(conversion.cluster).and_then(Option::as_ref) {
            shared(context, &convert.site, cluster);
        }
        for (key, id) in [("id", &convert.id), ("reply", &convert.reply)] {
            if let Some(id) = id.given() {
                fits(context, key, id, &conversion.layout);
                is_no_own_frame(context, key, id, &conversion.layout);
            }
        }
    }
}

/// The frame of a cluster that requests are converted for, where nothing says which it is.
pub(super) fn no_layout(context: &Context<'_>, cluster: &Named<raw::Cluster>) {
    // Of one that takes requests as they are, that is said, and a frame would be the next mistake.
    if cluster.body.frame.is_absent() && !takes_requests(&cluster.body) {
        let owner = format!("[cluster.{}], which [http.NAME] converts for,", cluster.name.get());
        context.add(which_frame(cluster.name.site(), &owner, context));
    }
}

/// Whether requests are converted for the cluster of this name.
pub(super) fn is_converted_for(context: &Context<'_>, cluster: &str) -> bool {
    let leads_to = |raw: &Named<raw::Http>| {
        !raw.body.convert.is_absent() && raw.body.cluster.value().is_some_and(|name| name == cluster)
    };
    context.raw.http.iter().any(leads_to)
}

fn one_answers(context: &Context<'_>, raw: &raw::Http) {
    let Some(file) = raw.file.given() else { return };
    let cluster = raw.cluster.given().map(|cluster| ("cluster", cluster.site()));
    let convert = raw.convert.given().map(|convert| ("convert", convert.site()));
    for (key, site) in [cluster, convert].into_iter().flatten() {
        context.add(
            Problem::at(site, format!("`{key}` beside `file`: a route has one answer"))
                .because("the gateway would have answered with the file, and no backend been asked")
                .write(format!("remove `{key}`, or remove `file`"))
                .see(file.site(), "the file"),
        );
    }
}

/// A request has one answer: nothing has to say which it is.
fn no_reply(context: &Context<'_>, raw: &raw::Http) {
    if let Some(reply) = raw.breaker.value().and_then(|breaker| breaker.reply.given()) {
        context.add(
            Problem::at(reply.site(), "`reply` is for routes of frames, and a request has one answer")
                .because("it would have had no effect: an answer is due within `timeout`")
                .write("remove it, and write `timeout` into the table of the route"),
        );
    }
}

fn keys_of_a_file(context: &Context<'_>, raw: &raw::Http) {
    let keys: [(&str, Option<&Site>); 5] = [
        ("strip", raw.strip.given().map(Located::site)),
        ("timeout", raw.timeout.given().map(Located::site)),
        ("retries", raw.retries.given().map(Located::site)),
        ("max_body", raw.max_body.given().map(Located::site)),
        ("breaker", raw.breaker.given().map(Located::site)),
    ];
    for (key, site) in keys.into_iter().filter_map(|(key, site)| Some((key, site?))) {
        context.add(
            Problem::at(site, format!("`{key}` is about backends, and this route answers with a file"))
                .because("it would have had no effect: the gateway has the file in its memory")
                .write(format!("remove `{key}`, or name a `cluster` instead of `file`")),
        );
    }
}

fn methods_among(context: &Context<'_>, raw: &Named<raw::Http>, able: &[&str], because: &str) {
    for method in raw.body.methods.value().into_iter().flatten() {
        if !able.contains(&method.get().as_str()) {
            let title = format!("[http.{}] cannot answer {}", raw.name.get(), method.get());
            let write = format!("write only {}", able.join(", "));
            context.add(Problem::at(method.site(), title).because(because).write(write));
        }
    }
}

fn cache_of_frames(context: &Context<'_>, raw: &raw::Http) {
    if let Some(cache) = raw.cache.given() {
        context.add(
            Problem::at(cache.site(), "`cache` keeps answers to GET, and what is converted is never one")
                .because("every request would have gone to a backend all the same")
                .write("remove `cache`"),
        );
    }
}

/// A cache in which nothing stays.
fn cache_of_nothing(context: &Context<'_>, raw: &raw::Http) {
    let Some(cache) = raw.cache.given() else { return };
    let title = match raw.methods.value() {
        _ if cache.get().is_zero() => "`cache` keeps answers for no time",
        Some(methods) if methods.iter().all(|method| method.get() != "GET") => {
            "`cache` keeps answers to GET, and the route has no GET"
        }
        Some(_) | None => return,
    };
    context.add(
        Problem::at(cache.site(), title)
            .because("every request would have gone to a backend all the same")
            .write("remove `cache`, or write how long an answer counts as fresh, such as \"10s\""),
    );
}

/// A cache of answers that each come with a cookie for one client.
fn cache_of_one(
    context: &Context<'_>,
    raw: &raw::Http,
    clusters: &[Option<Cluster>],
    route: Option<&HttpRoute>,
) {
    let cluster = route.and_then(|route| clusters.get(route.target.cluster()?)?.as_ref());
    let inserts = cluster.is_some_and(|one| matches!(one.hash_on, HashOn::Cookie { insert: true, .. }));
    let Some(cache) = raw.cache.given().filter(|_| inserts) else { return };
    context.add(
        Problem::at(
            cache.site(),
            "`cache` keeps answers for everybody, and the cluster gives each client its cookie",
        )
        .because("what comes with a cookie is for one client: nothing would ever have been kept")
        .write(
            "remove `cache`, or name a cluster with the same backends whose `hash_on` has no insert = true",
        ),
    );
}

/// One connection a session is none for a session that is one request.
fn shared(context: &Context<'_>, convert: &Site, cluster: &Cluster) {
    if let LinkKind::Dedicated { .. } = cluster.link {
        let title =
            format!("[cluster.{}] has dedicated links, and `convert` needs shared ones", cluster.name);
        context.add(
            Problem::at(convert, title)
                .because("every request would have been a connection of its own, and its answer not told from others")
                .write("name a cluster with link = \"shared\""),
        );
    }
}

fn fits(context: &Context<'_>, key: &str, id: &Located<u64>, layout: &FrameLayout) {
    let problem = match highest_id(layout.id.as_ref()) {
        Some(highest) if *id.get() <= highest => return,
        Some(highest) => {
            let title = format!(
                "the `{key}` {} does not fit the ID field of its frame: it ends at {highest}",
                id.get()
            );
            Problem::at(id.site(), title)
                .because("no frame could have had it, and every request would have failed")
                .write(format!("write 0 to {highest}, or a wider ID field"))
        }
        None => Problem::at(
            id.site(),
            format!("`{key}` needs frames with IDs, and those of the cluster have none"),
        )
        .because("no answer could have been told from anything else")
        .write("give the cluster a `frame` that has an `id`"),
    };
    context.add(problem);
}

/// What the gateway answers or writes itself never goes to a backend, and never comes from one.
fn is_no_own_frame(context: &Context<'_>, key: &str, id: &Located<u64>, layout: &FrameLayout) {
    let beat = layout.heartbeat.is_some_and(|beat| [beat.id.0, beat.reply.0].contains(id.get()));
    let notice = layout.notice.is_some_and(|notice| notice.0 == *id.get());
    let what = if beat { "heartbeat" } else { "notice" };
    if beat || notice {
        context.add(
            Problem::at(id.site(), format!("the `{key}` {} is the {what} of its frame", id.get()))
                .because("the gateway keeps these frames to itself, and no backend knows them")
                .write("write the protocol ID that the backends read or answer with"),
        );
    }
}
