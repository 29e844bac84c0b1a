//! The label of a speaker, as a transcript writes it before what is said: `MR. CASS:`, `THE PRESIDENT:`, `>> HOST:`,
//! `ANN ROE, REPORTER (voice-over):`, `Q.` And what a transcript notes between brackets: `[CROSSTALK]`, `(APPLAUSE)`.

use super::characters::{is_blank, skip_blanks, unit_at};
use super::words::{self, Table};

/// The longest label, in bytes.
pub(super) const LONGEST: usize = 96;

/// The most words of a name, and of what describes its bearer.
const NAME: usize = 5;
const DESCRIPTION: usize = 12;

/// The longest note between brackets, in bytes and in words.
const NOTE: usize = 60;
const NOTE_WORDS: usize = 6;

/// The longest label of a member of parliament, in bytes; what it begins with; who has no other name there.
const MEMBER: usize = 64;
const TITLES: [&str; 6] = ["The ", "Mr. ", "Mrs. ", "Ms. ", "Miss ", "Dr. "];
const OFFICES: [&str; 6] = ["SPEAKER", "CHAIR", "PRESID", "ACTING", "CLERK", "VICE"];

/// Abbreviations before a name that belong to places: `ST. LOUIS:`
const PLACES: [&str; 4] = ["FT", "MT", "ST", "STE"];

/// Words of headlines, not of names: `ROADS TO NOWHERE:`
const NOT_IN_NAMES: [&str; 10] = ["TO", "AN", "FOR", "AND", "IN", "ON", "WITH", "IS", "ARE", "FROM"];

/// The label of a speaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Label<'a> {
    /// As it is written, without what describes its bearer. Empty behind a lone `>>`: somebody else speaks.
    pub(crate) name: &'a str,
    /// Where it ends, in the text.
    pub(crate) end: usize,
    /// Whether `>>` stands before it.
    pub(crate) has_chevrons: bool,
}

/// The label that begins there.
pub(crate) fn at(text: &str, at: usize) -> Option<Label<'_>> {
    let head = &text[at..text.floor_char_boundary(at + LONGEST)];
    if head.starts_with(">>") {
        let end = skip_blanks(text, at + head.len() - head.trim_start_matches('>').len());
        let named = capitals(text, end).map(|label| Label { has_chevrons: true, ..label });
        return Some(named.unwrap_or(Label { name: "", end, has_chevrons: true }));
    }
    if head.starts_with("Q. ") {
        return Some(Label { name: &head[..1], end: at + 2, has_chevrons: false });
    }
    capitals(text, at)
}

/// A name in capitals, with or without a description, and a colon.
fn capitals(text: &str, at: usize) -> Option<Label<'_>> {
    let head = &text[at..text.floor_char_boundary(at + LONGEST)];
    // `6 P.M. EDT THE PRESIDENT:`: a zone is no name.
    let first = head.split([' ', ':']).next()?;
    if !head.starts_with(char::is_uppercase) || words::is_zone(first) {
        return None;
    }
    let (mut blanks, mut name, mut in_brackets) = (0, None, false);
    let mut chars = head.char_indices().peekable();
    while let Some((offset, char)) = chars.next() {
        match char {
            ')' | ']' if in_brackets => in_brackets = false,
            _ if in_brackets => {}
            ':' => {
                let end = at + offset + 1;
                let is_over = unit_at(text, end).is_none_or(|unit| is_blank(unit.char));
                let name = name.unwrap_or(&head[..offset]).trim_end();
                return is_over.then_some(Label { name, end, has_chevrons: false });
            }
            '(' | '[' | ',' if offset > 0 => {
                name.get_or_insert(&head[..offset]);
                in_brackets = char != ',';
            }
            ' ' => {
                blanks += 1;
                if blanks >= if name.is_some() { DESCRIPTION } else { NAME } {
                    return None;
                }
            }
            '.' | '-' | '\'' | '’' | '#' | '_' => {}
            '"' | '“' | '”' | '&' | '/' if name.is_some() => {}
            // `MCCALL`, as `McCALL`
            'c' if head[..offset].ends_with('M')
                && chars.peek().is_some_and(|(_, next)| next.is_uppercase()) => {}
            char if char.is_uppercase() || char.is_numeric() => {}
            _ => return None,
        }
    }
    None
}

