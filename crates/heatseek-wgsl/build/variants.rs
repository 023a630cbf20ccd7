//! The one table of shipped variants. Every line costs download size and start-up time: it must be
//! reachable through `select` and run by the op cases (`tests/kernels.rs` checks the first).

/// A template with the parameters it is rendered with.
pub struct Variant {
    /// `op_dtype_variant`.
    pub name: String,
    /// File in `shaders/`.
    pub template: &'static str,
    /// Template parameters; flags are 0 or 1.
    pub parameters: Vec<(&'static str, u32)>,
}

/// GEMM tiles: rows of the tile, rows and columns of one invocation, whether the weight is staged. 64
/// columns and 64 invocations in all of them: packed weights fit every tile. The short tile reads a weight
/// four times, from the cache; its workgroup memory would take longer to fill, and on SwiftShader, whose
/// compile time grows with it, twice as long to compile.
const GEMM_TILES: [[u32; 4]; 3] = [[16, 4, 4, 0], [32, 4, 8, 1], [64, 8, 8, 1]];

/// Rows of the tiles of the GEMM that stages nothing, and the vectors of columns of an invocation: eight invocations,
/// as many as run at once on 256 bit of a CPU.
const DIRECT_ROWS: [u32; 2] = [4, 16];
const DIRECT_VECTORS: u32 = 2;

/// Elements of all queries of an invocation of the attention that stages nothing, and the keys it takes at a time. With
/// more of either it is up to a quarter faster on SwiftShader, and compiles three to eight times as long.
const DIRECT_QUERY_ELEMS: u32 = 128;
const DIRECT_KEYS: u32 = 2;
/// The most queries of an invocation. Four rather than two of 32 elements are as fast for 128 tokens within what two runs
/// differ by, and take 0.15 to 0.3 s longer to compile, which a first embedding waits for.
const MOST_DIRECT_QUERIES: u32 = 2;

/// Tiles of the GEMM on matrix units: rows of the tile, subgroups down and across, products of a subgroup down
/// and across.
const MATRIX_TILES: [[u32; 5]; 3] = [[16, 1, 2, 1, 2], [32, 1, 2, 2, 2], [64, 2, 2, 2, 2]];

/// What a step of the GEMM for few rows takes of a row of x, in vectors of four: as much again is under way.
const SPLIT_VECTORS: u32 = 2;
/// Rows of the tiles of the GEMM in 8 bits: 4 rows by 8 columns an invocation, and a block of a row to quantise.
const INT8_ROWS: [u32; 2] = [32, 64];

/// Subgroups of the GEMM for few rows on matrix units: 256 invocations in all.
const SPLIT_SUBGROUPS: u32 = 8;

/// GEMM epilogues: name, `norm_in`, `act`, `add`, `add_normalized`.
const GEMM_EPILOGUES: [(&str, [u32; 4]); 6] = [
    ("", [0, 0, 0, 0]),
    ("_act", [0, 1, 0, 0]),
    ("_norm_in", [1, 0, 0, 0]),
    ("_norm_in_act", [1, 1, 0, 0]),
    ("_add", [0, 0, 1, 0]),
    ("_add_normalized", [0, 0, 0, 1]),
];

/// What a GEMM may read and write as f16 besides its weight: name, `x`, `y`, and the epilogues that models have with
/// it. Nothing writes f16 where a residual is added, because sums over layers stay f32.
const GEMM_HALVES: [(&str, [u32; 2], &[&str]); 3] = [
    ("", [0, 0], &["", "_act", "_norm_in", "_norm_in_act", "_add", "_add_normalized"]),
    ("_x16", [1, 0], &["", "_add", "_add_normalized"]),
    ("_y16", [0, 1], &["", "_act", "_norm_in", "_norm_in_act"]),
];

/// What a GEMM's weight is stored as. In 8 bits nothing else is narrower than f32.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Weight {
    F32,
    F16,
    Int8,
}

impl Weight {
    /// Depth to which it is padded with zeros: what is staged at a time, of f16 on matrix units; a block in 8 bits.
    fn depth(self) -> u32 {
        match self {
            Self::F32 => 16,
            Self::F16 | Self::Int8 => 32,
        }
    }
}

