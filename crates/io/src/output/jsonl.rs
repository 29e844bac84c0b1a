//! One JSON object for every sentence, each on a line of its own, with its keys in a fixed order.

use super::attributions_by_sentence;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use standpoint_core::label::{Analysis, Attribution, Label, Prediction, SentenceAnalysis, TargetStance};
use standpoint_core::text::{Document, Span};
use std::io::{self, Write};

/// The keys of a line that are ours. A field of the input by such a name is written with `input_` before it.
const KEYS: [&str; 11] = [
    "doc",
    "index",
    "start",
    "end",
    "text",
    "role",
    "role_probs",
    "stance",
    "attributions",
    "checkworthiness",
    "truncated",
];

/// Writes one line for every sentence of a document. `start` and `end` count bytes.
///
/// # Errors
/// If the writer fails.
///
/// # Panics
/// If the analysis is of another document.
pub fn write(writer: &mut dyn Write, document: &Document, analysis: &Analysis) -> io::Result<()> {
    assert_eq!(document.sentences().len(), analysis.sentences.len(), "an analysis has every sentence");
    write_piece(writer, document, 0, analysis)
}

/// As [`write()`], for an analysis of the sentences from `first` on.
///
/// # Errors
/// If the writer fails.
///
/// # Panics
/// If the document has fewer sentences.
pub fn write_piece(
    writer: &mut dyn Write,
    document: &Document,
    first: usize,
    analysis: &Analysis,
) -> io::Result<()> {
    let attributions = attributions_by_sentence(document, first, analysis);
    for (place, sentence) in analysis.sentences.iter().enumerate() {
        let attributions = attributions.as_ref().map(|attributions| attributions[place].as_slice());
        let line = Line { document, index: first + place, sentence, attributions };
        serde_json::to_writer(&mut *writer, &line)?;
        writer.write_all(b"\n")?;
    }
    Ok(())
}

/// The line of one sentence alone, without its end. `attributions` are those of the sentence.
///
/// # Panics
/// If the document has no such sentence.
pub fn line(
    document: &Document,
    index: usize,
    sentence: &SentenceAnalysis,
    attributions: Option<&[&Attribution]>,
) -> String {
    let line = Line { document, index, sentence, attributions };
    serde_json::to_string(&line).expect("a line is made of strings and numbers")
}

struct Line<'a> {
    document: &'a Document,
    index: usize,
    sentence: &'a SentenceAnalysis,
    attributions: Option<&'a [&'a Attribution]>,
}

impl Serialize for Line<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let span = self.document.sentences()[self.index];
        let stances: Vec<_> = self
            .sentence
            .stances
            .iter()
            .map(|stance| StanceEntry { document: self.document, stance })
            .collect();
        let mut line = serializer.serialize_map(None)?;
        line.serialize_entry("doc", self.document.id())?;
        line.serialize_entry("index", &self.index)?;
        line.serialize_entry("start", &span.start())?;
        line.serialize_entry("end", &span.end())?;
        line.serialize_entry("text", span.slice(self.document.text()))?;
        line.serialize_entry("role", &self.sentence.role.label())?;
        line.serialize_entry("role_probs", &Probabilities(&self.sentence.role))?;
        line.serialize_entry("stance", &stances)?;
        if let Some(attributions) = self.attributions {
            let text = self.document.text();
            let entries = attributions.iter().map(|attribution| AttributionEntry { attribution, text });
            line.serialize_entry("attributions", &entries.collect::<Vec<_>>())?;
        }
        if let Some(score) = self.sentence.checkworthiness {
            line.serialize_entry("checkworthiness", &rounded(f64::from(score)))?;
        }
        if self.sentence.truncated {
            line.serialize_entry("truncated", &true)?;
        }
        for (name, value) in self.document.fields() {
            line.serialize_entry(&free_name(name, self.document), value)?;
        }
        line.end()
    }
}

/// The name under which a field of the input stands beside ours.
fn free_name(name: &str, document: &Document) -> String {
    if !KEYS.contains(&name) {
        return name.to_owned();
    }
    let mut free = format!("input_{name}");
    while document.fields().contains_key(&free) {
        free.insert_str(0, "input_");
    }
    free
}

struct StanceEntry<'a> {
    document: &'a Document,
    stance: &'a TargetStance,
}

impl Serialize for StanceEntry<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut entry = serializer.serialize_map(None)?;
        entry.serialize_entry("target", &self.stance.target)?;
        entry.serialize_entry("stance", &self.stance.prediction.label())?;
        entry.serialize_entry("probs", &Probabilities(&self.stance.prediction))?;
        if let Some(span) = self.stance.holder {
            entry.serialize_entry("holder", &Slice { span, text: self.document.text() })?;
        }
        entry.end()
    }
}

