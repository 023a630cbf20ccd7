//! `heatseek bench` from outside, on small random models. How fast anything is is never asserted.

#[allow(dead_code, reason = "other tests of the binary use more of it")]
mod binary;

use std::fs;
use std::path::Path;

use binary::{assert_fails, heatseek, scratch};
use serde_json::Value;

/// Runs it quickly on the CPU; the report.
fn bench(out: &Path, more: &[&str]) -> Value {
    bench_on("cpu", out, more).0
}

/// Runs it quickly; the report, and what is printed.
fn bench_on(devices: &str, out: &Path, more: &[&str]) -> (Value, String) {
    let out = out.display().to_string();
    let mut args =
        vec!["bench", "--quick", "--devices", devices, "--rounds", "2", "--threads", "2", "--out", &out];
    args.extend(more);
    let output = heatseek(&args, b"");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report = fs::read_to_string(Path::new(&out).join("report.json")).unwrap();
    (serde_json::from_str(&report).unwrap(), String::from_utf8(output.stdout).unwrap())
}

#[test]
fn texts_are_measured_checked_and_reported() {
    let out = scratch("bench-texts");
    let report = bench(&out, &["--synthetic", "tiny", "--cases", "1x16,mixed:5"]);
    let rows = report["rows"].as_array().unwrap();
    let key = |row: &Value| ["case", "task"].map(|field| row[field].as_str().unwrap().to_owned());
    let keys: Vec<_> = rows.iter().map(key).collect();
    let expected =
        [["1x16", "forward"], ["1x16", "end_to_end"], ["mixed:5", "forward"], ["mixed:5", "end_to_end"]];
    assert_eq!(keys, expected.map(|key| key.map(str::to_owned)));
    for row in rows {
        let number = |field: &str| row[field].as_f64().unwrap_or_else(|| panic!("no {field} in {row}"));
        assert!(number("min_ms") > 0.0 && number("min_ms") <= number("median_ms"), "{row}");
        assert!(number("median_ms") <= number("max_ms"), "{row}");
        assert!(number("cosine_to_reference") >= 0.99999, "{row}");
        assert_eq!((number("n"), &row["dtype"], &row["device"]), (2.0, &"f32".into(), &"cpu".into()));
        assert_eq!(row["checked_against"], "reference");
        assert!(number("bytes") > 0.0 && number("inputs_per_s") > 0.0);
        assert!(row["device_ms"].is_null(), "the CPU has no clock of its own: {row}");
    }
    // 16 tokens through two layers of width 64: four projections and a feed-forward block of 256, 2 · 2 · 16 · 16 · 64
    // for scores and weighted values of each, and less than a tenth of that beside it.
    let layers = 2 * (2 * 16 * (4 * 64 * 64 + 2 * 64 * 256) + 4 * 16 * 16 * 64);
    let flops = rows[0]["flops"].as_f64().unwrap() / f64::from(layers);
    assert!((1.0..1.1).contains(&flops), "{flops}");
    assert_eq!(report["model"]["synthetic"], true);
    assert!(report["environment"]["cores"].as_u64().unwrap() >= 1);
    let held = report["peak_resident_bytes"].as_u64();
    assert!(
        held.is_none_or(|bytes| bytes > 1 << 20) && held.is_some() == cfg!(target_os = "linux"),
        "{held:?}"
    );
    let device = &report["devices"][0];
    assert!(device["cold_start"]["first_run_ms"].as_f64().unwrap() > 0.0);
    let ops = device["ops"].as_array().unwrap();
    let shares: f64 = ops.iter().map(|op| op["share_of_flops"].as_f64().unwrap()).sum();
    assert!((shares - 1.0).abs() < 1e-9, "{shares}");
    let text = fs::read_to_string(out.join("report.md")).unwrap();
    assert!(text.contains("| cpu | f32 | mixed:5 | forward |") && !text.contains("device ms"), "{text}");
    assert_eq!(text.contains("MiB at most"), held.is_some(), "{text}");
    let chart = fs::read_to_string(out.join("throughput.svg")).unwrap();
    assert!(chart.contains("cpu f32") && chart.ends_with("</svg>\n"));
}

