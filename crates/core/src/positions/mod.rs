//! Who stands where: the stances of many sentences, gathered by target and holder. Pure: records in, positions out.
//!
//! `docs/positions.md` has the rules by which two mentions are one holder. They only merge what is certain.

use crate::label::{Stance, Target};
use crate::name::{self, Mention, Name};
use crate::record::Record;
use crate::text::{Document, Span};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

/// The most stances that are gathered: each is held in memory with its place.
pub const MOST_STANCES: usize = 1_000_000;

/// What one holder wants toward one target.
#[derive(Clone, Debug, PartialEq)]
pub struct Position {
    /// None of a document's stances whose holder is not named.
    pub holder: Option<String>,
    /// What else the holder is called, each way once, as it is written.
    pub aliases: Vec<String>,
    pub target: Target,
    pub favor: usize,
    pub against: usize,
    /// The mean probability of these stances.
    pub confidence: f64,
    /// In the order of the input.
    pub sentences: Vec<Place>,
}

/// A sentence that takes a stance.
#[derive(Clone, Debug, PartialEq)]
pub struct Place {
    /// The document's id.
    pub doc: Arc<str>,
    /// The sentence's index in its document, from 0.
    pub index: usize,
    pub span: Span,
    pub stance: Stance,
    pub confidence: f32,
}

/// The positions of the documents added so far.
#[derive(Debug, Default)]
pub struct Positions {
    holders: Vec<Holder>,
    /// The holders whose names hold in all documents, by their words.
    named: HashMap<Vec<String>, usize>,
    stances: usize,
    /// The document that was added last, of which there may be more to come.
    open: Open,
}

#[derive(Debug, Default)]
struct Holder {
    name: Option<String>,
    /// In the order in which they came.
    aliases: Vec<String>,
    places: Vec<(Target, Place)>,
}

/// What was said of a document so far.
#[derive(Debug, Default)]
struct Open {
    document: Option<Arc<Document>>,
    /// The document's id.
    doc: Arc<str>,
    taken: Vec<Taken>,
    /// The names of holders and of sources, and whether each is written as a name.
    holders: Vec<(Name, bool)>,
    sources: Vec<(Name, bool)>,
    capitals: Option<Capitals>,
}

impl Open {
    /// The name that is mentioned, if it is one, and whether it is written as a name.
    fn name(&mut self, document: &Document, mention: &Mention, span: Option<Span>) -> Option<(Name, bool)> {
        let Mention::Name(name) = mention else { return None };
        // `Q` and `SPEAKER 2` are somebody else in the next document.
        let Some(span) = span else { return Some((name.clone(), !name.is_role())) };
        let capitals = self.capitals.get_or_insert_with(|| Capitals::of(document));
        Some((name.clone(), capitals.is_proper(name, span)))
    }
}

/// Whether a speaker who is called so may be meant by the name: "MR. CASS" by "Ann Cass" and "cass".
pub fn is_meant(speaker: &str, name: &str) -> bool {
    name::may_be_one(speaker, name)
}

/// There are more stances than are gathered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

impl Positions {
    /// Gathers the stances of a record. Records of a document come together, in order; some may be left out.
    ///
    /// # Errors
    /// If there would be more than [`MOST_STANCES`]: those of this sentence are left out.
    pub fn add(&mut self, record: &Record) -> Result<(), Full> {
        let document = &*record.document;
        if self.open.document.as_ref().is_none_or(|open| !Arc::ptr_eq(open, &record.document)) {
            self.close();
            self.open.document = Some(Arc::clone(&record.document));
            self.open.doc = document.id().into();
        }
        let taken: Vec<Taken> = taken(record, &self.open.doc).collect();
        if self.stances + taken.len() > MOST_STANCES {
            return Err(Full);
        }
        self.stances += taken.len();
        for stance in &taken {
            if let Some((mention, span)) = &stance.mention {
                let name = self.open.name(document, mention, *span);
                self.open.holders.extend(name);
            }
        }
        for attribution in record.attributions_from_here() {
            if let [source] = attribution.source.as_slice() {
                let mention = Mention::parse(source.slice(document.text()));
                let name = self.open.name(document, &mention, Some(*source));
                self.open.sources.extend(name);
            }
        }
        self.open.taken.extend(taken);
        Ok(())
    }

