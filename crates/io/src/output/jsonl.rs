//! One JSON object for each sentence, on a line of its own, with its keys in a fixed order. `start` and `end` count bytes, or what
//! `offsets` says.

use super::offsets::{OffsetTable, OffsetTables, OffsetUnit};
use super::repeats::{First, MOST_REMEMBERED, Repeats};
use super::{Sink, SinkNote, one_line};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use standpoint_core::label::{Attribution, Label, Prediction, TargetStance};
use standpoint_core::record::Record;
use standpoint_core::text::{Document, Metadata, Span, TimeSpan};
use std::io::{self, Write};
use std::time::Duration;

/// The keys of a line that are ours. A field of the input by such a name is written with `input_` before it.
const KEYS: [&str; 16] = [
    "doc",
    "index",
    "start",
    "end",
    "offsets",
    "text",
    "speaker",
    "speaker_prob",
    "time",
    "duplicate_of",
    "role",
    "role_probs",
    "stance",
    "attributions",
    "checkworthiness",
    "truncated",
];

/// Writes a line for each record.
pub struct JsonlSink<W> {
    writer: W,
    offsets: OffsetTables,
    repeats: Option<Repeats>,
}

impl<W: Write> JsonlSink<W> {
    pub fn new(writer: W) -> Self {
        Self { writer, offsets: OffsetTables::new(OffsetUnit::Bytes), repeats: None }
    }

    /// The same with offsets that count another unit.
    pub fn counting(self, unit: OffsetUnit) -> Self {
        Self { offsets: OffsetTables::new(unit), ..self }
    }

    /// The same with labels for the first of like sentences only. The others point to it.
    pub fn unique(self) -> Self {
        Self { repeats: Some(Repeats::default()), ..self }
    }
}

impl<W: Write> Sink for JsonlSink<W> {
    fn write(&mut self, record: Record) -> io::Result<()> {
        let table = self.offsets.of(&record.document);
        let first = self.repeats.as_mut().and_then(|repeats| repeats.first(&record.document, record.index));
        let body = match first {
            Some(first) => one_line::to_string(&RepeatBody { record: &record, table, first }),
            None => body(&record, table),
        };
        write_line(&mut self.writer, record.document.metadata(), &body)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }

    fn finish(&mut self) -> io::Result<Vec<SinkNote>> {
        self.writer.flush()?;
        let is_full = self.repeats.as_ref().is_some_and(Repeats::is_full);
        Ok(is_full.then_some(SinkNote::RepeatsUnknown { limit: MOST_REMEMBERED }).into_iter().collect())
    }
}

/// A record's line without what its document brings to it: a JSON object.
pub(super) fn body(record: &Record, table: &OffsetTable) -> String {
    one_line::to_string(&Body(record, table))
}

/// Writes a record's line: the document's id, the [`body`], and the document's fields.
pub(super) fn write_line(writer: &mut dyn Write, document: &Metadata, body: &str) -> io::Result<()> {
    writer.write_all(b"{\"doc\":")?;
    one_line::write(writer, &document.id)?;
    let keys = body.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap_or_default();
    write!(writer, ",{keys}")?;
    for (name, json) in document.fields.json() {
        writer.write_all(b",")?;
        one_line::write(writer, &free_name(name, document))?;
        writer.write_all(b":")?;
        one_line::write_json(writer, json)?;
    }
    writer.write_all(b"}\n")
}

struct Body<'a>(&'a Record, &'a OffsetTable);

