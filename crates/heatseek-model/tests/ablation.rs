//! Models with parts of their layers left out, against numpy: `tests/golden/make_ablations.py` made the file.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use heatseek_model::{Kept, ModelFiles, TextModel, VisionModel};
use heatseek_ops::{Batch, HostExecutor, PlanOptions, Program, ReferenceExecutor};
use heatseek_testkit::{Tolerance, assert_close};
use safetensors::SafeTensors;

const KEPT: [(&str, Kept); 4] = [
    ("full", Kept { residual: true, feed_forward: true }),
    ("no_residual", Kept { residual: false, feed_forward: true }),
    ("no_feed_forward", Kept { residual: true, feed_forward: false }),
    ("attention_only", Kept { residual: false, feed_forward: false }),
];

const LAYERS: usize = 2;

fn golden(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden").join(path)
}

fn elements(file: &str, name: &str) -> (Vec<usize>, Vec<[u8; 4]>) {
    let bytes = std::fs::read(golden(file)).unwrap_or_else(|e| panic!("{file}: {e}"));
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let tensor = tensors.tensor(name).unwrap();
    (tensor.shape().to_vec(), tensor.data().as_chunks().0.to_vec())
}

fn floats(file: &str, name: &str) -> (Vec<usize>, Vec<f32>) {
    let (shape, values) = elements(file, name);
    (shape, values.into_iter().map(f32::from_le_bytes).collect())
}

/// Compares the hidden states of `program` with those of the golden file.
fn check(name: &str, program: Program, state: &dyn Fn(usize) -> String, batch: &Batch) {
    let outputs: Vec<_> = (0..=LAYERS).map(|layer| program.output_named(&state(layer)).unwrap()).collect();
    let checked = PlanOptions { checked: true, ..PlanOptions::default() };
    let plan = HostExecutor::new(ReferenceExecutor).plan(Arc::new(program), checked).unwrap();
    let states = plan.run_now(batch, &outputs).unwrap().concat();
    let (shape, expected) = floats("ablations.safetensors", name);
    assert_close(&states, &expected, &shape, Tolerance::Abs(1e-5));
}

#[test]
fn bert_without_parts_of_its_layers() {
    let files = ModelFiles::from_dir(&golden("models/bert-no-st")).unwrap();
    let model = TextModel::load(&files).unwrap();
    let (_, ids) = elements("ablations.safetensors", "bert.ids");
    let ids: Vec<u32> = ids.into_iter().map(u32::from_le_bytes).collect();
    let mut batch = Batch::new();
    model.push_sequence(&mut batch, &ids, &vec![0; ids.len()]).unwrap();
    for (name, kept) in KEPT {
        let program = model.ablated(kept).unwrap();
        check(&format!("bert.{name}"), program, &|layer| model.hidden_output(layer), &batch);
    }
}

#[test]
fn vit_without_parts_of_its_layers() {
    let files = ModelFiles::from_dir(&golden("vision/vit")).unwrap();
    let model = VisionModel::load(&files).unwrap();
    let (shape, pixels) = floats("vision/vit/golden.safetensors", "pixels.0");
    let mut batch = Batch::new();
    model.push_picture(&mut batch, shape[2], shape[1], &pixels).unwrap();
    for (name, kept) in KEPT {
        let program = model.ablated(kept).unwrap();
        check(&format!("vit.{name}"), program, &|layer| model.hidden_output(layer), &batch);
    }
}