#[test]
fn a_gpu_is_measured_beside_the_cpu() {
    let out = scratch("bench-gpu");
    let (report, table) = bench_on("cpu,gpu", &out, &["--synthetic", "tiny", "--cases", "1x16,4x32"]);
    let devices = report["devices"].as_array().unwrap();
    let Some(gpu) = devices.iter().find(|run| run["device"] == "gpu") else {
        assert!(std::env::var_os("CI").is_none(), "CI expects a Vulkan adapter: {}", report["missing"]);
        eprintln!("no adapter found: nothing was tested");
        return;
    };
    let rows = report["rows"].as_array().unwrap();
    // llvmpipe has a clock; of other adapters either all rows have a time of the device, or none.
    let has_clock = rows.iter().any(|row| !row["device_ms"].is_null());
    assert!(has_clock || !gpu["name"].as_str().unwrap().contains("llvmpipe"), "{gpu}");
    let of = |device: &str| rows.iter().filter(|row| row["device"] == device).count();
    assert_eq!((of("cpu"), of("gpu"), rows.len()), (4, 4, 8));
    for row in rows {
        let number = |field: &str| row[field].as_f64().unwrap_or_else(|| panic!("no {field} in {row}"));
        assert!(number("cosine_to_reference") >= 0.99999, "{row}");
        match row["device"] == "gpu" && row["task"] == "forward" && has_clock {
            true => {
                let (device, call) = (number("device_ms"), number("median_ms"));
                assert!(device > 0.0 && device <= call, "{row}");
            }
            false => assert!(row["device_ms"].is_null(), "{row}"),
        }
    }
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let lines: Vec<_> = table.lines().map(words).collect();
    for row in [["gpu", "f32", "1x16", "forward"], ["cpu", "f32", "4x32", "end"]] {
        assert!(lines.iter().any(|line| line.starts_with(&row.map(str::to_owned))), "{table}");
    }
    let text = fs::read_to_string(out.join("report.md")).unwrap();
    assert!(text.contains("| gpu | f32 | 4x32 | forward |"), "{text}");
    assert_eq!(
        (table.contains("device ms"), text.contains("| device ms |")),
        (has_clock, has_clock),
        "{table}"
    );
    assert!(text.contains("![throughput](throughput.svg)"), "{text}");
    let chart = fs::read_to_string(out.join("throughput.svg")).unwrap();
    assert!(chart.contains("cpu f32") && chart.contains("gpu f32") && chart.ends_with("</svg>\n"), "{chart}");
}

#[test]
fn sweeps_are_drawn_along_batch_and_length() {
    let out = scratch("bench-sweeps");
    let report = bench(&out, &["--synthetic", "tiny", "--cases", "1-2x16,1x32,1x16"]);
    let cases: Vec<&str> =
        report["rows"].as_array().unwrap().iter().map(|row| row["case"].as_str().unwrap()).collect();
    assert_eq!(cases, ["1x16", "1x16", "2x16", "2x16", "1x32", "1x32"]);
    for (name, what) in [("batch.svg", "texts of 16 tokens"), ("length.svg", "1 text at once")] {
        let chart = fs::read_to_string(out.join(name)).unwrap();
        // Above and below: two marks, and the legend's.
        assert_eq!(chart.matches("<circle").count(), 5, "{name}");
        assert!(chart.contains(what) && chart.contains("cpu f32") && chart.ends_with("</svg>\n"), "{chart}");
    }
}

#[test]
fn pictures_are_measured_too() {
    let report = bench(&scratch("bench-pictures"), &["--synthetic", "tiny-vision", "--cases", "2x56"]);
    // Pictures that the preprocessor would make larger have no measure end to end.
    assert_eq!(report["rows"].as_array().unwrap().len(), 1);
    assert_eq!(report["rows"][0]["tokens"], 2 * (4 * 4 + 1));
}

