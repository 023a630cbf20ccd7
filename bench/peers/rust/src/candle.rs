//! candle's BERT on the folder's safetensors.

use std::fs;

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use candle_transformers::models::bert::{BertModel, Config};

use crate::inputs::Inputs;
use crate::{Answer, Encoder};

pub struct Candle(BertModel);

impl Candle {
    pub fn load(folder: &str) -> Answer<Self> {
        let config: Config = serde_json::from_str(&fs::read_to_string(format!("{folder}/config.json"))?)?;
        let weights = fs::read(format!("{folder}/model.safetensors"))?;
        let weights = VarBuilder::from_buffered_safetensors(weights, DType::F32, &Device::Cpu)?;
        Ok(Self(BertModel::load(weights, &config)?))
    }
}

impl Encoder for Candle {
    fn version(&self) -> String {
        "candle 0.11.1, gemm 0.19.0 with AVX-512".into()
    }

    fn states(&self, inputs: &Inputs) -> Answer<Vec<f32>> {
        let tensor = |values: &[u32]| Tensor::from_slice(values, (inputs.texts, inputs.tokens), &Device::Cpu);
        let mask = if inputs.has_padding() { Some(tensor(&inputs.mask)?) } else { None };
        let states = self.0.forward(&tensor(&inputs.ids)?, &tensor(&inputs.types)?, mask.as_ref())?;
        Ok(states.flatten_all()?.to_vec1()?)
    }
}
