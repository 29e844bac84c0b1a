//! The columns of a table: what they are called, and whether one of them holds the text. A table without such a column is one
//! error, not one for each of its rows.

use super::InputOptions;
use crate::error::InputProblem;
use std::collections::HashSet;

/// The names that crawlers and data sets give to the field of the text, the likeliest first.
const TEXT_NAMES: [&str; 14] = [
    "maintext", "article_text", "full_text", "fulltext", "article", "body", "content", "articlebody", "raw_text", "document",
    "story", "sentence", "description", "summary",
];

/// `usual` are the columns that hold the text where nobody said which one does.
///
/// # Errors
/// If no column holds the text.
pub(super) fn require_text(names: &[String], usual: &[&str], options: &InputOptions) -> Result<(), InputProblem> {
    let is_text = |name: &String| match &options.text_field {
        Some(wanted) => name == wanted,
        None => usual.contains(&name.as_str()),
    };
    if names.iter().any(is_text) {
        return Ok(());
    }
    let wanted = options.text_field.as_deref().unwrap_or("text");
    let named = |known: &&str| names.iter().find(|name| name.eq_ignore_ascii_case(known)).cloned();
    let suggestion = [wanted].iter().chain(&TEXT_NAMES).find_map(named);
    Err(InputProblem::NoTextField { wanted: wanted.to_owned(), fields: names.to_vec(), suggestion })
}

/// Names by which columns can be told apart. Columns that have none are called by their numbers, and further ones of a name
/// get a number, as data frames call them.
pub(super) fn distinct(names: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut taken = HashSet::new();
    let distinct = names.into_iter().enumerate().map(|(index, name)| {
        let name = if name.is_empty() { (index + 1).to_string() } else { name };
        let numbered = (1..).map(|number| format!("{name}.{number}"));
        let free = std::iter::once(name.clone()).chain(numbered).find(|name| !taken.contains(name));
        let free = free.unwrap_or(name);
        taken.insert(free.clone());
        free
    });
    distinct.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        distinct(names.iter().map(|&name| name.to_owned()))
    }

    #[test]
    fn columns_have_names_of_their_own() {
        assert_eq!(names(&["", "a", "a", "a.1", "", "a"]), ["1", "a", "a.1", "a.1.1", "5", "a.2"]);
    }

    #[test]
    fn a_table_without_text_says_which_column_it_could_be() {
        let suggested = |columns: &[&str]| match require_text(&names(columns), &["text", "sentences"], &InputOptions::default()) {
            Ok(()) => "none needed".to_owned(),
            Err(problem) => problem.to_string(),
        };
        assert_eq!(suggested(&["id", "text"]), "none needed");
        assert_eq!(suggested(&["sentences"]), "none needed");
        let error = |suggestion: &str, columns: &str| {
            format!("has no field \"text\": name the one that holds the text, as with --text-field {suggestion} ({columns})")
        };
        assert_eq!(suggested(&["id", "title", "Body"]), error("Body", "there are id, title, Body"));
        assert_eq!(suggested(&["Text"]), error("Text", "there is Text"));
        assert_eq!(suggested(&["a", "b"]), error("NAME", "there are a, b"));
        assert_eq!(suggested(&["a", "Full Text"]), error("NAME", "there are a, Full Text"));
        let named = InputOptions { text_field: Some("txt".to_owned()), ..InputOptions::default() };
        assert!(require_text(&names(&["id", "text"]), &["text"], &named).is_err());
    }
}
