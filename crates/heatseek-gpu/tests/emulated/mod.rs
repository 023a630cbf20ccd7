//! Kernels for matrix units where there are none: everything around the units runs as it is, and they in software.

/// The functions that stand for the units.
const UNITS: &str = include_str!("matrix.wgsl");

/// naga's words for the units, and what stands for them.
const WORDS: [(&str, &str); 9] = [
    ("enable wgpu_cooperative_matrix;", ""),
    ("coop_mat16x16<f32, C>()", "Fragment()"),
    ("coopLoadT<coop_mat16x16<f16, A>>(&x_tile[", "("),
    ("], 40u)", ")"),
    ("coopLoadT<coop_mat16x16<f16, B>>(&weight_tile[", "("),
    ("], 72u)", ")"),
    ("coopMultiplyAdd(", "multiply_add(lane, "),
    ("coopStoreT(", "store(lane, "),
    ("], 68u)", ")"),
];

/// `source` without matrix units; others are left as they are.
pub fn without_matrix_units(source: &str) -> String {
    if !source.contains(WORDS[0].0) {
        return source.to_owned();
    }
    let plain = WORDS.iter().fold(source.to_owned(), |text, (word, instead)| {
        assert!(text.contains(word), "the kernel no longer says `{word}`");
        text.replace(word, instead)
    });
    format!("{}\n{UNITS}", plain.replace(", &products[", ", "))
}
