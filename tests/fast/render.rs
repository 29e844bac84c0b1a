//! Reports as text, Markdown and HTML. `tests/slow/browser.rs` looks at the page in a browser.

use crate::report;
use insta::assert_snapshot;
use standpoint::evaluation::render::{html, markdown, text};
use standpoint::evaluation::report::Report;

#[test]
fn a_terminal_shows_every_part() {
    assert_snapshot!(text(&report::full(), 100));
}

#[test]
fn a_terminal_shows_empty_parts_as_dashes() {
    assert_snapshot!(text(&report::empty(), 80));
}

#[test]
fn a_terminal_is_as_wide_as_it_is() {
    for width in [60, 80, 100, 200] {
        let report = text(&report::full(), width);
        let widest = report.lines().map(|line| line.chars().count()).max().unwrap();
        assert!(widest <= width.into(), "{widest} columns in {width}");
    }
    let mut changed = report::full();
    changed.tasks[0].errors[0].text = "\x1b[31mred\x07".to_owned();
    assert!(!text(&changed, 80).contains(['\x1b', '\x07']), "a text does not steer the terminal");
}

#[test]
fn markdown_shows_every_part() {
    assert_snapshot!(markdown(&report::full()));
}

#[test]
fn markdown_shows_empty_parts_as_dashes() {
    assert_snapshot!(markdown(&report::empty()));
}

#[test]
fn rows_of_markdown_keep_their_columns() {
    let bars = |line: &str| line.replace("\\|", "").matches('|').count();
    let report = markdown(&report::full());
    let lines: Vec<&str> = report.lines().collect();
    for pair in lines.windows(2) {
        if pair.iter().all(|line| line.starts_with('|')) {
            assert_eq!(bars(pair[0]), bars(pair[1]), "{pair:?}");
        }
    }
    assert_eq!(report.matches("<details>").count(), report.matches("</details>").count());
}

#[test]
fn a_report_without_tasks_says_so() {
    let report = Report { tasks: Vec::new(), ..report::empty() };
    assert!(text(&report, 80).contains("no task was measured"));
    assert!(markdown(&report).contains("nothing was measured"));
    assert!(html(&report).contains("No task was measured"));
}

#[test]
fn a_page_names_nothing_outside_itself() {
    let page = html(&report::full());
    for outside in ["<script", "src=\"", "href=\"http", "url(", "@import", " style=\""] {
        assert!(!page.contains(outside), "{outside}");
    }
    assert!(page.contains("default-src &#39;none&#39;") || page.contains("default-src 'none'"));
    let mut ids: Vec<&str> = page.split(" id=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    let all = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), all, "every id is there once");
    for named in page.split(" aria-labelledby=\"").skip(1).filter_map(|rest| rest.split('"').next()) {
        assert!(named.split(' ').all(|id| ids.contains(&id)), "{named}");
    }
}
