//! Prints what three crates find in pages, as JSON Lines: tool, page, html, title, author, date, site, seconds.

use serde_json::{Value, json};
use std::panic::catch_unwind;
use std::time::Instant;
use std::{env, fs, io, thread};

type Extractor = fn(&str) -> Option<Value>;

const EXTRACTORS: [(&str, Extractor); 3] =
    [("trafilatura", trafilatura), ("rs-trafilatura", rs_trafilatura), ("dom_smoothie", dom_smoothie)];

fn trafilatura(html: &str) -> Option<Value> {
    let mut options = trafilatura::Options::default();
    options.enable_fallback = true;
    options.exclude_comments = true;
    let article = trafilatura::extract(html, &options).ok()?;
    let about = article.metadata;
    let date = about.date.map(|date| date.to_string());
    Some(json!({
        "html": article.content_html, "title": about.title, "author": about.author, "date": date, "site": about.sitename,
    }))
}

fn rs_trafilatura(html: &str) -> Option<Value> {
    let options = rs_trafilatura::Options { include_comments: false, ..Default::default() };
    let article = rs_trafilatura::extract_with_options(html, &options).ok()?;
    let about = article.metadata;
    let date = about.date.map(|date| date.to_string());
    let content = article.content_html.unwrap_or(article.content_text);
    Some(
        json!({"html": content, "title": about.title, "author": about.author, "date": date, "site": about.sitename}),
    )
}

fn dom_smoothie(html: &str) -> Option<Value> {
    let article = dom_smoothie::Readability::new(html, None, None).ok()?.parse().ok()?;
    Some(json!({
        "html": article.content.to_string(), "title": article.title, "author": article.byline,
        "date": article.published_time, "site": article.site_name,
    }))
}

fn print_all(pages: Vec<String>) -> io::Result<()> {
    for page in pages {
        let html = String::from_utf8_lossy(&fs::read(&page)?).into_owned();
        for (tool, extract) in EXTRACTORS {
            let start = Instant::now();
            let found = catch_unwind(|| extract(&html)).unwrap_or(None);
            let seconds = start.elapsed().as_secs_f64();
            println!("{}", json!({"tool": tool, "page": page, "seconds": seconds, "found": found}));
        }
    }
    Ok(())
}

fn main() -> io::Result<()> {
    // They follow the elements of a page into their depth.
    let thread = thread::Builder::new().stack_size(64 << 20);
    thread.spawn(|| print_all(env::args().skip(1).collect()))?.join().expect("panics are caught")
}
