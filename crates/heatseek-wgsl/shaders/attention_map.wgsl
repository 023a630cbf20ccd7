//! attention_map: y = softmax(q kT * scale{{ " + relative_bias" if bias }}) per head, each sequence among itself, of the keys that a row
//! sees (shared/seen.wgsl): what attention never stores.
//!
//! Shapes (row-major): qkv [tokens, 3 * num_attention_heads * head_dim] f32; spans [rows, 3] u32: row of the
//! query, first row of its sequence, rows of that; y [rows, heads, longest] f32, zeros beside the keys that a row
//! sees.
{% if bias %}
//! relative_bias [num_attention_heads, 2 * max_distance + 1] f32.
{% endif %}
//! Who owns what: one workgroup of 64 invocations one head of 64 queries, or all heads of them where they are
//! fused; each invocation one query, whose part of y nobody else touches, so fused heads are gathered in it, and
//! mixed with the residual connection if mixed. No workgroup memory: keys come from the cache.
//! Numerics: f32, qkv stored as f16 with half; the maximum and the sum first (online), then every score again.
//! Limits: head_dim a multiple of 4, at most {{ max_head_dim }}.

{% if half %}
enable f16;
{% endif %}
{% include "shared/params.wgsl" %}
{% include "shared/grid.wgsl" %}
{% set vectors = max_head_dim // 4 %}
{% macro score() %}{% for v in range(vectors) %}{{ " + " if v }}dot(q_{{ v }}, load(at, {{ v }}u)){% endfor %}{{ " + bias_of(head, place, key)" if bias }}{% endmacro %}

override num_attention_heads: u32;
override head_dim: u32; // elements
override scale: f32;    // 1 / sqrt(head_dim)
override fusion: u32;   // 0 each head, 1 mean, 2 max, 3 min: the numbers of src/select.rs
override mixed: u32;    // 1: a step of a rollout

@group(0) @binding(0) var<storage, read> qkv: array<vec4<{{ "f16" if half else "f32" }}>>;
@group(0) @binding(1) var<storage, read> spans: array<u32>;
{% if bias %}
@group(0) @binding(2) var<storage, read> relative_bias: array<f32>;
{% endif %}
@group(0) @binding({{ 2 + bias }}) var<storage, read_write> y: array<f32>;
@group(0) @binding({{ 3 + bias }}) var<uniform> params: Params;
{% include "shared/seen.wgsl" %}

// Vector `i` of the head that starts at `first`; zeros past its end.
fn load(first: u32, i: u32) -> vec4<f32> {
    if (i >= head_dim / 4u) { return vec4<f32>(); }
    return {{ "vec4<f32>(" if half }}qkv[first + i]{{ ")" if half }};
}

@compute @workgroup_size(64)
fn attention_map(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let row = folded(group.y, group.z) * 64u + lane;
    if (row >= params.rows) { return; }
    let query = spans[row * 3u];
    let first_key = spans[row * 3u + 1u];
    let width = num_attention_heads * head_dim / 4u;
    let place = query - first_key;
    let seen = first_seen(place);
    let end = seen_end(place, spans[row * 3u + 2u]);
    let heads = select(1u, num_attention_heads, fusion == 0u);
    let out = (row * heads + group.x) * params.longest;
    let head_end = select(num_attention_heads, group.x + 1u, fusion == 0u);
    for (var head = group.x; head < head_end; head++) {
        let first = head * (head_dim / 4u);
{% for v in range(vectors) %}
        let q_{{ v }} = load(query * 3u * width + first, {{ v }}u) * scale;
{% endfor %}
        var highest = -1e30;
        var total = 0.0;
        for (var key = seen; key < end; key++) {
            let at = ((first_key + key) * 3u + 1u) * width + first;
            let s = {{ score() }};
            let now = max(highest, s);
            total = total * exp(highest - now) + exp(s - now);
            highest = now;
        }
        for (var key = seen; key < end; key++) {
            let at = ((first_key + key) * 3u + 1u) * width + first;
            let s = {{ score() }};
            var p = exp(s - highest) / total;
            if (fusion == 1u) { p = p / f32(num_attention_heads); }
            if (fusion != 0u && head != 0u) {
                let before = y[out + key];
                switch fusion {
                    case 1u: { p += before; }
                    case 2u: { p = max(p, before); }
                    default: { p = min(p, before); }
                }
            }
            y[out + key] = p;
        }
    }
    if (mixed != 0u) {
        var sum = 0.0;
        for (var key = seen; key < end; key++) {
            let kept = select(0.0, params.residual, first_key + key == query);
            let p = y[out + key] * (1.0 - params.residual) + kept;
            y[out + key] = p;
            sum += p;
        }
        // Where nothing is left of a row, it stays 0.
        for (var key = seen; key < end; key++) { y[out + key] /= max(sum, 1e-37); }
    }
    for (var key = 0u; key < seen; key++) { y[out + key] = 0.0; }
    for (var key = end; key < params.longest; key++) { y[out + key] = 0.0; }
}
