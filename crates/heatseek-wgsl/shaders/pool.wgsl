//! pool: one vector per sequence; optionally LayerNorm of each row first and L2 normalisation last.
//!
//! Shapes (row-major): x [tokens, width] f32; affine [2, width] f32: gamma, beta (with norm_in); parameters
//! [width] f32: exponents or shares of the maximum (with learned); sequences [sequences, 3] u32: first row, rows,
//! rows to skip; y [sequences, width] f32. No rows give zeros.
//! Who owns what: one workgroup of 256 invocations a sequence, 32 rows at a time. For the rows'
//! moments, eight invocations share a row; for the pooling, each owns two vectors of 4 columns, in registers.
//! Numerics: f32 sums; variance of a row from sum and sum of squares, clamped at 0; that of a column after
//! Welford; powers as logarithms with their maximum subtracted, so that none overflows; |v| bounded by 1e-12.
//! Limits: width a multiple of 4, at most 2048.

{% set lanes = 256 %}
{% set held = 2 %}
{% include "shared/params.wgsl" %}
{% include "shared/grid.wgsl" %}
{% include "shared/reduce.wgsl" %}

override width: u32;   // elements of a row
override pooling: u32; // one of the modes below: the numbers of src/select.rs
override l2: u32;      // 1: scale the vector to unit length
{% if norm_in %}
override eps: f32;
{% endif %}

const CLS = 1u;
const MAX = 2u;
const LAST = 3u;
const WEIGHTED_MEAN = 4u;
const MEAN_SQRT_LEN = 5u;
const MIN = 6u; // as the maximum of what has the other sign
const STD = 7u;
const GEM = 8u;
const SIGNED_GEM = 9u;
const MIXED = 10u;

@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;
{% if norm_in %}
@group(0) @binding(1) var<storage, read> affine: array<vec4<f32>>;
{% endif %}
{% if learned %}
@group(0) @binding({{ 1 + norm_in }}) var<storage, read> parameters: array<vec4<f32>>;
{% endif %}
{% set next = 1 + norm_in + learned %}
@group(0) @binding({{ next }}) var<storage, read> sequences: array<u32>;
@group(0) @binding({{ next + 1 }}) var<storage, read_write> y: array<vec4<f32>>;
@group(0) @binding({{ next + 2 }}) var<uniform> params: Params;

{% if norm_in %}
var<workgroup> sums: array<vec2<f32>, {{ lanes }}>;   // sum and sum of squares, an eighth of a row each
var<workgroup> moments: array<vec2<f32>, {{ lanes // 8 }}>; // mean and rstd of a row
{% endif %}

{% if two %}
{% include "shared/pool_pairs.wgsl" %}
{% else %}
// A vector with one more value, of the row at place `place` of its sequence, the first being 1.
fn gathered(v: vec4<f32>, value: vec4<f32>, place: f32) -> vec4<f32> {
    if (pooling == MAX || pooling == MIN) { return max(v, select(value, -value, pooling == MIN)); }
    return v + select(1.0, place, pooling == WEIGHTED_MEAN) * value;
}

// What the sum over rows from `first` up to `end`, places in their sequence, is multiplied with.
fn final_scale(first: f32, end: f32) -> f32 {
    let rows = end - first;
    switch pooling {
        case CLS, MAX, LAST: { return 1.0; }
        case MIN: { return -1.0; }
        case WEIGHTED_MEAN: { return 2.0 / (rows * (first + end + 1.0)); }
        case MEAN_SQRT_LEN: { return inverseSqrt(rows); }
        default: { return 1.0 / rows; }
    }
}
{% endif %}

@compute @workgroup_size({{ lanes }})
fn pool(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let sequence = folded(group.x, group.y);
    if (sequence >= params.sequences) { return; }
    let vectors = width / 4u;
    let start = sequences[sequence * 3u];
    let rows = sequences[sequence * 3u + 1u];
    // The rows that count: `cls` and `last` are sums over one row, whatever is skipped.
    var first = start + sequences[sequence * 3u + 2u];
    var end = start + rows;
    if (pooling == CLS) { first = start; end = start + min(rows, 1u); }
    if (pooling == LAST) { first = end - min(rows, 1u); }

{% for p in range(held) %}
    let c_{{ p }} = lane + {{ p * lanes }}u;
{% if two %}
    var v_{{ p }} = Pair(vec4<f32>(), nothing());
{% else %}
    var v_{{ p }} = vec4<f32>(select(0.0, -3.4e38, (pooling == MAX || pooling == MIN) && first < end));
{% endif %}
{% endfor %}
    for (var row_0 = first; row_0 < end; row_0 += {{ lanes // 8 }}u) {
        let row_end = min(row_0 + {{ lanes // 8 }}u, end);
{% if norm_in %}
        var sum = vec2<f32>();
        let shared_row = row_0 + lane / 8u;
        if (shared_row < end) {
            for (var c = lane % 8u; c < vectors; c += 8u) {
                let v = x[shared_row * vectors + c];
                sum += vec2<f32>(dot(v, vec4<f32>(1.0)), dot(v, v));
            }
        }
        sums[lane] = sum;
        workgroupBarrier();
        if (lane < {{ lanes // 8 }}u) {
            var total = vec2<f32>();
            for (var i = 0u; i < 8u; i++) { total += sums[lane * 8u + i]; }
            let mean = total / f32(width);
            moments[lane] = vec2<f32>(mean.x, inverseSqrt(max(mean.y - mean.x * mean.x, 0.0) + eps));
        }
        workgroupBarrier();
{% endif %}
{% for p in range(held) %}
        if (c_{{ p }} < vectors) {
            for (var row = row_0; row < row_end; row++) {
                var value = x[row * vectors + c_{{ p }}];
{% if norm_in %}
                let m = moments[row - row_0];
                value = (value - m.x) * m.y * affine[c_{{ p }}] + affine[vectors + c_{{ p }}];
{% endif %}
{% if two %}
                v_{{ p }} = gathered(v_{{ p }}, value, f32(row - first + 1u), c_{{ p }});
{% else %}
                v_{{ p }} = gathered(v_{{ p }}, value, f32(row - start + 1u));
{% endif %}
            }
        }
{% endfor %}
    }

    var scale = 1.0;
    var squares = 0.0;
{% for p in range(held) %}
    var y_{{ p }} = vec4<f32>();
    if (c_{{ p }} < vectors && first < end) {
{% if two %}
        y_{{ p }} = resolved(v_{{ p }}, f32(end - first), c_{{ p }});
{% else %}
        y_{{ p }} = v_{{ p }} * final_scale(f32(first - start), f32(end - start));
{% endif %}
        squares += dot(y_{{ p }}, y_{{ p }});
    }
{% endfor %}
    if (l2 != 0u) { scale = inverseSqrt(max(workgroup_sum(lane, squares), 1e-24)); } // 1e-24 = 1e-12 squared
{% for p in range(held) %}
    if (c_{{ p }} < vectors) { y[sequence * vectors + c_{{ p }}] = y_{{ p }} * scale; }
{% endfor %}
}
