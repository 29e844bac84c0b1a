//! What somebody is called, taken apart: title and name, or no name at all. Knows English words, no document.

/// Somebody as a sentence names them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Mention {
    /// A pronoun, or nothing: whoever it is, it is not said here.
    Unnamed,
    /// A title and nothing else, in lower case: "prime minister".
    Title(String),
    Name(Name),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Name {
    /// As it is written, without determiner and title.
    pub written: String,
    /// The same in lower case.
    pub words: Vec<String>,
    /// The title in front, in lower case and in full: "lieutenant general".
    pub title: Option<String>,
    /// Every word is capitalised, but for particles: "Abbas al-Jaziri", "NATO", and not "Iraqi lawmakers".
    pub capitalised: bool,
    /// The first word is capitalised and no other is, so that a sentence's beginning alone could be the reason.
    pub only_first: bool,
}

/// As they stand alone in text that was cut into words.
const POSSESSIVES: [&str; 2] = ["'s", "’s"];

const DETERMINERS: [&str; 3] = ["the", "a", "an"];

/// Words that name nobody.
const UNNAMED: [&str; 46] = [
    "i",
    "me",
    "my",
    "we",
    "us",
    "our",
    "you",
    "your",
    "he",
    "him",
    "his",
    "she",
    "her",
    "it",
    "its",
    "they",
    "them",
    "their",
    "this",
    "that",
    "these",
    "those",
    "who",
    "whom",
    "which",
    "whoever",
    "one",
    "ones",
    "some",
    "many",
    "most",
    "others",
    "other",
    "all",
    "both",
    "each",
    "few",
    "several",
    "everyone",
    "everybody",
    "someone",
    "somebody",
    "anyone",
    "nobody",
    "none",
    "none of them",
];

/// Words that titles are made of, and what each stands for.
const TITLES: [(&str, &str); 52] = [
    ("mr", "mr"),
    ("mrs", "mrs"),
    ("ms", "ms"),
    ("miss", "miss"),
    ("dr", "doctor"),
    ("prof", "professor"),
    ("professor", "professor"),
    ("sir", "sir"),
    ("lord", "lord"),
    ("lady", "lady"),
    ("king", "king"),
    ("queen", "queen"),
    ("prince", "prince"),
    ("princess", "princess"),
    ("sheikh", "sheikh"),
    ("ayatollah", "ayatollah"),
    ("pope", "pope"),
    ("president", "president"),
    ("pres", "president"),
    ("vice", "vice"),
    ("deputy", "deputy"),
    ("prime", "prime"),
    ("foreign", "foreign"),
    ("defense", "defense"),
    ("defence", "defense"),
    ("interior", "interior"),
    ("finance", "finance"),
    ("minister", "minister"),
    ("premier", "premier"),
    ("chancellor", "chancellor"),
    ("secretary", "secretary"),
    ("secretary-general", "secretary-general"),
    ("senator", "senator"),
    ("sen", "senator"),
    ("representative", "representative"),
    ("rep", "representative"),
    ("congressman", "congressman"),
    ("congresswoman", "congresswoman"),
    ("governor", "governor"),
    ("gov", "governor"),
    ("mayor", "mayor"),
    ("ambassador", "ambassador"),
    ("general", "general"),
    ("gen", "general"),
    ("lieutenant", "lieutenant"),
    ("lt", "lieutenant"),
    ("colonel", "colonel"),
    ("col", "colonel"),
    ("major", "major"),
    ("maj", "major"),
    ("admiral", "admiral"),
    ("captain", "captain"),
];

/// The titles that are none without another title behind them.
const HALVES: [&str; 8] =
    ["vice", "deputy", "prime", "foreign", "defense", "interior", "finance", "lieutenant"];

/// What a secretary or a chief may be of.
const OFFICES: [&str; 3] = ["state", "defense", "defence"];

/// Words that no person is called by: "General Assembly" is not the general Assembly.
const BODIES: [&str; 24] = [
    "administration",
    "agency",
    "army",
    "assembly",
    "bank",
    "command",
    "commission",
    "committee",
    "congress",
    "council",
    "court",
    "department",
    "force",
    "forces",
    "government",
    "house",
    "ministry",
    "office",
    "parliament",
    "party",
    "senate",
    "staff",
    "state",
    "union",
];

/// What transcripts call a speaker whose name they do not give: "Q", "SPEAKER 2", "THE MODERATOR".
const SPEAKERS: [&str; 22] = [
    "q",
    "a",
    "question",
    "answer",
    "host",
    "guest",
    "moderator",
    "interviewer",
    "interviewee",
    "reporter",
    "anchor",
    "announcer",
    "narrator",
    "speaker",
    "voice",
    "unidentified",
    "unknown",
    "participant",
    "audience",
    "witness",
    "court",
    "clerk",
];

/// Words in lower case that stand within names.
const PARTICLES: [&str; 16] =
    ["al", "el", "bin", "ibn", "abu", "ben", "de", "del", "der", "di", "da", "du", "la", "van", "von", "y"];

