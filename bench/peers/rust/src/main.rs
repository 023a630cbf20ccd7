//! Peers of `heatseek bench` that are Rust crates: candle and rten, on the CPU in f32 (rten also on a q8 graph).
//! What they are asked and answer is in ../README.md; serve.py starts this as
//!
//!     heatseek-rust-peers PEER MODEL DTYPE THREADS POOLING NORMALIZE

mod candle;
mod inputs;
mod rten;

use std::io::{BufRead, Write};
use std::time::Instant;

use inputs::{Inputs, Request};
use serde_json::{Value, json};

pub type Answer<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

const WARM_UP: usize = 3;

/// One that computes last hidden states `[texts, tokens, hidden_size]` of padded token ids.
trait Encoder {
    fn version(&self) -> String;
    fn states(&self, inputs: &Inputs) -> Answer<Vec<f32>>;
}

struct Session {
    encoder: Box<dyn Encoder>,
    cls: bool,
    normalize: bool,
    inputs: Inputs,
}

impl Session {
    fn start(args: &[String]) -> Answer<Self> {
        let [peer, model, dtype, threads, pooling, normalize] = args else {
            return Err("expected PEER MODEL DTYPE THREADS POOLING NORMALIZE".into());
        };
        let cls = match pooling.as_str() {
            "cls" => true,
            "mean" => false,
            other => return Err(format!("pooling `{other}` is not written here").into()),
        };
        // Both read them when they first compute, and nobody else runs yet.
        unsafe {
            std::env::set_var("RAYON_NUM_THREADS", threads);
            std::env::set_var("RTEN_NUM_THREADS", threads);
        }
        let encoder: Box<dyn Encoder> = match (peer.as_str(), dtype.as_str()) {
            ("candle", "f32") => Box::new(candle::Candle::load(model)?),
            ("rten", "f32") => Box::new(rten::Rten::load(model, "model.onnx")?),
            ("rten", "int8") => Box::new(rten::Rten::load(model, "model_quantized.onnx")?),
            _ => return Err(format!("{peer} is not timed in {dtype}").into()),
        };
        Ok(Self { encoder, cls, normalize: normalize == "1", inputs: Inputs::default() })
    }

    fn vectors(&self) -> Answer<Vec<Vec<f32>>> {
        let states = self.encoder.states(&self.inputs)?;
        Ok(self.inputs.pool(&states, self.cls, self.normalize))
    }

    fn answer(&mut self, line: &str) -> Answer<Value> {
        match serde_json::from_str(line)? {
            Request::Prepare { kind, ids, types, samples } => {
                if kind != "texts" {
                    return Err(format!("{kind} are not timed here").into());
                }
                self.inputs = Inputs::padded(&ids, &types);
                for _ in 1..WARM_UP {
                    self.vectors()?;
                }
                let vectors = self.vectors()?;
                let asked: Vec<_> = samples.iter().map(|&sample| &vectors[sample]).collect();
                Ok(json!({ "vectors": asked }))
            }
            Request::Time => {
                let began = Instant::now();
                let vectors = self.vectors()?;
                let ms = began.elapsed().as_secs_f64() * 1e3;
                drop(vectors);
                Ok(json!({ "ms": ms }))
            }
        }
    }
}

fn say(answer: Answer<Value>) -> std::io::Result<()> {
    let value = answer.unwrap_or_else(|error| json!({ "error": error.to_string() }));
    let mut out = std::io::stdout().lock();
    writeln!(out, "{value}")?;
    out.flush()
}

fn main() -> std::io::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let mut session = match Session::start(&args) {
        Ok(session) => session,
        Err(error) => return say(Err(error)),
    };
    let version = session.encoder.version();
    say(Ok(json!({ "name": args[0], "version": version, "device": "cpu", "cuda": false })))?;
    for line in std::io::stdin().lock().lines() {
        say(session.answer(&line?))?;
    }
    Ok(())
}
