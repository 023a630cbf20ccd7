//! The vectors of texts, by many poolers out of one forward.

use std::ops::Range;
use std::time::Instant;

use heatseek::{EmbedOptions, Model, PoolerSpec, block_on};

use crate::failure::Failure;
use crate::progress::Bars;

/// The vectors that one pooler made of texts, each of unit length: texts are compared by the cosine.
#[derive(Default)]
pub struct Vectors {
    /// All of them, `width` wide.
    pub data: Vec<f32>,
    /// Elements of a vector.
    pub width: usize,
    /// Where the vectors of each text end, counted in vectors.
    pub ends: Vec<usize>,
    /// Time spent pooling.
    pub seconds: f64,
}

impl Vectors {
    /// The vectors of some texts that follow each other, `[count, width]`.
    pub fn of(&self, texts: Range<usize>) -> &[f32] {
        let end = |texts: usize| texts.checked_sub(1).map_or(0, |last| self.ends[last]);
        &self.data[end(texts.start) * self.width..end(texts.end) * self.width]
    }

    /// Texts from `first` on that have at most `most` vectors together; one if that has more.
    pub fn block(&self, first: usize, most: usize) -> Range<usize> {
        let before = first.checked_sub(1).map_or(0, |last| self.ends[last]);
        let fitting = self.ends[first..].iter().take_while(|end| **end - before <= most).count();
        first..first + fitting.max(1)
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.ends.last().copied().unwrap_or(0)
    }

    /// Adds those of the next text.
    pub fn push(&mut self, vectors: &[f32]) {
        for vector in vectors.chunks_exact(self.width) {
            let norm = vector.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>().sqrt();
            let scale = if norm > 0.0 { 1.0 / norm } else { 0.0 };
            self.data.extend(vector.iter().map(|&v| (f64::from(v) * scale) as f32));
        }
        self.ends.push(self.data.len() / self.width);
    }
}

/// The vectors of `texts` by each of `poolings`, and the seconds that the model took. `what` they are is said in
/// errors.
pub fn pool_all(
    model: &Model,
    texts: &[String],
    what: &str,
    poolings: &[PoolerSpec],
    options: &EmbedOptions,
    bars: &Bars,
) -> Result<(Vec<Vectors>, f64), Failure> {
    let mut all: Vec<Vectors> = poolings.iter().map(|_| Vectors::default()).collect();
    let mut bad = None;
    let started = Instant::now();
    block_on(model.embed_each(texts, poolings, options, bars, &mut |text, place, pool| {
        let pooling = Instant::now();
        let pooled = pool()?;
        all[place].seconds += pooling.elapsed().as_secs_f64();
        if bad.is_none() && pooled.vectors.iter().any(|v| !v.is_finite()) {
            bad = Some((text, place));
        }
        all[place].width = pooled.width;
        all[place].push(&pooled.vectors);
        Ok(())
    }))?;
    if let Some((text, place)) = bad {
        return Err(Failure::invalid(format!(
            "pooling {}: the vector of {what} {}, counted from 1, is not finite",
            poolings[place],
            text + 1
        )));
    }
    let pooling: f64 = all.iter().map(|vectors| vectors.seconds).sum();
    Ok((all, started.elapsed().as_secs_f64() - pooling))
}
