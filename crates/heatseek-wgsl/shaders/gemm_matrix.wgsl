//! gemm on matrix units: the contract of gemm.wgsl with products of 16 by 16 by 16, f16 in and f32 out.
//!
//! Shapes: as in gemm.wgsl; weight f16; x f32 or f16.
//! Who owns what: one workgroup of {{ down * across * 32 }} invocations, {{ down }} by {{ across }} subgroups of 32, a tile of {{ tile_rows }} rows by 64
//! columns; each subgroup {{ frags_down }} by {{ frags_across }} products of 16 by 16. x and weight are staged 32 deep with 8
//! elements of padding a row, and fetched a step ahead, while the matrix units work.
//! Numerics: x is rounded to f16, sums are f32; moments come from x before it is rounded.
//! Source: Vulkan's VK_KHR_cooperative_matrix, in naga's words or Tint's (shared/matrix.wgsl). Limits: k and n
//! multiples of 4; subgroups of 32 in the order of the invocations. naga 30.0.1 wants indices of loads and stores in
//! lets: it panics on expressions in them.

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
{% set threads = down * across * 32 %}
{% set x_loads = tile_rows * 8 // threads %}
{% set weight_loads = 512 // threads %}
{% set rows_apart = threads // 8 %}

{% include "shared/gemm_operands.wgsl" %}
{% include "shared/gemm_fetch.wgsl" %}

var<workgroup> x_tile: array<f16, {{ tile_rows * 40 }}>; // [rows][32 + 8 padding], {{ tile_rows * 80 }} bytes
var<workgroup> weight_tile: array<f16, 2304>; // [32 deep][64 + 8 padding], 4608 bytes
var<workgroup> products: array<f32, {{ tile_rows * 68 }}>; // [rows][64 + 4 padding], {{ tile_rows * 272 }} bytes; before, sums of rows
{% if norm_in %}
var<workgroup> moments: array<vec2<f32>, {{ tile_rows }}>; // mean and rstd of a row
{% endif %}

{% include "shared/gemm_finish.wgsl" %}

{# A step's part of x and of the weight, on its way. #}
{% macro fetch() %}
{% for p in range(x_loads) %}
        let x_{{ p }} = fetch_x(x_row_{{ p }}, step * 8u + own_vector);
{% endfor %}
{% for p in range(weight_loads) %}
        let w_{{ p }} = weight[weight_0 + step * 512u + {{ p * threads }}u];
{% endfor %}
{% endmacro %}
{# Writes what was fetched into the tiles. #}
{% macro stage() %}
{% for p in range(x_loads) %}
        let x_at_{{ p }} = (own_row + {{ p * rows_apart }}u) * 40u + own_vector * 4u;
        let x_half_{{ p }} = vec4<f16>(x_{{ p }});
{% for e in range(4) %}
        x_tile[x_at_{{ p }} + {{ e }}u] = x_half_{{ p }}[{{ e }}];
{% endfor %}
{% if norm_in %}
        sum_{{ p }} += vec2<f32>(dot(x_{{ p }}, vec4<f32>(1.0)), dot(x_{{ p }}, x_{{ p }}));
{% endif %}
{% endfor %}
{% for p in range(weight_loads) %}
        let w_at_{{ p }} = (lane / 16u + {{ p * threads // 16 }}u) * 72u + lane % 16u * 4u;
{% for e in range(4) %}
        weight_tile[w_at_{{ p }} + {{ e }}u] = w_{{ p }}[{{ e }}];
{% endfor %}
{% endfor %}
{% endmacro %}
{# Multiplies what is in the tiles. #}
{% macro multiply() %}
{% for q in range(2) %}
{% for j in range(frags_across) %}
        let b_at_{{ q }}_{{ j }} = weight_frag + {{ q * 16 * 72 + j * 16 }}u;
        let b_{{ q }}_{{ j }} = {{ matrix.load(tint, "B", "weight_tile", "b_at_" ~ q ~ "_" ~ j, "72u") }};
{% endfor %}
{% for i in range(frags_down) %}
        let a_at_{{ q }}_{{ i }} = x_frag + {{ i * 16 * 40 + q * 16 }}u;
        let a_{{ q }}_{{ i }} = {{ matrix.load(tint, "A", "x_tile", "a_at_" ~ q ~ "_" ~ i, "40u") }};
{% for j in range(frags_across) %}
        acc_{{ i }}_{{ j }} = {{ matrix.multiply_add(tint) }}(a_{{ q }}_{{ i }}, b_{{ q }}_{{ j }}, acc_{{ i }}_{{ j }});
{% endfor %}
{% endfor %}
{% endfor %}
{% endmacro %}

@compute @workgroup_size({{ threads }})
fn gemm(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    // As in shared/grid.wgsl, but naga takes what a function returns for different in each invocation.
    let row_0 = (group.z * 65535u + group.y) * {{ tile_rows }}u;
    if (row_0 >= params.rows) { return; }
    let steps = (k + 31u) / 32u;
    let weight_0 = group.x * (steps * 512u) + lane;
    let subgroup = lane / 32u;
    let x_frag = subgroup / {{ across }}u * {{ frags_down * 16 * 40 }}u;
    let weight_frag = subgroup % {{ across }}u * {{ frags_across * 16 }}u;
    let own_row = lane / 8u;
    let own_vector = lane % 8u;
{% for i in range(frags_down) %}
{% for j in range(frags_across) %}
    var acc_{{ i }}_{{ j }} = {{ matrix.zero(tint) }};
{% endfor %}
{% endfor %}
{% if norm_in %}
{% for p in range(x_loads) %}
    var sum_{{ p }} = vec2<f32>();
{% endfor %}
{% endif %}
    // Rows past the end are the last row again; they are never stored.
{% for p in range(x_loads) %}
    let x_row_{{ p }} = min(row_0 + own_row + {{ p * rows_apart }}u, params.rows - 1u);
{% endfor %}

    // What is fetched is staged in the same turn: carried to the next one, halves are taken apart as soon as they are there.
    var step = 0u;
    {
{{ fetch() }}{{ stage() }}    }
    workgroupBarrier();
    for (step = 1u; step < steps; step++) {
{{ fetch() }}{{ multiply() }}        // Nobody reads the tiles of the step before any more.
        workgroupBarrier();
{{ stage() }}        workgroupBarrier();
    }
{{ multiply() }}{% if norm_in %}
    // The sum and the sum of squares of each eighth of a row, and from them its moments.
{% for p in range(x_loads) %}
    let sum_at_{{ p }} = (own_row + {{ p * rows_apart }}u) * 16u + own_vector * 2u;
    products[sum_at_{{ p }}] = sum_{{ p }}.x;
    products[sum_at_{{ p }} + 1u] = sum_{{ p }}.y;
{% endfor %}
    workgroupBarrier();
    if (lane < {{ tile_rows }}u) {
        var total = vec2<f32>();
        for (var i = 0u; i < 16u; i += 2u) {
            total += vec2<f32>(products[lane * 16u + i], products[lane * 16u + i + 1u]);
        }
        let mean = total / f32(k);
        let of_row = vec2<f32>(mean.x, inverseSqrt(max(mean.y - mean.x * mean.x, 0.0) + eps));
        moments[lane] = of_row;
        if (group.x == 0u && row_0 + lane < params.rows) { stats[row_0 + lane] = of_row; }
    }
    workgroupBarrier();
{% endif %}
{% for i in range(frags_down) %}
{% for j in range(frags_across) %}
    let c_at_{{ i }}_{{ j }} = (subgroup / {{ across }}u * {{ frags_down * 16 }}u + {{ i * 16 }}u) * 68u + weight_frag + {{ j * 16 }}u;
    {{ matrix.store(tint, "acc_" ~ i ~ "_" ~ j, "products", "c_at_" ~ i ~ "_" ~ j, "68u") }};
{% endfor %}
{% endfor %}
    workgroupBarrier();
    for (var i = lane; i < {{ tile_rows * 16 }}u; i += {{ threads }}u) {
        let tile_row = i / 16u;
        if (row_0 + tile_row >= params.rows) { break; }
        let at = tile_row * 68u + i % 16u * 4u;
        let product = vec4<f32>(products[at], products[at + 1u], products[at + 2u], products[at + 3u]);
        finish(row_0 + tile_row, group.x * 16u + i % 16u, product, {{ "moments[tile_row]" if norm_in else "vec2<f32>()" }});
    }
}
