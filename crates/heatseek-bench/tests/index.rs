//! `heatseek index`: indexes in folders that are checked, carried elsewhere and read by other programs.

#[allow(dead_code, reason = "other tests of the binary use more of it")]
mod binary;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::{Value, json};

use binary::{assert_fails, heatseek, model, rows, scratch, vector};

const BEES: &str = "Bees find their way by the sun.";
const BREAD: &str = "Knead the dough until it is smooth.";
const WASPS: &str = "Wasps build with paper.";

/// What `heatseek search` with these options finds in an index.
fn search(index: &Path, more: &[&str]) -> Output {
    let model = model();
    let args = ["search", "--device", "cpu", "--model", model.to_str().unwrap(), "--storage", "int8"];
    let kept = ["--json", "--index", index.to_str().unwrap()];
    heatseek(&[&args[..], &kept, more, &["how do insects navigate"]].concat(), b"")
}

fn index(args: &[&str]) -> Output {
    heatseek(&[&["index"], args].concat(), b"")
}

/// An index of two documents in int8, in a segment each; what was removed from the first one's is still in its files.
fn made(name: &str) -> PathBuf {
    let folder = scratch(name);
    let (corpus, kept) = (folder.join("corpus"), folder.join("kept"));
    fs::create_dir(&corpus).unwrap();
    let write = |file: &str, text: &str| fs::write(corpus.join(file), text).unwrap();
    let from_files = ["--corpus", corpus.to_str().unwrap()];
    write("bees.txt", BEES);
    write("bread.txt", BREAD);
    assert_eq!(rows(&search(&kept, &from_files)).len(), 2);
    fs::remove_file(corpus.join("bread.txt")).unwrap();
    write("wasps.md", WASPS);
    assert_eq!(rows(&search(&kept, &from_files)).len(), 2);
    kept
}

/// The names of a folder's files, without that of the lock.
fn files(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).into_iter().flatten();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| name != "writer.lock").collect();
    names.sort();
    names
}

