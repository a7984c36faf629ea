//! The game whose frames and routes are measured without a gateway.

use realmgate::config::{Plan, Source, parse};
use realmgate::wire::{ByteOrder, FrameLayout, Framing, IdField, Width};

/// Four bytes of length that count what is behind the ID, two of ID.
pub(crate) fn layout() -> FrameLayout {
    let (width, order) = (Width::Four, ByteOrder::Big);
    FrameLayout {
        framing: Framing::Fixed { offset: 0, width, order, adjust: 2 },
        id: Some(IdField::Fixed { offset: 4, width: Width::Two, order, mask: u64::MAX, shift: 0 }),
        max_length: 128 * 1024,
        heartbeat: None,
        notice: None,
    }
}

/// Many routes, as a game has: a hundred low ranges, a hundred high ones and the rest, to one cluster of eight backends
/// with these keys more.
pub(crate) fn many_routes(more: &str) -> Plan {
    let backends = (7100..7108).map(|port| format!("{{ address = \"127.0.0.1:{port}\" }}"));
    let backends = backends.collect::<Vec<_>>().join(", ");
    let mut text = format!(
        "[frame.game]
length = {{ offset = 0, width = 4, adjust = 2 }}
id = {{ offset = 4, width = 4 }}
[listener.players]
listen = \"127.0.0.1:7000\"
frame = \"game\"
[cluster.all]
backends = [{backends}]
{more}
[route.rest]
ids = [\"*\"]
cluster = \"all\"
"
    );
    for place in 0..100 {
        let (low, high) = (1000 + place * 100, 300_000 + place * 1000);
        text += &format!(
            "[route.r{place}]\nids = [\"{low}-{}\", \"{high}-{}\"]\ncluster = \"all\"\n",
            low + 99,
            high + 999
        );
    }
    match parse(vec![Source { path: "bench.toml".into(), text }]) {
        Ok(plan) => plan,
        Err(report) => panic!("{report}"),
    }
}
