//! From marks to attributions: which source and which contents belong to which cue. The rules look at positions alone, never
//! at words.

use crate::label::Attribution;
use crate::text::Span;
use std::ops::Range;

/// A part of an attribution. The attribution head has a layer for each, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttributionPart {
    /// Whom the content comes from.
    Source,
    /// The words that attribute it.
    Cue,
    /// What is attributed.
    Content,
}

impl AttributionPart {
    pub const ALL: [Self; 3] = [Self::Source, Self::Cue, Self::Content];
}

/// Tokens of a sentence that the attribution head marks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenMark {
    pub part: AttributionPart,
    /// Counted from the sentence's first token.
    pub tokens: Range<usize>,
    /// The mark continues one of the sentence before.
    pub continues: bool,
}

/// A mark as a span of the document. It lies in one sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    pub part: AttributionPart,
    /// The sentence's index in the document.
    pub sentence: usize,
    pub span: Span,
    /// The mark continues one of the sentence before.
    pub continues: bool,
    /// The mark starts where its sentence does.
    pub from_start: bool,
    /// The mark ends where its sentence does.
    pub to_end: bool,
}

/// A content may belong to one of this many cues before it, or of as many after it.
const CUES_IN_SIGHT: usize = 8;

/// Each content between another content and a cue makes their distance longer by this many bytes.
const CONTENT_BETWEEN: usize = 30;

/// The attributions that the marks of a document make, in the order of their first bytes.
///
/// - A mark that continues one of the sentence before is joined to the last mark of its part there, if that one reaches
///   the end of its sentence. Sources with no word between them are joined, and so are cues.
/// - A cue without a content makes no attribution.
/// - A content belongs to the nearest cue outside of it. Cues in its own sentences come first. A cue after the content
///   counts as twice as far, and other contents in between add to the distance. Only a content that is a whole sentence, as
///   in a quote that runs on, may have its cue in an earlier sentence. A content without a cue is an attribution of its own.
/// - Contents of one cue with no word between them, within a sentence or over its end, are joined.
/// - A cue keeps at most one content before it and one after it, the nearest ones. That holds for 99% of the attributions in
///   PolNeAR's training articles. A further content is an attribution of its own if it fills a sentence or crosses the end of
///   one; otherwise it is left out.
/// - The source of a cue is the nearest one in its sentence that is not in a content of the cue, and not in a content that
///   the cue is outside of.
///
/// Given the gold spans of PolNeAR's training articles, the last rule finds 97.5% of the sources.
pub fn attributions(marks: &[Mark]) -> Vec<Attribution> {
    let sources = joined(marks, AttributionPart::Source);
    let cues = joined(marks, AttributionPart::Cue);
    let contents = joined(marks, AttributionPart::Content);
    let mut of_cues: Vec<Vec<Joined>> = vec![Vec::new(); cues.len()];
    let mut attributions: Vec<Attribution> = Vec::with_capacity(cues.len());
    for (index, content) in contents.iter().enumerate() {
        match cue_of(index, &contents, &cues) {
            Some(cue) => match of_cues[cue].last_mut() {
                Some(before) if before.meets(content) => before.extend(content),
                _ => of_cues[cue].push(*content),
            },
            None => attributions.push(Attribution { content: vec![content.span], ..Attribution::default() }),
        }
    }
    for (cue, own) in cues.iter().zip(of_cues) {
        let (content, others) = nearest(cue, own);
        let alone = others
            .into_iter()
            .filter(|content| content.first < content.last || content.from_start && content.to_end);
        attributions.extend(
            alone.map(|content| Attribution { content: vec![content.span], ..Attribution::default() }),
        );
        if content.is_empty() {
            continue;
        }
        let source = source_of(cue, &sources, &contents, &content).into_iter().collect();
        attributions.push(Attribution { source, cue: vec![cue.span], content });
    }
    attributions.sort_by_key(|attribution| {
        let Attribution { source, cue, content } = attribution;
        source.iter().chain(cue).chain(content).copied().min()
    });
    attributions
}

/// The last content before a cue and the first one after it, and all others. `own` are in order.
fn nearest(cue: &Joined, own: Vec<Joined>) -> (Vec<Span>, Vec<Joined>) {
    let behind = own.partition_point(|content| content.span.start() < cue.span.start());
    let (nearest, others): (Vec<_>, Vec<_>) =
        own.into_iter().enumerate().partition(|&(index, _)| index + 1 == behind || index == behind);
    let spans = nearest.into_iter().map(|(_, content)| content.span).collect();
    (spans, others.into_iter().map(|(_, content)| content).collect())
}

