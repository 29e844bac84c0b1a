//! From captions to a document: the cues of a recording become text, and each sentence gets its time and its speaker.

use super::InputOptions;
use super::plain::SENTENCES;
use crate::error::InputProblem;
use standpoint_core::segment::{self, Wrapped};
use standpoint_core::text::{Document, Span, TimeSpan, Turn};
use standpoint_core::transcript::{self, Transcript};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// What is shown at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cue {
    pub time: TimeSpan,
    pub lines: Vec<Line>,
}

/// A line of a cue. Tags are taken off, entities are decoded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Line {
    pub speaker: Option<String>,
    pub text: String,
}

/// Captions with fewer full stops, of a hundred words, are not punctuated, as those that a machine wrote: each cue is a
/// sentence then.
const STOPS: usize = 1;

/// Captions are rolled up if this share of the cues, in percent, begins with what the cue before showed.
const ROLLED: usize = 50;

/// The most words of a cue that are looked at to find what it repeats.
const REPEATED: usize = 64;

/// A cue that begins so long after the one before ended does not repeat it.
const GAP: Duration = Duration::from_millis(500);

/// The document of some captions.
///
/// # Errors
/// If nothing is said in them, or too much.
pub(super) fn document(id: &str, cues: Vec<Cue>, options: &InputOptions) -> Result<Document, InputProblem> {
    let Script { text, pieces } = Script::new(unrolled(cues));
    // Each line of the script is a paragraph, however its length looks.
    let segmentation = segment::Options { wrapped: Wrapped::No, ..options.segmentation.clone() };
    let sentences: Vec<Span> = segment::each_with(&text, &segmentation).take(SENTENCES + 1).collect();
    if sentences.is_empty() {
        return Err(InputProblem::Empty);
    }
    if sentences.len() > SENTENCES {
        return Err(InputProblem::TooManySentences { limit: SENTENCES });
    }
    let mut names: HashMap<&str, Arc<str>> = HashMap::new();
    let mut turns = Vec::with_capacity(sentences.len());
    for sentence in &sentences {
        let first = pieces.partition_point(|piece| piece.span.end() <= sentence.start());
        let end = pieces.partition_point(|piece| piece.span.start() < sentence.end());
        let touched = &pieces[first..end.max(first)];
        let time = touched.first().zip(touched.last()).map(|(first, last)| TimeSpan {
            start: first.time.start,
            end: last.time.end.max(first.time.end),
        });
        let speaker = touched.iter().find_map(|piece| piece.speaker.as_deref());
        let speaker = speaker.map(|name| Arc::clone(names.entry(name).or_insert_with(|| name.into())));
        turns.push(Turn { speaker, time, unspoken: 0 });
    }
    // Who speaks is known of captions; labels are read in addition, unless nobody wants it.
    let whether = if options.transcript == Transcript::No { Transcript::No } else { Transcript::Yes };
    Ok(transcript::with_turns(Document::new(id, text, sentences).with_turns(turns), whether))
}

/// What is said, as one text, and where in it each cue stands.
#[derive(Default)]
struct Script {
    text: String,
    pieces: Vec<Piece>,
}

struct Piece {
    span: Span,
    time: TimeSpan,
    speaker: Option<String>,
}

impl Script {
    fn new(cues: Vec<Cue>) -> Self {
        let is_punctuated = is_punctuated(&cues);
        let mut script = Self::default();
        for cue in cues {
            let mut is_first = true;
            for line in cue.lines {
                // Of two who speak in one cue, each has a dash.
                let dialog = line.text.strip_prefix(['-', '–']).map(str::trim_start);
                let is_dialog = dialog.is_some_and(|rest| rest.starts_with(|c: char| c.is_uppercase()));
                let text = dialog.filter(|_| is_dialog).unwrap_or(&line.text);
                let same = script.pieces.last().is_none_or(|piece| piece.speaker == line.speaker);
                let is_other = !same || is_dialog || text.starts_with(">>") || is_first && !is_punctuated;
                script.add(text, cue.time, line.speaker.clone(), is_other);
                is_first = false;
            }
        }
        script
    }

    fn add(&mut self, text: &str, time: TimeSpan, speaker: Option<String>, is_other: bool) {
        if text.is_empty() {
            return;
        }
        if !self.text.is_empty() {
            self.text.push(if is_other { '\n' } else { ' ' });
        }
        let start = self.text.len();
        self.text.push_str(text);
        self.pieces.push(Piece { span: Span::new(start, self.text.len()), time, speaker });
    }
}

