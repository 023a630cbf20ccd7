use heatseek_ops::{Operands, Rollout};

use crate::parallel;

/// See [`Rollout`]. Each row is one task, which adds up the rows of the layer, as many columns at once as there are
/// lanes.
pub(crate) fn rollout(op: &Rollout, rows: usize, operands: &mut Operands<'_>) {
    let (state, layer) = (operands.input("state"), operands.input("layer"));
    let (spans, y) = (operands.table("spans"), operands.output("y"));
    let longest = y.len() / rows.max(1);
    parallel::for_each_row(y, longest, |row, out| {
        let [query, first, len] = [0, 1, 2].map(|column| spans[3 * row + column] as usize);
        out.fill(0.0);
        if op.first {
            out[query - first] = 1.0;
            return;
        }
        let out = &mut out[..len];
        for (key, share) in state[row * longest..][..len].iter().enumerate() {
            for (out, p) in out.iter_mut().zip(&layer[(first + key) * longest..]) {
                *out += share * p;
            }
        }
    });
}
