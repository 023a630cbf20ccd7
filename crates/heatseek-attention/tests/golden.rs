//! Against numpy, SciPy and networkx: `tests/golden/make_analyses.py` made the file.

use std::fs;
use std::path::Path;

use heatseek_attention::{
    Grid, JensenShannon, Map, Mixing, Rollout, cka, cluster, flow, graph_stats, head_stats, massive_channels,
    massiveness, positions, relative_residual, sink_scores, word_map, words,
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

fn file(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden").join(name);
    fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

struct Golden(Vec<u8>);

impl Golden {
    fn read() -> Self {
        Self(file("analyses.safetensors"))
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

    fn doubles(&self, name: &str) -> Vec<f64> {
        let tensors = SafeTensors::deserialize(&self.0).unwrap();
        let data = tensors.tensor(name).unwrap().data();
        data.as_chunks().0.iter().map(|bytes| f64::from_le_bytes(*bytes)).collect()
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

/// Every text of all-MiniLM-L6-v2's golden, with the tokens and offsets that its tokenizer gave in Python.
#[test]
fn words_of_texts() {
    #[derive(serde::Deserialize)]
    struct Case {
        #[serde(default)]
        prompt: String,
        text: String,
    }
    let expected = Golden::read().integers("word_of_token");
    let minilm = Golden(file("minilm.safetensors"));
    let (starts, offsets) = (minilm.integers("ids_start"), minilm.integers("char_offsets"));
    let cases: Vec<Case> = serde_json::from_slice(&file("texts.json")).unwrap();
    assert_eq!((starts.len(), starts.last()), (cases.len() + 1, Some(&expected.len())));
    for (case, tokens) in cases.iter().zip(starts.windows(2)) {
        let text = format!("{}{}", case.prompt, case.text);
        let mut byte_of: Vec<usize> = text.char_indices().map(|(byte, _)| byte).collect();
        byte_of.push(text.len());
        let bytes: Vec<(usize, usize)> = offsets[2 * tokens[0]..2 * tokens[1]]
            .chunks_exact(2)
            .map(|chars| (byte_of[chars[0]], byte_of[chars[1]]))
            .collect();
        let special: Vec<bool> = bytes.iter().map(|(start, end)| start == end).collect();
        let ranges = words(&text, &bytes, &special);
        let found: Vec<usize> =
            ranges.into_iter().enumerate().flat_map(|(word, tokens)| tokens.map(move |_| word)).collect();
        assert_eq!(found, expected[tokens[0]..tokens[1]], "{text:?}");
    }
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

#[test]
fn pure_attention_loses_rank_doubly_exponentially() {
    const DEEP: usize = 16;
    let golden = Golden::read();
    let product = |a: &[f64], b: &[f64], inner: usize| -> Vec<f64> {
        let columns = b.len() / inner;
        let cell = |row: usize, column: usize| {
            (0..inner).map(|k| a[row * inner + k] * b[k * columns + column]).sum()
        };
        (0..a.len() / inner).flat_map(|row| (0..columns).map(move |column| cell(row, column))).collect()
    };
    let mut x = golden.doubles("pure.first");
    let tokens = x.len() / DEEP;
    let mut curve = vec![relative_residual(&x, tokens).unwrap()];
    for weights in golden.doubles("pure.weights").chunks_exact(DEEP * DEEP) {
        let y = product(&x, weights, DEEP);
        let turned: Vec<f64> = (0..y.len()).map(|at| y[at % tokens * DEEP + at / tokens]).collect();
        let mut map = product(&y, &turned, DEEP);
        for row in map.chunks_exact_mut(tokens) {
            row.iter_mut().for_each(|score| *score = (*score / DEEP as f64).exp());
            let sum: f64 = row.iter().sum();
            row.iter_mut().for_each(|share| *share /= sum);
        }
        x = product(&map, &y, tokens);
        curve.push(relative_residual(&x, tokens).unwrap());
    }
    // What rounding in f64 adds to states of size 1.
    let known = golden.doubles("pure.rank");
    for (found, known) in curve.iter().zip(known) {
        assert!((found - known).abs() < 5e-16 + 1e-12 * known, "{curve:?}");
    }
    assert_eq!(
        curve[1..].iter().map(|rank| format!("{rank:.1e}")).collect::<Vec<_>>(),
        ["2.1e-1", "1.9e-4", "3.0e-14"]
    );
}
