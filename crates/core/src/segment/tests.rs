//! Tests on whole texts: behaviour that earlier versions had, and properties of any text.

use super::*;
use proptest::prelude::*;
use std::time::{Duration, Instant};

fn cut(text: &str) -> Vec<&str> {
    sentences(text).into_iter().map(|span| span.slice(text)).collect()
}

#[test]
fn a_headline_and_a_dateline_stand_apart() {
    let text = "Troops to leave the north\nBAGHDAD (Agency) - The last convoy left on Monday. It was late.\n";
    let right =
        ["Troops to leave the north", "BAGHDAD (Agency) - The last convoy left on Monday.", "It was late."];
    assert_eq!(cut(text), right);
}

#[test]
fn a_quotation_that_runs_on_is_cut_unless_it_shall_stay_whole() {
    let text = "“We are going. Nobody stays,” the minister said. “That is all.” He left.";
    let parts = ["“We are going.", "Nobody stays,” the minister said.", "“That is all.”", "He left."];
    assert_eq!(cut(text), parts);
    let whole = Options { quotes: Quotes::Whole, ..Options::default() };
    let spans = sentences_with(text, &whole);
    let found: Vec<&str> = spans.into_iter().map(|span| span.slice(text)).collect();
    assert_eq!(found, ["“We are going. Nobody stays,” the minister said.", "“That is all.”", "He left."]);
}

#[test]
fn a_wrapped_text_is_read_on_over_its_line_breaks() {
    let text = "The brigade that had guarded the bridge since the spring was told on\r\n\
                Tuesday to pack its tents, and officers said that the convoy of Gen.\r\n\
                Smith would be the first to go. No date was given for the rest of the\r\n\
                force.\r\n\r\nA spokesman declined to say more.";
    let found = cut(text);
    assert_eq!(found.len(), 3);
    assert!(found[0].ends_with("Smith would be the first to go."));
    assert!(found[1].ends_with("the\r\nforce."));
}

#[test]
fn a_hyphen_at_a_line_end_ends_nothing() {
    let text = "Parliament voted on Sunday to end the mission at once, and also the with-\n\
                drawal of all of its foreign soldiers by the end of June. It was a foreign-\n\
                led mission.";
    assert_eq!(cut(text).len(), 2);
}

#[test]
fn short_lines_that_begin_with_a_small_letter_are_still_lines() {
    let text = "What now?\nanna berg\nThe soldiers go home, and the province waits to see who comes after them, \
                as it has waited before.\nben stone\nAnd then?";
    assert_eq!(cut(text).len(), 5);
}

#[test]
fn the_options_are_heeded() {
    let text = "The pier\nis closed. Zugf. Roe said so: “We go. Nobody stays.”";
    let options = Options {
        abbreviations: ["zugf."].into_iter().collect(),
        quotes: Quotes::Whole,
        wrapped: Wrapped::Yes,
    };
    let found: Vec<&str> = sentences_with(text, &options).into_iter().map(|span| span.slice(text)).collect();
    assert_eq!(found, ["The pier\nis closed.", "Zugf. Roe said so: “We go. Nobody stays.”"]);
    assert_eq!(cut(text), ["The pier", "is closed.", "Zugf.", "Roe said so: “We go.", "Nobody stays.”"]);
}

#[test]
fn a_list_of_abbreviations_may_have_comments() {
    let list = "\u{feff}# ranks\r\nZugf.\n\nobj # objects\n";
    assert_eq!(Abbreviations::parse(list), Ok(["zugf", "obj"].into_iter().collect()));
    let wrong = |line, word: &str| Err(NoAbbreviation { line, word: word.to_owned() });
    assert_eq!(Abbreviations::parse("a.\n12\n"), wrong(2, "12"));
    let long = "x".repeat(100);
    assert_eq!(Abbreviations::parse(&long), wrong(1, &long));
}

#[test]
fn what_is_invisible_belongs_to_no_sentence() {
    assert_eq!(sentences("\u{feff}Go."), [Span::new(3, 6)]);
    assert_eq!(sentences("\u{feff} \r\n\u{200b}"), []);
    assert_eq!(
        cut("It closed.\u{200b} \u{200b}Nobody came.\u{ad}&nbsp;Why?"),
        ["It closed.", "Nobody came.", "Why?"]
    );
}

