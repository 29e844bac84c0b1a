//! The marks of a paragraph that can matter: what may end a sentence, quotation marks and brackets, and which of
//! these belong together.

use super::characters::{Unit, is_blank, is_closer, is_dash, is_opener, is_terminator, unit_at, unit_before};
use super::words::{self, Table};
use std::ops::Range;

/// Brackets further apart than this, in bytes, are not taken for a pair: one of them is a slip.
const BRACKETS: usize = 600;

/// What a mark does where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// `.`, `!`, `?`, `…`: may end a sentence.
    Stop,
    /// `:`: may end the label of a speaker.
    Colon,
    /// Opens a quote.
    Open,
    /// Closes a quote.
    Close,
    /// Opens or closes a quote in single marks.
    OpenSingle,
    CloseSingle,
    /// Opens or closes a bracket.
    OpenBracket,
    CloseBracket,
    /// A quotation mark that is none: an apostrophe, a mark of inches or of minutes.
    Neither,
}

/// A mark: where it stands, its length in bytes, what it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) at: usize,
    pub(super) len: usize,
    pub(super) role: Role,
}

/// The marks of one paragraph, in order, and what lies in quotes and in brackets. Kept to be filled again.
#[derive(Default)]
pub(super) struct Marks {
    pub(super) marks: Vec<Mark>,
    /// From opening to closing mark, for quotes that are closed in the paragraph: in order, apart.
    pub(super) quotes: Vec<Range<usize>>,
    /// From opening to closing mark, outermost only: in order, apart.
    pub(super) brackets: Vec<Range<usize>>,
}

/// What is open at some point of a paragraph.
#[derive(Default)]
struct Open {
    double: Option<(usize, char)>,
    single: Option<usize>,
    brackets: Vec<usize>,
}

impl Marks {
    pub(super) fn read(&mut self, text: &str) {
        self.marks.clear();
        self.quotes.clear();
        self.brackets.clear();
        let mut open = Open::default();
        let bytes = text.as_bytes();
        let mut at = 0;
        while let Some(step) = bytes[at..].iter().position(|&byte| INTERESTING[usize::from(byte)]) {
            at += step;
            let Some(mut unit) = unit_at(text, at) else { break };
            // Two single marks are one double mark: ``We go.''
            if matches!(bytes[at], b'\'' | b'`') {
                if bytes.get(at + 1) == Some(&bytes[at]) {
                    unit = Unit { char: '"', len: 2 };
                } else if bytes[at] == b'`' {
                    at += 1;
                    continue;
                }
            }
            if let Some(role) = role(text, at, unit, &open) {
                self.note(Mark { at, len: unit.len, role }, unit.char, &mut open);
            }
            at += unit.len;
        }
        self.quotes.sort_unstable_by_key(|quote| quote.start);
        self.brackets.sort_unstable_by_key(|bracket| bracket.start);
        outermost(&mut self.quotes);
        outermost(&mut self.brackets);
    }

    fn note(&mut self, mark: Mark, char: char, open: &mut Open) {
        self.marks.push(mark);
        match mark.role {
            // A quote that is opened again before it was closed is one that runs over paragraphs.
            Role::Open => open.double = Some((mark.at, char)),
            Role::Close => {
                if let Some((start, _)) = open.double.take() {
                    self.quotes.push(start..mark.at);
                    open.single = open.single.filter(|&single| single < start);
                }
            }
            Role::OpenSingle => open.single = Some(mark.at),
            Role::CloseSingle => self.quotes.extend(open.single.take().map(|start| start..mark.at)),
            Role::OpenBracket => open.brackets.push(mark.at),
            Role::CloseBracket => {
                let start = open.brackets.pop().filter(|start| mark.at - start <= BRACKETS);
                self.brackets.extend(start.map(|start| start..mark.at));
            }
            Role::Stop | Role::Colon | Role::Neither => {}
        }
    }

