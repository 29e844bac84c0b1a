//! What a document is asked: its stance toward a target, in one of several wordings. Toward a wording of the opposite, favor and
//! against change places.

use serde_json::Value;
use standpoint_core::label::{Label, Stance};
use standpoint_evaluation::gold::GoldDocument;

/// A target, other phrases for it, and phrases for its opposite.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Phrases {
    pub target: String,
    pub same: Vec<String>,
    pub opposite: Vec<String>,
}

impl Phrases {
    /// Those of a document: of each object in its field `targets`, or else of its own target and its fields `same` and `opposite`.
    pub fn of(gold: &GoldDocument) -> Vec<Self> {
        let fields = gold.document.fields();
        let Some(Value::Array(listed)) = fields.get("targets") else {
            return vec![Self::new(&gold.target, |name| fields.get(name))];
        };
        let one = |listed: &Value| {
            let target = listed.get("target")?.as_str()?;
            Some(Self::new(target, |name| listed.get(name).cloned()))
        };
        listed.iter().filter_map(one).collect()
    }

    fn new(target: &str, field: impl Fn(&str) -> Option<Value>) -> Self {
        let list = |name: &str| match field(name) {
            Some(Value::Array(phrases)) => {
                phrases.iter().filter_map(Value::as_str).map(str::to_owned).collect()
            }
            _ => Vec::new(),
        };
        Self { target: target.to_owned(), same: list("same"), opposite: list("opposite") }
    }
}

/// A phrase as token ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wording {
    pub tokens: Vec<u32>,
    /// It is the opposite of the target that labels are toward.
    pub reversed: bool,
}

/// A stance, or the probabilities of stances, toward the opposite target.
pub trait Reversed {
    fn reversed(self) -> Self;
}

impl Reversed for [f32; 3] {
    fn reversed(mut self) -> Self {
        self.swap(Stance::Favor.index(), Stance::Against.index());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use standpoint_core::text::Document;

    fn phrases(fields: Value) -> Vec<Phrases> {
        let Value::Object(fields) = fields else { panic!("fields are an object") };
        let document = Document::from_sentences("a", &["Go."]).with_fields(fields);
        Phrases::of(&GoldDocument {
            document,
            target: "a ban".into(),
            labels: Vec::new(),
            attributions: None,
        })
    }

    #[test]
    fn a_document_has_its_own_target_or_a_list_of_them() {
        let own = Phrases { target: "a ban".into(), opposite: vec!["no ban".into()], ..Phrases::default() };
        assert_eq!(phrases(json!({"opposite": ["no ban"], "same": null})), [own]);
        let listed = phrases(json!({"targets": [{"target": "a tax", "same": ["taxing"]}, {"target": 3}]}));
        assert_eq!(
            listed,
            [Phrases { target: "a tax".into(), same: vec!["taxing".into()], opposite: vec![] }]
        );
    }

    #[test]
    fn toward_the_opposite_favor_and_against_change_places() {
        assert_eq!([0.7, 0.2, 0.1].reversed(), [0.2, 0.7, 0.1]);
    }
}
