//! Every pooler through a loaded model: alone and in company, with prompts, late, and in an index.

use std::path::PathBuf;

use heatseek::{
    ChunkOptions, DeviceChoice, Document, EmbedOptions, Index, IndexOptions, IndexSearch, LoadOptions, Model,
    ModelFiles, NoControl, PoolerSpec, block_on, max_sim, rows,
};

const TEXTS: [&str; 4] = [
    "The bees find the honey.\nHow do bees find home?",
    "honey",
    "",
    "A hive is a home for bees,\nand honey.",
];

fn files(name: &str) -> ModelFiles {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/models").join(name);
    ModelFiles::from_dir(&dir).unwrap()
}

fn load(files: ModelFiles, device: DeviceChoice) -> Model {
    block_on(Model::load(files, LoadOptions { device, ..LoadOptions::default() }, &NoControl)).unwrap()
}

fn model(name: &str) -> Model {
    load(files(name), DeviceChoice::Cpu)
}

fn pooled(spec: &str) -> EmbedOptions {
    EmbedOptions { pooling: Some(PoolerSpec::parse(spec).unwrap()), ..EmbedOptions::default() }
}

fn embed(model: &Model, texts: &[&str], options: &EmbedOptions) -> heatseek::Embeddings {
    block_on(model.embed(texts, options, &NoControl)).unwrap()
}

/// The largest difference, as a share of the largest value.
fn difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    let scale = b.iter().fold(1e-6f32, |most, v| most.max(v.abs()));
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max) / scale
}

#[test]
fn company_and_order_change_no_vector() {
    for device in [DeviceChoice::Reference, DeviceChoice::Cpu] {
        let model = load(files("bert-no-st"), device);
        let mut checked = 0;
        for row in rows() {
            let options = pooled(row.name);
            // Those that cannot do without weights.
            if model.pooler(options.pooling.as_ref().unwrap(), None).is_err() {
                continue;
            }
            for weights in [false, true] {
                let options = EmbedOptions { weights, ..options.clone() };
                let Ok(together) = block_on(model.embed(&TEXTS, &options, &NoControl)) else {
                    // Which says what it needs of a text, and does so of one of these.
                    let alone = TEXTS.map(|text| block_on(model.embed(&[text], &options, &NoControl)));
                    assert!(alone.iter().any(Result::is_err), "{}", row.name);
                    continue;
                };
                let mut turned = TEXTS;
                turned.reverse();
                let reversed = embed(&model, &turned, &options);
                let alone: Vec<_> = turned.iter().map(|text| embed(&model, &[text], &options)).collect();
                let rows: Vec<f32> = alone.iter().flat_map(|one| one.data.clone()).collect();
                assert!(difference(&reversed.data, &rows) < 1e-5, "{} {device:?}", row.name);
                let forward: Vec<f32> = alone.iter().rev().flat_map(|one| one.data.clone()).collect();
                assert!(difference(&together.data, &forward) < 1e-5, "{} {device:?}", row.name);
                assert!(together.data.iter().all(|v| v.is_finite()), "{}", row.name);
                assert_eq!(together.counts.is_some(), together.shape[0] != TEXTS.len(), "{}", row.name);
                if let Some(weights) = &together.weights {
                    let counts = |at: usize| together.counts.as_ref().map_or(1, |counts| counts[at]);
                    for (at, weights) in weights.iter().enumerate() {
                        assert_eq!(weights.len(), counts(at) * together.tokens[at], "{}", row.name);
                    }
                }
            }
            checked += 1;
        }
        assert!(checked >= 12, "{checked}");
    }
}

#[test]
fn padding_of_the_tokenizers_file_changes_nothing() {
    for spec in ["last", "mean", "cls", "weightedmean", "max"] {
        let plain = embed(&model("bert-no-st"), &TEXTS, &pooled(spec));
        for direction in ["Left", "Right"] {
            let mut files = files("bert-no-st");
            let mut json: serde_json::Value = serde_json::from_slice(files.tokenizer().unwrap()).unwrap();
            json["padding"] = serde_json::json!({"strategy": {"Fixed": 24}, "direction": direction,
                "pad_to_multiple_of": null, "pad_id": 0, "pad_type_id": 0, "pad_token": "[PAD]"});
            files.insert("tokenizer.json", serde_json::to_vec(&json).unwrap());
            assert_eq!(
                embed(&load(files, DeviceChoice::Cpu), &TEXTS, &pooled(spec)),
                plain,
                "{spec} {direction}"
            );
        }
    }
}

#[test]
fn a_prompt_that_does_not_count_is_read_all_the_same() {
    let model = model("bert-no-st");
    let with = |include: bool, spec: &str| EmbedOptions {
        prompt: Some("find the honey: ".into()),
        include_prompt: Some(include),
        hidden: true,
        weights: true,
        ..pooled(spec)
    };
    let found = embed(&model, &["How do bees find home?"], &with(false, "mean"));
    let width = found.shape[1];
    let weights = &found.weights.as_ref().unwrap()[0];
    let skipped = weights.iter().take_while(|w| **w == 0.0).count();
    assert!(skipped >= 4 && weights[skipped..].iter().all(|w| *w > 0.0), "{weights:?}");
    // The mean of the states behind the prompt, which were read with it.
    let rows = found.hidden.as_ref().unwrap()[0].chunks(width).skip(skipped);
    let n = rows.len() as f32;
    let mut mean = vec![0.0; width];
    rows.for_each(|row| mean.iter_mut().zip(row).for_each(|(mean, v)| *mean += v / n));
    assert!(difference(&found.data, &mean) < 1e-5);
    let all = embed(&model, &["How do bees find home?"], &with(true, "mean"));
    assert!(difference(&all.data, &mean) > 1e-3);
    let classes = [true, false].map(|include| embed(&model, &["bees"], &with(include, "cls")).data);
    assert_eq!(classes[0], classes[1]);
}

