//! The words that the rules know, read from `words.txt`.

use std::sync::LazyLock;

/// The longest word in the tables, in bytes.
const LONGEST: usize = 16;

/// A table of words; `words.txt` says what is in each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Table {
    Title,
    Inner,
    Number,
    Unit,
    Suffix,
    Road,
    Day,
    State,
    DottedState,
    Nation,
    Calendar,
    Zone,
    ZoneName,
    Marked,
    Particle,
    Starter,
    Pronoun,
    Office,
    Leader,
    Holder,
    Ending,
    Lettered,
    Street,
    Sound,
    Asking,
    Saying,
    Adjunct,
    Lead,
    CutOff,
    Note,
    Person,
    Heading,
}

const NAMES: [(&str, Table); 32] = [
    ("title", Table::Title),
    ("inner", Table::Inner),
    ("number", Table::Number),
    ("unit", Table::Unit),
    ("suffix", Table::Suffix),
    ("road", Table::Road),
    ("day", Table::Day),
    ("state", Table::State),
    ("dotted-state", Table::DottedState),
    ("nation", Table::Nation),
    ("calendar", Table::Calendar),
    ("zone", Table::Zone),
    ("zone-name", Table::ZoneName),
    ("marked", Table::Marked),
    ("particle", Table::Particle),
    ("starter", Table::Starter),
    ("pronoun", Table::Pronoun),
    ("office", Table::Office),
    ("leader", Table::Leader),
    ("holder", Table::Holder),
    ("ending", Table::Ending),
    ("lettered", Table::Lettered),
    ("street", Table::Street),
    ("sound", Table::Sound),
    ("asking", Table::Asking),
    ("saying", Table::Saying),
    ("adjunct", Table::Adjunct),
    ("lead", Table::Lead),
    ("cut-off", Table::CutOff),
    ("note", Table::Note),
    ("person", Table::Person),
    ("heading", Table::Heading),
];

/// Each word once, in order, with a bit for each table that has it.
static WORDS: LazyLock<Vec<(&str, u32)>> = LazyLock::new(|| {
    let mut words: Vec<(&str, u32)> = entries(include_str!("words.txt")).collect();
    words.sort_unstable();
    words.dedup_by(|later, earlier| {
        let is_same = later.0 == earlier.0;
        if is_same {
            earlier.1 |= later.1;
        }
        is_same
    });
    words
});

fn entries(data: &str) -> impl Iterator<Item = (&str, u32)> {
    let mut bit = 0;
    data.lines().filter(|line| !line.starts_with('#')).flat_map(move |line| {
        let name = line.strip_suffix(':');
        if let Some(name) = name {
            bit = NAMES.iter().find(|(known, _)| *known == name).map_or(0, |(_, table)| 1 << *table as u32);
        }
        let words = if name.is_some() { "" } else { line };
        words.split_whitespace().map(move |word| (word, bit))
    })
}

/// Whether the table has the word, in whatever case it is written.
pub(super) fn is_in(table: Table, word: &str) -> bool {
    tables(word) & 1 << table as u32 != 0
}

/// The tables that have the word, a bit for each.
fn tables(word: &str) -> u32 {
    let mut small = [0; LONGEST];
    let Some(small) = small.get_mut(..word.len()).filter(|_| word.is_ascii()) else { return 0 };
    small.copy_from_slice(word.as_bytes());
    small.make_ascii_lowercase();
    let index = WORDS.binary_search_by(|(known, _)| known.as_bytes().cmp(small));
    index.map_or(0, |index| WORDS[index].1)
}

/// Whether it is an abbreviation of the kind, in the spelling of a text: what belongs to a name has a capital there.
pub(super) fn is_kind(table: Table, word: &str) -> bool {
    is_in(table, word) && is_spelled(table, word)
}

fn is_spelled(table: Table, word: &str) -> bool {
    let is_name = matches!(table, Table::Title | Table::Day | Table::State | Table::Suffix | Table::Road);
    // `CA`, `VA` and `PA` are codes or initials; `ca.`, `Va.` and `Pa.` are abbreviations.
    let is_code = word.len() == 2 && word.bytes().all(|byte| byte.is_ascii_uppercase());
    let is_lower = is_name && !word.starts_with(char::is_uppercase);
    match table {
        Table::Inner | Table::State if is_code => false,
        Table::Title if is_lower => ["dr", "mr", "mrs", "ms", "prof", "st"].contains(&word),
        _ => !is_lower,
    }
}

/// Whether it is an abbreviation of any kind, dotted ones left out.
pub(super) fn is_abbreviation(word: &str) -> bool {
    use Table::{Day, Inner, Number, Road, State, Suffix, Title};
    let tables = tables(word);
    let kinds = [Title, Inner, Number, Suffix, Road, Day, State];
    tables != 0 && kinds.into_iter().any(|table| tables & 1 << table as u32 != 0 && is_spelled(table, word))
}

/// Whether it is the zone of a clock time: `ET`, or the beginning of `Eastern time`.
pub(super) fn is_zone(word: &str) -> bool {
    let is_shouted = !word.bytes().any(|byte| byte.is_ascii_lowercase());
    is_in(Table::Zone, word) && is_shouted
        || is_in(Table::ZoneName, word) && word.starts_with(char::is_uppercase)
}

/// Whether it is the name of a month or of a day of the week, in full. `May` is more often a verb.
pub(super) fn is_day(word: &str) -> bool {
    is_in(Table::Calendar, word) && word.starts_with(char::is_uppercase) && !word.eq_ignore_ascii_case("may")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_tells_titles_and_states_from_words() {
        assert!(
            is_kind(Table::Title, "Gen") && is_kind(Table::Title, "GEN") && !is_kind(Table::Title, "gen")
        );
        assert!(is_kind(Table::State, "Ill") && !is_kind(Table::State, "ill"));
        assert!(is_kind(Table::State, "Va") && !is_kind(Table::State, "VA"));
        assert!(is_kind(Table::Number, "no") && is_kind(Table::Number, "No"));
        assert!(is_abbreviation("Sept") && !is_abbreviation("said"));
        assert!(is_zone("ET") && !is_zone("et") && is_zone("Eastern") && !is_zone("eastern"));
    }

    #[test]
    fn every_table_is_known_and_holds_what_can_be_found() {
        let data = include_str!("words.txt");
        let named: Vec<&str> = data.lines().filter_map(|line| line.strip_suffix(':')).collect();
        assert_eq!(named, NAMES.map(|(name, _)| name));
        for (word, bit) in entries(data) {
            assert_ne!(bit, 0);
            assert_ne!(tables(word) & bit, 0, "{word}");
        }
    }
}
