//! A plot over time as SVG: axes, a grid, lines, a legend.

use std::fmt::Write as _;

/// A plot whose horizontal axis is time in seconds.
pub(crate) struct Plot {
    pub(crate) title: String,
    /// What the vertical axis shows.
    pub(crate) unit: &'static str,
    /// A value that should not be passed.
    pub(crate) limit: Option<f64>,
    pub(crate) lines: Vec<Line>,
}

/// One line of it; the legend shows those that are not dashed.
pub(crate) struct Line {
    pub(crate) name: &'static str,
    pub(crate) colour: &'static str,
    pub(crate) dashed: bool,
    pub(crate) points: Vec<(f64, f64)>,
}

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 320.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 745.0;
const TOP: f64 = 50.0;
const BOTTOM: f64 = 275.0;
/// Points nearer to each other than this are left out, unless they are higher than what they stand for.
const STEP: f64 = 1.5;

impl Plot {
    pub(crate) fn to_svg(&self) -> String {
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" width=\"{WIDTH}\" \
             height=\"{HEIGHT}\" font-family=\"sans-serif\" font-size=\"12\">\n\
             <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
        );
        let axes = Axes {
            last: self.most(|point| point.0, 0.0),
            most: self.most(|point| point.1, self.limit.unwrap_or(0.0)),
        };
        text(&mut svg, (LEFT, 18.0), "start", &self.title);
        self.legend(&mut svg);
        axes.draw(&mut svg, self.unit);
        if let Some(limit) = self.limit {
            let y = axes.y(limit);
            put(
                &mut svg,
                &format!("<line x1=\"{LEFT}\" x2=\"{RIGHT}\" y1=\"{y:.1}\" y2=\"{y:.1}\" stroke=\"#c00\"/>"),
            );
        }
        // The first line is the one that the page is about: it lies on top.
        self.lines.iter().rev().for_each(|line| line.draw(&mut svg, &axes));
        svg.push_str("</svg>\n");
        svg
    }

    fn most(&self, of: impl Fn(&(f64, f64)) -> f64, least: f64) -> f64 {
        self.lines.iter().flat_map(|line| &line.points).map(of).fold(least, f64::max)
    }

    fn legend(&self, svg: &mut String) {
        let mut x = LEFT;
        for line in self.lines.iter().filter(|line| !line.dashed) {
            let colour = line.colour;
            put(svg, &format!("<rect x=\"{x}\" y=\"30\" width=\"14\" height=\"4\" fill=\"{colour}\"/>"));
            text(svg, (x + 19.0, 36.0), "start", line.name);
            x += 150.0;
        }
    }
}

impl Line {
    fn draw(&self, svg: &mut String, axes: &Axes) {
        let points = thinned(self.points.iter().map(|(at, value)| (axes.x(*at), axes.y(*value))));
        let dash = if self.dashed { " stroke-dasharray=\"4 3\"" } else { "" };
        let colour = self.colour;
        put(
            svg,
            &format!(
                "<polyline fill=\"none\" stroke=\"{colour}\"{dash} stroke-width=\"1.5\" points=\"{points}\"/>"
            ),
        );
    }
}

/// Of points that lie close together the highest, which has the least `y`.
fn thinned(points: impl Iterator<Item = (f64, f64)>) -> String {
    let mut kept: Vec<(f64, f64)> = Vec::new();
    for (x, y) in points {
        match kept.last_mut() {
            Some(last) if x - last.0 < STEP => last.1 = last.1.min(y),
            Some(_) | None => kept.push((x, y)),
        }
    }
    kept.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect::<Vec<_>>().join(" ")
}

/// The two axes, both from nothing.
struct Axes {
    last: f64,
    most: f64,
}

impl Axes {
    fn x(&self, at: f64) -> f64 {
        LEFT + at / self.last.max(1.0) * (RIGHT - LEFT)
    }

    fn y(&self, value: f64) -> f64 {
        BOTTOM - value / (self.most.max(f64::MIN_POSITIVE) * 1.05) * (BOTTOM - TOP)
    }

    fn draw(&self, svg: &mut String, unit: &str) {
        for mark in marks(self.most) {
            let y = self.y(mark);
            put(
                svg,
                &format!("<line x1=\"{LEFT}\" x2=\"{RIGHT}\" y1=\"{y:.1}\" y2=\"{y:.1}\" stroke=\"#ddd\"/>"),
            );
            text(svg, (LEFT - 6.0, y + 4.0), "end", &short(mark));
        }
        for mark in marks(self.last) {
            text(svg, (self.x(mark), BOTTOM + 16.0), "middle", &short(mark));
        }
        put(svg, &format!("<path d=\"M{LEFT} {TOP}V{BOTTOM}H{RIGHT}\" fill=\"none\" stroke=\"#333\"/>"));
        text(svg, ((LEFT + RIGHT) / 2.0, BOTTOM + 36.0), "middle", "time in seconds");
        let middle = (TOP + BOTTOM) / 2.0;
        let turned = format!(
            "<text transform=\"translate(14 {middle}) rotate(-90)\" text-anchor=\"middle\">{unit}</text>"
        );
        put(svg, &turned);
    }
}

/// Round numbers from nothing up to the most, five to ten of them.
fn marks(most: f64) -> Vec<f64> {
    let power = 10_f64.powf((most / 5.0).log10().floor());
    let step = [5.0, 2.0, 1.0]
        .map(|factor| factor * power)
        .into_iter()
        .find(|step| step * 5.0 <= most)
        .unwrap_or(power);
    (0..).map(|count| f64::from(count) * step).take_while(|mark| *mark <= most).collect()
}

fn short(value: f64) -> String {
    let rounded = format!("{value:.2}");
    rounded.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn text(svg: &mut String, at: (f64, f64), anchor: &str, text: &str) {
    put(svg, &format!("<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\">{text}</text>", at.0, at.1));
}

fn put(svg: &mut String, line: &str) {
    writeln!(svg, "{line}").unwrap_or_default();
}
