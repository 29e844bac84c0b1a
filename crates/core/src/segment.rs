//! From a text to the spans of its sentences. Pure, and total: any text has sentences, none makes it fail.
//!
//! The rules of what ends a sentence are sentencex's, but for a few titles. What is decided here is what it is
//! shown: one paragraph at a time (its time is quadratic in the quotation marks of a paragraph, and it would read on
//! over the end of a headline), and of a very long paragraph one stretch at a time.

use crate::text::Span;
use std::iter;
use std::ops::Range;

/// The characters that end a line.
const LINE_BREAKS: [char; 7] = ['\n', '\r', '\u{b}', '\u{c}', '\u{85}', '\u{2028}', '\u{2029}'];

/// Widths, in characters, of text that was wrapped by a mail program or an editor.
const WRAP_WIDTHS: std::ops::RangeInclusive<usize> = 40..=120;

/// The most that sentencex is shown at once, in bytes: far more than any sentence should need.
const STRETCH: usize = 4096;

/// An end of a sentence counts only if this many bytes of what follows it were in sight.
const FORESIGHT: usize = 1024;

/// Titles before a name that news has in every other article, and sentencex takes for a sentence's end.
const TITLES: [&str; 3] = ["Ms.", "Spc.", "Amb."];

/// The sentences of a text: in order, apart, not empty, without white space at either end. All that lies
/// outside of them is white space, and a byte order mark where the text begins with one.
pub fn sentences(text: &str) -> Vec<Span> {
    each(text).collect()
}

/// The [`sentences`] one after the other, found as they are asked for.
pub fn each(text: &str) -> impl Iterator<Item = Span> {
    paragraphs(text).flat_map(move |paragraph| {
        let mut start = paragraph.start;
        let ends = sentence_ends(&text[paragraph.clone()]).map(move |end| paragraph.start + end);
        ends.chain([paragraph.end]).filter_map(move |end| {
            let sentence = trimmed(text, start..end);
            start = end;
            sentence
        })
    })
}

/// The span without the white space around it, if anything is left.
fn trimmed(text: &str, range: Range<usize>) -> Option<Span> {
    let whole = &text[range.clone()];
    let start = range.start + (whole.len() - whole.trim_start().len());
    let end = start + whole.trim().len();
    (start < end).then(|| Span::new(start, end))
}

/// In agency copy each line is a paragraph, and neither a headline nor a dateline ends in a full stop:
/// so every line break ends a paragraph, except where a text was wrapped at a fixed width.
fn paragraphs(text: &str) -> impl Iterator<Item = Range<usize>> {
    let width = wrap_width(text);
    let mut lines = lines(text).peekable();
    iter::from_fn(move || {
        let first = lines.next()?;
        let (start, mut last) = (first.start, first);
        if let Some(width) = width {
            let runs_on = |last: &Range<usize>, next: &Range<usize>| {
                is_full(&text[last.clone()], &text[next.clone()], width)
            };
            while let Some(next) = lines.next_if(|next| runs_on(&last, next)) {
                last = next;
            }
        }
        Some(start..last.end)
    })
}

/// The lines of the text without what ends them; `\r\n` ends one line.
fn lines(text: &str) -> impl Iterator<Item = Range<usize>> + Clone {
    let mut next = Some(if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 });
    iter::from_fn(move || {
        let start = next?;
        let Some(length) = text[start..].find(LINE_BREAKS) else {
            next = None;
            return Some(start..text.len());
        };
        let end = start + length;
        let rest = &text[end..];
        let line_break =
            if rest.starts_with("\r\n") { 2 } else { rest.chars().next().map_or(0, char::len_utf8) };
        next = Some(end + line_break);
        Some(start..end)
    })
}

/// The width at which the text was wrapped, if it was: if at least a quarter of the lines that had no room
/// for the next one's first word are followed by a lower-case letter. Paragraphs, one a line, hardly ever are.
fn wrap_width(text: &str) -> Option<usize> {
    let lines = lines(text).map(|line| &text[line]);
    let pairs = || lines.clone().zip(lines.clone().skip(1));
    let goes_on = |next: &str| !next.trim().is_empty();
    let width = pairs().filter(|(_, next)| goes_on(next)).map(|(line, _)| characters(line)).max()?;
    if !WRAP_WIDTHS.contains(&width) {
        return None;
    }
    let (mut full, mut lower) = (0, 0);
    for (_, next) in pairs().filter(|(line, next)| is_full(line, next, width)) {
        full += 1;
        lower += usize::from(next.trim_start().starts_with(char::is_lowercase));
    }
    (lower > 0 && lower * 4 >= full).then_some(width)
}

