//! Characters as a reader sees them: `&rdquo;` is a quotation mark, `&nbsp;` a space, and what is invisible is
//! nothing. All functions look at a bounded number of bytes.

/// The characters that end a line.
#[cfg(test)]
pub(super) const LINE_BREAKS: [char; 7] = ['\n', '\r', '\u{b}', '\u{c}', '\u{85}', '\u{2028}', '\u{2029}'];

/// The longest entity that is known, in bytes.
const LONGEST_ENTITY: usize = 9;

/// The entities that matter here, by name. Other names are read as text.
const ENTITIES: [(&str, char); 114] = [
    ("nbsp", '\u{a0}'),
    ("ensp", '\u{2002}'),
    ("emsp", '\u{2003}'),
    ("thinsp", '\u{2009}'),
    ("shy", '\u{ad}'),
    ("zwnj", '\u{200c}'),
    ("quot", '"'),
    ("apos", '\''),
    ("ldquo", '“'),
    ("rdquo", '”'),
    ("bdquo", '„'),
    ("lsquo", '‘'),
    ("rsquo", '’'),
    ("laquo", '«'),
    ("raquo", '»'),
    ("hellip", '…'),
    ("mdash", '—'),
    ("ndash", '–'),
    ("bull", '•'),
    ("amp", '&'),
    ("lt", '<'),
    ("gt", '>'),
    ("pound", '£'),
    ("euro", '€'),
    ("cent", '¢'),
    ("yen", '¥'),
    ("sect", '§'),
    ("copy", '©'),
    ("reg", '®'),
    ("trade", '™'),
    ("deg", '°'),
    ("middot", '·'),
    ("iexcl", '¡'),
    ("iquest", '¿'),
    ("sbquo", '‚'),
    ("lsaquo", '‹'),
    ("rsaquo", '›'),
    ("dagger", '†'),
    ("permil", '‰'),
    ("frac12", '½'),
    ("frac14", '¼'),
    ("frac34", '¾'),
    ("times", '×'),
    ("minus", '−'),
    ("zwj", '\u{200d}'),
    ("lrm", '\u{200e}'),
    ("rlm", '\u{200f}'),
    ("Agrave", 'À'),
    ("Aacute", 'Á'),
    ("Acirc", 'Â'),
    ("Atilde", 'Ã'),
    ("Auml", 'Ä'),
    ("Aring", 'Å'),
    ("AElig", 'Æ'),
    ("Ccedil", 'Ç'),
    ("Egrave", 'È'),
    ("Eacute", 'É'),
    ("Ecirc", 'Ê'),
    ("Euml", 'Ë'),
    ("Igrave", 'Ì'),
    ("Iacute", 'Í'),
    ("Icirc", 'Î'),
    ("Iuml", 'Ï'),
    ("ETH", 'Ð'),
    ("Ntilde", 'Ñ'),
    ("Ograve", 'Ò'),
    ("Oacute", 'Ó'),
    ("Ocirc", 'Ô'),
    ("Otilde", 'Õ'),
    ("Ouml", 'Ö'),
    ("Oslash", 'Ø'),
    ("Ugrave", 'Ù'),
    ("Uacute", 'Ú'),
    ("Ucirc", 'Û'),
    ("Uuml", 'Ü'),
    ("Yacute", 'Ý'),
    ("THORN", 'Þ'),
    ("szlig", 'ß'),
    ("agrave", 'à'),
    ("aacute", 'á'),
    ("acirc", 'â'),
    ("atilde", 'ã'),
    ("auml", 'ä'),
    ("aring", 'å'),
    ("aelig", 'æ'),
    ("ccedil", 'ç'),
    ("egrave", 'è'),
    ("eacute", 'é'),
    ("ecirc", 'ê'),
    ("euml", 'ë'),
    ("igrave", 'ì'),
    ("iacute", 'í'),
    ("icirc", 'î'),
    ("iuml", 'ï'),
    ("eth", 'ð'),
    ("ntilde", 'ñ'),
    ("ograve", 'ò'),
    ("oacute", 'ó'),
    ("ocirc", 'ô'),
    ("otilde", 'õ'),
    ("ouml", 'ö'),
    ("oslash", 'ø'),
    ("ugrave", 'ù'),
    ("uacute", 'ú'),
    ("ucirc", 'û'),
    ("uuml", 'ü'),
    ("yacute", 'ý'),
    ("thorn", 'þ'),
    ("yuml", 'ÿ'),
    ("OElig", 'Œ'),
    ("oelig", 'œ'),
    ("Scaron", 'Š'),
    ("scaron", 'š'),
    ("Yuml", 'Ÿ'),
];

/// A character, or an entity that stands for one, and its length in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unit {
    pub(crate) char: char,
    pub(crate) len: usize,
}

/// The unit that begins at `at`.
pub(crate) fn unit_at(text: &str, at: usize) -> Option<Unit> {
    let char = text[at..].chars().next()?;
    let entity = if char == '&' { entity(&text.as_bytes()[at..]) } else { None };
    Some(entity.unwrap_or(Unit { char, len: char.len_utf8() }))
}

