//! A probe in the words of the shared link: HELLO, PING, GOAWAY on a connection that carries no session.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::attempt::{Answer, Attempt};
use super::failure::{Failure, Step};
use crate::cluster::{Report, ServingState};
use crate::net::link::{report_of, serving_state};
use crate::net::stream::BackendStream;
use crate::wire::link::{
    DEFAULT_MAX_ENVELOPE, Envelope, EnvelopeDecoder, Hello, HelloAck, LINK, Message, VERSION,
};

/// The worker number of a HELLO whose connection is a probe.
const PROBE_WORKER: u16 = u16::MAX;

/// Greets, and wants its PING back.
pub(super) async fn probe(attempt: &Attempt<'_>, stream: BackendStream) -> Result<Answer, Failure> {
    let mut line = Line { stream, decoder: EnvelopeDecoder::new() };
    attempt.enter(Step::HelloAck);
    line.say(hello(attempt)).await?;
    line.hear(Step::HelloAck, |message| welcome(attempt, message)).await??;
    attempt.enter(Step::Pong);
    let (asked, nonce) = (attempt.backend.mark(), attempt.nonce.to_be_bytes());
    line.say(Message::Ping { payload: &nonce }).await?;
    let report = line.hear(Step::Pong, |message| pong(message, &nonce)).await?;
    attempt.report(report, asked);
    // Whether the goodbye still arrives changes nothing.
    if line.say(Message::GoAway { text: Some("probe") }).await.is_ok() {
        drop(line.stream.shutdown().await);
    }
    Ok(Answer::Good)
}

fn hello<'a>(attempt: &'a Attempt<'_>) -> Message<'a> {
    let (gateway, cluster) = (attempt.gateway, attempt.cluster.name());
    let zone = Some(gateway.zone()).filter(|zone| !zone.is_empty());
    Message::Hello(Hello { zone, ..Hello::new(gateway.id(), PROBE_WORKER, cluster) })
}

/// Takes a greeting in; `None` for what a later version may say before it.
fn welcome(attempt: &Attempt<'_>, message: &Message<'_>) -> Option<Result<(), Failure>> {
    if let Message::HelloAck(ack) = message {
        return Some(greeted(attempt, ack));
    }
    (!matches!(message, Message::Unknown { .. })).then_some(Err(Failure::NotGreeted))
}

/// A greeting that names no state is no sign that an earlier STATE is over.
fn greeted(attempt: &Attempt<'_>, ack: &HelloAck<'_>) -> Result<(), Failure> {
    if ack.version != VERSION {
        return Err(Failure::Version(ack.version));
    }
    attempt.greeted(ack.capacity);
    match serving_state(ack.state) {
        ServingState::Ok => {}
        state @ (ServingState::Degraded | ServingState::Refusing | ServingState::Leaving) => {
            attempt.state(state)
        }
    }
    Ok(())
}

/// The report of the PONG that answers our PING; other envelopes are none of a probe's business.
fn pong(message: &Message<'_>, nonce: &[u8]) -> Option<Report> {
    let Message::Pong { payload, report } = message else { return None };
    (*payload == nonce).then(|| report_of(*report))
}

/// A connection that speaks envelopes.
struct Line {
    stream: BackendStream,
    decoder: EnvelopeDecoder,
}

impl Line {
    async fn say(&mut self, message: Message<'_>) -> Result<(), Failure> {
        let mut bytes = Vec::new();
        let envelope = Envelope { session: LINK, message };
        envelope.encode(DEFAULT_MAX_ENVELOPE, &mut bytes).map_err(Failure::Envelope)?;
        self.stream.write_all(&bytes).await.map_err(Failure::Broken)?;
        self.stream.flush().await.map_err(Failure::Broken)
    }

    /// Reads on until `wanted` has found what it looks for.
    async fn hear<T>(
        &mut self,
        step: Step,
        mut wanted: impl FnMut(&Message<'_>) -> Option<T>,
    ) -> Result<T, Failure> {
        let (mut input, mut length) = ([0; 1024], 0);
        loop {
            let mut envelopes =
                self.decoder.envelopes(DEFAULT_MAX_ENVELOPE, input.get(..length).unwrap_or_default());
            while let Some(envelope) = envelopes.next() {
                let envelope = envelope.and_then(|raw| raw.decode()).map_err(Failure::Envelope)?;
                if let Some(found) = wanted(&envelope.message) {
                    return Ok(found);
                }
            }
            drop(envelopes);
            length = self.stream.read(&mut input).await.map_err(Failure::Broken)?;
            if length == 0 {
                return Err(Failure::Closed(step));
            }
        }
    }
}
