//! attention without staging: for adapters that compute on the CPU (see gemm_direct.wgsl).
//!
//! What it computes, binds and assumes is attention.wgsl's.
//! Who owns what: one workgroup of {{ 64 // queries }} invocations one head of one tile; each invocation {{ queries }} queries, their scores
//! and outputs in named variables, so that each key and value is read once for all of them. Keys are taken {{ keys }} at a time.
//! Numerics: f32; online softmax with the running maximum subtracted, as there.
//! Limits: head_dim a multiple of 4, at most {{ max_head_dim }}.

{% include "shared/params.wgsl" %}
{% include "shared/grid.wgsl" %}
{% set vectors = max_head_dim // 4 %}

override num_attention_heads: u32;
override head_dim: u32; // elements
override scale: f32;    // 1 / sqrt(head_dim)

@group(0) @binding(0) var<storage, read> qkv: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> tiles: array<vec4<u32>>;
{% if bias %}
@group(0) @binding(2) var<storage, read> relative_bias: array<f32>;
{% endif %}
@group(0) @binding({{ 2 + bias }}) var<storage, read_write> y: array<vec4<f32>>;
@group(0) @binding({{ 3 + bias }}) var<uniform> params: Params;
{% include "shared/seen.wgsl" %}

// Below any score, and far enough from the end of f32 that differences stay finite.
const LOWEST = -1e30;

// Vector `i` of the head that starts at `first`; zeros past its end.
fn load(first: u32, i: u32) -> vec4<f32> {
    if (i >= head_dim / 4u) { return vec4<f32>(); }
    return qkv[first + i];
}

@compute @workgroup_size({{ 64 // queries }})
fn attention(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let tile_index = folded(group.y, group.z);
    if (tile_index >= params.tiles) { return; }
    let tile = tiles[tile_index];
    if (lane * {{ queries }}u >= tile.y) { return; }
    let width = num_attention_heads * head_dim / 4u;
    let head = group.x * (head_dim / 4u);
{% for i in range(queries) %}
    // Queries past the end are the last one again; they are never stored.
    let query_{{ i }} = tile.x + min(lane * {{ queries }}u + {{ i }}u, tile.y - 1u);
    let place_{{ i }} = query_{{ i }} - tile.z;
    let first_{{ i }} = first_seen(place_{{ i }});
    let visible_{{ i }} = seen_end(place_{{ i }}, tile.w) - first_{{ i }}; // keys that it sees, at least its own
    var highest_{{ i }} = LOWEST;
    var total_{{ i }} = 0.0;
{% for v in range(vectors) %}
    let q_{{ i }}_{{ v }} = load(query_{{ i }} * 3u * width + head, {{ v }}u) * scale;
    var o_{{ i }}_{{ v }} = vec4<f32>();
{% endfor %}
{% endfor %}

    let key_end = first_{{ queries - 1 }} + visible_{{ queries - 1 }};
    for (var key = first_0; key < key_end; key += {{ keys }}u) {
{% for e in range(keys) %}
        let at_{{ e }} = (tile.z + min(key + {{ e }}u, tile.w - 1u)) * 3u * width + head;
{% for i in range(queries) %}
        var s_{{ i }}_{{ e }} = 0.0;
{% endfor %}
{% for v in range(vectors) %}
        {
            let k = load(at_{{ e }} + width, {{ v }}u);
{% for i in range(queries) %}
            s_{{ i }}_{{ e }} += dot(q_{{ i }}_{{ v }}, k);
{% endfor %}
        }
{% endfor %}
{% endfor %}
{% for i in range(queries) %}
{% for e in range(keys) %}
{% if bias %}
        s_{{ i }}_{{ e }} += bias_of(group.x, place_{{ i }}, key + {{ e }}u);
{% endif %}
        s_{{ i }}_{{ e }} = select(LOWEST, s_{{ i }}_{{ e }}, key + {{ e }}u - first_{{ i }} < visible_{{ i }});
{% endfor %}
        let now_{{ i }} = {% for e in range(keys) %}max({% endfor %}highest_{{ i }}{% for e in range(keys) %}, s_{{ i }}_{{ e }}){% endfor %};
        let fade_{{ i }} = exp(highest_{{ i }} - now_{{ i }});
        highest_{{ i }} = now_{{ i }};
        total_{{ i }} *= fade_{{ i }};
{% for e in range(keys) %}
        let p_{{ i }}_{{ e }} = exp(s_{{ i }}_{{ e }} - now_{{ i }});
        total_{{ i }} += p_{{ i }}_{{ e }};
{% endfor %}
{% endfor %}
{% for v in range(vectors) %}
        {
{% for e in range(keys) %}
            let value_{{ e }} = load(at_{{ e }} + 2u * width, {{ v }}u);
{% endfor %}
{% for i in range(queries) %}
            o_{{ i }}_{{ v }} = {% for e in range(keys) %}fma(vec4<f32>(p_{{ i }}_{{ e }}), value_{{ e }}, {% endfor %}o_{{ i }}_{{ v }} * fade_{{ i }}{% for e in range(keys) %}){% endfor %};
{% endfor %}
        }
{% endfor %}
    }

{% for i in range(queries) %}
    if (lane * {{ queries }}u + {{ i }}u < tile.y) {
        let out = query_{{ i }} * width + head;
{% for v in range(vectors) %}
        if ({{ v }}u < head_dim / 4u) { y[out + {{ v }}u] = o_{{ i }}_{{ v }} / total_{{ i }}; }
{% endfor %}
    }
{% endfor %}
}
