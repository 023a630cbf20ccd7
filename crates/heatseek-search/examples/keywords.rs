//! How long it takes to index and to search texts by their words:
//! `cargo run --release -p heatseek-search --example keywords [texts [latin | cyrillic | han]]`.
//!
//! Texts of 100 words from a vocabulary of 200,000, the n-th of them 1 / (n + 2.7) as frequent as Zipf's and Mandelbrot's
//! law has it; words are 2 to 11 letters of Latin, and the same of Cyrillic; and texts of 200 Han characters.

use std::time::Instant;

use heatseek_search::{Filter, TextIndex, TextOptions, fuse};
use heatseek_testkit::random;
use serde_json::{Value, json};

const VOCABULARY: usize = 200_000;

fn main() {
    let count = std::env::args().nth(1).map_or(100_000, |count| count.parse().expect("a number of texts"));
    let only = std::env::args().nth(2);
    let wanted = |name: &str| only.as_ref().is_none_or(|only| only == name);
    for (name, first, letters) in [("latin", 'a', 26), ("cyrillic", 'а', 32)] {
        if !wanted(name) {
            continue;
        }
        let vocabulary: Vec<String> = random(1, VOCABULARY)
            .into_iter()
            .map(|r| (0..2 + r % 10).map(|at| letter(first, (r >> (at * 5 + 4)) % 32 % letters)).collect())
            .collect();
        let texts: Vec<String> = random(2, count)
            .into_iter()
            .map(|seed| {
                let mut text = String::new();
                for (at, r) in random(seed, 100).into_iter().enumerate() {
                    let word = &vocabulary[zipf(r)];
                    // A sentence of ten words.
                    match at % 10 {
                        0 => text.extend(
                            word.chars().flat_map(char::to_uppercase).take(1).chain(word.chars().skip(1)),
                        ),
                        _ => text.push_str(word),
                    }
                    text.push_str(if at % 10 == 9 { ". " } else { " " });
                }
                text
            })
            .collect();
        let queries = random(3, 200).into_iter().map(|seed| {
            random(seed, 4).into_iter().map(|r| vocabulary[zipf(r)].as_str()).collect::<Vec<_>>().join(" ")
        });
        measure(name, &texts, queries.collect());
    }
    if !wanted("han") {
        return;
    }
    let han = |seed: u64, len: usize| -> String {
        // About as many characters as are common, by the same law.
        random(seed, len).into_iter().map(|r| letter('一', zipf(r) as u64 % 5000)).collect()
    };
    let texts: Vec<String> = random(4, count / 4).into_iter().map(|seed| han(seed, 200)).collect();
    measure("han", &texts, random(5, 200).into_iter().map(|seed| han(seed, 4)).collect());
}

fn letter(first: char, at: u64) -> char {
    char::from_u32(u32::from(first) + at as u32).unwrap_or(first)
}

/// The inverse of the sum of 1 / (n + 2.7).
fn zipf(r: u64) -> usize {
    let share = (r >> 11) as f64 / (1u64 << 53) as f64;
    let ratio = (VOCABULARY as f64 + 2.7) / 2.7;
    ((2.7 * (ratio.powf(share) - 1.0)) as usize).min(VOCABULARY - 1)
}

fn measure(name: &str, texts: &[String], queries: Vec<String>) {
    let start = Instant::now();
    let mut index = TextIndex::new(TextOptions::default()).expect("the defaults are in range");
    for (id, text) in (0..).zip(texts) {
        index.add(id, text);
    }
    let built = start.elapsed();
    let bytes: usize = texts.iter().map(String::len).sum();
    let search = |allow: Option<&dyn Fn(u64) -> bool>| {
        let mut times: Vec<f64> = queries
            .iter()
            .map(|query| {
                let start = Instant::now();
                std::hint::black_box(index.search(query, 10, allow));
                start.elapsed().as_secs_f64() * 1e3
            })
            .collect();
        times.sort_by(f64::total_cmp);
        format!("p50 {:.2} ms p95 {:.2} ms", times[times.len() / 2], times[times.len() * 95 / 100])
    };
    let metadata: Vec<Value> =
        (0..texts.len()).map(|at| json!({ "year": 2000 + at % 30, "tags": ["a", "b"] })).collect();
    let filter = Filter::parse(&json!({ "year": { "$gte": 2020 }, "tags": "b" })).expect("a filter");
    let all = search(None);
    let filtered = search(Some(&|id| filter.matches(&metadata[id as usize])));
    let every = index.search(&queries[0], usize::MAX, None);
    let start = Instant::now();
    let fused = fuse(&[(&every, 0.5), (&every, 0.5)], Default::default(), usize::MAX)
        .expect("weights in range")
        .len();
    let fusing = start.elapsed().as_secs_f64() * 1e3;
    let start = Instant::now();
    (0..texts.len() as u64 / 2 + 1).for_each(|id| assert!(index.remove(id)));
    println!(
        "{name}: {} texts, {:.1} MB, built in {:.2} s; searched: {all}; with a filter: {filtered}; {fused} hits fused in \
         {fusing:.2} ms; half of it removed in {:.2} s",
        texts.len(),
        bytes as f64 / 1e6,
        built.as_secs_f64(),
        start.elapsed().as_secs_f64(),
    );
}
