//! WebVTT: captions with times, of which voice tags name the speakers. Notes, styles, regions, settings and the names of
//! cues are no text.

use super::captions::{self, Cue, Line, decoded, times};
use super::notes::Notes;
use super::open::Opened;
use super::plain::LIMIT;
use super::{DocumentReader, InputOptions, encoding};
use crate::error::InputProblem;
use standpoint_core::text::Document;
use std::sync::Arc;

/// Reads a file as one document.
pub(super) struct WebVtt {
    file: Option<Opened>,
    options: Arc<InputOptions>,
}

impl WebVtt {
    pub fn new(file: Opened, options: &Arc<InputOptions>) -> Self {
        Self { file: Some(file), options: Arc::clone(options) }
    }
}

impl DocumentReader for WebVtt {
    fn next(&mut self, notes: &mut Notes) -> Option<(Option<usize>, Result<Document, InputProblem>)> {
        let file = self.file.take()?;
        let id = file.name.clone();
        let read = || {
            let text = encoding::decode(file.read_all(LIMIT)?, self.options.encoding, LIMIT, notes)?;
            captions::document(&id, cues(&text), &self.options)
        };
        Some((None, read()))
    }
}

/// The cues of a file. What is between them and has no times is passed over.
fn cues(text: &str) -> Vec<Cue> {
    let mut cues = Vec::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        // A style or a note may hold anything, up to a blank line.
        if ["NOTE", "STYLE", "REGION"].iter().any(|block| is_block(line, block)) {
            while lines.next_if(|line| !line.trim().is_empty()).is_some() {}
            continue;
        }
        let Some(time) = times(line) else { continue };
        let mut payload = String::new();
        while let Some(line) = lines.next_if(|line| !line.trim().is_empty() && times(line).is_none()) {
            payload.push_str(line);
            payload.push('\n');
        }
        cues.push(Cue { time, lines: spoken(&payload) });
    }
    cues
}

fn is_block(line: &str, name: &str) -> bool {
    line.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t']))
}

/// The lines of a cue, of which a voice tag begins another. Other tags are taken off, and what is in `<rt>` with them.
fn spoken(payload: &str) -> Vec<Line> {
    let mut lines = Vec::new();
    let (mut line, mut is_ruby) = (Line::default(), false);
    let mut end = |line: &mut Line| {
        let text = decoded(&line.text).split_whitespace().collect::<Vec<_>>().join(" ");
        if !text.is_empty() {
            lines.push(Line { speaker: line.speaker.clone(), text });
        }
        line.text.clear();
    };
    let mut rest = payload;
    while let Some(at) = rest.find(['<', '\n']) {
        if !is_ruby {
            line.text.push_str(&rest[..at]);
        }
        if rest[at..].starts_with('\n') {
            end(&mut line);
            rest = &rest[at + 1..];
            continue;
        }
        // A tag that does not end takes the rest, as in browsers.
        let (tag, behind) = rest[at + 1..].split_once('>').unwrap_or((&rest[at + 1..], ""));
        let name = tag.split(['.', ' ', '\t', '\n']).next().unwrap_or_default();
        match name {
            "v" => {
                end(&mut line);
                let who = tag.split_once([' ', '\t', '\n']).map(|(_, who)| decoded(who));
                let who = who.map(|who| who.split_whitespace().collect::<Vec<_>>().join(" "));
                line.speaker = who.filter(|who| !who.is_empty());
            }
            "/v" => {
                end(&mut line);
                line.speaker = None;
            }
            "rt" => is_ruby = true,
            "/rt" | "/ruby" => is_ruby = false,
            _ => {}
        }
        rest = behind;
    }
    line.text.push_str(rest);
    end(&mut line);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> Vec<(u128, Vec<(String, String)>)> {
        let line = |line: Line| (line.speaker.unwrap_or_else(|| "-".to_owned()), line.text);
        let all = cues(text).into_iter();
        all.map(|cue| (cue.time.start.as_millis(), cue.lines.into_iter().map(line).collect())).collect()
    }

    fn lines(payload: &str) -> Vec<(String, String)> {
        said(&format!("WEBVTT\n\n00:01.000 --> 00:02.000\n{payload}\n")).remove(0).1
    }

    fn line(speaker: &str, text: &str) -> (String, String) {
        (speaker.to_owned(), text.to_owned())
    }

    #[test]
    fn only_what_is_said_is_text() {
        let file = "WEBVTT - Council\nKind: captions\nX-TIMESTAMP-MAP=LOCAL:00:00:00.000\n\nNOTE\nHeard twice.\n00:00.000 \
                    --> 00:01.000\n\nSTYLE\n::cue { color: red }\n\nREGION\nid:a\n\nopening\n00:01.500 --> 00:02.000 \
                    region:a align:start\nGood evening.\n\n1:00:00.000 --> 1:00:01.000\r\nTwo\r\nlines\r\n";
        assert_eq!(
            said(file),
            [
                (1500, vec![line("-", "Good evening.")]),
                (3_600_000, vec![line("-", "Two"), line("-", "lines")]),
            ]
        );
    }

    #[test]
    fn voices_are_speakers() {
        assert_eq!(lines("<v Ann Roe>We go.</v>"), [line("Ann Roe", "We go.")]);
        assert_eq!(
            lines("<v.loud Ann  Roe>We <i>go</i>\nnow.</v> <v O&amp;K>No."),
            [line("Ann Roe", "We go"), line("Ann Roe", "now."), line("O&K", "No.")]
        );
    }

    #[test]
    fn tags_and_entities_are_taken_off() {
        assert_eq!(
            lines(
                "<00:00:01.200><c.yellow> We &lt;all&gt;</c> <lang en-GB>go</lang> <ruby>x<rt>y</rt></ruby>"
            ),
            [line("-", "We <all> go x")]
        );
        assert_eq!(lines("We go <v"), [line("-", "We go")]);
        assert_eq!(lines("&amp;lt;"), [line("-", "&lt;")]);
    }

    #[test]
    fn any_text_is_read() {
        for text in ["", "WEBVTT", "WEBVTT\n\n-->\n", "00:01.000 --> 00:02.000", "NOTE", "<", "é --> é\n<é"]
        {
            said(text);
        }
    }
}