/// Words in front of a title by which the holder is somebody else: "supporters of President Adeyemi".
const LINKS: [&str; 14] =
    ["of", "for", "to", "by", "in", "with", "and", "or", "at", "from", "on", "against", "under", "near"];

impl Mention {
    /// Whether it is the speaker's word for the speaker.
    pub fn is_speaker(text: &str) -> bool {
        ["i", "me", "my", "myself"].contains(&bare(text.trim()).to_lowercase().as_str())
    }

    /// Whether it is a word for whoever is quoted, in or around a quote.
    pub fn is_quoted(text: &str) -> bool {
        ["he", "she", "we", "our", "his", "her"].contains(&bare(text.trim()).to_lowercase().as_str())
    }

    pub fn parse(text: &str) -> Self {
        let words = text.split_whitespace().filter(|word| !POSSESSIVES.contains(word));
        let words: Vec<&str> = words.map(bare).filter(|word| !word.is_empty()).collect();
        let lower: Vec<String> = words.iter().map(|word| lowered(word)).collect();
        let skipped = lower.iter().take_while(|word| DETERMINERS.contains(&word.as_str())).count();
        let (words, lower) = (&words[skipped..], &lower[skipped..]);
        if lower.is_empty() || UNNAMED.contains(&lower.join(" ").as_str()) {
            return Self::Unnamed;
        }
        let titles = titles(lower);
        if titles.len() == lower.len() && is_whole(&titles) {
            return Self::Title(titles.join(" "));
        }
        let (start, title) = title_in_front(words, lower).unwrap_or((0, None));
        let words = &words[start..];
        Self::Name(Name {
            written: words.join(" "),
            words: lower[start..].to_vec(),
            title,
            capitalised: words.iter().all(|word| is_name_word(word)),
            only_first: is_capital(words[0]) && !words[1..].iter().any(|word| is_capital(word)),
        })
    }
}

impl Name {
    /// Whether it is what a transcript calls a speaker without a name.
    pub fn is_role(&self) -> bool {
        SPEAKERS.contains(&self.words[0].as_str())
            || self.words.last().is_some_and(|word| SPEAKERS.contains(&word.as_str()))
    }

    /// Whether somebody else's full name ends with this one, so that this may be the surname.
    pub fn ends(&self, full: &Self) -> bool {
        let is_body = self.words.len() == 1 && BODIES.contains(&self.words[0].as_str());
        self.capitalised
            && full.capitalised
            && !is_body
            && full.words.len() > self.words.len()
            && full.words.ends_with(&self.words)
    }
}

/// Whether somebody who is called so may also be called by the other name: titles, determiners and case aside, the names are
/// one, or one is the end of the other.
pub(crate) fn may_be_one(called: &str, name: &str) -> bool {
    let words = |text: &str| match Mention::parse(text) {
        Mention::Name(name) => name.words,
        Mention::Title(title) => vec![title],
        Mention::Unnamed => vec![lowered(bare(text.trim()))],
    };
    let (one, other) = (words(called), words(name));
    one.ends_with(&other) || other.ends_with(&one)
}

/// Where the name behind a title begins, and the title.
fn title_in_front(words: &[&str], lower: &[String]) -> Option<(usize, Option<String>)> {
    // The last title that has a name behind it.
    let (start, title) = (1..words.len()).rev().find_map(|start| {
        let title = (0..start).map(|first| titles(&lower[first..start])).find(|title| !title.is_empty())?;
        is_whole(&title).then_some((start, title))
    })?;
    let before = &lower[..start - title.len()];
    let is_person = words[start..].iter().all(|word| is_name_word(word))
        && words[start..].iter().any(|word| word.chars().any(char::is_uppercase))
        && !lower[start..].iter().any(|word| BODIES.contains(&word.as_str()));
    (is_person && !before.iter().any(|word| LINKS.contains(&word.as_str())))
        .then(|| (start, Some(title.join(" "))))
}

/// The words as parts of one title, a part for each; none if any word is no title.
fn titles(lower: &[String]) -> Vec<&str> {
    let mut titles = Vec::with_capacity(lower.len());
    let mut rest = lower;
    while let [word, more @ ..] = rest {
        let plain = word.trim_end_matches('.');
        let Some(&(_, title)) = TITLES.iter().find(|(known, _)| *known == plain) else { return Vec::new() };
        titles.push(title);
        rest = more;
        if let [of, office, more @ ..] = rest
            && matches!(title, "secretary" | "minister")
            && of == "of"
            && OFFICES.contains(&office.as_str())
        {
            titles.extend([of.as_str(), office.as_str()]);
            rest = more;
        }
    }
    titles
}

fn is_whole(title: &[&str]) -> bool {
    match title {
        [.., "of", _] => true,
        [.., last] => !HALVES.contains(last),
        [] => false,
    }
}

fn is_capital(word: &str) -> bool {
    word.chars().next().is_some_and(char::is_uppercase)
}

/// Whether a word may be one of a name: "Osei", "al-Jaziri", "de".
fn is_name_word(word: &str) -> bool {
    let particle = word.split('-').next().unwrap_or(word).to_lowercase();
    is_capital(word)
        || PARTICLES.contains(&word.to_lowercase().as_str())
        || (PARTICLES.contains(&particle.as_str()) && word.split('-').skip(1).any(is_capital))
}

