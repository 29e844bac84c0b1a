//! The formats of labelled text: a sample of each is read and looked at, and what is wrong with a file is said.

use standpoint::gold::{self, GoldDocument, GoldFile, GoldFormat, GoldLabels, GoldSource};
use standpoint::label::{Attribution, Role, Stance};
use standpoint::text::Span;
use std::fs;
use std::path::{Path, PathBuf};

fn sample(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fast/data/formats").join(name)
}

fn read(name: &str, format: GoldFormat) -> Vec<GoldDocument> {
    gold::read(&GoldSource::new(sample(name), format)).unwrap().documents
}

fn read_split(name: &str, format: GoldFormat, split: &str) -> Vec<GoldDocument> {
    let source = GoldSource { split: Some(split.to_owned()), ..GoldSource::new(sample(name), format) };
    gold::read(&source).unwrap().documents
}

fn ids(documents: &[GoldDocument]) -> Vec<&str> {
    documents.iter().map(|gold| gold.document.id()).collect()
}

fn field(gold: &GoldDocument, name: &str) -> &'static str {
    gold.document.fields().text(name).map_or("-", |text| text.leak())
}

/// A document's sentences.
fn sentences(gold: &GoldDocument) -> Vec<&str> {
    gold.sentences().map(|(text, _)| text).collect()
}

fn stances(documents: &[GoldDocument]) -> Vec<Option<Stance>> {
    documents.iter().flat_map(|gold| &gold.labels).map(|labels| labels.stance).collect()
}

fn checkworthy(documents: &[GoldDocument]) -> Vec<Option<bool>> {
    documents.iter().flat_map(|gold| &gold.labels).map(|labels| labels.checkworthy).collect()
}

fn slices<'d>(gold: &'d GoldDocument, spans: &[Span]) -> Vec<&'d str> {
    spans.iter().map(|span| span.slice(gold.document.text())).collect()
}

/// Source, cue and content of each attribution.
fn parts(gold: &GoldDocument) -> Vec<[Vec<&str>; 3]> {
    let parts = |Attribution { source, cue, content }: &Attribution| {
        [source, cue, content].map(|spans| slices(gold, spans))
    };
    gold.attributions.as_ref().expect("attributions were annotated").iter().map(parts).collect()
}

const FAVOR: Option<Stance> = Some(Stance::Favor);
const AGAINST: Option<Stance> = Some(Stance::Against);
const NONE: Option<Stance> = Some(Stance::None);
const TROOPS: &str = "withdrawal of foreign troops";

#[test]
fn standpoint_rows_of_every_kind() {
    let documents = read("standpoint.jsonl", GoldFormat::Standpoint);
    assert_eq!(ids(&documents), ["river-1", "river-2", "river-2", "pair-1", "pair-2", "fixture-1"]);

    let whole = &documents[0];
    assert_eq!((field(whole, "outlet"), whole.target.as_str()), ("The Ledger", TROOPS));
    assert_eq!(whole.labels[0].role, Some(Role::Attributed));
    assert_eq!(whole.labels[0].checkworthy, Some(true));
    assert_eq!(slices(whole, &[whole.labels[0].holder.unwrap()]), ["the minister"]);
    assert_eq!(
        parts(whole),
        [[vec!["the minister"], vec!["said"], vec!["The garrison at Tolm will be gone by May"]]]
    );

    assert_eq!(sentences(&documents[1]), ["Talks went on all night.", "He wants them home."]);
    assert_eq!(documents[1].labels[0], GoldLabels::default(), "a neighbour is context");
    assert_eq!(slices(&documents[1], &[documents[1].labels[1].holder.unwrap()]), ["He"]);
    assert_eq!(field(&documents[1], "genre"), "news");
    assert_eq!(sentences(&documents[2])[1], "Traffic went by ferry.");
    assert_eq!(stances(&documents[3..5]), [FAVOR, AGAINST]);

    let fixture = &documents[5];
    assert_eq!(
        sentences(fixture),
        [
            "“We stay until spring,” said Colonel Ménard.",
            "The convoy left the depot at dawn.",
            "Who pays for the fuel is unclear."
        ]
    );
    assert_eq!(slices(fixture, &[fixture.labels[0].holder.unwrap()]), ["Colonel Ménard"]);
    assert_eq!(fixture.labels[2].stance, None);
    assert_eq!(parts(fixture), [[vec!["Colonel Ménard"], vec!["said"], vec!["“We stay until spring,”"]]]);
    assert_eq!(field(fixture, "manner"), "agency");

    let train = gold::read_gold(&sample("standpoint.jsonl")).unwrap();
    assert!(!ids(&train.documents).contains(&"pair-2"), "a test row is not trained on");
}

