//! Charts of a report that was made up, so that what they should draw is known.

use super::{ratios, roofline};
use crate::bench::case::Case;
use crate::bench::dtype::Dtype;
use crate::bench::environment::Environment;
use crate::bench::kernels::Ceilings;
use crate::bench::measure::Times;
use crate::bench::peers::Task;
use crate::bench::report::{ColdStart, DeviceRun, ModelFacts, Peak, PeerResult, Report, Row};
use crate::bench::truth::Source;

fn report(devices: Vec<DeviceRun>, rows: Vec<Row>) -> Report {
    Report {
        environment: Environment::here(1, &[]),
        model: ModelFacts {
            name: "made & up".into(),
            synthetic: true,
            parameters: 1,
            pooling: "mean".into(),
            pictures: false,
        },
        devices,
        peers: Vec::new(),
        rows,
        peak_resident_bytes: None,
        refused: Vec::new(),
        missing: Vec::new(),
    }
}

/// A device of 100 GFLOP/s and 10 GB/s: from 10 operations a byte on it is bound by the former.
fn device(device: &str) -> DeviceRun {
    DeviceRun {
        device: device.into(),
        dtype: Dtype::F32,
        name: String::new(),
        backend: String::new(),
        kernels: String::new(),
        cold_start: ColdStart {
            files_ms: 0.0,
            read_ms: 0.0,
            prepare_ms: None,
            self_check_ms: None,
            first_run_ms: 0.0,
        },
        ceilings: vec![Ceilings { threads: None, gemm_gflops: 100.0, gemm_size: 256, copy_gb_per_s: 10.0 }],
        peak: Some(Peak { gflops: 100.0, of: "gemm".into() }),
        ops: Vec::new(),
        ops_case: None,
    }
}

/// A case with so many operations a byte, at such a rate.
fn row(device: &str, case: &str, intensity: u64, gflops: f64) -> Row {
    Row {
        case: Case::from_name(case).unwrap().0[0],
        inputs: 1,
        tokens: 16,
        runs: 1,
        device: device.into(),
        dtype: Dtype::F32,
        task: Task::Forward,
        times: Times::of(&[1.0]),
        device_ms: None,
        tokenise_ms: None,
        inputs_per_s: 1.0,
        tokens_per_s: 16.0,
        flops: 1000 * intensity,
        bytes: 1000,
        gflops,
        share_of_peak: None,
        cosine_to_reference: 1.0,
        checked_against: Source::Reference,
        peer: None,
    }
}

/// The row beside a peer that took so many times as long in each round.
fn beside(row: Row, peer: &str, ratios: &[f64]) -> Row {
    let own = vec![1.0; ratios.len()];
    Row { peer: Some(PeerResult::new(peer, "cpu", 1.0, &own, ratios)), ..row }
}

/// The elements that begin so, each with what is in it.
fn elements<'a>(svg: &'a str, start: &str) -> Vec<&'a str> {
    svg.split('<').filter(|element| element.starts_with(start)).collect()
}

fn number(element: &str, name: &str) -> f64 {
    let value = element.split_once(&format!(" {name}=\"")).expect(name).1;
    value.split('"').next().unwrap().parse().unwrap()
}

/// The corners of a line.
fn corners(element: &str) -> Vec<[f64; 2]> {
    let points = element.split_once("points=\"").unwrap().1.split('"').next().unwrap();
    let number = |text: &str| text.parse::<f64>().unwrap();
    points
        .split(' ')
        .map(|point| point.split_once(',').unwrap())
        .map(|(x, y)| [number(x), number(y)])
        .collect()
}

