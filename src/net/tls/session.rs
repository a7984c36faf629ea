//! The player's TLS session over rustls' unbuffered connection: it keeps no buffer but the beginning of a record
//! that is not whole yet.

use std::fmt;
use std::sync::Arc;

use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{ConnectionState, EncodeTlsData, EncryptError, UnbufferedStatus};
use rustls::{ProtocolVersion, ServerConfig};

/// One player's TLS.
pub(in crate::net) struct TlsSession {
    connection: UnbufferedServerConnection,
    /// What rustls has not used: an unfinished record, or records of an unfinished message. It counts on them at each
    /// call.
    held: Vec<u8>,
    /// The handshake is through, and nothing of the peer was wrong since.
    open: bool,
    tickets_wait: bool,
    peer_closed: bool,
}

/// What two sides have agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::net) enum TlsVersion {
    /// Nothing, or not yet.
    None,
    V1_2,
    V1_3,
}

/// The peer, or the gateway, cannot go on.
#[derive(Debug)]
pub(in crate::net) enum TlsError {
    /// What the peer sent is wrong; an alert is in the output.
    Peer,
    /// The keys have been used as often as they may be, or a record does not fit where it must.
    Exhausted,
}

/// What rustls adds to a record at most, with room for records of every version: header 5, content type 1,
/// tag 16, and for TLS 1.2 a nonce of 8; and one more record for a key update.
const RECORD_OVERHEAD: usize = 64;
const RECORD_PLAIN: usize = 16 * 1024;

/// How large the output of [`TlsSession::encrypt`] must be for so many plain bytes.
pub(in crate::net) const fn encrypted_size(plain: usize) -> usize {
    plain + (plain / RECORD_PLAIN + 2) * RECORD_OVERHEAD
}

impl TlsVersion {
    /// As the access log says it.
    pub(in crate::net) const fn as_str(self) -> &'static str {
        match self {
            Self::None => "",
            Self::V1_2 => "1.2",
            Self::V1_3 => "1.3",
        }
    }
}

/// Where decrypted bytes go.
#[derive(Debug)]
pub(in crate::net) struct Plain<'a> {
    /// What is missing of a large frame comes first, and how much of it may come.
    pub(in crate::net) straight: Option<(&'a mut Vec<u8>, usize)>,
    /// All else.
    pub(in crate::net) rest: &'a mut Vec<u8>,
    /// How much came.
    pub(in crate::net) came: usize,
}

impl Plain<'_> {
    fn take(&mut self, bytes: &[u8]) {
        self.came += bytes.len();
        let Some((frame, room)) = &mut self.straight else { return self.rest.extend_from_slice(bytes) };
        let (missing, rest) = bytes.split_at_checked(*room).unwrap_or((bytes, &[]));
        frame.extend_from_slice(missing);
        *room -= missing.len();
        self.rest.extend_from_slice(rest);
    }
}

impl TlsSession {
    pub(in crate::net) fn new(config: Arc<ServerConfig>) -> Result<Self, TlsError> {
        let connection = UnbufferedServerConnection::new(config).map_err(|_| TlsError::Peer)?;
        Ok(Self { connection, held: Vec::new(), open: false, tickets_wait: false, peer_closed: false })
    }

    /// Whether the handshake is through, and words may be said.
    pub(in crate::net) fn is_open(&self) -> bool {
        self.open
    }

    /// Whether nothing was said since the handshake: what it left to be sent is for a later connection, if anything.
    pub(in crate::net) fn tickets_wait(&self) -> bool {
        self.tickets_wait
    }

    /// Something is said, and takes that along.
    pub(in crate::net) fn tickets_go(&mut self) {
        self.tickets_wait = false;
    }

    /// Whether the peer said that it will send nothing more.
    pub(in crate::net) fn peer_closed(&self) -> bool {
        self.peer_closed
    }

    /// The version agreed on, for the access log.
    pub(in crate::net) fn version(&self) -> TlsVersion {
        match self.connection.protocol_version() {
            Some(ProtocolVersion::TLSv1_3) => TlsVersion::V1_3,
            Some(ProtocolVersion::TLSv1_2) => TlsVersion::V1_2,
            Some(_) | None => TlsVersion::None,
        }
    }

    /// The beginning of a record or a message that is not whole yet.
    pub(in crate::net) fn held(&self) -> &[u8] {
        &self.held
    }

    /// Takes what came from the socket behind a copy of what is [`TlsSession::held`]; all else as
    /// [`TlsSession::receive`].
    pub(in crate::net) fn receive_behind(
        &mut self,
        input: &mut [u8],
        plain: &mut Plain<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), TlsError> {
        let used = self.process(input, plain, out)?;
        let rest = input.get(used..).unwrap_or_default();
        if rest.is_empty() {
            self.held = Vec::new();
        } else {
            self.held.clear();
            self.held.extend_from_slice(rest);
        }
        Ok(())
    }

