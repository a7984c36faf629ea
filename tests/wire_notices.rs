//! Every notice is a valid frame of the game, whatever the layout and the length of its text.

use realmgate::base::ProtocolId;
use realmgate::wire::{
    ByteOrder, FrameDecoder, FrameLayout, Framing, Heartbeat, IdField, Notice, NoticeCode, Width,
};

const NOTICE: ProtocolId = ProtocolId(9000);

fn layout(framing: Framing, id: IdField, max_length: u32) -> FrameLayout {
    let heartbeat = Some(Heartbeat { id: ProtocolId(1), reply: ProtocolId(2) });
    FrameLayout { framing, id: Some(id), max_length, heartbeat, notice: Some(NOTICE) }
}

fn fixed_id(offset: u16) -> IdField {
    IdField::Fixed { offset, width: Width::Two, order: ByteOrder::Big, mask: 0xFFFF, shift: 0 }
}

fn fixed(width: Width, max_length: u32) -> FrameLayout {
    let framing = Framing::Fixed { offset: 0, width, order: ByteOrder::Big, adjust: 0 };
    layout(framing, fixed_id(u16::try_from(width.bytes()).expect("at most eight")), max_length)
}

/// The only frame in some bytes, as the layout reads it back.
fn body_of_one_frame(layout: &FrameLayout, bytes: &[u8]) -> String {
    let mut decoder = FrameDecoder::new();
    let mut frames = decoder.frames(layout, bytes);
    let frame = frames.next().expect("a frame").expect("a valid frame");
    assert_eq!((frame.bytes, frame.id), (bytes, NOTICE));
    let body = layout.body_of(frame.bytes).to_vec();
    assert!(frames.next().is_none());
    String::from_utf8(body).expect("UTF-8")
}

/// The message in a notice of code and message alone, with its escapes undone.
fn message_of(body: &str) -> String {
    let quoted = body.strip_prefix(r#"{"code":"maintenance","message":""#).expect("a front");
    let mut left = quoted.strip_suffix(r#""}"#).expect("an end").chars();
    let mut message = String::new();
    while let Some(letter) = left.next() {
        assert!(letter >= ' ' && letter != '"', "not escaped: {body}");
        if letter != '\\' {
            message.push(letter);
            continue;
        }
        message.push(match left.next().expect("an escaped letter") {
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => {
                let digits: String = left.by_ref().take(4).collect();
                char::from(u8::try_from(u32::from_str_radix(&digits, 16).expect("hex")).expect("a control"))
            }
            plain @ ('"' | '\\') => plain,
            other => panic!("escape {other} in {body}"),
        });
    }
    message
}

#[test]
fn a_notice_has_the_bytes_of_the_layout() {
    let mut out = Vec::new();
    assert!(fixed(Width::Four, 1000).append_notice(&Notice::new(NoticeCode::Idle), &mut out));
    assert_eq!(out, b"\0\0\0\x11\x23\x28{\"code\":\"idle\"}");
    let varint = layout(Framing::Varint { offset: 0, max_width: 3 }, IdField::Varint, 1000);
    out.clear();
    assert!(varint.append_notice(&Notice::new(NoticeCode::Idle), &mut out));
    assert_eq!(out, b"\x11\xA8\x46{\"code\":\"idle\"}");
}

#[test]
fn a_text_of_any_length_gives_a_valid_frame_in_any_layout() {
    let text = "closed \"until\" 10:00\n\u{1}\\ 维护 ".repeat(40);
    let varint = |max_width, max| layout(Framing::Varint { offset: 0, max_width }, IdField::Varint, max);
    let mut layouts = vec![fixed(Width::One, 4096), varint(1, 4096), varint(2, 4096), varint(5, 4096)];
    layouts.extend((46..400).step_by(3).flat_map(|max| [fixed(Width::Two, max), varint(3, max)]));
    for layout in layouts {
        for end in (0..=text.len()).filter(|end| text.is_char_boundary(*end)).step_by(7) {
            let text = text.get(..end).unwrap();
            let notice = Notice { message: Some(text), ..Notice::new(NoticeCode::Maintenance) };
            let mut out = Vec::new();
            assert!(layout.append_notice(&notice, &mut out), "{layout:?} {end}");
            let message = message_of(&body_of_one_frame(&layout, &out));
            assert!(text.starts_with(&message), "{layout:?} {end}");
            let cut = message.len() < end;
            let room = usize::try_from(layout.max_length).unwrap().saturating_sub(out.len());
            let narrow = layout.max_length == 4096;
            assert!(!cut || narrow || room < 8, "{layout:?} {end} leaves {room}");
        }
    }
}

#[test]
fn without_room_for_the_rest_the_code_goes_alone() {
    let notice = Notice {
        route: Some("a route with a long name"),
        message: Some("gone"),
        ..Notice::new(NoticeCode::Moved)
    };
    let mut out = Vec::new();
    assert!(fixed(Width::Two, 24).append_notice(&notice, &mut out));
    assert_eq!(body_of_one_frame(&fixed(Width::Two, 24), &out), r#"{"code":"moved"}"#);
}

#[test]
fn without_room_for_the_code_nothing_is_written() {
    let mut out = vec![1];
    let notice = Notice::new(NoticeCode::Moved);
    assert!(!fixed(Width::Two, 19).append_notice(&notice, &mut out));
    assert!(!FrameLayout { notice: None, ..fixed(Width::Two, 4096) }.append_notice(&notice, &mut out));
    let narrow_id = FrameLayout { notice: Some(ProtocolId(70_000)), ..fixed(Width::Two, 4096) };
    assert!(!narrow_id.append_notice(&notice, &mut out));
    assert_eq!(out, [1]);
}

#[test]
fn every_code_is_written_as_its_word() {
    let layout = fixed(Width::Two, 4096);
    for code in NoticeCode::ALL {
        let mut out = Vec::new();
        assert!(layout.append_notice(&Notice::new(code), &mut out));
        let word = code.as_str();
        assert_eq!(body_of_one_frame(&layout, &out), format!(r#"{{"code":"{word}"}}"#));
    }
}
