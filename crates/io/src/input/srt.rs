//! SubRip: numbered captions with times. Tags for letters and places are no text.

use super::captions::{self, Cue, Line, decoded, times};
use super::notes::Notes;
use super::open::Opened;
use super::plain::LIMIT;
use super::{DocumentReader, InputOptions, encoding};
use crate::error::InputProblem;
use standpoint_core::text::Document;
use std::sync::Arc;

/// Tags that players know; `<` before anything else is text.
const TAGS: [&str; 6] = ["b", "i", "u", "s", "font", "c"];

/// Reads a file as one document.
pub(super) struct Srt {
    file: Option<Opened>,
    options: Arc<InputOptions>,
}

impl Srt {
    pub fn new(file: Opened, options: &Arc<InputOptions>) -> Self {
        Self { file: Some(file), options: Arc::clone(options) }
    }
}

impl DocumentReader for Srt {
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

/// The cues of a file. A cue goes on up to the number and the times of the next: some have blank lines within.
fn cues(text: &str) -> Vec<Cue> {
    let mut cues: Vec<Cue> = Vec::new();
    let mut lines = text.lines().map(str::trim).peekable();
    while let Some(line) = lines.next() {
        if let Some(time) = times(line) {
            cues.push(Cue { time, lines: Vec::new() });
            continue;
        }
        let is_number = !line.is_empty() && line.bytes().all(|byte| byte.is_ascii_digit());
        if is_number && lines.peek().is_some_and(|next| times(next).is_some()) {
            continue;
        }
        let text = decoded(&plain(line)).split_whitespace().collect::<Vec<_>>().join(" ");
        if let Some(cue) = cues.last_mut().filter(|_| !text.is_empty()) {
            cue.lines.push(Line { speaker: None, text });
        }
    }
    cues
}

/// A line without tags: `<i>`, `</font>`, `{\an8}`
fn plain(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.find(['<', '{']) {
        plain.push_str(&rest[..at]);
        let tag = &rest[at..];
        let close = if tag.starts_with('<') { '>' } else { '}' };
        let end = tag.find(close).filter(|&end| is_tag(&tag[1..end], close));
        match end {
            Some(end) => rest = &tag[end + 1..],
            None => {
                plain.push_str(&tag[..1]);
                rest = &tag[1..];
            }
        }
    }
    plain + rest
}

fn is_tag(inside: &str, close: char) -> bool {
    let name = inside.trim_start_matches('/').split([' ', '.']).next().unwrap_or_default();
    if close == '}' { inside.starts_with('\\') } else { TAGS.contains(&name.to_ascii_lowercase().as_str()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> Vec<(u128, u128, Vec<String>)> {
        let texts = |cue: Cue| cue.lines.into_iter().map(|line| line.text).collect();
        let all = cues(text).into_iter();
        all.map(|cue| (cue.time.start.as_millis(), cue.time.end.as_millis(), texts(cue))).collect()
    }

    #[test]
    fn numbers_and_tags_are_no_text() {
        let file = "1\r\n00:00:01,000 --> 00:00:02,500\r\n<i>We go.</i>\r\n{\\an8}<font color=\"#fff\">All</font> of \
                    us\r\n\r\n2\r\n00:00:03.000 --> 00:00:04.000 X1:0\r\n1987\r\n\r\n5 < 6 & {so} <on>\r\n";
        let lines = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>();
        assert_eq!(
            said(file),
            [
                (1000, 2500, lines(&["We go.", "All of us"])),
                (3000, 4000, lines(&["1987", "5 < 6 & {so} <on>"])),
            ]
        );
    }

    #[test]
    fn any_text_is_read() {
        for text in ["", "1", "1\n", "1\n-->", "<", "{", "é{\\é}", "00:00:01,000 --> 00:00:02,000\n<i"] {
            said(text);
        }
    }
}
