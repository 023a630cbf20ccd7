//! rollout: y = state * layer: what queries looked at, brought one layer further down.
{% if first %}//! This variant begins: a 1 where the query itself is.
{% endif %}//!
//! Shapes (row-major): state [rows, longest] f32; layer [tokens, longest] f32; spans [rows, 3] u32: the query's row,
//! first row of its sequence, rows of that; y [rows, longest] f32, zeros behind a row's own sequence.
//! Who owns what: one workgroup of 64 invocations a row and 64 columns of it; each invocation one column.
//! Numerics: f32; shares of 1, so that a sum of products cannot grow.
//! Limits: none.

{% include "shared/params.wgsl" %}
{% include "shared/grid.wgsl" %}

{% if first %}
@group(0) @binding(0) var<storage, read> spans: array<u32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;
{% else %}
@group(0) @binding(0) var<storage, read> state: array<f32>;
@group(0) @binding(1) var<storage, read> layer: array<f32>;
@group(0) @binding(2) var<storage, read> spans: array<u32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;
@group(0) @binding(4) var<uniform> params: Params;
{% endif %}

@compute @workgroup_size(64)
fn rollout(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let row = folded(group.y, group.z);
    let column = group.x * 64u + lane;
    if (row >= params.rows || column >= params.longest) { return; }
    let first = spans[row * 3u + 1u];
{% if first %}
    y[row * params.longest + column] = select(0.0, 1.0, first + column == spans[row * 3u]);
{% else %}
    let keys = spans[row * 3u + 2u];
    var sum = 0.0;
    if (column < keys) {
        for (var key = 0u; key < keys; key++) {
            sum += state[row * params.longest + key] * layer[(first + key) * params.longest + column];
        }
    }
    y[row * params.longest + column] = sum;
{% endif %}
}
