//! Numbers as people read them.

/// Two units of a span of milliseconds: `340ms`, `12s`, `3m 20s`, `5h 1m`, `12d 3h`.
pub(super) fn span(millis: u64) -> String {
    let seconds = millis / 1000;
    match seconds {
        0 => format!("{millis}ms"),
        1..60 => format!("{seconds}s"),
        60..3600 => format!("{}m {}s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{}h {}m", seconds / 3600, seconds / 60 % 60),
        _ => format!("{}d {}h", seconds / 86_400, seconds / 3600 % 24),
    }
}

/// Bytes with one digit behind the point: `512B`, `1.5KiB`, `20.0GiB`.
pub(super) fn bytes(count: u64) -> String {
    const UNITS: [(&str, u64); 4] = [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    match UNITS.into_iter().find(|(_, scale)| count >= *scale) {
        None => format!("{count}B"),
        Some((unit, scale)) => {
            let tenths = u128::from(count) * 10 / u128::from(scale);
            format!("{}.{}{unit}", tenths / 10, tenths % 10)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_and_bytes_are_short() {
        let spans = [0, 340, 12_999, 200_000, 18_060_000, 1_047_600_000].map(span);
        assert_eq!(spans, ["0ms", "340ms", "12s", "3m 20s", "5h 1m", "12d 3h"]);
        let sizes = [0, 1023, 1536, 20 << 30, u64::MAX].map(bytes);
        assert_eq!(sizes, ["0B", "1023B", "1.5KiB", "20.0GiB", "16777215.9TiB"]);
    }
}
