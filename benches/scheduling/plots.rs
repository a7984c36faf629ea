//! Which plots a case has.

use crate::Evening;
use crate::model::{Case, Policy, Sample};
use crate::plot::{Line, Plot};

/// The plots of a case with the names of their files.
pub(crate) fn of(case: Case, evenings: &[Evening]) -> Vec<(String, Plot)> {
    let name = |what: &str| format!("{}-{what}", case.name());
    let loads = Plot {
        title: "Highest load (solid) and mean load (dashed) of the backends".to_owned(),
        unit: "sessions / capacity",
        limit: Some(1.0),
        lines: evenings.iter().flat_map(highest_and_mean).collect(),
    };
    let mut plots = vec![(name("load"), loads)];
    plots.extend(special(case, evenings).map(|plot| (name("special"), plot)));
    if matches!(case, Case::Added | Case::AddedLate) {
        let waiting = Plot {
            title: "Players who wait".to_owned(),
            unit: "players",
            limit: None,
            lines: lines(evenings, |sample| Some(f64::from(sample.waiting))),
        };
        plots.push((name("waiting"), waiting));
    }
    plots
}

/// The plot of what the case is about.
fn special(case: Case, evenings: &[Evening]) -> Option<Plot> {
    let load = |title: &str| Plot {
        title: title.to_owned(),
        unit: "sessions / capacity",
        limit: Some(1.0),
        lines: lines(evenings, |sample| sample.special),
    };
    match case {
        Case::ColdStart => None,
        Case::Added | Case::AddedLate => Some(load("Load of the backend that joined")),
        Case::ZoneLost => Some(load("Highest load in the zone that is lost")),
        Case::Faulty => Some(Plot {
            title: "Sessions that went to the backend that fails".to_owned(),
            unit: "sessions so far",
            limit: None,
            lines: lines(evenings, |sample| Some(f64::from(sample.received))),
        }),
    }
}

fn highest_and_mean(evening: &Evening) -> [Line; 2] {
    let highest = line(evening, |sample| Some(sample.highest));
    let mean = Line { dashed: true, ..line(evening, |sample| Some(sample.mean)) };
    [highest, mean]
}

fn lines(evenings: &[Evening], value: impl Fn(&Sample) -> Option<f64> + Copy) -> Vec<Line> {
    evenings.iter().map(|evening| line(evening, value)).collect()
}

fn line(evening: &Evening, value: impl Fn(&Sample) -> Option<f64>) -> Line {
    let points = evening.outcome.series.iter().filter_map(|sample| Some((sample.at, value(sample)?)));
    Line {
        name: evening.policy.name(),
        colour: colour(evening.policy),
        dashed: false,
        points: points.collect(),
    }
}

/// Colours that people with any sight of colours tell apart (Okabe and Ito), dark enough for a white page.
const fn colour(policy: Policy) -> &'static str {
    match policy {
        Policy::LeastLoad => "#0072b2",
        Policy::RoundRobin => "#d55e00",
        Policy::Random => "#999999",
        Policy::LeastConnections => "#009e73",
    }
}
