//! gemm in 8 bits for few rows: the contract of gemm_int8.wgsl, with the sum over k split among the invocations of a
//! workgroup as in gemm_split.wgsl.
//!
//! Shapes: as in gemm_int8.wgsl.
//! Who owns what: one workgroup of 256 invocations a tile of 16 rows by 16 columns: 16 slices of 16 invocations, to which
//! blocks of 32 along k go in turn. In its slice, an invocation quantises the block of one of 16 rows, and multiplies 4
//! rows by 4 columns. What it needs of the weight, which nobody else does, is asked for before x is waited for.
//! Numerics: as in gemm_int8.wgsl. Limits: k and n multiples of 4.

{% include "shared/params.wgsl" %}
{% include "shared/grid.wgsl" %}
{% if act %}
{% include "shared/activation.wgsl" %}
{% endif %}

{% include "shared/gemm_operands.wgsl" %}

// [16 slices][16 rows][3]: integers, integers, scale. In the end [16 slices][16 rows][4 vectors] of sums: 16 KiB.
var<workgroup> staged: array<vec4<u32>, 1024>;

{% include "shared/quantize.wgsl" %}
{% include "shared/gemm_finish.wgsl" %}

@compute @workgroup_size(256)
fn gemm(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let row_0 = folded(group.y, group.z) * 16u;
    if (row_0 >= params.rows) { return; }
    let slice = lane / 16u;
    let row = lane % 16u / 4u;
    let column = lane % 4u;
    let blocks = (k + 31u) / 32u;
    let weight_0 = group.x / 4u * blocks * 128u + group.x % 4u * 4u + column;
    // Rows past the end are the last row again; they are never stored.
    let own_row = min(row_0 + lane % 16u, params.rows - 1u);
{% if norm_in %}
    var own_sum = vec2<f32>();
{% endif %}
{% for i in range(4) %}
    var acc_{{ i }} = vec4<f32>();
{% endfor %}

    for (var step = 0u; step < blocks; step += 16u) {
        let block = step + slice;
{% for e in range(8) %}
        var w_{{ e }} = vec4<u32>();
{% endfor %}
        if (block < blocks) {
{% for e in range(8) %}
            w_{{ e }} = weight[weight_0 + block * 128u + {{ e * 16 }}u];
{% endfor %}
            {{ "own_sum += " if norm_in }}stage(lane * 3u, own_row, block);
        }
        workgroupBarrier();
        if (block < blocks) {
{% for i in range(4) %}
            let at_{{ i }} = (slice * 16u + row + {{ i * 4 }}u) * 3u;
            let low_{{ i }} = staged[at_{{ i }}];
            let high_{{ i }} = staged[at_{{ i }} + 1u];
            let sum_{{ i }} = {% for e in range(4) %}dots(low_{{ i }}[{{ e }}], w_{{ e }}) + dots(high_{{ i }}[{{ e }}], w_{{ e + 4 }}){{ " + " if not loop.last }}{% endfor %};
            acc_{{ i }} = fma(vec4<f32>(bitcast<f32>(staged[at_{{ i }} + 2u].x)), vec4<f32>(sum_{{ i }}), acc_{{ i }});
{% endfor %}
        }
        workgroupBarrier();
    }

    var moments = vec2<f32>();
    let tile_row = lane / 4u;
{% if norm_in %}
    // The sum and the sum of squares of what each invocation took of its row.
    staged[lane] = vec4<u32>(bitcast<vec2<u32>>(own_sum), 0u, 0u);
    workgroupBarrier();
    if (tile_row < 16u) {
        var total = vec2<f32>();
        for (var i = 0u; i < 16u; i++) { total += bitcast<vec2<f32>>(staged[i * 16u + tile_row].xy); }
        let mean = total / f32(k);
        moments = vec2<f32>(mean.x, inverseSqrt(max(mean.y - mean.x * mean.x, 0.0) + eps));
        if (group.x == 0u && column == 0u && row_0 + tile_row < params.rows) { stats[row_0 + tile_row] = moments; }
    }
    workgroupBarrier();
{% endif %}
{% for i in range(4) %}
    staged[slice * 64u + (row + {{ i * 4 }}u) * 4u + column] = bitcast<vec4<u32>>(acc_{{ i }});
{% endfor %}
    workgroupBarrier();
    if (tile_row >= 16u) { return; }
    if (row_0 + tile_row >= params.rows) { return; }
    var product = vec4<f32>();
    for (var i = 0u; i < 16u; i++) { product += bitcast<vec4<f32>>(staged[i * 64u + lane]); }
    finish(row_0 + tile_row, group.x * 4u + column, product, moments);
}
