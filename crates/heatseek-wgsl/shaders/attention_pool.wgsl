//! attention_pool: y = softmax(query keysT * scale) values + residual per head, over the rows of each sequence that are not
//! skipped. No such rows give zeros.
//!
//! Shapes (row-major): keys [tokens, key_width] f32; values [tokens, value_width] f32; query [key_width] f32, or
//! [sequences, key_width] if own_queries; residual [value_width] or [sequences, value_width] likewise; sequences [sequences, 3] u32: first row, rows, rows to skip;
//! y [sequences, value_width] f32; weights [tokens, num_heads] f32 (with weights), 0 of skipped rows.
//! Who owns what: one workgroup of 64 invocations one head of one sequence, 64 rows at a time: each invocation the
//! score of a row, then every 64th value of the head, whose sum so far is kept in y: nobody else touches it, and there
//! may be more of them than registers.
//! Numerics: f32, online softmax with the maximum subtracted. For the weights every score is computed again.

{% include "shared/params.wgsl" %}
{% include "shared/grid.wgsl" %}

override key_width: u32;   // elements of a row of keys
override value_width: u32; // elements of a row of values
override num_heads: u32;
override scale: f32;
override own_queries: u32; // 1: a query for each sequence

@group(0) @binding(0) var<storage, read> keys: array<f32>;
@group(0) @binding(1) var<storage, read> values: array<f32>;
@group(0) @binding(2) var<storage, read> query: array<f32>;
{% if residual %}
@group(0) @binding(3) var<storage, read> residual: array<f32>;
{% endif %}
@group(0) @binding({{ 3 + residual }}) var<storage, read> sequences: array<u32>;
@group(0) @binding({{ 4 + residual }}) var<storage, read_write> y: array<f32>;
{% if weights %}
@group(0) @binding({{ 5 + residual }}) var<storage, read_write> weights: array<f32>;
{% endif %}
@group(0) @binding({{ 5 + residual + weights }}) var<uniform> params: Params;

var<workgroup> shares: array<f32, 64>; // 256 bytes: scores of 64 rows, then their exponentials

// What head `head` of the query that starts at `first` thinks of a row.
fn score(row: u32, head: u32, first: u32) -> f32 {
    let width = key_width / num_heads;
    let key = row * key_width + head * width;
    var sum = 0.0;
    for (var i = 0u; i < width; i++) { sum += keys[key + i] * query[first + head * width + i]; }
    return sum * scale;
}

@compute @workgroup_size(64)
fn attention_pool(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let sequence = folded(group.y, group.z);
    if (sequence >= params.sequences) { return; }
    let head = group.x;
    let start = sequences[sequence * 3u];
    let end = start + sequences[sequence * 3u + 1u];
    let first = start + sequences[sequence * 3u + 2u];
    let asks = sequence * key_width * own_queries;
    let width = value_width / num_heads;

    var highest = -1e30;
    var total = 0.0;
    let out = sequence * value_width + head * width;
    for (var chunk = first; chunk < end; chunk += 64u) {
        let rows = min(64u, end - chunk);
        var own = -1e30;
        if (lane < rows) { own = score(chunk + lane, head, asks); }
        shares[lane] = own;
        workgroupBarrier();
        var now = highest;
        for (var i = 0u; i < rows; i++) { now = max(now, shares[i]); }
        workgroupBarrier();
        shares[lane] = exp(own - now);
        workgroupBarrier();
        let fade = exp(highest - now);
        highest = now;
        total *= fade;
        for (var i = 0u; i < rows; i++) { total += shares[i]; }
        for (var c = lane; c < width; c += 64u) {
            var sum = 0.0;
            if (chunk != first) { sum = y[out + c] * fade; }
            for (var i = 0u; i < rows; i++) {
                sum += shares[i] * values[(chunk + i) * value_width + head * width + c];
            }
            y[out + c] = sum;
        }
        workgroupBarrier(); // the next scores must not overwrite what is still being read
    }
    for (var c = lane; c < width; c += 64u) {
        var v = y[out + c] / total;
{% if residual %}
        v += residual[sequence * value_width * own_queries + head * width + c];
{% endif %}
        y[out + c] = select(0.0, v, first < end);
    }
{% if weights %}
    for (var row = start + lane; row < end; row += 64u) {
        var weight = 0.0;
        if (row >= first) { weight = exp(score(row, head, asks) - highest) / total; }
        weights[row * num_heads + head] = weight;
    }
{% endif %}
}
