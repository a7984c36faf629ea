//! Bytes to messages.

use std::net::{IpAddr, SocketAddr};

use super::error::EnvelopeError;
use super::header::{HEADER_LENGTH, Header, LINK, measure};
use super::kind::{Kind, Subject};
use super::limits::{DEFAULT_MAX_ENVELOPE, MAX_LOAD, MAX_PING};
use super::list::{Redirects, Sessions};
use super::message::{Envelope, Message};
use super::parts::{BackendState, Exception, Hello, HelloAck, Kick, LoadReport, Open, Scope, Transport};
use super::tlv::{Fields, Tlv};
use crate::base::GatewayId;

type Read<T> = Result<T, EnvelopeError>;

impl<'a> Envelope<'a> {
    /// Reads one whole envelope, as a decoder lends it.
    ///
    /// # Errors
    /// The bytes break a rule of the link.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, EnvelopeError> {
        let header = Header::peek(bytes).ok_or(EnvelopeError::NotWhole)?;
        if measure(bytes, u32::MAX)? != Some(bytes.len()) {
            return Err(EnvelopeError::NotWhole);
        }
        let rest = bytes.get(HEADER_LENGTH..).unwrap_or_default();
        let (tlvs, payload) =
            rest.split_at_checked(usize::from(header.tlv_length)).ok_or(EnvelopeError::TlvsTooLong)?;
        let message = read_message(&header, tlvs, payload)?;
        Ok(Self { session: header.session, message })
    }
}

fn read_message<'a>(header: &Header, tlvs: &'a [u8], payload: &'a [u8]) -> Read<Message<'a>> {
    let Some(kind) = Kind::from_code(header.code) else {
        let skip = header.code & 0x80 == 0;
        return if skip {
            Ok(Message::Unknown { code: header.code })
        } else {
            Err(EnvelopeError::UnknownType(header.code))
        };
    };
    let fits = match kind.subject() {
        Subject::Link => header.session == LINK,
        Subject::Session => header.session != LINK,
        Subject::Any => true,
    };
    if !fits {
        return Err(EnvelopeError::WrongSession(kind));
    }
    Fields::read(tlvs)?.message(kind, payload)
}

impl<'a> Fields<'a> {
    fn message(&self, kind: Kind, payload: &'a [u8]) -> Read<Message<'a>> {
        Ok(match kind {
            Kind::Hello => Message::Hello(self.hello()?),
            Kind::HelloAck => Message::HelloAck(self.hello_ack()?),
            Kind::Ping => Message::Ping { payload: ping(payload)? },
            Kind::Pong => Message::Pong { payload: ping(payload)?, report: self.report()? },
            Kind::Load => Message::Load(self.load()?),
            Kind::State => {
                let state = self.state()?.ok_or(EnvelopeError::Missing(Tlv::State))?;
                Message::State { state, text: self.text(Tlv::Text)? }
            }
            Kind::Exception => Message::Exception(self.exception()?),
            Kind::GoAway => Message::GoAway { text: self.text(Tlv::Text)? },
            Kind::Error => Message::Error { reason: self.reason()?, text: self.text(Tlv::Text)? },
            Kind::Open => Message::Open(self.open()?),
            Kind::Close => Message::Close { reason: self.reason()?, text: self.text(Tlv::Text)? },
            Kind::Bind => Message::Bind { account: self.name(Tlv::Account)?, epoch: self.epoch()? },
            Kind::Kick => Message::Kick(self.kick()?),
            Kind::Refuse => Message::Refuse { reason: self.reason()?, text: self.text(Tlv::Text)? },
            Kind::Move => {
                Message::Move { cluster: self.name(Tlv::Cluster)?, backend: self.name(Tlv::Backend)? }
            }
            Kind::Pause => Message::Pause,
            Kind::Resume => Message::Resume,
            Kind::Attributes => Message::Attributes { attributes: self.name(Tlv::Attributes)? },
            Kind::Frame => Message::Frame { payload },
            Kind::Multicast => Message::Multicast { sessions: self.sessions()?, payload },
            Kind::Broadcast => Message::Broadcast { scope: self.scope()?, payload },
            Kind::Undelivered => Message::Undelivered { reason: self.reason()? },
            Kind::Join => Message::Join { room: self.name(Tlv::Room)? },
            Kind::Leave => Message::Leave { room: self.name(Tlv::Room)? },
            Kind::RoomClose => Message::RoomClose { room: self.name(Tlv::Room)? },
        })
    }

    fn hello(&self) -> Read<Hello<'a>> {
        let gateway_id = needed(Tlv::GatewayId, self.u16(Tlv::GatewayId)?)?;
        Ok(Hello {
            version: needed(Tlv::Version, self.u16(Tlv::Version)?)?,
            gateway_id: GatewayId::new(gateway_id).ok_or(EnvelopeError::BadTlv(Tlv::GatewayId))?,
            worker: needed(Tlv::Worker, self.u16(Tlv::Worker)?)?,
            cluster: self.name(Tlv::Cluster)?,
            zone: self.text(Tlv::Zone)?,
            max_envelope: self.u32(Tlv::MaxEnvelope)?.unwrap_or(DEFAULT_MAX_ENVELOPE),
        })
    }

