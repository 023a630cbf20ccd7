//! What charts share: colours, the frame, and logarithmic axes.

use std::fmt::Write;

/// Colours for light and dark surroundings: six series, told apart by shape too. Small words have an edge of the ground's
/// colour, as they may lie on lines.
const STYLE: &str = "text{font:13px system-ui,sans-serif;fill:#1f2328}.axis{font-size:11px;fill:#59636e;paint-order:stroke;stroke:#fff;stroke-width:3px}\
.grid{stroke:#d1d9e0}.one{stroke:#59636e;stroke-dasharray:3 3}.ground{fill:#fff}\
.l{fill:none;stroke-width:2}.d{stroke-width:1}.h{stroke-dasharray:6 4}\
.s0{stroke:#0969da;fill:#0969da}.s1{stroke:#bc4c00;fill:#bc4c00}.s2{stroke:#1a7f37;fill:#1a7f37}\
.s3{stroke:#8250df;fill:#8250df}.s4{stroke:#9a6700;fill:#9a6700}.s5{stroke:#bf3989;fill:#bf3989}.l{fill:none}\
@media(prefers-color-scheme:dark){text{fill:#f0f6fc}.axis{fill:#9198a1;stroke:#0d1117}.grid{stroke:#3d444d}\
.one{stroke:#9198a1}.ground{fill:#0d1117}.s0{stroke:#4493f8;fill:#4493f8}.s1{stroke:#f0883e;fill:#f0883e}\
.s2{stroke:#3fb950;fill:#3fb950}.s3{stroke:#ab7df8;fill:#ab7df8}.s4{stroke:#d29922;fill:#d29922}\
.s5{stroke:#db61a2;fill:#db61a2}.l{fill:none}}";

/// How many series have a colour of their own.
pub const SERIES: usize = 6;

/// The width of every chart: on a phone of 360 pixels its texts are still larger than 9 pixels.
pub const WIDTH: f64 = 420.0;
/// Where plots begin and end from left to right.
pub const LEFT: f64 = 48.0;
pub const RIGHT: f64 = WIDTH - 12.0;
/// Columns of a legend, and the height of a line of it.
const COLUMNS: usize = 2;
const LINE: f64 = 20.0;

/// The start of a chart; the caller ends it with `</svg>`.
pub fn open(height: f64, label: &str) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" \
         viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{}\">\n<style>{STYLE}</style>\n<rect class=\"ground\" width=\"{WIDTH}\" height=\"{height}\"/>\n",
        escape(label)
    )
}

/// A logarithmic axis from `from` to `to` in pixels.
#[derive(Clone, Copy, Debug)]
pub struct LogAxis {
    low: f64,
    high: f64,
    from: f64,
    to: f64,
}

impl LogAxis {
    /// One that has room for `values`, at least a decade.
    pub fn of(values: impl Iterator<Item = f64>, from: f64, to: f64) -> Self {
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for value in values.filter(|value| value.is_finite() && *value > 0.0) {
            low = low.min(value.log10());
            high = high.max(value.log10());
        }
        if low > high {
            (low, high) = (0.0, 1.0);
        }
        let middle = (low + high) / 2.0;
        let half = (0.55 * (high - low)).max(0.5);
        Self { low: middle - half, high: middle + half, from, to }
    }

    /// Where `value` is.
    pub fn at(&self, value: f64) -> f64 {
        self.from + (self.to - self.from) * (value.log10() - self.low) / (self.high - self.low)
    }

    /// The value at its first and its last pixel.
    pub fn ends(&self) -> [f64; 2] {
        [self.low, self.high].map(|power| 10f64.powf(power))
    }

    /// Round values along it: powers of ten, and 2 and 5 times those where there is room.
    pub fn ticks(&self) -> Vec<f64> {
        let steps: &[f64] = if self.high - self.low > 3.0 { &[1.0] } else { &[1.0, 2.0, 5.0] };
        let powers = self.low.floor() as i32..=self.high.ceil() as i32;
        let all = powers.flat_map(|power| steps.iter().map(move |step| step * 10f64.powi(power)));
        all.filter(|value| (self.low..=self.high).contains(&value.log10())).collect()
    }
}

