//! Peers' times by ours, with what the rounds spread over.

use std::fmt::Write;

use super::draw::{LogAxis, RIGHT, SERIES, grid_x, mark, open, small, text};
use crate::bench::report::{PeerResult, Report, Row};

/// A line of words, and below it one to scale.
const ROW: f64 = 38.0;
const TOP: f64 = 56.0;
const LEFT: f64 = 12.0;

/// `None` without a peer.
pub fn svg(report: &Report) -> Option<String> {
    let rows: Vec<(&Row, &PeerResult)> =
        report.rows.iter().filter_map(|row| Some((row, row.peer.as_ref()?))).collect();
    if rows.is_empty() {
        return None;
    }
    let bottom = TOP + ROW * rows.len() as f64;
    let height = bottom + 44.0;
    let mut svg = open(height, "Time of peers by ours, in each case");
    text(&mut svg, LEFT, 20.0, &format!("{}: time of a peer by ours", report.model.name));
    let how = "right of 1: we are faster; lines: least and most of the rounds";
    small(&mut svg, LEFT, 38.0, "start", how);
    let ends = rows.iter().flat_map(|(_, peer)| [peer.ratio_min, peer.ratio_max]);
    let axis = LogAxis::of(ends.chain([1.0]), LEFT, RIGHT);
    grid_x(&mut svg, &axis, TOP - 8.0, bottom + 4.0);
    let one = axis.at(1.0);
    let _ = writeln!(
        svg,
        "<line class=\"one\" x1=\"{one:.1}\" x2=\"{one:.1}\" y1=\"{:.1}\" y2=\"{:.1}\"/>",
        TOP - 8.0,
        bottom + 4.0
    );
    let mut series: Vec<(&str, &str)> = Vec::new();
    for (at, (row, peer)) in rows.iter().enumerate() {
        let key = (&*row.device, row.dtype.name());
        let which = series.iter().position(|known| *known == key).unwrap_or_else(|| {
            series.push(key);
            series.len() - 1
        });
        let words = TOP + ROW * at as f64 + 12.0;
        let y = words + 13.0;
        let device = if peer.peer_device == "cpu" { "cpu" } else { "cuda" };
        let name = format!("{} {} {} by {} on {device}", row.device, row.dtype.name(), row.case, peer.peer);
        small(&mut svg, LEFT, words, "start", &name);
        let _ = writeln!(
            svg,
            "<line class=\"s{} l\" x1=\"{:.1}\" x2=\"{:.1}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>",
            which % SERIES,
            axis.at(peer.ratio_min),
            axis.at(peer.ratio_max)
        );
        mark(&mut svg, which, axis.at(peer.ratio), y);
        small(&mut svg, RIGHT, words, "end", &format!("{:.2}", peer.ratio));
    }
    svg.push_str("</svg>\n");
    Some(svg)
}
