//! gemm for few rows on matrix units: the contract of gemm_matrix.wgsl, with the sum over k split among subgroups.
//!
//! Shapes: as in gemm_matrix.wgsl.
//! Who owns what: one workgroup of {{ slices * 32 }} invocations, {{ slices }} subgroups of 32, a tile of 16 rows by 16 columns. Steps 32
//! deep go to the subgroups in turn: each has one product of 16 by 16, stages its own x and weight with 8 elements of
//! padding a row, and fetches them a step ahead. The products are summed by the epilogue.
//! Numerics, limits and source: as in gemm_matrix.wgsl; why it is split, in gemm_split.wgsl.

{% import "shared/matrix.wgsl" as matrix %}
enable f16;
enable {{ matrix.enable(tint) }};
{% if tint %}
// Invocations of a subgroup go the same way: what differs between them is only where they point to.
diagnostic(off, chromium.subgroup_matrix_uniformity);
{% endif %}
{% include "shared/params.wgsl" %}
{% if act %}
{% include "shared/activation.wgsl" %}
{% endif %}
{% if y_half %}
{% include "shared/half.wgsl" %}
{% endif %}

{% include "shared/gemm_operands.wgsl" %}
{% include "shared/gemm_fetch.wgsl" %}

var<workgroup> x_tile: array<f16, {{ slices * 640 }}>; // [{{ slices }} slices][16 rows][32 + 8 padding], {{ slices * 1280 }} bytes
var<workgroup> weight_tile: array<f16, {{ slices * 768 }}>; // [{{ slices }} slices][32 deep][16 + 8 padding], {{ slices * 1536 }} bytes
var<workgroup> products: array<f32, {{ slices * 256 }}>; // [{{ slices }} slices][16 rows][16], {{ slices * 1024 }} bytes; before, sums of rows

{% include "shared/gemm_finish.wgsl" %}

{# A slice's part of x and of the weight, on its way. As often for every slice: one that has no step left has the last
   one again, and adds zeros. #}
{% macro fetch() %}
        let own_step = min(step + slice, steps - 1u);
{% for p in range(4) %}
        let x_{{ p }} = fetch_x(x_row, own_step * 8u + lane % 2u + {{ p * 2 }}u);
        let w_{{ p }} = weight[weight_0 + own_step * 512u + {{ p * 128 }}u];
{% endfor %}
{% endmacro %}
{# Writes what was fetched into the tiles. #}
{% macro stage() %}
        let has_step = step + slice < steps;
{% for p in range(4) %}
        let x_own_{{ p }} = select(vec4<{{ "f16" if x_half else "f32" }}>(), x_{{ p }}, has_step);
        let x_half_{{ p }} = vec4<f16>(x_own_{{ p }});
{% for e in range(4) %}
        x_tile[x_at + {{ p * 8 + e }}u] = x_half_{{ p }}[{{ e }}];
{% endfor %}
{% for e in range(4) %}
        weight_tile[w_at + {{ p * 192 + e }}u] = w_{{ p }}[{{ e }}];
{% endfor %}
{% if norm_in %}
        sum += vec2<f32>(dot(x_own_{{ p }}, vec4<f32>(1.0)), dot(x_own_{{ p }}, x_own_{{ p }}));
{% endif %}
{% endfor %}
{% endmacro %}
{# Multiplies what is in the tiles. #}
{% macro multiply() %}
{% for q in range(2) %}
        let a_{{ q }} = {{ matrix.load(tint, "A", "x_tile", "a_at_" ~ q, "40u") }};
        let b_{{ q }} = {{ matrix.load(tint, "B", "weight_tile", "b_at_" ~ q, "24u") }};
        acc = {{ matrix.multiply_add(tint) }}(a_{{ q }}, b_{{ q }}, acc);
{% endfor %}
{% endmacro %}

@compute @workgroup_size({{ slices * 32 }})
fn gemm(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    // As in shared/grid.wgsl, but naga takes what a function returns for different in each invocation.
    let row_0 = (group.z * 65535u + group.y) * 16u;
    if (row_0 >= params.rows) { return; }
    let steps = (k + 31u) / 32u;
    let slice = lane / 32u;
    let column_0 = group.x * 4u;
    let weight_0 = column_0 / 16u * (steps * 512u) + column_0 % 16u + lane % 32u / 4u * 16u + lane % 4u;
    // Rows past the end are the last row again; they are never stored.
    let x_row = min(row_0 + lane % 32u / 2u, params.rows - 1u);
    let a_at_0 = slice * 640u;
    let a_at_1 = a_at_0 + 16u;
    let b_at_0 = slice * 768u;
    let b_at_1 = b_at_0 + 384u;
    let x_at = a_at_0 + lane % 32u / 2u * 40u + lane % 2u * 4u;
    let w_at = b_at_0 + lane % 32u / 4u * 24u + lane % 4u * 4u;
    var acc = {{ matrix.zero(tint) }};
{% if norm_in %}
    var sum = vec2<f32>();
{% endif %}

    // What is fetched is staged in the same turn, as in gemm_matrix.wgsl.
    var step = 0u;
    {
{{ fetch() }}{{ stage() }}    }
    workgroupBarrier();
    for (step = {{ slices }}u; step < steps; step += {{ slices }}u) {
{{ fetch() }}{{ multiply() }}        // Nobody reads the tiles of the step before any more.
        workgroupBarrier();
{{ stage() }}        workgroupBarrier();
    }
{{ multiply() }}    let tile_row = lane / 4u;
    var moments = vec2<f32>();
{% if norm_in %}
    // The sum and the sum of squares of what each invocation read of its row.
    let sum_at = lane % 32u / 2u * {{ slices * 4 }}u + slice * 4u + lane % 2u * 2u;
    products[sum_at] = sum.x;
    products[sum_at + 1u] = sum.y;
    workgroupBarrier();
    if (tile_row < 16u) {
        var total = vec2<f32>();
        for (var i = 0u; i < {{ slices * 2 }}u; i++) {
            let at = tile_row * {{ slices * 4 }}u + i * 2u;
            total += vec2<f32>(products[at], products[at + 1u]);
        }
        let mean = total / f32(k);
        moments = vec2<f32>(mean.x, inverseSqrt(max(mean.y - mean.x * mean.x, 0.0) + eps));
        if (group.x == 0u && lane % 4u == 0u && row_0 + tile_row < params.rows) { stats[row_0 + tile_row] = moments; }
    }
    workgroupBarrier();
{% endif %}
    let c_at = slice * 256u;
    {{ matrix.store(tint, "acc", "products", "c_at", "16u") }};
    workgroupBarrier();
    if (tile_row >= 16u) { return; }
    if (row_0 + tile_row >= params.rows) { return; }
    var product = vec4<f32>();
    for (var i = 0u; i < {{ slices }}u; i++) {
        let at = i * 256u + lane * 4u;
        product += vec4<f32>(products[at], products[at + 1u], products[at + 2u], products[at + 3u]);
    }
    finish(row_0 + tile_row, column_0 + lane % 4u, product, moments);
}
