//! Whether times are evenly spread: the test of Kolmogorov and Smirnov against the uniform distribution.

/// The greatest distance between the share of `values` that is below a point and the point itself, and how likely a
/// distance at least that great is among values that are uniform over 0 to 1.
pub(crate) fn kolmogorov_smirnov(values: &[f64]) -> (f64, f64) {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let count = sorted.len() as f64;
    let distance = |(place, value): (usize, &f64)| {
        let value = value.clamp(0.0, 1.0);
        (value - place as f64 / count).max((place + 1) as f64 / count - value)
    };
    let greatest = sorted.iter().enumerate().map(distance).fold(0.0, f64::max);
    (greatest, likelihood(greatest, count))
}

/// The asymptotic distribution with the correction of Stephens for finite counts.
fn likelihood(distance: f64, count: f64) -> f64 {
    let root = count.sqrt();
    let x = (root + 0.12 + 0.11 / root) * distance;
    if x < 0.2 {
        return 1.0;
    }
    let term = |j: i32| {
        let sign = if j % 2 == 1 { 1.0 } else { -1.0 };
        sign * (-2.0 * f64::from(j * j) * x * x).exp()
    };
    (2.0 * (1..=100).map(term).sum::<f64>()).clamp(0.0, 1.0)
}
