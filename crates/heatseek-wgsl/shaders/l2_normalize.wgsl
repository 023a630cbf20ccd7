//! l2_normalize: y = x / max(|x|, 1e-12) per row, as PyTorch's functional.normalize.
//!
//! Shapes (row-major): x, y [rows, width] f32.
//! Who owns what: one workgroup of 64 invocations a row; each takes every 64th vector of 4 columns.
//! Numerics: sum of squares in f32; the zero vector stays zero.
//! Limits: width a multiple of 4.

{% include "shared/params.wgsl" %}
{% include "shared/grid.wgsl" %}
{% include "shared/reduce.wgsl" %}

override width: u32; // elements of a row

@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> y: array<vec4<f32>>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(64)
fn l2_normalize(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let row = folded(group.x, group.y);
    if (row >= params.rows) { return; }
    let vectors = width / 4u;

    var squares = 0.0;
    for (var c = lane; c < vectors; c += 64u) {
        let v = x[row * vectors + c];
        squares += dot(v, v);
    }
    let inverse = inverseSqrt(max(workgroup_sum(lane, squares), 1e-24)); // 1e-24 = 1e-12 squared

    for (var c = lane; c < vectors; c += 64u) { y[row * vectors + c] = x[row * vectors + c] * inverse; }
}
