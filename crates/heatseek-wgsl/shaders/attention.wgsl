//! attention: y = softmax(q kT * scale{{ " + relative_bias" if bias }}) v per head, each sequence among itself, of the keys that a
//! row sees: shared/seen.wgsl.
//!
//! Shapes (row-major): qkv [rows, 3 * num_attention_heads * head_dim] f32; tiles [tiles, 4] u32: first
//! query row, queries (1..=64), first key row, keys (>= 1); y [rows, num_attention_heads * head_dim] f32.
{% if bias %}
//! relative_bias [num_attention_heads, 2 * max_distance + 1] f32.
{% endif %}
//! Who owns what: one workgroup of {{ 64 * parts }} invocations one head of one tile; each invocation one query{{ " and a part of its head" if parts > 1 }}, its
//! scores and its output in registers. Keys and values are staged {{ 16 // parts }} at a time and taken 4 at a time.
//! A head that is too wide for the registers of one invocation is in parts, whose shares of the scores are added up in
//! workgroup memory. Keys that no query of the tile sees are not read.
//! Numerics: f32, qkv and y stored as f16 with half; online softmax with the running maximum subtracted (Milakov & Gimelshein, arXiv
//! 1805.02867). Streaming over keys as in FlashAttention (arXiv 2205.14135).
//! Limits: head_dim a multiple of 4, at most {{ max_head_dim }}.

