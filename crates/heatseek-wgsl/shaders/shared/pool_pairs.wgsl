// Poolings that keep two values of a column while they go through its rows.
struct Pair {
    sum: vec4<f32>,
    other: vec4<f32>, // the largest so far, or the mean of `STD`
}

{% if learned %}
// log2 of normal numbers within 2 ULP; the builtin and exp2 are only as good as WebGPU asks, which is worse the
// larger the exponent. x = m 2^e with m from sqrt(1/2) to sqrt(2); the series of ln((1 + s) / (1 - s)), fitted, as in musl's
// logf.
fn logarithm(x: vec4<f32>) -> vec4<f32> {
    let bits = bitcast<vec4<u32>>(x) + vec4<u32>(0x3f800000u - 0x3f3504f3u);
    let e = vec4<f32>(bits >> vec4<u32>(23u)) - 127.0;
    let f = bitcast<vec4<f32>>((bits & vec4<u32>(0x7fffffu)) + 0x3f3504f3u) - 1.0;
    let s = f / (2.0 + f);
    let z = s * s;
    let r = z * (0.66666662693 + z * (0.40000972152 + z * (0.28498786688 + z * 0.24279078841)));
    let half = 0.5 * f * f;
    return e + 1.44269504 * (f - (half - s * (half + r)));
}

// 2^x within 2 ULP from -126 to 127, the same beyond: the Taylor series of e^r, as src/math.rs of the CPU kernels.
fn power_of_two(x: vec4<f32>) -> vec4<f32> {
    let clamped = clamp(x, vec4<f32>(-126.0), vec4<f32>(127.0));
    let n = round(clamped);
    let r = (clamped - n) * 0.69314718;
    let p = 1.0 + r * (1.0 + r * (0.5 + r * (1.0 / 6.0 + r * (1.0 / 24.0 + r * (1.0 / 120.0 + r * (1.0 / 720.0))))));
    return p * bitcast<vec4<f32>>(vec4<u32>(n + 127.0) << vec4<u32>(23u));
}

{% endif %}
// `other` where there are no rows.
fn nothing() -> vec4<f32> {
    return vec4<f32>(select(-1e30, 0.0, pooling == STD));
}

// A pair with one more value: of which it is the `count`th, of columns `c`.
fn gathered(pair: Pair, value: vec4<f32>, count: f32, c: u32) -> Pair {
    switch pooling {
        case STD: {
            let middle = pair.other + (value - pair.other) / count;
            return Pair(pair.sum + (value - pair.other) * (value - middle), middle);
        }
{% if learned %}
        case MIXED: { return Pair(pair.sum + value, max(pair.other, value)); }
        default: {
            // Logarithms of powers; the sum is of powers over the largest.
            let bounded = select(max(abs(value), vec4<f32>(1e-30)), max(value, vec4<f32>(1e-6)), pooling == GEM);
            let signs = select(sign(value), vec4<f32>(1.0), pooling == GEM);
            let power = parameters[c] * logarithm(bounded);
            let highest = max(pair.other, power);
            return Pair(
                pair.sum * power_of_two(pair.other - highest) + signs * power_of_two(power - highest),
                highest,
            );
        }
{% else %}
        default: { return pair; }
{% endif %}
    }
}

// What it comes to in the end.
fn resolved(pair: Pair, rows: f32, c: u32) -> vec4<f32> {
    switch pooling {
        case STD: { return sqrt(max(pair.sum, vec4<f32>()) / rows); }
{% if learned %}
        case MIXED: { return mix(pair.sum / rows, pair.other, parameters[c]); }
        default: {
            let mean = max(abs(pair.sum), vec4<f32>(1e-37)) / rows;
            return sign(pair.sum) * power_of_two((logarithm(mean) + pair.other) / parameters[c]);
        }
{% else %}
        default: { return pair.sum; }
{% endif %}
    }
}
