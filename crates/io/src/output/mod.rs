//! From analyses to bytes: a table for people, JSON Lines for programs, and files that appear whole or not
//! at all. What is written where is the caller's to decide; nothing here knows a terminal or a model.

pub mod jsonl;
pub mod positions;
pub mod ranking;
pub mod table;

use standpoint_core::label::{Analysis, Attribution};
use standpoint_core::text::{Document, Span};

/// For each sentence of an analysis, which begins with the document's sentence `first`, the attributions of which any
/// span lies in it, in their order; none where the model has no such heads.
///
/// # Panics
/// If the document has fewer sentences.
pub fn attributions_by_sentence<'a>(
    document: &Document,
    first: usize,
    analysis: &'a Analysis,
) -> Option<Vec<Vec<&'a Attribution>>> {
    let attributions = analysis.attributions.as_ref()?;
    let sentences = &document.sentences()[first..first + analysis.sentences.len()];
    let mut by_sentence: Vec<Vec<&Attribution>> = vec![Vec::new(); sentences.len()];
    for attribution in attributions {
        let Attribution { source, cue, content } = attribution;
        let touched = |span: &Span| {
            let from = sentences.partition_point(|sentence| sentence.end() <= span.start());
            let to = sentences.partition_point(|sentence| sentence.start() < span.end());
            from..to
        };
        let mut touched: Vec<usize> =
            [source, cue, content].into_iter().flatten().flat_map(touched).collect();
        touched.sort_unstable();
        touched.dedup();
        touched.into_iter().for_each(|sentence| by_sentence[sentence].push(attribution));
    }
    Some(by_sentence)
}

/// A document of three sentences and what a model might say of it.
#[cfg(test)]
fn example() -> (Document, Analysis) {
    use standpoint_core::label::{Prediction, SentenceAnalysis, Target, TargetStance};

    let text = "Troops begin leaving the east\n“They should have gone long ago,” said the governor, who has asked \
                for it \x1b[31msince\x1b[0m\tspring.\nThe base was built in 1987.";
    let holder = text.find("the governor").map(|start| Span::new(start, start + "the governor".len()));
    let end = text.rfind('\n').unwrap_or(0);
    let spans = vec![Span::new(0, 29), Span::new(30, end), Span::new(end + 1, text.len())];
    let sentence = |role, stance, holder, checkworthiness, truncated| SentenceAnalysis {
        role: Prediction::new(role),
        stances: vec![TargetStance {
            target: Target::default(),
            prediction: Prediction::new(stance),
            holder,
        }],
        checkworthiness: Some(checkworthiness),
        truncated,
    };
    let sentences = vec![
        sentence([0.91, 0.03, 0.06], [0.75, 0.05, 0.2], None, 0.82, false),
        sentence([0.02, 0.96, 0.02], [0.88, 0.02, 0.1], holder, 0.4, false),
        sentence([0.2, 0.01, 0.79], [0.01, 0.01, 0.98], None, 0.1, true),
    ];
    (Document::new("example.txt", text, spans), Analysis { sentences, attributions: None })
}

/// The same with two attributions: a quote in two pieces, of which the second stands in the third sentence, and the
/// headline, of which the source is not said.
#[cfg(test)]
fn attributed_example() -> (Document, Analysis) {
    let (document, analysis) = example();
    let span = |words: &str| {
        let start = document.text().find(words).expect("the words stand in the example");
        Span::new(start, start + words.len())
    };
    let attributions = vec![
        Attribution { content: vec![span("Troops begin leaving the east")], ..Attribution::default() },
        Attribution {
            source: vec![span("the governor")],
            cue: vec![span("said")],
            content: vec![span("“They should have gone long ago,”"), span("built in 1987")],
        },
    ];
    (document, Analysis { attributions: Some(attributions), ..analysis })
}
