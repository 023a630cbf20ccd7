//! Words and scores against regex, unicodedata and bm25s.

use std::path::Path;

use heatseek_search::{TextIndex, TextOptions, words};
use heatseek_testkit::random;
use serde_json::Value;

fn golden() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/bm25.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap()
}

fn text_of(golden: &Value, text: &Value) -> String {
    let sentence = |at: &Value| golden["sentences"][at.as_u64().unwrap() as usize]["text"].as_str().unwrap();
    list(text).iter().map(sentence).collect::<Vec<_>>().join(" ")
}

#[test]
fn words_are_those_of_regex_and_unicodedata() {
    let golden = golden();
    for sentence in list(&golden["sentences"]) {
        let text = sentence["text"].as_str().unwrap();
        for (name, fold_accents) in [("words", false), ("folded", true)] {
            assert_eq!(Value::from(words(text, fold_accents)), sentence[name], "{text}");
        }
    }
}

#[test]
fn scores_are_those_of_bm25s_after_any_changes() {
    let golden = golden();
    let texts: Vec<String> = list(&golden["texts"]).iter().map(|text| text_of(&golden, text)).collect();
    let mut compared = 0;
    for (seed, state) in list(&golden["states"]).iter().enumerate() {
        let number = |name: &str| state[name].as_f64().unwrap() as f32;
        let fold_accents = state["fold_accents"].as_bool().unwrap();
        let options = TextOptions { k1: number("k1"), b: number("b"), fold_accents };
        let removed: Vec<usize> =
            list(&state["removed"]).iter().map(|at| at.as_u64().unwrap() as usize).collect();
        let mut index = TextIndex::new(options).unwrap();
        // Wrong texts at first and a third time, so that most additions replace and some come behind removals.
        for (at, r) in (0..texts.len()).zip(random(seed as u64, texts.len())) {
            index.add(at as u64, &texts[r as usize % texts.len()]);
        }
        for (at, r) in (0..texts.len()).rev().zip(random(seed as u64 + 9, texts.len())) {
            if r & 1 == 0 {
                index.remove(at as u64);
                index.add(at as u64, "bees the 東京 nothing");
            }
            index.add(at as u64, &texts[at]);
        }
        for at in &removed {
            assert!(index.remove(*at as u64) && !index.remove(*at as u64));
        }
        assert_eq!(index.len(), texts.len() - removed.len());
        for (query, scores) in list(&golden["queries"]).iter().zip(list(&state["scores"])) {
            let query = query.as_str().unwrap();
            let scores = scores.as_object().unwrap();
            let found = index.search(query, usize::MAX, None);
            assert_eq!(found.len(), scores.len(), "{query}");
            for hit in &found {
                let expected = scores[&hit.id.to_string()].as_f64().unwrap();
                let error = (f64::from(hit.score) - expected).abs();
                // An f32's rounding, and the golden's ninth digit.
                assert!(error <= 1e-7 * expected, "{query}: {} scores {} not {expected}", hit.id, hit.score);
                let given = index.explain(query, hit.id);
                let sum: f32 = given.iter().map(|word| word.score).sum();
                assert!((sum - hit.score).abs() <= 1e-6 * hit.score, "{query}: {given:?}");
                compared += 1;
            }
            let best = index.search(query, 3, Some(&|id| id % 2 == 0));
            let even: Vec<_> = found.iter().copied().filter(|hit| hit.id % 2 == 0).take(3).collect();
            assert_eq!(best, even, "{query}: a filter changes no score");
        }
    }
    assert!(compared > 500, "{compared}");
}

#[test]
fn what_is_removed_leaves_nothing() {
    let mut index = TextIndex::new(TextOptions::default()).unwrap();
    index.add(7, "bees dance");
    index.add(3, "bees bees");
    index.add(9, "");
    assert_eq!((index.len(), index.contains(7), index.contains(8)), (3, true, false));
    assert_eq!(index.search("bees", 9, None).iter().map(|hit| hit.id).collect::<Vec<_>>(), [3, 7]);
    let given = &index.explain("dance! bees, bees", 7)[1];
    assert_eq!((given.word.as_str(), given.frequency, given.texts), ("bees", 1, 2));
    assert!([3, 7, 9].into_iter().all(|id| index.remove(id)));
    assert!(index.is_empty() && index.search("bees", 9, None).is_empty());
    assert!(index.explain("bees", 7).is_empty());
    // Texts of no word at all have no mean length.
    index.add(1, "!");
    assert!(index.search("bees !", 9, None).is_empty());
}

#[test]
fn settings_out_of_range_are_named() {
    let with = |k1: f32, b: f32| TextIndex::new(TextOptions { k1, b, fold_accents: false });
    assert!(with(0.0, 0.0).is_ok() && with(100.0, 1.0).is_ok());
    for (k1, b, said) in [
        (-1.0, 0.5, "`k1` is -1; expected a number of 0 or more"),
        (f32::NAN, 0.5, "`k1` is NaN; expected a number of 0 or more"),
        (1.2, 1.5, "`b` is 1.5; expected a number from 0 to 1"),
    ] {
        assert_eq!(with(k1, b).unwrap_err().to_string(), said);
    }
}
