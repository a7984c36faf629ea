//! One figure over the rounds: median, lowest, highest; and how figures are rounded.

use std::fmt;

/// A figure of all rounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

impl Spread {
    /// `None` of nothing.
    pub(crate) fn of(values: impl Iterator<Item = f64>) -> Option<Self> {
        let mut sorted: Vec<f64> = values.collect();
        sorted.sort_by(f64::total_cmp);
        let (low, high) = (*sorted.first()?, *sorted.last()?);
        let upper = *sorted.get(sorted.len() / 2)?;
        let lower = *sorted.get((sorted.len() - 1) / 2)?;
        Some(Self { median: f64::midpoint(lower, upper), low, high })
    }

    /// Whether two figures share a value: their order may be chance.
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        self.low <= other.high && other.low <= self.high
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&round(self.median))?;
        if self.low < self.high {
            write!(f, " ({}..{})", round(self.low), round(self.high))?;
        }
        Ok(())
    }
}

/// Three digits that mean something, thousands apart.
pub(crate) fn round(value: f64) -> String {
    match value {
        v if v < 0.0 => format!("-{}", round(-v)),
        v if v >= 100_000.0 => thousands((v / 1000.0).round() * 1000.0),
        v if v >= 10_000.0 => thousands((v / 100.0).round() * 100.0),
        v if v >= 1000.0 => thousands((v / 10.0).round() * 10.0),
        v if v >= 100.0 => format!("{v:.0}"),
        v if v >= 10.0 => format!("{v:.1}"),
        v => format!("{v:.2}"),
    }
}

fn thousands(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut out = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}
