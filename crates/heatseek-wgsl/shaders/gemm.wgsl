//! gemm: y = activation(x W + bias) + residual; with norm_in, W, bias and colsum carry the LayerNorm's
//! gamma and beta, and y = activation(rstd (x W - mean colsum) + bias).
//!
//! Shapes (row-major f32): x [rows, k]; weight, packed: [ceil(n/64)][ceil{{ depth }}(k)][64], zero padded; bias,
//! colsum, the two rows of residual_affine: n padded to 64s; residual, y [rows, n]; stats,
//! residual_stats [rows, 2]: mean, rstd.
//! Who owns what: one workgroup of 64 invocations a tile of {{ tile_rows }} rows by 64 columns; each invocation
//! {{ thread_rows }} rows by {{ thread_columns }} columns, in named accumulators (an indexed array would live in memory). x is
//! staged 16 deep, with one padding vector a row that keeps rows on different banks{% if stage_weight %}; so is the weight{% endif %}.
//! Numerics: f32 throughout; x, weight and y may be stored as f16 (x_half, weight_half, y_half). The moments of x come from sum and sum of squares taken while its tile is
//! staged (variance clamped at 0); the first column tile writes them to stats.
//! Source: register tiling as in "Fast CUDA SGEMM" (siboehm.com/articles/22/CUDA-MMM); the LayerNorm
//! fold is linear algebra. Limits: k and n multiples of 4.

{% if weight_half %}
enable f16;
{% endif %}
{% include "shared/params.wgsl" %}
{% include "shared/grid.wgsl" %}
{% if act %}
{% include "shared/activation.wgsl" %}
{% endif %}
{% if y_half %}
{% include "shared/half.wgsl" %}
{% endif %}
{% set across = 64 // thread_columns %}
{% set down = tile_rows // thread_rows %}
{% set vectors = thread_columns // 4 %}
{% set staged = tile_rows // 16 %}
{% set from_cache = ("vec4<f32>(" if weight_half else "") ~ "weight[weight_0 + step * 256u + " %}
{% set weight_at = "weight_tile[" if stage_weight else from_cache %}

{% include "shared/gemm_operands.wgsl" %}

var<workgroup> x_tile: array<vec4<f32>, {{ tile_rows * 5 }}>; // [rows][4 + 1 padding]
{% if stage_weight %}
var<workgroup> weight_tile: array<vec4<f32>, 256>; // [16 deep][16 vectors], 4 KiB
{% endif %}

{% include "shared/gemm_finish.wgsl" %}

@compute @workgroup_size(64)
fn gemm(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let row_0 = folded(group.y, group.z) * {{ tile_rows }}u;
    if (row_0 >= params.rows) { return; }
    let column = lane % {{ across }}u;
    let row = lane / {{ across }}u;
    let weight_0 = group.x * ((k + {{ depth - 1 }}u) / {{ depth }}u * {{ depth * 16 }}u);
{% for i in range(thread_rows) %}
{% for j in range(vectors) %}
    var acc_{{ i }}_{{ j }} = vec4<f32>();
{% endfor %}
{% endfor %}
{% if norm_in %}
{% for p in range(staged) %}
    var sum_{{ p }} = vec2<f32>();
{% endfor %}
{% endif %}

    for (var step = 0u; step < (k + 15u) / 16u; step++) {
{% for p in range(staged) %}
        // Rows past the end are the last row again; they are never stored.
        let x_{{ p }} = load_x(min(row_0 + lane / 4u + {{ p * 16 }}u, params.rows - 1u), step * 4u + lane % 4u);
        x_tile[(lane / 4u + {{ p * 16 }}u) * 5u + lane % 4u] = x_{{ p }};
{% if norm_in %}
        sum_{{ p }} += vec2<f32>(dot(x_{{ p }}, vec4<f32>(1.0)), dot(x_{{ p }}, x_{{ p }}));
{% endif %}
{% endfor %}
{% if stage_weight %}
        for (var p = lane; p < 256u; p += 64u) { weight_tile[p] = {{ "vec4<f32>(" if weight_half }}weight[weight_0 + step * 256u + p]{{ ")" if weight_half }}; }
{% endif %}
        workgroupBarrier();
        for (var q = 0u; q < 4u; q++) {
{% for j in range(vectors) %}
{% for e in range(4) %}
            let w_{{ e }}_{{ j }} = {{ weight_at }}q * 64u + column + {{ e * 16 + j * across }}u]{{ ")" if weight_half and not stage_weight }};
{% endfor %}
{% endfor %}
{% for i in range(thread_rows) %}
            let a_{{ i }} = x_tile[(row + {{ i * down }}u) * 5u + q];
{% for j in range(vectors) %}
            acc_{{ i }}_{{ j }} = {% for e in range(4) %}fma(vec4<f32>(a_{{ i }}[{{ e }}]), w_{{ e }}_{{ j }}, {% endfor %}acc_{{ i }}_{{ j }}))));
{% endfor %}
{% endfor %}
        }
        workgroupBarrier();
    }
{% if norm_in %}
    // x is done with: its tile takes the sum and the sum of squares of each quarter of a row.
{% for p in range(staged) %}
    x_tile[(lane / 4u + {{ p * 16 }}u) * 5u + lane % 4u] = vec4<f32>(sum_{{ p }}, 0.0, 0.0);
{% endfor %}
    workgroupBarrier();
{% endif %}

    // Rolled, and compiled once rather than {{ thread_rows }} times; drivers that gain from it unroll.
    for (var i = 0u; i < {{ thread_rows }}u; i++) {
        let tile_row = row + i * {{ down }}u;
        if (row_0 + tile_row >= params.rows) { break; }
        var moments = vec2<f32>();
{% if norm_in %}
        let at = tile_row * 5u;
        let mean = (x_tile[at] + x_tile[at + 1u] + x_tile[at + 2u] + x_tile[at + 3u]) / f32(k);
        moments = vec2<f32>(mean.x, inverseSqrt(max(mean.y - mean.x * mean.x, 0.0) + eps));
        if (group.x == 0u && column == 0u) { stats[row_0 + tile_row] = moments; }
{% endif %}
{% for j in range(vectors) %}
        var product_{{ j }} = acc_0_{{ j }};
{% endfor %}
        switch i {
{% for i in range(1, thread_rows) %}
            case {{ i }}u: { {% for j in range(vectors) %}product_{{ j }} = acc_{{ i }}_{{ j }}; {% endfor %}}
{% endfor %}
            default: {}
        }
{% for j in range(vectors) %}
        finish(row_0 + tile_row, group.x * 16u + column + {{ j * across }}u, product_{{ j }}, moments);
{% endfor %}
    }
}
