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
const GEMM_TILES: [[u32; 4]; 2] = [[16, 4, 4, 0], [64, 8, 8, 1]];

/// GEMM epilogues: name, `norm_in`, `act`, `add`, `add_normalized`.
const GEMM_EPILOGUES: [(&str, [u32; 4]); 6] = [
    ("", [0, 0, 0, 0]),
    ("_act", [0, 1, 0, 0]),
    ("_norm_in", [1, 0, 0, 0]),
    ("_norm_in_act", [1, 1, 0, 0]),
    ("_add", [0, 0, 1, 0]),
    ("_add_normalized", [0, 0, 0, 1]),
];

/// Poolings: whether two values of a column are kept, and whether there are parameters.
const POOLINGS: [(&str, [u32; 2]); 3] = [("", [0, 0]), ("_two", [1, 0]), ("_learned", [1, 1])];

/// Widest head of an attention variant, in elements.
const HEAD_DIMS: [u32; 4] = [16, 32, 64, 128];

/// Every shipped variant.
pub fn all() -> Vec<Variant> {
    let variant = |name: String, template, parameters: &[_]| Variant {
        name,
        template,
        parameters: parameters.to_vec(),
    };
    let mut all = vec![
        variant("embed_f32".into(), "embed.wgsl", &[]),
        variant("copy_f32".into(), "copy.wgsl", &[("two", 0)]),
        variant("copy_f32_two".into(), "copy.wgsl", &[("two", 1)]),
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
        for (suffix, [norm_in, act, add, add_normalized]) in GEMM_EPILOGUES {
            all.push(variant(
                format!("gemm_f32_m{tile_rows}{suffix}"),
                "gemm.wgsl",
                &[
                    ("tile_rows", tile_rows),
                    ("thread_rows", thread_rows),
                    ("thread_columns", thread_columns),
                    ("stage_weight", stage_weight),
                    ("norm_in", norm_in),
                    ("act", act),
                    ("add", add),
                    ("add_normalized", add_normalized),
                ],
            ));
        }
    }
    for head_dim in HEAD_DIMS {
        let name = format!("attention_f32_d{head_dim}");
        all.push(variant(name, "attention.wgsl", &[("max_head_dim", head_dim)]));
        let name = format!("attention_map_f32_d{head_dim}");
        all.push(variant(name, "attention_map.wgsl", &[("max_head_dim", head_dim)]));
    }
    all
}
