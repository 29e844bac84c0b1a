//! All parameters of an encoder and its heads in one flat buffer, and their gradients in another of the same layout, so that an
//! optimizer step or a checkpoint is one sweep.

use rayon::prelude::*;
use standpoint_core::model::{BertConfig, Kind};
use standpoint_kernels::Isa;
use standpoint_kernels::training::elementwise;
use std::ops::Range;

/// The sizes from which all shapes of an encoder follow.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dimensions {
    pub vocabulary: usize,
    pub positions: usize,
    pub token_types: usize,
    pub hidden: usize,
    pub layers: usize,
    pub heads: usize,
    pub intermediate: usize,
    pub layer_norm_epsilon: f32,
    pub kind: Kind,
}

impl From<&BertConfig> for Dimensions {
    fn from(config: &BertConfig) -> Self {
        Self {
            vocabulary: config.vocab_size,
            positions: config.max_position_embeddings,
            token_types: config.type_vocab_size,
            hidden: config.hidden_size,
            layers: config.num_hidden_layers,
            heads: config.num_attention_heads,
            intermediate: config.intermediate_size,
            layer_norm_epsilon: config.layer_norm_eps as f32,
            kind: config.kind(),
        }
    }
}

/// The range of one tensor in the buffer.
#[derive(Clone, Debug, PartialEq)]
pub struct TensorRange {
    /// The tensor's name in a Hugging Face checkpoint.
    pub name: String,
    pub shape: Vec<usize>,
    pub range: Range<usize>,
}

impl TensorRange {
    /// Whether the tensor has weight decay. Only matrices do: it would pull biases and layer norms off their scale.
    pub fn decays(&self) -> bool {
        self.shape.len() > 1
    }
}

/// The ranges of one transformer layer's parameters. Query, key and value follow each other, so that one product computes all
/// three.
#[derive(Clone, Debug)]
pub(super) struct LayerRanges {
    pub qkv_weight: Range<usize>,
    pub qkv_bias: Range<usize>,
    pub attention_weight: Range<usize>,
    pub attention_bias: Range<usize>,
    pub attention_norm_weight: Range<usize>,
    pub attention_norm_bias: Range<usize>,
    pub up_weight: Range<usize>,
    pub up_bias: Range<usize>,
    pub down_weight: Range<usize>,
    pub down_bias: Range<usize>,
    pub output_norm_weight: Range<usize>,
    pub output_norm_bias: Range<usize>,
}

/// The ranges of all tensors in the flat buffer.
#[derive(Clone, Debug)]
pub struct Layout {
    pub dimensions: Dimensions,
    tensors: Vec<TensorRange>,
    pub(super) words: Range<usize>,
    pub(super) positions: Range<usize>,
    /// `[types, hidden]`, empty for MPNet.
    pub(super) token_types: Range<usize>,
    /// `[buckets, heads]`, empty for BERT.
    pub(super) distances: Range<usize>,
    pub(super) embedding_norm_weight: Range<usize>,
    pub(super) embedding_norm_bias: Range<usize>,
    pub(super) layers: Vec<LayerRanges>,
    heads: Vec<HeadRanges>,
}

/// The ranges of a head: a linear layer over sentence vectors or token states.
#[derive(Clone, Debug)]
pub struct HeadRanges {
    pub name: &'static str,
    /// `[outputs, hidden]`
    pub weight: Range<usize>,
    /// `[outputs]`
    pub bias: Range<usize>,
}

/// Gives each tensor the range after the last one's.
#[derive(Default)]
struct Builder {
    tensors: Vec<TensorRange>,
    end: usize,
}

impl Builder {
    fn push(&mut self, name: String, shape: &[usize]) -> Range<usize> {
        let range = self.end..self.end + shape.iter().product::<usize>();
        self.end = range.end;
        // A tensor that this kind of encoder lacks is empty here, and is not listed.
        if !range.is_empty() {
            self.tensors.push(TensorRange { name, shape: shape.to_vec(), range: range.clone() });
        }
        range
    }
}

