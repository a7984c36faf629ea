//! Sockets with an address, and sizes, of one's own.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use mio::net::TcpStream;
use rustls::ClientConfig;
use socket2::{Domain, Protocol, Socket, Type};

use crate::connection::End;

/// Where somebody connects, and as whom.
#[derive(Clone, Debug)]
pub(crate) struct Door {
    /// The listener.
    pub(crate) target: SocketAddr,
    /// With TLS, and whom to trust.
    pub(crate) tls: Option<Arc<ClientConfig>>,
    /// The address to come from: anything in 127.0.0.0/8.
    pub(crate) source: Ipv4Addr,
    /// Buffers of the kernel are as small as it allows, on both sides: what is not read fills them soon.
    pub(crate) is_narrow: bool,
}

/// Bytes that a narrow socket takes, and the longest segment that is sent to it; the other side's send buffer
/// follows from the latter.
const NARROW: usize = 4096;
const SEGMENT: u32 = 536;

impl Door {
    /// Of a listener, from the usual address.
    pub(crate) fn of(target: SocketAddr, tls: Option<Arc<ClientConfig>>) -> Self {
        Self { target, tls, source: Ipv4Addr::LOCALHOST, is_narrow: false }
    }

    /// From another address: the `number`th of many thousands.
    pub(crate) fn from(mut self, number: u32) -> Self {
        let byte = |number: u32| u8::try_from(number % 250).unwrap_or(0);
        self.source = Ipv4Addr::new(127, 1 + byte(number / 62_500), byte(number / 250), 1 + byte(number));
        self
    }

    /// Begins to connect.
    pub(crate) fn dial(&self) -> Result<TcpStream, End> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        if self.is_narrow {
            socket.set_recv_buffer_size(NARROW)?;
            socket.set_tcp_mss(SEGMENT)?;
        }
        if self.source != Ipv4Addr::LOCALHOST {
            socket.bind(&SocketAddr::from((self.source, 0)).into())?;
        }
        match socket.connect(&self.target.into()) {
            Err(error) if error.raw_os_error() != Some(rustix::io::Errno::INPROGRESS.raw_os_error()) => {
                Err(error.into())
            }
            Ok(()) | Err(_) => Ok(TcpStream::from_std(socket.into())),
        }
    }
}
