//! From mentions to names: who speaks in a sentence, by the fullest name that the document has been seen to give.

use crate::name::{self, Name};
use crate::record::Speaker;
use crate::text::Span;

/// A mention of whoever may speak in a sentence, and its probability.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct SpokenBy {
    pub span: Span,
    pub probability: f32,
}

/// The names of a document that mentions of speakers have brought up so far.
#[derive(Debug, Default)]
pub(super) struct Speakers {
    names: Vec<Name>,
}

/// A document with more names than this is no article: further ones are taken as they stand.
const MOST_NAMES: usize = 4096;

/// A mention that is less probable brings up no name.
const LEAST: f32 = 0.2;

impl Speakers {
    /// Takes note of the names of a sentence's mentions.
    pub fn learn(&mut self, text: &str, mentions: &[SpokenBy]) {
        for mention in mentions.iter().filter(|mention| mention.probability >= LEAST) {
            if let name::Mention::Name(name) = name::Mention::parse(mention.span.slice(text))
                && self.names.len() < MOST_NAMES
                && !self.names.iter().any(|known| known.words == name.words)
            {
                self.names.push(name);
            }
        }
    }

    /// The likeliest speaker, where one is likelier than none. The mentions of one name count together.
    pub fn likeliest(&self, text: &str, mentions: &[SpokenBy]) -> Option<Speaker> {
        let mut nobody = 1.0;
        let mut speakers: Vec<Speaker> = Vec::new();
        for mention in mentions {
            nobody -= mention.probability;
            let name = self.fullest(mention.span.slice(text));
            match speakers.iter_mut().find(|speaker| speaker.name == name) {
                Some(speaker) => speaker.probability += mention.probability,
                None => speakers.push(Speaker { name, probability: mention.probability }),
            }
        }
        let best = speakers.into_iter().max_by(|one, other| one.probability.total_cmp(&other.probability))?;
        (best.probability > nobody).then(|| Speaker { probability: best.probability.min(1.0), ..best })
    }

    /// The one name that ends with the mentioned one, or else the mentioned one itself, without determiner and title.
    fn fullest(&self, mention: &str) -> String {
        let name::Mention::Name(name) = name::Mention::parse(mention) else {
            return mention.split_whitespace().collect::<Vec<_>>().join(" ");
        };
        let is_full = |full: &&Name| !self.names.iter().any(|longer| full.ends(longer));
        let mut owners = self.names.iter().filter(|full| name.ends(full)).filter(is_full);
        match (owners.next(), owners.next()) {
            (Some(owner), None) => owner.written.clone(),
            _ => name.written,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str =
        "Councillor Vera Lunt spoke. Ann Roe and Lev Roe listened. Lunt said no. Roe said yes.";

    fn mention(words: &str, probability: f32) -> SpokenBy {
        let start = TEXT.rfind(words).unwrap();
        SpokenBy { span: Span::new(start, start + words.len()), probability }
    }

    fn speakers() -> Speakers {
        let mut speakers = Speakers::default();
        speakers.learn(TEXT, &["Vera Lunt", "Ann Roe", "Lev Roe"].map(|name| mention(name, 0.9)));
        speakers
    }

    #[test]
    fn a_surname_is_that_of_the_one_full_name() {
        let found = speakers().likeliest(TEXT, &[mention("Vera Lunt", 0.25), mention("Lunt", 0.5)]).unwrap();
        assert_eq!((found.name.as_str(), found.probability), ("Vera Lunt", 0.75));
    }

    #[test]
    fn a_surname_of_two_stays_one() {
        assert_eq!(speakers().likeliest(TEXT, &[mention("Roe", 0.8)]).unwrap().name, "Roe");
    }

    #[test]
    fn nobody_is_named_where_that_is_likelier() {
        assert_eq!(speakers().likeliest(TEXT, &[mention("Vera Lunt", 0.4)]), None);
        assert_eq!(speakers().likeliest(TEXT, &[]), None);
    }

    #[test]
    fn a_title_is_taken_off() {
        assert_eq!(Speakers::default().fullest("Councillor Vera Lunt"), "Councillor Vera Lunt");
        assert_eq!(Speakers::default().fullest("President Vera Lunt"), "Vera Lunt");
        assert_eq!(Speakers::default().fullest("the  Home Office"), "Home Office");
        assert_eq!(Speakers::default().fullest("the president"), "the president");
    }
}
