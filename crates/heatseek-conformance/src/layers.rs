//! What is between the layers, against PyTorch; `tests/golden/README.md` has the format.

use std::sync::Arc;

use heatseek::{ModelFiles, VisionModel};
use heatseek_model::{Norm, TextModel};
use heatseek_ops::{Batch, Executor, PlanOptions, Program};
use heatseek_testkit::{Tolerance, compare};
use safetensors::SafeTensors;

use crate::Report;
use crate::vision::{floats, integers, read_metadata};

const FORMAT: &str = "heatseek-golden-layers-1";

/// The bar of hidden states; queries, keys and values are one GEMM behind them.
const LAYER: Tolerance = Tolerance::Abs(5e-4);

/// Compares hidden states, queries, keys and values of every layer with the golden file that lies beside the
/// model: of its text half, if the file has ids, else of its vision half.
///
/// # Errors
/// What is wrong with the golden file or the model.
pub async fn check_layers(
    files: &ModelFiles,
    tensors: &[u8],
    executor: &dyn Executor,
) -> Result<Report, String> {
    read_metadata(tensors, FORMAT)?;
    let file = SafeTensors::deserialize(tensors).map_err(|e| e.to_string())?;
    let mut batch = Batch::new();
    let program: Box<dyn Fn(Norm) -> Result<Program, heatseek::ModelError>>;
    if let Ok(ids) = file.tensor("ids") {
        let model = TextModel::load(files).map_err(|e| e.to_string())?;
        let ids: Vec<u32> = integers(ids.data()).into_iter().map(|id| id as u32).collect();
        model.push_sequence(&mut batch, &ids, &vec![0; ids.len()]).map_err(|e| e.to_string())?;
        program = Box::new(move |norm| model.program(norm));
    } else {
        let pixels = file.tensor("pixels").map_err(|e| e.to_string())?;
        let &[3, height, width] = pixels.shape() else { return Err("pixels of the wrong rank".into()) };
        let model = VisionModel::load(files).map_err(|e| e.to_string())?;
        let pushed = model.push_picture(&mut batch, width, height, &floats(pixels.data()));
        pushed.map_err(|e| e.to_string())?;
        program = Box::new(move |norm| model.program(norm));
    }
    let mut report = Report::default();
    for norm in [Norm::Folded, Norm::Plain] {
        let program = Arc::new(program(norm).map_err(|e| e.to_string())?);
        let options = PlanOptions { checked: true, ..PlanOptions::default() };
        let plan = executor.prepare(program.clone(), options).await.map_err(|e| e.to_string())?;
        for part in ["hidden", "qkv"] {
            let expected = file.tensor(part).map_err(|e| e.to_string())?;
            let &[layers, tokens, width] = expected.shape() else {
                return Err("layers of the wrong rank".into());
            };
            let names = (0..layers).map(|layer| format!("{part}.{layer}"));
            let outputs = names.map(|name| program.output_named(&name)).collect::<Result<Vec<_>, _>>();
            let outputs = outputs.map_err(|e| e.to_string())?;
            let actual = plan.run(&batch, &outputs).await.map_err(|e| e.to_string())?;
            let all = floats(expected.data());
            for (layer, (actual, expected)) in actual.iter().zip(all.chunks_exact(tokens * width)).enumerate()
            {
                let same = compare(actual, expected, &[tokens, width], LAYER);
                report
                    .check(&format!("{part}.{layer}, {norm:?}"), same.map(|_| ()).map_err(|e| e.to_string()));
            }
        }
    }
    Ok(report)
}
