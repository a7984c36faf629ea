//! The head of a request while it comes in, and what it says about the body.

use super::MOST_FIELDS;
use super::fault::RequestFault;
use super::field::{members, read_field, read_length};
use super::line::{RequestLine, Version};

/// How long the body behind a head is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyLength {
    /// There is none.
    Empty,
    /// So many bytes.
    Bytes(u64),
    /// In chunks; the last one says that it is the last.
    Chunked,
}

/// What a whole head says about the bytes behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestHead {
    /// How long the body is.
    pub body: BodyLength,
    /// It asks to go on as WebSocket: what follows is HTTP or not, as it is answered.
    pub websocket: bool,
}

/// A head of which the last line has not come.
#[derive(Debug)]
pub(super) struct OpenHead {
    version: Version,
    authority: Option<Box<[u8]>>,
    host: bool,
    length: Option<u64>,
    chunked: bool,
    upgrade: bool,
    to_websocket: bool,
    connection_upgrade: bool,
    fields: usize,
}

impl OpenHead {
    /// Begins with the first line, without its end.
    pub(super) fn begin(line: &[u8]) -> Result<Self, RequestFault> {
        let line = RequestLine::read(line)?;
        Ok(Self {
            version: line.version,
            authority: line.authority.map(Box::from),
            host: false,
            length: None,
            chunked: false,
            upgrade: false,
            to_websocket: false,
            connection_upgrade: false,
            fields: 0,
        })
    }

    /// Takes one field, without the line's end.
    pub(super) fn field(&mut self, line: &[u8]) -> Result<(), RequestFault> {
        self.fields += 1;
        if self.fields > MOST_FIELDS {
            return Err(RequestFault::TooManyFields);
        }
        let (name, value) = read_field(line)?;
        let is = |known: &[u8]| name.eq_ignore_ascii_case(known);
        if is(b"host") {
            return self.host(value);
        }
        if is(b"content-length") {
            return self.length(value);
        }
        if is(b"transfer-encoding") {
            return self.coding(value);
        }
        let names = |known: &'static [u8]| members(value).any(|member| member.eq_ignore_ascii_case(known));
        if is(b"connection") {
            self.connection_upgrade |= names(b"upgrade");
        } else if is(b"upgrade") {
            self.upgrade = true;
            self.to_websocket |= names(b"websocket");
        }
        Ok(())
    }

    fn host(&mut self, value: &[u8]) -> Result<(), RequestFault> {
        let repeated = std::mem::replace(&mut self.host, true);
        let same = self.authority.as_ref().is_none_or(|authority| authority.eq_ignore_ascii_case(value));
        if repeated || !same || !super::is_host(value) { Err(RequestFault::Host) } else { Ok(()) }
    }

    /// Two equal lengths might be taken as one, and are not: somebody in front may have joined or split them.
    fn length(&mut self, value: &[u8]) -> Result<(), RequestFault> {
        let length = read_length(value).ok_or(RequestFault::Length)?;
        if self.length.replace(length).is_some() { Err(RequestFault::Length) } else { Ok(()) }
    }

    fn coding(&mut self, value: &[u8]) -> Result<(), RequestFault> {
        let repeated = std::mem::replace(&mut self.chunked, true);
        let only = value.eq_ignore_ascii_case(b"chunked");
        if repeated || !only || self.version == Version::Http10 { Err(RequestFault::Coding) } else { Ok(()) }
    }

    /// The head is whole.
    pub(super) fn finish(&self) -> Result<RequestHead, RequestFault> {
        if !self.host && self.version == Version::Http11 {
            return Err(RequestFault::Host);
        }
        let body = match (self.length, self.chunked) {
            (Some(_), true) => return Err(RequestFault::TwoLengths),
            (None, true) => BodyLength::Chunked,
            (None | Some(0), false) => BodyLength::Empty,
            (Some(length), false) => BodyLength::Bytes(length),
        };
        // HTTP/1.0 has no upgrades: there the field is one like any other (RFC 9110, 7.8).
        let upgrade = self.upgrade && self.version == Version::Http11;
        if upgrade && body != BodyLength::Empty {
            return Err(RequestFault::UpgradeWithBody);
        }
        let websocket = upgrade && self.to_websocket && self.connection_upgrade;
        Ok(RequestHead { body, websocket })
    }
}
