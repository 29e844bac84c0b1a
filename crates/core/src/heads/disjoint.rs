//! What every attribution that leaves the pipeline holds to: its parts share no byte, its cue is no half sentence, and it has a source
//! or a cue, or is a quote. Heads mark tokens one part at a time, so that their marks do not.

use crate::label::Attribution;
use crate::text::{Document, Span};

/// How far back an open quotation mark is looked for, in bytes.
const LONGEST_QUOTE: usize = 4 << 10;

/// The attribution as it may be given out; `None` if it is none.
pub fn disjoint(attribution: Attribution, document: &Document) -> Option<Attribution> {
    let Attribution { source, cue, content } = attribution;
    let text = document.text();
    let cue: Vec<Span> = cue
        .into_iter()
        .filter(|&cue| !is_half_a_sentence(cue, document))
        .filter_map(|cue| without(cue, &source, text))
        .collect();
    let taken: Vec<Span> = source.iter().chain(&cue).copied().collect();
    let content: Vec<Span> =
        content.into_iter().filter_map(|content| without(content, &taken, text)).collect();
    let is_attributed = !taken.is_empty() || content.iter().any(|&content| is_quoted(content, text));
    (!content.is_empty() && is_attributed).then_some(Attribution { source, cue, content })
}

fn is_half_a_sentence(cue: Span, document: &Document) -> bool {
    let sentences = document.sentences();
    let at = sentences.partition_point(|sentence| sentence.end() <= cue.start());
    sentences.get(at).is_some_and(|sentence| 2 * cue.len() > sentence.len())
}

/// The longest stretch of a span that lies in none of the others, without the spaces around it.
fn without(span: Span, others: &[Span], text: &str) -> Option<Span> {
    let mut others: Vec<Span> = others
        .iter()
        .copied()
        .filter(|other| other.start() < span.end() && span.start() < other.end())
        .collect();
    others.sort();
    let mut start = span.start();
    let mut free = Vec::with_capacity(others.len() + 1);
    for other in others {
        if other.start() > start {
            free.push(Span::new(start, other.start()));
        }
        start = start.max(other.end());
    }
    if start < span.end() {
        free.push(Span::new(start, span.end()));
    }
    let longest = free.into_iter().rev().max_by_key(|span| span.len())?;
    let words = longest.slice(text);
    let start = longest.start() + (words.len() - words.trim_start().len());
    let end = start + words.trim().len();
    (start < end).then(|| Span::new(start, end))
}

/// Whether a content has quotation marks in it or one that closes behind it, or stands behind one that is still open.
fn is_quoted(content: Span, text: &str) -> bool {
    let is_mark = |c: char| matches!(c, '"' | '“' | '”' | '„' | '«' | '»');
    if content.slice(text).contains(is_mark) || text[content.end()..].trim_start().starts_with(['”', '»'])
    {
        return true;
    }
    let mut from = content.start().saturating_sub(LONGEST_QUOTE);
    while !text.is_char_boundary(from) {
        from += 1;
    }
    let before = &text[from..content.start()];
    match before.rfind(['“', '”', '„', '«', '»']).map(|at| &before[at..]) {
        Some(rest) => rest.starts_with(['“', '„', '«']),
        None => before.matches('"').count() % 2 == 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn found(text: &str, words: &str) -> Span {
        let start = text.find(words).expect("the text has these words");
        Span::new(start, start + words.len())
    }

    fn attribution(text: &str, source: &[&str], cue: &[&str], content: &[&str]) -> Attribution {
        let spans = |all: &[&str]| all.iter().map(|words| found(text, words)).collect();
        Attribution { source: spans(source), cue: spans(cue), content: spans(content) }
    }

    fn kept(text: &str, source: &[&str], cue: &[&str], content: &[&str]) -> Option<[Vec<String>; 3]> {
        let document = Document::from_sentences("d", &[text]);
        let Attribution { source, cue, content } =
            disjoint(attribution(text, source, cue, content), &document)?;
        let words = |spans: Vec<Span>| spans.iter().map(|span| span.slice(text).to_owned()).collect();
        Some([source, cue, content].map(words))
    }

    #[test]
    fn a_content_gives_up_what_is_source_or_cue() {
        let text = "The mayor said that the pier will be closed in spring.";
        let parts =
            kept(text, &["The mayor"], &["said"], &["mayor said that the pier will be closed"]).unwrap();
        assert_eq!(parts, [vec!["The mayor"], vec!["said"], vec!["that the pier will be closed"]]);
        let parts = kept(text, &["The mayor"], &["mayor said"], &["the pier will be closed"]).unwrap();
        assert_eq!(parts[1], ["said"]);
    }

    #[test]
    fn a_cue_is_not_half_a_sentence() {
        let text = "He went on to say at length that no.";
        let parts = kept(text, &["He"], &["went on to say at length"], &["that no"]).unwrap();
        assert_eq!(parts, [vec!["He"], vec![], vec!["that no"]]);
    }

    #[test]
    fn without_source_and_cue_only_a_quote_is_an_attribution() {
        assert_eq!(kept("The pier is old.", &[], &[], &["The pier is old"]), None);
        for text in
            ["“The pier is old.”", "\"No. The pier is old.", "“No. The pier is old.", "“The pier is old"]
        {
            assert!(kept(text, &[], &[], &["The pier is old"]).is_some(), "{text}");
        }
        assert_eq!(kept("“No.” The pier is old.", &[], &[], &["The pier is old"]), None);
    }

    #[test]
    fn what_is_all_source_or_cue_is_no_content() {
        let text = "The mayor said so, and that was the end of it.";
        assert_eq!(kept(text, &["The mayor"], &["said"], &["mayor said"]), None);
    }

    proptest! {
        #![proptest_config(crate::random_tests::config())]

        #[test]
        fn no_two_parts_share_a_byte(
            text in "[a-e “”\"é]{1,60}",
            spans in prop::collection::vec((0usize..60, 0usize..60), 3..6),
        ) {
            let mut edges: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
            edges.push(text.len());
            let span = |&(a, b): &(usize, usize)| {
                let (a, b) = (edges[a % edges.len()], edges[b % edges.len()]);
                Span::new(a.min(b), a.max(b))
            };
            let all: Vec<Span> = spans.iter().map(span).filter(|span| !span.is_empty()).collect();
            prop_assume!(all.len() >= 3);
            let attribution =
                Attribution { source: vec![all[0]], cue: vec![all[1]], content: vec![all[2]] };
            let document = Document::from_sentences("d", &[text.as_str()]);
            if let Some(Attribution { source, cue, content }) = disjoint(attribution, &document) {
                let mut parts: Vec<Span> = source.into_iter().chain(cue).chain(content).collect();
                parts.sort();
                for pair in parts.windows(2) {
                    prop_assert!(pair[0].end() <= pair[1].start(), "{pair:?}");
                }
                prop_assert!(parts.iter().all(|span| text.get(span.start()..span.end()).is_some()));
            }
        }
    }
}