#[test]
fn polnear_as_lines_and_as_brat_files() {
    let lines = read_split("polnear.jsonl", GoldFormat::PolNear, "dev");
    let brat = read("polnear", GoldFormat::PolNear);
    for documents in [&lines, &brat] {
        assert_eq!(ids(documents), ["ledger_2016-01-02_bridge", "ledger_2016-01-03_ferry"]);
        assert_eq!(sentences(&documents[0])[1], "Mayor Ené Ruiz said the bridge was “unsafe.”");
        let attributed: Vec<_> = documents[0].labels.iter().map(|labels| labels.attributed).collect();
        assert_eq!(attributed, [Some(false), Some(true), Some(false), Some(true)]);
        assert_eq!(
            parts(&documents[0]),
            [
                [vec!["Mayor Ené Ruiz"], vec!["said"], vec!["the bridge was “unsafe.”"]],
                [vec!["she"], vec!["said"], vec!["It will stay closed,", "until June."]],
            ]
        );
        assert_eq!(documents[1].attributions, Some(Vec::new()));
        assert_eq!(documents[0].target, TROOPS, "any target will do where no stance is known");
    }
    assert_eq!((field(&lines[0], "publisher"), field(&brat[0], "annotator")), ("ledger", "4b22"));
}

#[test]
fn newsdiscourse_roles() {
    let documents = read_split("newsdiscourse.jsonl", GoldFormat::NewsDiscourse, "validation");
    assert_eq!(ids(&documents), ["validation/Ledger_1", "validation/Ledger_2"]);
    let roles: Vec<_> = documents[0].labels.iter().map(|labels| labels.role).collect();
    assert_eq!(roles, [Some(Role::Claim), Some(Role::Attributed), Some(Role::Background), None]);
    assert_eq!(sentences(&documents[0])[1], "“We had no choice,” the owner said.");
    assert_eq!(field(&documents[0], "headline"), "Mill to close");
}

#[test]
fn checkthat_tables_and_lines() {
    let documents = read("checkthat.tsv", GoldFormat::CheckThat);
    assert_eq!(ids(&documents), ["1", "2", "3", "4"]);
    assert_eq!(checkworthy(&documents), [Some(true), Some(false), Some(true), Some(false)]);
    let texts: Vec<&str> = documents.iter().flat_map(sentences).collect();
    assert_eq!(texts[1], "\"Good evening,\" she said, and sat down.");
    assert_eq!(texts[2], "He told us: \"We built 900 schools.\"");
    assert_eq!(texts[3], "Thank you, naïve as that may be.");

    let tweets = read("checkthat-tweets.tsv", GoldFormat::CheckThat);
    assert_eq!((ids(&tweets), checkworthy(&tweets)), (vec!["9001", "9002"], vec![Some(true), Some(false)]));
    assert_eq!(field(&tweets[0], "topic"), "flood");

    let lines = read_split("checkthat.jsonl", GoldFormat::CheckThat, "dev");
    assert_eq!(checkworthy(&lines), [Some(true), Some(false)]);
    assert_eq!(field(&lines[0], "source"), "invented");
}

#[test]
fn semeval_tweets() {
    let documents = read("semeval2016t6.txt", GoldFormat::SemEval2016T6);
    assert_eq!(ids(&documents), ["101", "102", "103"]);
    assert_eq!(stances(&documents), [FAVOR, AGAINST, NONE]);
    assert!(sentences(&documents[0])[0].starts_with("\"Never again, says"), "a lone quote is a character");
    assert_eq!((documents[2].target.as_str(), sentences(&documents[2])[0].len()), ("Night Trains", 34));
}

#[test]
fn vast_posts() {
    let documents = read("vast.csv", GoldFormat::Vast);
    assert_eq!(ids(&documents), ["4001", "4002", "4003"]);
    assert_eq!(stances(&documents), [FAVOR, AGAINST, NONE]);
    assert_eq!(
        sentences(&documents[0]),
        ["Night trains are the only sane way to travel.\nI took forty last year, \"second class\"."]
    );
    assert_eq!(documents[0].target, "night trains");
    assert_eq!((field(&documents[1], "seen?"), field(&documents[1], "topic_str")), ("0", "-"));
}

