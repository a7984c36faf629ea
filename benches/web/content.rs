//! What the server behind the proxies has to give, and a first look whether it comes through a proxy unchanged.

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
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
    let (head, body) = ask(address, certificates, size).map_err(|error| format!("first request: {error}"))?;
    let first = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
    if !first.starts_with(b"HTTP/1.1 200") {
        return Err(format!("the first answer is {}", String::from_utf8_lossy(first)));
    }
    if body == bytes(size) {
        Ok(head.len())
    } else {
        Err(format!("other {size} bytes came than were asked for"))
    }
}

/// The head and so many bytes of the body. The connection is kept, as the loaders do: that is said in heads, too.
fn ask(
    address: SocketAddr,
    certificates: Option<&Certificates>,
    size: usize,
) -> io::Result<(Vec<u8>, Vec<u8>)> {
    let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    match certificates {
        None => talk(stream, address, size),
        Some(certificates) => talk(StreamOwned::new(trusting(certificates)?, stream), address, size),
    }
}

fn talk(mut stream: impl Read + Write, host: SocketAddr, size: usize) -> io::Result<(Vec<u8>, Vec<u8>)> {
    write!(stream, "GET {} HTTP/1.1\r\nHost: {host}\r\n\r\n", path(size))?;
    let mut stream = BufReader::new(stream);
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read_until(b'\n', &mut head)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    let mut body = vec![0; size];
    stream.read_exact(&mut body)?;
    Ok((head, body))
}

fn trusting(certificates: &Certificates) -> io::Result<ClientConnection> {
    let certificate = CertificateDer::from_pem_file(&certificates.certificate).map_err(io::Error::other)?;
    let mut roots = RootCertStore::empty();
    roots.add(certificate).map_err(io::Error::other)?;
    let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let name = ServerName::try_from(server_name(0)).map_err(io::Error::other)?;
    ClientConnection::new(Arc::new(config), name).map_err(io::Error::other)
}