    /// Finds out who is who in the open document.
    fn close(&mut self) {
        let Open { taken, holders, sources, .. } = std::mem::take(&mut self.open);
        if taken.is_empty() {
            return;
        }
        let cast = Cast::new(&[holders, sources].concat());
        // The holders that are known in this document only.
        let mut local: HashMap<Option<Vec<String>>, usize> = HashMap::new();
        for stance in &taken {
            let who = cast.who(stance.mention.as_ref().map(|(mention, _)| mention));
            let next = self.holders.len();
            let number = match who {
                Some(who) if cast.is_everywhere(who) => *self.named.entry(who.to_vec()).or_insert(next),
                who => *local.entry(who.map(<[String]>::to_vec)).or_insert(next),
            };
            if number == next {
                let name = who.map(|who| cast.display(who));
                self.holders.push(Holder { name, ..Holder::default() });
            }
            self.holders[number].take(stance);
        }
    }

    /// All positions, by target in the order given; of each target those of the most stances first, and those whose
    /// holder is not named last.
    pub fn gathered(mut self, targets: &[Target]) -> Vec<Position> {
        self.close();
        let mut positions = Vec::new();
        for target in targets {
            let mut of_target: Vec<Position> =
                self.holders.iter().filter_map(|holder| holder.position(target)).collect();
            of_target
                .sort_by_key(|position| (position.holder.is_none(), usize::MAX - position.sentences.len()));
            positions.append(&mut of_target);
        }
        positions
    }
}

impl Holder {
    fn take(&mut self, stance: &Taken) {
        if let Some(written) = &stance.written
            && self.name.as_ref() != Some(written)
            && !self.aliases.contains(written)
        {
            self.aliases.push(written.clone());
        }
        self.places.push((stance.target.clone(), stance.place.clone()));
    }

    fn position(&self, target: &Target) -> Option<Position> {
        let places = self.places.iter().filter(|(of, _)| of == target).map(|(_, place)| place);
        let sentences: Vec<Place> = places.cloned().collect();
        let count = |stance| sentences.iter().filter(|place| place.stance == stance).count();
        let sum: f64 = sentences.iter().map(|place| f64::from(place.confidence)).sum();
        let [favor, against] = [Stance::Favor, Stance::Against].map(count);
        (!sentences.is_empty()).then(|| Position {
            holder: self.name.clone(),
            aliases: self.aliases.clone(),
            target: target.clone(),
            favor,
            against,
            confidence: sum / sentences.len() as f64,
            sentences,
        })
    }
}

/// A stance of a sentence, and by whom.
#[derive(Debug)]
struct Taken {
    target: Target,
    place: Place,
    /// The holder's words, on one line.
    written: Option<String>,
    /// The holder, and where; nowhere if the holder is who speaks.
    mention: Option<(Mention, Option<Span>)>,
}

/// What a sentence is in favor of or against. The stance of nobody else, or of "I", is that of who speaks; in an attributed sentence
/// of an article, so is that of "he", "she" and "we".
fn taken<'a>(record: &'a Record, doc: &'a Arc<str>) -> impl Iterator<Item = Taken> + 'a {
    let stances = record.stances.iter().filter(|stance| stance.prediction.label() != Stance::None);
    let of_turn = record.document.turn(record.index).and_then(|turn| turn.speaker.as_deref());
    let quoted = record.speaker.as_ref().map(|speaker| speaker.name.as_str());
    let speaker = of_turn.or(quoted);
    stances.map(move |stance| {
        let holder = stance.holder.map(|holder| (holder.slice(record.document.text()), Some(holder)));
        let is_speaker = holder.is_none_or(|(words, _)| {
            Mention::is_speaker(words) || of_turn.is_none() && Mention::is_quoted(words)
        });
        let holder = speaker.filter(|_| is_speaker).map(|speaker| (speaker, None)).or(holder);
        Taken {
            target: stance.target.clone(),
            place: Place {
                doc: Arc::clone(doc),
                index: record.index,
                span: record.span(),
                stance: stance.prediction.label(),
                confidence: stance.prediction.confidence(),
            },
            written: holder.map(|(words, _)| words.split_whitespace().collect::<Vec<_>>().join(" ")),
            mention: holder.map(|(words, span)| (Mention::parse(words), span)),
        }
    })
}

/// Everybody whom a document names, as holder of a stance or as source of an attribution.
struct Cast {
    people: BTreeMap<Vec<String>, Person>,
    /// For each title those who bear it.
    bearers: HashMap<String, BTreeSet<Vec<String>>>,
}