impl Layout {
    /// `heads` are the names and output counts of the heads. Their tensors are `heads.<name>.weight` and `heads.<name>.bias`.
    pub fn new(dimensions: Dimensions, heads: &[(&'static str, usize)]) -> Self {
        let Dimensions { hidden, intermediate, kind, .. } = dimensions;
        let names = kind.names();
        let mut builder = Builder::default();
        // The word embeddings come first, because every step touches all other tensors, but only some rows of these.
        let mut embedding = |name: &str, shape: &[usize]| builder.push(format!("embeddings.{name}"), shape);
        let words = embedding("word_embeddings.weight", &[dimensions.vocabulary, hidden]);
        let positions = embedding("position_embeddings.weight", &[dimensions.positions, hidden]);
        let token_types = embedding("token_type_embeddings.weight", &[dimensions.token_types, hidden]);
        let embedding_norm_weight = embedding("LayerNorm.weight", &[hidden]);
        let embedding_norm_bias = embedding("LayerNorm.bias", &[hidden]);
        let distances = builder.push(Kind::DISTANCES.to_owned(), &[kind.buckets(), dimensions.heads]);
        let layers = (0..dimensions.layers)
            .map(|layer| {
                let mut push = |name: &str, shape: &[usize]| {
                    builder.push(format!("encoder.layer.{layer}.{name}"), shape)
                };
                let mut fused = |part: &str, shape: &[usize]| {
                    let first = push(&format!("{}.{part}", names.query), shape);
                    push(&format!("{}.{part}", names.key), shape);
                    let last = push(&format!("{}.{part}", names.value), shape);
                    first.start..last.end
                };
                let (output, norm) = (names.attention_output, names.attention_norm);
                LayerRanges {
                    qkv_weight: fused("weight", &[hidden, hidden]),
                    qkv_bias: fused("bias", &[hidden]),
                    attention_weight: push(&format!("{output}.weight"), &[hidden, hidden]),
                    attention_bias: push(&format!("{output}.bias"), &[hidden]),
                    attention_norm_weight: push(&format!("{norm}.weight"), &[hidden]),
                    attention_norm_bias: push(&format!("{norm}.bias"), &[hidden]),
                    up_weight: push("intermediate.dense.weight", &[intermediate, hidden]),
                    up_bias: push("intermediate.dense.bias", &[intermediate]),
                    down_weight: push("output.dense.weight", &[hidden, intermediate]),
                    down_bias: push("output.dense.bias", &[hidden]),
                    output_norm_weight: push("output.LayerNorm.weight", &[hidden]),
                    output_norm_bias: push("output.LayerNorm.bias", &[hidden]),
                }
            })
            .collect();
        let heads = heads
            .iter()
            .map(|&(name, outputs)| HeadRanges {
                name,
                weight: builder.push(format!("heads.{name}.weight"), &[outputs, hidden]),
                bias: builder.push(format!("heads.{name}.bias"), &[outputs]),
            })
            .collect();
        Self {
            dimensions,
            tensors: builder.tensors,
            words,
            positions,
            token_types,
            distances,
            embedding_norm_weight,
            embedding_norm_bias,
            layers,
            heads,
        }
    }

    /// Every tensor, in the order of the buffer.
    pub fn tensors(&self) -> &[TensorRange] {
        &self.tensors
    }

    /// The ranges of the encoder's `[outputs, inputs]` matrices, with query, key and value as one, and their numbers of inputs.
    pub(super) fn layer_matrices(&self) -> impl Iterator<Item = (Range<usize>, usize)> {
        let Dimensions { hidden, intermediate, .. } = self.dimensions;
        self.layers.iter().flat_map(move |layer| {
            [
                (layer.qkv_weight.clone(), hidden),
                (layer.attention_weight.clone(), hidden),
                (layer.up_weight.clone(), hidden),
                (layer.down_weight.clone(), intermediate),
            ]
        })
    }

    pub fn heads(&self) -> &[HeadRanges] {
        &self.heads
    }

    /// The number of parameters.
    pub fn len(&self) -> usize {
        self.tensors.last().map_or(0, |segment| segment.range.end)
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The range of the word embeddings, of which a step touches only some rows.
    pub fn words(&self) -> Range<usize> {
        self.words.clone()
    }
}

/// Gradients of all parameters. In the word embeddings, only the rows in `touched` can differ from zero.
pub struct Gradients {
    pub values: Vec<f32>,
    /// The ids of the tokens since the last [`Gradients::clear`]. After [`Gradients::settle`], each is listed once, in order.
    pub touched: Vec<u32>,
    /// Whether the matrices of all layers count as zero, whatever their values. The first pass overwrites them, so most of the
    /// memory need not be cleared.
    pub(super) fresh: bool,
    matrices: Vec<Range<usize>>,
}

impl Gradients {
    pub fn new(layout: &Layout) -> Self {
        let matrices = layout.layer_matrices().map(|(range, _)| range).collect();
        Self { values: vec![0.0; layout.len()], touched: Vec::new(), fresh: true, matrices }
    }

    /// Sets all gradients to zero.
    pub fn clear(&mut self, layout: &Layout) {
        let hidden = layout.dimensions.hidden;
        for &word in &self.touched {
            let start = layout.words.start + word as usize * hidden;
            self.values[start..start + hidden].fill(0.0);
        }
        self.touched.clear();
        let mut start = layout.words.end;
        for matrix in &self.matrices {
            self.values[start..matrix.start].fill(0.0);
            start = matrix.end;
        }
        self.values[start..].fill(0.0);
        self.fresh = true;
    }

    /// Adds another shard's gradients.
    pub fn absorb(&mut self, other: &mut Self, layout: &Layout) {
        /// The number of parameters that a thread adds at a time.
        const PIECE: usize = 1 << 16;
        let (isa, hidden) = (Isa::default(), layout.dimensions.hidden);
        self.settle();
        other.settle();
        for &word in &other.touched {
            let start = layout.words.start + word as usize * hidden;
            elementwise::add(
                isa,
                &mut self.values[start..start + hidden],
                &other.values[start..start + hidden],
            );
        }
        let end = layout.words.end;
        let pieces = self.values[end..].par_chunks_mut(PIECE).zip(other.values[end..].par_chunks(PIECE));
        pieces.for_each(|(values, others)| elementwise::add(isa, values, others));
        self.touched.extend_from_slice(&other.touched);
    }

    /// Lists each touched token once, in order, and sets matrices to zero that no pass has written.
    pub fn settle(&mut self) {
        if std::mem::take(&mut self.fresh) {
            for matrix in &self.matrices {
                self.values[matrix.clone()].fill(0.0);
            }
        }
        self.touched.sort_unstable();
        self.touched.dedup();
    }
}
