//! The gateway's metrics page, and what two of them differ in.

use std::collections::BTreeMap;

/// Every sample by its name with labels.
#[derive(Clone, Debug, Default)]
pub(crate) struct Page(BTreeMap<String, f64>);

/// Counts by a word.
pub(crate) type Counts = BTreeMap<String, u64>;

impl Page {
    /// Reads Prometheus' text.
    pub(crate) fn read(text: &str) -> Self {
        let samples = text.lines().filter(|line| !line.starts_with('#'));
        let samples = samples.filter_map(|line| {
            let (name, value) = line.rsplit_once(' ')?;
            Some((name.to_owned(), value.parse().ok()?))
        });
        Self(samples.collect())
    }

    /// How much `metric` has grown since `before`, by the value of `label`; what has not grown is left out.
    pub(crate) fn growth(&self, before: &Self, metric: &str, label: &str) -> Counts {
        let mut counts = Counts::new();
        for (name, value) in &self.0 {
            let Some(labels) = name.strip_prefix("realmgate_").and_then(|name| name.strip_prefix(metric))
            else {
                continue;
            };
            let Some(word) = labelled(labels, label) else { continue };
            let grown = value - before.0.get(name).copied().unwrap_or(0.0);
            if grown >= 1.0 {
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "a count above 0"
                )]
                let grown = grown as u64;
                *counts.entry(word.to_owned()).or_default() += grown;
            }
        }
        counts
    }
}

/// The value of a label in `{a="x",b="y"}`; the empty word where there are no labels and none is asked for.
fn labelled<'a>(labels: &'a str, label: &str) -> Option<&'a str> {
    if label.is_empty() {
        return labels.is_empty().then_some("");
    }
    let inner = labels.strip_prefix('{')?.strip_suffix('}')?;
    inner.split(',').find_map(|pair| pair.strip_prefix(label)?.strip_prefix("=\"")?.strip_suffix('"'))
}

/// All of them together.
pub(crate) fn sum(counts: &Counts) -> u64 {
    counts.values().sum()
}

/// For a person.
pub(crate) fn words(counts: &Counts) -> String {
    let words: Vec<String> = counts.iter().map(|(word, count)| format!("{word} {count}")).collect();
    if words.is_empty() { "none".to_owned() } else { words.join(", ") }
}
