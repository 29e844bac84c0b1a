//! The columns of a table: what they are called, and whether one of them holds the text. A table without such a column is one
//! error, not one for each of its rows.

use super::{InputOptions, record};
use crate::error::InputProblem;
use std::collections::HashSet;

/// `usual` are the columns that hold the text where nobody said which one does.
///
/// # Errors
/// If no column holds the text.
pub(super) fn require_text(
    names: &[String],
    usual: &[&str],
    options: &InputOptions,
) -> Result<(), InputProblem> {
    let is_text = |name: &String| match &options.text_field {
        Some(wanted) => name == wanted,
        None => usual.contains(&name.as_str()),
    };
    if names.iter().any(is_text) {
        return Ok(());
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    Err(record::no_text(options, usual, &names))
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
        let said = |columns: &[&str], usual: &[&str]| match require_text(
            &names(columns),
            usual,
            &InputOptions::default(),
        ) {
            Ok(()) => "none needed".to_owned(),
            Err(problem) => problem.to_string(),
        };
        assert_eq!(said(&["id", "text"], &["text"]), "none needed");
        assert_eq!(said(&["sentences"], &["text", "sentences"]), "none needed");
        let likely = |name| {
            format!("has no field \"text\", but \"{name}\": give --text-field {name} if that is its text")
        };
        assert_eq!(said(&["id", "title", "Body"], &["text"]), likely("Body"));
        assert_eq!(said(&["Text"], &["text"]), likely("Text"));
        let other = "has no field \"text\" or \"sentences\", but \"a\", \"b c\": name the one that is its text with --text-field";
        assert_eq!(said(&["a", "b c"], &["text", "sentences"]), other);
        let named = InputOptions { text_field: Some("BODY".to_owned()), ..InputOptions::default() };
        let problem = require_text(&names(&["text", "body"]), &["text"], &named).unwrap_err();
        assert_eq!(
            problem.to_string(),
            "has no field \"BODY\", but \"body\": give --text-field body if that is its text"
        );
    }
}
