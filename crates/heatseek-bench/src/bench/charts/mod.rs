//! The report as charts, SVG written by hand.

mod draw;
mod ratios;
mod roofline;
mod throughput;

use super::report::Report;

/// Each chart there is something for, with its file name.
pub fn all(report: &Report) -> Vec<(&'static str, String)> {
    let charts = [
        ("throughput.svg", throughput::svg(report)),
        ("roofline.svg", roofline::svg(report)),
        ("ratios.svg", ratios::svg(report)),
    ];
    charts.into_iter().filter_map(|(name, svg)| Some((name, svg?))).collect()
}
