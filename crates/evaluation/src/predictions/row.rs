//! A row of answers, and what it says.

use crate::Task;
use crate::answers::{LabelAnswer, SentenceAnswer, rounded};
use crate::error::{GoldProblem, InputProblem, PredictionProblem, ReadingProblem};
use crate::gold::offsets::{Offsets, Unit};
use crate::gold::{GoldLabels, find_words};
use serde::Deserialize;
use serde::de::{DeserializeOwned, Error};
use serde_json::Value;
use standpoint_core::label::{Attribution, Label, Role, Stance};
use standpoint_core::text::Span;
use std::collections::BTreeMap;

/// How far from 1 the sum of rounded probabilities may be.
const TOLERANCE: f64 = 0.01;

/// A row. Fields that are not ours are ignored, as `classify` passes on what it was given.
#[derive(Deserialize)]
pub(crate) struct Row {
    doc: Option<Name>,
    doc_id: Option<Name>,
    id: Option<Name>,
    pub index: Option<usize>,
    pub text: Option<String>,
    /// Where the sentence begins in the text that offsets count in.
    start: Option<usize>,
    end: Option<usize>,
    pub offsets: Option<Unit>,
    target: Option<String>,
    role: Option<Role>,
    role_probs: Option<BTreeMap<String, f64>>,
    stance: Option<OneOrMore<Stance, Vec<TargetAnswer>>>,
    stance_probs: Option<BTreeMap<String, f64>>,
    holder: Option<Holder>,
    attributed: Option<bool>,
    checkworthy: Option<bool>,
    checkworthiness: Option<f64>,
    attributions: Option<Vec<AttributionAnswer>>,
    speaker: Option<String>,
    duplicate_of: Option<Value>,
}

/// An id: a string, or a number that is kept as it is written.
#[derive(Deserialize)]
#[serde(untagged)]
enum Name {
    Text(String),
    Number(serde_json::Number),
}

/// A stance toward one of several targets, as `classify` writes it.
#[derive(Deserialize)]
struct TargetAnswer {
    target: String,
    stance: Stance,
    probs: Option<BTreeMap<String, f64>>,
    holder: Option<Holder>,
}

/// A string, or something else.
#[derive(Deserialize)]
#[serde(try_from = "Value", bound = "S: DeserializeOwned, M: DeserializeOwned")]
enum OneOrMore<S, M> {
    One(S),
    More(M),
}

impl<S: DeserializeOwned, M: DeserializeOwned> TryFrom<Value> for OneOrMore<S, M> {
    type Error = serde_json::Error;

    fn try_from(value: Value) -> Result<Self, serde_json::Error> {
        match value {
            Value::String(_) => serde_json::from_value(value).map(Self::One),
            value => serde_json::from_value(value).map(Self::More),
        }
    }
}

/// A holder: words of the sentence, or a span.
type Holder = OneOrMore<String, Piece>;

/// A span: offsets, and its text if it is given.
#[derive(Deserialize)]
#[serde(try_from = "Value")]
struct Piece {
    start: usize,
    end: usize,
    text: Option<String>,
}

impl TryFrom<Value> for Piece {
    type Error = serde_json::Error;

    fn try_from(value: Value) -> Result<Self, serde_json::Error> {
        #[derive(Deserialize)]
        struct Fields {
            start: usize,
            end: usize,
            text: Option<String>,
        }
        match value {
            Value::Array(_) => {
                let [start, end] = serde_json::from_value(value)?;
                Ok(Self { start, end, text: None })
            }
            Value::Object(_) => {
                let Fields { start, end, text } = serde_json::from_value(value)?;
                Ok(Self { start, end, text })
            }
            _ => Err(Error::custom("a span must be [start, end], or an object with start and end")),
        }
    }
}

#[derive(Deserialize)]
struct AttributionAnswer {
    #[serde(default)]
    source: Vec<Piece>,
    #[serde(default)]
    cue: Vec<Piece>,
    #[serde(default)]
    content: Vec<Piece>,
}

impl Row {
    /// # Errors
    /// If the row is none that can be scored.
    pub fn check(&self) -> Result<(), InputProblem> {
        match self.duplicate_of {
            Some(_) => Err(PredictionProblem::Repeat.into()),
            None => Ok(()),
        }
    }

