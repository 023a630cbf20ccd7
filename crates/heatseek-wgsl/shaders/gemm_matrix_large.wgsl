//! gemm for many rows on matrix units: the contract of gemm_matrix.wgsl with a tile that reads its operands half as often.
//!
//! Shapes: as in gemm_matrix.wgsl.
//! Who owns what: one workgroup of 256 invocations, 2 by 4 subgroups of 32, a tile of 128 rows by 128 columns, which are
//! two of the packed weight; each subgroup 4 by 2 products of 16 by 16. x and weight are staged 32 deep, in two places
//! by turns: while the matrix units work on one, the step after is fetched, and then written to the other. So there is
//! one barrier a step. The epilogue passes through workgroup memory product by product.
//! Numerics and source: as in gemm_matrix.wgsl. Limits: as there, and 47104 bytes of workgroup memory, which GPUs have
//! and WebGPU does not guarantee: `select` asks for the smaller tile without.

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

var<workgroup> x_tile: array<f16, 10240>; // [2 steps][128 rows][32 + 8 padding], 20480 bytes
var<workgroup> weight_tile: array<f16, 8704>; // [2 steps][32 deep][128 + 8 padding], 17408 bytes
var<workgroup> products: array<f32, 2048>; // [8 subgroups][16][16], 8192 bytes; before, sums of rows
{% if norm_in %}
var<workgroup> moments: array<vec2<f32>, 128>; // mean and rstd of a row
{% endif %}

