//! embed: y[r] = word[token] + position[pos] + token_type[type], {token, pos, type, _} = tokens[r].
//!
//! Shapes (row-major): tokens [rows, 4] u32; word, position, token_type [any, hidden_size] f32;
//! y [rows, hidden_size] f32.
//! Who owns what: one invocation per 4 columns of a row; 64 invocations a workgroup.
//! Numerics: two f32 additions. The LayerNorm that follows in BERT is the consumers'.
//! Limits: hidden_size a multiple of 4; indices in range, which whoever builds the batch checks.

{% include "shared/params.wgsl" %}
{% include "shared/grid.wgsl" %}

override hidden_size: u32; // elements of a row

@group(0) @binding(0) var<storage, read> tokens: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read> word: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> position: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> token_type: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> y: array<vec4<f32>>;
@group(0) @binding(5) var<uniform> params: Params;

@compute @workgroup_size(64)
fn embed(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let vectors = hidden_size / 4u;
    let index = folded(group.x, group.y) * 64u + lane;
    if (index >= params.rows * vectors) { return; }
    let token = tokens[index / vectors] * vectors + index % vectors;
    y[index] = word[token.x] + position[token.y] + token_type[token.z];
}
