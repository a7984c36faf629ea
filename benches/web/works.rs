//! What is asked of every proxy.

use crate::content::{LARGE, SMALL};
use crate::got::Wanted;

/// Who asks, and in which version of HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loader {
    /// wrk, HTTP/1.1.
    Wrk,
    /// h2load, HTTP/1.1.
    H2loadOne,
    /// h2load, HTTP/2; without TLS by prior knowledge.
    H2loadTwo,
}

/// One table of the report.
#[derive(Clone, Debug)]
pub(crate) struct Work {
    /// What `--only` calls it.
    pub(crate) key: String,
    /// What the report calls it.
    pub(crate) title: String,
    /// Who asks.
    pub(crate) loader: Loader,
    /// Bytes of every answer's body.
    pub(crate) size: usize,
    /// Connections of the clients.
    pub(crate) connections: usize,
    /// Requests under way on each.
    pub(crate) streams: usize,
    /// Whether clients speak TLS.
    pub(crate) tls: bool,
    /// Buffers of HAProxy and nginx in KiB.
    pub(crate) buffers: usize,
}

/// A work before it is doubled into plain and TLS.
struct Sketch {
    key: &'static str,
    title: &'static str,
    loader: Loader,
    size: usize,
    connections: usize,
    streams: usize,
}

const SKETCHES: [Sketch; 5] = [
    Sketch {
        key: "wrk-1k",
        title: "HTTP/1.1, 1 KiB, 64 connections (wrk)",
        loader: Loader::Wrk,
        size: SMALL,
        connections: 64,
        streams: 1,
    },
    Sketch {
        key: "h1-1k",
        title: "HTTP/1.1, 1 KiB, 64 connections (h2load)",
        loader: Loader::H2loadOne,
        size: SMALL,
        connections: 64,
        streams: 1,
    },
    Sketch {
        key: "h2-1k",
        title: "HTTP/2, 1 KiB, 16 connections with 8 requests under way on each (h2load)",
        loader: Loader::H2loadTwo,
        size: SMALL,
        connections: 16,
        streams: 8,
    },
    Sketch {
        key: "wrk-64k",
        title: "HTTP/1.1, 64 KiB, 32 connections (wrk)",
        loader: Loader::Wrk,
        size: LARGE,
        connections: 32,
        streams: 1,
    },
    Sketch {
        key: "h2-64k",
        title: "HTTP/2, 64 KiB, 16 connections with 2 requests under way on each (h2load)",
        loader: Loader::H2loadTwo,
        size: LARGE,
        connections: 16,
        streams: 2,
    },
];

/// Every work that was asked for, in the order of the report.
pub(crate) fn asked_for(only: &[String]) -> Vec<Work> {
    let works = SKETCHES.iter().flat_map(|sketch| [false, true].map(|tls| sketch.work(tls)));
    works.filter(|work| only.is_empty() || only.iter().any(|wanted| work.is_called(wanted))).collect()
}

impl Work {
    /// By its key or a front of it that ends before a dash.
    fn is_called(&self, wanted: &str) -> bool {
        self.key.strip_prefix(wanted).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    }

    /// What a loader should get; `head` is how long that of the first answer was.
    pub(crate) fn wanted(&self, head: usize) -> Wanted {
        let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        Wanted {
            body: number(self.size),
            head: (self.loader == Loader::Wrk).then_some(number(head)),
            under_way: number(self.connections * self.streams),
        }
    }

    /// Whether players speak HTTP/2.
    pub(crate) fn is_two(&self) -> bool {
        self.loader == Loader::H2loadTwo
    }
}

impl Sketch {
    fn work(&self, tls: bool) -> Work {
        let (suffix, over) = if tls { ("tls", "TLS 1.3") } else { ("plain", "plain") };
        Work {
            key: format!("{}-{suffix}", self.key),
            title: format!("{}; {over}", self.title),
            loader: self.loader,
            size: self.size,
            connections: self.connections,
            streams: self.streams,
            tls,
            // Larger answers than a buffer would go through a file in nginx, and in small pieces in HAProxy.
            buffers: (self.size / 1024).max(DEFAULT_BUFFERS),
        }
    }
}

/// What HAProxy reads into when nobody tells it otherwise, in KiB.
const DEFAULT_BUFFERS: usize = 16;
