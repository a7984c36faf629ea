//! What the process was started as, so that an upgrade can start it again.

use std::ffi::OsString;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;

use super::handover;

/// The program's file, its arguments, and the API's own socket, which is handed on too.
#[derive(Debug, Default)]
pub(super) struct Program {
    pub(super) file: PathBuf,
    pub(super) arguments: Vec<OsString>,
    /// Where the configuration wants the API, and its socket.
    pub(super) admin: Option<(SocketAddr, TcpListener)>,
}

impl Program {
    /// To be asked at the start: later the file may be another one.
    ///
    /// # Errors
    /// When the operating system does not say what it has started.
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self { file: handover::program_file()?, arguments: handover::arguments(), admin: None })
    }
}
