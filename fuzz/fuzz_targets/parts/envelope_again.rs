//! Reads envelopes from a stream; writes each again and reads that.

use realmgate::wire::link::{DEFAULT_MAX_ENVELOPE, Envelope, EnvelopeDecoder, Message};

/// Cuts the stream in two at its first byte.
pub fn run(data: &[u8]) {
    let [cut, stream @ ..] = data else { return };
    let (first, second) = stream.split_at(usize::from(*cut).min(stream.len()));
    let mut decoder = EnvelopeDecoder::new();
    for piece in [first, second] {
        let mut envelopes = decoder.envelopes(DEFAULT_MAX_ENVELOPE, piece);
        while let Some(raw) = envelopes.next() {
            let Ok(raw) = raw else { return };
            if let Ok(envelope) = raw.decode() {
                write_again(&envelope);
            }
        }
    }
}

fn write_again(envelope: &Envelope<'_>) {
    if matches!(envelope.message, Message::Unknown { .. }) {
        return;
    }
    let mut bytes = Vec::new();
    envelope.encode(DEFAULT_MAX_ENVELOPE, &mut bytes).expect("what was read can be written");
    assert_eq!(Envelope::decode(&bytes).as_ref(), Ok(envelope));
}
