{% set invocations = lanes | default(64) %}
var<workgroup> partial_sums: array<f32, {{ invocations }}>; // {{ 4 * invocations }} bytes

// The sum of `v` over all invocations of a workgroup, in all of them. A tree: with 64, six additions deep.
fn workgroup_sum(lane: u32, v: f32) -> f32 {
    partial_sums[lane] = v;
    workgroupBarrier();
    for (var span = {{ invocations // 2 }}u; span > 0u; span >>= 1u) {
        if (lane < span) { partial_sums[lane] += partial_sums[lane + span]; }
        workgroupBarrier();
    }
    let total = partial_sums[0];
    workgroupBarrier(); // the next sum must not overwrite what is still being read
    return total;
}
