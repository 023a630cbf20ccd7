// What both GEMMs bind: see gemm.wgsl.
{% set storage = ["f32", "f16"] %}
{% set outputs = 3 + norm_in + add + 3 * add_normalized %}
override k: u32; // input width
override n: u32; // output width
{% if norm_in %}
override eps: f32;
{% endif %}

@group(0) @binding(0) var<storage, read> x: array<vec4<{{ storage[x_half] }}>>;
@group(0) @binding(1) var<storage, read> weight: array<vec4<{{ "u32" if weight_int8 else storage[weight_half] }}>>;
@group(0) @binding(2) var<storage, read> bias: array<vec4<f32>>;
{% if norm_in %}
@group(0) @binding(3) var<storage, read> colsum: array<vec4<f32>>;
{% endif %}
{% if add or add_normalized %}
@group(0) @binding(3) var<storage, read> residual: array<vec4<f32>>;
{% endif %}
{% if add_normalized %}
@group(0) @binding(4) var<storage, read> residual_stats: array<vec2<f32>>;
@group(0) @binding(5) var<storage, read> residual_affine: array<vec4<f32>>;
{% endif %}
@group(0) @binding({{ outputs }}) var<storage, read_write> y: array<vec4<{{ storage[y_half] }}>>;
{% if norm_in %}
@group(0) @binding({{ outputs + 1 }}) var<storage, read_write> stats: array<vec2<f32>>;
{% endif %}
@group(0) @binding({{ outputs + 1 + norm_in }}) var<uniform> params: Params;

// Four columns of x; zeros past the end of the row. The first condition is constant.
fn load_x(row: u32, vector: u32) -> vec4<f32> {
    if (k % {{ depth }}u != 0u && vector >= k / 4u) { return vec4<f32>(); }
    return {{ "vec4<f32>(" if x_half }}x[row * (k / 4u) + vector]{{ ")" if x_half }};
}