    /// The id of its document.
    pub fn id(&self) -> Option<String> {
        let name = self.doc.as_ref().or(self.doc_id.as_ref()).or(self.id.as_ref())?;
        Some(match name {
            Name::Text(text) => text.clone(),
            Name::Number(number) => number.to_string(),
        })
    }

    /// The targets of its stances, if it names any.
    pub fn targets(&self) -> Option<Vec<&str>> {
        match (&self.stance, &self.target) {
            (Some(OneOrMore::More(stances)), _) => {
                Some(stances.iter().map(|answer| answer.target.as_str()).collect())
            }
            (_, Some(target)) => Some(vec![target]),
            _ => None,
        }
    }

    /// Its labels as those of a reader. A sentence is worth checking from a score of 0.5 on.
    pub fn labels(&self) -> Result<GoldLabels, InputProblem> {
        let stance = match &self.stance {
            None => None,
            Some(OneOrMore::One(stance)) => Some(*stance),
            Some(OneOrMore::More(stances)) => match &stances[..] {
                [] => None,
                [one] => Some(one.stance),
                _ => return Err(ReadingProblem::Targets.into()),
            },
        };
        let checkworthy = self.checkworthy.or(self.checkworthiness.map(|score| score >= 0.5));
        Ok(GoldLabels { role: self.role, stance, checkworthy, ..GoldLabels::default() })
    }

    /// Where its sentence stands, if it says so in bytes.
    pub fn own_span(&self) -> Result<Option<Span>, InputProblem> {
        let Some((start, end)) = self.start.zip(self.end) else { return Ok(None) };
        self.own("sentence", start, end).map(Some)
    }

    /// Its attributions, where it has them.
    pub fn own_attributions(&self) -> Result<Option<Vec<Attribution>>, InputProblem> {
        let Some(found) = &self.attributions else { return Ok(None) };
        let spans = |what, pieces: &[Piece]| -> Result<Vec<Span>, InputProblem> {
            pieces.iter().map(|piece| self.own(what, piece.start, piece.end)).collect()
        };
        found.iter().map(|one| one.located(spans)).collect::<Result<_, InputProblem>>().map(Some)
    }

    /// A span of its own text, which is not at hand.
    fn own(&self, what: &'static str, start: usize, end: usize) -> Result<Span, InputProblem> {
        match self.offsets {
            None | Some(Unit::Bytes) if start <= end => Ok(Span::new(start, end)),
            None | Some(Unit::Bytes) => Err(ReadingProblem::Backwards { what, start, end }.into()),
            Some(_) => Err(ReadingProblem::Unit.into()),
        }
    }

    /// What it says of a sentence whose stance is toward `target`.
    pub fn answer(
        &self,
        target: &str,
        offsets: &Offsets<'_>,
        sentence: Span,
        index: usize,
        asks_stance: bool,
    ) -> Result<SentenceAnswer, InputProblem> {
        let mut answer = SentenceAnswer { speaker: self.speaker.clone(), ..SentenceAnswer::default() };
        if let Some(role) = self.role {
            answer.set_role(label("role_probs", role, self.role_probs.as_ref())?);
        }
        if let Some(attributed) = self.attributed {
            let label = Task::Attributed.labels()[usize::from(!attributed)].to_owned();
            answer.labels.insert(Task::Attributed, (label, Vec::new()));
        }
        match (self.checkworthiness, self.checkworthy) {
            (Some(score), _) if (0.0..=1.0).contains(&score) => answer.set_checkworthiness(score),
            (Some(_), _) => return Err(PredictionProblem::Score.into()),
            (None, Some(checkworthy)) => {
                let label = Task::Checkworthy.labels()[usize::from(!checkworthy)].to_owned();
                answer.labels.insert(Task::Checkworthy, (label, Vec::new()));
            }
            (None, None) => {}
        }
        if !asks_stance {
            return Ok(answer);
        }
        let (stance, probs, holder) = match &self.stance {
            None => (None, None, self.holder.as_ref()),
            Some(OneOrMore::One(stance)) => (Some(*stance), self.stance_probs.as_ref(), self.holder.as_ref()),
            Some(OneOrMore::More(stances)) => {
                let own = stances.iter().find(|answer| answer.target == target);
                let own = own.ok_or_else(|| PredictionProblem::Target { target: target.to_owned() })?;
                (Some(own.stance), own.probs.as_ref(), own.holder.as_ref())
            }
        };
        if let Some(stance) = stance {
            answer.labels.insert(Task::Stance, label("stance_probs", stance, probs)?);
        }
        answer.holder = holder
            .and_then(|holder| self.holder(holder, offsets, sentence, index).transpose())
            .transpose()?;
        Ok(answer)
    }

