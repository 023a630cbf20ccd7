//! What charts of the forward pass draw: our devices and the peers, each with its cases.

use crate::bench::case::Case;
use crate::bench::peers::Task;
use crate::bench::report::{Report, Row};

/// A line: its name, and what was measured of it.
pub struct Series {
    pub name: String,
    pub points: Vec<Point>,
}

/// One case of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    pub case: Case,
    pub inputs_per_s: f64,
    pub ms: f64,
    /// The least and the most of the rounds.
    pub spread_ms: [f64; 2],
}

/// Of all that was timed, in the order of the report.
pub fn of(report: &Report) -> Vec<Series> {
    let mut all: Vec<Series> = Vec::new();
    for row in report.rows.iter().filter(|row| row.task == Task::Forward) {
        let times = row.times;
        let own = format!("{} {}", row.device, row.dtype.name());
        add(&mut all, own, point(row, times.median_ms, [times.min_ms, times.max_ms]));
        if let Some(peer) = &row.peer {
            let device = if peer.peer_device == "cpu" { "cpu" } else { "cuda" };
            let name = format!("{} {} {device}", peer.peer, row.dtype.name());
            add(&mut all, name, point(row, peer.peer_ms, [peer.peer_min_ms, peer.peer_max_ms]));
        }
    }
    all
}

fn point(row: &Row, ms: f64, spread_ms: [f64; 2]) -> Point {
    Point { case: row.case, inputs_per_s: row.inputs as f64 / ms * 1e3, ms, spread_ms }
}

/// Rows of several peers tell our own value more than once.
fn add(all: &mut Vec<Series>, name: String, point: Point) {
    match all.iter_mut().find(|series| series.name == name) {
        Some(series) if series.points.iter().any(|known| known.case == point.case) => {}
        Some(series) => series.points.push(point),
        None => all.push(Series { name, points: vec![point] }),
    }
}