#[test]
fn perspectrum_as_lines_and_as_published() {
    let lines = read_split("perspectrum.jsonl", GoldFormat::Perspectrum, "dev");
    assert_eq!((ids(&lines)[1], stances(&lines)), ("perspectrum:1:8", vec![FAVOR, AGAINST]));
    let published = read_split("perspectrum", GoldFormat::Perspectrum, "dev");
    assert_eq!((ids(&published), stances(&published)), (vec!["1:7", "1:8"], vec![FAVOR, AGAINST]));
    let all = read("perspectrum", GoldFormat::Perspectrum);
    assert_eq!(ids(&all), ["1:7", "1:8", "2:9", "2:10"]);
    assert_eq!(sentences(&all[3]), ["A tram makes little noise"]);
    assert_eq!((all[3].target.as_str(), field(&all[3], "source")), ("Cities need trams", "procon"));
}

#[test]
fn claimbuster_sentences() {
    let documents = read("claimbuster.csv", GoldFormat::ClaimBuster);
    assert_eq!(ids(&documents), ["16", "17", "18"]);
    assert_eq!(checkworthy(&documents), [Some(true), Some(false), Some(false)]);
    assert_eq!(sentences(&documents[2]), ["We met \"him\" in June."]);
    assert_eq!((field(&documents[0], "Speaker_party"), field(&documents[1], "Verdict")), ("REFORM", "-1"));
}

#[test]
fn fnc1_headlines_and_bodies() {
    let companion = Some(sample("fnc1-bodies.csv"));
    let source = GoldSource { companion, ..GoldSource::new(sample("fnc1-stances.csv"), GoldFormat::Fnc1) };
    let GoldFile { documents, sha256 } = gold::read(&source).unwrap();
    assert_eq!(ids(&documents), ["4", "4", "9", "9"]);
    assert_eq!(stances(&documents), [FAVOR, AGAINST, NONE, NONE]);
    assert_eq!(documents[1].target, "Green river, a hoax");
    assert!(sentences(&documents[0])[0].ends_with("Dyers \"forgot\" a valve."));
    assert_eq!(field(&documents[3], "Stance"), "unrelated");
    let bytes = ["fnc1-bodies.csv", "fnc1-stances.csv"].map(|name| fs::read(sample(name)).unwrap());
    assert_eq!(sha256, standpoint::hash::sha256(bytes.iter().map(Vec::as_slice)));
}

#[test]
fn label_studio_regions_in_either_count() {
    let documents = read("labelstudio.json", GoldFormat::LabelStudio);
    assert_eq!(ids(&documents), ["41", "42", "43"], "what nobody has annotated is left out");
    for gold in &documents[..2] {
        assert_eq!(
            sentences(gold)[1..],
            ["“They go in May,” the envoy said.", "Rain fell on the camp.", "More on page 4."],
            "an emoji before, and unmarked text after, are context"
        );
        assert_eq!(gold.labels[1].role, Some(Role::Attributed));
        assert_eq!((gold.labels[1].stance, gold.labels[2].role), (FAVOR, Some(Role::Claim)));
        assert_eq!(slices(gold, &[gold.labels[1].holder.unwrap()]), ["the envoy"]);
        assert_eq!(gold.labels[3], GoldLabels::default());
        assert_eq!(parts(gold), [[vec!["the envoy"], vec!["said"], vec!["“They go in May,”"]]]);
        assert_eq!((gold.target.as_str(), field(gold, "outlet")), (TROOPS, "Ledger"));
    }
    assert_eq!(stances(&documents[2..]), [FAVOR], "a choice for the text is its one sentence's");
    assert_eq!(documents[2].attributions, Some(Vec::new()));
}

#[test]
fn doccano_spans_and_categories() {
    let documents = read("doccano.jsonl", GoldFormat::Doccano);
    assert_eq!(ids(&documents), ["1", "2", "3"]);
    for gold in &documents[..2] {
        assert_eq!(sentences(gold), ["Élise Brun said the base would close.", "It opened in 2004."]);
        assert_eq!(gold.labels[1].role, Some(Role::Background));
        assert_eq!(parts(gold), [[vec!["Élise Brun"], vec!["said"], vec!["the base would close"]]]);
    }
    assert_eq!(
        (documents[2].labels[0].role, documents[2].labels[0].checkworthy),
        (Some(Role::Claim), Some(true))
    );
    assert_eq!(field(&documents[0], "outlet"), "Ledger");
}