struct Person {
    name: Name,
    /// Written with a capital that is no sentence's beginning.
    is_proper: bool,
    /// The words of the full name that this one is the end of, or its own.
    full: Vec<String>,
}

impl Cast {
    fn new(mentions: &[(Name, bool)]) -> Self {
        let mut people: BTreeMap<Vec<String>, Person> = BTreeMap::new();
        for (name, is_proper) in mentions {
            let person = people.entry(name.words.clone()).or_insert_with(|| Person {
                name: name.clone(),
                is_proper: false,
                full: name.words.clone(),
            });
            person.is_proper |= is_proper;
            person.name.capitalised |= name.capitalised;
            if person.name.title.is_none() {
                person.name.title.clone_from(&name.title);
            }
        }
        let names: Vec<Name> =
            people.values().filter(|person| person.is_proper).map(|person| person.name.clone()).collect();
        let full: Vec<&Name> =
            names.iter().filter(|name| !names.iter().any(|other| name.ends(other))).collect();
        for name in &names {
            let mut owners = full.iter().filter(|full| name.ends(full));
            if let (Some(owner), None) = (owners.next(), owners.next())
                && let Some(person) = people.get_mut(&name.words)
            {
                person.full.clone_from(&owner.words);
            }
        }
        let mut bearers: HashMap<String, BTreeSet<Vec<String>>> = HashMap::new();
        for (name, _) in mentions {
            if let Name { title: Some(title), words, .. } = name {
                bearers.entry(title.clone()).or_default().insert(people[words].full.clone());
            }
        }
        Self { people, bearers }
    }

    /// The words by which a holder is known in this document; none of one who is not named.
    fn who<'a>(&'a self, mention: Option<&'a Mention>) -> Option<&'a [String]> {
        match mention? {
            Mention::Unnamed => None,
            Mention::Name(name) => Some(&self.people[&name.words].full),
            Mention::Title(title) => {
                let mut bearers = self.bearers.get(title).into_iter().flatten();
                match (bearers.next(), bearers.next()) {
                    (Some(bearer), None) => Some(bearer),
                    _ => Some(std::slice::from_ref(title)),
                }
            }
        }
    }

    /// Whether the name means the same holder in other documents. A description does not, and neither does a surname
    /// behind a title whose full name the document does not give.
    fn is_everywhere(&self, who: &[String]) -> bool {
        self.people
            .get(who)
            .is_some_and(|person| person.is_proper && !(who.len() == 1 && person.name.title.is_some()))
    }

    fn display(&self, who: &[String]) -> String {
        self.people.get(who).map_or_else(|| who.join(" "), |person| person.name.written.clone())
    }
}

/// How a document writes its words where no sentence begins.
#[derive(Debug)]
struct Capitals {
    /// The bytes at which sentences begin.
    starts: HashSet<usize>,
    upper: HashSet<String>,
    lower: HashSet<String>,
}

impl Capitals {
    fn of(document: &Document) -> Self {
        let (mut starts, mut upper, mut lower) = (HashSet::new(), HashSet::new(), HashSet::new());
        for sentence in document.sentences() {
            let text = sentence.slice(document.text());
            let lead = text.find(char::is_alphanumeric).unwrap_or(0);
            starts.insert(sentence.start() + lead);
            for word in text[lead..].split(|c: char| !(c.is_alphanumeric() || c == '-')).skip(1) {
                let is_upper = word.chars().next().is_some_and(char::is_uppercase);
                let words = if is_upper { &mut upper } else { &mut lower };
                if !words.contains(word) {
                    words.insert(word.to_owned());
                }
            }
        }
        Self { starts, upper, lower }
    }

    /// Whether it is a name and no description. At the beginning of a sentence a capital shows nothing: there the word
    /// must be written with one elsewhere, and nowhere without.
    fn is_proper(&self, name: &Name, span: Span) -> bool {
        let begins = self.starts.contains(&span.start());
        let first = name.written.split(' ').next().unwrap_or_default();
        match (name.written.chars().any(char::is_uppercase), name.only_first && begins) {
            (false, _) => false,
            (true, false) => true,
            (true, true) => self.upper.contains(first) && !self.lower.contains(name.words[0].as_str()),
        }
    }
}

#[cfg(test)]
mod tests;