/// A name in mixed case and a colon: `Mayor Roe:`, `Ann de Poe (by phone):`. Whether it is a label, only the text as a whole
/// shows.
pub(crate) fn mixed(text: &str, at: usize) -> Option<Label<'_>> {
    let head = &text[at..text.floor_char_boundary(at + MEMBER)];
    let colon = head
        .find(": ")
        .or_else(|| head.find(":\n"))
        .or_else(|| head.ends_with(':').then(|| head.len() - 1))?;
    let label = &head[..colon];
    let name = label.split(['(', '[', ',']).next().unwrap_or(label).trim_end();
    let is_name = |word: &str| {
        let is_capital = word.starts_with(char::is_uppercase);
        let is_number = word.bytes().all(|byte| byte.is_ascii_digit());
        let is_written =
            |char: char| char.is_alphanumeric() || matches!(char, '.' | '-' | '\'' | '’' | '_' | '#');
        (is_capital || is_number || words::is_in(Table::Particle, word)) && word.chars().all(is_written)
    };
    let is_closed = label.len() == name.len() || label.contains(',') || label.ends_with([')', ']']);
    let is_named = name.starts_with(char::is_uppercase) && name.split(' ').count() <= NAME;
    (is_closed && is_named && name.split(' ').all(is_name)).then_some(Label {
        name,
        end: at + colon + 1,
        has_chevrons: false,
    })
}

/// What begins a question in an interview: `Q.`, `Q:`, and at the beginning of a paragraph a `Q` alone.
pub(crate) fn question(text: &str, at: usize, begins_paragraph: bool) -> Option<Label<'_>> {
    let head = &text[at..];
    let is_alone = begins_paragraph && head.starts_with(['Q']) && {
        let rest = head[1..].trim_start_matches(is_blank);
        rest.len() + 1 < head.len() && rest.starts_with(char::is_uppercase)
    };
    let end = if head.starts_with("Q. ") || head.starts_with("Q: ") { 2 } else { usize::from(is_alone) };
    (end > 0).then(|| Label { name: &head[..1], end: at + end, has_chevrons: false })
}

/// What begins an answer, where there are questions: `A.`, `A:`
pub(crate) fn answer(text: &str, at: usize) -> Option<Label<'_>> {
    let head = &text[at..];
    (head.starts_with("A. ") || head.starts_with("A: ")).then(|| Label {
        name: &head[..1],
        end: at + 2,
        has_chevrons: false,
    })
}

/// Whether the words before a colon name no speaker: `READ MORE:`, `THE FACTS:`
pub(crate) fn is_heading(name: &str) -> bool {
    let mut words = name.split(' ').skip_while(|word| word.eq_ignore_ascii_case("the"));
    let is_listed = words.next().is_some_and(|word| words::is_in(Table::Heading, word));
    is_listed || words.any(|word| NOT_IN_NAMES.contains(&word))
}

/// Whether a name in capitals has a title, so that a colon behind it can only be that of a label: `MR. CASS`,
/// `THE PRESIDENT`
pub(crate) fn has_title(name: &str) -> bool {
    let mut words = name.split(' ');
    let (first, last) = (words.next().unwrap_or_default(), words.next_back());
    let is_title = |word: &str| {
        let plain = word.trim_end_matches('.').trim_start_matches('>');
        words::is_in(Table::Title, plain) && !PLACES.contains(&plain)
    };
    let is_office = first == "THE" && last.is_some_and(|last| words::is_in(Table::Person, last));
    last.is_some() && is_title(first) || is_office
}

/// The label of a member in the records of a parliament: `Mr. VOSS.`, `Ms. ROE of Halden.`, `The SPEAKER pro tempore.`
pub(crate) fn member(text: &str, at: usize) -> Option<Label<'_>> {
    let head = &text[at..text.floor_char_boundary(at + MEMBER)];
    let title = TITLES.into_iter().find(|title| head.starts_with(title))?;
    let name = &head[title.len()..];
    let is_shouted = |word: &str| {
        let is_capital = |char: char| char.is_uppercase() || matches!(char, '-' | '\'');
        word.len() > 1 && word.trim_start_matches("Mc").chars().all(is_capital)
    };
    let length = name.match_indices('.').map(|(dot, _)| dot).find(|&dot| {
        // `Mr. J. VOSS.`
        !name[..dot].ends_with(|char: char| char.is_uppercase())
            || name[..dot].rsplit(' ').next().is_some_and(|word| word.len() > 1)
    })?;
    let is_over = unit_at(name, length + 1).is_none_or(|unit| is_blank(unit.char));
    let mut words = name[..length].split(' ').peekable();
    let mut count = 0;
    while words.next_if(|word| is_shouted(word)).is_some() {
        count += 1;
    }
    let is_office = title != TITLES[0] || OFFICES.iter().any(|office| name.starts_with(office));
    let rest = words.next();
    let is_end = match rest {
        None => true,
        Some("of") => words.all(|word| word.starts_with(char::is_uppercase)),
        Some("pro") => words.eq(["tempore"]),
        Some(_) => false,
    };
    let end = at + title.len() + length + 1;
    (is_over && is_office && (1..=3).contains(&count) && is_end).then(|| Label {
        name: &text[at..end - 1],
        end,
        has_chevrons: false,
    })
}

