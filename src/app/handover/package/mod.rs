//! What the old process hands to the new one.

use std::fmt::Write;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use rustix::net::sockopt::socket_acceptconn;
use serde_json::{Value, json};
use zeroize::{Zeroize, Zeroizing};

use crate::app::handover::error::TakeOverError;
use crate::app::handover::line::{Line, LineError, MOST_PACKAGE};
use crate::app::handover::memory;
use crate::app::handover::read::{Table, missing};
use crate::base::millis;
use crate::cluster::Snapshot;
use crate::net::TicketKeys;

/// Everything that must outlive the old process.
#[derive(Debug)]
pub struct Package {
    /// Its listening sockets.
    pub sockets: Vec<Handed>,
    /// Its keys of session tickets.
    pub tickets: TicketKeys,
    /// How old the present one of them is: the new process rotates when the old one would have.
    pub tickets_age: Duration,
    /// The start number in the old process's session IDs.
    pub start: u32,
    /// How long the old process's clock has run; see [`Package::clock_start`].
    pub clock: Duration,
    /// What is true of clusters, backends and breakers.
    pub registry: Snapshot,
}

/// A listening socket and whose it is.
#[derive(Debug)]
pub struct Handed {
    /// Whose it is.
    pub owner: Owner,
    /// Where the configuration wants it; its port may be 0 there.
    pub address: SocketAddr,
    /// The socket.
    pub socket: TcpListener,
}

/// Whose a listening socket is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// The players' listener of this name.
    Listener(String),
    /// The admin API's.
    Admin,
}

/// The version of this protocol. Another one is refused: the old process then goes on.
const VERSION: u64 = 1;
/// The bits of a start number in a session ID.
const START_BITS: u32 = 0x000F_FFFF;

impl Package {
    /// Takes out the socket for an address of the configuration. A listener may have been renamed meanwhile: only
    /// where the system chose the port, the name decides.
    pub fn take(&mut self, owner: &Owner, address: SocketAddr) -> Option<TcpListener> {
        let is_it =
            |handed: &Handed| handed.address == address && (address.port() != 0 || handed.owner == *owner);
        let place = self.sockets.iter().position(is_it)?;
        Some(self.sockets.remove(place).socket)
    }

    /// When the new process's clock begins: so long ago that what lies behind the old one, the beginning of a slow
    /// start for one, can be told in times of the new one.
    #[must_use]
    pub fn clock_start(&self, now: Instant) -> Instant {
        now.checked_sub(self.clock).unwrap_or(now)
    }

    pub(super) async fn send(&self, line: &mut Line) -> Result<(), LineError> {
        line.send(&self.write()).await?;
        for handed in &self.sockets {
            line.hand(handed.socket.as_fd()).await?;
        }
        Ok(())
    }

    pub(super) async fn receive(line: &mut Line) -> Result<Self, TakeOverError> {
        let (mut package, expected) = Self::read(&line.receive(MOST_PACKAGE).await?)?;
        for (owner, address) in expected {
            let socket = TcpListener::from(line.take().await?);
            if !socket_acceptconn(&socket).unwrap_or(false) {
                return Err(LineError::Nonsense("a socket that does not listen".to_owned()).into());
            }
            package.sockets.push(Handed { owner, address, socket });
        }
        Ok(package)
    }

    /// The message, without the sockets themselves. It has keys in it, and so is wiped.
    fn write(&self) -> Zeroizing<Vec<u8>> {
        let mut message = json!({
            "version": VERSION,
            "program": env!("CARGO_PKG_VERSION"),
            "sockets": self.sockets.iter().map(Handed::write).collect::<Vec<_>>(),
            "tickets": hex(&self.tickets.to_bytes()),
            "tickets_age": millis(self.tickets_age),
            "start": self.start,
            "clock": millis(self.clock),
            "registry": memory::write(&self.registry),
        });
        let bytes = Zeroizing::new(message.to_string().into_bytes());
        wipe(&mut message);
        bytes
    }

    /// The package without its sockets, and whose sockets follow.
    fn read(message: &[u8]) -> Result<(Self, Vec<(Owner, SocketAddr)>), TakeOverError> {
        let mut value = Table::parse(message)?;
        let read = Self::read_value(&value);
        wipe(&mut value);
        read
    }

    fn read_value(value: &Value) -> Result<(Self, Vec<(Owner, SocketAddr)>), TakeOverError> {
        let table = Table::of(value)?;
        let version = table.number("version")?;
        if version != VERSION {
            return Err(TakeOverError::Version { theirs: version, ours: VERSION });
        }
        let tickets = unhex(table.text("tickets")?).and_then(|bytes| TicketKeys::from_bytes(&bytes));
        let package = Self {
            sockets: Vec::new(),
            tickets: tickets.ok_or_else(|| missing("tickets", "list of keys"))?,
            tickets_age: table.time("tickets_age")?,
            start: table.small("start")?,
            clock: table.time("clock")?,
            registry: memory::read(table.table("registry")?)?,
        };
        Ok((package, table.list("sockets", Handed::read)?))
    }
}

impl Handed {
    fn write(&self) -> Value {
        let name = match &self.owner {
            Owner::Listener(name) => Some(name),
            Owner::Admin => None,
        };
        json!({ "listener": name, "address": self.address.to_string() })
    }

    fn read(table: Table<'_>) -> Result<(Owner, SocketAddr), LineError> {
        let name = table.maybe("listener", Table::text)?;
        let owner = name.map_or(Owner::Admin, |name| Owner::Listener(name.to_owned()));
        let address = table.text("address")?.parse().map_err(|_| missing("address", "address"))?;
        Ok((owner, address))
    }
}

/// The start number for the session IDs of who comes after `previous`: what the `clock` says, seconds of which the low
/// 20 bits count, or one more than `previous` where that is not later. Two upgrades within one second so
/// have two numbers.
#[must_use]
pub const fn next_start(previous: u32, clock: u32) -> u32 {
    let ahead = clock.wrapping_sub(previous) & START_BITS;
    let is_later = ahead > 0 && ahead <= START_BITS / 2;
    if is_later { clock & START_BITS } else { previous.wrapping_add(1) & START_BITS }
}

fn wipe(message: &mut Value) {
    if let Some(Value::String(keys)) = message.get_mut("tickets") {
        keys.zeroize();
    }
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        write!(text, "{byte:02x}").expect("a string takes all");
    }
    text
}

fn unhex(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let digit = |digit: &u8| char::from(*digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let mut bytes = Zeroizing::new(Vec::with_capacity(pairs.len()));
    for [high, low] in pairs {
        bytes.push(digit(high)? << 4 | digit(low)?);
    }
    rest.is_empty().then_some(bytes)
}

#[cfg(test)]
mod tests;
