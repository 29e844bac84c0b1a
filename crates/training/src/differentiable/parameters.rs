//! All parameters of an encoder and its heads in one flat buffer, and their gradients in another of the same layout, so that an
//! optimizer step or a checkpoint is one sweep.

use rayon::prelude::*;
use standpoint_core::model::{Dimensions, EncoderTensors, Head, LayerTensors, Parameter, WeightAndBias};
use standpoint_kernels::Isa;
use standpoint_kernels::training::elementwise;
use std::ops::Range;

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
    /// How many of the layers, from the first, read texts and targets each alone.
    pub text_layers: usize,
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
    heads: Vec<(Head, Vec<HeadLayerRanges>)>,
}

/// The ranges of one linear layer of a head.
#[derive(Clone, Debug)]
pub struct HeadLayerRanges {
    /// `[labels, hidden]`
    pub weight: Range<usize>,
    /// `[labels]`
    pub bias: Range<usize>,
}

/// Gives each tensor the range after the last one's.
#[derive(Default)]
struct Builder {
    tensors: Vec<TensorRange>,
    end: usize,
}

impl Builder {
    fn push(&mut self, parameter: &Parameter) -> Range<usize> {
        let range = self.end..self.end + parameter.len();
        self.end = range.end;
        let Parameter { name, shape } = parameter.clone();
        self.tensors.push(TensorRange { name, shape, range: range.clone() });
        range
    }

    /// The range of a tensor that some architectures lack. It is empty for them.
    fn push_optional(&mut self, parameter: Option<&Parameter>) -> Range<usize> {
        parameter.map_or(self.end..self.end, |parameter| self.push(parameter))
    }

    fn push_pair(&mut self, tensors: &WeightAndBias) -> (Range<usize>, Range<usize>) {
        (self.push(&tensors.weight), self.push(&tensors.bias))
    }

    /// One range for several tensors.
    fn push_fused(&mut self, parameters: [&Parameter; 3]) -> Range<usize> {
        let [first, _, last] = parameters.map(|parameter| self.push(parameter));
        first.start..last.end
    }

    fn push_layer(&mut self, tensors: &LayerTensors) -> LayerRanges {
        let LayerTensors { query, key, value, .. } = tensors;
        let qkv_weight = self.push_fused([&query.weight, &key.weight, &value.weight]);
        let qkv_bias = self.push_fused([&query.bias, &key.bias, &value.bias]);
        let (attention_weight, attention_bias) = self.push_pair(&tensors.attention_output);
        let (attention_norm_weight, attention_norm_bias) = self.push_pair(&tensors.attention_norm);
        let (up_weight, up_bias) = self.push_pair(&tensors.up);
        let (down_weight, down_bias) = self.push_pair(&tensors.down);
        let (output_norm_weight, output_norm_bias) = self.push_pair(&tensors.output_norm);
        LayerRanges {
            qkv_weight,
            qkv_bias,
            attention_weight,
            attention_bias,
            attention_norm_weight,
            attention_norm_bias,
            up_weight,
            up_bias,
            down_weight,
            down_bias,
            output_norm_weight,
            output_norm_bias,
        }
    }
}

impl Layout {
    /// The layout of an encoder of these sizes, and of some heads.
    pub fn new(dimensions: Dimensions, heads: &[Head]) -> Self {
        let tensors = EncoderTensors::new(&dimensions);
        let mut builder = Builder::default();
        // The word embeddings come first, because every step touches all other tensors, but only some rows of these.
        let words = builder.push(&tensors.words);
        let positions = builder.push(&tensors.positions);
        let token_types = builder.push_optional(tensors.token_types.as_ref());
        let (embedding_norm_weight, embedding_norm_bias) = builder.push_pair(&tensors.embedding_norm);
        let distances = builder.push_optional(tensors.relative_position_bias.as_ref());
        let layers = tensors.layers.iter().map(|layer| builder.push_layer(layer)).collect();
        let mut head_layer = |tensors: WeightAndBias| {
            let (weight, bias) = builder.push_pair(&tensors);
            HeadLayerRanges { weight, bias }
        };
        let heads = heads
            .iter()
            .map(|&head| (head, head.tensors(dimensions.hidden).map(&mut head_layer).collect()))
            .collect();
        Self {
            dimensions,
            text_layers: 0,
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

    /// The same parameters, of which this many layers read texts and targets each alone.
    ///
    /// # Panics
    /// If no layer is left to read them together.
    pub fn with_text_layers(self, text_layers: usize) -> Self {
        assert!(text_layers < self.dimensions.layers, "a layer has to read texts and targets together");
        Self { text_layers, ..self }
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

    /// The ranges of a head's layers, in the order of [`Head::layers`].
    ///
    /// # Panics
    /// If the layout lacks the head, or the head has another number of layers.
    pub fn layers_of<const N: usize>(&self, head: &Head) -> &[HeadLayerRanges; N] {
        let found = self.heads.iter().find(|(known, _)| known == head);
        let layers = found.and_then(|(_, layers)| layers.as_slice().try_into().ok());
        layers.unwrap_or_else(|| panic!("the layout has no head {} of {N} layers", head.name))
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
