//! gemm without staging: for adapters that compute on the CPU, where workgroup memory is memory like any other, so that
//! copying into it and waiting at barriers is work on top.
//!
//! What it computes, binds and assumes is gemm.wgsl's.
//! Who owns what: one workgroup of {{ 16 // vectors }} invocations a tile of {{ thread_rows }} rows by 64 columns; each invocation all
//! {{ thread_rows }} rows of {{ vectors }} vectors of columns, in named accumulators.
//! Numerics: f32 throughout. The moments of x come from sum and sum of squares of each row (variance clamped at 0), each
//! row by one invocation, before the product; the first column tile writes them to stats.
//! Limits: k and n multiples of 4.

{% include "shared/params.wgsl" %}
{% include "shared/grid.wgsl" %}
{% if act %}
{% include "shared/activation.wgsl" %}
{% endif %}

{% set lanes = 16 // vectors %}

{% include "shared/gemm_operands.wgsl" %}
{% if norm_in %}

var<workgroup> moments_of: array<vec2<f32>, {{ thread_rows }}>; // mean and rstd of the tile's rows
{% endif %}

{% include "shared/gemm_finish.wgsl" %}

@compute @workgroup_size({{ lanes }})
fn gemm(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let row_0 = folded(group.y, group.z) * {{ thread_rows }}u;
    if (row_0 >= params.rows) { return; }
{% if norm_in %}
    for (var i = lane; i < {{ thread_rows }}u; i += {{ lanes }}u) {
        var sum = vec2<f32>();
        let row = min(row_0 + i, params.rows - 1u);
        for (var vector = 0u; vector < k / 4u; vector++) {
            let value = x[row * (k / 4u) + vector];
            sum += vec2<f32>(dot(value, vec4<f32>(1.0)), dot(value, value));
        }
        let mean = sum / f32(k);
        let moments = vec2<f32>(mean.x, inverseSqrt(max(mean.y - mean.x * mean.x, 0.0) + eps));
        moments_of[i] = moments;
        if (group.x == 0u && row_0 + i < params.rows) { stats[row_0 + i] = moments; }
    }
    workgroupBarrier();
{% endif %}
{% for i in range(thread_rows) %}
    // Rows past the end are the last row again; they are never stored.
    let x_{{ i }} = min(row_0 + {{ i }}u, params.rows - 1u) * (k / 4u);
{% for j in range(vectors) %}
    var acc_{{ i }}_{{ j }} = vec4<f32>();
{% endfor %}
{% endfor %}
    let weight_0 = group.x * ((k + {{ depth - 1 }}u) / {{ depth }}u * {{ depth * 16 }}u) + lane;

    for (var vector = 0u; vector < k / 4u; vector++) {
{% for e in range(4) %}
{% for j in range(vectors) %}
        let w_{{ e }}_{{ j }} = weight[weight_0 + vector * 64u + {{ e * 16 + j * lanes }}u];
{% endfor %}
{% endfor %}
{% for i in range(thread_rows) %}
        let a_{{ i }} = x[x_{{ i }} + vector];
{% for j in range(vectors) %}
        acc_{{ i }}_{{ j }} = {% for e in range(4) %}fma(vec4<f32>(a_{{ i }}[{{ e }}]), w_{{ e }}_{{ j }}, {% endfor %}acc_{{ i }}_{{ j }}))));
{% endfor %}
{% endfor %}
    }

    // Rolled, and compiled once rather than {{ thread_rows }} times.
    for (var i = 0u; i < {{ thread_rows }}u; i++) {
        if (row_0 + i >= params.rows) { break; }
        let moments = {{ "moments_of[i]" if norm_in else "vec2<f32>()" }};
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
        finish(row_0 + i, group.x * 16u + lane + {{ j * lanes }}u, product_{{ j }}, moments);
{% endfor %}
    }
}