impl Serialize for Body<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(record, table) = *self;
        let text = Counted { text: record.document.text(), table };
        let stances: Vec<_> = record.stances.iter().map(|stance| StanceEntry { stance, text }).collect();
        let mut line = serializer.serialize_map(None)?;
        serialize_sentence(&mut line, &record.document, record.index, table)?;
        if let Some(speaker) = &record.speaker {
            line.serialize_entry("speaker", &speaker.name)?;
            line.serialize_entry("speaker_prob", &rounded(f64::from(speaker.probability)))?;
        }
        line.serialize_entry("role", &record.role.label())?;
        line.serialize_entry("role_probs", &Probabilities(&record.role))?;
        line.serialize_entry("stance", &stances)?;
        if let Some(attributions) = &record.attributions {
            let entries: Vec<_> = attributions
                .iter()
                .map(|located| AttributionEntry { attribution: &located.attribution, text })
                .collect();
            line.serialize_entry("attributions", &entries)?;
        }
        if let Some(score) = record.checkworthiness {
            line.serialize_entry("checkworthiness", &rounded(f64::from(score)))?;
        }
        if record.truncated {
            line.serialize_entry("truncated", &true)?;
        }
        line.end()
    }
}

/// A sentence that came before.
struct RepeatBody<'a> {
    record: &'a Record,
    table: &'a OffsetTable,
    first: First<'a>,
}

impl Serialize for RepeatBody<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut line = serializer.serialize_map(None)?;
        serialize_sentence(&mut line, &self.record.document, self.record.index, self.table)?;
        line.serialize_entry("duplicate_of", &self.first)?;
        line.end()
    }
}

/// What the sentence is, whatever is said of it.
pub(super) fn serialize_sentence<M: SerializeMap>(
    line: &mut M,
    document: &Document,
    index: usize,
    table: &OffsetTable,
) -> Result<(), M::Error> {
    let (start, end) = table.of(document.text(), document.sentences()[index]);
    line.serialize_entry("index", &index)?;
    line.serialize_entry("start", &start)?;
    line.serialize_entry("end", &end)?;
    if table.unit() != OffsetUnit::Bytes {
        line.serialize_entry("offsets", table.unit().name())?;
    }
    line.serialize_entry("text", document.sentence(index))?;
    let Some(turn) = document.turn(index) else { return Ok(()) };
    if let Some(speaker) = &turn.speaker {
        line.serialize_entry("speaker", speaker.as_ref())?;
    }
    match turn.time {
        Some(time) => line.serialize_entry("time", &Seconds(time)),
        None => Ok(()),
    }
}

/// From when to when, in seconds to the millisecond.
struct Seconds(TimeSpan);

impl Serialize for Seconds {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let seconds = |time: Duration| (time.as_secs_f64() * 1e3).round() / 1e3;
        let mut time = serializer.serialize_map(Some(2))?;
        time.serialize_entry("start", &seconds(self.0.start))?;
        time.serialize_entry("end", &seconds(self.0.end))?;
        time.end()
    }
}

/// The name under which a field of the input stands beside ours.
fn free_name(name: &str, document: &Metadata) -> String {
    if !KEYS.contains(&name) {
        return name.to_owned();
    }
    let mut free = format!("input_{name}");
    while document.fields.contains(&free) {
        free.insert_str(0, "input_");
    }
    free
}

struct StanceEntry<'a> {
    stance: &'a TargetStance,
    text: Counted<'a>,
}

impl Serialize for StanceEntry<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut entry = serializer.serialize_map(None)?;
        entry.serialize_entry("target", &self.stance.target)?;
        entry.serialize_entry("stance", &self.stance.prediction.label())?;
        entry.serialize_entry("probs", &Probabilities(&self.stance.prediction))?;
        if let Some(span) = self.stance.holder {
            entry.serialize_entry("holder", &Slice { span, text: self.text })?;
        }
        entry.end()
    }
}

struct AttributionEntry<'a> {
    attribution: &'a Attribution,
    text: Counted<'a>,
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

/// A text and what its offsets are.
#[derive(Clone, Copy)]
struct Counted<'a> {
    text: &'a str,
    table: &'a OffsetTable,
}

/// A span with the text it covers.
struct Slice<'a> {
    span: Span,
    text: Counted<'a>,
}