#[test]
fn prodigy_spans_and_choices() {
    let documents = read("prodigy.jsonl", GoldFormat::Prodigy);
    assert_eq!(ids(&documents), ["prodigy.jsonl, line 1", "prodigy.jsonl, line 2", "prodigy.jsonl, line 4"]);
    assert_eq!(sentences(&documents[0])[1], "The plan has six parts.");
    assert_eq!(parts(&documents[0]), [[vec!["Ms. Okoro"], vec!["called"], vec!["“Naïve,”"]]]);
    assert_eq!((documents[1].labels[0].role, documents[1].labels[0].stance), (Some(Role::Claim), NONE));
    assert_eq!((documents[1].target.as_str(), field(&documents[1], "outlet")), ("a higher levy", "Ledger"));
    assert_eq!(documents[2].labels[0].role, Some(Role::Claim));
}

/// Reads a file made on the spot, and gives the error without its folder.
fn refused(name: &str, format: GoldFormat, bytes: impl AsRef<[u8]>) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, bytes).unwrap();
    let error: standpoint::evaluation::error::Error =
        gold::read(&GoldSource::new(&path, format)).unwrap_err();
    error.to_string().replace(&format!("{}/", folder.path().display()), "")
}

#[test]
fn bad_rows_are_named_with_their_line() {
    let text = |sentences: &str| {
        format!("\n{{\"id\":\"a\",\"target\":\"t\",\"text\":\"né. No.\",\"sentences\":{sentences}}}\n")
    };
    let cases = [
        (
            text(r#"[{"start":0,"end":9}]"#),
            "g.jsonl:2: sentence 0..9 does not lie within its text, which has 8 bytes",
        ),
        (text(r#"[{"start":3,"end":1}]"#), "g.jsonl:2: sentence 3..1 does not lie within its text"),
        (text(r#"[{"start":0,"end":2}]"#), "g.jsonl:2: sentence 0..2 cuts a character in two"),
        (text(r#"[{"start":0,"end":5},{"start":4,"end":8}]"#), "g.jsonl:2: sentence 2 begins before"),
        (text(r#"[{"text":"Yes."}]"#), "g.jsonl:2: sentence 1 of \"sentences\" does not follow in \"text\""),
        (text(r#"[{"start":5,"end":8,"text":"Yes"}]"#), "covers \"No.\", but is said to be \"Yes\""),
        (text(r#"[{"role":"claim"}]"#), "g.jsonl:2: sentence 1 has no place"),
        (text(r#"[{"start":5,"end":8,"role":"calim"}]"#), "unknown variant `calim`, expected one of `claim`"),
        (text(r#"[{"start":5,"end":8,"holder":"Ann"}]"#), "holder \"Ann\" does not stand in sentence 1"),
        (
            r#"{"id":"a","target":"","text":"x","stance":"none"}"#.to_owned(),
            "g.jsonl:1: takes a stance, but toward what?",
        ),
        (
            [r#"{"id":"a","target":"t","text":"x","stance":"none"}"#; 2].join("\r\n"),
            "g.jsonl:2: id \"a\" stands in line 1 already",
        ),
        (r#"{"id":"a","#.to_owned(), "g.jsonl:1: is not valid JSON"),
    ];
    for (rows, expected) in cases {
        let error = refused("g.jsonl", GoldFormat::Standpoint, &rows);
        assert!(error.contains(expected), "{rows}\n{error}");
    }
    let latin = refused("g.jsonl", GoldFormat::Standpoint, b"{\"id\":\"caf\xe9\"}");
    assert!(latin.contains("g.jsonl:1: is not UTF-8"), "{latin}");
    assert_eq!(refused("g.jsonl", GoldFormat::Standpoint, "\n"), "g.jsonl: holds no labelled text");
}

#[test]
fn bad_tables_are_named_with_their_line() {
    let cases = [
        (
            GoldFormat::CheckThat,
            "Sentence_id\tTekst\tclass_label\n",
            "t.tsv:1: has no column Text or tweet_text; its columns are Sentence_id, Tekst, class_label",
        ),
        (
            GoldFormat::CheckThat,
            "id\ttext\tlabel\n1\tHm.\tYes\n2\tHm.\tMaybe\n",
            "t.tsv:3: label \"Maybe\" is not known: expected Yes, No, 1 or 0",
        ),
        (
            GoldFormat::CheckThat,
            "id\ttext\tlabel\n1\tHm.\tYes\n1\tHm.\tNo\n",
            "t.tsv:3: id \"1\" stands in line 2 already",
        ),
        (
            GoldFormat::SemEval2016T6,
            "ID\tTarget\tTweet\tStance\n1\tT\tbroken\n",
            "t.tsv:2: has 3 columns, but the first line names 4",
        ),
        (
            GoldFormat::SemEval2016T6,
            "ID\tTarget\tTweet\tStance\n1\tT\tHm\tUNKNOWN\n",
            "Stance \"UNKNOWN\" is not known: expected FAVOR, AGAINST or NONE",
        ),
        (
            GoldFormat::ClaimBuster,
            "Sentence_id,Text,Verdict\n\"1\",\"two\nlines\",1\n2,x,5\n",
            "t.tsv:4: Verdict \"5\" is not known",
        ),
        (
            GoldFormat::Vast,
            "new_id,post,new_topic,label\n1,p,t,3\n",
            "t.tsv:2: label \"3\" is not known: expected 0, 1 or 2",
        ),
        (
            GoldFormat::Fnc1,
            "Headline,Body ID,Stance\n",
            "t.tsv: lacks its companion: name the CSV file of bodies",
        ),
    ];
    for (format, table, expected) in cases {
        let error = refused("t.tsv", format, table);
        assert!(error.contains(expected), "{format}: {error}");
    }
    let latin =
        refused("t.tsv", GoldFormat::SemEval2016T6, b"ID\tTarget\tTweet\tStance\n1\tT\tcaf\xe9\tNONE\n");
    assert!(latin.contains("t.tsv:2: is not UTF-8"), "{latin}");
}

#[test]
fn bad_exports_are_named_with_their_record() {
    let task = |value: &str| {
        format!(
            r#"[{{"id":1,"data":{{"text":"😀 Go."}},"annotations":[]}},
                {{"id":2,"data":{{"text":"😀 Go."}},"annotations":[{{"result":[{{"type":"labels","id":"r","value":{value}}}]}}]}}]"#
        )
    };
    let cases = [
        (
            task(r#"{"start":2,"end":9,"labels":["claim"]}"#),
            "region 2..9 does not lie within its text, which has 5 characters",
        ),
        (
            task(r#"{"start":2,"end":4,"text":"So","labels":["claim"]}"#),
            "region 2..4 covers \"Go\", but is said to be \"So\"",
        ),
        (
            task(r#"{"start":2,"end":4,"labels":["claim"]}"#),
            "region 2..4 lies behind an emoji and has no text",
        ),
        (
            task(r#"{"start":2,"end":5,"text":"Go.","labels":["PER"]}"#),
            "label \"PER\" is not known: expected claim, attributed, background",
        ),
        (
            task(r#"{"start":2,"end":5,"text":"Go.","labels":["claim","background"]}"#),
            "two labels of one kind, \"claim\" and \"background\"",
        ),
        (task(r#"{"start":2,"end":5,"text":"Go.","labels":["favor"]}"#), "takes a stance, but toward what?"),
        (task(r#"{"start":2,"end":5}"#).replace("text", "txt"), "is not a task of Label Studio"),
    ];
    for (export, expected) in cases {
        let error = refused("l.json", GoldFormat::LabelStudio, &export);
        assert!(error.contains("l.json: record ") && error.contains(expected), "{error}");
    }
    let lines = refused("l.json", GoldFormat::LabelStudio, "{\"id\":1}");
    assert!(lines.contains("expected a JSON array of records"), "{lines}");
    let overlap = r#"{"text":"One two.","label":[[0,4,"claim"],[3,8,"background"]]}"#;
    let overlap = refused("d.jsonl", GoldFormat::Doccano, overlap);
    assert!(overlap.contains("d.jsonl:1: sentence 2 begins before"), "{overlap}");
}

#[test]
fn bad_folders_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let error = |format| gold::read(&GoldSource::new(folder.path(), format)).unwrap_err().to_string();
    assert!(error(GoldFormat::PolNear).contains("lacks texts (.txt) with annotations (.ann)"));
    assert!(error(GoldFormat::Perspectrum).contains("lacks perspective_pool_v1.0.json"));
    assert!(error(GoldFormat::Vast).contains("could not be read"));
    fs::write(folder.path().join("a.ann"), "T1\tSource 0 3\tAnn\nE1\tAttribution:T2 Source:T1 Cue:T9\n")
        .unwrap();
    assert!(error(GoldFormat::PolNear).contains("a.ann: refers to the text a.txt, which is not there"));
    fs::write(folder.path().join("a.txt"), "Ann said so.").unwrap();
    assert!(error(GoldFormat::PolNear).contains("a.ann:2: refers to the text bound T9, which is not there"));
    fs::write(folder.path().join("a.txt"), "Bea said so.").unwrap();
    assert!(
        error(GoldFormat::PolNear)
            .contains("a.ann:1: text bound 0..3 covers \"Bea\", but is said to be \"Ann\"")
    );
}

/// A folder with one text of brat and its annotations, and what is read of it.
fn read_brat(text: &str, annotations: &str, format: GoldFormat) -> Result<Vec<GoldDocument>, String> {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.txt"), text).unwrap();
    fs::write(folder.path().join("a.ann"), annotations).unwrap();
    let source = GoldSource { target: Some(TROOPS.to_owned()), ..GoldSource::new(folder.path(), format) };
    gold::read(&source).map(|file| file.documents).map_err(|error| error.to_string())
}

const QUOTES: &str = "🦊 Ann said no. Bea said yes, they say. All left.";
const BOUNDS: &str = "T1\tSource 2 5\tAnn\nT2\tcue 6 10\tsaid\nT3\tcontent 11 13\tno\nT4\tSource 15 18\tBea\n\
                      T5\tcontent 24 27;34 37\tyes say\nT6\tSentence 15 38\tBea said yes, they say.\n";

#[test]
fn brat_relations_events_and_attributes_are_read() {
    let more = "R1\tSays Arg1:T4 Arg2:T3\t\nR2\tSays Arg1:T1 Arg2:E1\nE1\tcontent:T5 By:T2\n\
                A1\tRole T6 attributed\nM2\tFavor T6\n#1\tAnnotatorNotes T1\thm\n*\tEquiv T1 T4\n";
    let documents = read_brat(QUOTES, &format!("{BOUNDS}{more}"), GoldFormat::Brat).unwrap();
    assert_eq!(
        parts(&documents[0]),
        [[vec!["Ann"], vec!["said"], vec!["yes", "say"]], [vec!["Bea"], vec![], vec!["no"]],]
    );
    assert_eq!(sentences(&documents[0]), ["🦊 Ann said no.", "Bea said yes, they say.", "All left."]);
    assert_eq!(documents[0].labels[1].role, Some(Role::Attributed));
    assert_eq!(stances(&documents), [None, FAVOR, None]);
    // Without relations, the parts of a sentence are one attribution.
    let documents = read_brat(QUOTES, BOUNDS, GoldFormat::Brat).unwrap();
    assert_eq!(
        parts(&documents[0]),
        [[vec!["Ann"], vec!["said"], vec!["no"]], [vec!["Bea"], vec![], vec!["yes", "say"]]]
    );
}

#[test]
fn what_brat_cannot_mean_is_refused() {
    for (more, format, expected) in [
        ("R1\tSays Arg1:T1 Arg2:T9\n", GoldFormat::Brat, "a.ann:7: refers to the text bound T9"),
        ("R1\tSays Arg1:T1 T2\n", GoldFormat::Brat, "a.ann:7: must be a name, a tab, and roles"),
        ("A1\tRole\n", GoldFormat::Brat, "a.ann:7: must be a name, a tab, an attribute"),
        ("A1\tRole T6 clam\n", GoldFormat::Brat, "label \"clam\" is not known"),
        ("T7\tclaim 2 5;15 18\tAnn Bea\n", GoldFormat::Brat, "\"claim\" stands in several pieces"),
        ("T7\tclaim 3 6\tAnn\n", GoldFormat::Brat, "a.ann:7: text bound 3..6 covers \"nn \""),
        (
            "R1\tSays Arg1:T1 Arg2:T3\n",
            GoldFormat::PolNear,
            "a.ann:7: is a relation between parts of attributions",
        ),
    ] {
        let error = read_brat(QUOTES, &format!("{BOUNDS}{more}"), format).unwrap_err();
        assert!(error.contains(expected), "{error} should say {expected:?}");
    }
    let file = refused("a.ann", GoldFormat::Brat, BOUNDS);
    assert!(file.contains("must be a folder of texts"), "{file}");
}

#[test]
fn relations_to_nothing_are_refused() {
    let entity = r#"{"id":1,"label":"cue","start_offset":0,"end_offset":3}"#;
    let row =
        format!(r#"{{"text":"One two.","entities":[{entity}],"relations":[{{"from_id":1,"to_id":2}}]}}"#);
    let error = refused("d.jsonl", GoldFormat::Doccano, row);
    assert!(error.contains("d.jsonl:1: refers to the entity 2, which is not there"), "{error}");
    let region = r#"{"type":"labels","id":"r","value":{"start":0,"end":1,"text":"O","labels":["cue"]}}"#;
    let relation = r#"{"type":"relation","from_id":"r","to_id":"s"}"#;
    let task =
        format!(r#"[{{"id":1,"data":{{"text":"One"}},"annotations":[{{"result":[{region},{relation}]}}]}}]"#);
    let error = refused("l.json", GoldFormat::LabelStudio, task);
    assert!(error.contains("refers to the region s, which is not there"), "{error}");
}

#[test]
fn offsets_are_asked_for_only_where_they_are_open() {
    let source = |format| GoldSource {
        offsets: Some(gold::Unit::Utf16),
        ..GoldSource::new(sample("prodigy.jsonl"), format)
    };
    for format in GoldFormat::ALL.iter().copied().filter(|&format| format != GoldFormat::Doccano) {
        let error = gold::read(&source(format)).unwrap_err().to_string();
        assert!(error.contains(&format!("offsets is given, but {format} leaves no doubt")), "{error}");
    }
}

#[test]
fn a_row_needs_no_role_and_a_sentence_no_label() {
    let rows = r#"{"doc_id":"a","target":"t","sentences":["First.",{"text":"Second.","stance":"favor"},{"text":"Third."}]}
{"id":"b","target":"t","before":"They met.","text":"He left.","stance":"against"}
{"id":"c","target":"t","text":"One. Two.","sentences":["One.",{"text":"Two.","role":"claim"}]}
"#;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("g.jsonl");
    fs::write(&path, rows).unwrap();
    let documents = gold::read(&GoldSource::new(path, GoldFormat::Standpoint)).unwrap().documents;
    assert_eq!(stances(&documents), [None, FAVOR, None, None, AGAINST, None, None]);
    let all: Vec<_> = documents.iter().flat_map(sentences).collect();
    assert_eq!(all, ["First.", "Second.", "Third.", "They met.", "He left.", "One.", "Two."]);
    assert_eq!(documents[2].labels[1].role, Some(Role::Claim));
    let bare = refused("g.jsonl", GoldFormat::Standpoint, r#"{"doc_id":"a","target":"t","text":"Hm."}"#);
    assert!(bare.contains("g.jsonl:1: gives no label"), "{bare}");
}

/// The data this project is trained and measured on, where they are at hand.
#[test]
fn whole_corpora_are_read() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    if !data.is_dir() {
        eprintln!("skipped: there is no {}", data.display());
        return;
    }
    // Documents and sentences, as counted once by other means.
    let corpora = [
        ("attribution/polnear.dev.jsonl", GoldFormat::PolNear, 84, 3387),
        ("roles/newsdiscourse.dev.jsonl", GoldFormat::NewsDiscourse, 98, 2753),
        ("checkworthy/ct24.dev.jsonl", GoldFormat::CheckThat, 1032, 1032),
        ("stance/semeval2016t6.jsonl", GoldFormat::Standpoint, 4063, 4063),
        ("stance/gwsd.jsonl", GoldFormat::Standpoint, 1843, 1843),
        ("stance/perspectrum.jsonl", GoldFormat::Perspectrum, 11805, 11805),
        ("gold/documents.dev.jsonl", GoldFormat::Standpoint, 64, 1089),
    ];
    for (name, format, documents, sentences) in corpora {
        let file = gold::read(&GoldSource::new(data.join(name), format)).unwrap();
        let found = file.documents.iter().map(|gold| gold.labels.len()).sum::<usize>();
        assert_eq!((file.documents.len(), found), (documents, sentences), "{name}");
    }
}
