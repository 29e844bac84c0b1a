//! A web page: its article is one document, with title, author, date, site and address. The rest of the page, its menus and
//! teasers, is left out. Offsets count the article's text, which stands in no file.

use super::encoding;
use super::notes::{InputWarningKind, Notes};
use super::open::Opened;
use super::syndication::given;
use super::{DocumentReader, InputOptions, foreign, markup, plain};
use crate::error::InputProblem;
use standpoint_core::text::Document;
use std::sync::Arc;
use std::thread;
use trafilatura::{ExtractResult, Options};

/// What an extractor may use of the stack: it follows the elements of a page into their depth.
const STACK: usize = 64 << 20;

/// Elements around an article.
const AROUND: [&str; 3] = ["aside", "footer", "nav"];

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
    let html = encoding::decode(file.read_all(markup::LIMIT)?, options.encoding, markup::LIMIT, notes)?;
    let page = markup::parse(&html)?;
    let (whole, main) = (markup::text(&page), markup::text_without(&page, &AROUND));
    drop(page);
    let article = extract(&html)?;
    drop(html);
    let found = markup::text(&markup::parse(&article.content_html)?);
    // A page too small for the extractor's rules it takes whole, and loses its paragraphs.
    let text = if is_same(&whole, &found) && !main.is_empty() { main } else { found };
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

/// Whether two texts differ in white space alone.
fn is_same(a: &str, b: &str) -> bool {
    a.split_whitespace().flat_map(str::chars).eq(b.split_whitespace().flat_map(str::chars))
}

/// # Errors
/// If there is no article, or the page is made as no page is that people read.
fn extract(html: &str) -> Result<ExtractResult, InputProblem> {
    let mut options = Options::default();
    options.enable_fallback = true;
    options.exclude_comments = true;
    let result = thread::scope(|scope| {
        let thread = thread::Builder::new().stack_size(STACK);
        let extract = || foreign::call(|| trafilatura::extract(html, &options)).map_err(drop);
        let extraction = thread.spawn_scoped(scope, extract);
        extraction.map(|extraction| extraction.join().unwrap_or(Err(())))
    });
    match result.map_err(InputProblem::Read)? {
        Ok(Ok(article)) => Ok(article),
        Ok(Err(_)) => Err(InputProblem::NoArticle),
        Err(_) => {
            Err(InputProblem::Damaged { what: "a web page", why: "the extractor failed on it".to_owned() })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::test::{Outcome, opened, outcomes};

    fn read(bytes: impl Into<Vec<u8>>) -> Vec<Outcome> {
        outcomes(Page::new(opened("f.html", bytes), &Arc::default()))
    }

    const PAGE: &str = r#"<!DOCTYPE html><html><head><title>Troops leave the valley | The Coast</title>
        <meta name="author" content="Ann Lee"><meta property="article:published_time" content="2024-09-02T10:00:00Z">
        <meta property="og:site_name" content="The Coast"><link rel="canonical" href="https://example.org/news/1"></head><body>
        <nav><a href="/">Home</a> <a href="/sport">Sport</a></nav><article><h1>Troops leave the valley</h1>
        <p>The last <b>troops</b> left the valley on Monday, the premier said, and nobody in the village was sorry to see them go.</p>
        <p>“We will rebuild the bridge before the winter,” she told reporters who had come up from the coast to watch.</p>
        <p>The opposition called the withdrawal hasty, and asked who would now guard the pass and the two dams above it.</p></article>
        <aside><a href="/2">Read also: ten lakes to swim in</a></aside><footer>All rights reserved.</footer></body></html>"#;

    #[test]
    fn the_article_of_a_page_is_a_document() {
        let fields = r#"{"title":"Troops leave the valley","author":"Ann Lee","published":"2024-09-02","source":"The Coast","url":"https://example.org/news/1"}"#;
        let outcomes = read(PAGE);
        let document = format!("{:?}", outcomes[0]);
        assert!(document.ends_with(fields), "{document}");
        let lines = r#"sorry to see them go.\n“We will rebuild the bridge before the winter,” she told"#;
        assert!(document.contains(lines), "{document}");
        assert!(!document.contains("Sport") && !document.contains("rights reserved"), "{document}");
        assert!(outcomes[1].is_warning());
    }

    #[test]
    fn a_small_page_is_read_whole() {
        assert_eq!(
            read("<nav>Home</nav><p>They left.</p><p>Nobody stayed.</p>")[0],
            r#"-: "f.html" "They left.\nNobody stayed." {}"#
        );
    }

    #[test]
    fn a_page_without_text_or_made_to_explode_is_an_error() {
        let bad = [
            "",
            "<html>",
            "<script>x</script>",
            "\0",
            &"<div>".repeat(1 << 20),
            &"<a href=x>y</a>".repeat(1 << 18),
        ];
        for page in bad {
            let outcomes = read(page);
            assert!(outcomes.len() == 1 && outcomes[0].is_error(), "{outcomes:?}");
        }
        let large = "a".repeat(17 << 20);
        assert_eq!(read(large), ["-: error: is larger than the limit of 16 MiB: split it"]);
    }

    #[test]
    fn a_page_that_is_cut_short_is_read_as_far_as_it_goes() {
        for end in (0..PAGE.len()).step_by(37) {
            read(&PAGE[..PAGE.floor_char_boundary(end)]);
        }
    }
}