struct AttributionEntry<'a> {
    attribution: &'a Attribution,
    text: &'a str,
}

impl Serialize for AttributionEntry<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Attribution { source, cue, content } = self.attribution;
        let slices =
            |spans: &[Span]| spans.iter().map(|&span| Slice { span, text: self.text }).collect::<Vec<_>>();
        let mut entry = serializer.serialize_map(Some(3))?;
        entry.serialize_entry("source", &slices(source))?;
        entry.serialize_entry("cue", &slices(cue))?;
        entry.serialize_entry("content", &slices(content))?;
        entry.end()
    }
}

/// To four places: more than any calibration bears out.
pub(super) fn rounded(score: f64) -> f64 {
    (score * 1e4).round() / 1e4
}

/// A span with the text it covers.
struct Slice<'a> {
    span: Span,
    text: &'a str,
}

impl Serialize for Slice<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut slice = serializer.serialize_map(Some(3))?;
        slice.serialize_entry("start", &self.span.start())?;
        slice.serialize_entry("end", &self.span.end())?;
        slice.serialize_entry("text", self.span.slice(self.text))?;
        slice.end()
    }
}

/// Each label's probability by its name, in the order of [`Label::ALL`].
struct Probabilities<'a, L>(&'a Prediction<L>);

impl<L: Label> Serialize for Probabilities<'_, L> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let named = L::ALL.into_iter().map(Label::as_str).zip(self.0.probabilities());
        serializer.collect_map(named)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{attributed_example, example};
    use super::*;
    use serde_json::json;

    fn lines(document: &Document, analysis: &Analysis) -> Vec<String> {
        let mut bytes = Vec::new();
        write(&mut bytes, document, analysis).unwrap();
        String::from_utf8(bytes).unwrap().lines().map(str::to_owned).collect()
    }

    #[test]
    fn a_line_has_its_keys_in_a_fixed_order() {
        let (document, analysis) = example();
        let lines = lines(&document, &analysis);
        assert_eq!(
            lines[0],
            r#"{"doc":"example.txt","index":0,"start":0,"end":29,"text":"Troops begin leaving the east","role":"claim","role_probs":{"claim":0.91,"attributed":0.03,"background":0.06},"stance":[{"target":"withdrawal of foreign troops","stance":"favor","probs":{"favor":0.75,"against":0.05,"none":0.2}}],"checkworthiness":0.82}"#
        );
        let second: serde_json::Value = serde_json::from_str(&lines[1]).unwrap();
        assert_eq!(second["stance"][0]["holder"], json!({"start": 73, "end": 85, "text": "the governor"}));
        let third: serde_json::Value = serde_json::from_str(&lines[2]).unwrap();
        assert_eq!(third["truncated"], true);
    }

    #[test]
    fn attributions_stand_in_every_sentence_that_they_touch() {
        let (document, analysis) = attributed_example();
        let lines: Vec<serde_json::Value> =
            lines(&document, &analysis).iter().map(|line| serde_json::from_str(line).unwrap()).collect();
        let slice =
            |start: usize, text: &str| json!({"start": start, "end": start + text.len(), "text": text});
        let quote = json!([{
            "source": [slice(73, "the governor")],
            "cue": [slice(68, "said")],
            "content": [
                slice(30, "“They should have gone long ago,”"),
                slice(document.text().len() - 14, "built in 1987"),
            ],
        }]);
        assert_eq!(lines[1]["attributions"], quote);
        assert_eq!(lines[2]["attributions"], quote, "the content goes on there");
        let headline =
            json!([{"source": [], "cue": [], "content": [slice(0, "Troops begin leaving the east")]}]);
        assert_eq!(lines[0]["attributions"], headline);
        let keys: Vec<&String> = lines[2].as_object().unwrap().keys().collect();
        assert_eq!(keys[7..], ["stance", "attributions", "checkworthiness", "truncated"]);
    }

    #[test]
    fn scores_are_rounded() {
        let (document, mut analysis) = example();
        analysis.sentences[0].checkworthiness = Some(0.123_456_7);
        assert!(lines(&document, &analysis)[0].ends_with(r#""checkworthiness":0.1235}"#));
    }

    #[test]
    fn fields_of_the_input_never_shadow_ours() {
        let (document, analysis) = example();
        let fields = json!({"outlet": "x", "role": 1, "doc": 2, "input_doc": 3});
        let document = document.with_fields(fields.as_object().unwrap().clone());
        let line = lines(&document, &analysis).remove(0);
        assert!(
            line.ends_with(r#""outlet":"x","input_role":1,"input_input_doc":2,"input_doc":3}"#),
            "{line}"
        );
    }
}
