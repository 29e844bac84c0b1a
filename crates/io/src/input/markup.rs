//! HTML of any origin: parsed within bounds, and turned into plain text.
//!
//! A page of ten megabytes can be nested a million deep, or make a parser work for hours. Pages that go beyond what people
//! write are refused before anything else looks at them.

use crate::error::InputProblem;
use html5ever::driver::{ParseOpts, parse_document};
use html5ever::tendril::TendrilSink;
use scraper::node::Node;
use scraper::{Html, HtmlTreeSink};

/// The largest page, in bytes.
pub(super) const LIMIT: u64 = 16 << 20;

/// The most elements, texts and comments of a page. Long news pages have some ten thousand.
const NODES: usize = 150_000;

/// How deep elements may stand in one another. On news pages it is some thirty.
const DEPTH: usize = 512;

/// The most attributes of one element.
const ATTRIBUTES: usize = 256;

/// The most tags and attributes of a page, with all that looks like them.
const TAGS: usize = 1_000_000;
const ALL_ATTRIBUTES: usize = 200_000;

/// The most of what may be attributes in a script or comment, if it should be none.
const HIDDEN_ATTRIBUTES: usize = 2048;

/// Elements with something else than markup in them, and what ends it.
const RAW: [(&str, &str); 2] = [("<script", "</script"), ("<style", "</style")];

/// How many bytes are parsed between two looks at what has become of them: a few of them can make thousands of nodes.
const STEP: usize = 2 << 10;

/// # Errors
/// If the page is made as no page is that people read.
pub(super) fn parse(html: &str) -> Result<Html, InputProblem> {
    check_tags(html)?;
    let mut parser = parse_document(HtmlTreeSink::new(Html::new_document()), ParseOpts::default());
    let mut rest = html;
    while !rest.is_empty() {
        let (step, after) = rest.split_at(rest.floor_char_boundary(STEP.min(rest.len())));
        rest = after;
        parser.process(step.into());
        let page = parser.tokenizer.sink.sink.0.borrow();
        if page.tree.nodes().len() > NODES {
            return Err(InputProblem::Overgrown { what: "elements", limit: NODES });
        }
        // The last node stands about as deep as the next one will.
        let depth = page.tree.nodes().next_back().map_or(0, |node| node.ancestors().take(DEPTH + 1).count());
        if depth > DEPTH {
            return Err(InputProblem::Overgrown { what: "elements in one another", limit: DEPTH });
        }
    }
    let page = parser.finish();
    match is_deep(&page) {
        true => Err(InputProblem::Overgrown { what: "elements in one another", limit: DEPTH }),
        false => Ok(page),
    }
}

