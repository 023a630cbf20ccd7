//! Peers' times by ours, with what the rounds spread over.

use std::fmt::Write;

use super::draw::{LogAxis, SERIES, grid_x, mark, open, small, text};
use crate::bench::report::{PeerResult, Report, Row};

const ROW: f64 = 20.0;
const TOP: f64 = 48.0;
const LEFT: f64 = 420.0;
const PLOT: f64 = 360.0;
const WIDTH: f64 = 820.0;

/// `None` without a peer.
pub fn svg(report: &Report) -> Option<String> {
    let rows: Vec<(&Row, &PeerResult)> =
        report.rows.iter().filter_map(|row| Some((row, row.peer.as_ref()?))).collect();
    if rows.is_empty() {
        return None;
    }
    let bottom = TOP + ROW * rows.len() as f64;
    let height = bottom + 44.0;
    let mut svg = open(WIDTH, height, "Time of peers by ours, in each case");
    text(&mut svg, 12.0, 20.0, &format!("{}: time of a peer by ours", report.model.name));
    small(
        &mut svg,
        LEFT + PLOT,
        20.0,
        "end",
        "right of 1: we are faster; lines: least and most of the rounds",
    );
    let ends = rows.iter().flat_map(|(_, peer)| [peer.ratio_min, peer.ratio_max]);
    let axis = LogAxis::of(ends.chain([1.0]), LEFT, LEFT + PLOT);
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
        let y = TOP + ROW * (at as f64 + 0.5);
        let device = if peer.peer_device == "cpu" { "cpu" } else { "cuda" };
        let name = format!("{} {} {} by {} on {device}", row.device, row.dtype.name(), row.case, peer.peer);
        text(&mut svg, 12.0, y + 4.5, &name);
        let _ = writeln!(
            svg,
            "<line class=\"s{} l\" x1=\"{:.1}\" x2=\"{:.1}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>",
            which % SERIES,
            axis.at(peer.ratio_min),
            axis.at(peer.ratio_max)
        );
        mark(&mut svg, which, axis.at(peer.ratio), y);
        small(&mut svg, LEFT - 8.0, y + 4.0, "end", &format!("{:.2}", peer.ratio));
    }
    svg.push_str("</svg>\n");
    Some(svg)
}