/// Whether the next line's first word had no room on this one.
fn is_full(line: &str, next: &str, width: usize) -> bool {
    let first_word = next.split_whitespace().next().map_or(0, characters);
    !line.trim().is_empty() && first_word > 0 && characters(line) + 1 + first_word > width
}

fn characters(line: &str) -> usize {
    line.trim_end().chars().count()
}

/// The offsets at which a sentence ends and another begins, in order.
fn sentence_ends(paragraph: &str) -> impl Iterator<Item = usize> {
    let (mut start, mut last) = (0, None);
    let stretches = iter::from_fn(move || {
        if start >= paragraph.len() {
            return None;
        }
        let rest = &paragraph[start..];
        let stretch = stretch(rest);
        let is_last = stretch.len() == rest.len();
        let reach = if is_last { stretch.len() } else { stretch.len().saturating_sub(FORESIGHT) };
        // What is left of line breaks is where the text was wrapped; sentencex would see lists and paragraphs in
        // them. Spaces of the same length keep every offset.
        let unwrapped = stretch.replace(LINE_BREAKS, " ");
        let shown = if unwrapped.len() == stretch.len() { &unwrapped } else { stretch };
        let mut ends = Vec::new();
        for boundary in sentencex::get_sentence_boundaries("en", shown) {
            let end = boundary.end_byte;
            let is_inside = end > 0 && end <= reach && end < stretch.len() && stretch.is_char_boundary(end);
            if is_inside && last.is_none_or(|last| last < start + end) && !is_abbreviated(stretch, end) {
                ends.push(start + end);
                last = Some(start + end);
            }
        }
        // The sentence in which the stretch breaks off is read again from its start; one that is longer than a
        // whole stretch is read on.
        start = match ends.last() {
            Some(&end) if !is_last => end,
            _ => start + stretch.len(),
        };
        Some(ends)
    });
    stretches.flatten()
}

/// Whether what seems to end there is a title, or the first of some initials, as in `D-N.M.`.
fn is_abbreviated(text: &str, end: usize) -> bool {
    let (before, after) = text.split_at(end);
    let word = before.trim_end().rsplit(char::is_whitespace).next().unwrap_or_default();
    if TITLES.contains(&word.trim_start_matches(|c: char| !c.is_alphabetic())) {
        return true;
    }
    let mut last = before.chars().rev();
    let mut next = after.chars();
    last.next() == Some('.')
        && last.next().is_some_and(char::is_uppercase)
        && !last.next().is_some_and(char::is_alphanumeric)
        && next.next().is_some_and(char::is_uppercase)
        && next.next() == Some('.')
}

