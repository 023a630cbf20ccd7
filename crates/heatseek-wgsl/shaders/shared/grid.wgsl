// A dispatch dimension ends at 65535 workgroups; counts beyond continue in the next dimension.
fn folded(low: u32, high: u32) -> u32 {
    return high * 65535u + low;
}
