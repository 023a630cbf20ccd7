//! Token ids, padded to the longest text, and what is done with hidden states.

use serde::Deserialize;

#[derive(Deserialize)]
#[serde(tag = "op", rename_all = "lowercase")]
pub enum Request {
    Prepare {
        kind: String,
        #[serde(default)]
        ids: Vec<Vec<u32>>,
        #[serde(default)]
        types: Vec<Vec<u32>>,
        samples: Vec<usize>,
    },
    Time,
}

/// `[texts, tokens]`, row by row.
#[derive(Default)]
pub struct Inputs {
    pub texts: usize,
    pub tokens: usize,
    pub ids: Vec<u32>,
    pub types: Vec<u32>,
    /// 1 for tokens, 0 for padding.
    pub mask: Vec<u32>,
}

impl Inputs {
    pub fn padded(ids: &[Vec<u32>], types: &[Vec<u32>]) -> Self {
        let tokens = ids.iter().map(Vec::len).max().unwrap_or(0);
        let pad = |rows: &[Vec<u32>]| rows.iter().flat_map(|row| padded(row, tokens)).collect();
        let ones: Vec<Vec<u32>> = ids.iter().map(|row| vec![1; row.len()]).collect();
        Self { texts: ids.len(), tokens, ids: pad(ids), types: pad(types), mask: pad(&ones) }
    }

    pub fn has_padding(&self) -> bool {
        self.mask.contains(&0)
    }

    /// Vectors of `states` `[texts, tokens, hidden_size]`.
    pub fn pool(&self, states: &[f32], cls: bool, normalize: bool) -> Vec<Vec<f32>> {
        let hidden_size = states.len() / (self.texts * self.tokens).max(1);
        let texts = states.chunks_exact(self.tokens * hidden_size).zip(self.mask.chunks_exact(self.tokens));
        let pooled = texts.map(|(states, mask)| {
            let mut vector = if cls { states[..hidden_size].to_vec() } else { mean(states, mask, hidden_size) };
            if normalize {
                let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
                vector.iter_mut().for_each(|x| *x /= length);
            }
            vector
        });
        pooled.collect()
    }
}

fn padded(row: &[u32], tokens: usize) -> impl Iterator<Item = u32> {
    row.iter().copied().chain(std::iter::repeat(0)).take(tokens)
}

fn mean(states: &[f32], mask: &[u32], hidden_size: usize) -> Vec<f32> {
    let mut sum = vec![0.0; hidden_size];
    let real = states.chunks_exact(hidden_size).zip(mask).filter(|&(_, &real)| real == 1);
    for (row, _) in real {
        sum.iter_mut().zip(row).for_each(|(sum, x)| *sum += x);
    }
    let count = mask.iter().sum::<u32>() as f32;
    sum.iter_mut().for_each(|sum| *sum /= count);
    sum
}
