use heatseek_ops::{Activation, Attention, Batch, Dim, Dtype, Gemm, HeadFusion, Op, Pool, Pooling, Residual};
use thiserror::Error;

use crate::kernel::{Kernel, dtype_of, kernel};
use crate::target::{GUARANTEED_WORKGROUP_BYTES, RowClass, Target};

/// Workgroups a dispatch may have in one dimension: WebGPU's default
/// `maxComputeWorkgroupsPerDimension`. `shaders/shared/grid.wgsl` folds with the same number.
pub(crate) const MAX_GROUPS: usize = 65_535;
/// Invocations of the workgroup of every kernel whose work is counted by them.
const INVOCATIONS: usize = 64;
/// Columns that `pool` holds: 256 invocations keep two vectors of four each.
const POOL_WIDTH: usize = 2048;

/// What the WGSL kernels cannot do; another executor can.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("no WGSL kernel runs this {op}: {why}")]
pub struct Unsupported {
    /// Op name.
    pub op: &'static str,
    /// Which limit was met.
    pub why: String,
}

/// How one op is launched.
#[derive(Clone, Debug, PartialEq)]
pub struct Selection {
    /// The kernel.
    pub kernel: &'static Kernel,
    /// Its pipeline constants, all of [`Kernel::overrides`].
    pub constants: Vec<(&'static str, f64)>,
    pub(crate) work: Work,
}

/// What one workgroup takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Work {
    /// A tile of rows by a tile of columns.
    Tiles { rows: usize, column_tiles: usize },
    /// One element per invocation of `[rows, elements]`.
    Elements { per_row: usize },
    /// One row.
    Row,
    /// One sequence.
    Sequence,
    /// One head of one sequence.
    HeadSequence { heads: usize },
    /// One head of one attention tile.
    HeadTile { heads: usize },
    /// One head of as many rows as invocations.
    HeadRows { heads: usize },
    /// As many columns of a row as invocations, of rows as long as the longest sequence.
    LongestRow,
}

