//! How frames stand one behind the other on their way to a player: as they are, or each in a WebSocket message.

use std::sync::Arc;

use crate::wire::websocket::{FrameKind, MessageKind, append_head, head_length, measure_sent};
use crate::wire::{FrameLayout, Framing, Measured};

/// The form in which a player gets its frames.
#[derive(Clone, Debug, Default)]
pub(super) enum Form {
    /// Bytes in which nobody can say where a frame ends.
    #[default]
    Bytes,
    /// Frames of this layout.
    Frames(Arc<FrameLayout>),
    /// WebSocket frames; the messages among them hold frames of this layout.
    Messages(Arc<FrameLayout>),
}

impl Form {
    pub(super) fn new(layout: &Arc<FrameLayout>, websocket: bool) -> Self {
        match (websocket, layout.is_stream()) {
            (true, _) => Self::Messages(Arc::clone(layout)),
            (false, true) => Self::Frames(Arc::clone(layout)),
            (false, false) => Self::Bytes,
        }
    }

    pub(super) fn is_messages(&self) -> bool {
        matches!(self, Self::Messages(_))
    }

    /// What so many bytes of one frame take here.
    pub(super) fn length(&self, frame: usize) -> usize {
        if self.is_messages() { head_length(frame) + frame } else { frame }
    }

    /// Writes a whole frame, or run of frames, in this form; in messages, as one.
    pub(super) fn append(&self, kind: MessageKind, frame: &[u8], out: &mut Vec<u8>) {
        if self.is_messages() {
            append_head(frame_kind(kind), frame.len(), None, out);
        }
        out.extend_from_slice(frame);
    }

    /// Makes what was appended since `start` a message where that is the form.
    pub(super) fn wrap(&self, start: usize, out: &mut Vec<u8>) {
        let frame = out.len().saturating_sub(start);
        if self.is_messages() && frame > 0 {
            append_head(FrameKind::Binary, frame, None, out);
            out.get_mut(start..).unwrap_or_default().rotate_right(head_length(frame));
        }
    }

    /// Where the last piece ends that lies whole in the first `taken` bytes of a run that begins with one.
    pub(super) fn ends_within(&self, run: &[u8], taken: usize) -> usize {
        if matches!(self, Self::Bytes) {
            return taken;
        }
        let mut end = 0;
        while let Some((length, _)) = self.first(run.get(end..).unwrap_or_default()) {
            if end + length > taken {
                return end;
            }
            end += length;
        }
        end
    }

    /// How many frames of a run the player counts; `None` where nobody can say.
    pub(super) fn game_frames(&self, mut run: &[u8]) -> Option<u64> {
        if matches!(self, Self::Bytes) {
            return None;
        }
        let mut count = 0;
        while let Some((length, frames)) = self.first(run) {
            count += frames;
            run = run.get(length..).unwrap_or_default();
        }
        Some(count)
    }

    /// The length of the first piece of a run, and how many frames in it the player counts.
    fn first(&self, run: &[u8]) -> Option<(usize, u64)> {
        match self {
            Self::Bytes => None,
            Self::Frames(layout) => {
                let Ok(Measured::Frame { length, id }) = layout.measure(run) else { return None };
                Some((length, u64::from(!layout.is_of_gateway(id))))
            }
            Self::Messages(layout) => {
                let sent = measure_sent(run)?;
                let payload = run.get(sent.head..sent.length).filter(|_| sent.is_message);
                Some((sent.length, payload.map_or(0, |payload| in_message(layout, payload))))
            }
        }
    }
}

/// The frames of one message that the player counts.
fn in_message(layout: &FrameLayout, mut payload: &[u8]) -> u64 {
    if layout.framing == Framing::Message {
        return layout.measure_message(payload).map_or(0, |id| u64::from(!layout.is_of_gateway(id)));
    }
    let mut count = 0;
    while let Ok(Measured::Frame { length, id }) = layout.measure(payload) {
        count += u64::from(!layout.is_of_gateway(id));
        payload = payload.get(length..).unwrap_or_default();
    }
    count
}

fn frame_kind(kind: MessageKind) -> FrameKind {
    match kind {
        MessageKind::Text => FrameKind::Text,
        MessageKind::Binary => FrameKind::Binary,
    }
}
