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
        edits: &[("let visible = select(tile.w,", "let visible = select(tile.w + 1u,")],
        at_load: true,
    },
    Mutation {
        name: "attention: a causal row sees the next one",
        kernels: "attention_f32",
        edits: &[("query - tile.z + 1u, causal", "query - tile.z + 2u, causal")],
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
        edits: &[("var sum = sums[c / 64u] * fade;", "var sum = sums[c / 64u];")],
        at_load: false,
    },
    Mutation {
        name: "attention_pool: residual of the first sequence",
        kernels: "attention_pool_f32_residual",
        edits: &[("residual[sequence * value_width * own_queries + column]", "residual[column]")],
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
    /// The kernels it is planted in where `dtype` is stored; none if they store only f32.
    fn kernels(&self, dtype: Dtype) -> Option<String> {
        let stored = self.kernels.replace("f32", dtype.name());
        heatseek_wgsl::kernels().iter().any(|kernel| kernel.name.starts_with(&stored)).then_some(stored)
    }

    /// Whether some kernel that stores `dtype` can have it.
    pub fn is_for(&self, dtype: Dtype) -> bool {
        self.kernels(dtype).is_some()
    }

    /// The source of kernel `name` with the fault in it, or unchanged if it is planted elsewhere.
    ///
    /// # Panics
    /// If the text to edit is gone: the mutation must follow the kernel.
    pub fn apply(&self, name: &str, source: &str) -> String {
        self.apply_to(self.kernels, name, source)
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
        Dtype::Int8 => cases::quantized(),
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
                    let [f32s, f16s] = [Dtype::F32, Dtype::F16].map(|dtype| mutation.kernels(dtype));
                    let named = f32s.iter().chain(&f16s).any(|name| k.name.starts_with(name.as_str()));
                    named && k.source.contains(find)
                };
                assert!(kernels.any(found), "`{}`: no kernel contains {find:?}", mutation.name);
            }
        }
    }
}
