//! Kernels for matrix units where there are none: everything around the units runs as it is, and they in software.

/// The functions that stand for the units.
const UNITS: &str = include_str!("matrix.wgsl");

/// naga's words for the units, and what stands for them.
const WORDS: [(&str, &str); 6] = [
    ("enable wgpu_cooperative_matrix;", ""),
    ("coop_mat16x16<f32, C>()", "Fragment()"),
    ("coopLoadT<coop_mat16x16<f16, A>>(&x_tile[", "Place("),
    ("coopLoadT<coop_mat16x16<f16, B>>(&weight_tile[", "Place("),
    ("coopMultiplyAdd(", "multiply_add(lane, "),
    ("coopStoreT(", "store(lane, "),
];

/// Elements from row to row of what is loaded and stored.
const STRIDES: [u32; 6] = [16, 24, 40, 68, 72, 136];

/// `source` without matrix units; others are left as they are.
pub fn without_matrix_units(source: &str) -> String {
    if !source.contains(WORDS[0].0) {
        return source.to_owned();
    }
    let plain = WORDS.iter().fold(source.to_owned(), |text, (word, instead)| {
        assert!(text.contains(word), "the kernel no longer says `{word}`");
        text.replace(word, instead)
    });
    let stride = |text: String, n: &u32| text.replace(&format!("], {n}u)"), &format!(", {n}u)"));
    let plain = STRIDES.iter().fold(plain.replace(", &products[", ", "), stride);
    format!("{plain}\n{UNITS}")
}
