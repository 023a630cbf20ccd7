//! What every kernel's source begins with: WGSL's types and functions, in C++.

/// The files that make WGSL out of CUDA's builtins, in the order in which they build on each other. Each guards
/// against being read twice, so kernels may be put one after another into one file.
const ALWAYS: &[&str] = &[
    include_str!("prelude/scalars.cuh"),
    include_str!("prelude/half.cuh"),
    include_str!("prelude/vectors.cuh"),
    include_str!("prelude/operators.cuh"),
    include_str!("prelude/conversions.cuh"),
    include_str!("prelude/math.cuh"),
    include_str!("prelude/bits.cuh"),
    include_str!("prelude/memory.cuh"),
];
const SUBGROUP: &str = include_str!("prelude/subgroup.cuh");
const MATRIX: &str = include_str!("prelude/matrix.cuh");
/// What PTX alone can do, which only a GPU has.
const DEVICE: &str = include_str!("prelude/device.cuh");

/// What follows is the kernel.
const END: &str = "// The kernel.\n";

/// A kernel's body after the prelude that it needs.
pub(crate) fn before(body: &str) -> String {
    let mut files = vec![DEVICE];
    files.extend(ALWAYS);
    if ["shuffle(", "reduce<", "_scan<", "_LANES", "lanes_of("].iter().any(|name| body.contains(name)) {
        files.push(SUBGROUP);
    }
    if body.contains("Matrix") {
        files.push(MATRIX);
    }
    files.push(END);
    files.join("\n") + body
}

/// All of the prelude, but for what only a GPU has.
#[cfg(feature = "host")]
pub(crate) fn whole() -> String {
    let mut files = ALWAYS.to_vec();
    files.extend([SUBGROUP, MATRIX]);
    files.join("\n")
}

/// A kernel's source without its prelude.
#[cfg(feature = "host")]
pub(crate) fn without(source: &str) -> &str {
    source.rsplit_once(END).map_or(source, |(_, body)| body)
}
