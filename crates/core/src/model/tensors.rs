//! The tensors of a model: their names, which are Hugging Face's, and their shapes. Whatever reads, checks, packs, quantizes
//! or trains weights takes both from here.

use crate::model::architecture::{Architecture, Dimensions};
use crate::model::config::BertConfig;
use crate::model::head::Head;
use std::iter;

/// The name and shape of a tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    pub name: String,
    pub shape: Vec<usize>,
}

impl Parameter {
    fn new(name: impl Into<String>, shape: &[usize]) -> Self {
        Self { name: name.into(), shape: shape.to_vec() }
    }

    /// How many numbers the tensor holds.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The tensors of a linear layer, `[outputs, inputs]` and `[outputs]`, or of a layer norm, `[hidden]` both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WeightAndBias {
    pub weight: Parameter,
    pub bias: Parameter,
}

impl WeightAndBias {
    fn linear(name: &str, outputs: usize, inputs: usize) -> Self {
        Self {
            weight: Parameter::new(format!("{name}.weight"), &[outputs, inputs]),
            bias: Parameter::new(format!("{name}.bias"), &[outputs]),
        }
    }

    fn norm(name: &str, width: usize) -> Self {
        Self {
            weight: Parameter::new(format!("{name}.weight"), &[width]),
            bias: Parameter::new(format!("{name}.bias"), &[width]),
        }
    }
}

/// The tensors of an encoder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncoderTensors {
    /// `[vocabulary, hidden]`
    pub words: Parameter,
    /// `[positions, hidden]`
    pub positions: Parameter,
    /// `[types, hidden]`
    pub token_types: Option<Parameter>,
    pub embedding_norm: WeightAndBias,
    /// `[buckets, heads]`
    pub relative_position_bias: Option<Parameter>,
    pub layers: Vec<LayerTensors>,
}

/// The tensors of one transformer layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerTensors {
    /// The layer norm whose output this layer reads: the embeddings' or the one that ends the layer before.
    pub input_norm: WeightAndBias,
    pub query: WeightAndBias,
    pub key: WeightAndBias,
    pub value: WeightAndBias,
    pub attention_output: WeightAndBias,
    pub attention_norm: WeightAndBias,
    /// From hidden to intermediate size.
    pub up: WeightAndBias,
    /// From intermediate to hidden size.
    pub down: WeightAndBias,
    pub output_norm: WeightAndBias,
}

/// What a checkpoint calls those parts of a layer whose names depend on the architecture.
struct AttentionNames {
    query: &'static str,
    key: &'static str,
    value: &'static str,
    output: &'static str,
    norm: &'static str,
}

const BERT: AttentionNames = AttentionNames {
    query: "attention.self.query",
    key: "attention.self.key",
    value: "attention.self.value",
    output: "attention.output.dense",
    norm: "attention.output.LayerNorm",
};

const MPNET: AttentionNames = AttentionNames {
    query: "attention.attn.q",
    key: "attention.attn.k",
    value: "attention.attn.v",
    output: "attention.attn.o",
    norm: "attention.LayerNorm",
};

impl EncoderTensors {
    /// The tensors of an encoder of these sizes.
    pub fn new(dimensions: &Dimensions) -> Self {
        let &Dimensions { architecture, hidden, heads, token_types, .. } = dimensions;
        let buckets = architecture.relative_position_buckets();
        let embedding =
            |name: &str, rows| Parameter::new(format!("embeddings.{name}.weight"), &[rows, hidden]);
        let embedding_norm = WeightAndBias::norm("embeddings.LayerNorm", hidden);
        let mut layers: Vec<LayerTensors> = Vec::with_capacity(dimensions.layers);
        for index in 0..dimensions.layers {
            let input_norm = layers.last().map_or(&embedding_norm, |before| &before.output_norm).clone();
            layers.push(LayerTensors::new(dimensions, index, input_norm));
        }
        Self {
            words: embedding("word_embeddings", dimensions.vocabulary),
            positions: embedding("position_embeddings", dimensions.positions),
            token_types: (token_types > 0).then(|| embedding("token_type_embeddings", token_types)),
            embedding_norm,
            relative_position_bias: (buckets > 0)
                .then(|| Parameter::new("encoder.relative_attention_bias.weight", &[buckets, heads])),
            layers,
        }
    }

    /// Every tensor, from the embeddings up. The fingerprint of a base model depends on this order.
    pub fn parameters(&self) -> impl Iterator<Item = &Parameter> {
        let Self { words, positions, token_types, embedding_norm, relative_position_bias, layers } = self;
        iter::once(words)
            .chain([positions])
            .chain(token_types)
            .chain([&embedding_norm.weight, &embedding_norm.bias])
            .chain(relative_position_bias)
            .chain(layers.iter().flat_map(LayerTensors::parameters))
    }
}

