//! The architectures that standpoint runs, the sizes of an encoder, and relative position bias.

use crate::model::config::BertConfig;

/// What kind of transformer an encoder is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Architecture {
    Bert,
    /// A BERT without token types. All its layers add the same relative position bias to their attention scores: a
    /// number that depends on the head and on the distance from query to key (Song et al., 2020; the bias is T5's).
    Mpnet {
        /// How many buckets of distances have a bias of their own, for each head.
        buckets: usize,
    },
}

/// The special tokens that a tokenizer of some architecture must have.
pub(super) struct SpecialTokenNames {
    pub pad: &'static str,
    pub cls: &'static str,
    pub sep: &'static str,
}

impl Architecture {
    /// What a checkpoint may write before the names of an encoder's tensors.
    pub(super) const PREFIXES: [&str; 3] = ["", "bert.", "mpnet."];

    /// Keys at this distance or farther share the last bucket.
    const FARTHEST: f64 = 128.0;

    pub(super) fn special_tokens(self) -> SpecialTokenNames {
        match self {
            Self::Bert => SpecialTokenNames { pad: "[PAD]", cls: "[CLS]", sep: "[SEP]" },
            Self::Mpnet { .. } => SpecialTokenNames { pad: "<pad>", cls: "<s>", sep: "</s>" },
        }
    }

    /// The row of the position embeddings that a window's first token has. MPNet reserves the rows before it for padding.
    pub fn first_position(self) -> usize {
        match self {
            Self::Bert => 0,
            Self::Mpnet { .. } => 2,
        }
    }

    /// How many buckets the relative position bias has; 0 for an architecture without one.
    pub fn relative_position_buckets(self) -> usize {
        match self {
            Self::Bert => 0,
            Self::Mpnet { buckets } => buckets,
        }
    }

    /// The bucket of a distance, which is the key's position less the query's. Half of the buckets are for keys behind the
    /// query. In each half, each small distance has a bucket of its own; large distances share buckets that grow with the
    /// logarithm.
    pub fn relative_position_bucket(self, distance: isize) -> usize {
        let half = self.relative_position_buckets() / 2;
        let first = if distance > 0 { half } else { 0 };
        let (near, distance) = (half / 2, distance.unsigned_abs());
        if distance < near {
            return first + distance;
        }
        let share = (distance as f64 / near as f64).ln() / (Self::FARTHEST / near as f64).ln();
        // A whole number stays whole, whatever the last bits of the logarithms are.
        let far = near + (share * (half - near) as f64 + 1e-6) as usize;
        first + far.min(half - 1)
    }

    /// The relative position bias for windows of up to `longest` tokens, `[heads, 2 * longest - 1]`, from the checkpoint's
    /// `table`, `[buckets, heads]`. The first column is for the key farthest before its query. Empty if `table` is empty or
    /// `longest` is 0.
    ///
    /// # Panics
    /// If `table` has fewer rows than this architecture has buckets.
    pub fn relative_position_bias(self, table: &[f32], heads: usize, longest: usize) -> Vec<f32> {
        if table.is_empty() || longest == 0 {
            return Vec::new();
        }
        let distances = || (1 - longest as isize)..(longest as isize);
        let bias = |head, distance| table[self.relative_position_bucket(distance) * heads + head];
        (0..heads).flat_map(|head| distances().map(move |distance| bias(head, distance))).collect()
    }
}

/// The sizes that decide the shape of every tensor of an encoder.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dimensions {
    pub architecture: Architecture,
    pub vocabulary: usize,
    pub positions: usize,
    /// 0 for an architecture without token types.
    pub token_types: usize,
    pub hidden: usize,
    pub layers: usize,
    /// Attention heads.
    pub heads: usize,
    pub intermediate: usize,
    pub layer_norm_epsilon: f32,
}

impl From<&BertConfig> for Dimensions {
    fn from(config: &BertConfig) -> Self {
        Self {
            architecture: config.architecture(),
            vocabulary: config.vocab_size,
            positions: config.max_position_embeddings,
            token_types: config.type_vocab_size,
            hidden: config.hidden_size,
            layers: config.num_hidden_layers,
            heads: config.num_attention_heads,
            intermediate: config.intermediate_size,
            layer_norm_epsilon: config.layer_norm_eps as f32,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_those_of_the_paper() {
        let mpnet = Architecture::Mpnet { buckets: 32 };
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
            assert_eq!(mpnet.relative_position_bucket(distance), bucket, "distance {distance}");
        }
    }

    #[test]
    fn a_bias_is_that_of_its_distance() {
        let mpnet = Architecture::Mpnet { buckets: 4 };
        // Two heads: the second one's bias is the first one's plus 10.
        let table = [0.0, 10.0, 1.0, 11.0, 2.0, 12.0, 3.0, 13.0];
        let bias = mpnet.relative_position_bias(&table, 2, 2);
        assert_eq!(bias, [1.0, 0.0, 3.0, 11.0, 10.0, 13.0]);
        assert!(Architecture::Bert.relative_position_bias(&[], 2, 2).is_empty());
        assert!(mpnet.relative_position_bias(&table, 2, 0).is_empty());
    }
}
