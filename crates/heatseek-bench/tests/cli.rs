//! The binary as its users run it, on the real model.

mod binary;

use std::io::Write;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use binary::{assert_fails, golden, heatseek, model, rows, scratch, vector};

fn embed(args: &[&str], input: &[u8]) -> Output {
    let model = model();
    heatseek(&[&["embed", "--device", "cpu", "--model", model.to_str().unwrap()], args].concat(), input)
}

#[test]
fn info_describes_model_and_devices() {
    let in_the_way = scratch("info-cache").join("file");
    std::fs::write(&in_the_way, "where a folder should be").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_heatseek"));
    command.args(["info", "--model", model().to_str().unwrap()]).env("HEATSEEK_CACHE", &in_the_way);
    let info = &rows_of_one(&command.output().unwrap());
    let why = info["cache"]["unavailable"].as_str().unwrap();
    assert!(why.contains(in_the_way.to_str().unwrap()) && why.contains("set HEATSEEK_CACHE"), "{why}");
    assert_eq!(info["architecture"], "bert");
    assert_eq!(info["pooling"], "mean");
    assert_eq!(info["normalize"], true);
    for (field, size) in [
        ("hidden_size", 384),
        ("num_hidden_layers", 6),
        ("vocab_size", 30_522),
        ("max_length", 256),
        ("max_position_embeddings", 512),
        ("embedding_dim", 384),
    ] {
        assert_eq!(info[field], size, "{field}");
    }
    let kinds: Vec<&str> =
        info["devices"].as_array().unwrap().iter().map(|d| d["kind"].as_str().unwrap()).collect();
    assert!(kinds.starts_with(&["reference", "cpu"]), "{kinds:?}");
}

