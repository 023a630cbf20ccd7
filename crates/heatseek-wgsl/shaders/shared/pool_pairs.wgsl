// Poolings that keep two values of a column while they go through its rows.
struct Pair {
    sum: vec4<f32>,
    other: vec4<f32>, // the largest so far, or the mean of `STD`
}

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
            let power = parameters[c] * log2(bounded);
            let highest = max(pair.other, power);
            return Pair(
                pair.sum * exp2(pair.other - highest) + signs * exp2(power - highest),
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
            return sign(pair.sum) * exp2((log2(mean) + pair.other) / parameters[c]);
        }
{% else %}
        default: { return pair.sum; }
{% endif %}
    }
}
