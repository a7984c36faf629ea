//! What a connection goes through before anything is asked on it: a PROXY header where one is due, its turn among the TLS
//! handshakes, and which HTTP it speaks.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::{Timeout, timeout_at};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::connection;
use super::line::{Counted, Ends, Line};
use super::pulse::Pulse;
use super::stream::{Front, Secured, Stream};
use super::thread::Thread;
use crate::net::{Glitch, Guest, Stay, now};
use crate::telemetry::{DoorRefusal, Handshake};
use crate::wire::{looks_like_proxy, read_proxy};

/// Why a connection ends before anything was asked on it.
#[derive(Clone, Copy, Debug)]
enum Gone {
    /// It left, or broke.
    Left,
    /// It was not let in.
    Refused(DoorRefusal),
    /// It did what is held against it.
    Glitch(Glitch),
}

/// A connection on its way in.
#[derive(Debug)]
struct Arrival {
    thread: Rc<Thread>,
    socket: TcpStream,
    address: SocketAddr,
    local: SocketAddr,
    stay: Stay,
    /// What was read already.
    ahead: Vec<u8>,
    /// Whether it is still to be seen that no PROXY header comes.
    bars_header: bool,
}

/// How long a proxy may take to say for whom it speaks.
const HEADER_WITHIN: Duration = Duration::from_secs(5);
/// What one read of the beginning takes.
const FRONT: usize = 512;
/// How HTTP/2 begins where it was not agreed on before.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Serves a connection that was let in, from its first byte to its last.
pub(in crate::http) async fn serve(thread: Rc<Thread>, guest: Guest, count: Counted) {
    let Guest { stream, address, stay } = guest;
    let (Ok(local), Ok(socket)) = (stream.local_addr(), TcpStream::from_std(stream)) else { return };
    let mut arrival = Arrival { thread, socket, address, local, stay, ahead: Vec::new(), bars_header: false };
    if let Err(gone) = arrival.meet_proxy().await {
        return arrival.give_up(gone);
    }
    arrival.come_in(count).await;
}

fn within<F: Future>(time: Duration, future: F) -> Timeout<F> {
    timeout_at((now() + time).into(), future)
}

impl Arrival {
    /// Reads for whom a proxy speaks, and sees to it that nobody else does.
    async fn meet_proxy(&mut self) -> Result<(), Gone> {
        let door = Arc::clone(self.stay.door());
        let listener = door.listener();
        if listener.is_proxy(self.address.ip()) {
            let read = within(HEADER_WITHIN, self.read_header()).await;
            read.unwrap_or(Err(Gone::Refused(DoorRefusal::ProxyHeader)))
        } else if listener.has_proxies() && door.tls_config().is_none() {
            self.bars_header = true;
            Ok(())
        } else if listener.has_proxies() {
            let read = within(listener.limits().handshake_timeout(), self.read_no_header()).await;
            read.unwrap_or(Err(Gone::Glitch(Glitch::Late)))
        } else {
            Ok(())
        }
    }

    async fn read_header(&mut self) -> Result<(), Gone> {
        loop {
            let more = self.read_front().await?;
            match read_proxy(&self.ahead) {
                Ok(Some(header)) => {
                    self.ahead.drain(..header.length);
                    return header.player.map_or(Ok(()), |(address, local)| self.is_for(address, local));
                }
                Ok(None) if more => {}
                // Whoever looks whether somebody listens leaves so.
                Ok(None) if self.ahead.is_empty() => return Err(Gone::Left),
                Ok(None) | Err(_) => return Err(Gone::Refused(DoorRefusal::ProxyHeader)),
            }
        }
    }

    async fn read_no_header(&mut self) -> Result<(), Gone> {
        loop {
            let more = self.read_front().await?;
            match looks_like_proxy(&self.ahead) {
                Some(true) => return Err(Gone::Refused(DoorRefusal::ProxyHeader)),
                None if more => {}
                Some(false) | None => return Ok(()),
            }
        }
    }

    /// One read; false: nothing more will come.
    async fn read_front(&mut self) -> Result<bool, Gone> {
        let mut buffer = [0; FRONT];
        let length = self.socket.read(&mut buffer).await.map_err(|_| Gone::Left)?;
        self.ahead.extend_from_slice(buffer.get(..length).unwrap_or_default());
        Ok(length > 0)
    }

    fn is_for(&mut self, address: SocketAddr, local: SocketAddr) -> Result<(), Gone> {
        (self.address, self.local) = (address, local);
        let (now, world) = (now(), self.thread.world.load());
        let since_start = self.thread.since_start(now);
        let ground = (&**world, &*self.thread.commons);
        self.stay.is_for(address.ip(), ground, since_start, now).map_err(Gone::Refused)
    }