/// The unit that ends at `at`.
pub(super) fn unit_before(text: &str, at: usize) -> Option<Unit> {
    let char = text[..at].chars().next_back()?;
    let entity = if char == ';' { entity_before(&text.as_bytes()[..at]) } else { None };
    Some(entity.unwrap_or(Unit { char, len: char.len_utf8() }))
}

/// The entity with which the bytes end.
fn entity_before(bytes: &[u8]) -> Option<Unit> {
    let bytes = &bytes[bytes.len().saturating_sub(LONGEST_ENTITY)..];
    let start = bytes.iter().rposition(|&byte| byte == b'&')?;
    entity(&bytes[start..]).filter(|unit| start + unit.len == bytes.len())
}

/// The entity with which the bytes begin.
fn entity(bytes: &[u8]) -> Option<Unit> {
    let bytes = &bytes[..bytes.len().min(LONGEST_ENTITY)];
    let end = bytes.iter().position(|&byte| byte == b';')?;
    let name = std::str::from_utf8(bytes.get(1..end)?).ok()?;
    let char = match name.strip_prefix('#') {
        Some(number) => {
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hexadecimal) => u32::from_str_radix(hexadecimal, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code).filter(|char| !char.is_control())?
        }
        None => ENTITIES.iter().find(|(known, _)| *known == name)?.1,
    };
    Some(Unit { char, len: end + 1 })
}

/// White space, and what is as invisible: byte order marks, zero-width spaces, soft hyphens, marks of direction.
pub(super) fn is_blank(char: char) -> bool {
    match char {
        ' ' | '\n' => true,
        '!'..='~' => false,
        _ => char.is_whitespace() || is_invisible(char),
    }
}

pub(crate) fn is_invisible(char: char) -> bool {
    matches!(char, '\u{ad}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{feff}')
        || matches!(char, '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2064}' | '\u{2066}'..='\u{206f}')
}

/// A character that is read as nothing even between two letters.
pub(super) fn is_transparent(char: char) -> bool {
    is_invisible(char) && !matches!(char, '\u{200b}' | '\u{feff}')
}

pub(super) fn is_terminator(char: char) -> bool {
    matches!(char, '.' | '!' | '?' | '…' | '‼' | '⁇' | '⁈' | '⁉' | '‽' | '。' | '！' | '？')
}

pub(super) fn is_dash(char: char) -> bool {
    matches!(char, '-' | '‐' | '‑' | '–' | '—' | '―' | '−' | '~')
}

/// A mark that may stand before the first word of a sentence. `marks` decides about straight quotation marks.
pub(super) fn is_opener(char: char) -> bool {
    matches!(char, '(' | '[' | '{' | '“' | '„' | '‟' | '‘' | '‚' | '‛' | '«' | '‹' | '¿' | '¡' | '「' | '『')
}

/// A mark that may stand behind the full stop of a sentence. `marks` decides about straight quotation marks.
pub(super) fn is_closer(char: char) -> bool {
    matches!(char, ')' | ']' | '}' | '”' | '’' | '»' | '›' | '」' | '』' | '*' | '_')
}

/// Where the blanks that begin at `at` end.
pub(super) fn skip_blanks(text: &str, mut at: usize) -> usize {
    while let Some(unit) = unit_at(text, at).filter(|unit| is_blank(unit.char)) {
        at += unit.len;
    }
    at
}

/// Where the blanks that end at `at` begin.
pub(super) fn skip_blanks_back(text: &str, mut at: usize) -> usize {
    while let Some(unit) = unit_before(text, at).filter(|unit| is_blank(unit.char)) {
        at -= unit.len;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entities_are_read_as_what_they_stand_for() {
        assert_eq!(unit_at("&rdquo; he", 0), Some(Unit { char: '”', len: 7 }));
        assert_eq!(unit_at("&#8217;s", 0), Some(Unit { char: '’', len: 7 }));
        assert_eq!(unit_at("&#x201C;", 0), Some(Unit { char: '“', len: 8 }));
        assert_eq!(unit_before("gate&nbsp;", 10), Some(Unit { char: '\u{a0}', len: 6 }));
    }

    #[test]
    fn what_only_looks_like_an_entity_is_text() {
        for text in ["& so", "&foo;", "&#0;", "&#xD800;", "&", "&;", "&#;", "&é;"] {
            assert_eq!(unit_at(text, 0), Some(Unit { char: '&', len: 1 }), "{text}");
        }
        assert_eq!(unit_before("a & b;", 6), Some(Unit { char: ';', len: 1 }));
    }

    #[test]
    fn blanks_are_skipped_both_ways() {
        let text = "go.\u{200b}\u{a0}&nbsp;\r\nStay";
        assert_eq!(skip_blanks(text, 3), text.len() - 4);
        assert_eq!(skip_blanks_back(text, text.len() - 4), 3);
    }
}
