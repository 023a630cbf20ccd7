//! `heatseek analyze`: what a model's attention says about it, in numbers.

use std::io::{self, BufWriter, Write};
use std::path::Path;

use heatseek::{Analysis, AnalysisOptions, EmbedOptions, GraphStats, NoControl, Plane, Sink, block_on};
use serde::Serialize;

use crate::args::AnalyzeArgs;
use crate::embed_images::read;
use crate::failure::Failure;
use crate::layout::Layout;
use crate::load;

/// The JSON object that is written. What there is of each head is listed by layer, then head.
#[derive(Serialize)]
struct Report<'a> {
    model: &'a Path,
    #[serde(flatten)]
    layout: Layout<'a>,
    layers: &'a [usize],
    heads: usize,
    entropy: Rows<'a>,
    special_mass: Rows<'a>,
    previous: Rows<'a>,
    #[serde(rename = "self")]
    current: Rows<'a>,
    next: Rows<'a>,
    #[serde(flatten)]
    plane: Option<PlaneReport<'a>>,
    /// One for each head of all layers.
    clusters: Vec<Clustered<'a>>,
    sinks: Vec<SinkReport<'a>>,
    /// One for each layer.
    graph: Vec<GraphReport>,
    /// Behind 0, 1, … layers.
    rank: Rank<'a>,
}

type Rows<'a> = Vec<&'a [f32]>;

/// Of pictures alone.
#[derive(Serialize)]
struct PlaneReport<'a> {
    distance: Rows<'a>,
    rings: Vec<Rows<'a>>,
    /// Maps by row and column.
    aligned: Vec<Vec<Rows<'a>>>,
    offsets: Vec<Vec<OffsetReport>>,
    position_std: Rows<'a>,
}

#[derive(Serialize)]
struct OffsetReport {
    dx: isize,
    dy: isize,
    share: f64,
    local: bool,
}

#[derive(Serialize)]
struct Clustered<'a> {
    layer: usize,
    head: usize,
    position: &'a [f32],
    label: usize,
}

#[derive(Serialize)]
struct SinkReport<'a> {
    token: usize,
    first_layer: usize,
    lifetime: usize,
    primary: bool,
    mass: &'a [f64],
}

#[derive(Serialize)]
struct GraphReport {
    r#type: &'static str,
    centralisation: f64,
    connectivity: f64,
    components: usize,
    sink_share: f64,
    start: f64,
    end: f64,
}

#[derive(Serialize)]
struct Rank<'a> {
    full: &'a [f64],
    no_residual: &'a [f64],
    no_feed_forward: &'a [f64],
    attention_only: &'a [f64],
}

/// Runs `heatseek analyze`.
pub fn run(args: &AnalyzeArgs) -> Result<(), Failure> {
    let analysis = analysis(args)?;
    let mut out = BufWriter::new(io::stdout().lock());
    serde_json::to_writer(&mut out, &report(&args.model.dir, &analysis)).map_err(io::Error::from)?;
    writeln!(out)?;
    Ok(out.flush()?)
}

fn analysis(args: &AnalyzeArgs) -> Result<Analysis, Failure> {
    let options = AnalysisOptions { layers: args.layers.clone() };
    if let Some(path) = &args.image {
        let model = load::image_model(&args.model, &NoControl)?;
        return Ok(block_on(model.analyze(&read(path)?, &options, &NoControl))?);
    }
    let model = load::model(&args.model, &NoControl)?;
    let embed = EmbedOptions {
        prompt_name: args.prompt_name.clone(),
        max_length: args.max_length,
        ..EmbedOptions::default()
    };
    let text = args.text.as_deref().unwrap_or_default();
    Ok(block_on(model.analyze(text, &options, &embed, &NoControl))?)
}

fn report<'a>(model: &'a Path, analysis: &'a Analysis) -> Report<'a> {
    let Analysis { heads, clusters, rank, .. } = analysis;
    let rows = |values: &'a [f32]| values.chunks_exact(*heads).collect();
    let of_each_head = clusters.position.chunks_exact(2).zip(&clusters.label).enumerate();
    Report {
        model,
        layout: Layout::of(&analysis.layout),
        layers: &analysis.layers,
        heads: *heads,
        entropy: rows(&analysis.entropy),
        special_mass: rows(&analysis.special_mass),
        previous: rows(&analysis.previous),
        current: rows(&analysis.current),
        next: rows(&analysis.next),
        plane: analysis.plane.as_ref().map(|plane| in_plane(plane, *heads)),
        clusters: of_each_head
            .map(|(at, (position, &label))| {
                let (layer, head) = (analysis.layers[at / heads], at % heads);
                Clustered { layer, head, position, label }
            })
            .collect(),
        sinks: analysis.sinks.iter().map(sink).collect(),
        graph: analysis.graph.iter().map(graph).collect(),
        rank: Rank {
            full: &rank.full,
            no_residual: &rank.no_residual,
            no_feed_forward: &rank.no_feed_forward,
            attention_only: &rank.attention_only,
        },
    }
}

fn in_plane(plane: &Plane, heads: usize) -> PlaneReport<'_> {
    let [height, width] = plane.aligned_size;
    fn map(values: &[f32], width: usize) -> Rows<'_> {
        values.chunks_exact(width).collect()
    }
    PlaneReport {
        distance: plane.distance.chunks_exact(heads).collect(),
        rings: plane
            .rings
            .chunks_exact(heads * plane.ring_count)
            .map(|layer| layer.chunks_exact(plane.ring_count).collect())
            .collect(),
        aligned: plane
            .aligned
            .chunks_exact(heads * height * width)
            .map(|layer| layer.chunks_exact(height * width).map(|values| map(values, width)).collect())
            .collect(),
        offsets: plane
            .offsets
            .chunks_exact(heads)
            .map(|layer| {
                let report = |&(offset, local): &(heatseek::Offset, bool)| OffsetReport {
                    dx: offset.dx,
                    dy: offset.dy,
                    share: offset.share,
                    local,
                };
                layer.iter().map(report).collect()
            })
            .collect(),
        position_std: plane.position_std.chunks_exact(heads).collect(),
    }
}

fn sink(sink: &Sink) -> SinkReport<'_> {
    let &Sink { token, first_layer, lifetime, primary, ref mass } = sink;
    SinkReport { token, first_layer, lifetime, primary, mass }
}

fn graph(found: &GraphStats) -> GraphReport {
    let &GraphStats { frame, centralisation, connectivity, components, sink_share, start, end } = found;
    GraphReport { r#type: frame.name(), centralisation, connectivity, components, sink_share, start, end }
}
