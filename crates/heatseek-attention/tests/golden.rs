//! Against numpy, SciPy and networkx: `tests/golden/make_analyses.py` made the file.

use std::fs;
use std::path::Path;

use heatseek_attention::{
    Grid, JensenShannon, Map, Mixing, Rollout, cka, cluster, flow, graph_stats, head_stats, massive_channels,
    massiveness, positions, relative_residual, sink_scores, word_map,
};
use heatseek_testkit::{Tolerance, assert_close};
use safetensors::SafeTensors;

const CLOSE: Tolerance = Tolerance::RelAbs { rel: 2e-6, abs: 2e-6 };
const LAYERS: usize = 4;
const HEADS: usize = 3;
const TOKENS: usize = 12;
const WIDTH: usize = 40;
const MIXING: Mixing = Mixing { residual: 0.4, discard_ratio: 0.3 };
const GRID: Grid = Grid { prefix: 3, rows: 3, columns: 4 };

struct Golden(Vec<u8>);

impl Golden {
    fn read() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/analyses.safetensors");
        Self(fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display())))
    }

    fn bytes(&self, name: &str) -> (Vec<usize>, Vec<[u8; 4]>) {
        let tensors = SafeTensors::deserialize(&self.0).unwrap();
        let tensor = tensors.tensor(name).unwrap();
        let values = tensor.data().chunks_exact(4).map(|b| [b[0], b[1], b[2], b[3]]).collect();
        (tensor.shape().to_vec(), values)
    }

    fn floats(&self, name: &str) -> Vec<f32> {
        self.bytes(name).1.into_iter().map(f32::from_le_bytes).collect()
    }

    fn integers(&self, name: &str) -> Vec<usize> {
        self.bytes(name).1.into_iter().map(|b| i32::from_le_bytes(b) as usize).collect()
    }

    #[track_caller]
    fn compare(&self, name: &str, actual: &[f32], tolerance: Tolerance) {
        let expected = self.floats(name);
        assert_close(actual, &expected, &self.bytes(name).0, tolerance);
    }
}

fn maps(values: &[f32], tokens: usize) -> Vec<Map<'_>> {
    values.chunks_exact(tokens * tokens).map(|map| Map::new(map, tokens).unwrap()).collect()
}

fn f32s(values: &[f64]) -> Vec<f32> {
    values.iter().map(|&v| v as f32).collect()
}

#[test]
fn rollout_and_flow() {
    let golden = Golden::read();
    let fused = golden.floats("fused");
    let layers = maps(&fused, TOKENS);
    let all: Vec<usize> = (0..TOKENS).collect();
    let mut rollout = Rollout::new(TOKENS, &all, MIXING).unwrap();
    layers.iter().rev().for_each(|layer| rollout.through(*layer).unwrap());
    golden.compare("rollout", &rollout.into_rows(), CLOSE);
    let rows: Vec<f32> = [0, 5, 11].iter().flat_map(|&query| flow(&layers, query, MIXING).unwrap()).collect();
    golden.compare("flow", &rows, CLOSE);
}

#[test]
fn statistics_and_words() {
    let golden = Golden::read();
    let text = golden.floats("text");
    let mut special = [false; TOKENS];
    special[0] = true;
    special[11] = true;
    let (mut found, mut words) = (Vec::new(), Vec::new());
    for map in maps(&text, TOKENS) {
        let stats = head_stats(map, &special);
        found.extend([stats.entropy, stats.special, stats.previous, stats.current, stats.next]);
        words.extend(word_map(map, &[0..1, 1..4, 4..5, 5..7, 7..11, 11..12]).unwrap());
    }
    golden.compare("statistics", &f32s(&found), CLOSE);
    golden.compare("words", &words, CLOSE);
}

#[test]
fn heads_compared() {
    let golden = Golden::read();
    let text = golden.floats("text");
    let mut heads = JensenShannon::new(TOKENS, TOKENS);
    maps(&text, TOKENS).iter().for_each(|map| heads.push(map.values()).unwrap());
    let distances = heads.distances();
    golden.compare("distances", &f32s(&distances), CLOSE);
    let count = LAYERS * HEADS;
    // Places are eigenvectors: they move by more than what the distances do.
    golden.compare("positions", &f32s(&positions(&distances, count).unwrap()), Tolerance::Abs(1e-5));
    assert_eq!(cluster(&distances, count, 6).unwrap(), golden.integers("labels"));
}

#[test]
fn sinks_and_graphs() {
    let golden = Golden::read();
    let fused = golden.floats("fused");
    let layers = maps(&fused, TOKENS);
    let scores: Vec<f64> = layers.iter().flat_map(|layer| sink_scores(*layer)).collect();
    golden.compare("sink_scores", &f32s(&scores), CLOSE);
    let mut graphs = Vec::new();
    for layer in layers {
        let found = graph_stats(layer, None);
        graphs.extend([found.centralisation, found.connectivity, found.components as f64]);
        graphs.extend([found.sink_share, found.start, found.end]);
    }
    golden.compare("graph", &f32s(&graphs), CLOSE);
}

#[test]
fn patches_in_the_plane() {
    let golden = Golden::read();
    let picture = golden.floats("picture");
    let (mut distances, mut rings, mut aligned) = (Vec::new(), Vec::new(), Vec::new());
    let (mut peaks, mut deviations) = (Vec::new(), Vec::new());
    for map in maps(&picture, GRID.tokens()) {
        distances.push(GRID.distance(map).unwrap());
        rings.extend(GRID.rings(map).unwrap());
        let (values, peak) = GRID.aligned(map).unwrap();
        aligned.extend(values);
        peaks.extend([peak.dx as f64, peak.dy as f64, peak.share]);
        deviations.push(GRID.position_std(map).unwrap());
    }
    golden.compare("grid.distance", &f32s(&distances), CLOSE);
    golden.compare("grid.rings", &f32s(&rings), CLOSE);
    golden.compare("grid.aligned", &aligned, CLOSE);
    golden.compare("grid.peak", &f32s(&peaks), CLOSE);
    golden.compare("grid.position_std", &f32s(&deviations), CLOSE);
}

#[test]
fn hidden_states() {
    let golden = Golden::read();
    let hidden = golden.floats("hidden");
    let layers: Vec<&[f32]> = hidden.chunks_exact(TOKENS * WIDTH).collect();
    let rank: Vec<f64> = layers.iter().map(|x| relative_residual(x, TOKENS).unwrap()).collect();
    golden.compare("rank", &f32s(&rank), CLOSE);
    let alike: Vec<f64> = layers.iter().map(|x| cka(layers[0], x, TOKENS).unwrap()).collect();
    golden.compare("cka", &f32s(&alike), CLOSE);
    let channels = massive_channels(&layers, WIDTH).unwrap();
    assert_eq!(channels, golden.integers("massive"));
    let massive: Vec<f64> = layers.iter().flat_map(|x| massiveness(x, WIDTH, &channels).unwrap()).collect();
    golden.compare("massiveness", &f32s(&massive), CLOSE);
}