/// The kernel for `op` over as many rows as `class` says, on a device like `target`; `narrow` are the bindings that
/// are stored as something narrower than f32 ([`Storage::narrow`](crate::Storage::narrow); none for f32).
///
/// # Errors
/// [`Unsupported`] if no shipped variant can: a width that is no multiple of 4, a head wider than 128, a
/// fusion that needs more bindings than WebGPU gives, f16 where no model has it.
pub fn select(
    op: &Op,
    class: RowClass,
    target: &Target,
    narrow: &[(&'static str, Dtype)],
) -> Result<Selection, Unsupported> {
    let no = |why: String| Err(Unsupported { op: op.name(), why });
    for binding in op.bindings() {
        // Statistics are pairs, maps as wide as sequences are long, and biases one by one; all other rows are read in
        // vectors of four.
        let is_free = ["stats", "residual_stats", "relative_bias"].contains(&binding.name)
            || [Dim::Pairs, Dim::TokenPairs].contains(&binding.shape[0])
            || matches!(op, Op::CopyRows(_) | Op::AttentionPool(_));
        let fits = |width: usize| is_free || (width > 0 && width.is_multiple_of(4));
        if let Some(width) = last_width(&binding).filter(|&width| !fits(width)) {
            return no(format!("`{}` is {width} wide, which is not a multiple of 4", binding.name));
        }
    }
    // Nothing is f16 beside int8.
    let stored = narrow.first().map_or(Dtype::F32, |(_, dtype)| *dtype);
    let dtype = stored.name();
    let direct = target.direct && stored == Dtype::F32;
    let (name, constants, work) = match op {
        Op::Embed(embed) => {
            let constants = vec![("hidden_size", embed.hidden_size as f64)];
            ("embed_f32".to_owned(), constants, Work::Elements { per_row: embed.hidden_size / 4 })
        }
        Op::CopyRows(copy) => {
            let mut constants = vec![("width", copy.width as f64)];
            let variant = if copy.behind > 0 { "_two" } else { "" };
            if copy.behind > 0 {
                constants.push(("behind_width", copy.behind as f64));
            }
            let work = Work::Elements { per_row: copy.width + copy.behind };
            (format!("copy_{dtype}{variant}"), constants, work)
        }
        Op::LayerNorm(norm) => {
            let constants = vec![("width", norm.width as f64), ("eps", f64::from(norm.eps))];
            ("layer_norm_f32".to_owned(), constants, Work::Row)
        }
        Op::L2Normalize(norm) => {
            ("l2_normalize_f32".to_owned(), vec![("width", norm.width as f64)], Work::Row)
        }
        Op::Gemm(gemm) => match gemm_variant(gemm) {
            Ok(variant) => {
                let matrix = if target.matrix_units && stored == Dtype::F16 { "matrix_" } else { "" };
                let family = if direct { "gemm_direct" } else { "gemm" };
                let named = |tile| format!("{family}_{dtype}_{matrix}{tile}{}{variant}", gemm_halves(narrow));
                let (mut tile, mut rows, mut columns) = class.gemm_tile(stored, direct);
                let wide = kernel(&named("m128")).filter(|k| k.workgroup_bytes <= target.workgroup_bytes);
                if class == RowClass::Large && wide.is_some() {
                    (tile, rows, columns) = ("m128", 128, 128);
                }
                let name = named(tile);
                let column_tiles = gemm.n.div_ceil(columns);
                if column_tiles > MAX_GROUPS {
                    return no(format!("{} columns are more than one dispatch covers", gemm.n));
                }
                (name, gemm_constants(gemm), Work::Tiles { rows, column_tiles })
            }
            Err(why) => return no(why.to_owned()),
        },
        Op::Attention(attention) => match head_class(attention) {
            Some(class) => {
                let heads = attention.num_attention_heads;
                let family = if direct { "attention_direct" } else { "attention" };
                (
                    format!("{family}_{dtype}_{class}"),
                    attention_constants(attention),
                    Work::HeadTile { heads },
                )
            }
            None => return no(head_limits(attention)),
        },
        Op::AttentionMap(map) => match head_class(&map.attention) {
            Some(class) => {
                let mut constants = attention_constants(&map.attention);
                // The numbers of `shaders/attention_map.wgsl`.
                let fusion = match map.fusion {
                    HeadFusion::Each => 0.0,
                    HeadFusion::Mean => 1.0,
                    HeadFusion::Max => 2.0,
                    HeadFusion::Min => 3.0,
                };
                constants.push(("fusion", fusion));
                constants.push(("mixed", f64::from(u8::from(map.mixed))));
                (format!("attention_map_{dtype}_{class}"), constants, Work::HeadRows { heads: map.heads() })
            }
            None => return no(head_limits(&map.attention)),
        },
        Op::Rollout(rollout) => {
            let variant = if rollout.first { "_first" } else { "" };
            (format!("rollout_f32{variant}"), Vec::new(), Work::LongestRow)
        }
        Op::Pool(pool) if pool.width > POOL_WIDTH => {
            return no(format!("rows of {} are wider than {POOL_WIDTH}", pool.width));
        }
        Op::Pool(pool) => {
            let variant = match pool.pooling {
                pooling if pooling.has_parameters() => "_learned",
                Pooling::Std => "_two",
                _ => "",
            };
            let norm = if pool.norm_in.is_some() { "_norm_in" } else { "" };
            (format!("pool_f32{variant}{norm}"), pool_constants(pool), Work::Sequence)
        }
        Op::AttentionPool(pool) => {
            let residual = if pool.residual { "_residual" } else { "" };
            let weights = if pool.weights { "_weights" } else { "" };
            let constants = vec![
                ("key_width", pool.keys as f64),
                ("value_width", pool.values as f64),
                ("num_heads", pool.num_heads as f64),
                ("scale", f64::from(pool.scale)),
                ("own_queries", f64::from(u8::from(pool.own_queries))),
            ];
            let work = Work::HeadSequence { heads: pool.num_heads };
            (format!("attention_pool_f32{residual}{weights}"), constants, work)
        }
        _ => return no("it has no shader yet".to_owned()),
    };
    match kernel(&name) {
        Some(kernel) if !kernel.stores(narrow) => no(format!("`{name}` does not store {narrow:?}")),
        Some(kernel) => Ok(Selection { kernel, constants, work }),
        None => no(format!("variant `{name}` is not shipped")),
    }
}

/// All kernels that run `op` on a device like `target` with what is stored as `narrow`, each once: the first is what
/// [`select`] takes for `class`, and the others are what it takes for more or fewer rows, or on other adapters.
///
/// # Errors
/// As [`select`].
pub fn candidates(
    op: &Op,
    class: RowClass,
    target: &Target,
    narrow: &[(&'static str, Dtype)],
) -> Result<Vec<Selection>, Unsupported> {
    let mut all = vec![select(op, class, target, narrow)?];
    let least = GUARANTEED_WORKGROUP_BYTES.min(target.workgroup_bytes);
    for direct in [target.direct, !target.direct] {
        for matrix_units in [target.matrix_units, false] {
            for workgroup_bytes in [target.workgroup_bytes, least] {
                let other = Target { direct, matrix_units, workgroup_bytes, ..*target };
                for selection in RowClass::ALL.into_iter().filter_map(|c| select(op, c, &other, narrow).ok())
                {
                    let fits = selection.kernel.workgroup_bytes <= target.workgroup_bytes;
                    if fits && all.iter().all(|known| known.kernel.name != selection.kernel.name) {
                        all.push(selection);
                    }
                }
            }
        }
    }
    Ok(all)
}

/// What decides which kernel of an op is the fastest, besides the rows, in words: `gemm_f32_norm_in 384x1152`. `None` for
/// ops that there is one kernel for.
pub fn shape(op: &Op, narrow: &[(&'static str, Dtype)]) -> Option<String> {
    let stored = narrow.first().map_or(Dtype::F32, |(_, dtype)| *dtype).name();
    match op {
        Op::Gemm(gemm) => {
            let variant = gemm_variant(gemm).ok()?;
            Some(format!("gemm_{stored}{}{variant} {}x{}", gemm_halves(narrow), gemm.k, gemm.n))
        }
        Op::Attention(attention) => {
            let Attention { num_attention_heads: heads, head_dim, causal, window, relative_bias } = attention;
            let causal = if *causal { " causal" } else { "" };
            let window = window.map_or(String::new(), |window| format!(" window {window}"));
            let bias = if relative_bias.is_some() { " bias" } else { "" };
            Some(format!("attention_{stored} {heads}x{head_dim}{causal}{window}{bias}"))
        }
        _ => None,
    }
}

impl Selection {
    /// Workgroups to dispatch for `rows` rows of `batch`. A 0 means there is nothing to run. Counts
    /// beyond 65 535 continue in the next dimension.
    pub fn grid(&self, rows: usize, batch: &Batch) -> [u32; 3] {
        let fold = |count: usize| (count.min(MAX_GROUPS) as u32, count.div_ceil(MAX_GROUPS) as u32);
        match self.work {
            Work::Tiles { rows: tile_rows, column_tiles } => {
                let (y, z) = fold(rows.div_ceil(tile_rows));
                [column_tiles as u32, y, z]
            }
            Work::Elements { per_row } => {
                let (x, y) = fold((rows * per_row).div_ceil(INVOCATIONS));
                [x, y, 1]
            }
            Work::Row => {
                let (x, y) = fold(rows);
                [x, y, 1]
            }
            Work::Sequence => {
                let (x, y) = fold(batch.sequences().len());
                [x, y, 1]
            }
            Work::HeadTile { heads } => {
                let (y, z) = fold(batch.attention_tiles().len());
                [heads as u32, y, z]
            }
            Work::HeadSequence { heads } => {
                let (y, z) = fold(batch.sequences().len());
                [heads as u32, y, z]
            }
            Work::HeadRows { heads } => {
                let (y, z) = fold(rows.div_ceil(INVOCATIONS));
                [heads as u32, y, z]
            }
            Work::LongestRow => {
                let (y, z) = fold(rows);
                [batch.longest().div_ceil(INVOCATIONS) as u32, y, z]
            }
        }
    }
}

/// The last extent of an f32 binding, if the model fixes it.
fn last_width(binding: &heatseek_ops::Binding) -> Option<usize> {
    match (binding.element, binding.shape.last()) {
        (heatseek_ops::Element::F32, Some(heatseek_ops::Dim::Fixed(width))) => Some(*width),
        _ => None,
    }
}

/// The end of a GEMM variant's name, or why there is none.
fn gemm_variant(gemm: &Gemm) -> Result<&'static str, &'static str> {
    let identity = gemm.activation == Activation::Identity;
    match (gemm.norm_in.is_some(), gemm.residual, identity) {
        (false, Residual::None, true) => Ok(""),
        (false, Residual::None, false) => Ok("_act"),
        (true, Residual::None, true) => Ok("_norm_in"),
        (true, Residual::None, false) => Ok("_norm_in_act"),
        (false, Residual::Add, true) => Ok("_add"),
        (false, Residual::AddNormalized, true) => Ok("_add_normalized"),
        (true, ..) => Err("a folded LayerNorm with a residual would bind more than 8 storage buffers"),
        (false, ..) => Err("an activation followed by a residual is not shipped: no model has it"),
    }
}

/// The part of a GEMM variant's name that tells what is f16 besides the weight.
fn gemm_halves(narrow: &[(&'static str, Dtype)]) -> &'static str {
    let is_half = |name| dtype_of(narrow, name) == Dtype::F16;
    match (is_half("x"), is_half("y")) {
        (false, false) => "",
        (true, false) => "_x16",
        (false, true) => "_y16",
        (true, true) => "_x16_y16",
    }
}

fn gemm_constants(gemm: &Gemm) -> Vec<(&'static str, f64)> {
    let mut constants = vec![("k", gemm.k as f64), ("n", gemm.n as f64)];
    constants.extend(gemm.norm_in.map(|eps| ("eps", f64::from(eps))));
    // The numbers of `shaders/shared/activation.wgsl`.
    let activation = match gemm.activation {
        Activation::Identity => return constants,
        Activation::GeluErf => 1.0,
        Activation::GeluTanh => 2.0,
        Activation::Relu => 3.0,
        Activation::Silu => 4.0,
        Activation::Tanh => 5.0,
        Activation::QuickGelu => 6.0,
    };
    constants.push(("activation", activation));
    constants
}

/// The end of the name of the variant for the narrowest shipped head that holds this one.
fn head_class(attention: &Attention) -> Option<&'static str> {
    let fits = attention.head_dim > 0 && attention.head_dim.is_multiple_of(4);
    let plain = [(16, "d16"), (32, "d32"), (64, "d64"), (128, "d128")];
    let biased = [(64, "d64_bias"), (128, "d128_bias")];
    let classes = if attention.relative_bias.is_some() { &biased[..] } else { &plain };
    classes.iter().find(|(widest, _)| fits && attention.head_dim <= *widest).map(|(_, name)| *name)
}

fn head_limits(attention: &Attention) -> String {
    let Attention { num_attention_heads: heads, head_dim, .. } = attention;
    format!("{heads} heads of {head_dim}; heads must be a multiple of 4 and at most 128 wide")
}

fn attention_constants(attention: &Attention) -> Vec<(&'static str, f64)> {
    // That many rows are more than there are, and their sums with places are still u32.
    let [behind, ahead] = attention.reach().map(|rows| rows.min(i32::MAX as usize) as f64);
    let mut constants = vec![
        ("num_attention_heads", attention.num_attention_heads as f64),
        ("head_dim", attention.head_dim as f64),
        ("scale", f64::from(attention.scale())),
        ("behind", behind),
        ("ahead", ahead),
    ];
    constants.extend(attention.relative_bias.map(|distance| ("max_distance", distance as f64)));
    constants
}

fn pool_constants(pool: &Pool) -> Vec<(&'static str, f64)> {
    // The numbers of `shaders/pool.wgsl`.
    let pooling = match pool.pooling {
        Pooling::Mean => 0.0,
        Pooling::Cls => 1.0,
        Pooling::Max => 2.0,
        Pooling::Last => 3.0,
        Pooling::WeightedMean => 4.0,
        Pooling::MeanSqrtLen => 5.0,
        Pooling::Min => 6.0,
        Pooling::Std => 7.0,
        Pooling::Gem => 8.0,
        Pooling::SignedGem => 9.0,
        Pooling::Mixed => 10.0,
    };
    let mut constants =
        vec![("width", pool.width as f64), ("pooling", pooling), ("l2", f64::from(u8::from(pool.normalize)))];
    constants.extend(pool.norm_in.map(|eps| ("eps", f64::from(eps))));
    constants
}
