use crate::{Operands, Rollout};

/// See [`Rollout`].
pub fn rollout(op: &Rollout, rows: usize, operands: &mut Operands<'_>) {
    let (state, layer) = (operands.input("state"), operands.input("layer"));
    let (spans, y) = (operands.table("spans"), operands.output("y"));
    let longest = y.len() / rows.max(1);
    y.fill(0.0);
    for (row, span) in spans.chunks_exact(3).enumerate() {
        let [query, first, len] = [span[0], span[1], span[2]].map(|i| i as usize);
        let out = &mut y[row * longest..][..len];
        if op.first {
            out[query - first] = 1.0;
            continue;
        }
        for (column, out) in out.iter_mut().enumerate() {
            let product = |k: usize| {
                f64::from(state[row * longest + k]) * f64::from(layer[(first + k) * longest + column])
            };
            *out = (0..len).map(product).sum::<f64>() as f32;
        }
    }
}
