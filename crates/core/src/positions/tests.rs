use super::*;
use crate::label::{Attribution, Prediction, TargetStance};
use crate::record::{LocatedAttribution, Speaker};

/// A document of sentences. In each, the words in brackets hold a stance: "+" in front of the sentence is favor, "-"
/// against, and without either the words are the source of an attribution.
fn records(id: &str, sentences: &[&str]) -> Vec<Record> {
    let mut texts = Vec::new();
    let mut marks = Vec::new();
    for sentence in sentences {
        let (stance, rest) = match sentence.split_at(1) {
            ("+", rest) => ([0.8, 0.1, 0.1], rest),
            ("-", rest) => ([0.2, 0.6, 0.2], rest),
            _ => ([0.0, 0.0, 1.0], *sentence),
        };
        let words = rest.find('[').map(|start| (start, rest.find(']').unwrap() - 1));
        texts.push(rest.replace(['[', ']'], ""));
        marks.push((stance, words));
    }
    let document = Arc::new(Document::from_sentences(id, &texts));
    let record = |index: usize, stance: [f32; 3], words: Option<(usize, usize)>| {
        let prediction = Prediction::<Stance>::new(stance);
        let start = document.sentences()[index].start();
        let span = words.map(|(from, to)| Span::new(start + from, start + to));
        let source = span.filter(|_| prediction.label() == Stance::None);
        let attribution = source.map(|span| Attribution { source: vec![span], ..Attribution::default() });
        let located =
            attribution.map(|attribution| Arc::new(LocatedAttribution::new(attribution, &document)));
        Record {
            document: Arc::clone(&document),
            index,
            role: Prediction::new([1.0, 0.0, 0.0]),
            stances: vec![TargetStance { target: Target::default(), prediction, holder: span }],
            checkworthiness: None,
            attributions: Some(located.into_iter().collect()),
            speaker: None,
            truncated: false,
        }
    };
    marks.into_iter().enumerate().map(|(index, (stance, words))| record(index, stance, words)).collect()
}

/// The positions of some records.
fn positions(records: &[Record]) -> Positions {
    let mut positions = Positions::default();
    for record in records {
        positions.add(record).unwrap();
    }
    positions
}

/// Each holder with its counts and aliases, over some documents.
fn gathered(documents: &[&[&str]]) -> Vec<String> {
    let numbered = documents.iter().enumerate();
    let records: Vec<Record> =
        numbered.flat_map(|(number, sentences)| records(&format!("d{number}"), sentences)).collect();
    let positions = positions(&records).gathered(&[Target::default()]);
    let shown = |position: &Position| {
        let holder = position.holder.as_deref().unwrap_or("unnamed");
        let aliases = position.aliases.join(", ");
        format!("{holder} {}:{} ({aliases})", position.favor, position.against)
    };
    positions.iter().map(shown).collect()
}

#[test]
fn a_title_and_a_surname_are_the_full_name_of_their_document() {
    let document = [
        "+[Prime Minister Adil Abdul-Mahdi] wants them out.",
        "+By June, [Abdul-Mahdi] said, they would be.",
        "-Then [the prime minister] changed his mind.",
        "-The plan was too hasty for [ABDUL-MAHDI].",
    ];
    assert_eq!(
        gathered(&[&document]),
        [
            "Adil Abdul-Mahdi 2:2 (Prime Minister Adil Abdul-Mahdi, Abdul-Mahdi, the prime minister, ABDUL-MAHDI)"
        ]
    );
}

#[test]
fn a_source_without_a_stance_names_a_holder_too() {
    let document = ["[Senator Grace Boateng] spoke in Accra.", "+The force must go, said [Boateng]."];
    assert_eq!(gathered(&[&document]), ["Grace Boateng 1:0 (Boateng)"]);
}

#[test]
fn what_is_not_certain_stays_apart() {
    let two_of_a_name = [
        "+They must go, [Grace Boateng] said.",
        "-They must stay, [Kwame Boateng] said.",
        "+At once, [Boateng] added.",
    ];
    assert_eq!(
        gathered(&[&two_of_a_name]),
        ["Grace Boateng 1:0 ()", "Kwame Boateng 0:1 ()", "Boateng 1:0 ()"]
    );
    let two_of_a_title = [
        "+So said [former Prime Minister Anna Holt].",
        "-Not so, said [Prime Minister Jens Vik].",
        "-It is too early for [the prime minister].",
    ];
    assert_eq!(
        gathered(&[&two_of_a_title]),
        [
            "Anna Holt 1:0 (former Prime Minister Anna Holt)",
            "Jens Vik 0:1 (Prime Minister Jens Vik)",
            "prime minister 0:1 (the prime minister)"
        ]
    );
}

#[test]
fn pronouns_and_authors_are_unnamed_document_by_document() {
    let one = ["+[He] wants them out.", "-We must stay."];
    assert_eq!(gathered(&[&one, &["+[They] must go."]]), ["unnamed 1:1 (He)", "unnamed 1:0 (They)"]);
}

