//! A roofline: what each case reaches, below what the device's own kernels reach at best (Williams, Waterman &
//! Patterson, "Roofline", 2009).

use std::fmt::Write;

use super::draw::{
    LEFT, LogAxis, RIGHT, SERIES, grid_x, grid_y, legend, legend_height, mark, open, small, text,
};
use crate::bench::peers::Task;
use crate::bench::report::{DeviceRun, Report, Row};

const TOP: f64 = 36.0;
const BOTTOM: f64 = 280.0;
/// Below the plot there are numbers and what they are of, and then the legend.
const LEGEND: f64 = BOTTOM + 62.0;

/// Pixels that the name of a case takes, with the gap beside its mark.
const NAME: f64 = 56.0;

/// What a device reaches at best: operations and bytes.
fn roof_of(run: &DeviceRun) -> Option<[f64; 2]> {
    Some([run.peak.as_ref()?.gflops, run.ceilings.last()?.copy_gb_per_s])
}

/// Of the forward pass; `None` if no ceiling was measured.
pub fn svg(report: &Report) -> Option<String> {
    let runs: Vec<&DeviceRun> = report.devices.iter().filter(|run| roof_of(run).is_some()).collect();
    let rows = |run: &DeviceRun| -> Vec<&Row> {
        let own =
            |row: &&Row| row.task == Task::Forward && row.device == run.device && row.dtype == run.dtype;
        let mut own: Vec<&Row> = report.rows.iter().filter(own).collect();
        own.dedup_by_key(|row| row.case);
        own
    };
    let all: Vec<&Row> = runs.iter().flat_map(|run| rows(run)).collect();
    if all.is_empty() {
        return None;
    }
    let intensity = |row: &Row| row.flops as f64 / row.bytes.max(1) as f64;
    let ridge = |run: &&DeviceRun| roof_of(run).map_or(1.0, |[gflops, gb_per_s]| gflops / gb_per_s);
    let x = LogAxis::of(all.iter().map(|row| intensity(row)).chain(runs.iter().map(ridge)), LEFT, RIGHT);
    let peaks = runs.iter().filter_map(|run| Some(roof_of(run)?[0]));
    let y = LogAxis::of(all.iter().map(|row| row.gflops).chain(peaks), BOTTOM, TOP);
    let mut svg = open(
        LEGEND + legend_height(runs.len()),
        "GFLOP/s of each case by its operations a byte, below the device's ceilings",
    );
    text(&mut svg, 12.0, 20.0, &format!("{}: GFLOP/s of the forward pass, and ceilings", report.model.name));
    grid_x(&mut svg, &x, TOP, BOTTOM);
    grid_y(&mut svg, &y, LEFT, RIGHT);
    small(&mut svg, (LEFT + RIGHT) / 2.0, BOTTOM + 38.0, "middle", "operations a byte moved at least");
    let mut taken: Vec<(f64, f64)> = Vec::new();
    for (at, run) in runs.iter().enumerate() {
        let Some([gflops, gb_per_s]) = roof_of(run) else { continue };
        let [first, last] = x.ends();
        let roof = |intensity: f64| (intensity * gb_per_s).min(gflops);
        // Below the chart the slope is not drawn.
        let low = first.max(y.ends()[0] / gb_per_s);
        let mut corners = vec![low];
        corners.extend((ridge(run) > low && ridge(run) < last).then(|| ridge(run)));
        corners.push(last);
        let corners = corners.into_iter().filter(|c| (low..=last).contains(c));
        let points: Vec<String> = corners.map(|c| format!("{:.1},{:.1}", x.at(c), y.at(roof(c)))).collect();
        let _ = writeln!(svg, "<polyline class=\"s{} l h\" points=\"{}\"/>", at % SERIES, points.join(" "));
        for row in rows(run) {
            let (px, py) = (x.at(intensity(row)), y.at(row.gflops));
            mark(&mut svg, at, px, py);
            // A name that would lie on another is left out: the table has them all.
            let right = px + NAME > RIGHT;
            let left = if right { px - NAME } else { px };
            if !taken.iter().any(|(tx, ty)| (tx - left).abs() < NAME && (ty - py).abs() < 12.0) {
                let (from, anchor) = if right { (px - 8.0, "end") } else { (px + 8.0, "start") };
                small(&mut svg, from, py + 14.0, anchor, &row.case.to_string());
                taken.push((left, py));
            }
        }
    }
    let names: Vec<String> = runs.iter().map(|run| format!("{} {}", run.device, run.dtype.name())).collect();
    legend(&mut svg, &names, LEGEND);
    svg.push_str("</svg>\n");
    Some(svg)
}
