//! copy: y = x.
//!
//! Shapes (row-major): x, y [rows, width] f32.
//! Who owns what: one invocation an element.
//! Numerics: exact.
//! Limits: none; rows of any width, so elements are not taken in vectors.

{% include "shared/params.wgsl" %}
{% include "shared/grid.wgsl" %}

override width: u32; // elements of a row

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(64)
fn copy(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let at = folded(group.x, group.y) * 64u + lane;
    if (at >= params.rows * width) { return; }
    y[at] = x[at];
}
