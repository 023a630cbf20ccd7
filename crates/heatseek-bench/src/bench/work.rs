//! The inputs of a case: texts of exactly so many tokens, or noise pictures.

use std::ops::RangeInclusive;

use heatseek::{Error, Model, Picture, Pixels, Preprocessor};

use super::case::Case;
use super::synthetic::{random, words};
use crate::failure::Failure;

/// How many words texts are made of.
const WORDS: usize = 2_000;

/// Inputs, made once and given to every device and peer.
pub enum Work {
    /// `tokens` are ids and token types of each text.
    Texts { texts: Vec<String>, tokens: Vec<(Vec<u32>, Vec<u32>)> },
    /// `pixels` are what the model sees of each picture, `own` if its preprocessor makes them of it.
    Pictures { pictures: Vec<Picture>, pixels: Vec<Pixels>, own: bool },
}

impl Work {
    /// How many inputs.
    pub fn len(&self) -> usize {
        match self {
            Self::Texts { texts, .. } => texts.len(),
            Self::Pictures { pictures, .. } => pictures.len(),
        }
    }

    /// Up to three of them: the first, the middle and the last one, which kernels that mix rows up get wrong.
    pub fn samples(&self) -> Vec<usize> {
        let mut all = vec![0, self.len() / 2, self.len().saturating_sub(1)];
        all.dedup();
        all
    }
}

/// Makes inputs for a model.
pub enum Maker {
    /// Of words that are one token each, beside `special` tokens of a text.
    Texts {
        model: Box<Model>,
        words: Vec<String>,
        special: usize,
    },
    Pictures(Box<Preprocessor>),
}

impl Maker {
    /// `model` may be on any device: only its tokenizer is used.
    pub fn texts(model: Model) -> Result<Self, Failure> {
        let special = model.count_tokens("")?;
        let mut known = Vec::new();
        for word in words().take(3 * WORDS) {
            if known.len() < WORDS && model.count_tokens(&word)? == special + 1 {
                known.push(word);
            }
        }
        if known.is_empty() {
            return Err(Failure::invalid(
                "the model's tokenizer keeps none of our words whole, so there are no texts of an exact length",
            ));
        }
        Ok(Self::Texts { model: Box::new(model), words: known, special })
    }

    /// The inputs of `case`; texts have at most `longest` tokens.
    pub fn make(&self, case: Case, longest: usize) -> Result<Work, Failure> {
        match self {
            Self::Texts { model, words, special } => texts(case, model, words, *special + 1..=longest),
            Self::Pictures(preprocessor) => Ok(pictures(case, preprocessor)?),
        }
    }
}

fn texts(
    case: Case,
    model: &Model,
    words: &[String],
    lengths: RangeInclusive<usize>,
) -> Result<Work, Failure> {
    let mut state = 7;
    let (mut texts, mut tokens) = (Vec::new(), Vec::new());
    for size in case.sizes() {
        if !lengths.contains(&size) {
            return Err(Failure::invalid(format!(
                "case {case}: texts of this model have {} to {} tokens",
                lengths.start(),
                lengths.end()
            )));
        }
        let mut word = || &*words[(random(&mut state) % words.len() as u64) as usize];
        let text = (lengths.start() - 1..size).map(|_| word()).collect::<Vec<_>>().join(" ");
        let (ids, types) = model.tokens(&text)?;
        if ids.len() != size {
            return Err(Failure::internal(format!("a text of {size} tokens became one of {}", ids.len())));
        }
        texts.push(text);
        tokens.push((ids, types));
    }
    Ok(Work::Texts { texts, tokens })
}

/// The pictures of `case`, and what `preprocessor` makes of them.
fn pictures(case: Case, preprocessor: &Preprocessor) -> Result<Work, Error> {
    let side = case.side() as u32;
    let (mut pictures, mut pixels, mut own) = (Vec::new(), Vec::new(), true);
    for seed in 0..case.count() as u64 {
        let mut state = seed << 32;
        let rgb = (0..3 * side * side).map(|_| random(&mut state) as u8).collect();
        let picture = Picture::from_rgb(side, side, rgb)?;
        // The model's own size may be another; what it is timed with has the size asked for.
        let seen = preprocessor.pixels(&picture)?;
        own = seen.width == side && seen.height == side;
        pixels.push(if own { seen } else { noise(side, &mut state) });
        pictures.push(picture);
    }
    Ok(Work::Pictures { pictures, pixels, own })
}

/// Values of −2 to 2, as normalised pixels are.
fn noise(side: u32, state: &mut u64) -> Pixels {
    let value = |random: u64| (random >> 40) as f32 / (1 << 22) as f32 - 2.0;
    Pixels { width: side, height: side, data: (0..3 * side * side).map(|_| value(random(state))).collect() }
}