    fn holder(
        &self,
        holder: &Holder,
        offsets: &Offsets<'_>,
        sentence: Span,
        index: usize,
    ) -> Result<Option<Span>, InputProblem> {
        let text = offsets.text();
        match holder {
            OneOrMore::One(words) if words.trim().is_empty() => Ok(None),
            OneOrMore::One(words) => {
                let start = find_words(sentence.slice(text), words);
                let start = start.ok_or_else(|| GoldProblem::Holder { holder: words.clone(), index })?;
                let start = sentence.start() + start;
                Ok(Some(Span::new(start, start + words.len())))
            }
            OneOrMore::More(piece) => {
                let span = self.span("holder", piece, offsets, sentence)?;
                match sentence.start() <= span.start() && span.end() <= sentence.end() {
                    true => Ok(Some(span)),
                    false => {
                        let holder = span.slice(text).to_owned();
                        Err(GoldProblem::Holder { holder, index }.into())
                    }
                }
            }
        }
    }

    /// Its attributions, in the gold document's text. `None` if it does not look for any.
    pub fn attributions(
        &self,
        offsets: &Offsets<'_>,
        sentence: Span,
    ) -> Result<Option<Vec<Attribution>>, InputProblem> {
        let Some(found) = &self.attributions else { return Ok(None) };
        let spans = |what, pieces: &[Piece]| -> Result<Vec<Span>, InputProblem> {
            pieces.iter().map(|piece| self.span(what, piece, offsets, sentence)).collect()
        };
        found.iter().map(|one| one.located(spans)).collect::<Result<_, InputProblem>>().map(Some)
    }

    /// A span of the gold document. If the row says where its sentence begins, offsets count in its own text, which may begin
    /// elsewhere than the gold one.
    fn span(
        &self,
        what: &'static str,
        piece: &Piece,
        offsets: &Offsets<'_>,
        sentence: Span,
    ) -> Result<Span, InputProblem> {
        let own = self.start.unwrap_or_else(|| offsets.count(sentence.start()));
        let moved = |offset: usize| offset.checked_add(offsets.count(sentence.start()))?.checked_sub(own);
        let (start, end) =
            moved(piece.start).zip(moved(piece.end)).ok_or(PredictionProblem::Outside { what })?;
        match &piece.text {
            Some(text) => offsets.span_of(what, [start, end], text),
            None => offsets.span(what, start, end),
        }
    }
}

impl AttributionAnswer {
    /// The attribution, with its pieces turned into spans.
    fn located(
        &self,
        spans: impl Fn(&'static str, &[Piece]) -> Result<Vec<Span>, InputProblem>,
    ) -> Result<Attribution, InputProblem> {
        Ok(Attribution {
            source: spans("source", &self.source)?,
            cue: spans("cue", &self.cue)?,
            content: spans("content", &self.content)?,
        })
    }
}

/// A label with the probabilities of all labels, if they are given.
fn label<L: Label>(
    field: &'static str,
    label: L,
    probs: Option<&BTreeMap<String, f64>>,
) -> Result<LabelAnswer, InputProblem> {
    let Some(probs) = probs else { return Ok((label.as_str().to_owned(), Vec::new())) };
    let known: Option<Vec<f64>> = L::NAMES.iter().map(|name| probs.get(*name).copied()).collect();
    let is_sound = |found: &Vec<f64>| {
        probs.len() == found.len()
            && found.iter().all(|probability| (0.0..=1.0).contains(probability))
            && (found.iter().sum::<f64>() - 1.0).abs() <= TOLERANCE
    };
    let found =
        known.filter(is_sound).ok_or(PredictionProblem::Probabilities { field, labels: &L::NAMES })?;
    Ok((label.as_str().to_owned(), found.into_iter().map(rounded).collect()))
}