    /// The mark that begins there, if one does.
    pub(super) fn mark_at(&self, at: usize) -> Option<Mark> {
        let index = self.marks.binary_search_by_key(&at, |mark| mark.at).ok()?;
        Some(self.marks[index])
    }

    /// What that mark does.
    pub(super) fn role_at(&self, at: usize) -> Option<Role> {
        self.mark_at(at).map(|mark| mark.role)
    }
}

/// The ranges that lie in no other. They come in the order of their starts.
fn outermost(ranges: &mut Vec<Range<usize>>) {
    let mut end = 0;
    ranges.retain(|range| {
        let is_outer = range.end > end;
        if is_outer {
            end = range.end;
        }
        is_outer
    });
}

/// The bytes with which a mark can begin.
const INTERESTING: [bool; 256] = {
    let mut table = [false; 256];
    let known = b".!?:\"'`&()[]{}\xC2\xE2\xE3\xEF";
    let mut i = 0;
    while i < known.len() {
        table[known[i] as usize] = true;
        i += 1;
    }
    table
};

fn role(text: &str, at: usize, unit: Unit, open: &Open) -> Option<Role> {
    Some(match unit.char {
        ':' => Role::Colon,
        '(' | '[' | '{' => match unit_before(text, at).map(|unit| unit.char) {
            // The mouth of a face is no bracket.
            Some(':' | ';' | '=') if unit.char == '(' => Role::Neither,
            _ => Role::OpenBracket,
        },
        ')' | ']' | '}' => Role::CloseBracket,
        '“' | '”' | '„' | '‟' | '"' | '«' | '»' | '「' | '」' | '『' | '』' => {
            double(text, at, unit, open)
        }
        '‘' | '’' | '‚' | '\'' | '‹' | '›' => single(text, at, unit, open),
        char if is_terminator(char) => Role::Stop,
        _ => return None,
    })
}

/// What stands on one side of a quotation mark.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    /// The edge of the paragraph, or white space.
    Space,
    /// An opening mark, a dash.
    Opening,
    /// A full stop, a comma, a closing mark.
    Closing,
    /// A letter, a digit, a sign.
    Word,
}

fn side(unit: Option<Unit>) -> Side {
    match unit.map(|unit| unit.char) {
        None => Side::Space,
        Some(char) if is_blank(char) => Side::Space,
        Some(char) if is_opener(char) || is_dash(char) || matches!(char, '/' | '=' | '>') => Side::Opening,
        Some(',' | ';' | ':' | '\'' | '"') => Side::Closing,
        Some(char) if is_terminator(char) || is_closer(char) => Side::Closing,
        Some(_) => Side::Word,
    }
}

fn sides(text: &str, at: usize, unit: Unit) -> (Side, Side) {
    let after = at + unit.len;
    let right = match side(unit_at(text, after)) {
        // `"...and then`: the dots begin the quote.
        Side::Closing if text[after..].starts_with("..") || text[after..].starts_with('…') => Side::Word,
        side => side,
    };
    (side(unit_before(text, at)), right)
}

fn double(text: &str, at: usize, unit: Unit, open: &Open) -> Role {
    let (left, right) = sides(text, at, unit);
    let is_open = open.double.is_some();
    // 5" or 40°26'46": inches, seconds.
    let may_measure = unit.char == '"' && open.double.is_none_or(|(_, char)| char != '"');
    match (left, right) {
        (Side::Space | Side::Opening, Side::Word | Side::Opening) => Role::Open,
        (Side::Word, Side::Space | Side::Closing) if may_measure && digit_before(text, at) => Role::Neither,
        (Side::Word | Side::Closing, Side::Space | Side::Closing) if is_open => Role::Close,
        _ => match unit.char {
            '“' | '„' | '‟' | '«' | '「' | '『' if left == Side::Space || right != Side::Space => {
                Role::Open
            }
            '”' | '»' | '」' | '』' => Role::Close,
            _ if is_open => Role::Close,
            _ if right == Side::Space && left != Side::Space => Role::Neither,
            _ if at + unit.len == text.len() => Role::Neither,
            _ => Role::Open,
        },
    }
}

