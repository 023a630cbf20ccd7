//! What a model's attention says about it: numbers of every head and layer, from maps that are captured a few layers
//! at a time and never kept.

use heatseek_attention::{
    GraphStats, Grid, JensenShannon, Map, Offset, Sink, cluster, graph_stats, head_stats, life_cycles,
    positions, sink_scores, sink_threshold,
};
use heatseek_ops::{Batch, LocalFuture};

use crate::device::Encoder;
use crate::rank::{RankCurves, rank_curves};
use crate::runner::Runner;
use crate::{
    AttentionMaps, AttentionOptions, Control, EmbedOptions, Error, ImageModel, MapLayout, Model, Picture,
    Pixels, Progress, Stage,
};

/// The most values of maps that are held at once, unless one layer has more: 64 MiB.
const MAPS_AT_ONCE: usize = 1 << 24;

/// The most logarithms that comparing all heads with all may take: about a second of them.
const COMPARISONS: usize = 1 << 27;

/// The most values of a head that are kept to compare it with others.
const KEPT_OF_A_HEAD: usize = 1 << 16;

/// The most groups of heads that are told apart.
const MOST_GROUPS: usize = 8;

/// The share from which on a head of one neighbour is one. Ours.
const LOCAL: f64 = 0.5;

/// What to analyse.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AnalysisOptions {
    /// Layers, counted from 0; `None` is all of them. They are taken in their own order, each once.
    pub layers: Option<Vec<usize>>,
}

/// Numbers of every head, layer and token of one input. Those of heads are `[layers, heads]` row-major.
///
/// Attention shows where information was taken from; none of this explains a result.
#[derive(Clone, Debug, PartialEq)]
pub struct Analysis {
    /// What the tokens are.
    pub layout: MapLayout,
    /// Which layers, ascending. What counts layers below counts these.
    pub layers: Vec<usize>,
    /// Heads of a layer.
    pub heads: usize,
    /// Entropy of what tokens looked at, in nats.
    pub entropy: Vec<f32>,
    /// Share of attention that special or prefix tokens got.
    pub special_mass: Vec<f32>,
    /// Share that tokens gave to the one before them.
    pub previous: Vec<f32>,
    /// Share that tokens gave to themselves.
    pub current: Vec<f32>,
    /// Share that tokens gave to the next.
    pub next: Vec<f32>,
    /// Of pictures: where patches looked in the plane.
    pub plane: Option<Plane>,
    /// Which heads are alike.
    pub clusters: Clusters,
    /// Tokens that got far more than their share, by the mean of a layer's heads.
    pub sinks: Vec<Sink>,
    /// The graph of each layer, by the mean of its heads.
    pub graph: Vec<GraphStats>,
    /// How nearly all tokens are the same, behind 0 and more of all layers.
    pub rank: RankCurves,
}

/// Numbers of heads of pictures, `[layers, heads]` row-major. Lengths are in patches.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plane {
    /// Mean distance that patches look.
    pub distance: Vec<f32>,
    /// How many rings there are.
    pub ring_count: usize,
    /// Share given to the squares around each patch: `[layers, heads, ring_count]`.
    pub rings: Vec<f32>,
    /// Height and width of an aligned map.
    pub aligned_size: [usize; 2],
    /// What patches gave to the patch at each offset: `[layers, heads, height, width]`, themselves in the middle.
    pub aligned: Vec<f32>,
    /// The offset that got most, and whether the head is one of one neighbour.
    pub offsets: Vec<(Offset, bool)>,
    /// How much it matters which patch looks.
    pub position_std: Vec<f32>,
}

/// Heads by what they look at.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Clusters {
    /// A place in the plane for each head, the nearer the more alike: `[layers × heads, 2]`.
    pub position: Vec<f32>,
    /// The group of each head, counted from 0.
    pub label: Vec<usize>,
}

