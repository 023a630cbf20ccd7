//! C = A B on matrix units: 32 by 32 of C a warp, A and B staged 16 deep in shared memory.

enable f16;
enable wgpu_cooperative_matrix;

override k: u32; // width of A, a multiple of 16
override n: u32; // width of B, a multiple of 32

@group(0) @binding(0) var<storage, read> a: array<vec4<f16>>;
@group(0) @binding(1) var<storage, read> b: array<vec4<f16>>;
@group(0) @binding(2) var<storage, read_write> c: array<f32>;

var<workgroup> a_tile: array<f16, 768>; // 32 rows of 16, 24 apart
var<workgroup> b_tile: array<f16, 640>; // 16 rows of 32, 40 apart

@compute @workgroup_size(32)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let row = group.y * 32u;
    let column = group.x * 32u;
    var sums: array<coop_mat16x16<f32, C>, 4>;
    for (var step = 0u; step < k; step += 16u) {
        for (var i = lane; i < 128u; i += 32u) {
            let of_a = a[((row + i / 4u) * k + step) / 4u + i % 4u];
            let at_a = i / 4u * 24u + i % 4u * 4u;
            a_tile[at_a] = of_a.x;
            a_tile[at_a + 1u] = of_a.y;
            a_tile[at_a + 2u] = of_a.z;
            a_tile[at_a + 3u] = of_a.w;
            let of_b = b[((step + i / 8u) * n + column) / 4u + i % 8u];
            let at_b = i / 8u * 40u + i % 8u * 4u;
            b_tile[at_b] = of_b.x;
            b_tile[at_b + 1u] = of_b.y;
            b_tile[at_b + 2u] = of_b.z;
            b_tile[at_b + 3u] = of_b.w;
        }
        workgroupBarrier();
        let a_0 = coopLoadT<coop_mat16x16<f16, A>>(&a_tile[0], 24u);
        let a_1 = coopLoadT<coop_mat16x16<f16, A>>(&a_tile[384], 24u);
        let b_0 = coopLoadT<coop_mat16x16<f16, B>>(&b_tile[0], 40u);
        let b_1 = coopLoadT<coop_mat16x16<f16, B>>(&b_tile[16], 40u);
        sums[0] = coopMultiplyAdd(a_0, b_0, sums[0]);
        sums[1] = coopMultiplyAdd(a_0, b_1, sums[1]);
        sums[2] = coopMultiplyAdd(a_1, b_0, sums[2]);
        sums[3] = coopMultiplyAdd(a_1, b_1, sums[3]);
        workgroupBarrier();
    }
    let at = row * n + column;
    let below = at + 16u * n;
    coopStoreT(sums[0], &c[at], n);
    coopStoreT(sums[1], &c[at + 16u], n);
    coopStoreT(sums[2], &c[below], n);
    coopStoreT(sums[3], &c[below + 16u], n);
}
