//! topk_scan: of each tile of stored vectors the k that score best with a query, best first, ties by place.
//!
//! score = factors.x * (query.x * product + query.y) + factors.y, where product is, by what is stored:
//!   f32, f16: the dot product with the query;
//!   int8: that with its integers of 16 bits, given as bytes, 256 * high + low;
//!   signs: the sum of its integers of 5 bits whose bit is set in the row, given as planes of bits in two's complement.
//! Shapes (row-major, in vectors of four words): vectors [rows, words]; queries [sequences, planes * words + 1], the last
//! one the factors above; factors [rows]; allowed: a bit a row; best [sequences, tiles, k]: bits of the score, place.
//! Who owns what: one workgroup of 256 invocations a query and tile of 1024 rows; each scores every 256th row, then all
//! sort (K. Batcher, "Sorting networks and their applications", 1968).
//! Numerics: sums of floats in f32, of integers exact. What is not allowed, or not there, is the last place there is.
//! Limits: rows whole vectors of four words, k at most 1024; int8 sums within 31 bits.

{% include "shared/params.wgsl" %}
{% include "shared/grid.wgsl" %}

override words: u32; // vectors of four words of a row
override k: u32;     // results of a tile

const NONE: u32 = 0xffffffffu;
const LOWEST: f32 = -3.4028234e38;
{% set word = "f32" if planes == 0 and half == 0 else "u32" %}
{% set query = "f32" if planes == 0 else "u32" %}
{% set of_query = "2u * words" if half else (planes ~ "u * words" if planes else "words") %}

@group(0) @binding(0) var<storage, read> vectors: array<vec4<{{ word }}>>;
@group(0) @binding(1) var<storage, read> factors: array<vec2<f32>>;
@group(0) @binding(2) var<storage, read> allowed: array<u32>;
@group(0) @binding(3) var<storage, read> queries: array<vec4<{{ query }}>>;
@group(0) @binding(4) var<storage, read_write> best: array<vec2<u32>>;
@group(0) @binding(5) var<uniform> params: Params;

var<workgroup> scores: array<f32, 1024>; // 4 KiB
var<workgroup> places: array<u32, 1024>; // 4 KiB

// What a row and the query that begins at `first` have in common.
fn product(row: u32, first: u32) -> f32 {
{% if planes == 2 %}
    var high = vec4<i32>();
    var low = vec4<i32>();
    for (var w = 0u; w < words; w++) {
        let v = vectors[row * words + w];
        let h = queries[first + w];
        let l = queries[first + words + w];
{% for c in ["x", "y", "z", "w"] %}
        high.{{ c }} += dot4I8Packed(v.{{ c }}, h.{{ c }});
        low.{{ c }} += dot4I8Packed(v.{{ c }}, l.{{ c }});
{% endfor %}
    }
    let sums = (high << vec4<u32>(8u)) + low;
    return f32(sums.x + sums.y + sums.z + sums.w);
{% elif planes %}
    var sums = vec4<u32>();
    for (var w = 0u; w < words; w++) {
        let v = vectors[row * words + w];
{% for plane in range(planes) %}
        sums {{ "-" if plane == planes - 1 else "+" }}= countOneBits(v & queries[first + {{ plane }}u * words + w]) << vec4<u32>({{ plane }}u);
{% endfor %}
    }
    return f32(bitcast<i32>(sums.x + sums.y + sums.z + sums.w));
{% else %}
    var sums = vec4<f32>();
    for (var w = 0u; w < words; w++) {
        let v = vectors[row * words + w];
{% if half %}
        sums += vec4<f32>(unpack2x16float(v.x), unpack2x16float(v.y)) * queries[first + 2u * w];
        sums += vec4<f32>(unpack2x16float(v.z), unpack2x16float(v.w)) * queries[first + 2u * w + 1u];
{% else %}
        sums += v * queries[first + w];
{% endif %}
    }
    return sums.x + sums.y + sums.z + sums.w;
{% endif %}
}

fn is_before(a: u32, b: u32) -> bool {
    return scores[a] > scores[b] || (scores[a] == scores[b] && places[a] < places[b]);
}

@compute @workgroup_size(256)
fn topk_scan(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let tile = folded(group.y, group.z);
    if (tile * 1024u >= params.rows) { return; }
    let first = group.x * ({{ of_query }} + 1u);
    let of_query = bitcast<vec4<f32>>(queries[first + {{ of_query }}]);
    for (var at = lane; at < 1024u; at += 256u) {
        let row = tile * 1024u + at;
        var score = LOWEST;
        var place = NONE;
        if (row < params.rows) {
            if ((allowed[row >> 5u] & (1u << (row & 31u))) != 0u) {
                let own = factors[row];
                let exact = own.x * (of_query.x * product(row, first) + of_query.y) + own.y;
                // A NaN, of products that overflow, is no better than the worst.
                if (exact > LOWEST) { score = exact; }
                place = row;
            }
        }
        scores[at] = score;
        places[at] = place;
    }
    workgroupBarrier();

    for (var size = 2u; size <= 1024u; size <<= 1u) {
        for (var span = size >> 1u; span > 0u; span >>= 1u) {
            for (var pair = lane; pair < 512u; pair += 256u) {
                let a = 2u * pair - (pair & (span - 1u));
                let b = a + span;
                if (is_before(b, a) == ((a & size) == 0u)) {
                    let score = scores[a];
                    let place = places[a];
                    scores[a] = scores[b];
                    places[a] = places[b];
                    scores[b] = score;
                    places[b] = place;
                }
            }
            workgroupBarrier();
        }
    }

    let tiles = (params.rows + 1023u) / 1024u;
    for (var at = lane; at < k; at += 256u) {
        best[(group.x * tiles + tile) * k + at] = vec2<u32>(bitcast<u32>(scores[at]), places[at]);
    }
}
