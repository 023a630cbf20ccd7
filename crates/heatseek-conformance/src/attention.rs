//! Attention maps against PyTorch's eager attention; `tests/golden/README.md` has the formats.

use heatseek::{
    AttentionMaps, AttentionOptions, EmbedOptions, HeadFusion, ImageModel, LoadOptions, MapLayout, Model,
    ModelFiles, NeuronOptions, NoControl, Reduce,
};
use heatseek_attention::{Map, Mixing, Rollout, flow};
use heatseek_testkit::{Tolerance, compare};
use safetensors::SafeTensors;
use serde::Deserialize;

use crate::Report;
use crate::vision::{floats, integers, read_metadata, read_vision_golden};

const FORMAT: &str = "heatseek-golden-attention-1";

/// The bar of the maps, and of how near to 1 the sum of a row is.
const PROBABILITY: Tolerance = Tolerance::Abs(1e-5);
const MAX_SUM_ERROR: f64 = 1e-5;

#[derive(Deserialize)]
struct Text {
    text: String,
    prompt: Option<String>,
    prompt_name: Option<String>,
    max_length: Option<usize>,
}

/// Compares the maps of a model of texts with the golden file that lies beside it.
///
/// # Errors
/// What is wrong with the golden file or the model.
pub async fn check_text_attention(
    files: ModelFiles,
    tensors: &[u8],
    options: LoadOptions,
) -> Result<Report, String> {
    let metadata = read_metadata(tensors, FORMAT)?;
    let texts = metadata.get("texts").ok_or("the golden file names no texts")?;
    let texts: Vec<Text> = serde_json::from_str(texts).map_err(|e| e.to_string())?;
    let file = SafeTensors::deserialize(tensors).map_err(|e| e.to_string())?;
    let model = Model::load(files, options, &NoControl).await.map_err(|e| e.to_string())?;
    let mut report = Report::default();
    for (index, Text { text, prompt, prompt_name, max_length }) in texts.into_iter().enumerate() {
        let tensor = |name: &str| file.tensor(&format!("{name}.{index}")).map_err(|e| e.to_string());
        let ids: Vec<u32> = integers(tensor("ids")?.data()).into_iter().map(|id| id as u32).collect();
        let expected = floats(tensor("attention")?.data());
        let embed = EmbedOptions { prompt, prompt_name, max_length, ..EmbedOptions::default() };
        let look = |wanted: AttentionOptions| {
            let (model, text, embed) = (&model, &text, &embed);
            async move { model.attention(text, &wanted, embed, &NoControl).await }
        };
        report.check(&format!("text {index}, queries and rollouts"), check_derived(&look).await);
        report.check(&format!("text {index}, neurons"), check_neuron(&model, &text, &embed).await);
        for fusion in HeadFusion::ALL {
            let wanted = AttentionOptions { reduce: reduce(fusion), ..AttentionOptions::default() };
            let maps =
                model.attention(&text, &wanted, &embed, &NoControl).await.map_err(|e| e.to_string())?;
            let MapLayout::Text { ids: actual, .. } = &maps.layout else { return Err("not a text".into()) };
            let name = format!("text {index}, heads {}", fusion.name());
            report.check(&name, if *actual == ids { Ok(()) } else { Err(format!("token ids {actual:?}")) });
            let heads = model.info().spec.num_attention_heads;
            report.check(&name, check_maps(&maps, &expected, heads, fusion));
        }
    }
    Ok(report)
}

/// Compares the maps of a vision model with the golden file that lies beside it.
///
/// # Errors
/// What is wrong with the golden file or the model.
pub async fn check_picture_attention(
    files: ModelFiles,
    tensors: &[u8],
    options: LoadOptions,
) -> Result<Report, String> {
    let cases = read_vision_golden(tensors)?;
    let file = SafeTensors::deserialize(tensors).map_err(|e| e.to_string())?;
    let model = ImageModel::load(files, options, &NoControl).await.map_err(|e| e.to_string())?;
    let heads = model.info().spec.num_attention_heads;
    let mut report = Report::default();
    for (index, case) in cases.iter().enumerate() {
        let expected = file.tensor(&format!("attention.{index}")).map_err(|e| e.to_string())?;
        let expected = floats(expected.data());
        let look = |wanted: AttentionOptions| {
            let (model, pixels) = (&model, &case.pixels);
            async move { model.attention_of_pixels(pixels, &wanted, &NoControl).await }
        };
        report.check(&format!("picture {index}, queries and rollouts"), check_derived(&look).await);
        for fusion in HeadFusion::ALL {
            let wanted = AttentionOptions { reduce: reduce(fusion), ..AttentionOptions::default() };
            let maps = model.attention_of_pixels(&case.pixels, &wanted, &NoControl).await;
            let maps = maps.map_err(|e| e.to_string())?;
            let name = format!("picture {index}, heads {}", fusion.name());
            report.check(&name, check_maps(&maps, &expected, heads, fusion));
        }
    }
    // Another order and fewer are the same maps.
    if let Some(case) = cases.first() {
        let all = model.attention_of_pixels(&case.pixels, &AttentionOptions::default(), &NoControl).await;
        let (layers, chosen) = (Some(vec![1]), Some(vec![2, 0]));
        let some = AttentionOptions { layers, heads: chosen, ..AttentionOptions::default() };
        let some = model.attention_of_pixels(&case.pixels, &some, &NoControl).await;
        let (all, some) = (all.map_err(|e| e.to_string())?, some.map_err(|e| e.to_string())?);
        let same = some.map(0, 0) == all.map(1, 2) && some.map(0, 1) == all.map(1, 0) && some.shape[1] == 2;
        report.check("a choice of maps", if same { Ok(()) } else { Err("they are others".into()) });
    }
    Ok(report)
}

