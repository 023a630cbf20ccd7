// Four columns of x as they are stored; zeros past the end of the row, as in load_x.
fn fetch_x(row: u32, vector: u32) -> vec4<{{ "f16" if x_half else "f32" }}> {
    if (k % 32u != 0u && vector >= k / 4u) { return vec4<{{ "f16" if x_half else "f32" }}>(); }
    return x[row * (k / 4u) + vector];
}
