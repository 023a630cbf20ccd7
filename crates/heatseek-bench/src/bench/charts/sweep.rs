//! Along one size, the other one fixed: inputs a second above, and below how long the forward pass takes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use super::draw::{LEFT, LogAxis, RIGHT, grid_y, legend, legend_height, line, mark, open, small, text};
use super::series::{self, Point, Series};
use crate::bench::case::Case;
use crate::bench::report::Report;

/// Where the two plots begin and end.
const PLOTS: [[f64; 2]; 2] = [[56.0, 206.0], [256.0, 406.0]];
/// Below them there are sizes and what they are of, and then the legend.
const LEGEND: f64 = PLOTS[1][1] + 62.0;
/// Pixels that a size below the plots takes.
const SIZE: f64 = 30.0;

/// Which size varies.
#[derive(Clone, Copy)]
pub enum Along {
    /// How many inputs.
    Batch,
    /// Tokens of each, or pixels of its side.
    Length,
}

impl Along {
    /// The size of a case that varies, and the one that stays. Mixed lengths have neither.
    fn sizes(self, case: Case) -> Option<(usize, usize)> {
        match (self, case) {
            (Self::Batch, Case::Fixed { count, size }) => Some((count, size)),
            (Self::Length, Case::Fixed { count, size }) => Some((size, count)),
            (_, Case::Mixed { .. }) => None,
        }
    }

    /// What is drawn, and what is below the plots.
    fn words(self, stays: usize, pictures: bool) -> (String, &'static str) {
        let (unit, each) = if pictures { ("pixels a side", "picture") } else { ("tokens", "text") };
        let plural = if stays == 1 { "" } else { "s" };
        match self {
            Self::Batch => (format!("{each}s of {stays} {unit}"), "inputs at once"),
            Self::Length if pictures => (format!("{stays} {each}{plural} at once"), "pixels of a side"),
            Self::Length => (format!("{stays} {each}{plural} at once"), "tokens of each"),
        }
    }
}

/// `None` if nothing was measured at two sizes with the other one alike.
pub fn svg(report: &Report, along: Along) -> Option<String> {
    let all = series::of(report);
    let stays = most_measured(&all, along)?;
    let (what, below) = along.words(stays, report.model.pictures);
    let lines: Vec<(String, Vec<(usize, Point)>)> =
        all.into_iter().map(|one| swept(one, along, stays)).collect();
    let lines: Vec<_> = lines.into_iter().filter(|(_, points)| !points.is_empty()).collect();
    let points = || lines.iter().flat_map(|(_, points)| points);
    let sizes: BTreeSet<usize> = points().map(|(size, _)| *size).collect();

    let mut svg =
        open(LEGEND + legend_height(lines.len()), &format!("The forward pass of {what}, by {below}"));
    text(&mut svg, 12.0, 20.0, &format!("{}: {what}", report.model.name));
    let x = LogAxis::of(sizes.iter().map(|size| *size as f64), LEFT, RIGHT);
    let names = ["inputs a second", "milliseconds of the forward pass; bars: least and most of the rounds"];
    let values =
        |point: &Point| [[point.inputs_per_s; 3], [point.ms, point.spread_ms[0], point.spread_ms[1]]];
    for (plot, ([top, bottom], name)) in PLOTS.into_iter().zip(names).enumerate() {
        small(&mut svg, 12.0, top - 12.0, "start", name);
        let y = LogAxis::of(points().flat_map(|(_, point)| values(point)[plot]), bottom, top);
        grid_y(&mut svg, &y, LEFT, RIGHT);
        grid_sizes(&mut svg, &sizes, &x, top, bottom);
        for (at, (_, points)) in lines.iter().enumerate() {
            let placed =
                points.iter().map(|(size, point)| (x.at(*size as f64), values(point)[plot].map(|v| y.at(v))));
            let placed: Vec<(f64, [f64; 3])> = placed.collect();
            line(&mut svg, at, &placed.iter().map(|(x, [y, ..])| (*x, *y)).collect::<Vec<_>>());
            for (x, [y, least, most]) in placed {
                if least != most {
                    line(&mut svg, at, &[(x, least), (x, most)]);
                }
                mark(&mut svg, at, x, y);
            }
        }
    }
    small(&mut svg, (LEFT + RIGHT) / 2.0, PLOTS[1][1] + 38.0, "middle", below);
    let names: Vec<String> = lines.into_iter().map(|(name, _)| name).collect();
    legend(&mut svg, &names, LEGEND);
    svg.push_str("</svg>\n");
    Some(svg)
}

/// The size at which the other one was measured most often, at least twice; of several the largest.
fn most_measured(all: &[Series], along: Along) -> Option<usize> {
    let mut varied: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
    for point in all.iter().flat_map(|series| &series.points) {
        if let Some((varies, stays)) = along.sizes(point.case) {
            varied.entry(stays).or_default().insert(varies);
        }
    }
    let most = varied.into_iter().filter(|(_, sizes)| sizes.len() > 1);
    most.max_by_key(|(stays, sizes)| (sizes.len(), *stays)).map(|(stays, _)| stays)
}

/// The points of a series with what varies, in its order.
fn swept(series: Series, along: Along, at: usize) -> (String, Vec<(usize, Point)>) {
    let varies = |point: Point| {
        let (varies, stays) = along.sizes(point.case)?;
        (stays == at).then_some((varies, point))
    };
    let mut points: Vec<(usize, Point)> = series.points.into_iter().filter_map(varies).collect();
    points.sort_by_key(|(size, _)| *size);
    (series.name, points)
}

/// A line at each size that was measured, with the size below it where there is room.
fn grid_sizes(svg: &mut String, sizes: &BTreeSet<usize>, x: &LogAxis, top: f64, bottom: f64) {
    let mut free = f64::NEG_INFINITY;
    for &size in sizes {
        let at = x.at(size as f64);
        let _ = writeln!(
            svg,
            "<line class=\"grid\" x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"{top:.1}\" y2=\"{bottom:.1}\"/>"
        );
        if at >= free {
            small(svg, at, bottom + 16.0, "middle", &size.to_string());
            free = at + SIZE;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(cases: &[&str]) -> Series {
        let point = |name: &&str| {
            let case = Case::from_name(name).unwrap().0[0];
            Point { case, inputs_per_s: 1.0, ms: 1.0, spread_ms: [1.0; 2] }
        };
        Series { name: "cpu f32".into(), points: cases.iter().map(point).collect() }
    }

    #[test]
    fn what_was_measured_at_most_sizes_is_drawn_in_their_order() {
        let cases = ["1x16", "32x128", "1x128", "8x128", "mixed:32", "1x512"];
        let all = [series(&cases)];
        let (batch, length) = (most_measured(&all, Along::Batch), most_measured(&all, Along::Length));
        assert_eq!((batch, length), (Some(128), Some(1)));
        let sizes = |along, at| -> Vec<usize> {
            swept(series(&cases), along, at).1.into_iter().map(|(size, _)| size).collect()
        };
        assert_eq!(sizes(Along::Batch, 128), [1, 8, 32]);
        assert_eq!(sizes(Along::Length, 1), [16, 128, 512]);
    }

    #[test]
    fn one_size_is_no_sweep() {
        for along in [Along::Batch, Along::Length] {
            assert_eq!(most_measured(&[series(&["1x16", "8x32", "mixed:4"])], along), None);
        }
    }
}
