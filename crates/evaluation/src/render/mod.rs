//! Presents a [`Report`](crate::Report): as tables for a terminal, as Markdown for a pull request, and as an HTML page with
//! plots. Every figure shown is one of the report's; only coordinates in plots are computed here. A figure without a value
//! is shown as an en dash.
//!
//! askama renders the page. The compiler checks its templates (`templates/report/`) and puts them into the binary, so
//! rendering cannot fail because of a missing file or a misspelt field. Templates escape everything they show, except
//! plots: those are markup, and `svg` escapes the text in them.

mod figures;
mod html;
mod markdown;
mod plots;
mod svg;
mod text;

pub use html::html;
pub use markdown::markdown;
pub use text::text;
