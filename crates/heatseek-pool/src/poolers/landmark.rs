//! Landmarks: separators put into the text, whose states stand for what is before them.

use super::Pool;
use crate::registry::{Kind, Row};
use crate::tokens::Tokens;
use crate::{Needs, PoolError, Pooled, States};

pub(crate) const ROWS: &[Row] = &[Row {
    name: "landmark",
    aliases: &["lmk"],
    papers: &[(59, "LMK > CLS: Landmark Pooling for Dense Embeddings")],
    equation: "mean of x_t over the separators put behind every g tokens",
    options: "every=32 (g, tokens), several=false (true: a vector for each landmark)",
    tensors: "",
    kind: Kind::TrainingFree,
    expect: "for models trained with it; others are near their last token",
    make: |options, _, _| {
        let (every, several) = (options.count("every", 32)?, options.yes("several")?.unwrap_or(false));
        Ok(Box::new(Landmark { every, several }))
    },
}];

struct Landmark {
    every: usize,
    several: bool,
}

impl Pool for Landmark {
    fn pool(&self, states: &States<'_>) -> Result<Pooled, PoolError> {
        let tokens = Tokens::counted(states);
        if tokens.rows.is_empty() {
            return Ok(tokens.nothing(states.width));
        }
        let counted: Vec<usize> =
            states.landmarks.iter().filter(|place| states.counted().contains(place)).copied().collect();
        if counted.is_empty() {
            let (what, got) = ("the landmarks".into(), format!("{:?}", states.landmarks));
            let expected = format!("at least one of {:?}", states.counted());
            return Err(PoolError::States { pooler: "landmark", what, got, expected });
        }
        let of = |places: &[usize]| {
            let weight = |t| places.iter().filter(|place| **place == t).count() as f64 / places.len() as f64;
            let weights: Vec<f64> = states.counted().map(weight).collect();
            (tokens.weighted(&weights), weights)
        };
        let groups: Vec<_> = match self.several {
            true => counted.chunks(1).map(of).collect(),
            false => vec![of(&counted)],
        };
        Ok(tokens.pooled_all(states.width, &groups, true))
    }

    fn needs(&self) -> Needs {
        Needs { landmarks: Some(self.every), ..Needs::default() }
    }

    fn gives_several(&self) -> bool {
        self.several
    }
}