fn reduce(fusion: HeadFusion) -> Reduce {
    match fusion {
        HeadFusion::Each => Reduce::None,
        HeadFusion::Mean => Reduce::Mean,
        HeadFusion::Max => Reduce::Max,
        HeadFusion::Min => Reduce::Min,
    }
}

/// Products of a query and its keys add up to its scores, and their softmax is what it looked at.
async fn check_neuron(model: &Model, text: &str, embed: &EmbedOptions) -> Result<(), String> {
    let maps = model.attention(text, &AttentionOptions::default(), embed, &NoControl).await;
    let maps = maps.map_err(|e| e.to_string())?;
    let [layers, heads, _, tokens] = maps.shape;
    for (layer, head) in (0..layers).flat_map(|layer| (0..heads).map(move |head| (layer, head))) {
        let query = (3 * head + layer) % tokens;
        let wanted = NeuronOptions { layer, head, query };
        let view = model.neuron(text, wanted, embed, &NoControl).await.map_err(|e| e.to_string())?;
        let d = view.q.len();
        let product = |key: &[f32]| key.iter().zip(&view.q).map(|(k, q)| f64::from(k * q)).sum::<f64>();
        let scores = view.k.chunks_exact(d).map(|key| (product(key) / (d as f64).sqrt()) as f32);
        let scores: Vec<f32> = scores.collect();
        compare(&view.scores, &scores, &[1, tokens], PROBABILITY).map_err(|e| e.to_string())?;
        let row = &maps.map(layer, head)[query * tokens..][..tokens];
        compare(&view.probabilities, row, &[1, tokens], PROBABILITY).map_err(|e| e.to_string())?;
    }
    Ok(())
}

/// A row is that of the whole map; a rollout is that of the maps, whoever computes it.
async fn check_derived<F>(look: &dyn Fn(AttentionOptions) -> F) -> Result<(), String>
where
    F: Future<Output = Result<AttentionMaps, heatseek::Error>>,
{
    let look = async |wanted| look(wanted).await.map_err(|e| e.to_string());
    let same = |what: &str, actual: &AttentionMaps, expected: &[f32], tolerance| {
        let [layers, heads, queries, tokens] = actual.shape;
        let compared = compare(&actual.data, expected, &[layers * heads * queries, tokens], tolerance);
        compared.map(|_| ()).map_err(|e| format!("{what}: {e}"))
    };
    for fusion in HeadFusion::ALL {
        let whole = AttentionOptions { reduce: reduce(fusion), ..AttentionOptions::default() };
        let maps = look(whole.clone()).await?;
        let [layers, heads, _, tokens] = maps.shape;
        let query = tokens - 1;
        let row = look(AttentionOptions { query: Some(query), ..whole }).await?;
        let places = (0..layers).flat_map(|layer| (0..heads).map(move |head| (layer, head)));
        let rows = places.flat_map(|(layer, head)| &maps.map(layer, head)[query * tokens..][..tokens]);
        let rows: Vec<f32> = rows.copied().collect();
        same("a row", &row, &rows, Tolerance::BATCH)?;
        if fusion == HeadFusion::Each {
            continue;
        }
        // All layers, and some of them.
        for chosen in [(0..layers).collect::<Vec<_>>(), vec![layers - 1], vec![0]] {
            let (reduce, residual) = (Reduce::Rollout, 0.3);
            let of = Some(chosen.clone());
            let wanted =
                AttentionOptions { layers: of, reduce, fusion, residual, ..AttentionOptions::default() };
            let whole = look(wanted.clone()).await?;
            let mixing = Mixing { residual, ..Mixing::default() };
            let mut expected =
                Rollout::new(tokens, &(0..tokens).collect::<Vec<_>>(), mixing).map_err(|e| e.to_string())?;
            for &layer in chosen.iter().rev() {
                let map = Map::new(maps.map(layer, 0), tokens).map_err(|e| e.to_string())?;
                expected.through(map).map_err(|e| e.to_string())?;
            }
            let expected = expected.into_rows();
            same("a rollout", &whole, &expected, PROBABILITY)?;
            for row in whole.data.chunks_exact(tokens) {
                let sum: f64 = row.iter().map(|&share| f64::from(share)).sum();
                if !((sum - 1.0).abs() <= MAX_SUM_ERROR) {
                    return Err(format!("a row of a rollout sums to {sum}"));
                }
            }
            let row = look(AttentionOptions { query: Some(query), ..wanted }).await?;
            same("a row of a rollout", &row, &expected[query * tokens..], PROBABILITY)?;
        }
        check_on_host(&look, &maps, fusion).await?;
    }
    Ok(())
}