/// Marks that are one: from the sentence `first` to the sentence `last`.
#[derive(Clone, Copy)]
struct Joined {
    span: Span,
    first: usize,
    last: usize,
    from_start: bool,
    to_end: bool,
}

impl Joined {
    /// Whether there is no word between this and `next`, which comes after it.
    fn meets(&self, next: &Self) -> bool {
        match self.last == next.first {
            true => self.span.end() <= next.span.start() && next.span.start() <= self.span.end() + 1,
            false => self.last + 1 == next.first && self.to_end && next.from_start,
        }
    }

    fn extend(&mut self, next: &Self) {
        let Self { span, last, to_end, .. } = *next;
        *self = Self {
            span: Span::new(self.span.start(), span.end().max(self.span.end())),
            // Marks that contradict each other say that one piece fills a sentence and that another stands before or
            // behind it there. Joined, they still fill it.
            from_start: self.from_start || self.last == next.first && next.from_start,
            last,
            to_end: to_end || self.last == next.first && self.to_end,
            ..*self
        };
    }
}

/// The marks of one part in order, joined.
fn joined(marks: &[Mark], part: AttributionPart) -> Vec<Joined> {
    let mut marks: Vec<&Mark> = marks.iter().filter(|mark| mark.part == part).collect();
    marks.sort_by_key(|mark| mark.span);
    let mut all: Vec<Joined> = Vec::with_capacity(marks.len());
    for mark in marks {
        let Mark { span, sentence, from_start, to_end, continues, .. } = *mark;
        let next = Joined { span, first: sentence, last: sentence, from_start, to_end };
        match all.last_mut() {
            Some(before) if continues && before.last + 1 == sentence && before.to_end => before.extend(&next),
            // Contents that meet may belong to two cues.
            Some(before)
                if part != AttributionPart::Content && before.last == sentence && before.meets(&next) =>
            {
                before.extend(&next);
            }
            _ => all.push(next),
        }
    }
    all
}

fn contains(outer: Span, inner: Span) -> bool {
    outer.start() <= inner.start() && inner.end() <= outer.end()
}

fn gap(one: Span, other: Span) -> usize {
    one.start().max(other.start()).saturating_sub(one.end().min(other.end()))
}

/// The index of the cue that the content at `index` belongs to, if there is one.
fn cue_of(index: usize, contents: &[Joined], cues: &[Joined]) -> Option<usize> {
    let content = contents[index];
    let next = cues.partition_point(|cue| cue.span < content.span);
    let behind = cues.partition_point(|cue| cue.span.start() < content.span.end());
    let in_sight = next.saturating_sub(CUES_IN_SIGHT)..(behind + CUES_IN_SIGHT).min(cues.len());
    // A content in a sentence without a cue continues what the sentence before says, or is alone.
    let runs_on = content.from_start && content.to_end;
    let in_reach = |cue: &Joined| {
        let elsewhere = cue.last < content.first || content.last < cue.first;
        !contains(content.span, cue.span) && (!elsewhere || runs_on && cue.last < content.first)
    };
    in_sight.filter(|&cue| in_reach(&cues[cue])).min_by_key(|&cue| {
        let Joined { span, first, last, .. } = cues[cue];
        let elsewhere = last < content.first || content.last < first;
        let follows = span.start() > content.span.start();
        let (left, right) = match follows {
            true => (content.span.end(), span.start()),
            false => (span.end(), content.span.start()),
        };
        let from = contents.partition_point(|other| other.span.start() < left);
        let between = contents[from..]
            .iter()
            .take_while(|other| other.span.start() < right)
            .filter(|o| o.span.end() <= right);
        let way = gap(content.span, span) * if follows { 2 } else { 1 };
        (elsewhere, way + CONTENT_BETWEEN * between.count(), follows)
    })
}

