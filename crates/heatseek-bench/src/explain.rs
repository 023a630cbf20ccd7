//! `heatseek explain` and `heatseek occlude`: what a score rests on, by arithmetic and by trial.

use std::io::{self, Write};
use std::path::Path;

use heatseek::{
    EmbedOptions, ExplainOptions, ExplainedSide, Explanation, ImageOptions, NoControl, Occlusion, block_on,
};
use serde::Serialize;

use crate::args::{ExplainArgs, ModelArgs, OccludeArgs};
use crate::embed_images::read;
use crate::failure::Failure;
use crate::layout::Layout;
use crate::load;

#[derive(Serialize)]
struct Report<'a> {
    model: &'a Path,
    score: f32,
    /// Tokens of the query, tokens of the passage.
    shape: [usize; 2],
    /// Absent if the query is of the other half of the model.
    #[serde(skip_serializing_if = "Option::is_none")]
    query: Option<Side<'a>>,
    passage: Side<'a>,
    /// By token of the query and token of the passage.
    similarity: Vec<&'a [f32]>,
}

#[derive(Serialize)]
struct Side<'a> {
    #[serde(flatten)]
    layout: Layout<'a>,
    /// They sum to the score; absent where the vector is no sum over tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    contributions: Option<&'a [f32]>,
    /// How much pooling weighs each token; absent where it weighs none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pool_weights: Option<&'a [f32]>,
}

#[derive(Serialize)]
struct Trial<'a> {
    model: &'a Path,
    /// The cosine while nothing is hidden.
    score: f32,
    #[serde(flatten)]
    layout: Layout<'a>,
    /// How far the cosine falls, by token.
    occlusion: &'a [f32],
}

/// Runs `heatseek explain`.
pub fn explain(args: &ExplainArgs) -> Result<(), Failure> {
    let Explanation { score, similarity, shape, query, passage } = &explanation(args)?;
    print(&Report {
        model: &args.model.dir,
        score: *score,
        shape: *shape,
        query: query.as_ref().map(side),
        passage: side(passage),
        similarity: similarity.chunks_exact(shape[1].max(1)).collect(),
    })
}

fn side(side: &ExplainedSide) -> Side<'_> {
    Side {
        layout: Layout::of(&side.layout),
        contributions: side.contributions.as_deref(),
        pool_weights: side.pool_weights.as_deref(),
    }
}

fn explanation(args: &ExplainArgs) -> Result<Explanation, Failure> {
    let options = ExplainOptions {
        query: prompted(args.query_prompt_name.as_ref()),
        passage: prompted(args.passage_prompt_name.as_ref()),
        ..ExplainOptions::default()
    };
    let query = args.query.as_deref().unwrap_or_default();
    let Some(image) = &args.image else {
        let model = load::model(&args.model, &NoControl)?;
        let passage = args.passage.as_deref().unwrap_or_default();
        return Ok(block_on(model.explain(query, passage, &options, &NoControl))?);
    };
    let passage = read(image)?;
    if let Some(query) = &args.query_image {
        let model = load::image_model(&args.model, &NoControl)?;
        return Ok(block_on(model.explain(&read(query)?, &passage, &options, &NoControl))?);
    }
    let vector = vector(&args.model, query, &options.query)?;
    let model = load::image_model(&args.model, &NoControl)?;
    Ok(block_on(model.explain_vector(&vector, &passage, &options, &NoControl))?)
}

/// Runs `heatseek occlude`.
pub fn occlude(args: &OccludeArgs) -> Result<(), Failure> {
    let embed = prompted(args.prompt_name.as_ref());
    let against = args.against.as_deref().map(|text| vector(&args.model, text, &embed)).transpose()?;
    let against = against.as_deref();
    let Occlusion { data, score, layout } = &match &args.image {
        None => {
            let text = args.text.as_deref().unwrap_or_default();
            let model = load::model(&args.model, &NoControl)?;
            block_on(model.occlusion(text, against, &embed, &NoControl))?
        }
        Some(image) => {
            let picture = read(image)?;
            let model = load::image_model(&args.model, &NoControl)?;
            let options = ImageOptions::default();
            block_on(model.occlusion(&picture, against, args.window, &options, &NoControl))?
        }
    };
    print(&Trial { model: &args.model.dir, score: *score, layout: Layout::of(layout), occlusion: data })
}

fn prompted(name: Option<&String>) -> EmbedOptions {
    EmbedOptions { prompt_name: name.cloned(), ..EmbedOptions::default() }
}

/// The vector of a text, by the half of the model that reads texts.
fn vector(model: &ModelArgs, text: &str, embed: &EmbedOptions) -> Result<Vec<f32>, Failure> {
    let model = load::model(model, &NoControl)?;
    Ok(block_on(model.embed(&[text], embed, &NoControl))?.data)
}

fn print(report: &impl Serialize) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    serde_json::to_writer(&mut out, report).map_err(io::Error::from)?;
    Ok(writeln!(out)?)
}