/// A word without the marks around it, and without the 's of a possessive.
fn bare(word: &str) -> &str {
    let word = word.trim_matches(|c: char| !(c.is_alphanumeric() || c == '.'));
    let word = word.strip_suffix("'s").or(word.strip_suffix("’s")).unwrap_or(word);
    // The full stop of "U.S." and "Gen." is part of the word; that of a sentence's end is not.
    match word.strip_suffix('.') {
        Some(rest) if !rest.contains('.') && !is_abbreviation(rest) => rest,
        _ => word.trim_start_matches('.'),
    }
}

fn is_abbreviation(word: &str) -> bool {
    let lower = word.to_lowercase();
    word.chars().count() == 1 || (word.len() <= 4 && TITLES.iter().any(|(known, _)| *known == lower))
}

fn lowered(word: &str) -> String {
    word.replace('’', "'").replace('\u{2011}', "-").to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> (String, Option<String>) {
        match Mention::parse(text) {
            Mention::Name(name) => (name.written, name.title),
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn speakers_are_compared_without_title_and_case() {
        for (called, name) in [
            ("MR. CASS", "cass"),
            ("MR. CASS", "Ann Cass"),
            ("ANN CASS", "Ms. Cass"),
            ("THE PRESIDENT", "president"),
            ("Q", "q"),
            ("A", "a"),
            ("MAYOR VAN DORN", "van Dorn"),
            ("SPEAKER 2", "Speaker 2"),
        ] {
            assert!(may_be_one(called, name), "{called}, {name}");
        }
        for (called, name) in [
            ("MR. CASS", "Pye"),
            ("LEV CASS", "Ann Cass"),
            ("SPEAKER 2", "SPEAKER 1"),
            ("CASSIDY", "Cass"),
            ("Q", "A"),
            ("THE PRESIDENT", "the governor"),
        ] {
            assert!(!may_be_one(called, name), "{called}, {name}");
        }
    }

    #[test]
    fn titles_and_determiners_are_taken_off() {
        for (text, written, title) in [
            ("outgoing Prime Minister Adil Abdul-Mahdi", "Adil Abdul-Mahdi", Some("prime minister")),
            ("Iraq’s Prime Minister Adil Abdul-Mahdi", "Adil Abdul-Mahdi", Some("prime minister")),
            ("Lt. Gen. Howard Tallis", "Howard Tallis", Some("lieutenant general")),
            ("Secretary of State Ruth Calloway", "Ruth Calloway", Some("secretary of state")),
            ("Mr. Osei's", "Osei", Some("mr")),
            ("Mr. al-Jaziri", "al-Jaziri", Some("mr")),
            ("Gen. Osei 's", "Osei", Some("general")),
            ("Sheikh Abbas al-Jaziri", "Abbas al-Jaziri", Some("sheikh")),
            ("the Interior Ministry", "Interior Ministry", None),
            ("the General Assembly", "General Assembly", None),
            ("General Assembly", "General Assembly", None),
            ("supporters of President Adeyemi", "supporters of President Adeyemi", None),
            ("President Adeyemi and Senator Boateng", "President Adeyemi and Senator Boateng", None),
            ("“Iraqi lawmakers,”", "Iraqi lawmakers", None),
            ("The U.S.", "U.S.", None),
            ("the opposition.", "opposition", None),
        ] {
            assert_eq!(name(text), (written.to_owned(), title.map(str::to_owned)), "{text}");
        }
    }

    #[test]
    fn a_title_alone_and_a_pronoun_are_no_names() {
        assert_eq!(Mention::parse("the prime minister"), Mention::Title("prime minister".to_owned()));
        assert_eq!(Mention::parse("The Secretary of State"), Mention::Title("secretary of state".to_owned()));
        assert!(matches!(Mention::parse("the Foreign"), Mention::Name(_)));
        for text in ["", " ", "He", "they", "“We”", "the others", "...", "’s"] {
            assert_eq!(Mention::parse(text), Mention::Unnamed, "{text:?}");
        }
    }

    #[test]
    fn a_surname_is_the_end_of_a_full_name() {
        let parsed = |text: &str| match Mention::parse(text) {
            Mention::Name(name) => name,
            other => panic!("{other:?}"),
        };
        let full = parsed("Prime Minister Adil Abdul Mahdi");
        assert!(parsed("Mahdi").ends(&full) && parsed("Abdul Mahdi").ends(&full));
        assert!(!parsed("Adil").ends(&full) && !full.ends(&full));
        assert!(!parsed("mahdi").ends(&full), "a name is written with a capital");
        assert!(!parsed("the Ministry").ends(&parsed("Foreign Ministry")));
        assert!(!parsed("lawmakers").ends(&parsed("Iraqi lawmakers")));
    }

    proptest::proptest! {
        #![proptest_config(crate::random_tests::config())]

        #[test]
        fn any_text_is_taken_apart(text in "\\PC{0,40}") {
            Mention::parse(&text);
        }
    }
}