/// Where the note ends that begins there with a bracket: `(APPLAUSE)`, `[Crosstalk.]`
pub(crate) fn note(text: &str, at: usize) -> Option<usize> {
    let head = &text[at..text.floor_char_boundary(at + NOTE)];
    let close = match head.as_bytes().first()? {
        b'(' => ')',
        b'[' => ']',
        _ => return None,
    };
    let length = head.find(close)?;
    let words =
        || head[1..length].split([' ', '-', '/', ',', '.', ':', ';', '\n']).filter(|word| !word.is_empty());
    let is_note = words().count() <= NOTE_WORDS && words().any(|word| words::is_in(Table::Note, word));
    // `[19:05:12]`
    let is_time = close == ']'
        && head[..length].contains(':')
        && head[1..length].bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b':' | b'.'));
    (is_note || is_time).then_some(at + length + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Option<&str> {
        at(text, 0).map(|label| label.name)
    }

    #[test]
    fn names() {
        for (text, right) in [
            ("MR. CASS: Why?", "MR. CASS"),
            ("THE PRESIDENT: Because.", "THE PRESIDENT"),
            (">> HOST: Good evening.", "HOST"),
            (">> Good evening.", ""),
            ("Q. Why?", "Q"),
            ("SPEAKER #2: Yes.", "SPEAKER #2"),
            ("ANN ROE, EXAMPLE NEWS HOST: Good evening.", "ANN ROE"),
            ("ROE (voice-over): The gates are shut.", "ROE"),
            ("REP. ODE (R-OH): No.", "REP. ODE"),
            ("MR. McCALL: Yes.", "MR. McCALL"),
            ("LEV EK, HOST, \"THE NIGHT\": Hello.", "LEV EK"),
        ] {
            assert_eq!(name(text), Some(right), "{text}");
        }
    }

    #[test]
    fn names_in_mixed_case() {
        let name = |text| mixed(text, 0).map(|label| label.name);
        for (text, right) in [
            ("Mayor Roe: No.", "Mayor Roe"),
            ("Ann de Poe (by phone): No.", "Ann de Poe"),
            ("Dr. Ek, of Halden: No.", "Dr. Ek"),
            ("Speaker 2:\nNo.", "Speaker 2"),
            ("Host:", "Host"),
        ] {
            assert_eq!(name(text), Some(right), "{text}");
        }
        for text in
            ["He said one thing: no.", "At 10:30 they left", "roe: no", "Roe’s plan", ": no", "Roe (by: no"]
        {
            assert_eq!(name(text), None, "{text}");
        }
    }

    #[test]
    fn titles() {
        for name in ["MR. CASS", "THE PRESIDENT", "THE VICE PRESIDENT", "SEN. ROE", "Mr. VOSS"] {
            assert!(has_title(name), "{name}");
        }
        for name in ["CASS", "ST. LOUIS", "FT. HOOD", "THE PIER", "MR.", ""] {
            assert!(!has_title(name), "{name}");
        }
        for name in ["READ MORE", "THE FACTS", "ROADS TO NOWHERE", "MUST WATCH", "Now"] {
            assert!(is_heading(name), "{name}");
        }
        assert!(!is_heading("HOST") && !is_heading("THE PRESIDENT") && !is_heading("ANSWER"));
    }

    #[test]
    fn members() {
        let name = |text| member(text, 0).map(|label| label.name);
        assert_eq!(name("Mr. VOSS. Madam Speaker, I yield."), Some("Mr. VOSS"));
        assert_eq!(name("Ms. VAN DER POE of Halden. I object."), Some("Ms. VAN DER POE of Halden"));
        assert_eq!(
            name("The SPEAKER pro tempore. The gentleman may go on."),
            Some("The SPEAKER pro tempore")
        );
        for text in [
            "Mr. Voss. He left.",
            "The U.S. Army left.",
            "The USA. It is large.",
            "Mr. VOSS said no.",
            "Mr. VOSS",
        ] {
            assert_eq!(name(text), None, "{text}");
        }
    }

    #[test]
    fn other_words_are_no_label() {
        for text in [
            "Why? MR. CASS: So.",
            "THE SCORE WAS 3:1",
            "Voss: Why?",
            "ET: nobody came",
            "THIS IS THE HEADLINE OF A LONG STORY: no",
            "A. Voss came.",
            "AT 10:30 they left",
            ": no",
            "",
        ] {
            assert_eq!(name(text).filter(|name| *name != "ET"), None, "{text}");
        }
    }

    #[test]
    fn notes() {
        for text in [
            "(APPLAUSE)",
            "[CROSSTALK]",
            "(Laughter.)",
            "[inaudible 00:12]",
            "(BEGIN VIDEO CLIP)",
            "(Cheers and applause.)",
            "[19:05:12]",
        ] {
            assert_eq!(note(text, 0), Some(text.len()), "{text}");
        }
        for text in [
            "(AP)",
            "(Examplewire)",
            "(which drew applause from the crowd in the old town)",
            "[12]",
            "(applause",
            "(D-Ohio)",
        ] {
            assert_eq!(note(text, 0), None, "{text}");
        }
    }
}