impl Model {
    /// Analyses the attention of `text`, with the prompt and length that `embed` says.
    ///
    /// Costs a run of the model for every few layers, as many as fit into 64 MiB of maps, and four runs with parts
    /// of it left out, which are on the CPU.
    ///
    /// # Errors
    /// As [`Model::attention`].
    pub async fn analyze(
        &self,
        text: &str,
        options: &AnalysisOptions,
        embed: &EmbedOptions,
        control: &dyn Control,
    ) -> Result<Analysis, Error> {
        let model = self.text_model();
        let (batch, _) = self.looked_at(text, embed)?;
        let (layers, heads) = (model.spec().num_hidden_layers, model.spec().num_attention_heads);
        let capture = |wanted: AttentionOptions| -> LocalFuture<'_, _> {
            Box::pin(async move { self.attention(text, &wanted, embed, control).await })
        };
        analyze(&self.runner, &batch, [layers, heads], options, &capture, control).await
    }
}

impl ImageModel {
    /// Analyses the attention of `picture`, prepared as the model's files say. Costs as [`Model::analyze`].
    ///
    /// # Errors
    /// As [`ImageModel::attention`].
    pub async fn analyze(
        &self,
        picture: &Picture,
        options: &AnalysisOptions,
        control: &dyn Control,
    ) -> Result<Analysis, Error> {
        self.analyze_pixels(&self.preprocessor().pixels(picture)?, options, control).await
    }

    /// The same for a picture that is already what the model takes.
    ///
    /// # Errors
    /// As [`ImageModel::attention`].
    pub async fn analyze_pixels(
        &self,
        pixels: &Pixels,
        options: &AnalysisOptions,
        control: &dyn Control,
    ) -> Result<Analysis, Error> {
        let model = self.model();
        let (batch, _) = self.looked_at(pixels)?;
        let (layers, heads) = (model.spec().num_hidden_layers, model.spec().num_attention_heads);
        let capture = |wanted: AttentionOptions| -> LocalFuture<'_, _> {
            Box::pin(async move { self.attention_of_pixels(pixels, &wanted, control).await })
        };
        analyze(&self.runner, &batch, [layers, heads], options, &capture, control).await
    }
}

/// Captures maps of some layers.
type Capture<'a> = dyn Fn(AttentionOptions) -> LocalFuture<'a, Result<AttentionMaps, Error>> + 'a;

async fn analyze<'a, E: Encoder>(
    runner: &Runner<E>,
    batch: &Batch,
    [count, heads]: [usize; 2],
    options: &AnalysisOptions,
    capture: &Capture<'a>,
    control: &dyn Control,
) -> Result<Analysis, Error> {
    let mut layers = options.layers.clone().unwrap_or_else(|| (0..count).collect());
    layers.sort_unstable();
    layers.dedup();
    let steps = layers.len() + RankCurves::RUNS;
    let progress = |loaded| control.progress(Progress { stage: Stage::Analyze, loaded, total: steps });
    progress(0);
    let tokens = batch.rows();
    let at_once = (MAPS_AT_ONCE / (heads * tokens * tokens).max(1)).max(1);
    let mut analyzer = Analyzer::new(layers.len(), heads, tokens);
    let mut layout = None;
    for group in layers.chunks(at_once) {
        let wanted = AttentionOptions { layers: Some(group.to_vec()), ..AttentionOptions::default() };
        let maps = capture(wanted).await?;
        for layer in 0..group.len() {
            let heads: Vec<&[f32]> = (0..heads).map(|head| maps.map(layer, head)).collect();
            analyzer.layer(&heads, &maps.layout)?;
            progress(analyzer.graph.len());
            control.checkpoint().await?;
        }
        layout = Some(maps.layout);
    }
    let layout = layout.ok_or_else(|| Error::InvalidInput {
        what: "layers".into(),
        got: "none".into(),
        expected: format!("one or more of 0 to {}, counted from 0", count - 1),
    })?;
    let done = |runs| progress(layers.len() + runs);
    let rank = rank_curves(&runner.encoder, batch, count, &done, control).await?;
    analyzer.finish(layout, layers, rank)
}

