//! gemm for few rows: the contract of gemm.wgsl, with the sum over k split among the invocations of a workgroup.
//!
//! Shapes: as in gemm.wgsl.
//! Who owns what: one workgroup of 256 invocations a tile of 16 rows by {{ columns }} columns: {{ 64 // (columns // 4) }} slices of
//! {{ columns }} invocations, each of which has 4 rows by 4 columns. Steps 16 deep go to the slices in turn, whose sums
//! meet in workgroup memory. Few rows make few workgroups, and a GPU that waits for memory: so nothing is staged,
//! there is no barrier before the sums, and all that a step reads is asked for before any of it is needed.
//! Numerics: as in gemm.wgsl. For the moments each invocation reads {{ 64 // columns }} vectors of a step again, from the cache.
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
{% set across = columns // 4 %}
{% set threads = across * 4 %}
{% set slices = 256 // threads %}
{% set own_vectors = 64 // threads %}

{% include "shared/gemm_operands.wgsl" %}

var<workgroup> sums: array<vec4<f32>, 1024>; // [{{ slices }} slices][16 rows][{{ across }} vectors], 16 KiB; before, sums of rows

{% include "shared/gemm_finish.wgsl" %}

@compute @workgroup_size(256)
fn gemm(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let row_0 = folded(group.y, group.z) * 16u;
    if (row_0 >= params.rows) { return; }
    let slice = lane / {{ threads }}u;
    let row = lane % {{ threads }}u / {{ across }}u;
    let column_0 = group.x * {{ across }}u;
    let weight_0 = column_0 / 16u * ((k + {{ depth - 1 }}u) / {{ depth }}u * {{ depth * 16 }}u) + column_0 % 16u + lane % {{ across }}u;
    // Rows past the end are the last row again; they are never stored.
{% for i in range(4) %}
    let x_row_{{ i }} = min(row_0 + row + {{ i * 4 }}u, params.rows - 1u);
    var acc_{{ i }} = vec4<f32>();
{% endfor %}
{% if norm_in %}
    let own_row = min(row_0 + lane % 16u, params.rows - 1u);
    let own_vector = lane % {{ threads }}u / 16u * {{ own_vectors }}u;
    var own_sum = vec2<f32>();
{% endif %}

    for (var step = slice; step < (k + 15u) / 16u; step += {{ slices }}u) {
        let weight_1 = weight_0 + step * 256u;
{% for q in range(4) %}
{% for e in range(4) %}
        let w_{{ q }}_{{ e }} = {{ "vec4<f32>(" if weight_half }}weight[weight_1 + {{ q * 64 + e * 16 }}u]{{ ")" if weight_half }};
{% endfor %}
{% for i in range(4) %}
        let a_{{ q }}_{{ i }} = load_x(x_row_{{ i }}, step * 4u + {{ q }}u);
{% endfor %}
{% endfor %}
{% if norm_in %}
        for (var p = 0u; p < {{ own_vectors }}u; p++) {
            let own = load_x(own_row, step * 4u + own_vector + p);
            own_sum += vec2<f32>(dot(own, vec4<f32>(1.0)), dot(own, own));
        }
{% endif %}
{% for q in range(4) %}
{% for i in range(4) %}
        acc_{{ i }} = {% for e in range(4) %}fma(vec4<f32>(a_{{ q }}_{{ i }}[{{ e }}]), w_{{ q }}_{{ e }}, {% endfor %}acc_{{ i }}))));
{% endfor %}
{% endfor %}
    }

    var moments = vec2<f32>();
{% if norm_in %}
    // The sum and the sum of squares of what each invocation read of its row.
    sums[lane] = vec4<f32>(own_sum, 0.0, 0.0);
    workgroupBarrier();
    if (lane < {{ across * 16 }}u) {
        let tile_row = lane / {{ across }}u;
        var total = vec4<f32>();
        for (var i = tile_row; i < 256u; i += 16u) { total += sums[i]; }
        let mean = total / f32(k);
        moments = vec2<f32>(mean.x, inverseSqrt(max(mean.y - mean.x * mean.x, 0.0) + eps));
        if (group.x == 0u && lane % {{ across }}u == 0u && row_0 + tile_row < params.rows) {
            stats[row_0 + tile_row] = moments;
        }
    }
    workgroupBarrier();
{% endif %}
{% for i in range(4) %}
    sums[slice * {{ across * 16 }}u + (row + {{ i * 4 }}u) * {{ across }}u + lane % {{ across }}u] = acc_{{ i }};
{% endfor %}
    workgroupBarrier();
    let tile_row = lane / {{ across }}u;
    if (tile_row >= 16u || row_0 + tile_row >= params.rows) { return; }
    var product = vec4<f32>();
    for (var i = lane; i < 1024u; i += {{ across * 16 }}u) { product += sums[i]; }
    finish(row_0 + tile_row, column_0 + lane % {{ across }}u, product, moments);
}
