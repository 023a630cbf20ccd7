use heatseek_ops::{Embed, Operands};

use crate::parallel;

/// See [`Embed`].
pub(crate) fn embed(op: &Embed, operands: &mut Operands<'_>) {
    let width = op.hidden_size;
    let (tokens, word) = (operands.table("tokens"), operands.input("word"));
    let (position, token_type) = (operands.input("position"), operands.input("token_type"));
    parallel::for_each_row(operands.output("y"), width, |r, out| {
        let row = |table: &'_ [f32], column: usize| {
            let start = tokens[4 * r + column] as usize * width;
            start..start + width.min(table.len() - start)
        };
        let (word, position) = (&word[row(word, 0)], &position[row(position, 1)]);
        let token_type = &token_type[row(token_type, 2)];
        for (((o, w), p), t) in out.iter_mut().zip(word).zip(position).zip(token_type) {
            *o = w + p + t;
        }
    });
}
