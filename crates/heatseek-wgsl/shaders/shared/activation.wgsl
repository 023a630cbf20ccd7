override activation: u32; // 1 GeluErf, 2 GeluTanh, 3 Relu, 4 Silu, 5 Tanh, 6 QuickGelu: the numbers of src/select.rs

// erfc(a) for a >= 0, absolute error 1.5e-7: Abramowitz & Stegun 7.1.26.
fn erfc_positive(a: vec4<f32>) -> vec4<f32> {
    let t = 1.0 / (1.0 + 0.3275911 * a);
    let p = (((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592;
    return p * t * exp(-a * a);
}

// 1 / (1 + exp(-v)). Clamped, because WGSL leaves open what an overflowing exp gives; 80 < ln(f32 max).
fn sigmoid(v: vec4<f32>) -> vec4<f32> {
    return 1.0 / (1.0 + exp(-clamp(v, vec4<f32>(-80.0), vec4<f32>(80.0))));
}

fn activate(v: vec4<f32>) -> vec4<f32> {
    switch activation {
        // v/2 (1 + erf(v/sqrt 2)), written with erfc so that nothing cancels for negative v.
        case 1u: { return max(v, vec4<f32>()) - 0.5 * abs(v) * erfc_positive(abs(v) * 0.70710678); }
        // v/2 (1 + tanh u) = v sigmoid(2u), u = sqrt(2/pi) (v + 0.044715 v^3); 1.5957691 = 2 sqrt(2/pi).
        case 2u: { return v * sigmoid(1.5957691 * (v + 0.044715 * v * v * v)); }
        case 3u: { return max(v, vec4<f32>()); }
        case 4u: { return v * sigmoid(v); }
        case 6u: { return v * sigmoid(1.702 * v); }
        // The builtin tanh may be wrong by 1e-5.
        default: { return 2.0 * sigmoid(2.0 * v) - 1.0; }
    }
}
