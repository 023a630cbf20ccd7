//! The manifest of a stored index, with a right sum: refused, or it wants files by names of its own.
#![no_main]

use heatseek_fuzz::{index, json};
use heatseek_search::store::{Check, Opening};
use libfuzzer_sys::{fuzz_mutator, fuzz_target};

const WORDS: [&str; 28] = [
    "format",
    "heatseek-index",
    "version",
    "library",
    "generation",
    "next_segment",
    "identity",
    "segments",
    "number",
    "counts",
    "documents",
    "chunks",
    "rows",
    "removed",
    "vectors",
    "name",
    "bytes",
    "sha256",
    "model",
    "fingerprint",
    "pooling",
    "metric",
    "dtype",
    "width",
    "settings",
    "f32",
    "bits",
    "vectors-00000001.safetensors",
];
const NAMES: [&str; 6] = [
    "manifest-a.json",
    "manifest-b.json",
    "vectors-00000001.safetensors",
    "documents-00000001.jsonl",
    "vectors-00000002.safetensors",
    "documents-00000002.jsonl",
];

fuzz_target!(|body: &[u8]| {
    for manifest in [body.to_vec(), index::sign(body)] {
        let mut opening = Opening::new(NAMES, None, Check::Length).expect("no identity, no error");
        if opening.give(NAMES[0], Some(manifest.clone())).is_err()
            || opening.give(NAMES[1], Some(manifest)).is_err()
        {
            continue;
        }
        for name in opening.wanted() {
            assert!(NAMES.contains(&name.as_str()), "{name}");
            // Whatever its length is said to be, it is another.
            let _ = opening.give(&name, Some(Vec::new()));
        }
        let _ = opening.finish();
    }
});

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    json::mutate(data, size, max_size, seed, &WORDS)
});