fn printed(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// The type and shape that a `.npy` file says, and its numbers.
fn npy(path: &str) -> (String, Vec<usize>, Vec<u8>) {
    let bytes = fs::read(path).unwrap();
    assert_eq!(&bytes[..8], b"\x93NUMPY\x01\x00");
    let start = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let header = std::str::from_utf8(&bytes[10..start]).unwrap();
    let between = |before: &str, behind: &str| {
        let rest = header.split_once(before).unwrap().1;
        rest.split_once(behind).unwrap().0.to_owned()
    };
    let shape = between("'shape': (", ")");
    let shape = shape.split(',').map(str::trim).filter(|extent| !extent.is_empty());
    (between("'descr': '", "'"), shape.map(|n| n.parse().unwrap()).collect(), bytes[start..].to_vec())
}

#[test]
fn an_index_is_checked_and_carried_elsewhere() {
    let kept = made("carried");
    let folder = kept.parent().unwrap();
    let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let kept_path = kept.to_str().unwrap();
    let before = files(&kept);
    let said = printed(&index(&["check", kept_path]));
    assert!(said.contains("whole") && said.contains("2 documents, 2 passages, 2 vectors"), "{said}");

    let info: Value = serde_json::from_str(&printed(&index(&["info", kept_path]))).unwrap();
    assert_eq!(info["identity"]["settings"]["storage"], "int8");
    assert_eq!((&info["identity"]["metric"], &info["identity"]["width"]), (&json!("cosine"), &json!(384)));
    assert_eq!((&info["documents"], &info["chunks"], &info["vectors"]), (&json!(2), &json!(2), &json!(2)));
    let manifests = before.iter().filter(|name| !name.starts_with("manifest"));
    let bytes: u64 = manifests.map(|name| fs::metadata(kept.join(name)).unwrap().len()).sum();
    assert_eq!(info["bytes"], bytes);

    let has_bread =
        |file: &Path| fs::read(file).unwrap().windows(BREAD.len()).any(|at| at == BREAD.as_bytes());
    assert!(before.iter().any(|name| has_bread(&kept.join(name))));
    let archive = path("notes.heatseek");
    printed(&index(&["export", kept_path, "--out", &archive]));
    assert_eq!(files(&kept), before, "nothing is written where it is exported");
    assert!(!has_bread(archive.as_ref()), "what was removed is not carried on");

    let copy = folder.join("copy");
    let into = ["import", &archive, "--index", copy.to_str().unwrap()];
    assert!(printed(&index(&into)).contains("2 documents"));
    assert_eq!(files(&copy), ["documents-00000001.jsonl", "manifest-a.json", "vectors-00000001.safetensors"]);
    let hits = rows(&search(&copy, &[]));
    assert_eq!(hits.len(), 2);
    assert_eq!(hits, rows(&search(&kept, &[])));
    assert_fails(&index(&into), 1, &["without an index", "copy", "[invalid_input]"]);

    // What was imported has metadata, and is asked with what it was made with.
    let filtered = rows(&search(&copy, &["--filter", r#"{"chunk.markdown": true}"#]));
    assert_eq!(filtered.iter().map(|hit| hit["text"].as_str().unwrap()).collect::<Vec<_>>(), [WASPS]);
    assert_fails(&search(&copy, &["--metric", "dot"]), 1, &["metric `cosine` (not `dot`)"]);
    assert_fails(&search(&copy, &["--filter", r#"{"year": {"$above": 3}}"#]), 2, &["$above", "$gte"]);
}

#[test]
fn numpy_reads_the_vectors_of_an_index() {
    let kept = made("numpy");
    let prefix = kept.parent().unwrap().join("vectors").to_str().unwrap().to_owned();
    printed(&index(&["export", kept.to_str().unwrap(), "--npy", &prefix]));
    let (descr, shape, integers) = npy(&format!("{prefix}.npy"));
    assert_eq!((&*descr, &*shape, integers.len()), ("|i1", &[2, 384][..], 768));
    let (descr, shape, scales) = npy(&format!("{prefix}-scales.npy"));
    assert_eq!((&*descr, &*shape, scales.len()), ("<f4", &[2][..], 8));
    let lines = fs::read_to_string(format!("{prefix}.jsonl")).unwrap();
    let documents: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(documents.iter().map(|d| d["text"].as_str().unwrap()).collect::<Vec<_>>(), [BEES, WASPS]);

    // Each row is the vector of its text.
    let model = model();
    let embed = ["embed", "--device", "cpu", "--model", model.to_str().unwrap()];
    let embedded = rows(&heatseek(&embed, format!("{BEES}\n{WASPS}\n").as_bytes()));
    for (document, expected) in documents.iter().zip(&embedded) {
        let row = document["chunks"][0]["row"].as_u64().unwrap() as usize;
        let scale = f32::from_le_bytes(scales[4 * row..][..4].try_into().unwrap());
        let values =
            integers[384 * row..][..384].iter().map(|v| f64::from(v.cast_signed()) * f64::from(scale));
        // A step of int8 is the scale, and rounding costs half of one.
        for (value, expected) in values.zip(vector(expected)) {
            assert!((value - expected).abs() <= 0.51 * f64::from(scale), "{value} {expected} {scale}");
        }
    }

    // One that is empty is a matrix of no rows.
    let nothing = scratch("numpy-empty");
    let empty = nothing.join("kept");
    let blank = nothing.join("blank.txt");
    fs::write(&blank, "").unwrap();
    assert_fails(&search(&empty, &["--corpus", blank.to_str().unwrap()]), 1, &["no text"]);
    printed(&index(&["export", empty.to_str().unwrap(), "--npy", &prefix]));
    assert_eq!(npy(&format!("{prefix}.npy")), ("|i1".to_owned(), vec![0, 384], Vec::new()));
}

#[test]
fn damage_is_named_and_not_carried_on() {
    let kept = made("damaged");
    let (kept_path, out) = (kept.to_str().unwrap(), kept.with_file_name("damaged.heatseek"));
    let all = files(&kept);
    let oldest = all.iter().find(|name| name.starts_with("vectors-")).unwrap();
    let whole = fs::read(kept.join(oldest)).unwrap();
    let mut flipped = whole.clone();
    *flipped.last_mut().unwrap() ^= 1;
    fs::write(kept.join(oldest), &flipped).unwrap();
    // Of the right length, so that only its sum tells.
    assert_eq!(rows(&search(&kept, &[])).len(), 2);
    printed(&index(&["info", kept_path]));
    assert_fails(&index(&["check", kept_path]), 1, &[kept_path, oldest, "SHA-256", "[index_invalid]"]);
    let export = ["export", kept_path, "--out", out.to_str().unwrap(), "--npy", out.to_str().unwrap()];
    assert_fails(&index(&export), 1, &[oldest, "SHA-256"]);
    assert_eq!(files(kept.parent().unwrap()), ["corpus", "kept"], "nothing was exported");
    // What the last change wrote can be given up; the error says so, and what it costs.
    fs::write(kept.join(oldest), &whole).unwrap();
    let newest = all.iter().rfind(|name| name.starts_with("documents-")).unwrap();
    fs::remove_file(kept.join(newest)).unwrap();
    let told = ["last change", newest, "1 added, 1 removed", "`recover`", "[index_invalid]"];
    assert_fails(&index(&["check", kept_path]), 1, &told);
    assert_fails(&index(&["info", "/nowhere/at/all"]), 1, &["/nowhere/at/all", "no index", "[not_found]"]);
}

#[test]
fn a_manifest_that_was_cut_off_is_told_and_does_no_harm() {
    let kept = made("torn");
    let manifests = ["manifest-a.json", "manifest-b.json"].map(|name| (name, kept.join(name)));
    let generation = |path: &Path| {
        let manifest: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        manifest["manifest"]["generation"].as_u64()
    };
    let (name, newest) = manifests.iter().max_by_key(|(_, path)| generation(path)).unwrap();
    fs::write(newest, &fs::read(newest).unwrap()[..100]).unwrap();
    let checked = index(&["check", kept.to_str().unwrap()]);
    assert!(printed(&checked).contains("2 documents"));
    let told = String::from_utf8_lossy(&checked.stderr);
    assert!(
        told.contains("warning") && told.contains(name) && told.contains("not written to its end"),
        "{told}"
    );
}

#[test]
fn a_hostile_archive_is_refused_and_leaves_nothing() {
    let kept = made("hostile");
    let folder = kept.parent().unwrap();
    let archive = folder.join("notes.heatseek");
    printed(&index(&["export", kept.to_str().unwrap(), "--out", archive.to_str().unwrap()]));
    let whole = fs::read(&archive).unwrap();
    let import = |bytes: &[u8], words: &[&str]| {
        let into = folder.join("into");
        fs::write(&archive, bytes).unwrap();
        let output = index(&["import", archive.to_str().unwrap(), "--index", into.to_str().unwrap()]);
        assert_fails(&output, 1, &[&["notes.heatseek", "[index_invalid]"], words].concat());
        assert_eq!(files(&into), [""; 0]);
        assert!(!folder.join("escaped").exists() && !Path::new("/tmp/escaped").exists());
    };
    for path in ["../escaped", "/tmp/escaped", "..\\escaped", "into/escaped"] {
        import(&with_file(&whole, path), &[path, "nothing was imported"]);
    }
    import(&whole[..whole.len() - 1], &[]);
    let mut flipped = whole.clone();
    *flipped.last_mut().unwrap() ^= 1;
    import(&flipped, &["documents-00000001.jsonl", "SHA-256"]);
    // A header that claims more than there is.
    let mut long = whole.clone();
    long[..8].copy_from_slice(&u64::MAX.to_le_bytes());
    import(&long, &[]);
}

/// An archive with one more file, of one byte.
fn with_file(archive: &[u8], name: &str) -> Vec<u8> {
    let length = u64::from_le_bytes(archive[..8].try_into().unwrap()) as usize;
    let mut header: Value = serde_json::from_slice(&archive[8..8 + length]).unwrap();
    let data = &archive[8 + length..];
    header[name] = json!({ "dtype": "U8", "shape": [1], "data_offsets": [data.len(), data.len() + 1] });
    let header = header.to_string().into_bytes();
    [&(header.len() as u64).to_le_bytes()[..], &header, data, b"x"].concat()
}