impl Serialize for Slice<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Counted { text, table } = self.text;
        let (start, end) = table.of(text, self.span);
        let mut slice = serializer.serialize_map(Some(3))?;
        slice.serialize_entry("start", &start)?;
        slice.serialize_entry("end", &end)?;
        slice.serialize_entry("text", self.span.slice(text))?;
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
    use super::super::{attributed_example, example, written};
    use super::*;
    use serde_json::json;
    use std::sync::Arc;

    fn lines(records: Vec<Record>) -> Vec<String> {
        let written = written(records, |bytes| Box::new(JsonlSink::new(bytes)));
        written.lines().map(str::to_owned).collect()
    }

    #[test]
    fn a_line_has_its_keys_in_a_fixed_order() {
        let lines = lines(example());
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
        let records = attributed_example();
        let text = records[0].document.text().to_owned();
        let lines: Vec<serde_json::Value> =
            lines(records).iter().map(|line| serde_json::from_str(line).unwrap()).collect();
        let slice =
            |start: usize, text: &str| json!({"start": start, "end": start + text.len(), "text": text});
        let quote = json!([{
            "source": [slice(73, "the governor")],
            "cue": [slice(68, "said")],
            "content": [
                slice(30, "“They should have gone long ago,”"),
                slice(text.len() - 14, "built in 1987"),
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
    fn every_offset_counts_what_the_line_says() {
        let records = attributed_example();
        let text: Vec<char> = records[0].document.text().chars().collect();
        let written = written(records, |bytes| Box::new(JsonlSink::new(bytes).counting(OffsetUnit::Chars)));
        let mut spans = 0;
        for line in written.lines() {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            assert_eq!(line["offsets"], "chars");
            let mut values = vec![&line];
            while let Some(value) = values.pop() {
                values.extend(value.as_array().into_iter().flatten());
                let Some(fields) = value.as_object() else { continue };
                values.extend(fields.values());
                if let Some(end) = fields.get("end") {
                    let [start, end] =
                        [&fields["start"], end].map(|offset| offset.as_u64().unwrap() as usize);
                    assert_eq!(fields["text"], text[start..end].iter().collect::<String>());
                    spans += 1;
                }
            }
        }
        assert!(spans > 8);
    }

    #[test]
    fn a_repeat_points_to_the_first_in_place_of_labels() {
        let (mut first, mut second) = (example(), example());
        let named = |id: &str| {
            Arc::new(Document::from_sentences(id, &["They left.", "Nobody stayed.", "“THEY left.”"]))
        };
        for (records, document) in [(&mut first, named("a")), (&mut second, named("b"))] {
            for record in records {
                record.document = Arc::clone(&document);
                record.stances.clear();
                record.attributions = None;
            }
        }
        let all = first.into_iter().chain(second).collect();
        let written = written(all, |bytes| Box::new(JsonlSink::new(bytes).unique()));
        let lines: Vec<serde_json::Value> =
            written.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let pointers: Vec<_> = lines.iter().map(|line| line["duplicate_of"].clone()).collect();
        let to = |index: usize| json!({"doc": "a", "index": index});
        assert_eq!(pointers, [json!(null), json!(null), to(0), to(0), to(1), to(0)]);
        for line in lines {
            assert_eq!(line.get("role").is_none(), line.get("duplicate_of").is_some());
        }
    }

    #[test]
    fn scores_are_rounded() {
        let mut records = example();
        records[0].checkworthiness = Some(0.123_456_7);
        assert!(lines(records)[0].ends_with(r#""checkworthiness":0.1235}"#));
    }

    #[test]
    fn fields_of_the_input_never_shadow_ours() {
        let mut record = example().remove(0);
        let fields = json!({"outlet": "x", "role": 1, "doc": 2, "input_doc": 3});
        let document = Document::clone(&record.document).with_fields(fields.as_object().unwrap().clone());
        record.document = Arc::new(document);
        let line = lines(vec![record]).remove(0);
        assert!(
            line.ends_with(r#""outlet":"x","input_role":1,"input_input_doc":2,"input_doc":3}"#),
            "{line}"
        );
    }
}
