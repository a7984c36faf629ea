//! Decodes one stream whole and in pieces and compares.

use realmgate::base::ProtocolId;
use realmgate::wire::{ByteOrder, FrameDecoder, FrameError, FrameLayout, Framing, IdField, Width};

/// The first byte chooses the layout, the second where to cut; the rest is the stream.
pub fn run(data: &[u8]) {
    let [choice, cut, stream @ ..] = data else { return };
    let layout = layout(*choice);
    let whole = decode(&layout, &[stream]);
    let (first, second) = stream.split_at(usize::from(*cut).min(stream.len()));
    assert_eq!(whole, decode(&layout, &[first, second]));
    let bytes: Vec<&[u8]> = stream.chunks(1).collect();
    assert_eq!(whole, decode(&layout, &bytes));
}

type Decoded = (Vec<(Vec<u8>, ProtocolId)>, Option<FrameError>);

fn decode(layout: &FrameLayout, pieces: &[&[u8]]) -> Decoded {
    let mut decoder = FrameDecoder::new();
    let mut found = Vec::new();
    for piece in pieces {
        let mut frames = decoder.frames(layout, piece);
        while let Some(frame) = frames.next() {
            match frame {
                Ok(frame) => found.push((frame.bytes.to_vec(), frame.id)),
                Err(error) => return (found, Some(error)),
            }
        }
        drop(frames);
        let arrived: usize = pieces.iter().map(|piece| piece.len()).sum();
        assert!(decoder.capacity() <= 2 * arrived.max(64), "memory for bytes that did not come");
    }
    (found, None)
}

fn layout(choice: u8) -> FrameLayout {
    let order = if choice & 1 == 0 { ByteOrder::Big } else { ByteOrder::Little };
    let widths = [Width::One, Width::Two, Width::Three, Width::Four, Width::Eight];
    let width = widths[usize::from(choice >> 1) % widths.len()];
    let fixed = |offset| IdField::Fixed { offset, width: Width::Two, order, mask: u64::MAX, shift: 0 };
    let after = 2 + u16::try_from(width.bytes()).unwrap_or(0);
    let (framing, id) = match choice >> 6 {
        0 => (Framing::Fixed { offset: 2, width, order, adjust: 0 }, fixed(after)),
        1 => (Framing::Fixed { offset: 2, width, order, adjust: -4 }, fixed(0)),
        2 => (Framing::Varint { offset: 0, max_width: 1 + choice % 5 }, IdField::Varint),
        _ => (Framing::Varint { offset: 2, max_width: 3 }, fixed(0)),
    };
    FrameLayout { framing, id: Some(id), max_length: 4096, heartbeat: None, notice: None }
}
