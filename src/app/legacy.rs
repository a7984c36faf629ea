//! What a starting gateway finds: runtime changes of earlier lives, sockets that systemd has opened, and everything
//! that a process hands over that it takes the place of.

use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use super::gate::StartError;
use super::handover::{Owner, Package, next_start};
use super::systemd;
use crate::admin::Store;
use crate::cluster::Registry;
use crate::config::Overrides;
use crate::net::Tickets;

/// What is there already. The default is a first life: nothing.
#[derive(Debug, Default)]
pub struct Legacy {
    /// Runtime changes of earlier lives.
    pub overrides: Overrides,
    /// Where runtime changes are kept; `None`: they end with the process.
    pub store: Option<Store>,
    /// Sockets that systemd has opened.
    pub inherited: Vec<TcpListener>,
    /// What the process before hands over.
    pub package: Option<Package>,
}

impl Legacy {
    /// The socket that listens at this address already.
    pub(super) fn socket(&mut self, owner: &Owner, address: SocketAddr) -> Option<TcpListener> {
        let handed = self.package.as_mut().and_then(|package| package.take(owner, address));
        handed.or_else(|| systemd::take(&mut self.inherited, address))
    }

    /// When the registry's time began.
    pub(super) fn clock_start(&self, now: Instant) -> Instant {
        self.package.as_ref().map_or(now, |package| package.clock_start(now))
    }

    /// The registry as the process before left it.
    pub(super) fn registry(&self, now: Duration) -> Registry {
        let mut registry = Registry::default();
        if let Some(package) = &self.package {
            registry.restore(&package.registry, now);
        }
        registry
    }

    /// The start number of this life's session IDs: `clock`, or one later than the process before had.
    pub(super) fn start_number(&self, clock: u32) -> u32 {
        self.package.as_ref().map_or(clock, |package| next_start(package.start, clock))
    }

    /// The keys of TLS session tickets, and how old the present one is.
    pub(super) fn tickets(&mut self) -> Result<(Tickets, Duration), StartError> {
        let made = match &self.package {
            Some(package) => {
                Tickets::import(package.tickets.clone()).map(|tickets| (tickets, package.tickets_age))
            }
            None => Tickets::new().map(|tickets| (tickets, Duration::ZERO)),
        };
        made.map_err(|error| StartError::Machine(std::io::Error::other(error)))
    }
}
