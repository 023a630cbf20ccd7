//! A forest plot: nDCG of each pooler with its interval, and beside it the difference from the model's own.

use std::fmt::Write;

use super::bootstrap::Estimate;
use super::report::Row;

const ROW: f64 = 22.0;
const TOP: f64 = 52.0;
/// Left edge and width of the two panels.
const PANELS: [(f64, f64); 2] = [(170.0, 300.0), (500.0, 300.0)];
const WIDTH: f64 = 820.0;

/// Colours for light and dark surroundings; filled marks are differences that the bootstrap is sure of.
const STYLE: &str = "text{font:13px system-ui,sans-serif;fill:#1f2328}.axis{font-size:11px;fill:#59636e}\
.grid{stroke:#d1d9e0}.zero{stroke:#59636e;stroke-dasharray:3 3}.bar{stroke:#0969da;stroke-width:2}\
.dot{fill:#0969da;stroke:#0969da}.open{fill:#fff;stroke:#0969da;stroke-width:2}.ground{fill:#fff}\
@media(prefers-color-scheme:dark){text{fill:#f0f6fc}.axis{fill:#9198a1}.grid{stroke:#3d444d}\
.zero{stroke:#9198a1}.bar{stroke:#4493f8}.dot{fill:#4493f8;stroke:#4493f8}\
.open{fill:#0d1117;stroke:#4493f8}.ground{fill:#0d1117}}";

/// The plot of `rows`, one a pooler.
pub fn svg(rows: &[Row]) -> String {
    let height = TOP + ROW * rows.len() as f64 + 30.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" \
         aria-label=\"nDCG@10 of each pooler, and its difference from the model's own, with 95 % intervals\">\n\
         <style>{STYLE}</style>\n<rect class=\"ground\" width=\"{WIDTH}\" height=\"{height}\"/>\n"
    );
    let differences: Vec<Option<&Estimate>> =
        rows.iter().map(|row| row.difference.as_ref().map(|difference| &difference.estimate)).collect();
    let ndcg: Vec<Option<&Estimate>> = rows.iter().map(|row| Some(&row.ndcg_at_10)).collect();
    let sure = |row: &Row| row.difference.as_ref().is_none_or(|difference| difference.p_holm < 0.05);
    let filled: Vec<bool> = rows.iter().map(sure).collect();
    for (at, row) in rows.iter().enumerate() {
        let _ = writeln!(svg, "<text x=\"12\" y=\"{:.1}\">{}</text>", middle(at) + 4.5, escape(&row.pooling));
    }
    let own = rows.first().map_or(String::new(), |row| escape(&row.pooling));
    let titles = ["nDCG@10".to_owned(), format!("difference from {own} (filled: p &lt; 0.05, Holm)")];
    for ((panel, title), estimates) in PANELS.iter().zip(titles).zip([ndcg, differences]) {
        draw(&mut svg, *panel, &title, &estimates, &filled, height);
    }
    svg.push_str("</svg>\n");
    svg
}

fn draw(
    svg: &mut String,
    (left, width): (f64, f64),
    title: &str,
    estimates: &[Option<&Estimate>],
    filled: &[bool],
    height: f64,
) {
    let all = || estimates.iter().flatten();
    let low = all().map(|e| e.low).fold(0.0, f64::min);
    let high = all().map(|e| e.high).fold(0.0, f64::max);
    let step = step((high - low).max(1e-3));
    let (first, last) = ((low / step).floor(), (high / step).ceil());
    let x = |value: f64| left + width * (value / step - first) / (last - first);
    let _ = writeln!(svg, "<text x=\"{left}\" y=\"20\">{title}</text>");
    for tick in first as i64..=last as i64 {
        let (value, class) = (tick as f64 * step, if tick == 0 { "zero" } else { "grid" });
        let _ = writeln!(
            svg,
            "<line class=\"{class}\" x1=\"{0:.1}\" x2=\"{0:.1}\" y1=\"{1}\" y2=\"{2}\"/>\
             <text class=\"axis\" text-anchor=\"middle\" x=\"{0:.1}\" y=\"{3}\">{4}</text>",
            x(value),
            TOP - 10.0,
            height - 26.0,
            height - 10.0,
            // Ticks are multiples of 1, 2 or 5 in the second decimal at least.
            (value * 1e4).round() / 1e4
        );
    }
    for (at, (estimate, filled)) in estimates.iter().zip(filled).enumerate() {
        let Some(e) = estimate else { continue };
        let _ = writeln!(
            svg,
            "<line class=\"bar\" x1=\"{:.1}\" x2=\"{:.1}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\
             <circle class=\"{}\" cx=\"{:.1}\" cy=\"{y:.1}\" r=\"3.5\"/>",
            x(e.low),
            x(e.high),
            if *filled { "dot" } else { "open" },
            x(e.value),
            y = middle(at)
        );
    }
}

fn middle(row: usize) -> f64 {
    TOP + ROW * (row as f64 + 0.5)
}

/// 1, 2 or 5 times a power of ten, so that there are four to ten steps.
fn step(span: f64) -> f64 {
    let power = 10f64.powf((span / 4.0).log10().floor());
    [5.0, 2.0, 1.0].map(|n| n * power).into_iter().find(|step| span / step >= 4.0).unwrap_or(power)
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_round() {
        for (span, expected) in [(0.7, 0.1), (0.4, 0.1), (0.09, 0.02), (1.0, 0.2), (3.0, 0.5)] {
            assert!((step(span) - expected).abs() < 1e-12, "{span}: {}", step(span));
        }
    }

    #[test]
    fn marks_are_where_their_values_are() {
        let estimates = [Some(&Estimate { value: 0.5, low: 0.25, high: 1.0 }), None];
        let mut svg = String::new();
        draw(&mut svg, (100.0, 200.0), "t", &estimates, &[false, true], 200.0);
        assert_eq!(svg.matches("<circle").count(), 1);
        assert!(svg.contains("x1=\"150.0\" x2=\"300.0\" y1=\"63.0\""), "{svg}");
        assert!(svg.contains("class=\"open\" cx=\"200.0\""), "{svg}");
        assert_eq!(escape("a<b & c"), "a&lt;b &amp; c");
    }
}