#[test]
fn a_peer_that_is_not_there_is_no_failure() {
    let peers = ["--against", "torch,sentence-transformers", "--python", "/no/python"];
    let args = [&["--synthetic", "tiny", "--cases", "1x16"][..], &peers].concat();
    let report = bench(&scratch("bench-peers"), &args);
    assert_eq!(report["rows"].as_array().unwrap().len(), 2);
    let missing = report["missing"].as_array().unwrap();
    assert_eq!(missing.len(), 2, "{missing:?}");
    assert!(missing[0]["reason"].as_str().unwrap().contains("/no/python"), "{missing:?}");
}

#[test]
fn a_peer_is_timed_in_the_same_rounds_and_must_be_right() {
    let folder = scratch("bench-fake-peer");
    // The protocol in a few lines of shell: right neither in width nor in values.
    let lines =
        format!("echo '{ABOUT}'\nwhile read line; do echo '{{\"vectors\":[[1.0,2.0]],\"ms\":3.0}}'; done\n");
    let python = script(&folder.join("python"), &lines);
    let args = ["--synthetic", "tiny", "--cases", "1x16", "--against", "torch", "--python", &python];
    let report = bench(&folder.join("out"), &args);
    assert!(report["rows"].as_array().unwrap().iter().all(|row| row.get("peer").is_none()));
    let reason = report["missing"][0]["reason"].as_str().unwrap();
    assert!(reason.contains("cosine"), "{reason}");
}

/// What a peer says of itself, in its protocol.
const ABOUT: &str = "{\"name\":\"torch\",\"version\":\"0\",\"device\":\"cpu\",\"cuda\":false}";

/// Writes a shell script in place of Python.
fn script(path: &Path, lines: &str) -> String {
    fs::write(path, format!("#!/bin/sh\n{lines}")).unwrap();
    make_executable(path);
    path.display().to_string()
}

#[test]
fn a_peer_that_is_right_has_its_ratio() {
    let folder = scratch("bench-right-peer");
    let at = folder.display();
    let args = |python| ["--synthetic", "tiny", "--cases", "3x16", "--against", "torch", "--python", python];
    // One that keeps the model and the question, for us to answer.
    let listens = format!(
        "while [ $# -gt 0 ]; do [ \"$1\" = --model ] && cp -r \"$2\" '{at}/model'; shift; done\n\
         echo '{ABOUT}'\nread line; printf '%s\\n' \"$line\" > '{at}/request.json'\n\
         echo '{{\"error\":\"it only listens\"}}'\n"
    );
    let listens = script(&folder.join("listens"), &listens);
    let report = bench(&folder.join("asked"), &args(&listens));
    assert_eq!(report["missing"][0]["reason"], "it only listens");
    let request: Value =
        serde_json::from_str(&fs::read_to_string(folder.join("request.json")).unwrap()).unwrap();
    let texts: Vec<&str> =
        request["texts"].as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect();
    assert_eq!(texts.len(), 3);
    let model = folder.join("model").display().to_string();
    let embed = ["embed", "--model", &model, "--device", "reference"];
    let embedded = binary::rows(&heatseek(&embed, texts.join("\n").as_bytes()));
    let samples = request["samples"].as_array().unwrap().iter().map(|at| at.as_u64().unwrap() as usize);
    let vectors: Vec<_> = samples.map(|at| binary::vector(&embedded[at])).collect();
    let answer = serde_json::json!({ "vectors": vectors }).to_string();
    fs::write(folder.join("answer.json"), answer + "\n").unwrap();
    // And one that gives the answer, and then takes 3 ms each time.
    let answers = format!(
        "echo '{ABOUT}'\nread line; cat '{at}/answer.json'\nwhile read line; do echo '{{\"ms\":3.0}}'; done\n"
    );
    let answers = script(&folder.join("answers"), &answers);
    let out = folder.join("out");
    let (report, table) = bench_on("cpu", &out, &args(&answers));
    assert_eq!((&report["missing"], &report["refused"]), (&serde_json::json!([]), &serde_json::json!([])));
    assert_eq!(report["peers"][0]["name"], "torch");
    let rows = report["rows"].as_array().unwrap();
    let row = rows.iter().find(|row| row["task"] == "forward").unwrap();
    let number = |field: &str| row[field].as_f64().unwrap_or_else(|| panic!("no {field} in {row}"));
    assert_eq!((&row["peer"], number("peer_ms"), number("n")), (&"torch".into(), 3.0, 2.0));
    assert_eq!((number("peer_min_ms"), number("peer_max_ms")), (3.0, 3.0));
    assert!(number("peer_cosine") >= 0.99999, "{row}");
    // Of two rounds: the slower one of ours has the lower ratio, and the median is between.
    let [least, most] = ["max_ms", "min_ms"].map(|field| 3.0 / number(field));
    for (field, expected) in [("ratio_min", least), ("ratio_max", most), ("ratio", (least + most) / 2.0)] {
        assert!((number(field) / expected - 1.0).abs() < 1e-9, "{field} is not {expected}: {row}");
    }
    // It was timed for what it does.
    assert!(rows.iter().filter(|row| row["task"] == "end_to_end").all(|row| row.get("peer").is_none()));
    assert!(table.contains("torch") && table.contains("ratio"), "{table}");
    assert!(
        fs::read_to_string(out.join("report.md")).unwrap().contains("| cpu | f32 | 3x16 | forward | torch |")
    );
    let chart = fs::read_to_string(out.join("ratios.svg")).unwrap();
    assert!(chart.contains("cpu f32 3x16 by torch on cpu") && chart.ends_with("</svg>\n"), "{chart}");
}

