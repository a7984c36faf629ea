//! The last form of what waits for a player with whom compression was agreed on. The outbox keeps plain messages, so that
//! it can count them, and whoever comes back by a connection without compression gets them, too.

use super::{Broken, Sent, Transport};
use crate::net::hub::{Buffers, ENCRYPT_CHUNK};
use crate::net::outbox::Outbox;
use crate::net::pool::Pool;
use crate::wire::websocket::Deflater;

/// Memory for longer messages is not kept.
const KEPT: usize = 512 * 1024;

impl Transport {
    /// Takes some whole messages from the outbox, and brings them to where they wait for the socket alone.
    pub(super) fn deflate_some(
        &mut self,
        buffers: &mut Buffers,
        outbox: &mut Outbox,
        (sent, pool): (&mut Sent, &Pool),
    ) -> Result<(), Broken> {
        let before = outbox.waiting();
        self.pending = pool.take();
        let Buffers { deflater, deflated, cipher, .. } = buffers;
        let length = match &mut self.tls {
            None => {
                append_some(deflater, outbox, &mut self.pending, pool);
                self.pending.len()
            }
            Some(tls) => {
                deflated.clear();
                append_some(deflater, outbox, deflated, pool);
                for chunk in deflated.chunks(ENCRYPT_CHUNK) {
                    let length = tls.encrypt(chunk, cipher).map_err(|_| Broken::Tls)?;
                    self.pending.extend_from_slice(cipher.get(..length).unwrap_or_default());
                }
                deflated.len()
            }
        };
        if deflated.capacity() > KEPT {
            *deflated = Vec::new();
        }
        sent.saved += before.saturating_sub(outbox.waiting()).saturating_sub(length);
        Ok(())
    }
}

/// Goes on until so much has been taken as one write without compression would take.
fn append_some(deflater: &mut Deflater, outbox: &mut Outbox, out: &mut Vec<u8>, pool: &Pool) {
    let mut taken = 0;
    while taken < ENCRYPT_CHUNK && outbox.waiting() > 0 {
        let mut count = 0;
        if let Some(frame) = outbox.shared() {
            deflater.append_shared(frame, out);
            count = frame.len();
        } else {
            // It begins with a message: only whole ones are taken.
            let run = outbox.pending();
            while let Some(rest) =
                run.get(count..).filter(|rest| !rest.is_empty() && taken + count < ENCRYPT_CHUNK)
            {
                count += deflater.append_first(rest, out);
            }
        }
        outbox.took(count, pool);
        taken += count;
    }
}
