//! Rows for people and for files.

use serde_json::{Value, json};

/// The middle one.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

/// A row of `case`: both sides' medians in milliseconds, and the ratio of `top` to `bottom` round by round.
pub fn row(case: &str, about: &Value, [top, bottom]: [(&str, &[f64]); 2]) -> Value {
    let ratios: Vec<f64> = top.1.iter().zip(bottom.1).map(|(top, bottom)| top / bottom).collect();
    let mut row = json!({
        "case": case,
        "dtype": "fp32",
        "ratio": median(&ratios),
        "ratio_min": ratios.iter().copied().fold(f64::INFINITY, f64::min),
        "ratio_max": ratios.iter().copied().fold(0.0, f64::max),
        "n": ratios.len(),
    });
    row[format!("{}_ms", top.0)] = json!(median(top.1));
    row[format!("{}_ms", bottom.0)] = json!(median(bottom.1));
    if let (Some(row), Some(about)) = (row.as_object_mut(), about.as_object()) {
        row.extend(about.clone());
    }
    row
}

/// One line of the table.
pub fn print(row: &Value) {
    let text = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
    let number = |name: &str| row[name].as_f64();
    let side = |name: &str| number(&format!("{name}_ms")).map(|ms| format!("{name} {ms:.1} ms"));
    let sides: Vec<String> = ["ours", "peer", "forward"].into_iter().filter_map(side).collect();
    let [ratio, min, max] = ["ratio", "ratio_min", "ratio_max"].map(|n| number(n).unwrap_or(f64::NAN));
    println!(
        "{:<4} {} threads  {:<22} {:<36} {ratio:.2}x [{min:.2}-{max:.2}] n={} {}",
        text("device"),
        row["threads"],
        text("case"),
        sides.join("  "),
        row["n"],
        text("peer"),
    );
}
