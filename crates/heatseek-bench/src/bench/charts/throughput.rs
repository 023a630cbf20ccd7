//! Inputs a second of each case: ours on each device, and peers'.

use super::draw::{LEFT, LogAxis, RIGHT, grid_y, legend, legend_height, line, mark, open, small, text};
use super::series;
use crate::bench::case::Case;
use crate::bench::report::Report;

const TOP: f64 = 36.0;
const BOTTOM: f64 = 280.0;
/// Below the plot there are names of cases, and then the legend.
const LEGEND: f64 = BOTTOM + 54.0;

/// Of the forward pass; `None` without a row.
pub fn svg(report: &Report) -> Option<String> {
    let all = series::of(report);
    let mut cases: Vec<Case> = Vec::new();
    for point in all.iter().flat_map(|series| &series.points) {
        if !cases.contains(&point.case) {
            cases.push(point.case);
        }
    }
    if all.is_empty() {
        return None;
    }
    let height = LEGEND + legend_height(all.len());
    let mut svg = open(height, "Inputs a second of each case, by device and peer");
    text(&mut svg, 12.0, 20.0, &format!("{}: inputs a second, forward pass", report.model.name));
    let values = all.iter().flat_map(|series| series.points.iter().map(|point| point.inputs_per_s));
    let axis = LogAxis::of(values, BOTTOM, TOP);
    grid_y(&mut svg, &axis, LEFT, RIGHT);
    let x = |case: Case| {
        let at = cases.iter().position(|known| *known == case).unwrap_or_default();
        LEFT + (RIGHT - LEFT) * (at as f64 + 0.5) / cases.len() as f64
    };
    for (at, case) in cases.iter().enumerate() {
        // Names of many cases would run into each other on one line.
        let drop = if cases.len() > 6 && at % 2 == 1 { 14.0 } else { 0.0 };
        small(&mut svg, x(*case), BOTTOM + 18.0 + drop, "middle", &case.to_string());
    }
    for (at, series) in all.iter().enumerate() {
        let at_case = |point: &series::Point| (x(point.case), axis.at(point.inputs_per_s));
        let points: Vec<(f64, f64)> = series.points.iter().map(at_case).collect();
        line(&mut svg, at, &points);
        points.into_iter().for_each(|(x, y)| mark(&mut svg, at, x, y));
    }
    let names: Vec<String> = all.into_iter().map(|series| series.name).collect();
    legend(&mut svg, &names, LEGEND);
    svg.push_str("</svg>\n");
    Some(svg)
}