    /// Takes what came from the socket; appends decrypted bytes to `plain`, and to `out` what rustls has to send.
    pub(in crate::net) fn receive(
        &mut self,
        input: &mut [u8],
        plain: &mut Plain<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), TlsError> {
        if self.held.is_empty() {
            let used = self.process(input, plain, out)?;
            self.held.extend_from_slice(input.get(used..).unwrap_or_default());
            return Ok(());
        }
        let mut held = std::mem::take(&mut self.held);
        held.extend_from_slice(input);
        let used = self.process(&mut held, plain, out)?;
        if used < held.len() {
            held.drain(..used);
            self.held = held;
        }
        Ok(())
    }

    /// Runs rustls over whole records of `input`; how many bytes it used. Behind an error nothing is said any more.
    fn process(
        &mut self,
        input: &mut [u8],
        plain: &mut Plain<'_>,
        out: &mut Vec<u8>,
    ) -> Result<usize, TlsError> {
        let used = self.process_records(input, plain, out);
        if used.is_err() {
            self.open = false;
            self.tickets_wait = false;
        }
        used
    }

    fn process_records(
        &mut self,
        input: &mut [u8],
        plain: &mut Plain<'_>,
        out: &mut Vec<u8>,
    ) -> Result<usize, TlsError> {
        let mut used = 0;
        loop {
            let rest = input.get_mut(used..).unwrap_or_default();
            let UnbufferedStatus { mut discard, state } = self.connection.process_tls_records(rest);
            let more = match state {
                Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                    while let Some(record) = traffic.next_record() {
                        let record = record.map_err(|_| TlsError::Peer)?;
                        discard += record.discard;
                        plain.take(record.payload);
                    }
                    true
                }
                Ok(ConnectionState::EncodeTlsData(data)) => {
                    append_encoded(data, out)?;
                    true
                }
                Ok(ConnectionState::TransmitTlsData(data)) => {
                    data.done();
                    true
                }
                Ok(ConnectionState::WriteTraffic(_)) => {
                    // Before version 1.3, tickets are a part of the handshake.
                    self.tickets_wait |= !self.open && self.version() == TlsVersion::V1_3;
                    self.open = true;
                    false
                }
                Ok(ConnectionState::PeerClosed) => {
                    self.peer_closed = true;
                    true
                }
                // Early data is never offered; `Closed` and whatever a later rustls adds end the reading.
                Ok(_) => false,
                Err(_) => {
                    self.append_alert(input.get_mut(used + discard..).unwrap_or_default(), out);
                    return Err(TlsError::Peer);
                }
            };
            used += discard;
            if !more {
                return Ok(used);
            }
        }
    }

    /// After most errors rustls has an alert to send; best effort.
    fn append_alert(&mut self, unused: &mut [u8], out: &mut Vec<u8>) {
        if let UnbufferedStatus { state: Ok(ConnectionState::EncodeTlsData(data)), .. } =
            self.connection.process_tls_records(unused)
        {
            drop(append_encoded(data, out));
        }
    }

    /// Encrypts `plain` into the front of `out`, which has [`encrypted_size`] of it; how many bytes came out.
    pub(in crate::net) fn encrypt(&mut self, plain: &[u8], out: &mut [u8]) -> Result<usize, TlsError> {
        if !self.open {
            return Err(TlsError::Peer);
        }
        let mut written = 0;
        loop {
            let room = out.get_mut(written..).unwrap_or_default();
            let state =
                self.connection.process_tls_records(&mut self.held).state.map_err(|_| TlsError::Peer)?;
            match state {
                ConnectionState::WriteTraffic(mut traffic) => {
                    return Ok(written + traffic.encrypt(plain, room).map_err(|error| exhausted(&error))?);
                }
                ConnectionState::EncodeTlsData(mut data) => {
                    written += data.encode(room).map_err(|_| TlsError::Exhausted)?;
                }
                ConnectionState::TransmitTlsData(data) => data.done(),
                ConnectionState::PeerClosed => self.peer_closed = true,
                ConnectionState::ReadTraffic(_)
                | ConnectionState::ReadEarlyData(_)
                | ConnectionState::BlockedHandshake
                | ConnectionState::Closed
                | _ => return Err(TlsError::Exhausted),
            }
        }
    }

    /// Appends the words that end the session in order, unless it is none, or ended with an alert.
    pub(in crate::net) fn close(&mut self, out: &mut Vec<u8>) {
        if !self.open {
            return;
        }
        let mut alert = [0; RECORD_OVERHEAD];
        if let UnbufferedStatus { state: Ok(ConnectionState::WriteTraffic(mut traffic)), .. } =
            self.connection.process_tls_records(&mut self.held)
            && let Ok(length) = traffic.queue_close_notify(&mut alert)
        {
            out.extend_from_slice(alert.get(..length).unwrap_or_default());
        }
    }
}