/// What scanned vectors are stored as: whether as f16, and the planes of a query of integers.
const SCANS: [(&str, [u32; 2]); 4] = [("f32", [0, 0]), ("f16", [1, 0]), ("int8", [0, 2]), ("signs", [0, 5])];

/// Poolings: whether two values of a column are kept, and whether there are parameters.
const POOLINGS: [(&str, [u32; 2]); 3] = [("", [0, 0]), ("_two", [1, 0]), ("_learned", [1, 1])];

/// Widest head of an attention variant, in elements.
const HEAD_DIMS: [u32; 4] = [16, 32, 64, 128];
/// Of the variants with a bias, those that there are: no model that has one (T5, MPNet, ALiBi) has narrower heads than 64.
const BIASED_HEAD_DIMS: [u32; 2] = [64, 128];

/// Every variant shipped for `target_arch`. Matrix units are in no browser in naga's spelling, and no model that is loaded
/// there has a relative bias yet: everyone would download its kernels.
pub fn all(target_arch: &str) -> Vec<Variant> {
    let variant = |name: String, template, parameters: &[_]| Variant {
        name,
        template,
        parameters: parameters.to_vec(),
    };
    let mut all = vec![
        variant("embed_f32".into(), "embed.wgsl", &[]),
        variant("copy_f32".into(), "copy.wgsl", &[("two", 0), ("half", 0)]),
        variant("copy_f16".into(), "copy.wgsl", &[("two", 0), ("half", 1)]),
        variant("copy_f32_two".into(), "copy.wgsl", &[("two", 1), ("half", 0)]),
        variant("layer_norm_f32".into(), "layer_norm.wgsl", &[]),
        variant("l2_normalize_f32".into(), "l2_normalize.wgsl", &[]),
        variant("rollout_f32".into(), "rollout.wgsl", &[("first", 0)]),
        variant("rollout_f32_first".into(), "rollout.wgsl", &[("first", 1)]),
    ];
    for (residual, added) in [("", 0), ("_residual", 1)] {
        for (written, weights) in [("", 0), ("_weights", 1)] {
            let parameters = [("residual", added), ("weights", weights)];
            let name = format!("attention_pool_f32{residual}{written}");
            all.push(variant(name, "attention_pool.wgsl", &parameters));
        }
    }
    for (suffix, [two, learned]) in POOLINGS {
        for (norm, norm_in) in [("", 0), ("_norm_in", 1)] {
            let parameters = [("two", two), ("learned", learned), ("norm_in", norm_in)];
            all.push(variant(format!("pool_f32{suffix}{norm}"), "pool.wgsl", &parameters));
        }
    }
    for [tile_rows, thread_rows, thread_columns, stage_weight] in GEMM_TILES {
        let tile = [
            ("tile_rows", tile_rows),
            ("thread_rows", thread_rows),
            ("thread_columns", thread_columns),
            ("stage_weight", stage_weight),
        ];
        all.extend(gemms(&format!("f32_m{tile_rows}"), "gemm.wgsl", &tile, Weight::F32));
        all.extend(gemms(&format!("f16_m{tile_rows}"), "gemm.wgsl", &tile, Weight::F16));
    }
    for thread_rows in DIRECT_ROWS {
        let tile = [("thread_rows", thread_rows), ("vectors", DIRECT_VECTORS)];
        all.extend(gemms(&format!("direct_f32_m{thread_rows}"), "gemm_direct.wgsl", &tile, Weight::F32));
    }
    let tile = [("vectors", SPLIT_VECTORS)];
    all.extend(gemms("f32_split", "gemm_split.wgsl", &tile, Weight::F32));
    all.extend(gemms("f16_split", "gemm_split.wgsl", &tile, Weight::F16));
    for tile_rows in INT8_ROWS {
        let tile = [("tile_rows", tile_rows), ("lanes", 2 * tile_rows)];
        all.extend(gemms(&format!("int8_m{tile_rows}"), "gemm_int8.wgsl", &tile, Weight::Int8));
    }
    all.extend(gemms("int8_split", "gemm_int8_split.wgsl", &[], Weight::Int8));
    if target_arch != "wasm32" {
        all.extend(matrix_gemms(0));
    }
    all.extend(SCANS.map(|(name, [half, planes])| {
        variant(format!("topk_scan_{name}"), "topk_scan.wgsl", &[("half", half), ("planes", planes)])
    }));
    all.extend(attentions(target_arch));
    all
}

