//! The kinds of encoder that standpoint runs, and in what they differ.

/// BERT, or MPNet: a BERT without token types, whose layers all add the same bias to their attention scores, which
/// depends on the head and on how far the key stands from the query (Song et al., 2020; the bias is T5's).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Bert,
    Mpnet {
        /// Of distances, each with a bias for each head.
        buckets: usize,
    },
}

/// What the parts of a layer are called in a checkpoint.
#[derive(Clone, Copy, Debug)]
pub struct Names {
    pub query: &'static str,
    pub key: &'static str,
    pub value: &'static str,
    pub attention_output: &'static str,
    pub attention_norm: &'static str,
}

impl Kind {
    /// The table of biases, `[buckets, heads]`.
    pub const DISTANCES: &'static str = "encoder.relative_attention_bias.weight";

    /// From here on all distances count alike.
    const FARTHEST: f64 = 128.0;

    pub fn names(self) -> &'static Names {
        match self {
            Self::Bert => &Names {
                query: "attention.self.query",
                key: "attention.self.key",
                value: "attention.self.value",
                attention_output: "attention.output.dense",
                attention_norm: "attention.output.LayerNorm",
            },
            Self::Mpnet { .. } => &Names {
                query: "attention.attn.q",
                key: "attention.attn.k",
                value: "attention.attn.v",
                attention_output: "attention.attn.o",
                attention_norm: "attention.LayerNorm",
            },
        }
    }

    /// The row of the position embeddings that belongs to a window's first token: MPNet's stand behind its padding's.
    pub fn first_position(self) -> usize {
        match self {
            Self::Bert => 0,
            Self::Mpnet { .. } => 2,
        }
    }

    /// The buckets of distances; none where there is no bias.
    pub fn buckets(self) -> usize {
        match self {
            Self::Bert => 0,
            Self::Mpnet { buckets } => buckets,
        }
    }

    /// The bucket of a distance from query to key. One half of the buckets is for keys behind the query; in each half
    /// the near distances have one of their own, and the far ones share some that grow with the logarithm.
    pub fn bucket(self, distance: isize) -> usize {
        let half = self.buckets() / 2;
        let first = if distance > 0 { half } else { 0 };
        let (near, distance) = (half / 2, distance.unsigned_abs());
        if distance < near {
            return first + distance;
        }
        let share = (distance as f64 / near as f64).ln() / (Self::FARTHEST / near as f64).ln();
        // What is a whole number stays one, whatever the logarithms' last bits.
        let far = near + (share * (half - near) as f64 + 1e-6) as usize;
        first + far.min(half - 1)
    }

    /// The bias for each head and distance, `[heads, 2 * longest - 1]`, from the table of buckets: the key that stands
    /// farthest before the query comes first. Empty where there is no bias.
    pub fn by_distance(self, table: &[f32], heads: usize, longest: usize) -> Vec<f32> {
        if table.is_empty() || longest == 0 {
            return Vec::new();
        }
        let distances = || (1 - longest as isize)..(longest as isize);
        (0..heads)
            .flat_map(|head| distances().map(move |distance| table[self.bucket(distance) * heads + head]))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_those_of_the_paper() {
        let kind = Kind::Mpnet { buckets: 32 };
        // As transformers' `MPNetEncoder.relative_position_bucket` gives them.
        for (distance, bucket) in [
            (0, 0),
            (-1, 1),
            (-7, 7),
            (-8, 8),
            (-11, 8),
            (-12, 9),
            (-15, 9),
            (-16, 10),
            (-31, 11),
            (-32, 12),
            (-63, 13),
            (-64, 14),
            (-90, 14),
            (-91, 15),
            (-128, 15),
            (-500, 15),
            (1, 17),
            (7, 23),
            (8, 24),
            (64, 30),
            (500, 31),
        ] {
            assert_eq!(kind.bucket(distance), bucket, "distance {distance}");
        }
    }
}