/// Vertical grid lines with their values below.
pub fn grid_x(svg: &mut String, axis: &LogAxis, top: f64, bottom: f64) {
    for tick in axis.ticks() {
        let x = axis.at(tick);
        let _ = writeln!(
            svg,
            "<line class=\"grid\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{top:.1}\" y2=\"{bottom:.1}\"/>\
             <text class=\"axis\" text-anchor=\"middle\" x=\"{x:.1}\" y=\"{:.1}\">{}</text>",
            bottom + 16.0,
            short(tick)
        );
    }
}

/// Horizontal grid lines with their values to the left.
pub fn grid_y(svg: &mut String, axis: &LogAxis, left: f64, right: f64) {
    for tick in axis.ticks() {
        let y = axis.at(tick);
        let _ = writeln!(
            svg,
            "<line class=\"grid\" x1=\"{left:.1}\" x2=\"{right:.1}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\
             <text class=\"axis\" text-anchor=\"end\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            left - 6.0,
            y + 4.0,
            short(tick)
        );
    }
}

/// A line in the colour of its series.
pub fn line(svg: &mut String, series: usize, points: &[(f64, f64)]) {
    let points: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
    let _ = writeln!(svg, "<polyline class=\"s{} l\" points=\"{}\"/>", series % SERIES, points.join(" "));
}

/// A mark in the colour of its series; where colours come again, it has another shape.
pub fn mark(svg: &mut String, series: usize, x: f64, y: f64) {
    let class = series % SERIES;
    let _ = match (class + series / SERIES) % 3 {
        0 => write!(svg, "<circle class=\"d s{class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\"/>"),
        1 => write!(
            svg,
            "<rect class=\"d s{class}\" x=\"{:.1}\" y=\"{:.1}\" width=\"7\" height=\"7\"/>",
            x - 3.5,
            y - 3.5
        ),
        _ => write!(svg, "<path class=\"d s{class}\" d=\"M{x:.1} {:.1}l4.5 8h-9z\"/>", y - 5.0),
    };
    svg.push('\n');
}

/// The series with their marks, below the plot.
pub fn legend(svg: &mut String, names: &[String], top: f64) {
    for (at, name) in names.iter().enumerate() {
        let x = LEFT + (RIGHT - LEFT) / COLUMNS as f64 * (at % COLUMNS) as f64;
        let y = top + LINE * (at / COLUMNS) as f64;
        mark(svg, at, x, y);
        text(svg, x + 12.0, y + 4.5, name);
    }
}

/// How high the legend of so many series is.
pub fn legend_height(series: usize) -> f64 {
    LINE * series.div_ceil(COLUMNS) as f64
}

/// A text.
pub fn text(svg: &mut String, x: f64, y: f64, text: &str) {
    let _ = writeln!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\">{}</text>", escape(text));
}

/// A smaller one, with its anchor.
pub fn small(svg: &mut String, x: f64, y: f64, anchor: &str, text: &str) {
    let _ = writeln!(
        svg,
        "<text class=\"axis\" text-anchor=\"{anchor}\" x=\"{x:.1}\" y=\"{y:.1}\">{}</text>",
        escape(text)
    );
}

/// 1500 as 1.5k.
pub fn short(value: f64) -> String {
    let (scaled, unit) = match value {
        v if v >= 1e9 => (v / 1e9, "G"),
        v if v >= 1e6 => (v / 1e6, "M"),
        v if v >= 1e3 => (v / 1e3, "k"),
        v => (v, ""),
    };
    // Ticks have one figure.
    format!("{}{unit}", (scaled * 1e4).round() / 1e4)
}

pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_has_room_for_its_values_and_round_ticks() {
        let axis = LogAxis::of([2.0, 700.0].into_iter(), 0.0, 100.0);
        assert!(axis.at(2.0) > 0.0 && axis.at(700.0) < 100.0);
        assert!((axis.at(2.0) + axis.at(700.0) - 100.0).abs() < 1e-9);
        assert!(axis.ticks().iter().any(|tick| (tick - 100.0).abs() < 1e-9), "{:?}", axis.ticks());
        let one = LogAxis::of([5.0].into_iter(), 0.0, 100.0);
        assert!((one.at(5.0) - 50.0).abs() < 1e-9);
        assert!(LogAxis::of([].into_iter(), 0.0, 1.0).at(1.0).is_finite());
    }

    #[test]
    fn numbers_are_short_and_texts_are_escaped() {
        assert_eq!([0.5, 20.0, 5e3, 2e6].map(short), ["0.5", "20", "5k", "2M"]);
        assert_eq!(escape("a<b & \"c\""), "a&lt;b &amp; &quot;c&quot;");
    }
}
