//! What the tests of this crate share: running a Program on the reference, and spoiling good models.

#![allow(dead_code, reason = "every test binary uses its own part of it")]

use std::sync::Arc;

use heatseek_model::synthetic::{NamedTensor, SyntheticBert, write_safetensors};
use heatseek_model::{ErrorKind, ModelError, ModelFiles, Norm, TextModel};
use heatseek_ops::{Batch, HIDDEN, HostExecutor, POOLED, PlanOptions, ReferenceExecutor};
use serde_json::Value;

/// The pooled vectors and the last hidden state of `batch` on the f64 reference.
pub fn run(model: &TextModel, norm: Norm, batch: &Batch) -> (Vec<f32>, Vec<f32>) {
    run_output(model, norm, POOLED, batch)
}

/// The vectors of another output, and the last hidden state.
pub fn run_output(model: &TextModel, norm: Norm, output: &str, batch: &Batch) -> (Vec<f32>, Vec<f32>) {
    let program = Arc::new(model.program(norm).expect("the program fits together"));
    let outputs = [output, HIDDEN].map(|name| program.output_named(name).expect("both outputs are there"));
    let checked = PlanOptions { checked: true, ..PlanOptions::default() };
    let plan = HostExecutor::new(ReferenceExecutor).plan(program, checked).expect("the reference runs all");
    let mut values = plan.run_now(batch, &outputs).expect("the batch is sound").into_iter();
    (values.next().unwrap_or_default(), values.next().unwrap_or_default())
}

/// A batch of sequences of the given lengths with all the ids and types the model has.
pub fn batch(model: &TextModel, lengths: &[usize]) -> Batch {
    let mut batch = Batch::new();
    for (seed, &len) in (1..).zip(lengths) {
        let random = heatseek_testkit::random(seed << 32, 2 * len);
        let below = |limit: usize| move |r: &u64| (r % limit as u64) as u32;
        let ids: Vec<u32> = random[..len].iter().map(below(model.spec().vocab_size)).collect();
        let types: Vec<u32> = random[len..].iter().map(below(model.spec().type_vocab_size)).collect();
        model.push_sequence(&mut batch, &ids, &types).expect("ids are in range");
    }
    batch
}

/// Changes a JSON file of a model.
pub fn edit(files: &mut ModelFiles, path: &str, change: impl FnOnce(&mut Value)) {
    let bytes = files.get(path).map(|b| b.to_vec()).unwrap_or_else(|| b"{}".to_vec());
    let mut value = serde_json::from_slice(&bytes).expect("the good file is JSON");
    change(&mut value);
    files.insert(path, value.to_string().into_bytes());
}

/// Changes the weights of the default synthetic model.
pub fn reweigh(files: &mut ModelFiles, change: impl FnOnce(&mut Vec<NamedTensor>)) {
    let model = SyntheticBert::default();
    let mut tensors = model.tensors();
    change(&mut tensors);
    files.insert("model.safetensors", write_safetensors(&tensors, model.dtype));
}

/// One way to spoil the default synthetic model (with a Dense layer), and what must be said about it.
pub struct Fault {
    pub name: &'static str,
    pub spoil: fn(&mut ModelFiles),
    pub is: fn(&ModelError) -> bool,
    pub kind: ErrorKind,
    /// What the message must contain.
    pub says: &'static [&'static str],
}

/// Loads each spoiled model and demands its error; also that the unspoiled one loads.
pub fn demand_errors(faults: &[Fault]) {
    let good = SyntheticBert { dense: Some(6), ..SyntheticBert::default() };
    good.model().expect("the model is sound before it is spoiled");
    let mut failures = Vec::new();
    for fault in faults {
        let mut files = good.files();
        (fault.spoil)(&mut files);
        match TextModel::load(&files) {
            Ok(_) => failures.push(format!("{}: loaded", fault.name)),
            Err(error) => {
                let message = error.to_string();
                let said = fault.says.iter().all(|part| message.contains(part));
                if !(fault.is)(&error) || error.kind() != fault.kind || !said {
                    failures.push(format!("{}: {message} ({error:?})", fault.name));
                }
            }
        }
    }
    assert!(failures.is_empty(), "{} of {}:\n{}", failures.len(), faults.len(), failures.join("\n"));
}

/// A predicate for one variant of [`ModelError`].
#[macro_export]
macro_rules! is {
    ($variant:ident) => {
        |error| matches!(error, heatseek_model::ModelError::$variant { .. })
    };
}
