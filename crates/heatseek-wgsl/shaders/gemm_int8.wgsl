//! gemm in 8 bits: the contract of gemm.wgsl with a weight of integers, and x quantised while it is staged.
//!
//! Shapes: as in gemm.wgsl, but weight, packed: [ceil(n/64)][ceil32(k)/4][64] u32, each four i8 along k, zero padded;
//! behind it two rows of n padded to 64s, f32: what a column's integers are multiplied with, and the sum of what they
//! stand for, which takes the place of colsum.
//! Who owns what: one workgroup of {{ lanes }} invocations a tile of {{ tile_rows }} rows by 64 columns; each invocation 4 rows by 8
//! columns, in named accumulators, and while staging one block of 32 elements of one row, which it quantises alone: it
//! needs no other invocation for the largest magnitude. Two blocks of a row are staged at a time.
//! Numerics: see shared/quantize.wgsl. Sums of a block are exact in i32; their sum over blocks, with the blocks' scales,
//! is f32. The moments of x are of x itself, as in gemm.wgsl.
//! Source: a scale for each block as in ggml's Q8_0 (github.com/ggml-org/ggml). Limits: k and n multiples of 4.

{% include "shared/params.wgsl" %}
{% include "shared/grid.wgsl" %}
{% if act %}
{% include "shared/activation.wgsl" %}
{% endif %}
{% set down = tile_rows // 4 %}

{% include "shared/gemm_operands.wgsl" %}

// [rows][2 blocks][3]: integers, integers, and the scale, which also keeps rows on different banks.
var<workgroup> staged: array<vec4<u32>, {{ tile_rows * 6 }}>;
var<workgroup> weight_tile: array<vec4<u32>, 256>; // [2 blocks][8 deep][16 vectors], 4 KiB

{% include "shared/quantize.wgsl" %}
{% include "shared/gemm_finish.wgsl" %}

@compute @workgroup_size({{ lanes }})
fn gemm(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let row_0 = folded(group.y, group.z) * {{ tile_rows }}u;
    if (row_0 >= params.rows) { return; }
    let column = lane % 8u;
    let row = lane / 8u;
    let blocks = (k + 31u) / 32u;
    let weight_0 = group.x * blocks * 128u;
    // Rows past the end are the last row again; they are never stored.
    let own_row = min(row_0 + lane / 2u, params.rows - 1u);
{% if norm_in %}
    var own_sum = vec2<f32>();
{% endif %}
{% for i in range(4) %}
    var acc_{{ i }}_0 = vec4<f32>();
    var acc_{{ i }}_1 = vec4<f32>();
{% endfor %}

    for (var step = 0u; step < blocks; step += 2u) {
        let count = min(blocks - step, 2u);
        if (lane % 2u < count) { {{ "own_sum += " if norm_in }}stage(lane * 3u, own_row, step + lane % 2u); }
        for (var p = lane; p < count * 128u; p += {{ lanes }}u) { weight_tile[p] = weight[weight_0 + step * 128u + p]; }
        workgroupBarrier();
        for (var block = 0u; block < count; block++) {
{% for i in range(4) %}
            let at_{{ i }} = ((row + {{ i * down }}u) * 2u + block) * 3u;
            var sum_{{ i }}_0 = vec4<i32>();
            var sum_{{ i }}_1 = vec4<i32>();
{% endfor %}
            for (var q = 0u; q < 2u; q++) {
{% for e in range(4) %}
{% for j in range(2) %}
                let w_{{ e }}_{{ j }} = weight_tile[block * 128u + q * 64u + column + {{ e * 16 + j * 8 }}u];
{% endfor %}
{% endfor %}
{% for i in range(4) %}
                let a_{{ i }} = staged[at_{{ i }} + q];
{% for j in range(2) %}
                sum_{{ i }}_{{ j }} += {% for e in range(4) %}dots(a_{{ i }}[{{ e }}], w_{{ e }}_{{ j }}){{ " + " if not loop.last }}{% endfor %};
{% endfor %}
{% endfor %}
            }
{% for i in range(4) %}
            let scale_{{ i }} = vec4<f32>(bitcast<f32>(staged[at_{{ i }} + 2u].x));
{% for j in range(2) %}
            acc_{{ i }}_{{ j }} = fma(scale_{{ i }}, vec4<f32>(sum_{{ i }}_{{ j }}), acc_{{ i }}_{{ j }});
{% endfor %}
{% endfor %}
        }
        workgroupBarrier();
    }
{% if norm_in %}
    // x is done with: its tile takes the sum and the sum of squares of each half of a row.
    staged[lane] = vec4<u32>(bitcast<vec2<u32>>(own_sum), 0u, 0u);
    workgroupBarrier();
{% endif %}

    // Rolled, and compiled once rather than 4 times; drivers that gain from it unroll.
    for (var i = 0u; i < 4u; i++) {
        let tile_row = row + i * {{ down }}u;
        if (row_0 + tile_row >= params.rows) { break; }
        var moments = vec2<f32>();
{% if norm_in %}
        let sum = bitcast<vec2<f32>>(staged[tile_row * 2u].xy) + bitcast<vec2<f32>>(staged[tile_row * 2u + 1u].xy);
        let mean = sum / f32(k);
        moments = vec2<f32>(mean.x, inverseSqrt(max(mean.y - mean.x * mean.x, 0.0) + eps));
        if (group.x == 0u && column == 0u) { stats[row_0 + tile_row] = moments; }
{% endif %}
        var product_0 = acc_0_0;
        var product_1 = acc_0_1;
        switch i {
{% for i in range(1, 4) %}
            case {{ i }}u: { product_0 = acc_{{ i }}_0; product_1 = acc_{{ i }}_1; }
{% endfor %}
            default: {}
        }
{% for j in range(2) %}
        finish(row_0 + tile_row, group.x * 16u + column + {{ j * 8 }}u, product_{{ j }}, moments);
{% endfor %}
    }
}
