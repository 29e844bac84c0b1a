//! The table of heads: everything that a model can be asked, declared once. The tensors of a model, its settings, the
//! training loss, the evaluation tasks and the keys of the output follow from it.
//!
//! A new head is an entry here, and its own arithmetic in [`crate::heads`] and in the training objective.

use crate::label::{Label, Role, Stance};

/// Linear layers on top of the encoder, and what becomes of their logits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Names the head's table in `standpoint.toml`.
    pub name: &'static str,
    /// The head's linear layers. A layer has the tensors `heads.<layer>.weight`, `[labels, hidden]`, and
    /// `heads.<layer>.bias`, `[labels]`.
    pub layers: &'static [&'static str],
    /// What the rows of each layer stand for, in their order. Empty for a head whose layers have [`POINTER_WIDTH`] rows without a
    /// meaning of their own.
    pub labels: &'static [&'static str],
    /// What the layers are applied to.
    pub input: HeadInput,
    /// What training minimizes.
    pub loss: Loss,
    /// The figure that evaluation reports first.
    pub metric: Metric,
    /// The key of the answer in JSON Lines.
    pub key: &'static str,
    /// The answer depends on the target.
    pub has_target: bool,
    /// Every model has this head. Others are in a model only if it was trained on labels for them.
    pub is_required: bool,
}

/// What a head reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeadInput {
    /// The mean state of a sentence's tokens.
    Sentence,
    /// The state of each token.
    Token,
    /// The mean state of a sentence's tokens, compared with the state of each token of the window.
    Mention,
}

/// The length of the vectors by which a sentence and the tokens of a window are compared.
pub const POINTER_WIDTH: usize = 64;

/// How a head's logits are compared with gold labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// Cross-entropy of the softmax over the labels.
    CrossEntropy,
    /// Negative log-likelihood of a sequence of begin, inside and outside tags, as a linear chain gives it.
    Tags,
    /// Cross-entropy of the softmax over a sentence's tokens, for the first and for the last token of a span.
    SpanPointers,
    /// Negative log-likelihood of the softmax over a window's tokens, for the first and for the last token of any of several spans.
    MentionPointers,
}

/// How good a head is, in one figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    /// The mean F1 of the labels.
    MacroF1,
    /// The average precision of a ranking by the first label's probability.
    AveragePrecision,
    /// F1 of spans that have to start and end where gold spans do.
    ExactSpanF1,
    /// F1 of spans that count by the share that gold spans cover.
    OverlapSpanF1,
}

/// What a sentence does in its text.
pub const ROLE: Head = Head {
    name: "role",
    layers: &["role"],
    labels: &Role::NAMES,
    input: HeadInput::Sentence,
    loss: Loss::CrossEntropy,
    metric: Metric::MacroF1,
    key: "role",
    has_target: false,
    is_required: true,
};

/// The position that a sentence takes toward the target.
pub const STANCE: Head = Head {
    name: "stance",
    layers: &["stance"],
    labels: &Stance::NAMES,
    input: HeadInput::Sentence,
    loss: Loss::CrossEntropy,
    metric: Metric::MacroF1,
    key: "stance",
    has_target: true,
    is_required: true,
};

/// Whether a sentence is worth checking.
pub const CHECKWORTHY: Head = Head {
    name: "checkworthy",
    layers: &["checkworthy"],
    labels: &["yes", "no"],
    input: HeadInput::Sentence,
    loss: Loss::CrossEntropy,
    metric: Metric::AveragePrecision,
    key: "checkworthiness",
    has_target: false,
    is_required: false,
};

/// The spans of attributions, a layer for each [part](crate::heads::AttributionPart).
pub const ATTRIBUTION: Head = Head {
    name: "attribution",
    layers: &["source", "cue", "content"],
    labels: &["outside", "begin", "inside"],
    input: HeadInput::Token,
    loss: Loss::Tags,
    metric: Metric::ExactSpanF1,
    key: "attributions",
    has_target: false,
    is_required: false,
};

/// The first and the last token of whoever takes the stance.
pub const HOLDER: Head = Head {
    name: "holder",
    layers: &["holder"],
    labels: &["first", "last"],
    input: HeadInput::Token,
    loss: Loss::SpanPointers,
    metric: Metric::OverlapSpanF1,
    key: "holder",
    has_target: true,
    is_required: false,
};

/// Who speaks in an attributed sentence: a mention of the speaker anywhere in the window. The first layer makes a vector of the
/// sentence, the others make vectors of tokens, as the first and as the last one of a mention.
pub const SPEAKER: Head = Head {
    name: "speaker",
    layers: &["speaker_query", "speaker_first", "speaker_last"],
    labels: &[],
    input: HeadInput::Mention,
    loss: Loss::MentionPointers,
    metric: Metric::ExactSpanF1,
    key: "speaker",
    has_target: false,
    is_required: false,
};

/// Every head that a model can have, in the order of their tensors.
pub const HEADS: [Head; 6] = [ROLE, STANCE, CHECKWORTHY, ATTRIBUTION, HOLDER, SPEAKER];

impl Head {
    /// How many rows each of the head's layers has.
    pub const fn rows(&self) -> usize {
        if self.labels.is_empty() { POINTER_WIDTH } else { self.labels.len() }
    }

    /// The head with this name, if there is one.
    pub fn named(name: &str) -> Option<Self> {
        HEADS.into_iter().find(|head| head.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique() {
        let unique = |mut names: Vec<&str>| {
            let all = names.len();
            names.sort_unstable();
            names.dedup();
            names.len() == all
        };
        assert!(unique(HEADS.map(|head| head.name).to_vec()));
        assert!(unique(HEADS.map(|head| head.key).to_vec()));
        assert!(unique(HEADS.iter().flat_map(|head| head.layers).copied().collect()));
        assert_eq!(HEADS.map(|head| Head::named(head.name)), HEADS.map(Some));
        assert_eq!(Head::named("colour"), None);
    }
}
