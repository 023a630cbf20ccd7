//! Inputs a second of each case: ours on each device, and peers'.

use std::fmt::Write;

use super::draw::{LEFT, LogAxis, RIGHT, grid_y, legend, legend_height, mark, open, small, text};
use crate::bench::case::Case;
use crate::bench::peers::Task;
use crate::bench::report::Report;

const TOP: f64 = 36.0;
const BOTTOM: f64 = 280.0;
/// Below the plot there are names of cases, and then the legend.
const LEGEND: f64 = BOTTOM + 54.0;

/// A line: its name, and its value in some cases.
struct Series {
    name: String,
    points: Vec<(usize, f64)>,
}

/// Of the forward pass; `None` without a row.
pub fn svg(report: &Report) -> Option<String> {
    let mut cases: Vec<Case> = Vec::new();
    let mut all: Vec<Series> = Vec::new();
    for row in report.rows.iter().filter(|row| row.task == Task::Forward) {
        let at = cases.iter().position(|case| *case == row.case).unwrap_or_else(|| {
            cases.push(row.case);
            cases.len() - 1
        });
        let own = format!("{} {}", row.device, row.dtype.name());
        add(&mut all, &own, at, row.inputs_per_s);
        if let Some(peer) = &row.peer {
            let device = if peer.peer_device == "cpu" { "cpu" } else { "cuda" };
            let name = format!("{} {} {device}", peer.peer, row.dtype.name());
            add(&mut all, &name, at, row.inputs as f64 / peer.peer_ms * 1e3);
        }
    }
    if all.is_empty() {
        return None;
    }
    let height = LEGEND + legend_height(all.len());
    let mut svg = open(height, "Inputs a second of each case, by device and peer");
    text(&mut svg, 12.0, 20.0, &format!("{}: inputs a second, forward pass", report.model.name));
    let values = all.iter().flat_map(|series| series.points.iter().map(|(_, value)| *value));
    let axis = LogAxis::of(values, BOTTOM, TOP);
    grid_y(&mut svg, &axis, LEFT, RIGHT);
    let x = |at: usize| LEFT + (RIGHT - LEFT) * (at as f64 + 0.5) / cases.len() as f64;
    for (at, case) in cases.iter().enumerate() {
        // Names of many cases would run into each other on one line.
        let drop = if cases.len() > 6 && at % 2 == 1 { 14.0 } else { 0.0 };
        small(&mut svg, x(at), BOTTOM + 18.0 + drop, "middle", &case.to_string());
    }
    for (at, series) in all.iter().enumerate() {
        let points: Vec<String> =
            series.points.iter().map(|(case, v)| format!("{:.1},{:.1}", x(*case), axis.at(*v))).collect();
        let class = at % super::draw::SERIES;
        let _ = writeln!(svg, "<polyline class=\"s{class} l\" points=\"{}\"/>", points.join(" "));
        series.points.iter().for_each(|(case, value)| mark(&mut svg, at, x(*case), axis.at(*value)));
    }
    let names: Vec<String> = all.into_iter().map(|series| series.name).collect();
    legend(&mut svg, &names, LEGEND);
    svg.push_str("</svg>\n");
    Some(svg)
}

/// Rows of several peers tell our own value more than once.
fn add(all: &mut Vec<Series>, name: &str, at: usize, value: f64) {
    match all.iter_mut().find(|series| series.name == name) {
        Some(series) if series.points.iter().any(|(known, _)| *known == at) => {}
        Some(series) => series.points.push((at, value)),
        None => all.push(Series { name: name.to_owned(), points: vec![(at, value)] }),
    }
}
