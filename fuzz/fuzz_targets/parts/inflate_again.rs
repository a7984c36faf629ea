//! Inflates any bytes as a message, deflates what it says and inflates that.

use realmgate::wire::websocket::{Deflater, FrameKind, Inflater, MessageKind, append_frame, measure_sent};

/// The longest message that is taken.
const MAX: u32 = 64 * 1024;

/// The first byte says whether it is a text.
pub fn run(data: &[u8]) {
    let [choice, payload @ ..] = data else { return };
    let (kind, form) = match choice & 1 {
        0 => (MessageKind::Text, FrameKind::Text),
        _ => (MessageKind::Binary, FrameKind::Binary),
    };
    let mut inflater = Inflater::default();
    let first = inflater.inflate(kind, payload, MAX).map(<[u8]>::to_vec);
    assert!(inflater.capacity() <= MAX as usize, "memory beyond the limit");
    let again = inflater.inflate(kind, payload, MAX).map(<[u8]>::to_vec);
    assert_eq!(again, first, "something is carried over from one message to the next");
    let Ok(message) = first else { return };
    assert!(message.len() <= MAX as usize);
    if let Some(less) = message.len().checked_sub(1) {
        assert!(inflater.inflate(kind, payload, less as u32).is_err(), "longer than what may come");
    }
    let (mut written, mut sent) = (Vec::new(), Vec::new());
    append_frame(form, &message, None, &mut written);
    assert_eq!(Deflater::default().append_first(&written, &mut sent), written.len());
    assert!(sent.len() <= written.len(), "deflated to more than it was");
    let head = measure_sent(&sent).expect("a whole frame").head;
    if sent[0] & 0x40 != 0 {
        assert_eq!(inflater.inflate(kind, &sent[head..], MAX), Ok(&message[..]));
    } else {
        assert_eq!(sent, written);
    }
}
