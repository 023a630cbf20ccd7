use crate::{Embed, Operands};

/// See [`Embed`].
pub fn embed(op: &Embed, _rows: usize, operands: &mut Operands<'_>) {
    let width = op.hidden_size;
    let (tokens, word) = (operands.table("tokens"), operands.input("word"));
    let (position, token_type) = (operands.input("position"), operands.input("token_type"));
    let y = operands.output("y");
    for (token, row) in tokens.chunks_exact(4).zip(y.chunks_exact_mut(width)) {
        let [t, p, k] = [token[0], token[1], token[2]].map(|i| i as usize * width);
        for (j, out) in row.iter_mut().enumerate() {
            *out =
                (f64::from(word[t + j]) + f64::from(position[p + j]) + f64::from(token_type[k + j])) as f32;
        }
    }
}