#[test]
fn entities_are_marks_and_spaces() {
    let text = "&ldquo;We go,&rdquo; he said. &ldquo;It is over.&rdquo; The gate closed.&nbsp;Nobody came&hellip; So what?";
    let right = [
        "&ldquo;We go,&rdquo; he said.",
        "&ldquo;It is over.&rdquo;",
        "The gate closed.",
        "Nobody came&hellip;",
        "So what?",
    ];
    assert_eq!(cut(text), right);
}

fn check(text: &str, options: &Options) {
    let mut reached = 0;
    let outside = |gap: &str| skip_blanks(gap, 0) == gap.len();
    for span in sentences_with(text, options) {
        assert!(outside(&text[reached..span.start()]), "lost {:?}", &text[reached..span.start()]);
        let sentence = span.slice(text);
        assert!(!sentence.is_empty());
        assert_eq!(skip_blanks(sentence, 0), 0, "{sentence:?}");
        assert_eq!(characters::skip_blanks_back(sentence, sentence.len()), sentence.len(), "{sentence:?}");
        reached = span.end();
    }
    assert!(outside(&text[reached..]), "lost {:?}", &text[reached..]);
}

fn any_options() -> impl Strategy<Value = Options> {
    let quotes = prop::sample::select(vec![Quotes::Cut, Quotes::Whole]);
    let wrapped = prop::sample::select(vec![Wrapped::Auto, Wrapped::Yes, Wrapped::No]);
    let abbreviations = prop::sample::select(vec!["", "word.", "Gen"]);
    (quotes, wrapped, abbreviations).prop_map(|(quotes, wrapped, word)| Options {
        abbreviations: [word].into_iter().collect(),
        quotes,
        wrapped,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 256 } else { 4096 }))]

    #[test]
    fn nothing_is_lost_of_any_text(text in any::<String>(), options in any_options()) {
        check(&text, &options);
    }

    #[test]
    fn nothing_is_lost_of_what_looks_like_news(
        parts in prop::collection::vec(
            prop::sample::select(vec![
                "“", "”", "\"", "'", "’", "(", ")", "[", "]", ".", "...", "…", "!", "?", " ", " ", " ", "\n", "\n\n",
                "\r\n", "\r", "\t", "\u{a0}", "\u{2028}", "\u{85}", "\u{feff}", "\u{200b}", "\u{ad}", "\0", "\u{1b}[31m",
                "1. ", "2. ", "- ", "• ", "a) ", "U.S. ", "Gen. ", "Jan. 5", "J. ", "I", "He said", "é", "ß", "İ", "日本。",
                "👩‍👩‍👧", "a@b.co", "e\u{301}", "word ", "Word ", "«", "»", "„", "‘", "--", "—", ", ", "&rdquo;", "&nbsp;", "&",
                ";", ":", "MS. PYE: ", "Q. ", ">> ", "[12]", ":)", "''", "Mira Voss asked. ", " that ", "p.m. ", "D.C. ", "St. ",
                "Monday, June 1, 2026", "http://a.b/c?d=e. ", "al-Nahr ", "i ", "5\"", ". . .", "St", "Yahoo!",
            ]),
            0..60,
        ),
        times in 1usize..4,
        options in any_options(),
    ) {
        check(&parts.concat().repeat(times), &options);
    }
}

#[test]
fn huge_texts_are_cut_in_linear_time() {
    let texts = [
        "The army left. ",
        "word ",
        "x",
        "“open it's ' \" ( [ . ",
        ". ",
        ".",
        "( . ",
        "\"",
        "' ",
        "“",
        "“a. ",
        "&nbsp;",
        " ",
        "A ",
        "A. ",
        "MR. ",
        "AB-",
        "1. ",
        "?” Aa ",
        "U.S. A ",
        "\u{200b}",
        "a\n",
        "-\n",
        "1.\n",
        ". &nbsp;",
        "[1]",
        "Aa: ",
        "''",
        ". (",
        "!\u{300}",
        ": ",
        ">> ",
        "Monday, June 1, 2026 ",
    ];
    for text in texts {
        let text = text.repeat((1 << 18) / text.len());
        for quotes in [Quotes::Cut, Quotes::Whole] {
            let options = Options { quotes, ..Options::default() };
            let started = Instant::now();
            sentences_with(&text, &options);
            let taken = started.elapsed();
            assert!(
                taken < Duration::from_secs(10),
                "{taken:?} for {:?}",
                &text[..text.floor_char_boundary(20)]
            );
        }
    }
}
