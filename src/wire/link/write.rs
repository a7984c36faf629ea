//! Messages to bytes.

use std::net::{IpAddr, SocketAddr};

use super::error::EnvelopeError;
use super::header::{COUNTED, HEADER_LENGTH, Header};
use super::kind::Kind;
use super::limits::cut_text;
use super::message::{Envelope, Message};
use super::parts::{Exception, Hello, HelloAck, Kick, LoadReport, Open, Scope};
use super::tlv::Tlv;

impl Envelope<'_> {
    /// Appends the envelope. `max_envelope` is the limit that the other side named at HELLO, in bytes. Texts for
    /// people are cut to their limit.
    ///
    /// # Errors
    /// What the other side would refuse: a value over its limit, the wrong session, an envelope over
    /// `max_envelope`, a type that this version does not know. `out` is unchanged then.
    pub fn encode(&self, max_envelope: u32, out: &mut Vec<u8>) -> Result<(), EnvelopeError> {
        let start = out.len();
        let written = self.write(max_envelope, out);
        let checked =
            written.and_then(|()| Envelope::decode(out.get(start..).unwrap_or_default()).map(|_| ()));
        if checked.is_err() {
            out.truncate(start);
        }
        checked
    }

    fn write(&self, max: u32, out: &mut Vec<u8>) -> Result<(), EnvelopeError> {
        let unknown = EnvelopeError::UnknownType(self.message.code());
        let kind = self.message.kind().ok_or(unknown)?;
        let start = out.len();
        out.resize(start + HEADER_LENGTH, 0);
        let mut writer = Writer { out, refused: None };
        writer.fields(&self.message);
        if let Some(error) = writer.refused {
            return Err(error);
        }
        let tlvs = out.len() - start - HEADER_LENGTH;
        let payload = self.message.payload();
        let header = self.header(kind, tlvs, payload.len(), max)?;
        if let Some(place) = out.get_mut(start..start + HEADER_LENGTH) {
            place.copy_from_slice(&header.to_bytes());
        }
        out.extend_from_slice(payload);
        Ok(())
    }

    fn header(&self, kind: Kind, tlvs: usize, payload: usize, max: u32) -> Result<Header, EnvelopeError> {
        let tlv_length = u16::try_from(tlvs).map_err(|_| EnvelopeError::TlvsTooLong)?;
        let counted = payload.saturating_add(tlvs);
        let length = u32::try_from(counted).unwrap_or(u32::MAX).saturating_add(COUNTED);
        if length > max || length == u32::MAX {
            return Err(EnvelopeError::TooLong { claimed: length, max });
        }
        Ok(Header { length, code: kind.code(), tlv_length, session: self.session })
    }
}

impl<'a> Message<'a> {
    const fn payload(&self) -> &'a [u8] {
        match self {
            Self::Ping { payload }
            | Self::Pong { payload, .. }
            | Self::Frame { payload }
            | Self::Multicast { payload, .. }
            | Self::Broadcast { payload, .. } => payload,
            Self::Hello(_)
            | Self::HelloAck(_)
            | Self::Load(_)
            | Self::State { .. }
            | Self::Exception(_)
            | Self::GoAway { .. }
            | Self::Error { .. }
            | Self::Open(_)
            | Self::Close { .. }
            | Self::Bind { .. }
            | Self::Kick(_)
            | Self::Refuse { .. }
            | Self::Move { .. }
            | Self::Pause
            | Self::Resume
            | Self::Attributes { .. }
            | Self::Undelivered { .. }
            | Self::Join { .. }
            | Self::Leave { .. }
            | Self::RoomClose { .. }
            | Self::Unknown { .. } => &[],
        }
    }
}

/// Appends fields in the order of the table in `docs/link.md`.
struct Writer<'a> {
    out: &'a mut Vec<u8>,
    /// The first field that no length can say.
    refused: Option<EnvelopeError>,
}

