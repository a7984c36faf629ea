//! Where a layout has its protocol ID.

use super::frames::{count, outside, site, unfit};
use super::required;
use crate::config::mistakes::Mistakes;
use crate::config::problem::Problem;
use crate::config::raw::{Field, Frame, Id, IdKind, Named};
use crate::config::site::{Located, Site};
use crate::wire::{ByteOrder, Framing, IdField, Width};

/// The ID of a layout with frames; `None` after a mistake. Without a framing, for which the file is already to
/// blame, the ID is still checked by itself.
pub(super) fn check(
    frame: &Named<Frame>,
    framing: Option<&Framing>,
    max_length: u32,
    mistakes: &Mistakes,
) -> Option<IdField> {
    let id = required(&frame.body.id, "id", frame.name.site(), mistakes, |site| {
        Problem::at(site, format!("[frame.{}] has no `id`", frame.name.get()))
            .because("no frame could have been routed")
            .write("write id = { offset = 4, width = 2 } with the place of the protocol ID")
    })?;
    let id = id.get();
    match &id.kind {
        Field::Bad => None,
        Field::Given(kind) if *kind.get() == IdKind::Varint => {
            unfit_keys(id, mistakes);
            Some(IdField::Varint)
        }
        Field::Absent | Field::Given(_) => fixed(id, framing, max_length, mistakes),
    }
}

fn unfit_keys(id: &Id, mistakes: &Mistakes) {
    let keys = [
        ("offset", site(&id.offset)),
        ("width", site(&id.width)),
        ("order", site(&id.order)),
        ("mask", site(&id.mask)),
        ("shift", site(&id.shift)),
    ];
    for (key, site) in keys {
        if let Some(site) = site {
            mistakes.add(unfit(key, "varint", site));
        }
    }
}

fn fixed(id: &Id, framing: Option<&Framing>, max_length: u32, mistakes: &Mistakes) -> Option<IdField> {
    let offset = required(&id.offset, "offset", &id.site, mistakes, |site| {
        missing(site, "offset", "counted from the first byte of the frame")
    });
    let width =
        required(&id.width, "width", &id.site, mistakes, |site| missing(site, "width", "1, 2, 3, 4 or 8"));
    let (offset, width) = (offset?, *width?.get());
    let end = i128::from(*offset.get()) + count(width.bytes());
    let problem = framing.and_then(|framing| misplaced(offset, end, framing)).or_else(|| {
        (end > i128::from(max_length)).then(|| outside(offset.site(), "the ID field", end, max_length))
    });
    let placed = problem.is_none();
    problem.into_iter().for_each(|problem| mistakes.add(problem));
    let (mask, shift) = bits(id, width, mistakes)?;
    let order = id.order.or(ByteOrder::Big);
    placed.then_some(IdField::Fixed { offset: *offset.get(), width, order, mask, shift })
}

fn missing(site: &Site, key: &str, meaning: &str) -> Problem {
    Problem::at(site, format!("the ID has no `{key}`"))
        .because("nobody would have known where it is")
        .write(format!("add `{key}`: {meaning}"))
}

/// An ID that shares bytes with the length, or has no fixed place.
fn misplaced(offset: &Located<u16>, end: i128, framing: &Framing) -> Option<Problem> {
    let start = i128::from(*offset.get());
    match *framing {
        Framing::Fixed { offset: at, width, .. } => {
            let length = i128::from(at)..i128::from(at) + count(width.bytes());
            let apart = end <= length.start || start >= length.end;
            let title = format!(
                "the ID (bytes {start} to {}) overlaps the length (bytes {} to {})",
                end - 1,
                length.start,
                length.end - 1
            );
            (!apart).then(|| {
                Problem::at(offset.site(), title)
                    .because("parts of the length would have been read as an ID")
                    .write(format!("write offset = {}, or the place where the game has it", length.end))
            })
        }
        Framing::Varint { offset: at, .. } => (end > i128::from(at)).then(|| {
            Problem::at(
                offset.site(),
                "a fixed place after a varint length cannot be: its width changes from frame to frame",
            )
            .because("long frames would have had another ID than short ones")
            .write("write id = { kind = \"varint\" } for an ID right after the length, or put it before")
        }),
        Framing::Message | Framing::Opaque => None,
    }
}

/// The bits of the number that are the ID.
fn bits(id: &Id, width: Width, mistakes: &Mistakes) -> Option<(u64, u8)> {
    let (mask, shift) = (id.mask.or(width.max_value()), id.shift.or(0));
    let at = site(&id.mask).or(site(&id.shift)).unwrap_or(&id.site);
    let problem = if mask > width.max_value() {
        Problem::at(at, format!("`mask` has bits beyond the {} bytes of the ID", width.bytes()))
            .because("these bits would always have been zero")
            .write(format!("write at most {:#x}, or a larger `width`", width.max_value()))
    } else if mask.checked_shr(u32::from(shift)).unwrap_or(0) == 0 {
        Problem::at(site(&id.shift).unwrap_or(at), "`shift` moves every bit of the ID away")
            .because("every frame would have had the ID 0")
            .write(format!("write shift = {}", mask.trailing_zeros()))
    } else if !id.mask.is_absent() && mask.trailing_zeros() < u32::from(shift) {
        Problem::at(at, "`shift` moves bits of `mask` away")
            .because("IDs that differ only in these bits would have been the same")
            .write(format!("write shift = {}, or a `mask` without these bits", mask.trailing_zeros()))
    } else {
        return Some((mask, shift));
    };
    mistakes.add(problem);
    None
}
