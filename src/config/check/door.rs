//! Who may come in at a listener: networks, proxies, the players' certificates, and how many.

use std::path::PathBuf;

use super::Context;
use crate::base::Rate;
use crate::config::plan::Network;
use crate::config::problem::Problem;
use crate::config::raw::{self, Field};
use crate::config::site::Located;
use crate::policy::RateLimit;
use crate::wire::{FrameLayout, Framing};

const DEFAULT_CONNECTIONS_PER_IP: u32 = 200;
const DEFAULT_NEW_PER_IP: Rate = Rate { count: 50, seconds: 1 };
const DEFAULT_FRAMES_PER_SESSION: Rate = Rate { count: 100, seconds: 1 };

/// A list of networks; none is as good as an empty one.
pub(super) fn networks(raw: &Field<Vec<Located<Network>>>) -> Vec<Network> {
    raw.value().into_iter().flatten().map(|network| *network.get()).collect()
}

/// Who speaks for others. The outer `None`: it is wrong.
pub(super) fn proxies(
    context: &Context<'_>,
    raw: &Field<raw::ProxyProtocol>,
) -> Option<Option<Vec<Network>>> {
    let given = match raw {
        Field::Absent => return Some(None),
        Field::Bad => return None,
        Field::Given(given) => given.get(),
    };
    let trusted = networks(&given.trusted);
    if trusted.is_empty() && !matches!(given.trusted, Field::Bad) {
        let site = given.trusted.given().map_or(&given.site, Located::site);
        let problem = Problem::at(site, "`proxy_protocol` trusts nobody")
            .because("the proxy's header would have been refused, and with it every player behind it")
            .write("add trusted = and the networks of the proxies: [\"10.0.0.0/8\"]");
        context.add(Problem { lacks: given.trusted.is_absent().then_some("trusted"), ..problem });
    }
    Some(Some(trusted))
}

/// The authority of the players' certificates. The outer `None`: it is wrong.
pub(super) fn client_ca(
    context: &Context<'_>,
    pairs: &[Located<raw::CertificatePair>],
) -> Option<Option<Located<PathBuf>>> {
    if pairs.iter().any(|pair| matches!(pair.get().client_ca, Field::Bad)) {
        return None;
    }
    let path = |pair: &Located<raw::CertificatePair>| pair.get().client_ca.value().cloned();
    let given = pairs.iter().find_map(|pair| pair.get().client_ca.given());
    let differs = pairs.iter().find(|pair| path(pair).as_ref() != given.map(Located::get));
    if let Some((differs, first)) = differs.zip(given) {
        let site = differs.get().client_ca.given().map_or(&differs.get().site, Located::site);
        context.add(
            Problem::at(site, "the certificates of this listener do not have the same `client_ca`")
                .because("a player could have chosen by the server name whether it has to prove who it is")
                .see(first.site(), "the other one")
                .write("the same `client_ca` in every table of `tls`, or another listener"),
        );
    }
    Some(given.map(|path| context.resolve(path)))
}

/// 0: as many as come.
pub(super) fn connections_per_ip(raw: &Field<u32>) -> Option<u32> {
    Some(raw.or(DEFAULT_CONNECTIONS_PER_IP)).filter(|most| *most > 0)
}

/// As many at once as the rate names.
pub(super) fn new_per_ip(raw: &Field<Option<Rate>>) -> Option<RateLimit> {
    let rate = raw.or(Some(DEFAULT_NEW_PER_IP))?;
    Some(RateLimit { per_second: rate.per_second(), burst: rate.count })
}

/// Twice as many at once as the rate names.
pub(super) fn frames_per_session(
    context: &Context<'_>,
    raw: &Field<Option<Rate>>,
    layout: &FrameLayout,
) -> Option<RateLimit> {
    let opaque = layout.framing == Framing::Opaque;
    if let Some(given) = raw.given().filter(|given| opaque && given.get().is_some()) {
        context.add(
            Problem::at(given.site(), "no frames are read at this listener: its frame is opaque")
                .because("nothing would have been counted and nobody held back")
                .write("remove `frames_per_session`"),
        );
    }
    let rate = raw.or(Some(DEFAULT_FRAMES_PER_SESSION)).filter(|_| !opaque)?;
    Some(rate.into())
}
