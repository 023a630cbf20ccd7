// Four values as they are stored: f16 ends at 65504, and an infinity would spoil every sum it enters.
fn to_half(v: vec4<f32>) -> vec4<f16> {
    return vec4<f16>(clamp(v, vec4<f32>(-65504.0), vec4<f32>(65504.0)));
}