    fn hello_ack(&self) -> Read<HelloAck<'a>> {
        Ok(HelloAck {
            version: needed(Tlv::Version, self.u16(Tlv::Version)?)?,
            name: self.text(Tlv::Name)?,
            boot_id: needed(Tlv::BootId, self.u64(Tlv::BootId)?)?,
            capacity: self.u32(Tlv::Capacity)?,
            state: self.state()?.unwrap_or_default(),
            max_envelope: self.u32(Tlv::MaxEnvelope)?.unwrap_or(DEFAULT_MAX_ENVELOPE),
        })
    }

    fn report(&self) -> Read<LoadReport> {
        let load = self.u16(Tlv::Load)?;
        if load.is_some_and(|load| load > MAX_LOAD) {
            return Err(EnvelopeError::BadTlv(Tlv::Load));
        }
        Ok(LoadReport { load, sessions: self.u32(Tlv::Sessions)?, capacity: self.u32(Tlv::Capacity)? })
    }

    fn load(&self) -> Read<LoadReport> {
        let report = self.report()?;
        if report == LoadReport::default() { Err(EnvelopeError::Missing(Tlv::Load)) } else { Ok(report) }
    }

    fn state(&self) -> Read<Option<BackendState>> {
        let state = self.u8(Tlv::State)?;
        state.map(|code| BackendState::from_code(code).ok_or(EnvelopeError::BadTlv(Tlv::State))).transpose()
    }

    fn exception(&self) -> Read<Exception<'a>> {
        let first_id = needed(Tlv::FirstId, self.u32(Tlv::FirstId)?)?;
        let last_id = needed(Tlv::LastId, self.u32(Tlv::LastId)?)?;
        let for_ms = needed(Tlv::ForMs, self.u32(Tlv::ForMs)?)?;
        if last_id < first_id {
            return Err(EnvelopeError::BadTlv(Tlv::LastId));
        }
        Ok(Exception { first_id, last_id, for_ms, text: self.text(Tlv::Text)? })
    }

    fn open(&self) -> Read<Open<'a>> {
        let address = needed(Tlv::ClientAddress, self.bytes(Tlv::ClientAddress))?;
        let transport = needed(Tlv::Transport, self.u8(Tlv::Transport)?)?;
        Ok(Open {
            client_address: socket_address(address).ok_or(EnvelopeError::BadTlv(Tlv::ClientAddress))?,
            transport: Transport::from_code(transport).ok_or(EnvelopeError::BadTlv(Tlv::Transport))?,
            listener: self.name(Tlv::Listener)?,
            account: self.text(Tlv::Account)?,
            version: self.text(Tlv::ClientVersion)?,
            group: self.text(Tlv::Group)?,
            attributes: self.text(Tlv::Attributes)?,
        })
    }

    fn kick(&self) -> Read<Kick<'a>> {
        Ok(Kick {
            reason: self.reason()?,
            text: self.text(Tlv::Text)?,
            retry_after_ms: self.u32(Tlv::RetryAfterMs)?,
            redirect: Redirects::from_wire(self.region()).ok_or(EnvelopeError::BadTlv(Tlv::Redirect))?,
        })
    }

    fn sessions(&self) -> Read<Sessions<'a>> {
        let value = needed(Tlv::SessionsList, self.bytes(Tlv::SessionsList))?;
        Sessions::from_wire(value).ok_or(EnvelopeError::BadTlv(Tlv::SessionsList))
    }

    /// More than one is refused: nobody could say which was meant.
    fn scope(&self) -> Read<Scope<'a>> {
        match (self.text(Tlv::Room)?, self.text(Tlv::Group)?, self.text(Tlv::Zone)?) {
            (None, None, None) => Ok(Scope::All),
            (Some(room), None, None) => Ok(Scope::Room(room)),
            (None, Some(group), None) => Ok(Scope::Group(group)),
            (None, None, Some(zone)) => Ok(Scope::Zone(zone)),
            (Some(_), Some(_), _) => Err(EnvelopeError::BadTlv(Tlv::Group)),
            (Some(_), None, Some(_)) | (None, Some(_), Some(_)) => Err(EnvelopeError::BadTlv(Tlv::Zone)),
        }
    }

    fn reason(&self) -> Read<u16> {
        needed(Tlv::Reason, self.u16(Tlv::Reason)?)
    }

    fn epoch(&self) -> Read<u64> {
        needed(Tlv::Epoch, self.u64(Tlv::Epoch)?)
    }

    fn name(&self, tlv: Tlv) -> Read<&'a str> {
        needed(tlv, self.text(tlv)?)
    }
}

fn needed<T>(tlv: Tlv, value: Option<T>) -> Read<T> {
    value.ok_or(EnvelopeError::Missing(tlv))
}

fn ping(payload: &[u8]) -> Read<&[u8]> {
    if payload.len() > MAX_PING { Err(EnvelopeError::PingTooLong) } else { Ok(payload) }
}

fn socket_address(value: &[u8]) -> Option<SocketAddr> {
    let (family, rest) = value.split_first()?;
    let (address, port) = rest.split_last_chunk::<2>()?;
    let ip = match family {
        4 => IpAddr::from(<[u8; 4]>::try_from(address).ok()?),
        6 => IpAddr::from(<[u8; 16]>::try_from(address).ok()?),
        _ => return None,
    };
    Some(SocketAddr::new(ip, u16::from_be_bytes(*port)))
}
