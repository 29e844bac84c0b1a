//! The properties of a sentence that figures are sliced by: its position, its wording, and its document's metadata.

use crate::Sample;
use serde_json::Value;

/// The properties of a sentence, as pairs of name and value: the built-in ones, then those of `fields` that the document
/// has.
pub fn properties(sample: &Sample, fields: &[String]) -> Vec<(String, String)> {
    let text = sample.text.as_str();
    let mut properties = vec![
        ("file", sample.file.clone()),
        ("length", length(text).to_owned()),
        ("quotes", (if has_quotes(text) { "with quotes" } else { "without quotes" }).to_owned()),
        ("negation", (if has_negation(text) { "with negation" } else { "without negation" }).to_owned()),
        ("position", position(sample).to_owned()),
    ];
    if let Some(target) = &sample.target {
        let shares = shares_words(text, target);
        properties
            .push(("target", (if shares { "in the target's words" } else { "in other words" }).to_owned()));
    }
    let mut properties: Vec<(String, String)> =
        properties.into_iter().map(|(by, value)| (by.to_owned(), value)).collect();
    for field in fields {
        let value = match sample.fields.get(field) {
            None | Some(Value::Null | Value::Array(_) | Value::Object(_)) => continue,
            Some(Value::String(value)) => value.clone(),
            Some(value) => value.to_string(),
        };
        properties.push((field.clone(), value));
    }
    properties
}

fn length(text: &str) -> &'static str {
    match text.split_whitespace().count() {
        0..=9 => "up to 9 words",
        10..=19 => "10 to 19 words",
        20..=34 => "20 to 34 words",
        _ => "35 words or more",
    }
}

fn has_quotes(text: &str) -> bool {
    text.contains(['"', '“', '”', '«', '»', '„'])
}

fn words(text: &str) -> impl Iterator<Item = String> {
    text.split(|c: char| !(c.is_alphanumeric() || c == '\'' || c == '’'))
        .filter(|word| !word.is_empty())
        .map(|word| word.replace('’', "'").to_lowercase())
}

fn has_negation(text: &str) -> bool {
    const NEGATIONS: [&str; 11] = [
        "not", "no", "never", "none", "nobody", "nothing", "neither", "nor", "cannot", "without", "unlikely",
    ];
    words(text).any(|word| NEGATIONS.contains(&word.as_str()) || word.ends_with("n't"))
}

fn position(sample: &Sample) -> &'static str {
    match (sample.index, sample.of) {
        (_, 0..=3) => "in a text of up to 3",
        (0, _) => "first",
        (index, of) if index * 3 < of => "first third",
        (index, of) if index * 3 < of * 2 => "second third",
        _ => "last third",
    }
}

/// Whether a sentence contains a word of the target with five letters or more. Words with the same first five letters count
/// as forms of one word.
fn shares_words(text: &str, target: &str) -> bool {
    const STEM: usize = 5;
    let stem = |word: String| word.chars().take(STEM).collect::<String>();
    let stems: Vec<String> = words(target).filter(|word| word.chars().count() >= STEM).map(stem).collect();
    words(text).map(stem).any(|word| stems.contains(&word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn negation_and_target_words_are_found_in_their_forms() {
        assert!(has_negation("They won’t leave."));
        assert!(has_negation("Cannot be."));
        assert!(!has_negation("A knotty notion, nonetheless."));
        assert!(shares_words("Troops will withdraw.", "withdrawal of foreign troops"));
        assert!(!shares_words("They of all people.", "withdrawal of foreign troops"));
    }

    #[test]
    fn quotes_are_marks_and_not_apostrophes() {
        assert!(has_quotes("“Go,” she said."));
        assert!(!has_quotes("It's the soldiers' base."));
    }
}
