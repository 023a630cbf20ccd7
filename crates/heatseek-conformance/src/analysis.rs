//! Analyses from one end to the other, against numpy; `tests/golden/README.md` has the format. The arithmetic has
//! goldens of its own in heatseek-attention.

use heatseek::{
    Analysis, AnalysisOptions, EmbedOptions, ImageModel, LoadOptions, Model, ModelFiles, NoControl,
    RankCurves,
};
use heatseek_testkit::{Tolerance, compare};
use safetensors::SafeTensors;

use crate::Report;
use crate::vision::{floats, read_metadata, read_vision_golden};

const FORMAT: &str = "heatseek-golden-ablations-1";

/// Numbers that are sums over maps which are within 1e-5.
const NUMBERS: Tolerance = Tolerance::Abs(5e-5);

/// Curves, also where tokens are nearly the same.
const CURVES: Tolerance = Tolerance::RelAbs { rel: 1e-4, abs: 2e-6 };

/// Analyses the text of the golden file `ablations` with its model.
///
/// # Errors
/// What is wrong with the golden file or the model.
pub async fn check_text_analysis(
    files: ModelFiles,
    ablations: &[u8],
    options: LoadOptions,
) -> Result<Report, String> {
    let metadata = read_metadata(ablations, FORMAT)?;
    let text = metadata.get("text").ok_or("the golden file names no text")?;
    let golden = SafeTensors::deserialize(ablations).map_err(|e| e.to_string())?;
    let tensor = |name: &str| golden.tensor(name).map(|t| floats(t.data())).map_err(|e| e.to_string());
    let model = Model::load(files, options, &NoControl).await.map_err(|e| e.to_string())?;
    let embed = EmbedOptions::default();
    let analyze = |layers| {
        let (model, embed) = (&model, &embed);
        async move {
            let found = model.analyze(text, &AnalysisOptions { layers }, embed, &NoControl).await;
            found.map_err(|e| e.to_string())
        }
    };
    let mut report = Report::default();
    let all = analyze(None).await?;
    let numbers =
        all.entropy.iter().zip(&all.special_mass).zip(&all.previous).zip(&all.current).zip(&all.next);
    let numbers: Vec<f32> = numbers.flat_map(|((((a, b), c), d), e)| [*a, *b, *c, *d, *e]).collect();
    let expected = tensor("bert.statistics")?;
    let compared = compare(&numbers, &expected, &[all.layers.len(), all.heads, 5], NUMBERS);
    report.check("statistics", compared.map(drop).map_err(|e| e.to_string()));
    report.check("rank", check_curves(&all.rank, &tensor("bert.rank")?));
    // A layer alone, and one that is asked for twice.
    let some = analyze(Some(vec![1, 1])).await?;
    report.check("a layer alone", check_alone(&all, &some));
    for layers in [vec![], vec![0, 2]] {
        let refused =
            model.analyze(text, &AnalysisOptions { layers: Some(layers) }, &embed, &NoControl).await;
        let code = refused.map_or_else(|e| e.code(), |_| "nothing");
        let outcome = if code == "invalid_input" { Ok(()) } else { Err(format!("{code} was said")) };
        report.check("layers that are not there", outcome);
    }
    Ok(report)
}

/// Analyses the first picture of `pictures`, the golden file of a small vision model.
///
/// # Errors
/// What is wrong with a golden file or the model.
pub async fn check_picture_analysis(
    files: ModelFiles,
    pictures: &[u8],
    ablations: &[u8],
    options: LoadOptions,
) -> Result<Report, String> {
    read_metadata(ablations, FORMAT)?;
    let golden = SafeTensors::deserialize(ablations).map_err(|e| e.to_string())?;
    let curves = golden.tensor("vit.rank").map(|t| floats(t.data())).map_err(|e| e.to_string())?;
    let cases = read_vision_golden(pictures)?;
    let case = cases.first().ok_or("there is no picture")?;
    let model = ImageModel::load(files, options, &NoControl).await.map_err(|e| e.to_string())?;
    let found = model.analyze_pixels(&case.pixels, &AnalysisOptions::default(), &NoControl).await;
    let found = found.map_err(|e| e.to_string())?;
    let mut report = Report::default();
    report.check("rank", check_curves(&found.rank, &curves));
    report.check("plane", check_plane(&found));
    Ok(report)
}

fn check_curves(rank: &RankCurves, expected: &[f32]) -> Result<(), String> {
    let curves = [&rank.full, &rank.no_residual, &rank.no_feed_forward, &rank.attention_only];
    let values: Vec<f32> = curves.into_iter().flatten().map(|&v| v as f32).collect();
    compare(&values, expected, &[4, rank.full.len()], CURVES).map(drop).map_err(|e| e.to_string())
}

/// Whether `some` is what `all` says of its layer 1.
fn check_alone(all: &Analysis, some: &Analysis) -> Result<(), String> {
    let of_layer = |values: &[f32]| values[all.heads..2 * all.heads].to_vec();
    let same = some.layers == [1]
        && some.entropy == of_layer(&all.entropy)
        && some.next == of_layer(&all.next)
        && some.graph[..] == all.graph[1..2]
        && some.rank == all.rank;
    if same { Ok(()) } else { Err(format!("{some:?} instead of {all:?}")) }
}

/// What must hold of any picture: rings and prefix tokens share all attention, an aligned map has the offset of its
/// peak, and every head has a place.
fn check_plane(found: &Analysis) -> Result<(), String> {
    let plane = found.plane.as_ref().ok_or("it says nothing of the plane")?;
    let heads = found.layers.len() * found.heads;
    let [height, width] = plane.aligned_size;
    let sizes = [
        plane.distance.len() == heads,
        plane.rings.len() == heads * plane.ring_count,
        plane.aligned.len() == heads * height * width,
        found.clusters.position.len() == 2 * heads,
        found.clusters.label.len() == heads,
    ];
    if sizes.contains(&false) {
        return Err(format!("sizes are wrong: {sizes:?}"));
    }
    for (head, (rings, (offset, _))) in plane.rings.chunks(plane.ring_count).zip(&plane.offsets).enumerate() {
        let sum: f32 = rings.iter().sum();
        if !(0.5..1.0).contains(&sum) {
            return Err(format!("the rings of head {head} share {sum}"));
        }
        let row = (offset.dy + (height as isize - 1) / 2) as usize;
        let column = (offset.dx + (width as isize - 1) / 2) as usize;
        let share = plane.aligned[(head * height + row) * width + column];
        if share != offset.share as f32 {
            return Err(format!("head {head} peaks with {} where its map has {share}", offset.share));
        }
    }
    Ok(())
}
