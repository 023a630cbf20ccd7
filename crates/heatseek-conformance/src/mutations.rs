//! Faults planted in kernels. Each must make the op suite fail; one that passes shows a hole in the suite.

use std::cell::Cell;
use std::rc::Rc;

use heatseek_ops::{Dtype, cases};

use crate::Backend;
use crate::ops::check_case;

/// Edits that turn a right kernel into a wrong one.
#[derive(Debug)]
pub struct Mutation {
    /// What the fault is.
    pub name: &'static str,
    /// The kernels it is planted in: all whose name starts so.
    pub kernels: &'static str,
    /// Text to find in the rendered source, and what to put there. A kernel has at least one, each is in some kernel.
    pub edits: &'static [(&'static str, &'static str)],
    /// Whether it moves the vectors of an ordinary model, so that the self-check at load must see it.
    pub at_load: bool,
}

/// The faults, at least one of every kind that has been seen to slip through other projects' tests.
pub const MUTATIONS: &[Mutation] = &[
    Mutation {
        name: "gemm: dropped barrier",
        kernels: "gemm_f32",
        edits: &[
            ("workgroupBarrier();\nfor (var q = 0u;", "for (var q = 0u;"),
            // On matrix units, and where sums are split.
            ("workgroupBarrier();\nfor (step = ", "for (step = "),
            ("workgroupBarrier();\nif (tile_row >= 16u)", "if (tile_row >= 16u)"),
            ("workgroupBarrier();\nfor (var block = 0u;", "for (var block = 0u;"),
        ],
        at_load: true,
    },
    Mutation {
        name: "gemm: skipped last tile",
        kernels: "gemm_f32",
        edits: &[
            ("step < (k + 15u) / 16u; step++", "step + 1u < (k + 15u) / 16u; step++"),
            ("if (step < steps)", "if (step + 1u < steps)"),
            ("step < steps; step++", "step + 1u < steps; step++"),
            ("step < steps; step += 8u", "step + 8u < steps; step += 8u"),
            ("step < blocks; step += 2u", "step + 2u < blocks; step += 2u"),
            ("if (block < blocks) {\nw_0", "if (block + 1u < blocks) {\nw_0"),
        ],
        at_load: true,
    },
    Mutation {
        name: "gemm: bound missing on store",
        kernels: "gemm_f32",
        edits: &[
            ("if (row_0 + tile_row >= params.rows)", "if (false)"),
            ("if (row_0 + tile_row < params.rows &&", "if (true &&"),
        ],
        at_load: true,
    },
    Mutation {
        name: "gemm: off-by-one bound on store",
        kernels: "gemm_f32",
        edits: &[
            ("if (row_0 + tile_row >= params.rows)", "if (row_0 + tile_row + 1u >= params.rows)"),
            ("if (row_0 + tile_row < params.rows &&", "if (row_0 + tile_row + 1u < params.rows &&"),
        ],
        at_load: true,
    },
    Mutation {
        name: "gemm_int8: another row's scale",
        kernels: "gemm_int8",
        edits: &[("staged[at_1 + 2u].x", "staged[at_0 + 2u].x")],
        at_load: true,
    },
    Mutation {
        name: "gemm_int8: largest of seven eighths of a block",
        kernels: "gemm_int8",
        edits: &[(", magnitude(v_7))", ", magnitude(v_6))")],
        at_load: true,
    },
    Mutation {
        name: "gemm_int8: cut off rather than rounded",
        kernels: "gemm_int8",
        edits: &[("pack4xI8(bitcast<vec4<i32>>(round(v)", "pack4xI8(bitcast<vec4<i32>>(trunc(v)")],
        at_load: false,
    },
    Mutation {
        name: "gemm_int8: a bit is not used",
        kernels: "gemm_int8",
        edits: &[("bitcast<f32>((244u - clamp", "bitcast<f32>((243u - clamp")],
        at_load: false,
    },
    Mutation {
        name: "gemm_int8: a column's sum in place of its scale",
        kernels: "gemm_int8",
        edits: &[("* 128u + row * 16u)", "* 128u + (1u - row) * 16u)")],
        at_load: true,
    },
    Mutation {
        name: "gemm_int8: scales of another tile of columns",
        kernels: "gemm_int8",
        edits: &[("row * 16u) + column]", "row * 16u) + column % 16u]")],
        at_load: false,
    },
    Mutation {
        name: "gemm_int8: a word left out",
        kernels: "gemm_int8",
        edits: &[(" + dots(a_0[3], w_3_0)", ""), (" + dots(high_0[3], w_7)", "")],
        at_load: true,
    },
    Mutation {
        name: "gemm_direct: skipped last step",
        kernels: "gemm_direct_f32",
        edits: &[("vector < k / 4u; vector++) {\nlet w_0_0", "vector + 1u < k / 4u; vector++) {\nlet w_0_0")],
        at_load: true,
    },
    Mutation {
        name: "gemm_direct: off-by-one bound on store",
        kernels: "gemm_direct_f32",
        edits: &[("if (row_0 + i >= params.rows)", "if (row_0 + i + 1u >= params.rows)")],
        at_load: true,
    },
    Mutation {
        name: "gemm_direct: bound missing on store",
        kernels: "gemm_direct_f32",
        edits: &[("if (row_0 + i >= params.rows)", "if (false)")],
        at_load: true,
    },
    Mutation {
        name: "gemm_direct: moments of the tile's first row",
        kernels: "gemm_direct_f32_m16_norm_in",
        edits: &[("let moments = moments_of[i];", "let moments = moments_of[0];")],
        // At load, a LayerNorm that is not folded does without it.
        at_load: false,
    },
    Mutation {
        name: "attention_direct: queries instead of keys",
        kernels: "attention_direct_f32",
        edits: &[("load(at_0 + width,", "load(at_0,")],
        at_load: true,
    },
    Mutation {
        name: "attention_direct: skipped last keys",
        kernels: "attention_direct_f32",
        edits: &[("key < key_end;", "key + 2u < key_end;")],
        at_load: true,
    },
    Mutation {
        name: "attention_direct: mask off by one",
        kernels: "attention_direct_f32",
        edits: &[("return min(keys, place", "return min(keys + 1u, place")],
        at_load: true,
    },
    Mutation {
        name: "attention_direct: a causal row sees the next one",
        kernels: "attention_direct_f32",
        edits: &[("place + 1u + ahead", "place + 2u + ahead")],
        at_load: false,
    },
    Mutation {
        name: "attention_direct: a window begins a row early",
        kernels: "attention_direct_f32",
        edits: &[("min(place, behind)", "min(place, behind + 1u)")],
        at_load: false,
    },
    Mutation {
        name: "attention_direct: keys of the last query's window only",
        kernels: "attention_direct_f32",
        edits: &[("var key = first_0;", "var key = key_end - visible_0;")],
        at_load: false,
    },
    Mutation {
        name: "attention_direct: the bias of the opposite offset",
        kernels: "attention_direct_f32_d64_bias",
        edits: &[("max(key + max_distance, place) - place", "max(place + max_distance, key) - key")],
        at_load: false,
    },
    Mutation {
        name: "attention_direct: the bias taken away",
        kernels: "attention_direct_f32_d64_bias",
        edits: &[("s_0_1 += bias_of(", "s_0_1 -= bias_of(")],
        at_load: false,
    },
    Mutation {
        name: "attention_direct: maximum not subtracted",
        kernels: "attention_direct_f32",
        edits: &[
            ("exp(s_0_0 - now_0)", "exp(s_0_0)"),
            ("exp(s_0_1 - now_0)", "exp(s_0_1)"),
            ("exp(highest_0 - now_0)", "1.0"),
        ],
        at_load: false,
    },
    Mutation {
        name: "attention: swapped queries and keys",
        kernels: "attention_f32",
        edits: &[
            ("load(query * 3u * width", "load((query * 3u + 1u) * width"),
            ("keys[i] = load((row * 3u + 1u)", "keys[i] = load((row * 3u + 0u)"),
        ],
        at_load: true,
    },
    Mutation {
        name: "attention: skipped last tile of keys",
        kernels: "attention_f32",
        edits: &[("key_0 < key_end; key_0 += 16u", "key_0 + 16u <= max(key_end, 16u); key_0 += 16u")],
        at_load: true,
    },
    Mutation {
        name: "attention: maximum not subtracted",
        kernels: "attention_f32",
        edits: &[
            ("let p = exp(s - now);", "let p = exp(s);"),
            ("let fade = exp(highest - now);", "let fade = 1.0;"),
        ],
        at_load: false,
    },
    Mutation {
        name: "attention: mask off by one",
        kernels: "attention_f32",
        edits: &[("return min(keys, place", "return min(keys + 1u, place")],
        at_load: true,
    },
    Mutation {
        name: "attention: a causal row sees the next one",
        kernels: "attention_f32",
        edits: &[("place + 1u + ahead", "place + 2u + ahead")],
        at_load: false,
    },
    Mutation {
        name: "attention: a window begins a row early",
        kernels: "attention_f32",
        edits: &[("min(place, behind)", "min(place, behind + 1u)")],
        at_load: false,
    },
    Mutation {
        name: "attention: keys of the last query's window only",
        kernels: "attention_f32",
        edits: &[("first_seen(tile.x - tile.z); key_0", "first_seen(tile.x + tile.y - 1u - tile.z); key_0")],
        at_load: false,
    },
    Mutation {
        name: "attention: the bias of the opposite offset",
        kernels: "attention_f32_d64_bias",
        edits: &[("max(key + max_distance, place) - place", "max(place + max_distance, key) - key")],
        at_load: false,
    },
    Mutation {
        name: "attention: the bias taken away",
        kernels: "attention_f32_d64_bias",
        edits: &[("scores + biases(", "scores - biases(")],
        at_load: false,
    },
    Mutation {
        name: "attention: offsets beyond the table have no bias",
        kernels: "attention_f32_d64_bias",
        edits: &[(
            "return relative_bias[head",
            "return select(1.0, 0.0, offset > 2u * max_distance) * relative_bias[head",
        )],
        at_load: false,
    },
    Mutation {
        name: "attention_map: a window begins a row early",
        kernels: "attention_map_f32",
        edits: &[("min(place, behind)", "min(place, behind + 1u)")],
        at_load: false,
    },
    Mutation {
        name: "attention_map: what is before a window is not written",
        kernels: "attention_map_f32",
        edits: &[("for (var key = 0u; key < seen; key++)", "for (var key = seen; key < seen; key++)")],
        at_load: false,
    },
    Mutation {
        name: "attention_map: the bias of the first head",
        kernels: "attention_map_f32_d64_bias",
        edits: &[("bias_of(head, place, key)", "bias_of(0u, place, key)")],
        at_load: false,
    },
    Mutation {
        name: "attention: the other half of a head left out",
        kernels: "attention_f32_d128",
        edits: &[(" + shares[key * 32u + asks + 64u]", "")],
        at_load: false,
    },
    Mutation {
        name: "pool: columns behind the first of an invocation left out",
        kernels: "pool_f32",
        edits: &[("let c_1 = lane + 256u;", "let c_1 = lane + 512u;")],
        at_load: false,
    },
    Mutation {
        name: "pool: mean over padding",
        kernels: "pool_f32",
        edits: &[("default: { return 1.0 / rows; }", "default: { return 1.0 / f32(params.rows); }")],
        at_load: false,
    },
    Mutation {
        name: "pool: last row left out",
        kernels: "pool_f32",
        edits: &[("row < row_end; row++", "row + 1u < row_end; row++")],
        at_load: true,
    },
    Mutation {
        name: "pool: skipped rows count",
        kernels: "pool_f32",
        edits: &[("var first = start + sequences[sequence * 3u + 2u];", "var first = start;")],
        at_load: false,
    },
    Mutation {
        name: "pool: deviations from the mean that is yet to come",
        kernels: "pool_f32_two",
        edits: &[("(value - pair.other) * (value - middle)", "(value - middle) * (value - middle)")],
        at_load: false,
    },
    Mutation {
        name: "pool: magnitudes instead of the bound",
        kernels: "pool_f32_learned",
        edits: &[("max(value, vec4<f32>(1e-6))", "max(abs(value), vec4<f32>(1e-6))")],
        at_load: false,
    },
    Mutation {
        name: "attention_pool: maximum not subtracted",
        kernels: "attention_pool_f32",
        edits: &[
            ("shares[lane] = exp(own - now);", "shares[lane] = exp(own);"),
            ("let fade = exp(highest - now);", "let fade = 1.0;"),
        ],
        at_load: false,
    },
    Mutation {
        name: "attention_pool: skipped rows count",
        kernels: "attention_pool_f32",
        edits: &[("let first = start + sequences[sequence * 3u + 2u];", "let first = start;")],
        at_load: false,
    },
    Mutation {
        name: "attention_pool: one query for all sequences",
        kernels: "attention_pool_f32",
        edits: &[("let asks = sequence * key_width * own_queries;", "let asks = 0u * own_queries;")],
        at_load: false,
    },
    Mutation {
        name: "attention_pool: earlier chunks not faded",
        kernels: "attention_pool_f32",
        edits: &[("sum = y[out + c] * fade;", "sum = y[out + c];")],
        at_load: false,
    },
    Mutation {
        name: "attention_pool: residual of the first sequence",
        kernels: "attention_pool_f32_residual",
        edits: &[(
            "residual[sequence * value_width * own_queries + head * width + c]",
            "residual[head * width + c]",
        )],
        at_load: false,
    },
    Mutation {
        name: "copy: what is behind begins too late",
        kernels: "copy_f32_two",
        edits: &[("behind_width + column - width]", "behind_width + max(column - width, 1u)]")],
        at_load: false,
    },
    Mutation {
        name: "layer_norm: epsilon outside the root",
        kernels: "layer_norm_f32",
        edits: &[("inverseSqrt(", "1.0 + inverseSqrt(")],
        at_load: true,
    },
    Mutation {
        name: "embed: position left out",
        kernels: "embed_f32",
        edits: &[("+ position[", "+ 0.0 * position[")],
        at_load: true,
    },
];