#[test]
fn a_roof_rises_to_its_ridge_and_cases_lie_below_it() {
    let forward = [row("cpu", "1x16", 1, 5.0), row("cpu", "8x32", 10, 50.0), row("cpu", "32x128", 40, 100.0)];
    let [first, ridge, last] = forward.clone();
    // Neither the same again beside a peer, nor another task or device, is a mark more.
    let more = [
        beside(last.clone(), "torch", &[1.0]),
        Row { task: Task::EndToEnd, ..ridge.clone() },
        row("gpu", "1x16", 20, 1.0),
    ];
    let rows = forward.into_iter().chain(more).collect();
    let without_ceilings = DeviceRun { peak: None, ..device("gpu") };
    let svg = roofline::svg(&report(vec![device("cpu"), without_ceilings], rows)).unwrap();
    assert!(svg.contains("made &amp; up") && svg.ends_with("</svg>\n"), "{svg}");
    let roofs = elements(&svg, "polyline");
    assert_eq!(roofs.len(), 1, "{svg}");
    let [start, top, end] = corners(roofs[0])[..] else { panic!("{svg}") };
    assert!(start[0] < top[0] && start[1] > top[1], "it rises: {svg}");
    assert!(top[0] < end[0] && top[1] == end[1], "and is level from there: {svg}");
    // Three cases and the legend.
    let marks = elements(&svg, "circle");
    assert_eq!(marks.len(), 4, "{svg}");
    let at = |mark: usize| [number(marks[mark], "cx"), number(marks[mark], "cy")];
    // Both axes are logarithmic, a decade up for a decade to the right, so 1 and 10 operations at half the roof are as far
    // below it, on the roof's own slope; the third is on it.
    let near = |one: f64, other: f64| (one - other).abs() < 0.25;
    assert!(near(at(1)[0], top[0]) && at(1)[1] > top[1] + 1.0, "{svg}");
    assert!(near(at(2)[1], top[1]) && at(2)[0] > top[0], "{svg}");
    let slope = (start[1] - top[1]) / (top[0] - start[0]);
    let between = (at(0)[1] - at(1)[1]) / (at(1)[0] - at(0)[0]);
    assert!((between - slope).abs() < 0.01, "{svg}");
    for name in [first.case, ridge.case, last.case] {
        assert_eq!(
            elements(&svg, "text").iter().filter(|text| text.ends_with(&format!(">{name}"))).count(),
            1
        );
    }
    assert!(svg.contains(">cpu f32</text>") && !svg.contains("gpu"), "{svg}");
}

#[test]
fn without_ceilings_or_cases_there_is_no_roof() {
    let without_ceilings = DeviceRun { ceilings: Vec::new(), ..device("cpu") };
    assert!(roofline::svg(&report(vec![without_ceilings], vec![row("cpu", "1x16", 1, 5.0)])).is_none());
    assert!(roofline::svg(&report(vec![device("cpu")], Vec::new())).is_none());
}

#[test]
fn ratios_lie_beside_one_with_their_spread() {
    let rows = vec![
        beside(row("cpu", "1x16", 1, 1.0), "torch", &[2.0, 2.5, 4.0]),
        row("cpu", "8x32", 1, 1.0),
        beside(row("gpu", "mixed:5", 1, 1.0), "candle", &[0.5]),
    ];
    let svg = ratios::svg(&report(Vec::new(), rows)).unwrap();
    assert!(svg.contains("made &amp; up") && svg.ends_with("</svg>\n"), "{svg}");
    for words in ["cpu f32 1x16 by torch on cpu", ">2.50<", "gpu f32 mixed:5 by candle on cpu", ">0.50<"] {
        assert!(svg.contains(words), "{words} is not in {svg}");
    }
    assert!(!svg.contains("8x32"), "{svg}");
    let one = number(elements(&svg, "line class=\"one\"")[0], "x1");
    let spread = elements(&svg, "line class=\"s0 l\"")[0];
    let (least, most) = (number(spread, "x1"), number(spread, "x2"));
    // The second device is another series, and has another mark.
    let (faster, slower) = (elements(&svg, "circle")[0], elements(&svg, "rect class=\"d s1\"")[0]);
    let median = number(faster, "cx");
    assert!(one < least && least < median && median < most, "{svg}");
    // Half is as far to the left of 1 as twice is to the right; a square of 7 is drawn from its corner.
    let half = number(slower, "x") + 3.5;
    assert!((one - half - (least - one)).abs() < 0.25, "{svg}");
    assert_eq!((elements(&svg, "circle").len(), elements(&svg, "rect class=\"d").len()), (1, 1), "{svg}");
}

#[test]
fn without_a_peer_there_are_no_ratios() {
    assert!(ratios::svg(&report(vec![device("cpu")], vec![row("cpu", "1x16", 1, 5.0)])).is_none());
}