/// Rollouts with values discarded, and flows, are the same arithmetic over the fused `maps` themselves.
async fn check_on_host<L>(look: &L, maps: &AttentionMaps, fusion: HeadFusion) -> Result<(), String>
where
    L: AsyncFn(AttentionOptions) -> Result<AttentionMaps, String>,
{
    let [layers, _, _, tokens] = maps.shape;
    let all: Result<Vec<Map<'_>>, _> =
        (0..layers).map(|layer| Map::new(maps.map(layer, 0), tokens)).collect();
    let all = all.map_err(|e| e.to_string())?;
    let mixing = Mixing { residual: 0.3, discard_ratio: 0.4 };
    let query = tokens - 1;
    let through = |layers: &[Map<'_>], queries: &[usize]| {
        let mut rollout = Rollout::new(tokens, queries, mixing).map_err(|e| e.to_string())?;
        layers.iter().rev().try_for_each(|map| rollout.through(*map)).map_err(|e| e.to_string())?;
        Ok::<_, String>(rollout.into_rows())
    };
    let wanted = AttentionOptions {
        fusion,
        residual: mixing.residual,
        discard_ratio: mixing.discard_ratio,
        query: Some(query),
        ..AttentionOptions::default()
    };
    let rollout = AttentionOptions { reduce: Reduce::Rollout, ..wanted.clone() };
    let whole = look(AttentionOptions { query: None, ..rollout.clone() }).await?;
    let last = look(AttentionOptions { layers: Some(vec![layers - 1]), ..rollout.clone() }).await?;
    let found = [
        ("a rollout with values discarded", whole, through(&all, &(0..tokens).collect::<Vec<_>>())?),
        ("a row of one", look(rollout).await?, through(&all, &[query])?),
        ("a row of one through the last layer", last, through(&all[layers - 1..], &[query])?),
        (
            "a flow",
            look(AttentionOptions { reduce: Reduce::Flow, ..wanted }).await?,
            flow(&all, query, mixing).map_err(|e| e.to_string())?,
        ),
    ];
    for (what, actual, expected) in found {
        let shape = [actual.shape[2], tokens];
        compare(&actual.data, &expected, &shape, Tolerance::Exact).map_err(|e| format!("{what}: {e}"))?;
    }
    Ok(())
}

/// `expected` holds every head, `[layers, heads, tokens, tokens]`.
fn check_maps(
    maps: &AttentionMaps,
    expected: &[f32],
    heads: usize,
    fusion: HeadFusion,
) -> Result<(), String> {
    let [layers, shown, tokens, _] = maps.shape;
    let pairs = tokens * tokens;
    if expected.len() != layers * heads * pairs {
        return Err(format!("the shape is {:?}", maps.shape));
    }
    let fuse = |values: &mut dyn Iterator<Item = f32>| match fusion {
        HeadFusion::Each => unreachable!("nothing to fuse"),
        HeadFusion::Mean => values.map(f64::from).sum::<f64>() as f32 / heads as f32,
        HeadFusion::Max => values.fold(0.0, f32::max),
        HeadFusion::Min => values.fold(1.0, f32::min),
    };
    let expected: Vec<f32> = match fusion {
        HeadFusion::Each => expected.to_vec(),
        _ => expected
            .chunks_exact(heads * pairs)
            .flat_map(|layer| (0..pairs).map(move |at| (layer, at)))
            .map(|(layer, at)| fuse(&mut layer.iter().skip(at).step_by(pairs).copied()))
            .collect(),
    };
    compare(&maps.data, &expected, &[layers * shown * tokens, tokens], PROBABILITY)
        .map_err(|e| e.to_string())?;
    if matches!(fusion, HeadFusion::Each | HeadFusion::Mean) {
        for (row, values) in maps.data.chunks_exact(tokens).enumerate() {
            let sum: f64 = values.iter().map(|&v| f64::from(v)).sum();
            if !((sum - 1.0).abs() <= MAX_SUM_ERROR) {
                return Err(format!("row {row} sums to {sum}"));
            }
        }
    }
    Ok(())
}