/// What is kept of the layers so far.
struct Analyzer {
    heads: usize,
    tokens: usize,
    /// Rows that heads are compared by.
    sampled: Vec<usize>,
    /// By head.
    stats: [Vec<f32>; 5],
    plane: Option<Plane>,
    compared: JensenShannon,
    /// By layer and token.
    sinks: Vec<f64>,
    graph: Vec<GraphStats>,
}

impl Analyzer {
    fn new(layers: usize, heads: usize, tokens: usize) -> Self {
        let all = (layers * heads).max(1);
        let values = (2 * COMPARISONS / (all * all)).min(KEPT_OF_A_HEAD);
        let rows = (values / tokens.max(1)).clamp(1, tokens.max(1));
        Self {
            heads,
            tokens,
            sampled: (0..rows).map(|row| (2 * row + 1) * tokens / (2 * rows)).collect(),
            stats: Default::default(),
            plane: None,
            compared: JensenShannon::new(rows, tokens),
            sinks: Vec::new(),
            graph: Vec::new(),
        }
    }

    /// Takes what there is to know of a layer.
    fn layer(&mut self, heads: &[&[f32]], layout: &MapLayout) -> Result<(), Error> {
        let special = match layout {
            MapLayout::Text { special, .. } => special.clone(),
            MapLayout::Picture { prefix_tokens, .. } => vec![true; prefix_tokens.len()],
        };
        let mut mean = vec![0.0f32; self.tokens * self.tokens];
        for values in heads {
            let map = Map::new(values, self.tokens)?;
            let found = head_stats(map, &special);
            let numbers = [found.entropy, found.special, found.previous, found.current, found.next];
            self.stats.iter_mut().zip(numbers).for_each(|(all, number)| all.push(number as f32));
            if let MapLayout::Picture { prefix_tokens, grid } = layout {
                let grid = Grid { prefix: prefix_tokens.len(), rows: grid.rows, columns: grid.columns };
                self.plane.get_or_insert_default().push(map, grid)?;
            }
            let rows: Vec<f32> = self.sampled.iter().flat_map(|&query| map.row(query)).copied().collect();
            self.compared.push(&rows)?;
            mean.iter_mut().zip(*values).for_each(|(mean, a)| *mean += a / self.heads as f32);
        }
        let mean = Map::new(&mean, self.tokens)?;
        self.sinks.extend(sink_scores(mean));
        self.graph.push(graph_stats(mean, None));
        Ok(())
    }

    fn finish(self, layout: MapLayout, layers: Vec<usize>, rank: RankCurves) -> Result<Analysis, Error> {
        let distances = self.compared.distances();
        let all = layers.len() * self.heads;
        let position = positions(&distances, all)?.into_iter().map(|v| v as f32).collect();
        let clusters = Clusters { position, label: cluster(&distances, all, MOST_GROUPS)? };
        let mut sinks = life_cycles(&self.sinks, layers.len(), sink_threshold(self.tokens))?;
        sinks.iter_mut().for_each(|sink| sink.first_layer = layers[sink.first_layer]);
        let [entropy, special_mass, previous, current, next] = self.stats;
        Ok(Analysis {
            layout,
            layers,
            heads: self.heads,
            entropy,
            special_mass,
            previous,
            current,
            next,
            plane: self.plane,
            clusters,
            sinks,
            graph: self.graph,
            rank,
        })
    }
}

impl Plane {
    fn push(&mut self, map: Map<'_>, grid: Grid) -> Result<(), Error> {
        self.distance.push(grid.distance(map)? as f32);
        self.ring_count = grid.ring_count();
        self.rings.extend(grid.rings(map)?.into_iter().map(|ring| ring as f32));
        let (aligned, offset) = grid.aligned(map)?;
        self.aligned_size = [2 * grid.rows - 1, 2 * grid.columns - 1];
        self.aligned.extend(aligned);
        self.offsets.push((offset, offset.is_local(LOCAL)));
        self.position_std.push(grid.position_std(map)? as f32);
        Ok(())
    }
}
