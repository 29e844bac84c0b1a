//! Embeddings: token ids to rows of numbers, by tables.
//!
//! ```text
//! words          [vocabulary, width]        row of the token's id ──────────────────► rows   [tokens, padded(width)]
//! positions      [positions, width]         row of its place in the window ─┐
//! token types    [2, width]                 row 0, or row 1 behind the      ├─ sum ─► others [tokens, padded(width)]
//!                                           first segment ──────────────────┘
//! ```

use crate::simd::{Kernel, Simd};
use crate::{Isa, padded};

/// The tables of a model, dense and row-major.
pub struct EmbeddingTables {
    /// Columns of each table.
    pub width: usize,
    /// `[vocabulary, width]`
    pub words: Vec<f32>,
    /// `[positions, width]`
    pub positions: Vec<f32>,
    /// `[2, width]`
    pub token_types: Vec<f32>,
}

impl EmbeddingTables {
    /// How many token ids there are.
    pub fn vocabulary(&self) -> usize {
        self.words.len() / self.width
    }

    /// Looks up the tokens of one window: writes the word of each into `rows`, and the sum of its position and its token
    /// type into `others`. Both are `[tokens, padded(width)]`. Tokens from `first_segment` on have the second type.
    ///
    /// The two parts stay apart, because the layer norm behind them adds two matrices.
    ///
    /// # Panics
    /// If the processor lacks the instruction set, a token id or a position is not in its table, or a slice is too short.
    pub fn look_up(
        &self,
        isa: Isa,
        tokens: &[u32],
        first_segment: usize,
        rows: &mut [f32],
        others: &mut [f32],
    ) {
        isa.run(LookUp { tables: self, tokens, first_segment, rows, others });
    }
}

struct LookUp<'a> {
    tables: &'a EmbeddingTables,
    tokens: &'a [u32],
    first_segment: usize,
    rows: &'a mut [f32],
    others: &'a mut [f32],
}

impl Kernel for LookUp<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Self { tables, tokens, first_segment, rows, others } = self;
        let width = tables.width;
        let stride = padded(width);
        for (position, &id) in tokens.iter().enumerate() {
            let token_type = usize::from(position >= first_segment);
            let word = &tables.words[id as usize * width..][..width];
            let place = &tables.positions[position * width..][..width];
            let token_type = &tables.token_types[token_type * width..][..width];
            let row = &mut rows[position * stride..][..stride];
            row[..width].copy_from_slice(word);
            row[width..].fill(0.0);
            let other = &mut others[position * stride..][..stride];
            other[width..].fill(0.0);
            let other = &mut other[..width];
            // A zip would not be inlined into the instruction set.
            for at in 0..width {
                other[at] = place[at] + token_type[at];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::instruction_sets;

    #[test]
    fn every_instruction_set_looks_up_the_same_rows() {
        let width = 19;
        let table = |rows: usize, seed: usize| -> Vec<f32> {
            (0..rows * width).map(|at| ((at * 37 + seed) % 101) as f32).collect()
        };
        let (words, positions, token_types) = (table(7, 1), table(5, 2), table(2, 3));
        let tables = EmbeddingTables { width, words, positions, token_types };
        let tokens = [6, 0, 3, 6];
        for isa in instruction_sets() {
            let (mut rows, mut others) = ([f32::NAN; 4 * 32], [f32::NAN; 4 * 32]);
            tables.look_up(isa, &tokens, 3, &mut rows, &mut others);
            for (position, &id) in tokens.iter().enumerate() {
                for column in 0..32 {
                    let at = |table: &[f32], row: usize| {
                        if column < width { table[row * width + column] } else { 0.0 }
                    };
                    let other =
                        at(&tables.positions, position) + at(&tables.token_types, usize::from(position == 3));
                    let found = (rows[position * 32 + column], others[position * 32 + column]);
                    assert_eq!(found, (at(&tables.words, id as usize), other), "{isa}");
                }
            }
        }
    }
}
