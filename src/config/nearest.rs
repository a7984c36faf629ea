//! The known name that an unknown one was most likely meant to be.

/// Longer names are no slips of the pen; the bound keeps the table small.
const LONGEST: usize = 64;

/// The nearest of `known`, when it is near enough to be meant: a third of its letters, at least one.
#[must_use]
pub fn nearest<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let written = written.to_ascii_lowercase();
    let near = known.into_iter().filter_map(|name| {
        let distance = distance(&written, &name.to_ascii_lowercase())?;
        (distance <= (name.len() / 3).max(1)).then_some((distance, name))
    });
    near.min_by_key(|(distance, _)| *distance).map(|(_, name)| name)
}

/// Letters to add, drop, change or swap with their neighbour; `None` for names that are too long to compare.
fn distance(a: &str, b: &str) -> Option<usize> {
    let (a, b): (Vec<char>, Vec<char>) =
        (a.chars().take(LONGEST + 1).collect(), b.chars().take(LONGEST + 1).collect());
    if a.len().max(b.len()) > LONGEST {
        return None;
    }
    let mut rows = vec![(0..=b.len()).collect::<Vec<_>>()];
    for (i, letter) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, other) in b.iter().enumerate() {
            row.push(cell(&rows, &row, (&a, &b), (i, j), letter == other)?);
        }
        rows.push(row);
    }
    rows.last()?.last().copied()
}

fn cell(
    rows: &[Vec<usize>],
    row: &[usize],
    (a, b): (&[char], &[char]),
    (i, j): (usize, usize),
    same: bool,
) -> Option<usize> {
    let above = rows.get(i)?;
    let changed = above.get(j)? + usize::from(!same);
    let best = changed.min(above.get(j + 1)? + 1).min(row.get(j)? + 1);
    let swapped = i > 0 && j > 0 && a.get(i) == b.get(j - 1) && a.get(i - 1) == b.get(j);
    if swapped { Some(best.min(rows.get(i - 1)?.get(j - 1)? + 1)) } else { Some(best) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_pen_finds_its_name_and_a_stranger_none() {
        let known = ["idle_timeout", "frame_timeout", "connections", "tls"];
        assert_eq!(nearest("idle_timout", known), Some("idle_timeout"));
        assert_eq!(nearest("IDLE_TIMEOUT", known), Some("idle_timeout"));
        assert_eq!(nearest("conections", known), Some("connections"));
        assert_eq!(nearest("tsl", known), Some("tls"));
        assert_eq!(nearest("sharding", known), None);
        assert_eq!(nearest(&"x".repeat(10_000), known), None);
    }

    #[test]
    fn distances_count_swaps_as_one() {
        assert_eq!(distance("ab", "ba"), Some(1));
        assert_eq!(distance("kitten", "sitting"), Some(3));
        assert_eq!(distance("", "abc"), Some(3));
    }
}