#[test]
fn a_stance_in_a_quote_is_that_of_whoever_is_quoted() {
    let mut records =
        records("d", &["+[Grace Boateng] wants them out.", "-[She] changed her mind.", "-Stay."]);
    for record in &mut records[1..] {
        record.speaker = Some(Speaker { name: "Grace Boateng".to_owned(), probability: 0.9 });
    }
    let found = positions(&records).gathered(&[Target::default()]);
    assert_eq!((found.len(), found[0].favor, found[0].against), (1, 1, 2));
    records[1].speaker = None;
    let found = positions(&records).gathered(&[Target::default()]);
    assert_eq!(found[1].holder, None, "nobody is quoted");
}

#[test]
fn over_documents_only_names_merge() {
    let first = ["+Out, says [NATO].", "+Out, says [the army].", "+Out, says [Gen. Tallis]."];
    let second = ["-Stay, says [NATO].", "-Stay, says [the army].", "-Stay, says [Mr. Tallis]."];
    assert_eq!(
        gathered(&[&first, &second]),
        [
            "NATO 1:1 ()",
            "army 1:0 (the army)",
            "Tallis 1:0 (Gen. Tallis)",
            "army 0:1 (the army)",
            "Tallis 0:1 (Mr. Tallis)"
        ]
    );
    let full = ["+Out, says [Lt. Gen. Howard Tallis].", "+Now, says [Tallis]."];
    let same = ["-Later, says [Howard Tallis]."];
    assert_eq!(gathered(&[&full, &same]), ["Howard Tallis 2:1 (Lt. Gen. Howard Tallis, Tallis)"]);
}

#[test]
fn a_capital_at_the_beginning_of_a_sentence_makes_no_name() {
    let lawmakers = ["+[Lawmakers] want them out."];
    assert_eq!(gathered(&[&lawmakers, &lawmakers]).len(), 2);
    let moscow = ["+[Moscow] wants them out.", "It is cold in Moscow."];
    assert_eq!(gathered(&[&moscow, &moscow]), ["Moscow 2:0 ()"]);
}

#[test]
fn counts_and_places_are_those_of_the_sentences() {
    let records = records("d", &["It rained.", "+[Oslo] agrees.", "-[Oslo] does not."]);
    let positions = positions(&records).gathered(&[Target::default(), Target::new("rain").unwrap()]);
    let [position] = positions.as_slice() else { panic!("{positions:?}") };
    assert!((position.confidence - 0.7).abs() < 1e-6);
    let places: Vec<(usize, &str, Stance)> = position
        .sentences
        .iter()
        .map(|place| (place.index, place.span.slice(records[0].document.text()), place.stance))
        .collect();
    assert_eq!(places, [(1, "Oslo agrees.", Stance::Favor), (2, "Oslo does not.", Stance::Against)]);
}

#[test]
fn what_is_gathered_has_a_limit() {
    let mut positions = Positions { stances: MOST_STANCES - 1, ..Positions::default() };
    let records = records("d", &["+[Oslo] agrees.", "-[Oslo] does not."]);
    assert_eq!(positions.add(&records[0]), Ok(()));
    assert_eq!(positions.add(&records[1]), Err(Full));
    assert_eq!(positions.gathered(&[Target::default()])[0].against, 0);
}

proptest::proptest! {
    #![proptest_config(crate::random_tests::config())]

    #[test]
    fn any_holder_is_gathered(holders in proptest::collection::vec("[A-Za-z .'’-]{0,12}", 1..6)) {
        let sentences: Vec<String> = holders.iter().map(|holder| format!("+[{holder}] agrees.")).collect();
        let sentences: Vec<&str> = sentences.iter().map(String::as_str).collect();
        let gathered = positions(&records("d", &sentences)).gathered(&[Target::default()]);
        let stances: usize = gathered.iter().map(|position| position.favor + position.against).sum();
        proptest::prop_assert_eq!(stances, sentences.len());
    }
}

#[test]
fn a_stance_without_a_holder_is_that_of_who_speaks() {
    use crate::text::Turn;
    let spoken = |id: &str, sentences: &[(&str, &str)]| {
        let texts: Vec<&str> = sentences.iter().map(|(_, text)| *text).collect();
        let mut records = records(id, &texts);
        let turn = |(speaker, _): &(&str, &str)| Turn {
            speaker: (!speaker.is_empty()).then(|| Arc::from(*speaker)),
            ..Turn::default()
        };
        let turns = sentences.iter().map(turn).collect();
        let document = Arc::new(Document::clone(&records[0].document).with_turns(turns));
        records.iter_mut().for_each(|record| record.document = Arc::clone(&document));
        records
    };
    let debate = spoken(
        "debate",
        &[
            ("MODERATOR", "-They must stay, must they not?"),
            ("ANN ROE", "+They must go."),
            ("MS. ROE", "+[I] want them out."),
            ("MS. ROE", "-[Lev Poe] does not."),
            ("", "+They must go."),
        ],
    );
    let interview = spoken("interview", &[("Ann Roe", "+They must go."), ("MODERATOR", "+So they must.")]);
    let positions = positions(&[debate, interview].concat()).gathered(&[Target::default()]);
    let found: Vec<_> = positions
        .iter()
        .map(|position| (position.holder.as_deref().unwrap_or("-"), position.favor, position.against))
        .collect();
    assert_eq!(
        found,
        [("ANN ROE", 3, 0), ("MODERATOR", 0, 1), ("Lev Poe", 0, 1), ("MODERATOR", 1, 0), ("-", 1, 0)]
    );
}
