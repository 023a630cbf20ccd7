//! `heatseek explain` and `heatseek occlude` as their users run them, on small models.

mod binary;

use serde_json::{Value, json};

use binary::{assert_fails, golden, heatseek, model, rows, scratch, vector};

const QUERY: &str = "how do bees find the way";
const PASSAGE: &str = "A dance in the sun, with honey.";

/// What a command printed about a small model, on the CPU.
fn report(command: &str, model: &str, args: &[&str]) -> Value {
    let base = [command, "--device", "cpu", "--model", &golden(model)];
    let mut lines = rows(&heatseek(&[&base[..], args].concat(), b""));
    assert_eq!(lines.len(), 1);
    lines.remove(0)
}

fn numbers(list: &Value) -> Vec<f64> {
    list.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

/// The embedding of a text, or of a picture if there is one.
fn embedding(model: &str, text: &str, picture: Option<&str>) -> Vec<f64> {
    let base = ["embed", "--device", "cpu", "--model", &golden(model)];
    let image: Vec<&str> = picture.into_iter().flat_map(|picture| ["--image", picture]).collect();
    vector(&rows(&heatseek(&[&base[..], &image].concat(), text.as_bytes()))[0])
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[track_caller]
fn assert_near(actual: f64, expected: f64) {
    assert!((actual - expected).abs() <= 1e-5, "{actual} instead of {expected}");
}

fn picture(name: &str) -> String {
    golden(&format!("images/pictures/{name}"))
}

#[test]
fn the_tokens_of_two_texts_sum_to_their_score() {
    let model = "models/bert-cls-normalize";
    let why = report("explain", model, &["--query", QUERY, "--passage", PASSAGE]);
    let score = why["score"].as_f64().unwrap();
    assert_near(score, dot(&embedding(model, QUERY, None), &embedding(model, PASSAGE, None)));
    for (side, text) in [("query", QUERY), ("passage", PASSAGE)] {
        assert_eq!(why[side]["text"], text);
        let parts = numbers(&why[side]["contributions"]);
        assert_eq!(parts.len(), why[side]["tokens"].as_array().unwrap().len());
        assert_near(parts.iter().sum(), score);
    }
    let similarity = why["similarity"].as_array().unwrap();
    let columns = numbers(&similarity[0]).len();
    assert_eq!(why["shape"], json!([similarity.len(), columns]));
    assert_eq!(columns, why["passage"]["tokens"].as_array().unwrap().len());
}

#[test]
fn a_hit_has_the_score_that_explains_it() {
    let (model, corpus) = (model(), scratch("explained"));
    std::fs::write(corpus.join("honey.txt"), "A dance in the sun.\n\nHoney is in the hive.\n").unwrap();
    let run = |command: &str, args: &[&str]| {
        let base = [command, "--device", "cpu", "--model", model.to_str().unwrap()];
        rows(&heatseek(&[&base[..], args].concat(), b""))
    };
    let hits = run("search", &["--corpus", corpus.to_str().unwrap(), "--json", QUERY]);
    assert!(!hits.is_empty());
    for hit in hits {
        let why = &run("explain", &["--query", QUERY, "--passage", hit["text"].as_str().unwrap()])[0];
        let score = hit["score"].as_f64().unwrap();
        assert_near(why["score"].as_f64().unwrap(), score);
        assert_near(numbers(&why["passage"]["contributions"]).iter().sum(), score);
    }
}

#[test]
fn a_text_is_found_in_a_picture_and_a_picture_in_another() {
    let (bees, still) = (picture("rgb.png"), picture("still.gif"));
    for (model, linear) in [("clip/clip", true), ("clip/siglip", false)] {
        let vector = embedding(model, "", Some(&bees));
        let why = report("explain", model, &["--query", "honey", "--image", &bees]);
        let score = why["score"].as_f64().unwrap();
        assert_near(score, dot(&embedding(model, "honey", None), &vector));
        let tokens = why["shape"][1].as_u64().unwrap();
        assert_eq!((&why["shape"][0], &why["query"]), (&json!(1), &Value::Null));
        let side = &why["passage"];
        let grid = side["grid"]["rows"].as_u64().unwrap() * side["grid"]["columns"].as_u64().unwrap();
        assert_eq!(tokens, side["prefix_tokens"].as_array().unwrap().len() as u64 + grid);
        assert_eq!(side["contributions"].is_array(), linear, "{model}");
        if linear {
            assert_near(numbers(&side["contributions"]).iter().sum(), score);
        }

        let why = report("explain", model, &["--query-image", &still, "--image", &bees]);
        assert_near(why["score"].as_f64().unwrap(), dot(&embedding(model, "", Some(&still)), &vector));
        assert_eq!(why["shape"], json!([tokens, tokens]));
        assert_eq!(why["query"]["grid"], why["passage"]["grid"]);
    }
}

#[test]
fn hiding_words_of_a_text_moves_its_cosine() {
    let model = "models/bert-cls-normalize";
    let own = report("occlude", model, &["--text", PASSAGE]);
    assert_near(own["score"].as_f64().unwrap(), 1.0);
    let other = report("occlude", model, &["--text", PASSAGE, "--against", QUERY]);
    let [passage, query] = [PASSAGE, QUERY].map(|text| embedding(model, text, None));
    assert_near(other["score"].as_f64().unwrap(), dot(&passage, &query));
    for report in [&own, &other] {
        let (falls, tokens) = (numbers(&report["occlusion"]), report["tokens"].as_array().unwrap());
        assert_eq!(falls.len(), tokens.len());
        for (fall, token) in falls.iter().zip(tokens) {
            assert_eq!(*fall == 0.0, token["special"] == true, "{token} {fall}");
        }
    }
    // One word by hand: the text with it hidden, embedded.
    let tokens = own["tokens"].as_array().unwrap();
    let at = tokens.iter().position(|token| token["text"] == "honey").unwrap();
    let hidden = embedding(model, &PASSAGE.replace("honey", "[MASK]"), None);
    assert_near(numbers(&own["occlusion"])[at], 1.0 - dot(&passage, &hidden));
    let fall = dot(&passage, &query) - dot(&hidden, &query);
    assert_near(numbers(&other["occlusion"])[at], fall);
}

#[test]
fn hiding_patches_of_a_picture_moves_its_cosine() {
    let (model, bees) = ("clip/clip", picture("rgb.png"));
    let run = |args: &[&str]| report("occlude", model, &[&["--image", &bees], args].concat());
    let (own, wide) = (run(&[]), run(&["--window", "3"]));
    assert_near(own["score"].as_f64().unwrap(), 1.0);
    let [narrow, wide] = [&own, &wide].map(|report| numbers(&report["occlusion"]));
    let prefix = own["prefix_tokens"].as_array().unwrap().len();
    assert!(prefix > 0 && narrow[..prefix].iter().all(|fall| *fall == 0.0));
    assert!(narrow[prefix..].iter().all(|fall| *fall > 0.0), "{narrow:?}");
    // A square around each patch hides more than the patch.
    assert!(narrow.len() == wide.len() && wide.iter().sum::<f64>() > narrow.iter().sum());
    let text = run(&["--against", "honey"]);
    let expected = dot(&embedding(model, "honey", None), &embedding(model, "", Some(&bees)));
    assert_near(text["score"].as_f64().unwrap(), expected);
    assert_ne!(text["occlusion"], own["occlusion"]);
}

#[test]
fn what_cannot_be_explained_or_hidden_is_told_in_one_line() {
    let fails = |command: &str, model: &str, args: &[&str], status, words: &[&str]| {
        let base = [command, "--device", "cpu", "--model", &golden(model)];
        assert_fails(&heatseek(&[&base[..], args].concat(), b""), status, words);
    };
    let (texts, vision, picture) = ("models/bert-e5", "vision/deit", picture("rgb.png"));
    fails("explain", texts, &["--query", "a"], 2, &["--passage"]);
    fails("explain", texts, &["--passage", "a"], 2, &["--query"]);
    fails("explain", texts, &["--query", "a", "--passage", "b", "--image", &picture], 2, &["cannot be used"]);
    let unknown = ["--query", "a", "--passage", "b", "--query-prompt-name", "tune"];
    fails("explain", texts, &unknown, 1, &["tune", "[invalid_input]"]);
    fails("explain", texts, &["--query", "a", "--image", &picture], 1, &["no vision model"]);
    fails("explain", vision, &["--query", "a", "--passage", "b"], 1, &["vision model", "--image"]);
    fails("explain", vision, &["--query", "a", "--image", &picture], 1, &["vision model"]);
    fails("explain", vision, &["--query-image", "no such.png", "--image", &picture], 1, &["no such.png"]);
    let mixed = ["--query-image", &picture, "--passage", "b"];
    fails("explain", texts, &mixed, 2, &["--query-image", "--passage"]);

    fails("occlude", texts, &[], 2, &["--text"]);
    fails("occlude", texts, &["--text", "a", "--window", "2"], 2, &["--text", "--window"]);
    fails("occlude", texts, &["--text", "a", "--prompt-name", "tune"], 1, &["tune", "[invalid_input]"]);
    fails("occlude", vision, &["--text", "a"], 1, &["vision model", "--image"]);
    fails("occlude", vision, &["--image", &picture, "--against", "a"], 1, &["vision model"]);
    let none = ["--image", &picture, "--window", "0"];
    fails("occlude", vision, &none, 1, &["window: got 0", "1 or more patches", "[invalid_input]"]);
}