/// # Errors
/// If the tag of an element has more attributes than there should be, which parsers compare with each other; or if the page
/// has more tags or attributes than memory should hold.
///
/// Scripts are full of what looks like tags, and whether a parser takes them for scripts depends on what they stand in. So more
/// is let pass in them than elsewhere, and still no more than a parser can stand.
fn check_tags(html: &str) -> Result<(), InputProblem> {
    let overgrown = |what, limit| Err(InputProblem::Overgrown { what, limit });
    let (mut tags, mut attributes) = (0, 0);
    let (mut in_tag, mut quote, mut count) = (false, None, 0);
    // How what is no markup ends, once the tag that begins it has ended.
    let (mut opened, mut raw): (Option<&str>, Option<&str>) = (None, None);
    let bytes = html.as_bytes();
    for (index, &byte) in bytes.iter().enumerate() {
        if byte == b'<' {
            tags += 1;
            if tags > TAGS {
                return overgrown("tags", TAGS);
            }
        }
        let rest = &bytes[index..];
        let begins = |text: &str| {
            rest.get(..text.len()).is_some_and(|rest| rest.eq_ignore_ascii_case(text.as_bytes()))
        };
        if raw.is_some_and(begins) {
            (in_tag, quote, raw) = (false, None, None);
        }
        match (quote, byte) {
            (Some(open), _) if byte == open => quote = None,
            (Some(_), _) => {}
            (None, b'<') if raw.is_none() && begins("<!--") => raw = Some("-->"),
            (None, b'<') if rest.get(1).is_some_and(u8::is_ascii_alphabetic) => {
                (in_tag, count) = (true, 0);
                opened = RAW.iter().find(|(begin, _)| begins(begin)).map(|(_, end)| *end);
            }
            (None, b'>') => {
                in_tag = false;
                raw = raw.or(opened.take());
            }
            // A quotation mark opens a value only behind an equals sign, and would otherwise be part of a name.
            (None, b'"' | b'\'') if in_tag && bytes[..index].trim_ascii_end().ends_with(b"=") => {
                quote = Some(byte)
            }
            (None, b' ' | b'\t' | b'\n' | b'\r' | b'\x0c' | b'/' | b'=') if in_tag => {
                let begins = usize::from(!rest.get(1).is_some_and(u8::is_ascii_whitespace));
                (count, attributes) = (count + begins, attributes + begins);
                if count > 2 * if raw.is_some() { HIDDEN_ATTRIBUTES } else { ATTRIBUTES } {
                    return overgrown("attributes in one element", ATTRIBUTES);
                }
                if attributes > 2 * ALL_ATTRIBUTES {
                    return overgrown("attributes", ALL_ATTRIBUTES);
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn is_deep(page: &Html) -> bool {
    let mut depths = vec![(page.tree.root(), 0)];
    while let Some((node, depth)) = depths.pop() {
        if depth > DEPTH {
            return true;
        }
        depths.extend(node.children().map(|child| (child, depth + 1)));
    }
    false
}

/// The text that a reader of the page sees: a line for each paragraph, heading, list item or row of a table.
pub(super) fn text(page: &Html) -> String {
    text_without(page, &[])
}

/// The same, without some elements.
pub(super) fn text_without(page: &Html, left_out: &[&str]) -> String {
    let mut lines = Lines::default();
    let mut node = page.tree.root();
    'walk: loop {
        let mut is_entered = true;
        match node.value() {
            Node::Text(text) => lines.write(text),
            Node::Element(element) => {
                is_entered = !UNSEEN.contains(&element.name()) && !left_out.contains(&element.name());
                lines.part(element.name());
            }
            _ => {}
        }
        if let Some(child) = node.first_child().filter(|_| is_entered) {
            node = child;
            continue;
        }
        loop {
            if let Node::Element(element) = node.value() {
                lines.part(element.name());
            }
            if let Some(next) = node.next_sibling() {
                node = next;
                continue 'walk;
            }
            match node.parent() {
                Some(parent) => node = parent,
                None => break 'walk,
            }
        }
    }
    lines.text.truncate(lines.text.trim_end().len());
    lines.text
}

/// Elements whose content nobody reads as text.
const UNSEEN: [&str; 17] = [
    "audio", "button", "canvas", "head", "iframe", "input", "math", "noscript", "object", "script", "select",
    "style", "svg", "template", "textarea", "title", "video",
];

/// Elements within a line.
const INLINE: [&str; 37] = [
    "a", "abbr", "acronym", "b", "bdi", "bdo", "big", "cite", "code", "data", "del", "dfn", "em", "font",
    "graphic", "hi", "i", "img", "ins", "kbd", "mark", "q", "ref", "rp", "rt", "ruby", "s", "samp", "small",
    "span", "strike", "strong", "sub", "sup", "time", "u", "wbr",
];

/// Text in lines, with single spaces.
#[derive(Default)]
struct Lines {
    text: String,
    needs_space: bool,
}

impl Lines {
    fn write(&mut self, text: &str) {
        for (index, word) in text.split(|c: char| c.is_whitespace() && c != '\u{a0}').enumerate() {
            self.needs_space |= index > 0;
            if word.is_empty() {
                continue;
            }
            if std::mem::take(&mut self.needs_space) && !self.text.is_empty() && !self.text.ends_with('\n') {
                self.text.push(' ');
            }
            self.text.push_str(word);
        }
    }

    /// An element begins or ends here.
    fn part(&mut self, element: &str) {
        match element {
            "td" | "th" => self.needs_space = true,
            _ if INLINE.contains(&element) => {}
            _ => {
                if !self.text.is_empty() && !self.text.ends_with('\n') {
                    self.text.push('\n');
                }
                self.needs_space = false;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(html: &str) -> Result<String, String> {
        parse(html).map(|page| text(&page)).map_err(|problem| problem.to_string())
    }

    #[test]
    fn each_block_is_a_line() {
        let html = "<title>No</title><h1>Troops\n  leave</h1><div>They <b>left</b>.<p>Nobody&nbsp;stayed.<br>So <i>it</i> \
                    was.</div><script>if (a < b) {}</script><ul><li>One<li>Two</ul><table><tr><td>a<td>b<tr><td>c</table>&lt;p&gt;";
        let lines = "Troops leave\nThey left.\nNobody\u{a0}stayed.\nSo it was.\nOne\nTwo\na b\nc\n<p>";
        assert_eq!(read(html), Ok(lines.to_owned()));
        assert_eq!(read("a plain  text"), Ok("a plain text".to_owned()));
        assert_eq!(read("<p> </p>"), Ok(String::new()));
    }

    #[test]
    fn a_page_that_is_made_to_explode_is_refused() {
        let attributes: String = (0..100_000).map(|number| format!(" a{number}=x")).collect();
        let fonts: String = (0..400).map(|number| format!("<font size={number}>")).collect();
        let overgrown = [
            "<div>".repeat(1 << 20),
            "<b>".repeat(100_000),
            "<blockquote>".repeat(100_000),
            "<table><tr><td>".repeat(50_000),
            "<span></div>".repeat(100_000),
            "<br>".repeat(1 << 20),
            format!("<p{attributes}>"),
            format!("<p{}>", attributes.replace(' ', "/")),
            format!("<svg><script><p{attributes}>"),
            format!("<svg><script>{}", format!("<p{}>", " a".repeat(2000)).repeat(500)),
            format!("<p {}>", "a=b ".repeat(200)).repeat(5000),
            "<".repeat(2 << 20),
            format!("{fonts}{}", "<p>x".repeat(100_000)),
            format!("{fonts}{}", "</p>".repeat(200_000)),
        ];
        for html in overgrown {
            let refused = read(&html).unwrap_err();
            assert!(refused.starts_with("has more than "), "{refused} {}", &html[..40]);
        }
    }

    #[test]
    fn a_large_page_is_read() {
        let attributes: String = (0..200).map(|number| format!(" a{number}='x y=z / \"'")).collect();
        let page = format!("<div{attributes}>{}", "<p>They left.</p>".repeat(50_000));
        assert_eq!(read(&page).unwrap().lines().count(), 50_000);
        let script = "if (a <b && c[d] = \"x\" || e) { f = g + 1; }\n".repeat(90);
        let page = format!("<script>{script}</script><!-- {script} --><STYLE>{script}</STYLE><p>They left.");
        assert_eq!(read(&page).unwrap(), "They left.");
        let nested = format!("{}They left.", "<div>".repeat(DEPTH - 10));
        assert_eq!(read(&nested).unwrap(), "They left.");
        assert!(read(&"<".repeat(1 << 19)).unwrap().len() == 1 << 19);
        assert_eq!(read(&format!("They left.<!--{}", "x-".repeat(1 << 20))).unwrap(), "They left.");
    }
}
