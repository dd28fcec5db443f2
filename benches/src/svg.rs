//! Plots as SVG, in our own few words: bars, curves and a flame graph. They are readable on light and on dark pages.

use std::fmt::Write as _;

/// Colours of lines and bars, in order, apart for those who see no red and green too.
const COLOURS: [&str; 8] =
    ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b8860b", "#56b4e9", "#8a63d2", "#7f7f7f"];

/// The page follows the reader's: text and lines have its colour, there is no background.
const STYLE: &str = "<style>\
    text{font:12px system-ui,sans-serif;fill:#24292f}\
    .t{font-size:15px;font-weight:600}.s{fill:#57606a}.g{stroke:#8c959f;stroke-opacity:.35}.a{stroke:#57606a}\
    @media(prefers-color-scheme:dark){text{fill:#e6edf3}.s{fill:#9da7b1}.a{stroke:#9da7b1}.f{fill:#111}}\
    </style>";

/// An axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Scale {
    from: f64,
    to: f64,
    is_log: bool,
    /// Where it begins and ends on the page.
    pixels: (f64, f64),
}

impl Scale {
    /// From 0 to a round number above all `values`.
    pub(crate) fn linear(values: impl IntoIterator<Item = f64>, pixels: (f64, f64)) -> Self {
        let most = values.into_iter().filter(|value| value.is_finite()).fold(0.0, f64::max);
        Self { from: 0.0, to: round_up(most), is_log: false, pixels }
    }

    /// From a power of ten below all `values`, which are above 0, to one above.
    pub(crate) fn log(values: impl IntoIterator<Item = f64>, pixels: (f64, f64)) -> Self {
        let (mut least, mut most) = (f64::INFINITY, 0.0_f64);
        for value in values.into_iter().filter(|value| value.is_finite() && *value > 0.0) {
            (least, most) = (least.min(value), most.max(value));
        }
        if most == 0.0 {
            (least, most) = (1.0, 10.0);
        }
        let (from, mut to) = (10_f64.powf(least.log10().floor()), 10_f64.powf(most.log10().ceil()));
        if to <= from {
            to = from * 10.0;
        }
        Self { from, to, is_log: true, pixels }
    }

    /// Where a value is on the page.
    pub(crate) fn at(&self, value: f64) -> f64 {
        let share = match self.is_log {
            true => (value.max(self.from) / self.from).log10() / (self.to / self.from).log10(),
            false => (value - self.from) / (self.to - self.from),
        };
        self.pixels.0 + share * (self.pixels.1 - self.pixels.0)
    }

    /// Values that are named beside it.
    pub(crate) fn ticks(&self) -> Vec<f64> {
        if self.is_log {
            let decades = (self.to / self.from).log10().round() as i32;
            return (0..=decades).map(|n| self.from * 10_f64.powi(n)).collect();
        }
        (0..=5).map(|n| self.to * f64::from(n) / 5.0).collect()
    }
}

/// The next of 1, 2, 5 times a power of ten; five steps of it are round as well.
fn round_up(value: f64) -> f64 {
    if value <= 0.0 {
        return 1.0;
    }
    let unit = 10_f64.powf(value.log10().floor());
    [1.0, 2.0, 5.0, 10.0].into_iter().map(|n| n * unit).find(|top| *top >= value).unwrap_or(value)
}

/// A number as an axis names it: `100 k`, `1.5 M`.
pub(crate) fn short(value: f64) -> String {
    let (value, unit) = match value {
        value if value >= 1e6 => (value / 1e6, " M"),
        value if value >= 1e3 => (value / 1e3, " k"),
        value => (value, ""),
    };
    let text =
        if value >= 100.0 || value.fract() == 0.0 { format!("{value:.0}") } else { format!("{value:.2}") };
    let text =
        if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text };
    format!("{text}{unit}")
}

/// A line through points, with its name.
pub(crate) struct Curve {
    pub(crate) name: String,
    pub(crate) points: Vec<(f64, f64)>,
}

/// What stands around a plot.
pub(crate) struct Labels<'a> {
    pub(crate) title: &'a str,
    pub(crate) x: &'a str,
    pub(crate) y: &'a str,
}