/// The source of a cue whose contents are `own`.
fn source_of(cue: &Joined, sources: &[Joined], contents: &[Joined], own: &[Span]) -> Option<Span> {
    let from = sources.partition_point(|source| source.first < cue.first);
    let hidden = |source: Span| {
        let near = contents.partition_point(|content| content.last < cue.first);
        own.iter().any(|&content| contains(content, source))
            || contents[near..]
                .iter()
                .take_while(|content| content.first <= cue.last)
                .any(|content| contains(content.span, source) && !contains(content.span, cue.span))
    };
    sources[from..]
        .iter()
        .take_while(|source| source.first <= cue.last)
        .map(|source| source.span)
        .filter(|&source| !hidden(source))
        .min_by_key(|&source| gap(source, cue.span))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ATTRIBUTION;
    use proptest::prelude::*;

    /// A mark of some words of a text whose lines are its sentences.
    fn mark(text: &str, part: AttributionPart, words: &str) -> Mark {
        let start = text.find(words).expect("the text has these words");
        let end = start + words.len();
        Mark {
            part,
            sentence: text[..start].matches('\n').count(),
            span: Span::new(start, end),
            continues: start > 0 && text[..start].ends_with('\n'),
            from_start: start == 0 || text[..start].ends_with('\n'),
            to_end: text[end..].starts_with('\n'),
        }
    }

    fn words<'t>(text: &'t str, spans: &[Span]) -> Vec<&'t str> {
        spans.iter().map(|span| span.slice(text)).collect()
    }

    #[test]
    fn a_quote_in_two_spans_is_one_content_and_runs_on() {
        let text = "\"We go,\" the mayor said, \"and soon.\nNobody stays.\"\nHe lives here.";
        let marks = [
            mark(text, AttributionPart::Content, "\"We go,\""),
            mark(text, AttributionPart::Source, "the mayor"),
            mark(text, AttributionPart::Cue, "said"),
            mark(text, AttributionPart::Content, "\"and soon."),
            mark(text, AttributionPart::Content, "Nobody stays.\""),
        ];
        let found = attributions(&marks);
        assert_eq!(found.len(), 1);
        assert_eq!(words(text, &found[0].source), ["the mayor"]);
        assert_eq!(words(text, &found[0].content), ["\"We go,\"", "\"and soon.\nNobody stays.\""]);
    }

    #[test]
    fn contents_of_a_cue_that_meet_are_one() {
        let text = "He said President Diallo won.";
        let mut marks = [
            mark(text, AttributionPart::Source, "He"),
            mark(text, AttributionPart::Cue, "said"),
            mark(text, AttributionPart::Content, "President"),
            mark(text, AttributionPart::Content, "Diallo won"),
        ];
        assert_eq!(words(text, &attributions(&marks)[0].content), ["President Diallo won"]);
        marks[3] = mark(text, AttributionPart::Content, "won");
        assert_eq!(
            words(text, &attributions(&marks)[0].content),
            ["President"],
            "the nearest behind the cue"
        );
    }

    #[test]
    fn what_is_attributed_within_a_content_keeps_its_own_source() {
        let text = "The guard said that the pilot denied the raid.";
        let marks = [
            mark(text, AttributionPart::Source, "The guard"),
            mark(text, AttributionPart::Source, "the pilot"),
            mark(text, AttributionPart::Cue, "said"),
            mark(text, AttributionPart::Cue, "denied"),
            mark(text, AttributionPart::Content, "that the pilot denied the raid"),
            mark(text, AttributionPart::Content, "the raid"),
        ];
        let found = attributions(&marks);
        let shape: Vec<_> = found
            .iter()
            .map(|a| (words(text, &a.source), words(text, &a.cue), words(text, &a.content)))
            .collect();
        assert_eq!(
            shape,
            [
                (vec!["The guard"], vec!["said"], vec!["that the pilot denied the raid"]),
                (vec!["the pilot"], vec!["denied"], vec!["the raid"]),
            ]
        );
    }

    #[test]
    fn a_cue_is_one_and_has_a_content() {
        let text = "He went on to say it was over. They will hand the keys back.";
        let marks = [
            mark(text, AttributionPart::Source, "He"),
            mark(text, AttributionPart::Cue, "went on"),
            mark(text, AttributionPart::Cue, "to say"),
            mark(text, AttributionPart::Content, "it was over"),
            mark(text, AttributionPart::Cue, "will hand"),
        ];
        let found = attributions(&marks);
        assert_eq!(found.len(), 1);
        assert_eq!(words(text, &found[0].cue), ["went on to say"]);
    }

    #[test]
    fn a_sentence_is_not_lost_with_the_words_that_it_goes_on_from() {
        let text = "He said no and that was it\nNobody stays";
        let marks = [
            mark(text, AttributionPart::Cue, "said"),
            mark(text, AttributionPart::Content, "no"),
            mark(text, AttributionPart::Content, "it"),
            Mark { to_end: true, continues: false, ..mark(text, AttributionPart::Content, "Nobody stays") },
        ];
        let found = attributions(&marks);
        assert_eq!(words(text, &found[0].content), ["no"]);
        assert_eq!(words(text, &found[1].content), ["it\nNobody stays"]);
    }

    #[test]
    fn a_whole_sentence_is_not_lost_with_a_mark_that_meets_it() {
        let content = |sentence, start, end, whole| Mark {
            part: AttributionPart::Content,
            sentence,
            span: Span::new(start, end),
            continues: whole,
            from_start: whole,
            to_end: whole,
        };
        let cue = Mark { part: AttributionPart::Cue, ..content(5, 100, 120, false) };
        let rest = Mark { sentence: 6, span: Span::new(120, 121), continues: true, ..cue };
        let marks = [
            content(6, 127, 134, false),
            content(6, 134, 140, true),
            Mark { to_end: true, ..cue },
            rest,
            content(5, 100, 101, false),
        ];
        let found = attributions(&marks);
        assert!(found.iter().any(|a| a.content == [Span::new(127, 140)]), "{found:?}");
    }

    #[test]
    fn a_whole_sentence_is_not_lost_with_a_mark_that_follows_it() {
        let mark = |part, start, length, whole| Mark {
            part,
            sentence: start / 20,
            span: Span::new(start, start + length),
            continues: whole,
            from_start: whole,
            to_end: length % 2 == 0,
        };
        let marks = [
            mark(AttributionPart::Cue, 7, 2, false),
            mark(AttributionPart::Content, 4, 13, false),
            mark(AttributionPart::Content, 4, 7, false),
            mark(AttributionPart::Cue, 20, 1, true),
            mark(AttributionPart::Content, 1, 2, true),
        ];
        let found = attributions(&marks);
        assert!(found.iter().any(|a| a.content == [Span::new(1, 11)]), "{found:?}");
    }

    #[test]
    fn a_content_without_a_cue_stands_alone() {
        let text = "\"It cannot go on.\"";
        let found = attributions(&[mark(text, AttributionPart::Content, text)]);
        assert_eq!(
            found,
            [Attribution { content: vec![Span::new(0, text.len())], ..Attribution::default() }]
        );
    }

    #[test]
    fn parts_are_in_the_order_of_the_layers() {
        let names = AttributionPart::ALL.map(|part| format!("{part:?}").to_lowercase());
        assert_eq!(names.as_slice(), ATTRIBUTION.layers);
    }

    proptest! {
        #![proptest_config(crate::random_tests::config())]

        #[test]
        fn no_mark_is_used_twice_and_whole_sentences_always(
            marks in prop::collection::vec((0usize..3, 0usize..200, 1usize..30, any::<bool>()), 0..40),
        ) {
            let marks: Vec<Mark> = marks
                .iter()
                .map(|&(part, start, length, flag)| Mark {
                    part: AttributionPart::ALL[part],
                    sentence: start / 20,
                    span: Span::new(start, start + length),
                    continues: flag,
                    from_start: flag,
                    to_end: length % 2 == 0,
                })
                .collect();
            let found = attributions(&marks);
            let of = |part| joined(&marks, part).len();
            prop_assert!(found.iter().map(|a| a.cue.len()).sum::<usize>() <= of(AttributionPart::Cue));
            prop_assert!(found.iter().map(|a| a.content.len()).sum::<usize>() <= of(AttributionPart::Content));
            prop_assert!(found.iter().all(|a| !a.content.is_empty()));
            for content in joined(&marks, AttributionPart::Content).into_iter().filter(|c| c.from_start && c.to_end) {
                let covers = |a: &Attribution| a.content.iter().any(|whole| contains(*whole, content.span));
                prop_assert!(found.iter().any(covers));
            }
            prop_assert!(found.iter().all(|a| a.source.len() <= 1 && a.cue.len() <= 1 && a.content.len() <= 2));
        }
    }
}