fn rows_of_one(output: &Output) -> Value {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn embeds_one_text_a_line_in_order() {
    // Windows line ends, an empty line, and no end of line at the end.
    let rows = rows(&embed(&[], "how do bees navigate\r\n\nwords \u{65e5}\u{672c}".as_bytes()));
    assert_eq!(rows.len(), 3);
    let tokens: Vec<u64> = rows.iter().map(|row| row["tokens"].as_u64().unwrap()).collect();
    assert_eq!(tokens, [6, 2, 5]);
    for (at, row) in rows.iter().enumerate() {
        assert_eq!(row["index"], at);
        let length: f64 = vector(row).iter().map(|v| v * v).sum();
        assert!((length - 1.0).abs() < 1e-5, "{length}");
    }
    let alone = rows_of_one(&embed(&[], b"how do bees navigate\n"));
    let apart = vector(&alone).iter().zip(vector(&rows[0])).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    assert!(apart <= 2e-6, "alone and in a batch differ by {apart}");
}

#[test]
fn no_text_gives_no_line() {
    assert!(rows(&embed(&[], b"")).is_empty());
    assert_eq!(rows(&embed(&[], b"\n")).len(), 1);
}

#[test]
fn options_change_what_they_say() {
    let text = b"a fairly long sentence about nothing in particular\n";
    let cut = rows_of_one(&embed(&["--max-length", "5"], text));
    assert_eq!(cut["tokens"], 5);
    let raw = rows_of_one(&embed(&["--normalize", "false", "--pooling", "cls", "--hidden"], text));
    let hidden = raw["hidden"].as_array().unwrap();
    assert_eq!(hidden.len() as u64, raw["tokens"].as_u64().unwrap());
    assert_eq!(hidden[0], raw["embedding"], "cls pooling is the first token's hidden state");
}

#[test]
fn a_matrix_holds_the_same_numbers() {
    let path = scratch("npy").join("x.npy");
    let json = rows(&embed(&[], b"one\ntwo\n"));
    let output = embed(&["--output", path.to_str().unwrap()], b"one\ntwo\n");
    assert!(output.status.success() && output.stdout.is_empty());
    let bytes = std::fs::read(&path).unwrap();
    assert_eq!(&bytes[..8], b"\x93NUMPY\x01\x00");
    let header = std::str::from_utf8(&bytes[10..128]).unwrap();
    assert!(header.contains("'descr': '<f4'") && header.contains("'shape': (2, 384)"), "{header}");
    let numbers: Vec<f32> =
        bytes[128..].chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
    let expected: Vec<f32> = json.iter().flat_map(vector).map(|v| v as f32).collect();
    assert_eq!(numbers, expected, "JSON has every digit of the f32");
}

#[test]
fn bad_input_is_one_clear_line() {
    assert_fails(
        &embed(&[], b"fine\nb\xffd\n"),
        1,
        &["standard input", "byte 6", "line 2", "[invalid_input]"],
    );
    assert_fails(&embed(&["--input", "no/such/file"], b""), 1, &["no/such/file", "[not_found]"]);
    assert_fails(&embed(&["--max-length", "513"], b"x\n"), 1, &["513", "512", "[invalid_input]"]);
    assert_fails(&embed(&["--prompt-name", "tune"], b"x\n"), 1, &["tune", "[invalid_input]"]);
    assert_fails(
        &heatseek(&["embed", "--model", "no/such/model"], b""),
        1,
        &["no/such/model", "[not_found]"],
    );
    assert_fails(&heatseek(&["models", "fetch", "no-such-model"], b""), 1, &["no-such-model", "MiniLM"]);
    assert_fails(&embed(&["--pooling", "median"], b""), 2, &["median", "mean"]);
    assert_fails(&heatseek(&["embed", "--model", "x", "--device", "abacus"], b""), 2, &["abacus", "cpu"]);
    assert_fails(&heatseek(&["dance"], b""), 2, &["dance"]);
}

#[test]
fn nobody_reading_is_no_failure() {
    let model = model();
    let mut child = Command::new(env!("CARGO_BIN_EXE_heatseek"))
        .args(["embed", "--device", "cpu", "--model", model.to_str().unwrap()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    child.stdin.take().unwrap().write_all(b"one\ntwo\n").unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
}

#[test]
fn search_finds_the_passage_and_its_line() {
    let corpus = scratch("corpus");
    std::fs::create_dir_all(corpus.join("deep")).unwrap();
    std::fs::write(corpus.join("bread.txt"), "Knead the dough until it is smooth.\n").unwrap();
    std::fs::write(corpus.join("deep/bees.md"), "\n\nBees find their way by the sun.\n").unwrap();
    std::fs::write(corpus.join("picture.png"), [0xff, 0xd8]).unwrap();
    let model = model();
    let search = |more: &[&str]| {
        let corpus = corpus.to_str().unwrap();
        let args = ["search", "--device", "cpu", "--model", model.to_str().unwrap(), "--corpus", corpus];
        heatseek(&[&args, more].concat(), b"")
    };
    let hits = rows(&search(&["--json", "-k", "5", "how do insects navigate"]));
    assert_eq!(hits.len(), 2);
    assert!(hits[0]["path"].as_str().unwrap().ends_with("bees.md"), "{hits:?}");
    assert_eq!(hits[0]["line"], 3);
    assert_eq!(hits[0]["text"], "Bees find their way by the sun.");
    assert!(hits[0]["score"].as_f64() > hits[1]["score"].as_f64());
    let printed = search(&["-k", "1", "how do insects navigate"]);
    assert!(String::from_utf8_lossy(&printed.stdout).contains("bees.md:3"), "{printed:?}");
}

#[test]
fn an_index_in_a_folder_follows_its_files() {
    let (corpus, kept, model) = (scratch("kept-corpus"), scratch("kept").join("index"), model());
    let write = |name: &str, text: &str| std::fs::write(corpus.join(name), text).unwrap();
    write("bread.txt", "Knead the dough until it is smooth.\n");
    write("bees.md", "# Bees\n\nThey find their way by the sun.\n");
    let run = |more: &[&str]| {
        let args = ["search", "--device", "cpu", "--model", model.to_str().unwrap()];
        let index = ["--index", kept.to_str().unwrap(), "--storage", "int8", "--json"];
        heatseek(&[&args, &index, more, &["how do insects navigate"]].concat(), b"")
    };
    let from_files = ["--corpus", corpus.to_str().unwrap()];
    let texts = |output: &Output| -> Vec<String> {
        rows(output).iter().map(|row| row["text"].as_str().unwrap().to_owned()).collect()
    };
    let (bees, bread) = ("# Bees\n\nThey find their way by the sun.", "Knead the dough until it is smooth.");
    assert_eq!(texts(&run(&from_files)), [bees, bread]);
    let all_files =
        || std::fs::read_dir(&kept).unwrap().map(|entry| entry.unwrap().file_name()).collect::<Vec<_>>();
    let before = all_files();
    // Nothing has changed, so nothing is written; and the corpus is not needed.
    assert_eq!(texts(&run(&from_files)), [bees, bread]);
    assert_eq!(all_files(), before);
    assert_eq!(texts(&run(&[])), [bees, bread]);
    write("bread.txt", "Wasps build with paper.\n");
    std::fs::remove_file(corpus.join("bees.md")).unwrap();
    assert_eq!(texts(&run(&from_files)), ["Wasps build with paper."]);
    assert_eq!(texts(&run(&[])), ["Wasps build with paper."]);
    assert_eq!(texts(&run(&["--hybrid=1", "--per-document", "1", "--threshold", "5"])), [""; 0]);
    let other = run(&["--pooling", "max"]);
    let told = String::from_utf8_lossy(&other.stderr);
    assert!(
        other.status.code() == Some(1) && told.contains("made with pooling `auto` (not `max`)"),
        "{told}"
    );
    assert_fails(&run(&["--hybrid=2"]), 1, &["weight", "[invalid_input]"]);
    // A last change that is damaged is given up only if that is asked for.
    write("ants.txt", "Ants follow a scent.\n");
    assert_eq!(texts(&run(&from_files)).len(), 2);
    let newest =
        all_files().into_iter().filter(|name| name.to_string_lossy().starts_with("documents-")).max();
    let newest = kept.join(newest.unwrap());
    let whole = std::fs::read(&newest).unwrap();
    std::fs::write(&newest, &whole[1..]).unwrap();
    assert_fails(&run(&[]), 1, &["documents-", "lost with it: 1 added", "`recover`", "[index_invalid]"]);
    let recovered = run(&["--recover"]);
    assert_eq!(texts(&recovered), ["Wasps build with paper."]);
    assert!(String::from_utf8_lossy(&recovered.stderr).contains("lost with it: 1 added"), "{recovered:?}");
    let nowhere = heatseek(
        &[
            "search",
            "--device",
            "cpu",
            "--model",
            model.to_str().unwrap(),
            "--index",
            "/nowhere/at/all",
            "bees",
        ],
        b"",
    );
    assert_fails(&nowhere, 1, &["/nowhere/at/all", "no index", "[not_found]"]);
}

#[test]
fn a_corpus_without_text_says_so() {
    let (empty, model) = (scratch("empty"), model());
    let (empty, model) = (empty.to_str().unwrap(), model.to_str().unwrap());
    let output = heatseek(&["search", "--model", model, "--corpus", empty, "anything"], b"");
    assert_fails(&output, 1, &[empty, ".txt", "[invalid_input]"]);
}

#[test]
fn pictures_are_embedded_in_order_with_their_grids() {
    let (model, pictures) = (golden("vision/deit"), ["rgb.png", "420.jpg", "still.gif"]);
    let paths = pictures.map(|name| golden(&format!("images/pictures/{name}")));
    let base = ["embed", "--device", "cpu", "--model", &model, "--image", &paths[0], &paths[1], &paths[2]];
    let all = rows(&heatseek(&base, b""));
    assert_eq!(all.len(), 3);
    for (index, row) in all.iter().enumerate() {
        assert_eq!(
            (row["index"].as_u64(), row["image"].as_str()),
            (Some(index as u64), Some(&*paths[index]))
        );
        // 24 pixels a side in patches of 4, a class and a distillation token.
        assert_eq!((row["grid"]["rows"].as_u64(), row["tokens"].as_u64()), (Some(6), Some(38)));
        assert_eq!(vector(row).len(), 48);
    }
    let normalized = rows(&heatseek(&[&base[..], &["--normalize", "true", "--hidden"]].concat(), b""));
    let length: f64 = vector(&normalized[1]).iter().map(|v| v * v).sum();
    assert!((length - 1.0).abs() < 1e-5, "{length}");
    assert_eq!(normalized[1]["hidden"].as_array().unwrap().len(), 38);

    let info = heatseek(&["info", "--model", &model], b"");
    let info: Value = serde_json::from_slice(&info.stdout).unwrap();
    assert_eq!((info["architecture"].as_str(), info["patch_size"].as_u64()), (Some("deit"), Some(4)));
}

#[test]
fn texts_and_pictures_of_one_folder_have_vectors_of_one_kind() {
    let picture = golden("images/pictures/rgb.png");
    for (name, width) in [("clip/clip", 24), ("clip/siglip", 48)] {
        let model = golden(name);
        let base = ["embed", "--device", "cpu", "--model", &model];
        let outputs =
            [heatseek(&base, b"honey"), heatseek(&[&base[..], &["--image", &picture]].concat(), b"")];
        for output in outputs {
            let vector = vector(&rows(&output)[0]);
            let squares: f64 = vector.iter().map(|v| v * v).sum();
            assert!(vector.len() == width && (squares - 1.0).abs() < 1e-5, "{name}: {vector:?}");
        }
        let info = heatseek(&["info", "--model", &model], b"");
        let info: Value = serde_json::from_slice(&info.stdout).unwrap();
        assert_eq!(
            (&info["embedding_dim"], &info["vision"]["embedding_dim"]),
            (&width.into(), &width.into())
        );
    }
}

#[test]
fn what_is_no_picture_or_no_vision_model_is_told_in_one_line() {
    let vision = golden("vision/deit");
    let embed = |model: &str, picture: &str| {
        heatseek(&["embed", "--device", "cpu", "--model", model, "--image", picture], b"")
    };
    let config = golden("vision/deit/config.json");
    assert_fails(&embed(&vision, &config), 1, &["config.json", "JSON", "PNG, JPEG", "invalid_input"]);
    assert_fails(&embed(&vision, "no such.png"), 1, &["no such.png", "not_found"]);
    let picture = golden("images/pictures/rgb.png");
    let texts = model();
    assert_fails(&embed(texts.to_str().unwrap(), &picture), 1, &["no vision model", "dinov2-small"]);
    let text_to_vision = heatseek(&["embed", "--device", "cpu", "--model", &vision], b"words");
    assert_fails(&text_to_vision, 1, &["vision model", "--image"]);
}

#[test]
fn attention_comes_as_json_numbers_and_a_picture() {
    let vision = golden("vision/deit");
    let picture = golden("images/pictures/rgb.png");
    let base = ["attention", "--device", "cpu", "--model", &vision, "--image", &picture];
    let json = |more: &[&str]| {
        let output = heatseek(&[&base[..], more].concat(), b"");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice::<Value>(&output.stdout).unwrap()
    };
    let one = json(&["--layers", "1", "--heads", "2,0"]);
    assert_eq!(one["shape"], serde_json::json!([1, 2, 38, 38]));
    assert_eq!(one["heads"], serde_json::json!([2, 0]));
    assert_eq!(one["prefix_tokens"], serde_json::json!(["cls", "distillation"]));
    let row = one["attention"][0][1][37].as_array().unwrap();
    let sum: f64 = row.iter().map(|v| v.as_f64().unwrap()).sum();
    assert!((sum - 1.0).abs() < 1e-5, "{sum}");
    assert_eq!(json(&["--reduce", "mean"])["shape"], serde_json::json!([2, 1, 38, 38]));
    // The one row asked about is that of all rows; a rollout may be of the same token.
    let query = json(&["--layers", "1", "--heads", "0", "--query", "37"]);
    assert_eq!(query["shape"], serde_json::json!([1, 1, 1, 38]));
    assert_eq!(query["attention"][0][0][0], one["attention"][0][1][37]);
    for reduce in [&["--reduce", "rollout"][..], &["--reduce", "rollout", "--discard-ratio", "0.9"]] {
        let rollout = json(&[reduce, &["--query", "37", "--residual", "0.3", "--fusion", "max"]].concat());
        assert_eq!(rollout["shape"], serde_json::json!([1, 1, 1, 38]));
        assert_eq!(rollout["layers"], serde_json::json!([0, 1]));
        let row = rollout["attention"][0][0][0].as_array().unwrap();
        let sum: f64 = row.iter().map(|v| v.as_f64().unwrap()).sum();
        assert!((sum - 1.0).abs() < 1e-5, "{sum}");
    }
    assert_eq!(json(&["--reduce", "flow", "--query", "0"])["shape"], serde_json::json!([1, 1, 1, 38]));

    let folder = std::env::temp_dir().join(format!("heatseek-attention-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    for (name, begins) in [("map.npy", &b"\x93NUMPY"[..]), ("map.png", b"\x89PNG"), ("map.json", b"{")] {
        let path = folder.join(name);
        let output = heatseek(&[&base[..], &["--output", path.to_str().unwrap()]].concat(), b"");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(std::fs::read(&path).unwrap().starts_with(begins), "{name}");
    }
    let bytes = std::fs::read(folder.join("map.npy")).unwrap();
    assert!(String::from_utf8_lossy(&bytes[..128]).contains("(2, 3, 38, 38)"));
    assert_eq!(bytes.len(), 128 + 4 * 2 * 3 * 38 * 38);
    std::fs::remove_dir_all(&folder).unwrap();

    let wrong = |more: &[&str]| heatseek(&[&base[..], more].concat(), b"");
    assert_fails(&wrong(&["--layers", "2"]), 1, &["layers", "got 2", "0 to 1", "invalid_input"]);
    assert_fails(&wrong(&["--heads", "3"]), 1, &["heads", "0 to 2"]);
    assert_fails(&wrong(&["--query", "38"]), 1, &["query", "got 38", "38 tokens", "invalid_input"]);
    assert_fails(&wrong(&["--reduce", "flow"]), 1, &["query", "got none", "invalid_input"]);
    for (option, what) in [("--residual", "residual"), ("--discard-ratio", "discard ratio")] {
        for share in ["=1", "=-0.1", "=NaN"] {
            let option = format!("{option}{share}");
            assert_fails(&wrong(&["--reduce", "rollout", &option]), 1, &[what, "less than 1"]);
        }
    }
    assert_fails(&wrong(&["--output", "map.gif"]), 1, &["map.gif", ".json, .npy or .png"]);
}

#[test]
fn attention_of_a_text_says_what_each_token_covers() {
    let text = golden("models/bert-cls-normalize");
    let args = ["attention", "--device", "cpu", "--model", &text, "--text", "é bees", "--layers", "0"];
    let output = heatseek(&args, b"");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let tokens = report["tokens"].as_array().unwrap();
    assert_eq!(report["shape"], serde_json::json!([1, 4, tokens.len(), tokens.len()]));
    assert_eq!(tokens[0]["special"], true);
    // Characters, not bytes: the accented letter is one.
    let bees = tokens.iter().find(|token| token["text"].as_str().unwrap().starts_with("bee")).unwrap();
    assert_eq!(bees["start"], 2, "{tokens:?}");
}

#[test]
fn an_analysis_says_what_every_head_and_layer_does() {
    let report = |args: &[&str]| {
        let output = heatseek(&[&["analyze", "--device", "cpu"], args].concat(), b"");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice::<Value>(&output.stdout).unwrap()
    };
    let (texts, vision) = (golden("models/bert-no-st"), golden("vision/deit"));
    let text = report(&["--model", &texts, "--text", "bees dance", "--layers", "1"]);
    assert_eq!((&text["layers"], &text["heads"]), (&serde_json::json!([1]), &serde_json::json!(2)));
    let entropy = text["entropy"][0].as_array().unwrap();
    let tokens = text["tokens"].as_array().unwrap().len() as f64;
    assert!(entropy.len() == 2 && entropy.iter().all(|e| (0.0..tokens.ln()).contains(&e.as_f64().unwrap())));
    assert!(text["graph"][0]["type"].is_string() && text["distance"].is_null());
    // Of all layers, whichever are analysed.
    assert_eq!(text["rank"]["attention_only"].as_array().unwrap().len(), 3);

    let picture = report(&["--model", &vision, "--image", &golden("images/pictures/rgb.png")]);
    let size = |value: &Value| value.as_array().unwrap().len();
    let (rows, columns) =
        (picture["grid"]["rows"].as_u64().unwrap(), picture["grid"]["columns"].as_u64().unwrap());
    let map = &picture["aligned"][1][2];
    assert_eq!([size(map), size(&map[0])], [2 * rows as usize - 1, 2 * columns as usize - 1]);
    assert_eq!([size(&picture["offsets"][1]), size(&picture["clusters"])], [3, 6]);
    assert_eq!(picture["clusters"][5]["head"], 2);

    let wrong =
        heatseek(&["analyze", "--device", "cpu", "--model", &texts, "--text", "a", "--layers", "2"], b"");
    assert_fails(&wrong, 1, &["layers", "got 2", "0 to 1", "invalid_input"]);
}

#[test]
fn poolings_have_options_several_vectors_and_weights() {
    let lines = b"how do bees navigate\nhoney\n";
    let output = embed(&["--pooling", "gem:p=2", "--truncate-dim", "5"], lines);
    assert_eq!(vector(&rows(&output)[1]).len(), 5);
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(stderr.matches("warning").count(), 1, "{stderr}");
    assert!(stderr.contains("`mean`") && stderr.contains("`gem`"), "{stderr}");
    assert!(embed(&["--pooling", "mean"], lines).stderr.is_empty());
    for row in rows(&embed(&["--pooling", "none", "--weights"], lines)) {
        let vectors = row["embedding"].as_array().unwrap();
        assert_eq!(vectors.len() as u64, row["tokens"].as_u64().unwrap());
        assert_eq!((vectors[0].as_array().unwrap().len(), row["weights"][1][1].as_f64()), (384, Some(1.0)));
    }
    assert_fails(&embed(&["--pooling", "gem:p=no"], lines), 1, &["gem", "`p`", "[invalid_input]"]);
    assert_fails(&embed(&["--pooling", "meen"], lines), 2, &["meen"]);
}

#[test]
fn precisions_are_written_as_numpy_reads_them() {
    let path = scratch("precision").join("x.npy");
    let floats: Vec<Vec<f64>> = rows(&embed(&[], b"one\ntwo\n")).iter().map(vector).collect();
    for (precision, descr, width) in [("ubinary", "|u1", 48), ("binary", "|i1", 48), ("int8", "|i1", 384)] {
        let output = embed(&["--precision", precision, "--output", path.to_str().unwrap()], b"one\ntwo\n");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let bytes = std::fs::read(&path).unwrap();
        let header = std::str::from_utf8(&bytes[10..128]).unwrap();
        assert!(header.contains(descr) && header.contains(&format!("(2, {width})")), "{header}");
        assert_eq!(bytes.len(), 128 + 2 * width);
        let first = match precision {
            "int8" => {
                if floats[0][0] > floats[1][0] {
                    127
                } else {
                    128
                }
            }
            _ => floats[0][..8].iter().fold(0, |bits, v| 2 * bits + u8::from(*v > 0.0)),
        };
        let offset = if precision == "binary" { 128 } else { 0 };
        let near = (i32::from(bytes[128]) - i32::from(first ^ offset)).abs();
        assert!(near <= i32::from(precision == "int8"), "{precision}: {} and {first}", bytes[128]);
    }
}

#[test]
fn the_table_of_poolers() {
    let all = rows(&heatseek(&["poolers", "--json"], b""));
    let mean = all.iter().find(|row| row["name"] == "mean").unwrap();
    assert_eq!(
        (&mean["kind"], &mean["device"], &mean["several"]),
        (&"training-free".into(), &true.into(), &false.into())
    );
    assert!(all.iter().any(|row| row["name"] == "none" && row["several"] == true));
    let text = String::from_utf8(heatseek(&["poolers"], b"").stdout).unwrap();
    assert!(all.iter().all(|row| text.contains(row["name"].as_str().unwrap())));
}
