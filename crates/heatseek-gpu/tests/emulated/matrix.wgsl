// Matrix units in software, for adapters without: a loaded matrix is its place in workgroup memory, and each
// invocation of a subgroup of 32 has eight columns of one row of a product.

struct Place {
    at: u32,
    stride: u32,
}

struct Fragment {
    low: vec4<f32>,
    high: vec4<f32>,
}

fn four_weights(at: u32) -> vec4<f32> {
    return vec4<f32>(vec4<f16>(weight_tile[at], weight_tile[at + 1u], weight_tile[at + 2u], weight_tile[at + 3u]));
}

fn multiply_add(lane: u32, a: Place, b: Place, c: Fragment) -> Fragment {
    var sum = c;
    // 16, which no compiler knows: unrolled, the many copies of this take long to compile.
    let depth = min(params.rows + 16u, 16u);
    for (var k = 0u; k < depth; k++) {
        let x = f32(x_tile[a.at + lane % 32u / 2u * a.stride + k]);
        let at = b.at + k * b.stride + lane % 2u * 8u;
        sum.low += x * four_weights(at);
        sum.high += x * four_weights(at + 4u);
    }
    return sum;
}

fn store(lane: u32, product: Fragment, at: u32, stride: u32) {
    let first = at + lane % 32u / 2u * stride + lane % 2u * 8u;
    for (var e = 0u; e < 4u; e++) {
        products[first + e] = product.low[e];
        products[first + 4u + e] = product.high[e];
    }
}