impl LayerTensors {
    fn new(dimensions: &Dimensions, index: usize, input_norm: WeightAndBias) -> Self {
        let &Dimensions { architecture, hidden, intermediate, .. } = dimensions;
        let names = match architecture {
            Architecture::Bert => BERT,
            Architecture::Mpnet { .. } => MPNET,
        };
        let name = |part: &str| format!("encoder.layer.{index}.{part}");
        let linear = |part: &str, outputs, inputs| WeightAndBias::linear(&name(part), outputs, inputs);
        let norm = |part: &str| WeightAndBias::norm(&name(part), hidden);
        Self {
            input_norm,
            query: linear(names.query, hidden, hidden),
            key: linear(names.key, hidden, hidden),
            value: linear(names.value, hidden, hidden),
            attention_output: linear(names.output, hidden, hidden),
            attention_norm: norm(names.norm),
            up: linear("intermediate.dense", intermediate, hidden),
            down: linear("output.dense", hidden, intermediate),
            output_norm: norm("output.LayerNorm"),
        }
    }

    fn parameters(&self) -> impl Iterator<Item = &Parameter> {
        let Self { query, key, value, attention_output, attention_norm, up, down, output_norm, .. } = self;
        [query, key, value, attention_output, attention_norm, up, down, output_norm]
            .into_iter()
            .flat_map(|pair| [&pair.weight, &pair.bias])
    }

    /// The linear layers, each with the layer norm whose output it reads, if that is all that it reads.
    pub fn linear_layers(&self) -> [(&WeightAndBias, Option<&WeightAndBias>); 6] {
        let input = Some(&self.input_norm);
        [
            (&self.query, input),
            (&self.key, input),
            (&self.value, input),
            (&self.attention_output, None),
            (&self.up, Some(&self.attention_norm)),
            (&self.down, None),
        ]
    }
}

/// Every parameter of an encoder: those of [`EncoderTensors::parameters`].
pub fn encoder_parameters(config: &BertConfig) -> Vec<Parameter> {
    EncoderTensors::new(&config.into()).parameters().cloned().collect()
}

impl Head {
    /// The names of the weight and the bias of each of the head's layers, in the order of [`Head::layers`].
    pub fn tensor_names(&self) -> impl Iterator<Item = [String; 2]> {
        self.layers.iter().map(|layer| ["weight", "bias"].map(|part| format!("heads.{layer}.{part}")))
    }

    /// The weight and the bias of each of the head's layers, in the order of [`Head::layers`].
    pub fn tensors(&self, hidden: usize) -> impl Iterator<Item = WeightAndBias> {
        let rows = self.rows();
        self.tensor_names().map(move |[weight, bias]| WeightAndBias {
            weight: Parameter::new(weight, &[rows, hidden]),
            bias: Parameter::new(bias, &[rows]),
        })
    }
}

/// Every parameter of some heads, in their order.
pub fn head_parameters<'h>(config: &BertConfig, heads: impl IntoIterator<Item = &'h Head>) -> Vec<Parameter> {
    let tensors = heads.into_iter().flat_map(|head| head.tensors(config.hidden_size));
    tensors.flat_map(|WeightAndBias { weight, bias }| [weight, bias]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::head::HEADS;

    const TINY: Dimensions = Dimensions {
        architecture: Architecture::Bert,
        vocabulary: 9,
        positions: 5,
        token_types: 2,
        hidden: 4,
        layers: 2,
        heads: 2,
        intermediate: 6,
        layer_norm_epsilon: 1e-12,
    };

    #[test]
    fn an_architecture_has_only_its_own_tensors() {
        let mpnet = Dimensions { architecture: Architecture::Mpnet { buckets: 8 }, token_types: 0, ..TINY };
        let names = |dimensions| -> Vec<String> {
            EncoderTensors::new(&dimensions).parameters().map(|parameter| parameter.name.clone()).collect()
        };
        let (bert, mpnet) = (names(TINY), names(mpnet));
        assert_eq!((bert.len(), mpnet.len()), (5 + 2 * 16, 5 + 2 * 16));
        assert!(bert.contains(&"embeddings.token_type_embeddings.weight".to_owned()));
        assert!(bert.contains(&"encoder.layer.1.attention.self.query.bias".to_owned()));
        assert!(mpnet.contains(&"encoder.relative_attention_bias.weight".to_owned()));
        assert!(mpnet.contains(&"encoder.layer.1.attention.attn.q.bias".to_owned()));
    }

    #[test]
    fn a_layer_reads_the_norm_of_the_one_before() {
        let tensors = EncoderTensors::new(&TINY);
        assert_eq!(tensors.layers[0].input_norm, tensors.embedding_norm);
        assert_eq!(tensors.layers[1].input_norm, tensors.layers[0].output_norm);
        assert_eq!(tensors.layers[1].up.weight.shape, [6, 4]);
    }

    #[test]
    fn a_layer_of_a_head_has_a_row_for_each_label_or_those_of_a_pointer() {
        let shapes: Vec<_> =
            HEADS.iter().flat_map(|head| head.tensors(4)).map(|layer| layer.weight).collect();
        let found: Vec<_> = shapes.iter().map(|weight| (weight.name.as_str(), weight.shape[0])).collect();
        assert_eq!(
            found,
            [
                ("heads.role.weight", 3),
                ("heads.stance.weight", 3),
                ("heads.checkworthy.weight", 2),
                ("heads.source.weight", 3),
                ("heads.cue.weight", 3),
                ("heads.content.weight", 3),
                ("heads.holder.weight", 2),
                ("heads.speaker_query.weight", 64),
                ("heads.speaker_first.weight", 64),
                ("heads.speaker_last.weight", 64),
            ]
        );
    }
}