impl Mutation {
    /// The kernels it is planted in where `dtype` is stored; none if there are no such kernels.
    fn kernels(&self, dtype: Dtype) -> Option<String> {
        let stored = self.kernels.replace("f32", dtype.name());
        let named = |kernel: &heatseek_wgsl::Kernel| kernel.name.starts_with(&stored);
        (stored.contains(dtype.name()) && heatseek_wgsl::kernels().iter().any(named)).then_some(stored)
    }

    /// Whether some kernel that stores `dtype` can have it.
    pub fn is_for(&self, dtype: Dtype) -> bool {
        self.kernels(dtype).is_some()
    }

    /// The source of kernel `name` with the fault in it where `dtype` is stored, or unchanged if it is planted elsewhere.
    ///
    /// # Panics
    /// If the text to edit is gone: the mutation must follow the kernel.
    pub fn apply(&self, dtype: Dtype, name: &str, source: &str) -> String {
        match self.kernels(dtype) {
            Some(kernels) => self.apply_to(&kernels, name, source),
            None => source.to_owned(),
        }
    }

    fn apply_to(&self, kernels: &str, name: &str, source: &str) -> String {
        if !name.starts_with(kernels) {
            return source.to_owned();
        }
        let edits: Vec<_> = self.edits.iter().filter(|(find, _)| source.contains(find)).collect();
        assert!(!edits.is_empty(), "`{}`: {name} contains nothing to edit any more", self.name);
        edits.iter().fold(source.to_owned(), |text, (find, replace)| text.replacen(find, replace, 1))
    }
}

