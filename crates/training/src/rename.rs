//! The same text about other countries. Gold that is mostly about one war teaches a model its names: toward an army
//! or a country that it has not met, it then sees no stance at all. So a share of the rows is read with names of
//! countries, of forces and of politicians exchanged for others, the same ones all through a row, which changes
//! neither a role nor a stance. A few articles come out wrong ("an French general"): noise that does not teach.

use standpoint_kernels::random::SplitMix;

/// Country, adjective, people, capital.
const PLACES: &str = include_str!("names.tsv");

/// Places of the list that send troops in gold; they are exchanged for each other and for all places.
const AMERICA: Place =
    Place { country: "America", adjective: "American", people: "Americans", capital: "Washington" };

/// Words for foreign soldiers.
const FORCES: [&str; 9] = [
    "troops",
    "soldiers",
    "forces",
    "peacekeepers",
    "marines",
    "paratroopers",
    "engineers",
    "servicemen",
    "trainers",
];

/// Politicians and generals whom gold names often.
const KNOWN: [&str; 24] = [
    "Trump", "Biden", "Obama", "Bush", "Clinton", "Reagan", "Maliki", "Karzai", "Ghani", "Assad", "Petraeus",
    "Pelosi", "McCain", "Reid", "Rumsfeld", "Gates", "Cheney", "Kerry", "Romney", "Abadi", "Sadr", "Murtha",
    "Crocker", "Putin",
];

/// Whom they are exchanged for.
const OTHERS: [&str; 20] = [
    "Keita",
    "Morel",
    "Lindholm",
    "Okafor",
    "Petrov",
    "Haddad",
    "Santos",
    "Novak",
    "Demir",
    "Tanaka",
    "Larsen",
    "Mensah",
    "Ionescu",
    "Rossi",
    "Abdi",
    "Kowalski",
    "Barrow",
    "Vega",
    "Osman",
    "Whitfield",
];

/// Words after "the U.S." that show that it is a country here and not an adjective.
const AFTER_COUNTRY: [&str; 18] = [
    "has", "had", "have", "is", "was", "will", "would", "should", "must", "can", "could", "to", "and", "in",
    "from", "does", "did", "may",
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    country: &'static str,
    adjective: &'static str,
    people: &'static str,
    capital: &'static str,
}

fn places() -> Vec<Place> {
    let place = |line: &'static str| {
        let mut fields = line.split('\t');
        let mut next = || fields.next().unwrap_or_default();
        Place { country: next(), adjective: next(), people: next(), capital: next() }
    };
    PLACES.lines().map(place).collect()
}

/// Exchanges of names, longest first.
pub struct Renaming {
    pairs: Vec<(&'static str, &'static str)>,
    /// What America became.
    america: Place,
}

impl Renaming {
    /// Draws another name for each that is known.
    pub fn draw(random: &mut SplitMix) -> Self {
        let places = places();
        let mut others = places.clone();
        random.shuffle(&mut others);
        let america = others.pop().unwrap_or(AMERICA);
        let mut pairs: Vec<(&str, &str)> = Vec::new();
        for (place, other) in places.iter().zip(others.iter().cycle()).chain([(&AMERICA, &america)]) {
            pairs.extend([
                (place.country, other.country),
                (place.adjective, other.adjective),
                (place.people, other.people),
                (place.capital, other.capital),
            ]);
        }
        pairs.push(("the United States", america.country));
        pairs.push(("The United States", america.country));
        pairs.push(("United States", america.country));
        for known in KNOWN {
            pairs.push((known, OTHERS[random.below(OTHERS.len())]));
        }
        // Half of the time one word for the soldiers becomes another.
        if random.unit() < 0.5 {
            let force = FORCES[random.below(FORCES.len())];
            pairs.extend(["troops", "soldiers"].map(|word| (word, force)));
        }
        pairs.sort_by_key(|(from, _)| std::cmp::Reverse(from.len()));
        Self { pairs, america }
    }

    /// The text with its names exchanged.
    pub fn apply(&self, text: &str) -> String {
        let mut renamed = String::with_capacity(text.len() + 16);
        let mut rest = text;
        let mut inside_word = false;
        while let Some(first) = rest.chars().next() {
            let exchanged = if inside_word { None } else { self.exchange(rest) };
            if let Some((length, name)) = exchanged {
                renamed.push_str(name);
                rest = &rest[length..];
                inside_word = true;
            } else {
                renamed.push(first);
                rest = &rest[first.len_utf8()..];
                inside_word = first.is_alphanumeric();
            }
        }
        renamed
    }

    /// How many bytes at the beginning of a text are a name, and what it becomes.
    fn exchange(&self, rest: &str) -> Option<(usize, &'static str)> {
        for (written, with_article) in
            [("the U.S.", true), ("The U.S.", true), ("U.S.", false), ("US", false)]
        {
            let Some(after) = rest.strip_prefix(written).filter(|after| ends_word(after)) else { continue };
            let word = after.trim_start().split(|c: char| !c.is_alphabetic()).next().unwrap_or_default();
            let is_country = with_article && (word.is_empty() || AFTER_COUNTRY.contains(&word));
            return match (is_country, with_article) {
                (true, _) => Some((written.len(), self.america.country)),
                // The article stays.
                (false, true) => None,
                (false, false) => Some((written.len(), self.america.adjective)),
            };
        }
        let matching = |(from, to): &(&'static str, &'static str)| {
            rest.strip_prefix(from).filter(|after| ends_word(after)).map(|_| (from.len(), *to))
        };
        self.pairs.iter().find_map(matching)
    }
}

fn ends_word(after: &str) -> bool {
    !after.starts_with(|c: char| c.is_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_has_all_its_names() {
        let places = places();
        assert!(places.len() > 40);
        for place in places {
            for name in [place.country, place.adjective, place.people, place.capital] {
                assert!(name.starts_with(char::is_uppercase), "{place:?}");
            }
        }
    }

    #[test]
    fn names_are_exchanged_as_words_and_alike_all_through() {
        for seed in 0..50 {
            let renaming = Renaming::draw(&mut SplitMix::new(seed));
            let renamed =
                renaming.apply("Iraq's Iraqi MPs in Baghdad told Iraqis that Bush will leave Iraq.");
            let country = renamed.split("'s").next().unwrap();
            let place = places().into_iter().find(|place| place.country == country).unwrap();
            let Place { adjective, people, capital, .. } = place;
            let start = format!("{country}'s {adjective} MPs in {capital} told {people} that ");
            assert!(renamed.starts_with(&start), "{renamed}");
            assert!(renamed.ends_with(&format!(" will leave {country}.")), "{renamed}");
            assert!(!renamed.contains("Bush"), "{renamed}");
            assert!(!renaming.apply("said the U.S. marines").contains("U.S."));
            assert_eq!(renaming.apply("Bushes and Malice abroad"), "Bushes and Malice abroad");
        }
    }

    #[test]
    fn america_is_a_country_or_an_adjective() {
        let renaming = Renaming::draw(&mut SplitMix::new(3));
        let Place { country, adjective, .. } = renaming.america;
        assert_eq!(renaming.apply("the U.S. has left"), format!("{country} has left"));
        assert_eq!(renaming.apply("the U.S. military"), format!("the {adjective} military"));
        assert_eq!(renaming.apply("US bases"), format!("{adjective} bases"));
        assert_eq!(renaming.apply("They asked us, USAID too."), "They asked us, USAID too.");
    }
}