fn single(text: &str, at: usize, unit: Unit, open: &Open) -> Role {
    let (left, right) = sides(text, at, unit);
    match (left, right) {
        _ if matches!(unit.char, '‹' | '‚') => Role::OpenSingle,
        (Side::Space | Side::Opening, Side::Word) | (Side::Opening, Side::Opening)
            if !is_cut_off(&text[at + unit.len..]) =>
        {
            Role::OpenSingle
        }
        // After a letter it is as likely the plural's apostrophe, as in `the soldiers’ families`.
        (Side::Closing, _) if open.single.is_some() => Role::CloseSingle,
        (Side::Word, Side::Closing) if open.single.is_some() => Role::CloseSingle,
        _ => Role::Neither,
    }
}

/// Whether a word lacks its beginning: `’90s`, `’em`.
fn is_cut_off(rest: &str) -> bool {
    let word = rest.split(|char: char| !char.is_alphanumeric()).next().unwrap_or_default();
    words::is_in(Table::CutOff, word)
        || word.len() == 3 && word.ends_with('s') && word.starts_with(|char: char| char.is_ascii_digit())
}

fn digit_before(text: &str, at: usize) -> bool {
    unit_before(text, at)
        .is_some_and(|unit| unit.char.is_ascii_digit() || matches!(unit.char, '\'' | '’' | '½'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quotes(text: &str) -> Vec<&str> {
        let mut marks = Marks::default();
        marks.read(text);
        marks.quotes.iter().map(|quote| &text[quote.clone()]).collect()
    }

    #[test]
    fn quotes_are_paired() {
        assert_eq!(quotes("“We go,” he said. “All of us.”"), ["“We go,", "“All of us."]);
        assert_eq!(quotes("\"We go,\" he said. \"All of us.\""), ["\"We go,", "\"All of us."]);
        assert_eq!(quotes("&quot;We go,&quot; he said."), ["&quot;We go,"]);
        assert_eq!(quotes("``We go,'' he said. ''All of us.''"), ["``We go,", "''All of us."]);
        assert_eq!(quotes("He said,\"We go.\" And went."), ["\"We go."]);
        assert_eq!(quotes("« We go », he said."), ["« We go "]);
    }

    #[test]
    fn a_quote_that_is_opened_again_is_no_pair() {
        assert_eq!(quotes("“The base is empty. “Nobody stays,” he said."), ["“Nobody stays,"]);
    }

    #[test]
    fn inches_open_nothing() {
        assert_eq!(quotes("A 5\" pipe and a 6\" pipe. \"Both leak,\" he said."), ["\"Both leak,"]);
        assert_eq!(quotes("“A 5\" pipe leaks,” he said.").len(), 1);
    }

    #[test]
    fn quotes_in_quotes_are_one() {
        assert_eq!(quotes("“He told me ‘we go.’”"), ["“He told me ‘we go.’"]);
    }

    #[test]
    fn an_apostrophe_closes_no_quote() {
        let text = "‘The soldiers’ families want it, and it’s time,’ said Jo Ek.";
        assert_eq!(quotes(text), ["‘The soldiers’ families want it, and it’s time,"]);
        assert_eq!(quotes("It was the ’90s and he told ’em."), Vec::<&str>::new());
    }

    #[test]
    fn brackets_are_paired_within_reason() {
        let mut marks = Marks::default();
        let text = format!("(a) [b (c)] ( {} ) :( d)", "x".repeat(BRACKETS));
        marks.read(&text);
        let found: Vec<&str> = marks.brackets.iter().map(|range| &text[range.clone()]).collect();
        assert_eq!(found, ["(a", "[b (c)"]);
    }
}