fn is_punctuated(cues: &[Cue]) -> bool {
    let (mut words, mut stops) = (0, 0);
    for line in cues.iter().flat_map(|cue| &cue.lines) {
        words += line.text.split_whitespace().count();
        stops += line.text.matches(['.', '?', '!', '…']).count();
    }
    // A few words have one stop at most.
    words < 25 || stops * 100 >= words * STOPS
}

/// The cues without what each repeats of the one before, if the captions are rolled up: a line is shown while it is said,
/// and then once more above the next one.
fn unrolled(cues: Vec<Cue>) -> Vec<Cue> {
    let repeated: Vec<usize> = std::iter::once(0)
        .chain(cues.windows(2).map(|pair| {
            let is_near = pair[1].time.start <= pair[0].time.end + GAP;
            if is_near { repeated_words(&pair[0], &pair[1]) } else { 0 }
        }))
        .collect();
    let with_repeats = repeated.iter().filter(|&&words| words > 0).count();
    if cues.len() < 3 || with_repeats * 100 < (cues.len() - 1) * ROLLED {
        return cues;
    }
    let strip = |(mut cue, mut words): (Cue, usize)| {
        for line in &mut cue.lines {
            let own = line.text.split_whitespace().count();
            let rest: Vec<&str> = line.text.split_whitespace().skip(words).collect();
            line.text = rest.join(" ");
            words = words.saturating_sub(own);
        }
        cue.lines.retain(|line| !line.text.is_empty());
        cue
    };
    cues.into_iter().zip(repeated).map(strip).collect()
}

/// With how many words a cue begins that the one before ends with: the whole of a line, or of either cue.
fn repeated_words(before: &Cue, cue: &Cue) -> usize {
    let words = |cue: &Cue| -> Vec<String> {
        let words = cue.lines.iter().flat_map(|line| line.text.split_whitespace());
        words.map(str::to_owned).collect()
    };
    let (all, next) = (words(before), words(cue));
    let tail = &all[all.len().saturating_sub(REPEATED)..];
    let last = before.lines.last().map_or(0, |line| line.text.split_whitespace().count());
    let most = tail.len().min(next.len());
    let is_whole = |&count: &usize| count >= last.min(next.len()) && tail.ends_with(&next[..count]);
    (1..=most).rev().find(is_whole).unwrap_or(0)
}

/// A time as `1:02:03.500`, `02:03.500` or `01:02:03,500`.
pub(super) fn time(written: &str) -> Option<Duration> {
    let (whole, fraction) = written.split_once(['.', ',']).unwrap_or((written, "0"));
    let parts: Vec<u64> = whole.split(':').map(number).collect::<Option<_>>()?;
    let seconds = match parts[..] {
        [minutes, seconds] if seconds < 60 => minutes * 60 + seconds,
        [hours, minutes, seconds] if minutes < 60 && seconds < 60 => (hours * 60 + minutes) * 60 + seconds,
        _ => return None,
    };
    let digits = fraction.get(..fraction.len().min(3))?;
    let milliseconds = number(digits)? * 10_u64.pow(3 - digits.len() as u32);
    Some(Duration::from_millis(seconds * 1000 + milliseconds))
}

/// No recording has a number of more digits.
fn number(digits: &str) -> Option<u64> {
    let is_number = (1..=9).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.parse().ok())?
}

/// The times of a line such as `00:01.000 --> 00:02.000 align:start`.
pub(super) fn times(line: &str) -> Option<TimeSpan> {
    let (start, rest) = line.split_once("-->")?;
    let start = time(start.trim())?;
    let end = time(rest.split_whitespace().next()?)?;
    Some(TimeSpan { start, end: end.max(start) })
}

