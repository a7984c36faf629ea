//! Where the operator's API listens.

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

use super::files::faults;
use super::gate::StartError;
use super::handover::Owner;
use super::legacy::Legacy;
use crate::admin::{self, Access, Desk};
use crate::config::{Plan, Problem};
use crate::telemetry;

/// How long a process that has nothing else to do waits for those who ask.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// An open listener of the API.
#[derive(Debug)]
pub(super) struct Office {
    wanted: SocketAddr,
    socket: TcpListener,
    access: Access,
}

impl Office {
    /// Opens what `[admin]` says, if it is there.
    ///
    /// # Errors
    /// When the token cannot be used or the address not be listened at.
    pub(super) fn open(plan: &Plan, legacy: &mut Legacy) -> Result<Option<Self>, StartError> {
        let Some(admin) = plan.admin() else { return Ok(None) };
        let access = Access::read(admin).map_err(|problem| {
            let report = plan.report(vec![problem]).and(faults(plan.parts()));
            StartError::Configuration(Box::new(report))
        })?;
        let wanted = *admin.listen().get();
        let known = legacy.socket(&Owner::Admin, wanted);
        let socket = known.map_or_else(|| TcpListener::bind(wanted), Ok).map_err(|error| {
            let problem = Problem::at(admin.listen().site(), format!("cannot listen here: {error}"))
                .because("nobody could have asked the gateway how it is")
                .write("an address of this machine and a port that no other program has");
            StartError::Bind(Box::new(plan.report(vec![problem])))
        })?;
        Ok(Some(Self { wanted, socket, access }))
    }

    /// Who may use it: the same as long as it serves, so that a token can be renewed.
    pub(super) fn access(&self) -> Access {
        self.access.clone()
    }

    /// Its socket, for another process.
    pub(super) fn share(&self) -> std::io::Result<(SocketAddr, TcpListener)> {
        Ok((self.wanted, self.socket.try_clone()?))
    }

    /// Serves until it is closed.
    ///
    /// # Errors
    /// When the socket cannot be used in this process's event loop.
    pub(super) fn serve(self, desk: Desk) -> std::io::Result<OpenOffice> {
        self.socket.set_nonblocking(true)?;
        let listener = tokio::net::TcpListener::from_std(self.socket)?;
        telemetry::listening("admin", listener.local_addr()?);
        let (ending, ends) = watch::channel(false);
        drop(tokio::spawn(admin::serve(listener, desk, self.access, ends)));
        Ok(OpenOffice { ending })
    }
}

/// The API while it serves.
#[derive(Debug)]
pub(super) struct OpenOffice {
    /// Closed when the last connection has ended.
    ending: watch::Sender<bool>,
}

impl OpenOffice {
    /// Accepts nobody any more; who has asked is answered.
    pub(super) fn close(&self) {
        self.ending.send_replace(true);
    }

    /// Returns when everybody was answered, so that whoever told the process to end hears that it does.
    pub(super) async fn closed(self) {
        self.close();
        drop(timeout(LAST_WORDS, self.ending.closed()).await);
    }
}
