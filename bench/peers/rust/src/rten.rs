//! rten on an ONNX graph of the folder, weights packed when it loads.

use std::path::Path;

use rten::{Model, ModelOptions, NodeId};
use rten_tensor::NdTensor;
use rten_tensor::prelude::*;

use crate::inputs::Inputs;
use crate::{Answer, Encoder};

pub struct Rten {
    model: Model,
    inputs: Vec<(NodeId, Kind)>,
    output: NodeId,
}

#[derive(Clone, Copy)]
enum Kind {
    Ids,
    Mask,
    Types,
}

impl Rten {
    /// The graph `name` in `onnx/` or beside the configuration.
    pub fn load(folder: &str, name: &str) -> Answer<Self> {
        let found = ["onnx", "."].map(|inner| Path::new(folder).join(inner).join(name));
        let Some(path) = found.iter().find(|path| path.exists()) else {
            return Err(format!("there is no {}", found[0].display()).into());
        };
        let model = ModelOptions::with_all_ops().prepack_weights(true).load_file(path)?;
        let kinds = [("input_ids", Kind::Ids), ("attention_mask", Kind::Mask), ("token_type_ids", Kind::Types)];
        let inputs = kinds.iter().filter_map(|&(name, kind)| Some((model.find_node(name)?, kind))).collect();
        let output = model.node_id("last_hidden_state")?;
        Ok(Self { model, inputs, output })
    }
}

impl Encoder for Rten {
    fn version(&self) -> String {
        "rten 0.27.0".into()
    }

    fn states(&self, inputs: &Inputs) -> Answer<Vec<f32>> {
        let tensor = |kind| {
            let values = match kind {
                Kind::Ids => &inputs.ids,
                Kind::Mask => &inputs.mask,
                Kind::Types => &inputs.types,
            };
            let values: Vec<i32> = values.iter().map(|&value| value as i32).collect();
            NdTensor::from_data([inputs.texts, inputs.tokens], values)
        };
        let values = self.inputs.iter().map(|&(node, kind)| (node, tensor(kind).into())).collect();
        let [states] = self.model.run_n(values, [self.output], None)?;
        let states: NdTensor<f32, 3> = states.try_into()?;
        Ok(states.to_vec())
    }
}