/// As much of the text as sentencex is shown at once, up to a white space where there is one.
fn stretch(text: &str) -> &str {
    if text.len() <= STRETCH {
        return text;
    }
    let cut = &text[..text.floor_char_boundary(STRETCH)];
    match cut.rfind(char::is_whitespace) {
        Some(end) if end > STRETCH - FORESIGHT => &cut[..end],
        _ => cut,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::{Duration, Instant};

    fn cut(text: &str) -> Vec<&str> {
        sentences(text).into_iter().map(|span| span.slice(text)).collect()
    }

    #[test]
    fn abbreviations_do_not_end_a_sentence() {
        let first = "Gen. Smith told U.S. troops on Jan. 5 that Mr. Doe had left.";
        assert_eq!(cut(&format!("{first} They cheered.")), [first, "They cheered."]);
        let quoted = "“It was time,” Ms. Doe told Spc. Roe.";
        let initials = "Rep. Alma Reyes, D-N.M., wrote to Amb. Poe.";
        assert_eq!(cut(&format!("{quoted} {initials}")), [quoted, initials]);
        assert_eq!(cut("He chose plan B. Then he left."), ["He chose plan B.", "Then he left."]);
    }

    #[test]
    fn a_headline_and_a_dateline_stand_apart() {
        let text =
            "Troops to leave the north\nBAGHDAD (Agency) - The last convoy left on Monday. It was late.\n";
        assert_eq!(
            cut(text),
            [
                "Troops to leave the north",
                "BAGHDAD (Agency) - The last convoy left on Monday.",
                "It was late."
            ]
        );
    }

    #[test]
    fn a_quotation_that_runs_on_stays_with_its_speaker() {
        let text = "“We are going. Nobody stays,” the minister said. “That is all.” He left.";
        assert_eq!(
            cut(text),
            ["“We are going. Nobody stays,” the minister said.", "“That is all.”", "He left."]
        );
    }

    #[test]
    fn a_wrapped_text_is_read_on_over_its_line_breaks() {
        let text = "The brigade that had guarded the bridge since the spring was told on\r\n\
                    Tuesday to pack its tents, and officers said that the convoy of Gen.\r\n\
                    Smith would be the first to go. No date was given for the rest of the\r\n\
                    force.\r\n\r\nA spokesman declined to say more.";
        let spans = sentences(text);
        assert_eq!(spans.len(), 3);
        assert!(spans[0].slice(text).ends_with("Smith would be the first to go."));
        assert!(spans[1].slice(text).ends_with("the\r\nforce."));
    }

    #[test]
    fn short_lines_that_begin_with_a_small_letter_are_still_lines() {
        let text = "What now?\nanna berg\nThe soldiers go home, and the province waits to see who comes after them, \
                    as it has waited before.\nben stone\nAnd then?";
        assert_eq!(cut(text).len(), 5);
    }

    #[test]
    fn a_byte_order_mark_belongs_to_no_sentence() {
        assert_eq!(sentences("\u{feff}Go."), [Span::new(3, 6)]);
        assert_eq!(sentences("\u{feff} \r\n"), []);
    }

    #[test]
    fn huge_texts_are_cut_in_linear_time() {
        let started = Instant::now();
        assert_eq!(sentences(&"The army left. ".repeat(100_000)).len(), 100_000);
        assert_eq!(sentences(&"word ".repeat(200_000)).len(), 1);
        assert_eq!(sentences(&"x".repeat(1 << 20)).len(), 1);
        sentences(&"“open it's ' \" ( [ . ".repeat(20_000));
        assert!(started.elapsed() < Duration::from_secs(60), "{:?}", started.elapsed());
    }

    fn check(text: &str) {
        let mut reached = 0;
        let only_space = |gap: &str| gap.chars().all(char::is_whitespace);
        for span in sentences(text) {
            let gap = &text[reached..span.start()];
            let gap = if reached == 0 { gap.strip_prefix('\u{feff}').unwrap_or(gap) } else { gap };
            assert!(only_space(gap), "lost {gap:?}");
            let sentence = span.slice(text);
            assert!(!sentence.is_empty());
            assert_eq!(sentence, sentence.trim());
            reached = span.end();
        }
        let rest = &text[reached..];
        assert!(only_space(if reached == 0 { rest.strip_prefix('\u{feff}').unwrap_or(rest) } else { rest }));
    }

    proptest! {
        #![proptest_config(crate::random_tests::config())]

        #[test]
        fn nothing_is_lost_of_any_text(text in any::<String>()) {
            check(&text);
        }

        #[test]
        fn nothing_is_lost_of_what_looks_like_news(
            parts in prop::collection::vec(
                prop::sample::select(vec![
                    "“", "”", "\"", "'", "’", "(", ")", "[", "]", ".", "...", "…", "!", "?", " ", " ", " ", "\n", "\n\n",
                    "\r\n", "\r", "\t", "\u{a0}", "\u{2028}", "\u{85}", "\u{feff}", "\u{200b}", "\0", "\u{1b}[31m",
                    "1. ", "- ", "• ", "a) ", "U.S. ", "Gen. ", "Jan. 5", "J. ", "I", "He said", "é", "ß", "İ", "日本。",
                    "👩‍👩‍👧", "a@b.co", "e\u{301}", "word ", "Word ", "«", "»", "„", "‘", "--", "—", ", ",
                ]),
                0..400,
            ),
            times in 1usize..6,
        ) {
            check(&parts.concat().repeat(times));
        }
    }
}
