//! What the server behind the proxies has to give, and a first look whether it comes through a proxy unchanged.

use std::fs;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::lab::certificates::{Certificates, server_name};

/// Bytes of the small answer.
pub(crate) const SMALL: usize = 1024;
/// Bytes of the large one.
pub(crate) const LARGE: usize = 64 * 1024;

/// How long the first look may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// The path of the answer of this size.
pub(crate) fn path(size: usize) -> String {
    format!("/files/{size}.bin")
}

/// Writes both answers below `folder`.
pub(crate) fn write(folder: &Path) -> Result<(), String> {
    let files = folder.join("files");
    let fail = |error: io::Error| format!("cannot write {}: {error}", files.display());
    fs::create_dir_all(&files).map_err(fail)?;
    [SMALL, LARGE]
        .into_iter()
        .try_for_each(|size| fs::write(files.join(format!("{size}.bin")), bytes(size)).map_err(fail))
}

/// Bytes that differ from their neighbours at every distance that a mistake would move them by.
fn bytes(size: usize) -> Vec<u8> {
    let byte = |place: usize| u8::try_from((place.wrapping_mul(2_654_435_761) >> 7) % 251).unwrap_or(0);
    (0..size).map(byte).collect()
}

/// Asks once, and compares every byte. How long the answer's head was.
pub(crate) fn check(
    address: SocketAddr,
    certificates: Option<&Certificates>,
    size: usize,
) -> Result<usize, String> {
    let answer =
        ask(address, certificates, &path(size)).map_err(|error| format!("first request: {error}"))?;
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n");
    let (head, body) = end.and_then(|end| answer.split_at_checked(end + 4)).ok_or("no whole answer came")?;
    let first = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
    if !first.starts_with(b"HTTP/1.1 200") {
        return Err(format!("the first answer is {}", String::from_utf8_lossy(first)));
    }
    if body != bytes(size) {
        return Err(format!("{} bytes of another body came through than {size}", body.len()));
    }
    Ok(head.len())
}

fn ask(address: SocketAddr, certificates: Option<&Certificates>, path: &str) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let question = format!("GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", server_name(0));
    let mut answer = Vec::new();
    let read = if let Some(certificates) = certificates {
        let mut stream = StreamOwned::new(trusting(certificates)?, stream);
        stream.write_all(question.as_bytes())?;
        stream.read_to_end(&mut answer)
    } else {
        stream.write_all(question.as_bytes())?;
        stream.read_to_end(&mut answer)
    };
    // nginx ends TLS without close_notify; whether all has come is for the caller to see.
    match read {
        Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => Err(error),
        Ok(_) | Err(_) => Ok(answer),
    }
}

fn trusting(certificates: &Certificates) -> io::Result<ClientConnection> {
    let certificate = CertificateDer::from_pem_file(&certificates.certificate).map_err(io::Error::other)?;
    let mut roots = RootCertStore::empty();
    roots.add(certificate).map_err(io::Error::other)?;
    let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let name = ServerName::try_from(server_name(0)).map_err(io::Error::other)?;
    ClientConnection::new(Arc::new(config), name).map_err(io::Error::other)
}