/// Which axis goes by powers of ten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Log {
    X,
    Y,
}

/// Curves, with their names beside them.
pub(crate) fn curves(labels: &Labels<'_>, curves: &[Curve], log: Log) -> String {
    const WIDTH: f64 = 860.0;
    const HEIGHT: f64 = 460.0;
    let all = || curves.iter().flat_map(|curve| curve.points.iter().copied());
    let (xs, ys) = (all().map(|(x, _)| x), all().map(|(_, y)| y));
    let (width, height) = ((70.0, 620.0), (400.0, 50.0));
    let (x, y) = match log {
        Log::X => (Scale::log(xs, width), Scale::linear(ys, height)),
        Log::Y => (Scale::linear(xs, width), Scale::log(ys, height)),
    };
    let mut svg = open(WIDTH, HEIGHT, labels.title);
    for tick in y.ticks() {
        let at = y.at(tick);
        let _ = write!(svg, r#"<line class="g" x1="70" x2="620" y1="{at:.1}" y2="{at:.1}"/>"#);
        text(&mut svg, 62.0, at + 4.0, "end", "s", &short(tick));
    }
    for tick in x.ticks() {
        let at = x.at(tick);
        let _ = write!(svg, r#"<line class="g" x1="{at:.1}" x2="{at:.1}" y1="50" y2="400"/>"#);
        text(&mut svg, at, 418.0, "middle", "s", &short(tick));
    }
    text(&mut svg, 345.0, 442.0, "middle", "", labels.x);
    let _ = write!(
        svg,
        r#"<text transform="translate(18 225) rotate(-90)" text-anchor="middle">{}</text>"#,
        escape(labels.y)
    );
    for (n, curve) in curves.iter().enumerate() {
        let colour = COLOURS[n % COLOURS.len()];
        let dash = if n >= COLOURS.len() { r#" stroke-dasharray="5 3""# } else { "" };
        let points: Vec<String> =
            curve.points.iter().map(|(px, py)| format!("{:.1},{:.1}", x.at(*px), y.at(*py))).collect();
        let _ = write!(
            svg,
            r#"<polyline fill="none" stroke="{colour}" stroke-width="2"{dash} points="{}"/>"#,
            points.join(" ")
        );
        for (px, py) in &curve.points {
            let _ =
                write!(svg, r#"<circle cx="{:.1}" cy="{:.1}" r="3" fill="{colour}"/>"#, x.at(*px), y.at(*py));
        }
        let line = 56.0 + 20.0 * n as f64;
        let _ = write!(
            svg,
            r#"<line x1="636" x2="658" y1="{line}" y2="{line}" stroke="{colour}" stroke-width="2"{dash}/>"#
        );
        text(&mut svg, 664.0, line + 4.0, "start", "", &curve.name);
    }
    svg + "</svg>\n"
}

/// A bar with what is written behind it, and a mark where it should reach.
pub(crate) struct Bar {
    pub(crate) name: String,
    pub(crate) values: Vec<f64>,
    pub(crate) note: String,
    pub(crate) mark: Option<f64>,
}

/// Horizontal bars over an axis of powers of ten: for each name as many as `sides` has.
pub(crate) fn bars(labels: &Labels<'_>, sides: &[&str], bars: &[Bar]) -> String {
    const WIDTH: f64 = 900.0;
    const THICK: f64 = 11.0;
    let row = THICK * sides.len() as f64 + 9.0;
    let bottom = 62.0 + row * bars.len() as f64;
    let values = bars.iter().flat_map(|bar| bar.values.iter().copied().chain(bar.mark));
    let x = Scale::log(values, (210.0, 700.0));
    let mut svg = open(WIDTH, bottom + 60.0, labels.title);
    if sides.len() > 1 {
        for (n, side) in sides.iter().enumerate() {
            let at = 480.0 + 170.0 * n as f64;
            let _ = write!(svg, r#"<rect x="{at}" y="14" width="12" height="12" fill="{}"/>"#, COLOURS[n]);
            text(&mut svg, at + 18.0, 24.0, "start", "", side);
        }
    }
    for tick in x.ticks() {
        let at = x.at(tick);
        let _ = write!(svg, r#"<line class="g" x1="{at:.1}" x2="{at:.1}" y1="52" y2="{bottom:.1}"/>"#);
        text(&mut svg, at, bottom + 18.0, "middle", "s", &short(tick));
    }
    text(&mut svg, 455.0, bottom + 42.0, "middle", "", labels.x);
    for (n, bar) in bars.iter().enumerate() {
        let top = 58.0 + row * n as f64;
        let height = THICK * sides.len() as f64;
        text(&mut svg, 202.0, top + height / 2.0 + 4.0, "end", "", &bar.name);
        let mut end = 210.0_f64;
        for (side, value) in bar.values.iter().enumerate().filter(|(_, value)| value.is_finite()) {
            let (at, width) = (top + THICK * side as f64, x.at(*value) - 210.0);
            end = end.max(210.0 + width);
            let _ = write!(
                svg,
                r#"<rect x="210" y="{at:.1}" width="{width:.1}" height="{:.1}" fill="{}"/>"#,
                THICK - 1.0,
                COLOURS[side % COLOURS.len()]
            );
        }
        if let Some(mark) = bar.mark {
            let at = x.at(mark);
            end = end.max(at);
            let _ = write!(
                svg,
                r#"<line class="a" stroke-width="2" x1="{at:.1}" x2="{at:.1}" y1="{:.1}" y2="{:.1}"/>"#,
                top - 2.0,
                top + height + 1.0
            );
        }
        text(&mut svg, end + 7.0, top + height / 2.0 + 4.0, "start", "s", &bar.note);
    }
    svg + "</svg>\n"
}

/// A place in a flame graph: how many samples were in it, and in what it called.
#[derive(Debug, Default)]
pub(crate) struct Flame {
    pub(crate) samples: u64,
    pub(crate) calls: std::collections::BTreeMap<String, Flame>,
}

impl Flame {
    /// Adds the samples of one stack, outermost first.
    pub(crate) fn add<'a>(&mut self, stack: impl IntoIterator<Item = &'a str>, samples: u64) {
        self.samples += samples;
        let mut at = self;
        for frame in stack {
            at = at.calls.entry(frame.to_owned()).or_default();
            at.samples += samples;
        }
    }

    fn depth(&self, least: u64) -> usize {
        let calls = self.calls.values().filter(|call| call.samples >= least);
        1 + calls.map(|call| call.depth(least)).max().unwrap_or(0)
    }
}

/// A flame graph: a box for each function, as wide as its share of the samples, on the one that called it.
pub(crate) fn flame_graph(title: &str, root: &Flame) -> String {
    const WIDTH: f64 = 1_200.0;
    const ROW: f64 = 17.0;
    // Narrower boxes say nothing.
    let least = (root.samples as f64 * 1.2 / WIDTH).ceil() as u64;
    let depth = root.depth(least) as f64;
    let bottom = 46.0 + depth * ROW;
    let mut svg = open(WIDTH, bottom + 12.0, title);
    boxes(&mut svg, "all", root, root.samples, least, (0.0, bottom - ROW));
    svg + "</svg>\n"
}

fn boxes(svg: &mut String, name: &str, flame: &Flame, all: u64, least: u64, (x, y): (f64, f64)) {
    let width = |samples: u64| samples as f64 * 1_200.0 / all.max(1) as f64;
    let share = flame.samples as f64 * 100.0 / all.max(1) as f64;
    // Warm colours, the same for a name wherever it is.
    let hue =
        name.bytes().fold(7_u32, |hash, byte| hash.wrapping_mul(31).wrapping_add(byte.into())) % 40 + 15;
    let _ = write!(
        svg,
        r##"<g><title>{} ({share:.1} %)</title><rect x="{x:.1}" y="{y:.1}" width="{:.1}" height="16" rx="1" fill="hsl({hue} 85% 68%)"/>"##,
        escape(name),
        (width(flame.samples) - 0.5).max(0.3)
    );
    let fits = (width(flame.samples) / 7.0) as usize;
    if fits >= 4 {
        let short: String = match name.chars().count() > fits {
            true => name.chars().take(fits - 1).chain(['…']).collect(),
            false => name.to_owned(),
        };
        let _ = write!(
            svg,
            r##"<text class="f" style="font-size:11px;fill:#111" x="{:.1}" y="{:.1}">{}</text>"##,
            x + 3.0,
            y + 12.0,
            escape(&short)
        );
    }
    svg.push_str("</g>\n");
    let mut at = x;
    for (name, call) in &flame.calls {
        if call.samples >= least {
            boxes(svg, name, call, all, least, (at, y - 17.0));
        }
        at += width(call.samples);
    }
}

fn open(width: f64, height: f64, title: &str) -> String {
    let mut svg = format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0} {height:.0}" role="img" aria-label="{}">{STYLE}"#,
        escape(title)
    );
    text(&mut svg, 16.0, 26.0, "start", "t", title);
    svg.push('\n');
    svg
}

fn text(svg: &mut String, x: f64, y: f64, anchor: &str, class: &str, words: &str) {
    let class = if class.is_empty() { String::new() } else { format!(r#" class="{class}""#) };
    let _ =
        write!(svg, r#"<text x="{x:.1}" y="{y:.1}" text-anchor="{anchor}"{class}>{}</text>"#, escape(words));
    svg.push('\n');
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_holds_all_values_and_names_round_ones() {
        let scale = Scale::linear([3.0, 17.0, f64::NAN], (100.0, 0.0));
        assert_eq!((scale.at(0.0), scale.at(20.0)), (100.0, 0.0));
        assert_eq!(scale.ticks(), [0.0, 4.0, 8.0, 12.0, 16.0, 20.0]);
        assert_eq!(Scale::linear([], (0.0, 1.0)).to, 1.0);

        let scale = Scale::log([30.0, 4_000.0, 0.0], (0.0, 300.0));
        assert_eq!(scale.ticks(), [10.0, 100.0, 1_000.0, 10_000.0]);
        assert_eq!((scale.at(10.0), scale.at(100.0), scale.at(10_000.0)), (0.0, 100.0, 300.0));
        assert_eq!(scale.at(0.0), 0.0, "what is too small lies on the edge");
        assert_eq!(Scale::log([100.0], (0.0, 1.0)).ticks(), [100.0, 1_000.0]);
    }

    #[test]
    fn numbers_on_an_axis_are_short() {
        for (value, text) in [
            (0.0, "0"),
            (0.5, "0.5"),
            (12.25, "12.25"),
            (150_000.0, "150 k"),
            (1.5e6, "1.5 M"),
            (1e7, "10 M"),
        ] {
            assert_eq!(short(value), text);
        }
    }

    #[test]
    fn plots_name_their_axes_and_escape_words() {
        let labels = Labels { title: "a < b", x: "rows", y: "µs" };
        let curve = Curve { name: "x & y".to_owned(), points: vec![(10.0, 1.0), (1_000.0, 2.0)] };
        let plot = curves(&labels, &[curve], Log::X);
        for part in ["a &lt; b", ">rows<", ">µs<", "x &amp; y", "70.0,225.0 620.0,50.0"] {
            assert!(plot.contains(part), "{part}: {plot}");
        }
        let bar =
            Bar { name: "one".into(), values: vec![10.0, 100.0], note: "10 : 1".into(), mark: Some(50.0) };
        let plot = bars(&labels, &["a", "b"], &[bar]);
        assert_eq!(plot.matches("<rect").count(), 4, "two bars and two names of sides");
        assert!(plot.contains("10 : 1"));
    }

    #[test]
    fn a_flame_graph_has_a_box_for_each_place() {
        let mut root = Flame::default();
        root.add(["main", "a", "b"], 60);
        root.add(["main", "a"], 20);
        root.add(["main", "c<T>"], 20);
        assert_eq!((root.samples, root.calls["main"].calls["a"].samples), (100, 80));
        let plot = flame_graph("flames", &root);
        assert!(plot.contains("<title>a (80.0 %)</title>") && plot.contains("c&lt;T&gt; (20.0 %)"), "{plot}");
        assert_eq!(plot.matches("<rect").count(), 5);
    }
}