fn append_encoded(
    mut data: EncodeTlsData<'_, ServerConnectionData>,
    out: &mut Vec<u8>,
) -> Result<(), TlsError> {
    let start = out.len();
    let needed = match data.encode(&mut []) {
        Err(rustls::unbuffered::EncodeError::InsufficientSize(size)) => size.required_size,
        Ok(_) | Err(_) => return Ok(()),
    };
    out.resize(start + needed, 0);
    let room = out.get_mut(start..).unwrap_or_default();
    data.encode(room).map(drop).map_err(|_| TlsError::Exhausted)
}

fn exhausted(_: &EncryptError) -> TlsError {
    TlsError::Exhausted
}

impl fmt::Debug for TlsSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsSession").field("open", &self.open).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
    use rustls::crypto::cipher::{self, AeadKey, Iv};
    use rustls::pki_types::{PrivateKeyDer, ServerName};
    use rustls::{ClientConfig, ClientConnection, ConnectionTrafficSecrets, RootCertStore};

    use super::*;

    /// A session whose handshake is through, and what its client seals records with.
    fn pair() -> (TlsSession, AeadKey, Iv) {
        let made = rcgen::generate_simple_self_signed(["game.test".to_owned()]).expect("a certificate");
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
        let config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .expect("a pair");
        let mut session = TlsSession::new(Arc::new(config)).expect("a session");
        let mut roots = RootCertStore::empty();
        roots.add(made.cert.der().clone()).expect("trusted");
        let mut config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        config.enable_secret_extraction = true;
        let name = ServerName::try_from("game.test").expect("a name");
        let mut client = ClientConnection::new(Arc::new(config), name).expect("a client");
        while client.wants_write() {
            let (mut bytes, mut out) = (Vec::new(), Vec::new());
            client.write_tls(&mut bytes).expect("a vector takes all");
            let mut plain = Plain { straight: None, rest: &mut Vec::new(), came: 0 };
            session.receive(&mut bytes, &mut plain, &mut out).expect("a good client");
            client.read_tls(&mut out.as_slice()).expect("a slice gives all");
            client.process_new_packets().expect("a good server");
        }
        assert!(session.is_open());
        let (_, sealing) = client.dangerous_extract_secrets().expect("secrets").tx;
        let ConnectionTrafficSecrets::Aes256Gcm { key, iv } = sealing else {
            panic!("what both like best");
        };
        (session, key, iv)
    }

    /// The client's record of so many before it, with a piece of a handshake message.
    fn sealed(key: &AeadKey, iv: &Iv, before: u64, piece: &[u8]) -> Vec<u8> {
        let mut content = [piece, &[22]].concat();
        let header = cipher::make_tls13_aad(content.len() + AES_256_GCM.tag_len());
        let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key.as_ref()).expect("a key"));
        let nonce = Nonce::assume_unique_for_key(cipher::Nonce::new(iv, before).0);
        key.seal_in_place_append_tag(nonce, Aad::from(header), &mut content).expect("sealed");
        [header.as_slice(), &content].concat()
    }

    #[test]
    fn words_are_said_amid_a_message_that_is_not_whole_yet() {
        const KEY_UPDATE: [u8; 5] = [24, 0, 0, 1, 0];
        let (mut session, key, iv) = pair();
        for (count, piece) in KEY_UPDATE.chunks(1).enumerate() {
            let (mut nothing, mut plain) = (Vec::new(), Vec::new());
            let mut plain = Plain { straight: None, rest: &mut plain, came: 0 };
            let mut record = sealed(&key, &iv, count as u64, piece);
            session.receive(&mut record, &mut plain, &mut nothing).expect("a good client");
            assert_eq!(session.held().is_empty(), count == 4, "whole behind {count} pieces");
            let mut cipher = [0; encrypted_size(5)];
            session.encrypt(b"words", &mut cipher).expect("said");
        }
        let mut record = sealed(&key, &iv, 0, &KEY_UPDATE[..1]);
        let mut plain = Plain { straight: None, rest: &mut Vec::new(), came: 0 };
        let mut out = Vec::new();
        session.receive(&mut record, &mut plain, &mut out).expect_err("keys that are no longer");
        assert_eq!(out[0], 23, "an alert, sealed");
        session.encrypt(b"words", &mut [0; encrypted_size(5)]).expect_err("nothing behind an alert");
        let alert = out.len();
        session.close(&mut out);
        assert_eq!(out.len(), alert);
    }

    #[test]
    fn it_is_closed_amid_a_message_that_is_not_whole_yet() {
        let (mut session, key, iv) = pair();
        let mut plain = Plain { straight: None, rest: &mut Vec::new(), came: 0 };
        let mut out = Vec::new();
        session.receive(&mut sealed(&key, &iv, 0, &[24]), &mut plain, &mut out).expect("a good client");
        session.close(&mut out);
        assert_eq!(out[0], 23, "the last words, sealed");
    }
}
