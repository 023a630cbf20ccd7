//! copy: y = x, with what is behind it.
//!
//! Shapes (row-major): x [rows, width] f32; behind [rows, behind_width] f32 (with two);
//! y [rows, width + behind_width] f32.
//! Who owns what: one invocation an element.
//! Numerics: exact; x may be stored as f16 (half, not with two).
//! Limits: none; rows of any width, so elements are not taken in vectors.

{% if half %}
enable f16;
{% endif %}
{% include "shared/params.wgsl" %}
{% include "shared/grid.wgsl" %}

override width: u32; // elements of a row of x
{% if two %}
override behind_width: u32; // elements of a row of behind
{% endif %}

@group(0) @binding(0) var<storage, read> x: array<{{ "f16" if half else "f32" }}>;
{% if two %}
@group(0) @binding(1) var<storage, read> behind: array<f32>;
{% endif %}
@group(0) @binding({{ 1 + two }}) var<storage, read_write> y: array<f32>;
@group(0) @binding({{ 2 + two }}) var<uniform> params: Params;

@compute @workgroup_size(64)
fn copy(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let at = folded(group.x, group.y) * 64u + lane;
{% if two %}
    let all = width + behind_width;
    if (at >= params.rows * all) { return; }
    let row = at / all;
    let column = at % all;
    if (column < width) { y[at] = x[row * width + column]; }
    else { y[at] = behind[row * behind_width + column - width]; }
{% else %}
    if (at >= params.rows * width) { return; }
    y[at] = {{ "f32(x[at])" if half else "x[at]" }};
{% endif %}
}
