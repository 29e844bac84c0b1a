//! From analyses to bytes: a table for people, JSON Lines for programs, and files that appear whole or not
//! at all. What is written where is the caller's to decide; nothing here knows a terminal or a model.

pub mod atomic;
pub mod jsonl;
pub mod table;

/// A document of three sentences and what a model might say of it.
#[cfg(test)]
fn example() -> (crate::text::Document, crate::label::Analysis) {
    use crate::label::{Analysis, Prediction, SentenceAnalysis, Target, TargetStance};
    use crate::text::{Document, Span};

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
