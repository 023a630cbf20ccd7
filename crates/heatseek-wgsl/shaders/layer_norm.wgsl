//! layer_norm: y = (x - mean(x)) / sqrt(var(x) + eps) * gamma + beta, per row, biased variance.
//!
//! Shapes (row-major): x, y [rows, width] f32; affine [2, width] f32: gamma, beta.
//! Who owns what: one workgroup of 64 invocations a row; each takes every 64th vector of 4 columns.
//! Numerics: two passes in f32, so a mean far from zero costs no digits of the variance.
//! Limits: width a multiple of 4. The row is read three times, twice from cache.

{% include "shared/params.wgsl" %}
{% include "shared/grid.wgsl" %}
{% include "shared/reduce.wgsl" %}

override width: u32; // elements of a row
override eps: f32;

@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> affine: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4<f32>>;
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(64)
fn layer_norm(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let row = folded(group.x, group.y);
    if (row >= params.rows) { return; }
    let vectors = width / 4u;

    var sum = 0.0;
    for (var c = lane; c < vectors; c += 64u) { sum += dot(x[row * vectors + c], vec4<f32>(1.0)); }
    let mean = workgroup_sum(lane, sum) / f32(width);

    var squares = 0.0;
    for (var c = lane; c < vectors; c += 64u) {
        let centred = x[row * vectors + c] - mean;
        squares += dot(centred, centred);
    }
    let rstd = inverseSqrt(workgroup_sum(lane, squares) / f32(width) + eps);

    for (var c = lane; c < vectors; c += 64u) {
        let at = row * vectors + c;
        y[at] = (x[at] - mean) * rstd * affine[c] + affine[vectors + c];
    }
}
