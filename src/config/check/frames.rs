//! `[frame.NAME]`: whether frames of such a layout can be found, read and written.

use super::identifier;
use super::layouts::highest_id;
use super::required;
use crate::base::{ProtocolId, format_size};
use crate::config::mistakes::Mistakes;
use crate::config::problem::{Problem, short};
use crate::config::raw::{Field, Frame, Length, LengthKind, Named};
use crate::config::site::{Located, Site};
use crate::wire::{ByteOrder, FrameLayout, Framing, Heartbeat, IdField};

const DEFAULT_MAX_LENGTH: u32 = 64 << 10;
const DEFAULT_MAX_WIDTH: u8 = 3;

/// The layout; `None` after a mistake.
pub(super) fn check(frame: &Named<Frame>, mistakes: &Mistakes) -> Option<FrameLayout> {
    let body = &frame.body;
    let length = required(&body.length, "length", frame.name.site(), mistakes, |site| {
        Problem::at(site, format!("[frame.{}] has no `length`", short(frame.name.get())))
            .because("nobody would have known where a frame ends")
            .write("write length = { offset = 0, width = 4 }, or { kind = \"opaque\" } to read no frames")
    });
    let max_length = body.max_length.or(DEFAULT_MAX_LENGTH);
    let framing = length.and_then(|length| framing(length.get(), max_length, mistakes));
    if framing == Some(Framing::Opaque) {
        nothing_to_read(body, mistakes);
        return Some(FrameLayout { framing: framing?, id: None, max_length, heartbeat: None, notice: None });
    }
    let id = identifier::check(frame, framing.as_ref(), max_length, mistakes)?;
    let (heartbeat, notice) = (heartbeat(&body.heartbeat, &id, mistakes), notice(body, &id, mistakes));
    Some(FrameLayout { framing: framing?, id: Some(id), max_length, heartbeat: heartbeat?, notice: notice? })
}

fn framing(length: &Length, max_length: u32, mistakes: &Mistakes) -> Option<Framing> {
    let kind = match &length.kind {
        Field::Absent => LengthKind::Fixed,
        Field::Bad => return None,
        Field::Given(kind) => *kind.get(),
    };
    unfit_keys(length, kind, mistakes);
    match kind {
        LengthKind::Message => Some(Framing::Message),
        LengthKind::Opaque => Some(Framing::Opaque),
        LengthKind::Varint => varint(length, max_length, mistakes),
        LengthKind::Fixed => fixed(length, max_length, mistakes),
    }
}

fn fixed(length: &Length, max_length: u32, mistakes: &Mistakes) -> Option<Framing> {
    let width = required(&length.width, "width", &length.site, mistakes, |site| {
        Problem::at(site, "the length has no `width`")
            .because("nobody would have known how many bytes it takes")
            .write("write width = 1, 2, 3, 4 or 8")
    })?;
    let (offset, adjust) = (length.offset.or(0), length.adjust.or(0));
    let header = i128::from(offset) + count(width.get().bytes());
    let most = i128::from(max_length);
    let at_adjust = length.adjust.given().map_or(&length.site, Located::site);
    let problem = if header > most {
        Some(outside(&length.site, "the length field", header, max_length))
    } else if header + i128::from(adjust) < 0 {
        Some(adjust_too_low(at_adjust, header))
    } else if header + i128::from(adjust) > most {
        Some(adjust_too_high(at_adjust, max_length))
    } else {
        let longest = header + i128::from(width.get().max_value()) + i128::from(adjust);
        (longest < most).then(|| too_narrow(width.site(), longest, max_length))
    };
    let order = length.order.or(ByteOrder::Big);
    match problem {
        Some(problem) => {
            mistakes.add(problem);
            None
        }
        None => Some(Framing::Fixed { offset, width: *width.get(), order, adjust }),
    }
}

fn varint(length: &Length, max_length: u32, mistakes: &Mistakes) -> Option<Framing> {
    let (offset, max_width) = (length.offset.or(0), length.max_width.or(DEFAULT_MAX_WIDTH));
    let longest = i128::from(offset) + i128::from(max_width) + (1_i128 << (7 * max_width)) - 1;
    let site = length.max_width.given().map_or(&length.site, Located::site);
    if i128::from(offset) >= i128::from(max_length) {
        mistakes.add(outside(&length.site, "the length field", i128::from(offset) + 1, max_length));
        return None;
    }
    if longest < i128::from(max_length) {
        mistakes.add(too_narrow(site, longest, max_length));
        return None;
    }
    Some(Framing::Varint { offset, max_width })
}

/// Keys of a length that belong to another kind of length.
fn unfit_keys(length: &Length, kind: LengthKind, mistakes: &Mistakes) {
    let fixed = kind == LengthKind::Fixed;
    let keys = [
        ("offset", site(&length.offset), fixed || kind == LengthKind::Varint),
        ("width", site(&length.width), fixed),
        ("order", site(&length.order), fixed),
        ("adjust", site(&length.adjust), fixed),
        ("max_width", site(&length.max_width), kind == LengthKind::Varint),
    ];
    let word = match kind {
        LengthKind::Fixed => "fixed",
        LengthKind::Varint => "varint",
        LengthKind::Message => "message",
        LengthKind::Opaque => "opaque",
    };
    for (key, site, fits) in keys {
        if let (Some(site), false) = (site, fits) {
            mistakes.add(unfit(key, word, site));
        }
    }
}

