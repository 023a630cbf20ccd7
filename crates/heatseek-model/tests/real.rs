//! all-MiniLM-L6-v2 from `$HEATSEEK_MODELS`.

mod common;

use std::path::PathBuf;

use heatseek_model::{ModelError, ModelFiles, Norm, TextModel};
use heatseek_testkit::{Tolerance, assert_close};

/// The folder of a real model; without it the test says so and passes, but never in CI.
fn folder(name: &str) -> Option<PathBuf> {
    let found =
        std::env::var_os("HEATSEEK_MODELS").map(|root| PathBuf::from(root).join(name)).filter(|p| p.is_dir());
    if found.is_none() {
        assert!(std::env::var_os("CI").is_none(), "CI must have {name} in $HEATSEEK_MODELS");
        eprintln!("skipped: set HEATSEEK_MODELS to a folder that holds {name}");
    }
    found
}

#[test]
fn minilm_is_what_its_files_say() {
    let Some(dir) = folder("all-MiniLM-L6-v2") else { return };
    let model = TextModel::load(&ModelFiles::from_dir(&dir).unwrap()).unwrap();
    let spec = model.spec();
    assert_eq!((spec.hidden_size, spec.num_hidden_layers, spec.num_attention_heads), (384, 6, 12));
    assert_eq!((spec.vocab_size, spec.max_position_embeddings, spec.max_length), (30522, 512, 256));
    assert_eq!((spec.embedding_dim, spec.pooling.as_str(), spec.normalize), (384, "mean", true));
    assert_eq!(spec.modules, ["Transformer", "Pooling(mean)", "Normalize"]);
    // 22.7 million is the published size; the pooler (384 · 385) is not part of an embedding model.
    assert_eq!(spec.parameters, 22_713_216 - 384 * 385);
    let program = model.program(Norm::Folded).unwrap();
    let pooled = [program.output_named(heatseek_ops::POOLED).unwrap()];
    assert_eq!(program.steps_for(&pooled).count(), 5 * 6 + 2);
    let batch = common::batch(&model, &[12, 3]);
    let plain = Norm::Plain;
    let (pooled, hidden) = common::run(&model, plain, &batch);
    let (folded_pooled, folded_hidden) = common::run(&model, Norm::Folded, &batch);
    assert_close(&folded_pooled, &pooled, &[2, 384], Tolerance::Abs(1e-5));
    assert_close(&folded_hidden, &hidden, &[15, 384], Tolerance::Abs(1e-4));
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    let error = ModelFiles::from_dir("no/such/folder".as_ref()).unwrap_err();
    assert!(
        matches!(error, ModelError::Io { .. }) && error.to_string().contains("no/such/folder"),
        "{error}"
    );
    assert_eq!(error.kind(), heatseek_model::ErrorKind::NotFound);
}
