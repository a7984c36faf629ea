//! The parts into which `drain` divides a cluster: in the order of the file, disjoint, and all of them together every
//! backend.

use std::num::NonZeroU32;
use std::ops::Range;
use std::str::FromStr;

/// A share of a cluster, above 0 and at most 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fraction {
    share: NonZeroU32,
    of: NonZeroU32,
}

impl FromStr for Fraction {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (share, of) = text.split_once('/').unwrap_or((text, "1"));
        match (share.parse::<NonZeroU32>(), of.parse::<NonZeroU32>()) {
            (Ok(share), Ok(of)) if share <= of => Ok(Self { share, of }),
            _ => Err("write a fraction above 0 and at most 1, such as 1/3"),
        }
    }
}

impl Fraction {
    fn is_all(self) -> bool {
        self.share == self.of
    }

    /// How many parts there are.
    fn parts(self) -> u32 {
        self.of.get().div_ceil(self.share.get())
    }

    /// Where the first `parts` parts end. One backend at least is in the first and one outside of it.
    fn end(self, parts: u32, backends: usize) -> usize {
        if parts >= self.parts() {
            return backends;
        }
        let share = u128::from(self.share.get()) * u128::from(parts);
        let end = (share * backends as u128).div_ceil(u128::from(self.of.get()));
        usize::try_from(end).unwrap_or(backends).min(backends.saturating_sub(1))
    }

    /// The places of the backends in part `part`, counted from 1: one at least, and never all unless the fraction is
    /// 1.
    ///
    /// # Errors
    /// What is wrong and what to do, when there is no such part.
    pub(super) fn part(self, part: u32, backends: usize) -> Result<Range<usize>, (String, String)> {
        if backends == 0 {
            return Err(("the cluster has no backends".to_owned(), "there is nothing to drain".to_owned()));
        }
        if backends == 1 && !self.is_all() {
            let error = "the cluster has one backend, and no part of it is less than all";
            return Err((error.to_owned(), "write --fraction 1 if nobody is to be let in".to_owned()));
        }
        if part == 0 || part > self.parts() {
            let error = format!("there is no part {part}: the fraction makes {}", self.parts());
            return Err((error, format!("write --part with a number from 1 to {}", self.parts())));
        }
        let start = self.end(part - 1, backends).min(backends - 1);
        Ok(start..self.end(part, backends).max(start + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(fraction: &str, backends: usize) -> Vec<Range<usize>> {
        let fraction: Fraction = fraction.parse().expect("a fraction");
        (1..=fraction.parts()).map(|part| fraction.part(part, backends).expect("a part")).collect()
    }

    #[test]
    fn parts_follow_each_other_and_leave_none_out() {
        assert_eq!(parts("1/3", 9), [0..3, 3..6, 6..9]);
        assert_eq!(parts("1/3", 10), [0..4, 4..7, 7..10]);
        assert_eq!(parts("1/3", 4), [0..2, 2..3, 3..4]);
        assert_eq!(parts("2/3", 9), [0..6, 6..9]);
        assert_eq!(parts("1/2", 5), [0..3, 3..5]);
        assert_eq!(parts("1", 3).first(), Some(&(0..3)));
        assert_eq!(parts("3/3", 1).first(), Some(&(0..1)));
        for (share, of) in (2..9_u32).flat_map(|of| (1..of).map(move |share| (share, of))) {
            (2..40).for_each(|backends| cover(share, of, backends));
        }
    }

    fn cover(share: u32, of: u32, backends: usize) {
        let mut end = 0;
        for part in parts(&format!("{share}/{of}"), backends) {
            assert!(part.start <= end && part.end > part.start, "{share}/{of} of {backends}: {part:?}");
            assert!(part.len() < backends, "all of {backends}: {share}/{of}");
            end = part.end;
        }
        assert_eq!(end, backends, "{share}/{of} of {backends}");
    }

    #[test]
    fn one_at_least_and_never_all() {
        assert_eq!(parts("1/100", 2).first(), Some(&(0..1)));
        assert_eq!(parts("99/100", 2), [0..1, 1..2]);
        let third: Fraction = "1/3".parse().expect("a fraction");
        assert!(third.part(1, 1).is_err_and(|(_, hint)| hint.contains("--fraction 1")));
        assert!(third.part(1, 0).is_err());
        assert!(third.part(4, 9).is_err_and(|(error, _)| error.contains("part 4")));
        assert!(third.part(0, 9).is_err());
    }

    #[test]
    fn what_is_no_fraction_is_not_taken_for_one() {
        for text in ["", "0", "0/3", "1/0", "4/3", "2", "-1/3", "1/3/3", "0.3", "1/", "/3"] {
            assert!(text.parse::<Fraction>().is_err(), "{text}");
        }
    }
}
