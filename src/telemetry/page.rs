//! The metrics page in the text format of Prometheus. Families come in the order in which they are written, samples
//! in the order in which they are given, so that two pages can be compared; it is made anew each time, so that what
//! is gone from the gateway is gone from the page.

use std::fmt::{self, Display, Write};

use super::metric::Metric;
use crate::base::HistogramCounts;

/// A page that is being written.
#[derive(Debug, Default)]
pub struct Page {
    text: String,
}

/// The number of a sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    /// Without a fraction.
    Whole(u64),
    /// With one.
    Real(f64),
}

impl Page {
    /// Writes a metric with all its samples; also one that has none, so that people find its name.
    pub fn family<'a, const LABELS: usize, N: Into<Number>>(
        &mut self,
        metric: &Metric<LABELS>,
        samples: impl IntoIterator<Item = ([&'a str; LABELS], N)>,
    ) {
        self.head(metric);
        for (values, number) in samples {
            self.sample(metric.name, "", &labels(metric, values), &number.into());
        }
    }

    /// Writes a metric that has one sample and no labels.
    pub fn single(&mut self, metric: &Metric<0>, number: impl Into<Number>) {
        self.family(metric, [([], number)]);
    }

    /// Writes a histogram with all its series.
    pub fn histogram<'a, const LABELS: usize>(
        &mut self,
        metric: &Metric<LABELS>,
        samples: impl IntoIterator<Item = ([&'a str; LABELS], HistogramCounts)>,
    ) {
        self.head(metric);
        for (values, counts) in samples {
            let labels = labels(metric, values);
            for (bound, count) in counts.up_to() {
                let labels: Vec<_> = labels.iter().copied().chain([("le", bound)]).collect();
                self.sample(metric.name, "_bucket", &labels, &count.into());
            }
            self.sample(metric.name, "_sum", &labels, &counts.seconds().into());
            self.sample(metric.name, "_count", &labels, &counts.count().into());
        }
    }

    /// The text.
    #[must_use]
    pub fn finish(self) -> String {
        self.text
    }

    fn head<const LABELS: usize>(&mut self, metric: &Metric<LABELS>) {
        let Metric { name, kind, help, .. } = metric;
        self.line(format_args!("# HELP {name} {help}"));
        self.line(format_args!("# TYPE {name} {}", kind.as_str()));
    }

    fn sample(&mut self, name: &str, suffix: &str, labels: &[(&str, &str)], number: &Number) {
        self.line(format_args!("{name}{suffix}{} {number}", Labels(labels)));
    }

    fn line(&mut self, line: fmt::Arguments<'_>) {
        writeln!(self.text, "{line}").expect("a string takes everything");
    }
}

fn labels<'a, const LABELS: usize>(
    metric: &Metric<LABELS>,
    values: [&'a str; LABELS],
) -> Vec<(&'static str, &'a str)> {
    metric.labels.into_iter().zip(values).collect()
}

/// `{name="value",...}`, or nothing.
struct Labels<'a>(&'a [(&'a str, &'a str)]);

impl Display for Labels<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, (name, value)) in self.0.iter().enumerate() {
            write!(f, "{}{name}=\"{}\"", if place == 0 { '{' } else { ',' }, Escaped(value))?;
        }
        if self.0.is_empty() { Ok(()) } else { f.write_char('}') }
    }
}

/// A label's value as the format wants it.
struct Escaped<'a>(&'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| match c {
            '\\' => f.write_str(r"\\"),
            '"' => f.write_str("\\\""),
            '\n' => f.write_str(r"\n"),
            other => f.write_char(other),
        })
    }
}

impl Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(number) => number.fmt(f),
            Self::Real(number) if number.is_infinite() => {
                f.write_str(if number.is_sign_positive() { "+Inf" } else { "-Inf" })
            }
            Self::Real(number) => number.fmt(f),
        }
    }
}

impl From<u64> for Number {
    fn from(number: u64) -> Self {
        Self::Whole(number)
    }
}

impl From<u32> for Number {
    fn from(number: u32) -> Self {
        Self::Whole(number.into())
    }
}

impl From<bool> for Number {
    fn from(yes: bool) -> Self {
        Self::Whole(yes.into())
    }
}

impl From<f64> for Number {
    fn from(number: f64) -> Self {
        Self::Real(number)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::Duration;

    use super::super::metric::{self, Kind};
    use super::*;
    use crate::base::Histogram;

    #[test]
    fn label_values_are_escaped_and_nothing_else_is() {
        let mut page = Page::default();
        page.family(&metric::SESSIONS, [(["a \"quote\", a \\ and\na line; { é }"], 1_u32)]);
        let line = page.finish().lines().nth(2).map(str::to_owned);
        assert_eq!(
            line.as_deref(),
            Some(r#"realmgate_sessions{worker="a \"quote\", a \\ and\na line; { é }"} 1"#)
        );
    }

    #[test]
    fn a_family_has_its_head_once_and_its_samples_in_order() {
        let mut page = Page::default();
        page.family(&metric::BACKEND_UP, [(["battle", "b:1"], true), (["battle", "a:1"], false)]);
        page.single(&metric::CONFIG_GENERATION, 7_u64);
        page.family(&metric::SESSIONS, [(["0"], 0.25), (["1"], f64::INFINITY), (["2"], f64::NAN)]);
        let samples: Vec<_> = page.text.lines().filter(|line| !line.starts_with('#')).collect();
        let expected = [
            r#"realmgate_backend_up{cluster="battle",backend="b:1"} 1"#,
            r#"realmgate_backend_up{cluster="battle",backend="a:1"} 0"#,
            "realmgate_config_generation 7",
            r#"realmgate_sessions{worker="0"} 0.25"#,
            r#"realmgate_sessions{worker="1"} +Inf"#,
            r#"realmgate_sessions{worker="2"} NaN"#,
        ];
        assert_eq!(samples, expected);
        assert_eq!(page.text.matches("# TYPE realmgate_backend_up gauge\n").count(), 1);
    }

    #[test]
    fn a_histogram_has_buckets_a_sum_and_a_count() {
        let took = Histogram::default();
        took.record(Duration::from_millis(3));
        took.record(Duration::from_secs(20));
        let mut page = Page::default();
        page.histogram(&metric::TLS_HANDSHAKE_SECONDS, [([], took.counts())]);
        for line in [
            "# TYPE realmgate_tls_handshake_seconds histogram\n",
            "realmgate_tls_handshake_seconds_bucket{le=\"0.0025\"} 0\n",
            "realmgate_tls_handshake_seconds_bucket{le=\"0.005\"} 1\n",
            "realmgate_tls_handshake_seconds_bucket{le=\"+Inf\"} 2\n",
            "realmgate_tls_handshake_seconds_sum 20.003\n",
            "realmgate_tls_handshake_seconds_count 2\n",
        ] {
            assert!(page.text.contains(line), "{line} in {}", page.text);
        }
    }

    #[test]
    fn names_are_the_formats_and_say_what_they_are() {
        let names: BTreeSet<_> = metric::ALL.iter().map(|entry| entry.name).collect();
        assert_eq!(names.len(), metric::ALL.len(), "no name twice");
        for entry in metric::ALL {
            let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
            assert!(plain(entry.name) && entry.labels.iter().all(|label| plain(label)), "{entry:?}");
            assert_eq!(entry.name.ends_with("_total"), entry.kind == Kind::Counter, "{entry:?}");
            assert!(!entry.labels.contains(&"le") && !entry.help.contains(['\\', '\n']), "{entry:?}");
        }
    }
}
