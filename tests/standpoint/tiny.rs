//! A tiny BERT with seeded random weights, made through the public API: a fixture for whatever needs a model
//! but not its judgement.

use standpoint::calibration::TemperatureScaling;
use standpoint::model::{
    ATTRIBUTION, BertConfig, CHECKWORTHY, HEADS, HOLDER, Model, ROLE, STANCE, Settings, Tensor, Tokenizer,
    WeightFormat, Weights, encoder_parameters, head_parameters,
};
use std::sync::Arc;
use tempfile::TempDir;

const WORDS: &str = "the a of to and in that on for troops foreign withdrawal government minister said says will \
    must not leave stay oppose support by from parliament army president was is it they base bases year years";

/// The sizes of the fixture: small enough that a test takes no time.
pub fn config() -> BertConfig {
    sized(16, 2, 32)
}

/// Sizes at which matrix products are worth splitting over threads.
pub fn wide_config() -> BertConfig {
    sized(192, 6, 768)
}

fn sized(hidden: usize, heads: usize, intermediate: usize) -> BertConfig {
    let json = serde_json::json!({
        "model_type": "bert",
        "vocab_size": vocabulary().len(),
        "hidden_size": hidden,
        "num_hidden_layers": 2,
        "num_attention_heads": heads,
        "intermediate_size": intermediate,
        "hidden_act": "gelu",
        "hidden_dropout_prob": 0.1,
        "attention_probs_dropout_prob": 0.1,
        "max_position_embeddings": 256,
        "type_vocab_size": 2,
        "layer_norm_eps": 1e-12,
    });
    BertConfig::from_json(json.to_string().as_bytes()).expect("the fixture's config is valid")
}

fn vocabulary() -> Vec<String> {
    let special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"].map(str::to_owned).into_iter();
    let signs = ".,;:!?'\"-()0123456789".chars().map(String::from);
    let letters = ('a'..='z').filter(|letter| *letter != 'a').map(String::from);
    let pieces = ('a'..='z').map(|letter| format!("##{letter}"));
    special
        .chain(signs)
        .chain(letters)
        .chain(pieces)
        .chain(WORDS.split_whitespace().map(String::from))
        .collect()
}

/// The text of the fixture's `tokenizer.json`.
pub fn tokenizer_json() -> String {
    let ids: serde_json::Map<String, serde_json::Value> =
        vocabulary().into_iter().enumerate().map(|(id, token)| (token, id.into())).collect();
    let added: Vec<_> = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
        .iter()
        .enumerate()
        .map(|(id, token)| {
            serde_json::json!({
                "id": id, "content": token, "special": true,
                "single_word": false, "lstrip": false, "rstrip": false, "normalized": false,
            })
        })
        .collect();
    serde_json::json!({
        "version": "1.0",
        // Both are to be ignored.
        "truncation": {"max_length": 8, "strategy": "LongestFirst", "stride": 0, "direction": "Right"},
        "padding": {
            "strategy": {"Fixed": 8}, "direction": "Right", "pad_to_multiple_of": null,
            "pad_id": 0, "pad_type_id": 0, "pad_token": "[PAD]",
        },
        "added_tokens": added,
        "normalizer": {
            "type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
            "strip_accents": null, "lowercase": true,
        },
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": null,
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": true},
        "model": {
            "type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100, "vocab": ids,
        },
    })
    .to_string()
}

pub fn tokenizer() -> Tokenizer {
    Tokenizer::from_json(tokenizer_json().into_bytes().into(), &config())
        .expect("the fixture's tokenizer is valid")
}

pub fn settings() -> Settings {
    Settings {
        format: Settings::FORMAT,
        name: "tiny".to_owned(),
        version: "1".to_owned(),
        max_tokens: 64,
        default_target: "withdrawal of foreign troops".to_owned(),
        heads: [(ROLE, 1.25), (STANCE, 0.8), (CHECKWORTHY, 1.5), (ATTRIBUTION, 1.0), (HOLDER, 1.0)]
            .map(|(head, temperature)| (head, TemperatureScaling::of_temperature(temperature)))
            .into_iter()
            .collect(),
        training: toml::Table::new(),
    }
}

/// Weights that make each sentence come out differently; LayerNorm's are near 1.
pub fn weights(config: &BertConfig) -> Weights {
    let mut state = 42u64;
    let mut random = move || {
        // SplitMix64, its upper bits as a number from -1 to 1.
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = state;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((bits ^ (bits >> 31)) >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    let mut weights = Weights::default();
    for parameter in encoder_parameters(config).into_iter().chain(head_parameters(config, &HEADS)) {
        let centre = if parameter.name.ends_with("LayerNorm.weight") { 1.0 } else { 0.0 };
        let values = (0..parameter.len()).map(|_| centre + 0.3 * random()).collect();
        weights.insert(parameter.name, Tensor { shape: parameter.shape, values });
    }
    weights
}

/// The fixture in memory.
pub fn model() -> Model {
    let config = config();
    let weights = weights(&config);
    Model::new("tiny", config, settings(), Arc::new(tokenizer()), weights).expect("the fixture is valid")
}

/// The fixture, with matrices wide enough for several threads and windows of 256 tokens.
pub fn wide_model() -> Model {
    let config = wide_config();
    let weights = weights(&config);
    let settings = Settings { max_tokens: 256, ..settings() };
    Model::new("wide", config, settings, Arc::new(tokenizer()), weights).expect("the fixture is valid")
}

/// The fixture in a folder, which goes when the value is dropped.
pub fn folder() -> TempDir {
    let folder = TempDir::new().expect("a temporary folder can be made");
    model().save(folder.path(), WeightFormat::F16).expect("a temporary folder can be written to");
    folder
}

/// The fixture with the heads that every model has, and no other, in a folder.
pub fn plain_folder() -> TempDir {
    let all = settings();
    let scaling = |head| Some((head, all.heads.get(&head).filter(|_| head.is_required)?.scaling()));
    let settings = Settings { heads: HEADS.into_iter().filter_map(scaling).collect(), ..settings() };
    let (config, tokenizer) = (config(), Arc::new(tokenizer()));
    let mut weights = Weights::default();
    let all = self::weights(&config);
    for parameter in
        encoder_parameters(&config).into_iter().chain(head_parameters(&config, settings.heads.heads()))
    {
        let tensor = all.get(&parameter.name).expect("the fixture has all heads").clone();
        weights.insert(parameter.name, tensor);
    }
    let model = Model::new("tiny", config, settings, tokenizer, weights).expect("the fixture is valid");
    let folder = TempDir::new().expect("a temporary folder can be made");
    model.save(folder.path(), WeightFormat::F16).expect("a temporary folder can be written to");
    folder
}
