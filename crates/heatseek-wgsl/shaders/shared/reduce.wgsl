var<workgroup> partial_sums: array<f32, 64>; // 256 bytes

// The sum of `v` over the 64 invocations of a workgroup, in all of them. A tree: six additions deep.
fn workgroup_sum(lane: u32, v: f32) -> f32 {
    partial_sums[lane] = v;
    workgroupBarrier();
    for (var span = 32u; span > 0u; span >>= 1u) {
        if (lane < span) { partial_sums[lane] += partial_sums[lane + span]; }
        workgroupBarrier();
    }
    let total = partial_sums[0];
    workgroupBarrier(); // the next sum must not overwrite what is still being read
    return total;
}
