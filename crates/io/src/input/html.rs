//! A web page: its article is one document, with title, author, date, site and address. The rest of the page, its menus and
//! teasers, is left out. Offsets count the article's text, which stands in no file.

use super::encoding::{self, Decoded};
use super::feed::given;
use super::notes::{InputWarningKind, Notes};
use super::open::Opened;
use super::{DocumentReader, InputOptions, markup, plain};
use crate::error::InputProblem;
use standpoint_core::text::Document;
use std::sync::Arc;
use std::thread;
use trafilatura::{ExtractResult, Options};

/// What an extractor may use of the stack: it follows the elements of a page into their depth.
const STACK: usize = 64 << 20;

/// Reads a page as one document.
pub(super) struct Page {
    file: Option<Opened>,
    options: Arc<InputOptions>,
}

impl Page {
    pub fn new(file: Opened, options: &Arc<InputOptions>) -> Self {
        Self { file: Some(file), options: Arc::clone(options) }
    }
}

impl DocumentReader for Page {
    fn next(&mut self, notes: &mut Notes) -> Option<(Option<usize>, Result<Document, InputProblem>)> {
        let file = self.file.take()?;
        Some((None, read(file, &self.options, notes)))
    }
}

fn read(file: Opened, options: &InputOptions, notes: &mut Notes) -> Result<Document, InputProblem> {
    let id = file.name.clone();
    let Decoded { text: html, from } = encoding::decode(file.read_all(markup::LIMIT)?, markup::LIMIT)?;
    if let Some(encoding) = from {
        notes.add(None, InputWarningKind::AssumedEncoding(encoding));
    }
    let article = extract(&html)?;
    drop(html);
    let text = markup::text(&markup::parse(&article.content_html)?);
    let about = article.metadata;
    let fields = [
        ("title", Some(about.title)),
        ("author", Some(about.author)),
        ("published", about.date.map(|date| date.to_string())),
        ("source", Some(about.sitename)),
        ("url", Some(about.url)),
    ];
    let document = plain::cut(&id, text, options)?.with_fields(given(fields));
    notes.add_once(InputWarningKind::ExtractedText);
    Ok(document)
}

/// # Errors
/// If there is no article, or the page is made as no page is that people read.
fn extract(html: &str) -> Result<ExtractResult, InputProblem> {
    drop(markup::parse(html)?);
    let mut options = Options::default();
    options.enable_fallback = true;
    options.exclude_comments = true;
    let result = thread::scope(|scope| {
        let thread = thread::Builder::new().stack_size(STACK);
        let extraction = thread.spawn_scoped(scope, || trafilatura::extract(html, &options));
        extraction.map(|extraction| extraction.join())
    });
    match result.map_err(InputProblem::Read)? {
        Ok(Ok(article)) => Ok(article),
        Ok(Err(_)) => Err(InputProblem::NoArticle),
        Err(_) => Err(InputProblem::Damaged { what: "a web page", why: "the extractor failed on it".to_owned() }),
    }
}