/// The characters that captions write as entities.
pub(super) fn decoded(text: &str) -> String {
    if !text.contains('&') {
        return text.to_owned();
    }
    // `&amp;` comes last, so that nothing is decoded twice.
    const ENTITIES: [(&str, &str); 8] = [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&nbsp;", "\u{a0}"),
        ("&lrm;", ""),
        ("&rlm;", ""),
        ("&quot;", "\""),
        ("&#39;", "'"),
        ("&amp;", "&"),
    ];
    ENTITIES.iter().fold(text.to_owned(), |text, (entity, character)| text.replace(entity, character))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cue(start: u64, end: u64, lines: &[&str]) -> Cue {
        let line = |text: &&str| Line { speaker: None, text: (*text).to_owned() };
        let time = TimeSpan { start: Duration::from_secs(start), end: Duration::from_secs(end) };
        Cue { time, lines: lines.iter().map(line).collect() }
    }

    /// Speaker, seconds and text of each sentence.
    fn read(cues: Vec<Cue>) -> Vec<(String, u64, u64, String)> {
        let document = document("d", cues, &InputOptions::default()).unwrap();
        (0..document.sentences().len())
            .map(|index| {
                let turn = document.turn(index).unwrap();
                let time = turn.time.unwrap();
                let speaker = turn.speaker.as_deref().unwrap_or("-").to_owned();
                (speaker, time.start.as_secs(), time.end.as_secs(), document.sentence(index).to_owned())
            })
            .collect()
    }

    fn is(cues: Vec<Cue>, right: &[(&str, u64, u64, &str)]) {
        let right: Vec<_> = right
            .iter()
            .map(|(name, from, to, text)| ((*name).to_owned(), *from, *to, (*text).to_owned()))
            .collect();
        assert_eq!(read(cues), right);
    }

    #[test]
    fn a_sentence_runs_over_cues() {
        is(
            vec![
                cue(1, 3, &["The pier will", "close in"]),
                cue(3, 5, &["May. It is old."]),
                cue(9, 10, &["Why?"]),
            ],
            &[("-", 1, 5, "The pier will close in May."), ("-", 3, 5, "It is old."), ("-", 9, 10, "Why?")],
        );
    }

    #[test]
    fn each_speaker_has_a_line() {
        is(
            vec![cue(1, 3, &["- Who came", "- Nobody"]), cue(3, 5, &[">> HOST: Go on", ">> MS. PYE: No."])],
            &[
                ("-", 1, 3, "Who came"),
                ("-", 1, 3, "Nobody"),
                ("HOST", 3, 5, ">> HOST: Go on"),
                ("MS. PYE", 3, 5, ">> MS. PYE: No."),
            ],
        );
    }

    #[test]
    fn rolled_up_captions_are_said_once() {
        is(
            vec![
                cue(0, 2, &["the pier will close"]),
                cue(2, 2, &["the pier will close"]),
                cue(2, 4, &["the pier will close", "in the spring."]),
                cue(4, 6, &["in the spring.", "It is old."]),
            ],
            &[("-", 0, 4, "the pier will close in the spring."), ("-", 4, 6, "It is old.")],
        );
        is(
            vec![cue(0, 1, &["We"]), cue(1, 2, &["We will"]), cue(2, 3, &["We will go."])],
            &[("-", 0, 3, "We will go.")],
        );
        is(
            vec![cue(0, 1, &["No."]), cue(1, 2, &["No."]), cue(2, 3, &["We stay."]), cue(3, 4, &["Why?"])],
            &[("-", 0, 1, "No."), ("-", 1, 2, "No."), ("-", 2, 3, "We stay."), ("-", 3, 4, "Why?")],
        );
    }

    #[test]
    fn without_full_stops_each_cue_is_a_sentence() {
        let said = [
            "and then we went down to the old pier",
            "where nobody had been since the summer",
            "when they shut the gates one by one",
            "and the men went home to their towns",
        ];
        let cues = (0..).zip(said).map(|(number, text)| cue(number * 2, number * 2 + 2, &[text])).collect();
        assert_eq!(read(cues).len(), said.len());
    }

    #[test]
    fn times_are_read_in_each_form() {
        let millis = |written: &str| time(written).map(|time| time.as_millis());
        assert_eq!(millis("00:01:02.500"), Some(62_500));
        assert_eq!(millis("01:02,5"), Some(62_500));
        assert_eq!(millis("100:00:00.000"), Some(360_000_000));
        for wrong in ["", "1", "00:61.000", "a:b", "00:01.x", "1:2:3:4", "99999999999:00.000", "00:01.é"] {
            assert_eq!(millis(wrong), None, "{wrong}");
        }
        assert!(times("00:01.000 --> 00:02.000 line:0 align:start").is_some());
        assert!(times("00:01.000 -> 00:02.000").is_none() && times("a --> b").is_none());
    }

    #[test]
    fn silence_is_empty() {
        let problem = document("d", Vec::new(), &InputOptions::default()).unwrap_err();
        assert!(matches!(problem, InputProblem::Empty));
    }
}
