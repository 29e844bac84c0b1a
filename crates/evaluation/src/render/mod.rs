//! A [`Report`](super::report::Report) for people: tables for a terminal, Markdown for a pull request, and a
//! page with plots. Nothing is computed here but where a mark stands in a plot: every figure shown is one of the
//! report's, and one that has no value is an en dash.
//!
//! The page is made by askama: its templates (`templates/report/`) are checked by the compiler and are part of
//! the binary, so that rendering cannot fail for a missing file or a misspelt field, and whatever they show is
//! escaped unless it is marked as markup. Only the plots are, and `svg` escapes what it writes.

mod html;
mod markdown;
mod plots;
mod svg;
mod text;
mod words;

pub use html::html;
pub use markdown::markdown;
pub use text::text;
