//! One player that comes, asks once and leaves, while the scenario waits.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, Stream};

use crate::Outcome;
use crate::certificates::HOST;
use crate::frame::{Lane, SIZE, Stamp};

const PATIENCE: Duration = Duration::from_secs(5);

/// Asks without TLS.
pub(crate) fn ask(target: SocketAddr, serial: u32) -> Outcome<()> {
    converse(&mut connect(target)?, serial)
}

/// Asks with TLS; the certificate that was shown.
pub(crate) fn ask_tls(
    target: SocketAddr,
    trust: &Arc<ClientConfig>,
    serial: u32,
) -> Outcome<CertificateDer<'static>> {
    let mut socket = connect(target)?;
    let name = ServerName::try_from(HOST).map_err(|error| error.to_string())?;
    let mut tls = ClientConnection::new(Arc::clone(trust), name).map_err(|error| error.to_string())?;
    converse(&mut Stream::new(&mut tls, &mut socket), serial)?;
    let shown = tls.peer_certificates().and_then(|shown| shown.first());
    shown.map(|shown| shown.clone().into_owned()).ok_or_else(|| "no certificate was shown".to_owned())
}

fn connect(target: SocketAddr) -> Outcome<TcpStream> {
    let fail = |error: std::io::Error| format!("a visitor of {target}: {error}");
    let stream = TcpStream::connect_timeout(&target, PATIENCE).map_err(fail)?;
    stream.set_read_timeout(Some(PATIENCE)).map_err(fail)?;
    stream.set_write_timeout(Some(PATIENCE)).map_err(fail)?;
    Ok(stream)
}

fn converse(stream: &mut (impl Read + Write), serial: u32) -> Outcome<()> {
    let fail = |error: std::io::Error| format!("a visitor: {error}");
    let asked = Stamp { serial, sequence: 0, lane: Lane::Battle };
    stream.write_all(&asked.ask()).map_err(fail)?;
    let mut answer = [0; SIZE];
    stream.read_exact(&mut answer).map_err(fail)?;
    match Stamp::read(&answer) {
        Some((stamp, by)) if stamp == asked && asked.lane.allows(by.cluster) => Ok(()),
        _ => Err(format!("a visitor was answered with {answer:?}")),
    }
}