/// Runs the op cases on `backend` in plans of `dtype` with the fault planted, until one fails; says which did and how.
///
/// # Errors
/// If the fault was not planted, or if no case noticed it.
pub async fn check_mutation(
    backend: &Backend,
    mutation: &'static Mutation,
    dtype: Dtype,
) -> Result<String, String> {
    let kernels = mutation.kernels(dtype).ok_or("it has no kernel of this dtype")?;
    let planted = Rc::new(Cell::new(false));
    let seen = planted.clone();
    let transform = move |kernel: &heatseek_wgsl::Kernel, source: &str| {
        let mutated = mutation.apply_to(&kernels, kernel.name, source);
        seen.set(seen.get() || mutated != source);
        mutated
    };
    let executor = backend.spoiled(Box::new(transform)).await.map_err(|e| e.to_string())?;
    let cases = match dtype {
        Dtype::F32 => cases::all(),
        Dtype::F16 => cases::halved(),
        Dtype::Bf16 => cases::rounded(),
        Dtype::Int8 => cases::quantized_in_blocks(),
    };
    for case in cases {
        if !mutation.kernels.starts_with(case.op.name()) {
            continue;
        }
        if let Err(why) = check_case(&*executor, &case, dtype).await {
            if !planted.get() {
                return Err(format!("{} fails without the fault: {why}", case.name));
            }
            return Ok(format!("{}: {}", case.name, why.lines().next().unwrap_or_default()));
        }
    }
    Err("no case noticed it".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Kernels that share a mutation have its edits in turns; one that no kernel has is out of date.
    #[test]
    fn every_edit_is_found_in_a_kernel() {
        for mutation in MUTATIONS {
            for (find, _) in mutation.edits {
                let mut kernels = heatseek_wgsl::kernels().iter();
                let found = |k: &heatseek_wgsl::Kernel| {
                    let stored = [Dtype::F32, Dtype::F16, Dtype::Int8].map(|dtype| mutation.kernels(dtype));
                    let named = stored.iter().flatten().any(|name| k.name.starts_with(name.as_str()));
                    named && k.source.contains(find)
                };
                assert!(kernels.any(found), "`{}`: no kernel contains {find:?}", mutation.name);
            }
        }
    }
}