    /// TLS where it is spoken, and then HTTP.
    async fn come_in(self, count: Counted) {
        let Self { thread, socket, address, local, stay, ahead, bars_header } = self;
        let pulse = Arc::new(Pulse::new(now()));
        let front = Front::new(socket, ahead);
        let secured = match stay.door().tls_config() {
            None => Ok(Secured::Plain(front)),
            Some(config) => {
                let shaken = shake_hands(&thread, &stay, TlsAcceptor::from(config), front).await;
                shaken.map(|tls| Secured::Tls(Box::new(tls)))
            }
        };
        let secured = match secured {
            Ok(secured) => secured,
            Err(gone) => return gone.told(&stay),
        };
        let (alpn, certificate) = match &secured {
            Secured::Plain(_) => (None, None),
            Secured::Tls(tls) => {
                let session = tls.get_ref().1;
                let certificate = session.peer_certificates().and_then(|chain| chain.first());
                (
                    session.alpn_protocol().map(<[u8]>::to_vec),
                    certificate.map(|leaf| leaf.clone().into_owned()),
                )
            }
        };
        let is_tls = matches!(secured, Secured::Tls(_));
        let line = Line::new(Ends { address, local, is_tls, certificate }, stay, Arc::clone(&pulse), count);
        let mut stream = Stream::new(secured, pulse);
        let is_http2 = match alpn.as_deref() {
            Some(b"h2") => true,
            Some(_) => false,
            None => {
                let sniffed = match first_bytes(&thread, &line, &mut stream).await {
                    Ok(front) => sniff(&line, &mut stream, front, bars_header).await,
                    Err(gone) => Err(gone),
                };
                match sniffed {
                    Ok(is_http2) => is_http2,
                    Err(gone) => return gone.told(line.stay()),
                }
            }
        };
        connection::serve(thread, line, stream, is_http2).await;
    }

    fn give_up(&self, gone: Gone) {
        gone.told(&self.stay);
    }
}

impl Gone {
    fn told(self, stay: &Stay) {
        match self {
            Self::Left => {}
            Self::Refused(why) => {
                stay.refuse(why);
                if why == DoorRefusal::ProxyHeader {
                    stay.hold_against(Glitch::ProxyHeader, now());
                }
            }
            Self::Glitch(glitch) => stay.hold_against(glitch, now()),
        }
    }
}

/// The handshake, from the first byte on and when it is its turn.
async fn shake_hands(
    thread: &Thread,
    stay: &Stay,
    acceptor: TlsAcceptor,
    front: Front,
) -> Result<TlsStream<Front>, Gone> {
    let began = now();
    let patience = stay.door().listener().limits().handshake_timeout();
    let ended = |result| thread.meters.web_handshakes.ended(result, now().saturating_duration_since(began));
    match within(patience, front.first_byte()).await {
        Ok(Ok(())) => {}
        Ok(Err(_)) => {
            ended(Handshake::Abandoned);
            return Err(Gone::Left);
        }
        Err(_) => {
            ended(Handshake::Timeout);
            return Err(Gone::Glitch(Glitch::Late));
        }
    }
    let Ok(_turn) = within(patience, stay.handshake_turn()).await else {
        return Err(Gone::Refused(DoorRefusal::Handshakes));
    };
    match within(patience, acceptor.accept(front)).await {
        Ok(Ok(tls)) => {
            ended(Handshake::Ok);
            Ok(tls)
        }
        Ok(Err(error)) if is_of_tls(&error) => {
            ended(Handshake::Failed);
            Err(Gone::Glitch(Glitch::Tls))
        }
        Ok(Err(_)) => {
            ended(Handshake::Abandoned);
            Err(Gone::Left)
        }
        Err(_) => {
            ended(Handshake::Timeout);
            Err(Gone::Glitch(Glitch::Late))
        }
    }
}

fn is_of_tls(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::InvalidData
}

/// What comes first, if it comes while the connection may be idle and the gateway does not want it to end.
async fn first_bytes(thread: &Thread, line: &Line, stream: &mut Stream) -> Result<Vec<u8>, Gone> {
    let mut buffer = [0; FRONT];
    let reading = within(line.door().listener().limits().idle_timeout(), stream.read(&mut buffer));
    match connection::unless_it_ends(thread, line, reading).await {
        Some(Ok(Ok(length @ 1..))) => Ok(buffer.get(..length).unwrap_or_default().to_vec()),
        Some(Ok(_) | Err(_)) | None => Err(Gone::Left),
    }
}

/// Whether it begins as HTTP/2 does; what was read is read again. It has begun, so it is late when that does not show.
async fn sniff(
    line: &Line,
    stream: &mut Stream,
    mut front: Vec<u8>,
    bars_header: bool,
) -> Result<bool, Gone> {
    let due = now() + line.door().listener().limits().handshake_timeout();
    let mut is_over = false;
    loop {
        let is_header = if bars_header { looks_like_proxy(&front) } else { Some(false) };
        if is_header == Some(true) {
            return Err(Gone::Refused(DoorRefusal::ProxyHeader));
        }
        let common = front.iter().zip(PREFACE).take_while(|(one, other)| one == other).count();
        let is_clear = common == PREFACE.len() || common < front.len();
        if is_over || (is_clear && is_header == Some(false)) {
            stream.put_back(front);
            return Ok(common == PREFACE.len());
        }
        let mut buffer = [0; FRONT];
        let read = timeout_at(due.into(), stream.read(&mut buffer)).await;
        let length = read.map_err(|_| Gone::Glitch(Glitch::Late))?.map_err(|_| Gone::Left)?;
        front.extend_from_slice(buffer.get(..length).unwrap_or_default());
        is_over = length == 0;
    }
}
