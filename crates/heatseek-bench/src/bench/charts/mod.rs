//! The report as charts, SVG written by hand.

mod draw;
#[cfg(test)]
mod made;
mod ratios;
mod roofline;
mod series;
mod sweep;
mod throughput;

use super::report::Report;
use sweep::Along;

/// Each chart there is something for, with its file name.
pub fn all(report: &Report) -> Vec<(&'static str, String)> {
    let charts = [
        ("throughput.svg", throughput::svg(report)),
        ("batch.svg", sweep::svg(report, Along::Batch)),
        ("length.svg", sweep::svg(report, Along::Length)),
        ("roofline.svg", roofline::svg(report)),
        ("ratios.svg", ratios::svg(report)),
    ];
    charts.into_iter().filter_map(|(name, svg)| Some((name, svg?))).collect()
}