#[cfg(unix)]
fn make_executable(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn two_reports_are_compared() {
    let folder = scratch("bench-compare");
    let row = |ms: f64| {
        format!(
            "{{\"rows\":[{{\"case\":\"1x16\",\"device\":\"cpu\",\"dtype\":\"f32\",\"task\":\"forward\",\
             \"median_ms\":{ms},\"min_ms\":{ms},\"max_ms\":{ms}}}]}}"
        )
    };
    let paths = ["a.json", "b.json", "empty.json"].map(|name| folder.join(name));
    for (path, text) in paths.iter().zip([row(4.0), row(2.0), "{\"rows\":[]}".to_owned()]) {
        fs::write(path, text).unwrap();
    }
    let [a, b, empty] = paths.map(|path| path.display().to_string());
    let output = heatseek(&["bench", "compare", &a, &b], b"");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success());
    let cells: Vec<&str> = text.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!(cells[cells.len() - 2..], ["2.00", "faster"], "{text}");
    assert_fails(
        &heatseek(&["bench", "compare", &a, &empty], b""),
        1,
        &["no row in common", "[invalid_input]"],
    );
    assert_fails(&heatseek(&["bench", "compare", &a, "/no/file"], b""), 1, &["/no/file", "[not_found]"]);
}

#[test]
fn faults_are_told() {
    let unknown = heatseek(&["bench", "--synthetic", "mini"], b"");
    assert_fails(&unknown, 1, &["`mini`", "dinov2-small", "[invalid_input]"]);
    assert_fails(&heatseek(&["bench", "--cases", "32"], b""), 2, &["32x128"]);
    // No GPU has it, so nothing is measured, and the only code is that of the reason.
    let nothing =
        heatseek(&["bench", "--quick", "--synthetic", "tiny", "--devices", "gpu", "--dtype", "bf16"], b"");
    let told = String::from_utf8_lossy(&nothing.stderr).into_owned();
    let last = told.lines().last().unwrap_or_default();
    assert_eq!(nothing.status.code(), Some(1), "{told}");
    assert!(last.contains("nothing could be measured") && last.contains("bf16"), "{told}");
    assert_eq!((last.matches('[').count(), last.ends_with("[unsupported]")), (1, true), "{told}");
    assert_fails(&heatseek(&["bench", "--against", "tensorflow"], b""), 2, &["sentence-transformers"]);
    let long = ["bench", "--synthetic", "tiny", "--devices", "cpu", "--cases", "1x400"];
    assert_fails(&heatseek(&long, b""), 1, &["1x400", "160 tokens", "[invalid_input]"]);
}
