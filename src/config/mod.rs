//! TOML to a checked [`Plan`], and every mistake of a file at once. `raw` mirrors the file, `check` is the only
//! way to a plan. Reads configuration files and nothing else: certificates and addresses belong to the edge,
//! which reports its findings through the same [`Report`].

mod plan;

pub use plan::{
    Backend, BackendTls, CertificatePair, Cluster, Drain, Gateway, LinkKind, Listener, ListenerLimits,
    Located, NamedLayout, Plan, ProxyHeader, Route, Site, UnknownId,
};