#[test]
fn a_text_of_one_passage_has_the_vector_it_has_alone() {
    let model = model("bert-no-st");
    let text = "How do bees find home? A hive is a home for bees.";
    let chunk = ChunkOptions { tokens: 40, overlap: 5, ..ChunkOptions::default() };
    for spec in ["mean", "max"] {
        let late = block_on(model.embed_chunks(text, chunk, true, &pooled(spec), &NoControl)).unwrap();
        assert_eq!((late.chunks.len(), late.chunks[0].text.as_str()), (1, text));
        assert!(
            difference(&late.embeddings.data, &embed(&model, &[text], &pooled(spec)).data) < 1e-5,
            "{spec}"
        );
    }
    let chunk = ChunkOptions { tokens: 5, overlap: 0, ..ChunkOptions::default() };
    let late = block_on(model.embed_chunks(text, chunk, true, &pooled("mean"), &NoControl)).unwrap();
    let alone = block_on(model.embed_chunks(text, chunk, false, &pooled("mean"), &NoControl)).unwrap();
    assert_eq!(late.chunks, alone.chunks);
    assert!(late.chunks.len() > 1 && late.embeddings.shape == alone.embeddings.shape);
    assert!(difference(&late.embeddings.data, &alone.embeddings.data) > 1e-3);
    // Passages without overlap hold every token once: their means, weighted by tokens, are the mean of all.
    let tokens: usize = late.embeddings.tokens.iter().sum();
    let width = late.embeddings.shape[1];
    let mut mean = vec![0.0; width];
    for (row, &n) in late.embeddings.data.chunks(width).zip(&late.embeddings.tokens) {
        mean.iter_mut().zip(row).for_each(|(mean, v)| *mean += v * n as f32 / tokens as f32);
    }
    assert!(difference(&mean, &embed(&model, &[text], &pooled("mean")).data) < 1e-5);
    assert!(block_on(model.embed_chunks(text, chunk, true, &pooled("cls"), &NoControl)).is_err());
}

#[test]
fn an_index_of_several_vectors_finds_what_brute_force_finds() {
    let model = model("bert-no-st");
    let texts =
        ["The bees find the honey.", "A dance in the sun.", "honey", "The light of the sky is a flower."];
    let documents = texts.map(|text| Document { id: text.into(), text: text.into(), ..Document::default() });
    let pooling = Some(PoolerSpec::named("none"));
    let mut index = Index::new(&model, IndexOptions { pooling, ..IndexOptions::default() }).unwrap();
    block_on(index.add(&model, documents.into(), None, &NoControl)).unwrap();
    let unit = EmbedOptions { normalize: Some(true), ..pooled("none") };
    let query = embed(&model, &["how do bees find the sun"], &unit);
    let score =
        |text: &str| max_sim(&query.data, &embed(&model, &[text], &unit).data, query.shape[1]).unwrap();
    let mut order = texts.map(|text| (text, score(text)));
    order.sort_by(|a, b| b.1.total_cmp(&a.1));
    let hits = block_on(index.search(
        &model,
        "how do bees find the sun",
        &IndexSearch { top_k: 9, ..IndexSearch::default() },
        &NoControl,
    ))
    .unwrap();
    assert_eq!(hits.iter().map(|hit| hit.id.as_str()).collect::<Vec<_>>(), order.map(|(text, _)| text));
    hits.iter().zip(order).for_each(|(hit, (_, score))| assert!((hit.score - score).abs() < 1e-4));
}

#[test]
fn what_cannot_be_is_said() {
    let dense = model("bert-mean-dense");
    let told = |model: &Model, options: &EmbedOptions| {
        let error = block_on(model.embed(&["bees"], options, &NoControl)).unwrap_err();
        assert_eq!(error.code(), "invalid_input", "{error}");
        error.to_string()
    };
    assert!(told(&dense, &pooled("stats:set=mean+std")).contains("Dense layers"));
    assert!(told(&dense, &EmbedOptions { truncate_dim: Some(0), ..pooled("mean") }).contains("truncate_dim"));
    assert!(
        told(&dense, &EmbedOptions { truncate_dim: Some(9999), ..pooled("mean") }).contains("truncate_dim")
    );
    assert!(told(&dense, &pooled("meen")).contains("`meen`"));
    let warned = |spec: &str| embed(&dense, &["bees"], &pooled(spec)).warning;
    assert_eq!((warned("mean"), embed(&dense, &["bees"], &EmbedOptions::default()).warning), (None, None));
    assert_eq!(warned("first_token").unwrap(), "the model's own pooling is `mean`; it was asked for `cls`");
}
