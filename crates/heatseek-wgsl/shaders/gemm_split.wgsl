//! gemm for few rows: the contract of gemm.wgsl, with the sum over k split among the invocations of a workgroup.
//!
//! Shapes: as in gemm.wgsl.
//! Who owns what: one workgroup of 256 invocations a tile of 16 rows by 16 columns: 16 slices of 16 invocations, each
//! of which has 4 rows by 4 columns. Steps {{ 4 * vectors }} deep go to the slices in turn, whose sums meet in workgroup memory. Few
//! rows make few workgroups, and a GPU that waits for memory: so nothing is staged, there is no barrier before the
//! sums, and what a step reads is asked for during the step before, all at once.
//! Numerics: as in gemm.wgsl.
//! Source: "sliced-K" in NVIDIA's CUTLASS (docs/efficient_gemm.md): within a workgroup, so that nothing is atomic and
//! sums keep their order. Limits: k and n multiples of 4.

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
{% set stored = "f16" if weight_half else "f32" %}

{% include "shared/gemm_operands.wgsl" %}

var<workgroup> sums: array<vec4<f32>, 1024>; // [16 slices][16 rows][4 vectors], 16 KiB; before, sums of rows

{% include "shared/gemm_finish.wgsl" %}

@compute @workgroup_size(256)
fn gemm(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let row_0 = folded(group.y, group.z) * 16u;
    if (row_0 >= params.rows) { return; }
    let slice = lane / 16u;
    let row = lane % 16u / 4u;
    let column = lane % 4u;
    let weight_0 = group.x / 4u * ((k + {{ depth - 1 }}u) / {{ depth }}u * {{ depth * 16 }}u) + group.x % 4u * 4u + column;
    let steps = (k + {{ 4 * vectors - 1 }}u) / {{ 4 * vectors }}u;
    // Rows past the end are the last row again; they are never stored.
{% for i in range(4) %}
    let x_row_{{ i }} = min(row_0 + row + {{ i * 4 }}u, params.rows - 1u);
    var acc_{{ i }} = vec4<f32>();
{% endfor %}
{% if norm_in %}
    var own_sum = vec2<f32>();
{% endif %}
{% for q in range(vectors) %}
{% for i in range(4) %}
    var w_{{ q }}_{{ i }} = vec4<{{ stored }}>();
    var a_{{ q }}_{{ i }} = vec4<f32>();
{% endfor %}
{% endfor %}

    // Each round adds what the round before asked for, and the first adds zeros. (A load before the loop would be
    // merged with that in it, and moved to where it is waited for.)
    for (var step = slice; step < steps + 16u; step += 16u) {
{% for q in range(vectors) %}
{% for i in range(4) %}
        var next_w_{{ q }}_{{ i }} = vec4<{{ stored }}>();
        var next_a_{{ q }}_{{ i }} = vec4<f32>();
{% endfor %}
{% endfor %}
        if (step < steps) {
{% for q in range(vectors) %}
{% for i in range(4) %}
            next_w_{{ q }}_{{ i }} = weight[weight_0 + step * {{ vectors * 64 }}u + {{ q * 64 + i * 16 }}u];
            next_a_{{ q }}_{{ i }} = load_x(x_row_{{ i }}, step * {{ vectors }}u + {{ q }}u);
{% endfor %}
{% endfor %}
        }
{% for q in range(vectors) %}
{% if norm_in %}
        // Four invocations have the same rows, and each takes one of them.
        let own_{{ q }} = select(select(a_{{ q }}_0, a_{{ q }}_1, column == 1u), select(a_{{ q }}_2, a_{{ q }}_3, column == 3u), column >= 2u);
        own_sum += vec2<f32>(dot(own_{{ q }}, vec4<f32>(1.0)), dot(own_{{ q }}, own_{{ q }}));
{% endif %}
{% for i in range(4) %}
        acc_{{ i }} = {% for e in range(4) %}fma(vec4<f32>(a_{{ q }}_{{ i }}[{{ e }}]), {{ "vec4<f32>(" if weight_half }}w_{{ q }}_{{ e }}{{ ")" if weight_half }}, {% endfor %}acc_{{ i }}))));
{% endfor %}
{% for i in range(4) %}
        w_{{ q }}_{{ i }} = next_w_{{ q }}_{{ i }};
        a_{{ q }}_{{ i }} = next_a_{{ q }}_{{ i }};
{% endfor %}
{% endfor %}
    }

    var moments = vec2<f32>();
    let tile_row = lane / 4u;
{% if norm_in %}
    // The sum and the sum of squares of what each invocation took of its row.
    sums[slice * 16u + column * 4u + row] = vec4<f32>(own_sum, 0.0, 0.0);
    workgroupBarrier();
    if (tile_row < 16u) {
        var total = vec4<f32>();
        for (var i = 0u; i < 16u; i++) { total += sums[i * 16u + tile_row]; }
        let mean = total / f32(k);
        moments = vec2<f32>(mean.x, inverseSqrt(max(mean.y - mean.x * mean.x, 0.0) + eps));
        if (group.x == 0u && column == 0u && row_0 + tile_row < params.rows) { stats[row_0 + tile_row] = moments; }
    }
    workgroupBarrier();
{% endif %}
{% for i in range(4) %}
    sums[slice * 64u + (row + {{ i * 4 }}u) * 4u + column] = acc_{{ i }};
{% endfor %}
    workgroupBarrier();
    if (tile_row >= 16u) { return; }
    if (row_0 + tile_row >= params.rows) { return; }
    var product = vec4<f32>();
    for (var i = 0u; i < 16u; i++) { product += sums[i * 64u + lane]; }
    finish(row_0 + tile_row, group.x * 4u + column, product, moments);
}
