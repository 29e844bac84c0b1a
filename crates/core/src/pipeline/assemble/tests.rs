use super::*;
use crate::heads::TextPredictions;
use crate::label::{Attribution, Prediction};
use crate::record::attributions;
use crate::text::Span;
use proptest::prelude::*;

/// Sentences of ten bytes each.
const LENGTH: usize = 10;

fn document(sentences: usize) -> Arc<Document> {
    Arc::new(Document::from_sentences("d", &vec!["x".repeat(LENGTH); sentences]))
}

fn mark(
    document: &Document,
    sentence: usize,
    part: AttributionPart,
    from: usize,
    to: usize,
    continues: bool,
) -> Mark {
    let start = document.sentences()[sentence].start();
    let (from_start, to_end) = (from == 0, to == LENGTH);
    Mark { part, sentence, span: Span::new(start + from, start + to), continues, from_start, to_end }
}

/// The attributions of a document whose sentences have these marks, if it is read in pieces that end there.
fn read(document: &Arc<Document>, marks: &[Mark], ends: &[usize]) -> Vec<Attribution> {
    let targets = Targets { phrases: Vec::new(), tokens: Vec::new().into() };
    let mut assembler = Assembler::new(Arc::new(targets), true);
    let mut records = VecDeque::new();
    let mut start = 0;
    for end in ends.iter().copied().chain([document.sentences().len()]) {
        let answer = |sentence: usize| {
            let own = marks.iter().filter(|mark| mark.sentence == sentence);
            Some(Answer {
                text: TextPredictions { role: Prediction::new([1.0, 0.0, 0.0]), checkworthiness: None },
                stances: Vec::new(),
                marks: own.map(|mark| Mark { sentence: sentence - start, ..*mark }).collect(),
                speakers: Vec::new(),
                truncated: false,
            })
        };
        let answers = (start..end).map(answer).collect();
        let piece = Piece { document: Arc::clone(document), sentences: start..end };
        assembler.add(piece, answers, &mut records);
        start = end;
    }
    let records = Vec::from(records);
    assert!(records.iter().map(|record| record.index).eq(0..document.sentences().len()));
    attributions(&records).unwrap().into_iter().cloned().collect()
}

#[test]
fn a_quote_over_the_end_of_a_piece_is_one() {
    let document = document(6);
    let marks = [
        mark(&document, 1, AttributionPart::Source, 0, 2, false),
        mark(&document, 1, AttributionPart::Cue, 3, 5, false),
        mark(&document, 1, AttributionPart::Content, 6, 10, false),
        mark(&document, 2, AttributionPart::Content, 0, 10, true),
        mark(&document, 3, AttributionPart::Content, 0, 10, true),
    ];
    for ends in [vec![], vec![2], vec![3], vec![1, 2, 3]] {
        let [quote] = &read(&document, &marks, &ends)[..] else { panic!("it is one quote: {ends:?}") };
        assert_eq!(quote.content, [Span::new(17, 43)], "{ends:?}");
        assert_eq!((quote.source.len(), quote.cue.len()), (1, 1), "{ends:?}");
    }
}

#[test]
fn a_content_with_a_cue_inside_it_belongs_to_the_cue_before() {
    let document = document(5);
    let marks = [
        mark(&document, 0, AttributionPart::Cue, 0, 1, false),
        mark(&document, 3, AttributionPart::Cue, 0, 1, false),
        mark(&document, 3, AttributionPart::Content, 0, 10, false),
    ];
    for ends in [vec![], vec![4], vec![2, 4]] {
        let [found] = &read(&document, &marks, &ends)[..] else { panic!("it is one attribution: {ends:?}") };
        assert_eq!(found.cue, [Span::new(0, 1)], "{ends:?}");
    }
}

#[test]
fn a_quote_without_end_does_not_hold_back_a_document() {
    let sentences = 4 * PIECE_BYTES / LENGTH;
    let document = document(sentences);
    let marks: Vec<Mark> = (0..sentences)
        .map(|sentence| mark(&document, sentence, AttributionPart::Content, 0, LENGTH, true))
        .collect();
    let targets = Targets { phrases: Vec::new(), tokens: Vec::new().into() };
    let assembler = Assembler::new(Arc::new(targets), true);
    let held: Vec<Held> = (0..sentences)
        .map(|index| {
            let answer = Answer {
                text: TextPredictions { role: Prediction::new([1.0, 0.0, 0.0]), checkworthiness: None },
                stances: Vec::new(),
                marks: vec![marks[index]],
                speakers: Vec::new(),
                truncated: false,
            };
            assembler.sentence(&document, index, answer)
        })
        .collect();
    assert_eq!(settled(&held[..100]), 0);
    assert_eq!(settled(&held), sentences);
}

proptest! {
    #![proptest_config(crate::random_tests::config())]
    #[test]
    fn pieces_do_not_show_in_attributions(
        marks in prop::collection::vec((0usize..3, 0usize..12, 0usize..LENGTH, 1usize..=LENGTH, any::<bool>()), 0..40),
        ends in prop::collection::btree_set(1usize..12, 0..4),
    ) {
        let document = document(12);
        let mut marks: Vec<Mark> = marks
            .into_iter()
            .map(|(part, sentence, from, length, continues)| {
                let to = (from + length).min(LENGTH);
                mark(&document, sentence, AttributionPart::ALL[part], from, to, continues && from == 0)
            })
            .collect();
        marks.sort_by_key(|mark| mark.sentence);
        let ends: Vec<usize> = ends.into_iter().collect();
        prop_assert_eq!(read(&document, &marks, &ends), read(&document, &marks, &[]));
    }
}
