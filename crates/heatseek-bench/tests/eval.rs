//! `heatseek eval` from outside, on a small random model.

#[allow(dead_code, reason = "other tests of the binary use more of it")]
mod binary;

use std::fs;

use binary::{assert_fails, golden, heatseek, rows, scratch};
use serde_json::Value;

/// Writes the three files and runs the command; queries are the documents themselves.
fn eval(name: &str, qrels: &str, more: &[&str]) -> std::process::Output {
    let folder = scratch(name);
    let texts =
        ["bees dance", "bread rises because yeast makes gas", "the moon is far away", "a cat", "two rivers"];
    let lines = |what: &str| -> String {
        let line = |(at, text): (usize, &&str)| format!("{{\"_id\":\"{what}{at}\",\"text\":\"{text}\"}}\n");
        texts.iter().enumerate().map(line).collect()
    };
    let paths = ["corpus.jsonl", "queries.jsonl", "qrels.tsv"].map(|file| folder.join(file));
    for (path, text) in paths.iter().zip([&lines("d"), &lines("q"), qrels]) {
        fs::write(path, text).unwrap();
    }
    let [corpus, queries, qrels] = paths.map(|path| path.display().to_string());
    let model = golden("models/bert-no-st");
    let mut args = vec!["eval", "--device", "cpu", "--model", &model];
    args.extend(["--corpus", &corpus, "--queries", &queries, "--qrels", &qrels]);
    args.extend(more);
    heatseek(&args, b"")
}

const SAME: &str = "query-id\tcorpus-id\tscore\nq0\td0\t1\nq1\td1\t1\nq2\td2\t2\nq3\td3\t1\nq4\td4\t0\n";
const WRONG: &str = "query-id\tcorpus-id\tscore\nq0\td1\t1\nq1\td0\t1\n";

fn of<'a>(report: &'a Value, pooling: &str) -> &'a Value {
    let poolers = report["poolers"].as_array().unwrap();
    poolers.iter().find(|row| row["pooling"] == pooling).unwrap_or_else(|| panic!("no {pooling} in {report}"))
}

#[test]
fn a_text_finds_itself() {
    let out = scratch("eval-out");
    let folder = out.display().to_string();
    let poolings = ["--pooling", "max,last,none", "--pooling", "gem:p=4", "--pooling", "auto"];
    let report = rows(&eval("eval-same", SAME, &[&poolings[..], &["--json", "--out", &folder]].concat()));
    let report: Value = report.into_iter().next().unwrap();
    assert_eq!((&report["queries"], &report["queries_left_out"]), (&4.into(), &1.into()));
    assert_eq!(report["poolers"].as_array().unwrap().len(), 5);
    assert_eq!(report["poolers"][0]["pooling"], "mean", "the model's own is first");
    assert!(report["poolers"][0]["difference"].is_null());
    for pooling in ["mean", "max", "last", "none", "gem:p=4"] {
        let row = of(&report, pooling);
        assert_eq!(row["ndcg_at_10"]["value"], 1.0, "{row}");
        assert_eq!(row["recall"]["1"]["low"], 1.0, "{row}");
    }
    assert!(of(&report, "none")["vectors_a_document"].as_f64().unwrap() > 2.0);
    let kept = fs::read_to_string(out.join("report.json")).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&kept).unwrap(), report);
    assert!(
        fs::read_to_string(out.join("report.md")).unwrap().contains("| gem:p=4 | 1.000 [1.000, 1.000] |")
    );
    assert_eq!(fs::read_to_string(out.join("report.svg")).unwrap().matches("<circle").count(), 9);
}

#[test]
fn what_is_not_first_counts_less() {
    let report = rows(&eval("eval-wrong", WRONG, &["--pooling", "mean", "-k", "1,5", "--json"]));
    let row = of(&report[0], "mean");
    assert_eq!(row["recall"]["1"]["value"], 0.0);
    assert_eq!(row["recall"]["5"]["value"], 1.0);
    let ndcg = row["ndcg_at_10"]["value"].as_f64().unwrap();
    assert!(ndcg > 0.3 && ndcg < 0.64, "{ndcg}");
    assert_eq!(report[0]["poolers"].as_array().unwrap().len(), 1);
}

#[test]
fn all_that_need_no_training_are_evaluated_by_default() {
    let output = eval("eval-all", SAME, &["--bootstrap", "50"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success());
    for pooling in ["cls", "weightedmean", "gem", "cluster", "landmark", "map_weighted"] {
        assert!(text.lines().any(|line| line.starts_with(&format!("{pooling} "))), "{pooling}: {text}");
    }
    assert!(text.contains("1 queries have no relevant document"), "{text}");
}

#[test]
fn faults_are_told() {
    let bad = SAME.replace("q1\td1", "q1\td9");
    assert_fails(&eval("eval-bad", &bad, &[]), 1, &["qrels.tsv:3", "`d9`", "[invalid_input]"]);
    let unknown = eval("eval-unknown", SAME, &["--pooling", "mena"]);
    assert_fails(&unknown, 1, &["`mena`", "weightedmean", "[invalid_input]"]);
    assert_fails(&eval("eval-option", SAME, &["--pooling", "gem:q=3"]), 1, &["`q`", "[invalid_input]"]);
    assert_fails(&eval("eval-k", SAME, &["--k", "x"]), 2, &["--k"]);
}