impl Writer<'_> {
    fn fields(&mut self, message: &Message<'_>) {
        match message {
            Message::Hello(hello) => self.hello(hello),
            Message::HelloAck(ack) => self.hello_ack(ack),
            Message::Pong { report, .. } | Message::Load(report) => self.report(report),
            Message::State { state, text } => {
                self.put(Tlv::State, &[state.code()]);
                self.text(*text);
            }
            Message::Exception(exception) => self.exception(exception),
            Message::GoAway { text } => self.text(*text),
            Message::Error { reason, text }
            | Message::Close { reason, text }
            | Message::Refuse { reason, text } => {
                self.put(Tlv::Reason, &reason.to_be_bytes());
                self.text(*text);
            }
            Message::Open(open) => self.open(open),
            Message::Bind { account, epoch } => {
                self.put(Tlv::Account, account.as_bytes());
                self.put(Tlv::Epoch, &epoch.to_be_bytes());
            }
            Message::Kick(kick) => self.kick(kick),
            Message::Move { cluster, backend } => {
                self.put(Tlv::Cluster, cluster.as_bytes());
                self.put(Tlv::Backend, backend.as_bytes());
            }
            Message::Attributes { attributes } => self.put(Tlv::Attributes, attributes.as_bytes()),
            Message::Multicast { sessions, .. } => {
                let ids: Vec<u8> = sessions.iter().flat_map(|session| session.raw().to_be_bytes()).collect();
                self.put(Tlv::SessionsList, &ids);
            }
            Message::Broadcast { scope, .. } => self.scope(*scope),
            Message::Undelivered { reason } => self.put(Tlv::Reason, &reason.to_be_bytes()),
            Message::Join { room } | Message::Leave { room } | Message::RoomClose { room } => {
                self.put(Tlv::Room, room.as_bytes());
            }
            Message::Ping { .. }
            | Message::Pause
            | Message::Resume
            | Message::Frame { .. }
            | Message::Unknown { .. } => {}
        }
    }

    fn hello(&mut self, hello: &Hello<'_>) {
        self.put(Tlv::Version, &hello.version.to_be_bytes());
        self.put(Tlv::GatewayId, &hello.gateway_id.get().to_be_bytes());
        self.put(Tlv::Worker, &hello.worker.to_be_bytes());
        self.put(Tlv::Cluster, hello.cluster.as_bytes());
        self.name(Tlv::Zone, hello.zone);
        self.put(Tlv::MaxEnvelope, &hello.max_envelope.to_be_bytes());
    }

    fn hello_ack(&mut self, ack: &HelloAck<'_>) {
        self.put(Tlv::Version, &ack.version.to_be_bytes());
        self.name(Tlv::Name, ack.name);
        self.put(Tlv::BootId, &ack.boot_id.to_be_bytes());
        self.number(Tlv::Capacity, ack.capacity);
        self.put(Tlv::State, &[ack.state.code()]);
        self.put(Tlv::MaxEnvelope, &ack.max_envelope.to_be_bytes());
    }

    fn report(&mut self, report: &LoadReport) {
        if let Some(load) = report.load {
            self.put(Tlv::Load, &load.to_be_bytes());
        }
        self.number(Tlv::Sessions, report.sessions);
        self.number(Tlv::Capacity, report.capacity);
    }

    fn exception(&mut self, exception: &Exception<'_>) {
        self.put(Tlv::FirstId, &exception.first_id.to_be_bytes());
        self.put(Tlv::LastId, &exception.last_id.to_be_bytes());
        self.put(Tlv::ForMs, &exception.for_ms.to_be_bytes());
        self.text(exception.text);
    }

    fn open(&mut self, open: &Open<'_>) {
        self.address(open.client_address);
        self.put(Tlv::Transport, &[open.transport.code()]);
        self.put(Tlv::Listener, open.listener.as_bytes());
        self.name(Tlv::Account, open.account);
        self.name(Tlv::ClientVersion, open.version);
        self.name(Tlv::Group, open.group);
        self.name(Tlv::Attributes, open.attributes);
    }

    fn kick(&mut self, kick: &Kick<'_>) {
        self.put(Tlv::Reason, &kick.reason.to_be_bytes());
        self.text(kick.text);
        self.number(Tlv::RetryAfterMs, kick.retry_after_ms);
        for redirect in kick.redirect.iter() {
            self.put(Tlv::Redirect, redirect.as_bytes());
        }
    }

    fn scope(&mut self, scope: Scope<'_>) {
        match scope {
            Scope::All => {}
            Scope::Room(room) => self.put(Tlv::Room, room.as_bytes()),
            Scope::Group(group) => self.put(Tlv::Group, group.as_bytes()),
            Scope::Zone(zone) => self.put(Tlv::Zone, zone.as_bytes()),
        }
    }

    fn address(&mut self, address: SocketAddr) {
        let mut value = Vec::with_capacity(19);
        match address.ip() {
            IpAddr::V4(ip) => {
                value.push(4);
                value.extend_from_slice(&ip.octets());
            }
            IpAddr::V6(ip) => {
                value.push(6);
                value.extend_from_slice(&ip.octets());
            }
        }
        value.extend_from_slice(&address.port().to_be_bytes());
        self.put(Tlv::ClientAddress, &value);
    }

    fn text(&mut self, text: Option<&str>) {
        self.name(Tlv::Text, text.map(cut_text));
    }

    fn name(&mut self, tlv: Tlv, value: Option<&str>) {
        if let Some(value) = value {
            self.put(tlv, value.as_bytes());
        }
    }

    fn number(&mut self, tlv: Tlv, value: Option<u32>) {
        if let Some(value) = value {
            self.put(tlv, &value.to_be_bytes());
        }
    }

    fn put(&mut self, tlv: Tlv, value: &[u8]) {
        let Ok(length) = u16::try_from(value.len()) else {
            self.refused = self.refused.or(Some(EnvelopeError::BadTlv(tlv)));
            return;
        };
        self.out.push(tlv.code());
        self.out.extend_from_slice(&length.to_be_bytes());
        self.out.extend_from_slice(value);
    }
}
