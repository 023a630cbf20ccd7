/// The best `k` of `values [rows, width]` for `query [width]`, best first, ties by place: places and scores, which are
/// `factor · product + offset` of each row's `factors`. What is stored as integers or signs is given as what these stand for,
/// and so is the query.
pub fn topk_scan(
    values: &[f64],
    query: &[f64],
    factors: &[[f32; 2]],
    allowed: &dyn Fn(usize) -> bool,
    k: usize,
) -> Vec<(u32, f64)> {
    let mut scored = Vec::new();
    for (place, (row, &[factor, offset])) in values.chunks_exact(query.len()).zip(factors).enumerate() {
        let product: f64 = row.iter().zip(query).map(|(v, q)| v * q).sum();
        if allowed(place) {
            scored.push((place as u32, f64::from(factor) * product + f64::from(offset)));
        }
    }
    scored.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    scored.truncate(k);
    scored
}