/// The attentions and their maps, those alike beside each other: in another order they take 2 kB more to download.
fn attentions(target_arch: &str) -> Vec<Variant> {
    let mut all = Vec::new();
    let mut add = |kind: &str, [head_dim, bias]: [u32; 2], template, parameters: &[(&'static str, u32)]| {
        let suffix = if bias == 1 { "_bias" } else { "" };
        let parameters = [&[("max_head_dim", head_dim), ("bias", bias)][..], parameters].concat();
        all.push(Variant { name: format!("{kind}_d{head_dim}{suffix}"), template, parameters });
    };
    let heads = HEAD_DIMS.map(|head_dim| [head_dim, 0]).into_iter();
    let biased = if target_arch == "wasm32" { &[][..] } else { &BIASED_HEAD_DIMS };
    let heads = heads.chain(biased.iter().map(|&head_dim| [head_dim, 1]));
    for [head_dim, bias] in heads.clone() {
        let queries = (DIRECT_QUERY_ELEMS / head_dim).min(MOST_DIRECT_QUERIES);
        let parameters = [("queries", queries), ("keys", DIRECT_KEYS)];
        add("attention_direct_f32", [head_dim, bias], "attention_direct.wgsl", &parameters);
    }
    for (dtype, half) in [("f32", 0), ("f16", 1)] {
        for [head_dim, bias] in heads.clone() {
            // Query and output of a head of 128 are 256 numbers, and a thread of CUDA has 255 registers.
            let parameters = [("half", half), ("parts", head_dim.div_ceil(64))];
            add(&format!("attention_{dtype}"), [head_dim, bias], "attention.wgsl", &parameters);
            add(&format!("attention_map_{dtype}"), [head_dim, bias], "attention_map.wgsl", &parameters);
        }
    }
    all
}

/// What Chrome would run on matrix units if its flag for them were set: rendered for the tests, and not shipped.
pub fn tint() -> Vec<Variant> {
    matrix_gemms(1)
}

/// The GEMMs on matrix units, in naga's words or in Tint's.
fn matrix_gemms(tint: u32) -> Vec<Variant> {
    let of_tile = |[tile_rows, down, across, frags_down, frags_across]: [u32; 5]| {
        let tile = [
            ("tile_rows", tile_rows),
            ("down", down),
            ("across", across),
            ("frags_down", frags_down),
            ("frags_across", frags_across),
            ("tint", tint),
        ];
        gemms(&format!("f16_matrix_m{tile_rows}"), "gemm_matrix.wgsl", &tile, Weight::F16)
    };
    let split = [("slices", SPLIT_SUBGROUPS), ("tint", tint)];
    let mut all = gemms("f16_matrix_split", "gemm_matrix_split.wgsl", &split, Weight::F16);
    all.extend(MATRIX_TILES.into_iter().flat_map(of_tile));
    let tile = [("tint", tint)];
    all.extend(gemms("f16_matrix_m128", "gemm_matrix_large.wgsl", &tile, Weight::F16));
    all
}

/// The GEMMs of one tile: every epilogue with everything that may be f16.
fn gemms(name: &str, template: &'static str, tile: &[(&'static str, u32)], weight: Weight) -> Vec<Variant> {
    let mut all = Vec::new();
    let narrow = if weight == Weight::F16 { GEMM_HALVES.len() } else { 1 };
    for (halves, [x_half, y_half], epilogues) in &GEMM_HALVES[..narrow] {
        for (suffix, [norm_in, act, add, add_normalized]) in GEMM_EPILOGUES {
            if !epilogues.contains(&suffix) {
                continue;
            }
            let mut parameters = tile.to_vec();
            parameters.extend([
                ("weight_half", u32::from(weight == Weight::F16)),
                ("weight_int8", u32::from(weight == Weight::Int8)),
                ("x_half", *x_half),
                ("y_half", *y_half),
                ("depth", weight.depth()),
                ("norm_in", norm_in),
                ("act", act),
                ("add", add),
                ("add_normalized", add_normalized),
            ]);
            all.push(Variant { name: format!("gemm_{name}{halves}{suffix}"), template, parameters });
        }
    }
    all
}
