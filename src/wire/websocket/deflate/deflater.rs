//! Messages that were written already, in fewer bytes where that is worth it.

use std::sync::{Arc, Weak};

use flate2::{Compress, Compression, FlushCompress, Status};
use tungstenite::protocol::frame::FrameHeader;

use super::FLUSHED;
use crate::wire::websocket::header::{append_header, measure_sent, read_head};

/// Deflates messages, one after the other. It owns nothing before the first that is worth it.
#[derive(Debug, Default)]
pub struct Deflater {
    state: Option<Compress>,
    /// The message that is being deflated.
    body: Vec<u8>,
    /// The last one that is for many, and its form.
    shared: Option<(Weak<[u8]>, Vec<u8>)>,
}

/// A shorter message saves less than a packet has to spare, and costs the same start as a long one.
pub(super) const FROM: usize = 256;
/// Memory for longer messages is not kept.
const KEPT: usize = 512 * 1024;

impl Deflater {
    /// Appends the frame that a run of whole frames begins with: deflated if it is a message that gets smaller by that,
    /// otherwise as it is. How many bytes of the run that was.
    pub fn append_first(&mut self, run: &[u8], out: &mut Vec<u8>) -> usize {
        let Some(sent) = measure_sent(run) else {
            out.extend_from_slice(run); // what nobody can tell apart
            return run.len();
        };
        let frame = run.get(..sent.length).unwrap_or(run);
        let payload = frame.get(sent.head..).unwrap_or_default();
        let header = read_head(frame).ok().flatten().map(|(header, ..)| header);
        match header.filter(|_| sent.is_message && payload.len() >= FROM) {
            Some(header) if self.deflate(payload) => {
                let header = FrameHeader { rsv1: true, ..header };
                append_header(&header, self.body.len(), out);
                out.extend_from_slice(&self.body);
            }
            Some(_) | None => out.extend_from_slice(frame),
        }
        if self.body.capacity() > KEPT {
            self.body = Vec::new();
        }
        frame.len()
    }

    /// The same for a frame that others get, too: the last of them is deflated once for all who get it in a row.
    pub fn append_shared(&mut self, frame: &Arc<[u8]>, out: &mut Vec<u8>) {
        if let Some((known, form)) = &self.shared
            && std::ptr::eq(known.as_ptr(), Arc::as_ptr(frame))
        {
            return out.extend_from_slice(form);
        }
        let mut form = self.shared.take().map(|(_, form)| form).unwrap_or_default();
        form.clear();
        self.append_first(frame, &mut form);
        out.extend_from_slice(&form);
        self.shared = Some((Arc::downgrade(frame), form)).filter(|(_, form)| form.capacity() <= KEPT);
    }

    /// Deflates into `body`; whether that is smaller.
    fn deflate(&mut self, payload: &[u8]) -> bool {
        let state = self.state.get_or_insert_with(|| Compress::new(Compression::fast(), false));
        state.reset();
        self.body.clear();
        // Room for what is just not smaller: where all of it is used, nobody can say what is missing.
        self.body.resize(payload.len() + FLUSHED.len(), 0);
        let status = state.compress(payload, &mut self.body, FlushCompress::Sync);
        let length = usize::try_from(state.total_out()).unwrap_or(usize::MAX);
        let is_whole = status.is_ok_and(|status| status != Status::BufError)
            && usize::try_from(state.total_in()) == Ok(payload.len())
            && length < self.body.len();
        self.body.truncate(length);
        let is_flushed = self.body.ends_with(&FLUSHED);
        self.body.truncate(length.saturating_sub(FLUSHED.len()));
        is_whole && is_flushed
    }
}