{% if half %}
enable f16;
{% endif %}
{% include "shared/params.wgsl" %}
{% include "shared/grid.wgsl" %}
{% if half %}
{% include "shared/half.wgsl" %}
{% endif %}
{% set vectors = max_head_dim // 4 %}
{% set own = vectors // parts %}
{% set chunk = 16 // parts %}
{% set from = "part + " if parts > 1 else "" %}
{% macro score(e) %}{% for v in range(own) %}{{ " + " if v }}dot(q_{{ v }}, keys[at + {{ e * vectors + v }}u]){% endfor %}{% endmacro %}

override num_attention_heads: u32;
override head_dim: u32; // elements
override scale: f32;    // 1 / sqrt(head_dim)

@group(0) @binding(0) var<storage, read> qkv: array<vec4<{{ "f16" if half else "f32" }}>>;
@group(0) @binding(1) var<storage, read> tiles: array<vec4<u32>>;
{% if bias %}
@group(0) @binding(2) var<storage, read> relative_bias: array<f32>;
{% endif %}
@group(0) @binding({{ 2 + bias }}) var<storage, read_write> y: array<vec4<{{ "f16" if half else "f32" }}>>;
@group(0) @binding({{ 3 + bias }}) var<uniform> params: Params;
{% include "shared/seen.wgsl" %}

var<workgroup> keys: array<vec4<f32>, {{ chunk * vectors }}>;   // [{{ chunk }}][{{ vectors }}], {{ 16 * chunk * vectors }} bytes
var<workgroup> values: array<vec4<f32>, {{ chunk * vectors }}>; // [{{ chunk }}][{{ vectors }}], {{ 16 * chunk * vectors }} bytes
{% if parts > 1 %}
var<workgroup> shares: array<vec4<f32>, {{ chunk // 4 * parts * 64 }}>; // [{{ chunk // 4 }}][{{ parts }}][64], {{ 4 * chunk * parts * 64 }} bytes
{% endif %}

// Below any score, and far enough from the end of f32 that differences stay finite.
const LOWEST = -1e30;

{% if bias %}
// What is added to the scores of four keys from the one at `key` of the sequence on.
fn biases(head: u32, place: u32, key: u32) -> vec4<f32> {
    return vec4<f32>({% for e in range(4) %}{{ ", " if e }}bias_of(head, place, key + {{ e }}u){% endfor %});
}

{% endif %}
// Vector `i` of the head that starts at `first`; zeros past its end.
fn load(first: u32, i: u32) -> vec4<f32> {
    if (i >= head_dim / 4u) { return vec4<f32>(); }
    return {{ "vec4<f32>(" if half }}qkv[first + i]{{ ")" if half }};
}

@compute @workgroup_size({{ 64 * parts }})
fn attention(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let tile_index = folded(group.y, group.z);
    if (tile_index >= params.tiles) { return; }
    let tile = tiles[tile_index];
    let width = num_attention_heads * head_dim / 4u;
    let head = group.x * (head_dim / 4u);
{% if parts > 1 %}
    let part = lane / 64u * {{ own }}u; // its first vector
    let asks = lane % 64u;
{% else %}
    let asks = lane;
{% endif %}
    let query = tile.x + min(asks, tile.y - 1u); // idle invocations repeat the last query
{% for v in range(own) %}
    let q_{{ v }} = load(query * 3u * width + head, {{ from }}{{ v }}u) * scale;
    var o_{{ v }} = vec4<f32>();
{% endfor %}
    // Keys that this query sees, at least its own, and that any query of the tile does.
    let place = query - tile.z;
    let first = first_seen(place);
    let visible = seen_end(place, tile.w) - first;
    let key_end = seen_end(tile.x + tile.y - 1u - tile.z, tile.w);
    var highest = LOWEST;
    var total = 0.0;

    for (var key_0 = first_seen(tile.x - tile.z); key_0 < key_end; key_0 += {{ chunk }}u) {
        for (var i = lane; i < {{ chunk * vectors }}u; i += {{ 64 * parts }}u) {
            let row = tile.z + min(key_0 + i / {{ vectors }}u, tile.w - 1u);
            keys[i] = load((row * 3u + 1u) * width + head, i % {{ vectors }}u);
            values[i] = load((row * 3u + 2u) * width + head, i % {{ vectors }}u);
        }
        workgroupBarrier();
        let staged = min({{ chunk }}u, key_end - key_0);
{% if parts > 1 %}
        for (var key = 0u; key < staged; key += 4u) {
            let at = {{ from }}key * {{ vectors }}u;
            shares[key * {{ 16 * parts }}u + lane] = vec4<f32>({{ score(0) }}, {{ score(1) }}, {{ score(2) }}, {{ score(3) }});
        }
        workgroupBarrier();
{% endif %}
        for (var key = 0u; key < staged; key += 4u) {
            let at = {{ from }}key * {{ vectors }}u;
{% if parts > 1 %}
            let scores = {% for p in range(parts) %}{{ " + " if p }}shares[key * {{ 16 * parts }}u + asks + {{ 64 * p }}u]{% endfor %};
{% else %}
            let scores = vec4<f32>({{ score(0) }}, {{ score(1) }}, {{ score(2) }}, {{ score(3) }});
{% endif %}
            // A key before the first wraps around, to far behind the last.
            let in_range = key_0 + key - first + vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(visible);
            let s = select(vec4<f32>(LOWEST), scores{{ " + biases(group.x, place, key_0 + key)" if bias }}, in_range);
            let now = max(highest, max(max(s.x, s.y), max(s.z, s.w)));
            let fade = exp(highest - now);
            let p = exp(s - now);
            highest = now;
            total = total * fade + p.x + p.y + p.z + p.w;
{% for v in range(own) %}
            o_{{ v }} = {% for e in range(4) %}fma(vec4<f32>(p[{{ e }}]), values[at + {{ e * vectors + v }}u], {% endfor %}o_{{ v }} * fade))));
{% endfor %}
        }
        workgroupBarrier();
    }

    if (asks >= tile.y) { return; }
    let out = query * width + head;
{% for v in range(own) %}
    if ({{ from }}{{ v }}u < head_dim / 4u) { y[out + {{ from }}{{ v }}u] = {{ "to_half(" if half }}o_{{ v }} / total{{ ")" if half }}; }
{% endfor %}
}
