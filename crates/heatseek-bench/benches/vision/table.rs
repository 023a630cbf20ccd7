//! Rows for people and for files.

use serde_json::{Value, json};

/// The middle one.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

/// A row of `case`: medians in milliseconds by side.
pub fn row(case: &str, about: &Value, sides: &[(&str, &[f64])]) -> Value {
    let mut row = json!({ "case": case, "dtype": "fp32" });
    for (side, times) in sides {
        row[format!("{side}_ms")] = json!(median(times));
        row["n"] = json!(times.len());
    }
    if let (Some(row), Some(about)) = (row.as_object_mut(), about.as_object()) {
        row.extend(about.clone());
    }
    row
}

/// The same for two sides, with the ratio of the first to the second round by round.
pub fn pair(case: &str, about: &Value, sides: [(&str, &[f64]); 2]) -> Value {
    let [(_, top), (_, bottom)] = sides;
    let ratios: Vec<f64> = top.iter().zip(bottom).map(|(top, bottom)| top / bottom).collect();
    let mut row = row(case, about, &sides);
    row["ratio"] = json!(median(&ratios));
    row["ratio_min"] = json!(ratios.iter().copied().fold(f64::INFINITY, f64::min));
    row["ratio_max"] = json!(ratios.iter().copied().fold(0.0, f64::max));
    row
}

/// One line of the table.
pub fn print(row: &Value) {
    let text = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
    let number = |name: &str| row[name].as_f64();
    let side = |name: &str| number(&format!("{name}_ms")).map(|ms| format!("{name} {ms:.1} ms"));
    let sides: Vec<String> = ["ours", "peer", "forward"].into_iter().filter_map(side).collect();
    let ratios = ["ratio", "ratio_min", "ratio_max"].map(number);
    let ratio = match ratios {
        [Some(ratio), Some(min), Some(max)] => format!("{ratio:.2}x [{min:.2}-{max:.2}]"),
        _ => String::new(),
    };
    println!(
        "{} {} threads  {:<28} {:<36} {ratio} n={} {}",
        text("device"),
        row["threads"],
        text("case"),
        sides.join("  "),
        row["n"],
        text("peer"),
    );
}