{% include "shared/gemm_finish.wgsl" %}
{# A step's part of x and of the weight, on its way. #}
{% macro fetch() %}
{% for p in range(4) %}
        let x_{{ p }} = fetch_x(x_row_{{ p }}, step * 8u + own_vector);
        let w_{{ p }} = weight[weight_{{ p // 2 }} + step * 512u + {{ p % 2 * 256 }}u];
{% endfor %}
{% endmacro %}
{# Writes what was fetched of a step into its place. #}
{% macro stage() %}
{% for p in range(4) %}
        let x_to_{{ p }} = x_at + step % 2u * 5120u + {{ p * 32 * 40 }}u;
        let x_half_{{ p }} = vec4<f16>(x_{{ p }});
        let w_to_{{ p }} = weight_at + step % 2u * 4352u + {{ p % 2 * 16 * 136 + p // 2 * 64 }}u;
{% for e in range(4) %}
        x_tile[x_to_{{ p }} + {{ e }}u] = x_half_{{ p }}[{{ e }}];
{% endfor %}
{% for e in range(4) %}
        weight_tile[w_to_{{ p }} + {{ e }}u] = w_{{ p }}[{{ e }}];
{% endfor %}
{% if norm_in %}
        sum_{{ p }} += vec2<f32>(dot(x_{{ p }}, vec4<f32>(1.0)), dot(x_{{ p }}, x_{{ p }}));
{% endif %}
{% endfor %}
{% endmacro %}
{# Multiplies what is in the place of the step before `step`. #}
{% macro multiply() %}
        let x_from = x_frag + (step + 1u) % 2u * 5120u;
        let weight_from = weight_frag + (step + 1u) % 2u * 4352u;
{% for q in range(2) %}
{% for j in range(2) %}
        let b_at_{{ q }}_{{ j }} = weight_from + {{ q * 16 * 136 + j * 16 }}u;
        let b_{{ q }}_{{ j }} = {{ matrix.load(tint, "B", "weight_tile", "b_at_" ~ q ~ "_" ~ j, "136u") }};
{% endfor %}
{% for i in range(4) %}
        let a_at_{{ q }}_{{ i }} = x_from + {{ i * 16 * 40 + q * 16 }}u;
        let a_{{ q }}_{{ i }} = {{ matrix.load(tint, "A", "x_tile", "a_at_" ~ q ~ "_" ~ i, "40u") }};
{% for j in range(2) %}
        acc_{{ i }}_{{ j }} = {{ matrix.multiply_add(tint) }}(a_{{ q }}_{{ i }}, b_{{ q }}_{{ j }}, acc_{{ i }}_{{ j }});
{% endfor %}
{% endfor %}
{% endfor %}
{% endmacro %}

@compute @workgroup_size(256)
fn gemm(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    // As in shared/grid.wgsl, but naga takes what a function returns for different in each invocation.
    let row_0 = (group.z * 65535u + group.y) * 128u;
    if (row_0 >= params.rows) { return; }
    let steps = (k + 31u) / 32u;
    // The second half of the last tile may be no columns at all: then it is the first again, and is never stored.
    let weight_0 = group.x * 2u * (steps * 512u) + lane;
    let weight_1 = min(group.x * 2u + 1u, (n + 63u) / 64u - 1u) * (steps * 512u) + lane;
    let weight_at = lane / 16u * 136u + lane % 16u * 4u;
    // Rows of neighbouring eighths are 4 apart: 4 rows of 80 bytes are 64 bytes from each other in the 128 of a bank's turn.
    let own_row = lane / 64u * 8u + lane / 8u % 2u * 4u + lane / 16u % 4u;
    let own_vector = lane % 8u;
    let x_at = own_row * 40u + own_vector * 4u;
    let subgroup = lane / 32u;
    let x_frag = subgroup / 4u * {{ 64 * 40 }}u;
    let weight_frag = subgroup % 4u * 32u;
{% for i in range(4) %}
{% for j in range(2) %}
    var acc_{{ i }}_{{ j }} = {{ matrix.zero(tint) }};
{% endfor %}
{% endfor %}
    // Rows past the end are the last row again; they are never stored.
{% for p in range(4) %}
    let x_row_{{ p }} = min(row_0 + own_row + {{ p * 32 }}u, params.rows - 1u);
{% if norm_in %}
    var sum_{{ p }} = vec2<f32>();
{% endif %}
{% endfor %}

    var step = 0u;
    {
{{ fetch() }}{{ stage() }}    }
    workgroupBarrier();
    for (step = 1u; step < steps; step++) {
{{ fetch() }}{{ multiply() }}{{ stage() }}        workgroupBarrier();
    }
{{ multiply() }}    // From here on products is nobody's, and the tiles are read by those who are behind.
{% if norm_in %}
    // The sum and the sum of squares of each eighth of a row, and from them its moments.
{% for p in range(4) %}
    let sum_at_{{ p }} = (own_row + {{ p * 32 }}u) * 16u + own_vector * 2u;
    products[sum_at_{{ p }}] = sum_{{ p }}.x;
    products[sum_at_{{ p }} + 1u] = sum_{{ p }}.y;
{% endfor %}
    workgroupBarrier();
    if (lane < 128u) {
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
    let c_at = subgroup * 256u;
    let own_at = c_at + lane % 32u * 4u;
    let c_row = subgroup / 4u * 64u + lane % 32u / 4u;
    let c_column = group.x * 32u + subgroup % 4u * 8u + lane % 4u;
{% for i in range(4) %}
{% for j in range(2) %}
    {
        {{ matrix.store(tint, "acc_" ~ i ~ "_" ~ j, "products", "c_at", "16u") }};
        workgroupBarrier();
{% for h in range(2) %}
        let product_{{ h }} = vec4<f32>({% for e in range(4) %}products[own_at + {{ h * 128 + e }}u]{{ ", " if e < 3 }}{% endfor %});
{% endfor %}
        workgroupBarrier();
{% for h in range(2) %}
        {
            let tile_row = c_row + {{ i * 16 + h * 8 }}u;
            if (row_0 + tile_row < params.rows && (n % 128u == 0u || c_column + {{ j * 4 }}u < n / 4u)) {
                finish(row_0 + tile_row, c_column + {{ j * 4 }}u, product_{{ h }}, {{ "moments[tile_row]" if norm_in else "vec2<f32>()" }});
            }
        }
{% endfor %}
    }
{% endfor %}
{% endfor %}
}
