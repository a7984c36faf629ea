//! `hash_on` of a cluster: whether frames have the field. A rule that looks at no key may have one: it is
//! there when the rule is changed.

use super::layouts::can_reach;
use super::requests::{self, takes_requests};
use super::{Context, required};
use crate::base::format_size;
use crate::config::nearest::nearest;
use crate::config::plan::{Cluster, HashOn, Listener, Route};
use crate::config::problem::{Problem, short};
use crate::config::raw::{self, Field, HashField, Named};
use crate::config::site::{Located, Site};
use crate::wire::ByteOrder;

/// What the backends are chosen by; `None` after a mistake.
pub(super) fn check(context: &Context<'_>, cluster: &raw::Cluster) -> Option<HashOn> {
    let http = takes_requests(cluster);
    let given = match &cluster.hash_on {
        Field::Absent => return Some(if http { HashOn::ClientIp } else { HashOn::Session }),
        Field::Bad => return None,
        Field::Given(given) => given,
    };
    match given.get() {
        raw::HashOn::Word(word) if http => requests::word(context, word, given.site()),
        raw::HashOn::Word(word) => Some(word.clone()),
        raw::HashOn::Other(word) if http => requests::no_word(context, word, given.site()),
        raw::HashOn::Other(word) => no_word(context, word, given.site()),
        raw::HashOn::Field(_) if http => requests::field(context, given.site()),
        raw::HashOn::Field(field) => in_frame(context, field),
        raw::HashOn::Http(key) if http => requests::place(context, key),
        raw::HashOn::Http(_) => needs_requests(context, given.site()),
    }
}

/// Every frame that can come to a cluster must have room for the field that the cluster chooses by.
pub(super) fn across(
    context: &Context<'_>,
    listeners: &[&Listener],
    clusters: &[Option<Cluster>],
    routes: &[Option<Route>],
) {
    for (place, (raw, cluster)) in context.raw.clusters.iter().zip(clusters).enumerate() {
        let (Some(cluster), Some(given)) = (cluster, raw.body.hash_on.given()) else { continue };
        let HashOn::Field { offset, width, .. } = cluster.hash_on else { continue };
        let end = usize::from(offset) + width.bytes();
        let own = || routes.iter().flatten().filter(|route| route.cluster == place);
        let mut players = listeners.iter().filter(|one| own().any(|route| can_reach(&one.layout, route)));
        let short = players.find(|one| usize::try_from(one.layout.max_length).is_ok_and(|most| most < end));
        if cluster.reads_no_frames() {
            context.add(needs_frames(raw, given.site()));
        } else if let Some(listener) = short {
            context.add(beyond(given.site(), end, listener));
        }
    }
}

fn in_frame(context: &Context<'_>, field: &HashField) -> Option<HashOn> {
    let missing = |site: &Site, key: &str, meaning: &str| {
        Problem::at(site, format!("the field of `hash_on` has no `{key}`"))
            .because("nobody would have known where the key is")
            .write(format!("add `{key}`: {meaning}"))
    };
    let offset = required(&field.offset, "offset", &field.site, context.mistakes, |site| {
        missing(site, "offset", "counted from the first byte of the frame")
    });
    let width = required(&field.width, "width", &field.site, context.mistakes, |site| {
        missing(site, "width", "1, 2, 3, 4 or 8")
    });
    let (offset, width) = (offset.map(Located::get)?, width.map(Located::get)?);
    Some(HashOn::Field { offset: *offset, width: *width, order: field.order.or(ByteOrder::Big) })
}

/// A word that is no key of a session.
fn no_word(context: &Context<'_>, word: &str, site: &Site) -> Option<HashOn> {
    if requests::place_named(word).is_some() {
        return needs_requests(context, site);
    }
    let write = match nearest(word, ["session", "account", "client_ip"]) {
        Some(near) => format!("write \"{near}\""),
        None => "write \"session\", \"account\", \"client_ip\" or { offset = 6, width = 4 }".to_owned(),
    };
    context.add(
        Problem::at(site, format!("`hash_on`: there is no \"{}\"", short(word)))
            .because("there would have been no key to choose by")
            .write(write),
    );
    None
}

fn needs_requests(context: &Context<'_>, site: &Site) -> Option<HashOn> {
    context.add(
        Problem::at(site, "this `hash_on` is a place in a request, and this cluster gets frames")
            .because("there would have been no key to choose by")
            .write("write hash_on = \"session\", \"account\", \"client_ip\" or { offset = 6, width = 4 }, or link = \"http\""),
    );
    None
}

fn needs_frames(raw: &Named<raw::Cluster>, site: &Site) -> Problem {
    let title = format!(
        "`hash_on` is a place in a frame, and [cluster.{}] is opaque: no frames are read",
        raw.name.get()
    );
    Problem::at(site, title)
        .because("there would have been no key to choose by")
        .write("write hash_on = \"session\" or \"client_ip\", or describe the frames")
}

fn beyond(site: &Site, end: usize, listener: &Listener) -> Problem {
    let most = format_size(u64::from(listener.layout.max_length));
    let title = format!(
        "the field of `hash_on` ends at byte {end}, but no frame of [frame.{}] is longer than {most}",
        listener.frame
    );
    Problem::at(site, title)
        .because("no frame of its players could ever have had a key")
        .write("write a smaller `offset`, or a larger `max_length` of the frame")
}
