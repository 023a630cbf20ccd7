// Quantises a block of 32 elements of a row to integers within ±127 at staged[at] and [at + 1], four to a u32, with what
// they are multiplied with behind them{% if norm_in %}, and returns the block's sum and sum of squares{% endif %}. Twin of `quantize_block` in
// heatseek-ops/src/int8.rs, integer for integer: WGSL's division of floats may be off, those of integers and products
// are not.
fn stage(at: u32, row: u32, block: u32){{ " -> vec2<f32>" if norm_in }} {
{% for i in range(8) %}
    let v_{{ i }} = load_x(row, block * 8u + {{ i }}u);
{% endfor %}
    // The bits of magnitudes are in the order of the magnitudes, and those of NaN come last.
    let bits = {% for i in range(7) %}max({% endfor %}magnitude(v_0){% for i in range(1, 8) %}, magnitude(v_{{ i }})){% endfor %};
    let largest = max(max(bits.x, bits.y), max(bits.z, bits.w));
    let exponent = largest >> 23u;
    let rounded_up = ((largest >> 16u) & 0x7fu) + 129u;
    let power = bitcast<f32>((244u - clamp(exponent, 8u, 243u)) << 23u);
    let inverse = select(0.0, f32((127u << 17u) / rounded_up) * power, exponent >= 8u && exponent < 244u);
    let scale = select(bitcast<u32>(1.0 / inverse), largest | 0x7f800000u, exponent >= 244u);
    staged[at] = vec4<u32>({% for i in range(4) %}packed(v_{{ i }} * inverse){{ ", " if not loop.last }}{% endfor %});
    staged[at + 1u] = vec4<u32>({% for i in range(4, 8) %}packed(v_{{ i }} * inverse){{ ", " if not loop.last }}{% endfor %});
    staged[at + 2u] = vec4<u32>(select(0u, scale, exponent >= 8u), 0u, 0u, 0u);
{% if norm_in %}
    let sum = {% for i in range(8) %}v_{{ i }}{{ " + " if not loop.last }}{% endfor %};
    let squares = {% for i in range(7) %}fma(v_{{ i }}, v_{{ i }}, {% endfor %}v_7 * v_7{% for i in range(7) %}){% endfor %};
    return vec2<f32>(dot(sum, vec4<f32>(1.0)), dot(squares, vec4<f32>(1.0)));
{% endif %}
}

fn magnitude(v: vec4<f32>) -> vec4<u32> {
    return bitcast<vec4<u32>>(v) & vec4<u32>(0x7fffffffu);
}

// Nearest integers, ties to even. Beside 1.5 · 2^23 the low bits of a float are those of an integer.
fn packed(v: vec4<f32>) -> u32 {
    return pack4xI8(bitcast<vec4<i32>>(round(v) + 12582912.0));
}

// Products of four elements of a row with those of four columns.
fn dots(x: u32, w: vec4<u32>) -> vec4<i32> {
    return vec4<i32>(dot4I8Packed(x, w.x), dot4I8Packed(x, w.y), dot4I8Packed(x, w.z), dot4I8Packed(x, w.w));
}

// Row 0: what the integers of four columns are multiplied with; row 1: the sums of what they stand for.
fn of_columns(row: u32, column: u32) -> vec4<f32> {
    let column_tiles = (n + 63u) / 64u;
    return bitcast<vec4<f32>>(weight[column_tiles * ((k + 31u) / 32u * 128u + row * 16u) + column]);
}
