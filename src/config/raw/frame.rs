//! `[frame.NAME]` as written.

use super::field::Field;
use super::fields::Fields;
use super::values::Wrong;
use crate::config::site::Site;
use crate::config::tree::{Node, Value};
use crate::wire::{ByteOrder, Width};

/// `[frame.NAME]`.
pub(in crate::config) struct Frame {
    pub(in crate::config) max_length: Field<u32>,
    pub(in crate::config) length: Field<Length>,
    pub(in crate::config) id: Field<Id>,
    pub(in crate::config) heartbeat: Field<Heartbeat>,
    pub(in crate::config) notice: Field<Notice>,
}

/// `length = { ... }`.
pub(in crate::config) struct Length {
    pub(in crate::config) site: Site,
    pub(in crate::config) kind: Field<LengthKind>,
    pub(in crate::config) offset: Field<u16>,
    pub(in crate::config) width: Field<Width>,
    pub(in crate::config) order: Field<ByteOrder>,
    pub(in crate::config) adjust: Field<i32>,
    pub(in crate::config) max_width: Field<u8>,
}

/// `kind` of a length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::config) enum LengthKind {
    Fixed,
    Varint,
    Message,
    Opaque,
}

/// `id = { ... }`.
pub(in crate::config) struct Id {
    pub(in crate::config) site: Site,
    pub(in crate::config) kind: Field<IdKind>,
    pub(in crate::config) offset: Field<u16>,
    pub(in crate::config) width: Field<Width>,
    pub(in crate::config) order: Field<ByteOrder>,
    pub(in crate::config) mask: Field<u64>,
    pub(in crate::config) shift: Field<u8>,
}

/// `kind` of an ID.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::config) enum IdKind {
    Fixed,
    Varint,
}

/// `heartbeat = { ... }`.
pub(in crate::config) struct Heartbeat {
    pub(in crate::config) site: Site,
    pub(in crate::config) id: Field<u64>,
    pub(in crate::config) reply: Field<u64>,
}

/// `notice = { ... }`; its body has one form only.
pub(in crate::config) struct Notice {
    pub(in crate::config) site: Site,
    pub(in crate::config) id: Field<u64>,
}

impl Frame {
    pub(super) fn read(fields: &mut Fields<'_>) -> Self {
        Self {
            max_length: fields.size("max_length", 1..=MAX_LENGTH),
            length: fields.nested("length", "{ offset = 0, width = 4 }", Length::read),
            id: fields.nested("id", "{ offset = 4, width = 2 }", Id::read),
            heartbeat: fields.nested("heartbeat", "{ id = 1, reply = 2 }", Heartbeat::read),
            notice: fields.nested("notice", "{ id = 9000 }", Notice::read),
        }
    }
}

impl Length {
    fn read(fields: &mut Fields<'_>) -> Self {
        let kinds = [
            ("fixed", Some(LengthKind::Fixed)),
            ("varint", Some(LengthKind::Varint)),
            ("message", Some(LengthKind::Message)),
            ("opaque", Some(LengthKind::Opaque)),
        ];
        Self {
            site: fields.site().clone(),
            kind: fields.word("kind", &kinds),
            offset: fields.number("offset", 0..=u16::MAX),
            width: fields.value("width", width_of),
            order: fields.word("order", &ORDERS),
            adjust: fields.number("adjust", i32::MIN..=i32::MAX),
            max_width: fields.number("max_width", 1..=5),
        }
    }
}

impl Id {
    fn read(fields: &mut Fields<'_>) -> Self {
        let kinds = [("fixed", Some(IdKind::Fixed)), ("varint", Some(IdKind::Varint))];
        Self {
            site: fields.site().clone(),
            kind: fields.word("kind", &kinds),
            offset: fields.number("offset", 0..=u16::MAX),
            width: fields.value("width", width_of),
            order: fields.word("order", &ORDERS),
            mask: fields.number("mask", 1..=u64::MAX),
            shift: fields.number("shift", 0..=63),
        }
    }
}

impl Heartbeat {
    fn read(fields: &mut Fields<'_>) -> Self {
        Self {
            site: fields.site().clone(),
            id: fields.number("id", 0..=u64::MAX),
            reply: fields.number("reply", 0..=u64::MAX),
        }
    }
}

impl Notice {
    fn read(fields: &mut Fields<'_>) -> Self {
        // The word is checked and then says nothing: JSON is the only body.
        fields.word("body", &[("json", Some(()))]);
        Self { site: fields.site().clone(), id: fields.number("id", 0..=u64::MAX) }
    }
}

/// The bytes of a number of fixed width.
pub(super) fn width_of(node: &Node) -> Result<Width, Wrong> {
    let Value::Integer(Some(number)) = &node.value else {
        return Err(Wrong::kind("a number of bytes", "4"));
    };
    let width = i64::try_from(*number).ok().and_then(Width::from_bytes);
    width.ok_or_else(|| {
        Wrong::value(format!("there is no field of {number} bytes"), "write 1, 2, 3, 4 or 8".to_owned())
    })
}

/// The longest frame that any layout may have: what one player can make the gateway hold.
const MAX_LENGTH: u32 = 16 << 20;
/// The order of the bytes of a number.
pub(super) const ORDERS: [super::Word<ByteOrder>; 2] =
    [("big", Some(ByteOrder::Big)), ("little", Some(ByteOrder::Little))];