/// A key that its kind of field does not have.
pub(super) fn unfit(key: &str, kind: &str, site: &Site) -> Problem {
    Problem::at(site, format!("`{key}` does not go with kind = \"{kind}\""))
        .because("it would have had no effect")
        .write(format!("remove `{key}`, or choose another `kind`"))
}

/// Where a field was written.
pub(super) fn site<T>(field: &Field<T>) -> Option<&Site> {
    field.given().map(Located::site)
}

/// Rules that need frames or IDs in a layout that reads none.
fn nothing_to_read(body: &Frame, mistakes: &Mistakes) {
    let keys = [("id", site(&body.id)), ("heartbeat", site(&body.heartbeat)), ("notice", site(&body.notice))];
    for (key, site) in keys {
        if let Some(site) = site {
            mistakes.add(needs_frames(key, site));
        }
    }
}

/// A key that means nothing where no frames are read.
pub(super) fn needs_frames(key: &str, site: &Site) -> Problem {
    Problem::at(site, format!("`{key}` needs frames, and an opaque layout reads none"))
        .because("it would have had no effect")
        .write(format!("remove `{key}`, or describe the length of the frames"))
}

fn heartbeat(
    field: &Field<crate::config::raw::Heartbeat>,
    id: &IdField,
    mistakes: &Mistakes,
) -> Option<Option<Heartbeat>> {
    let raw = match field {
        Field::Absent => return Some(None),
        Field::Bad => return None,
        Field::Given(raw) => raw.get(),
    };
    let asked = frame_id(&raw.id, &raw.site, "heartbeat", "id", id, mistakes);
    let reply = frame_id(&raw.reply, &raw.site, "heartbeat", "reply", id, mistakes);
    Some(Some(Heartbeat { id: asked?, reply: reply? }))
}

fn notice(body: &Frame, id: &IdField, mistakes: &Mistakes) -> Option<Option<ProtocolId>> {
    let raw = match &body.notice {
        Field::Absent => return Some(None),
        Field::Bad => return None,
        Field::Given(raw) => raw.get(),
    };
    let own = frame_id(&raw.id, &raw.site, "notice", "id", id, mistakes)?;
    let beats = body.heartbeat.value().into_iter().flat_map(|beat| [beat.id.given(), beat.reply.given()]);
    if let (Some(beat), Some(given)) = (beats.flatten().find(|beat| *beat.get() == own.0), raw.id.given()) {
        mistakes.add(
            Problem::at(given.site(), format!("notices and heartbeats have the same ID {own}"))
                .see(beat.site(), "the heartbeat")
                .because("a player could not tell one from the other")
                .write("give the notices an ID that the game does not use"),
        );
    }
    Some(Some(own))
}

/// An ID of a frame that the gateway itself reads or writes.
fn frame_id(
    field: &Field<u64>,
    owner: &Site,
    table: &str,
    key: &'static str,
    id: &IdField,
    mistakes: &Mistakes,
) -> Option<ProtocolId> {
    let given = required(field, key, owner, mistakes, |site| {
        Problem::at(site, format!("the {table} has no `{key}`"))
            .because("the gateway could not have written the frame")
            .write(format!("add {key} = and a protocol ID"))
    })?;
    let highest = highest_id(Some(id))?;
    if *given.get() > highest {
        mistakes.add(
            Problem::at(
                given.site(),
                format!("{} does not fit the ID field: it ends at {highest}", given.get()),
            )
            .because(format!("the {table} frame could never have come or gone"))
            .write(format!("write 0 to {highest}, or a wider ID field")),
        );
        return None;
    }
    Some(ProtocolId(*given.get()))
}

/// A field that reaches over the end of the longest frame.
pub(super) fn outside(site: &Site, what: &str, end: i128, max_length: u32) -> Problem {
    let most = format_size(u64::from(max_length));
    Problem::at(site, format!("{what} ends at byte {end}, but no frame is longer than {most}"))
        .because("no frame could ever have been read")
        .write("write a smaller `offset`, or a larger `max_length`")
}

fn adjust_too_low(site: &Site, header: i128) -> Problem {
    Problem::at(site, format!("`adjust` takes away more than the {header} bytes up to the end of the length"))
        .because("short frames would have had a length below zero")
        .write(format!("write -{header} if the value counts the whole frame, 0 if it counts what follows"))
}

fn adjust_too_high(site: &Site, max_length: u32) -> Problem {
    let most = format_size(u64::from(max_length));
    Problem::at(site, format!("`adjust` alone makes every frame longer than `max_length` ({most})"))
        .because("every frame would have been refused as too long")
        .write("write a smaller `adjust`, or a larger `max_length`")
}

fn too_narrow(site: &Site, longest: i128, max_length: u32) -> Problem {
    let most = format_size(u64::from(max_length));
    let fits = u64::try_from(longest).map(format_size).unwrap_or_default();
    Problem::at(site, format!("this length cannot hold `max_length` ({most}): it ends at {fits}"))
        .because("frames between the two could never have come or gone")
        .write(format!("write max_length = \"{fits}\", or a wider length"))
}

/// A small number of bytes for sums that must not overflow.
pub(super) fn count(bytes: usize) -> i128 {
    i128::try_from(bytes).unwrap_or(i128::MAX)
}
