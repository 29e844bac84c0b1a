//! What is said of a document must not depend on what else is read, nor on threads; and no input, however odd,
//! may bring the pipeline down.

use crate::tiny;
use standpoint::encoder::{Encoder, ReferenceEncoder};
use standpoint::label::{Analysis, Target};
use standpoint::pipeline::Pipeline;
use standpoint::text::Document;
use standpoint::window;

fn pipeline() -> Pipeline {
    Pipeline::new(tiny::model()).unwrap()
}

fn targets() -> Vec<Target> {
    vec![Target::default(), Target::new("the army of the president").unwrap()]
}

/// Documents of several lengths, from none to many windows.
fn documents() -> Vec<Document> {
    let words = ["the", "troops", "leave", "minister", "said", "“No,”", "oppose", "bases", "in", "2019."];
    [0, 1, 3, 40, 7]
        .iter()
        .enumerate()
        .map(|(number, &length)| {
            let sentences: Vec<String> = (0..length)
                .map(|index| {
                    (0..index % 11)
                        .map(|word| words[(word * 7 + index + number) % 10])
                        .collect::<Vec<_>>()
                        .join(" ")
                })
                .collect();
            Document::from_sentences(format!("d{number}"), &sentences)
        })
        .collect()
}

#[test]
fn every_sentence_is_answered_for_every_target() {
    let documents = documents();
    let analyses = pipeline().analyze(&documents, &targets()).unwrap();
    assert_eq!(analyses.len(), documents.len());
    for (document, analysis) in documents.iter().zip(&analyses) {
        assert_eq!(analysis.sentences.len(), document.sentences().len());
        for sentence in &analysis.sentences {
            let named: Vec<&Target> = sentence.stances.iter().map(|stance| &stance.target).collect();
            assert_eq!(named, targets().iter().collect::<Vec<_>>());
            assert!(!sentence.truncated);
            assert!((sentence.role.probabilities().iter().sum::<f32>() - 1.0).abs() < 1e-5);
        }
    }
}

#[test]
fn a_document_is_read_alike_alone_and_among_others() {
    let pipeline = pipeline();
    let documents = documents();
    let together = pipeline.analyze(&documents, &targets()).unwrap();
    let alone: Vec<Analysis> = documents
        .iter()
        .flat_map(|document| pipeline.analyze(std::slice::from_ref(document), &targets()).unwrap())
        .collect();
    assert_eq!(together, alone);

    let backwards: Vec<Document> = documents.into_iter().rev().collect();
    let mut reversed = pipeline.analyze(&backwards, &targets()).unwrap();
    reversed.reverse();
    assert_eq!(together, reversed);
}

#[test]
fn one_target_is_read_alike_alone_and_beside_another() {
    let pipeline = pipeline();
    let both = pipeline.analyze(&documents(), &targets()).unwrap();
    let second = pipeline.analyze(&documents(), &targets()[1..]).unwrap();
    for (both, second) in both.iter().zip(&second) {
        for (both, second) in both.sentences.iter().zip(&second.sentences) {
            assert_eq!(both.stances[1], second.stances[0]);
        }
    }
}

#[test]
fn without_a_target_roles_are_read_with_the_default_one() {
    let pipeline = pipeline();
    let none = pipeline.analyze(&documents(), &[]).unwrap();
    let default = pipeline.analyze(&documents(), &[Target::default()]).unwrap();
    for (none, default) in none.iter().zip(&default) {
        for (none, default) in none.sentences.iter().zip(&default.sentences) {
            assert_eq!(none.role, default.role);
            assert!(none.stances.is_empty());
        }
    }
}

#[test]
#[ignore = "run by `threads_do_not_matter` in a process of its own"]
fn print_answers() {
    let pipeline = Pipeline::new(tiny::wide_model()).unwrap();
    println!("answers {:?}", pipeline.analyze(&documents(), &targets()).unwrap());
    let model = tiny::wide_model();
    let encoder = ReferenceEncoder::new(model.config(), model.weights().clone()).unwrap();
    let sentences = vec![(5..250).map(|id| 5 + id % 100).collect::<Vec<u32>>()];
    for window in window::windows(&[7], &sentences, 256, model.tokenizer().special()) {
        let states = encoder.encode(&window).unwrap();
        println!("answers {:?}", states.values().iter().map(|value| value.to_bits()).collect::<Vec<_>>());
    }
}

#[test]
fn threads_do_not_matter() {
    let answers = |threads| {
        let output = tiny::run_test("pipeline::print_answers", &[("RAYON_NUM_THREADS", threads)]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let printed = String::from_utf8(output.stdout).unwrap();
        let lines: Vec<String> = printed
            .lines()
            .filter_map(|line| line.split_once("answers "))
            .map(|(_, line)| line.to_owned())
            .collect();
        assert_eq!(lines.len(), 2, "{printed}");
        lines
    };
    let one = answers("1");
    assert_eq!(one, answers("2"));
    assert_eq!(one, answers("3"));
}

#[test]
fn a_target_must_leave_room_for_text() {
    let long = Target::new(&"troops ".repeat(17)).unwrap();
    let error = pipeline().analyze(&documents(), &[long]).unwrap_err();
    assert_eq!(error.exit_code(), 2);
    assert!(error.to_string().contains("is 17 tokens long for this model, more than 16"), "{error}");
}

#[test]
fn a_hundred_thousand_sentences_are_labelled() {
    let document = Document::from_sentences("many", &vec!["troops"; 100_000]);
    let analysis = pipeline().analyze(&[document], &[Target::default()]).unwrap().remove(0);
    assert_eq!(analysis.sentences.len(), 100_000);
}

#[test]
fn a_sentence_of_a_megabyte_is_cut_and_says_so() {
    for text in ["troops leave ".repeat(80_000), "x".repeat(1 << 20), "é\u{301}語 ".repeat(120_000)] {
        let document = Document::from_sentences("long", &["they leave.", &text, "it was not."]);
        let analysis = pipeline().analyze(&[document], &[Target::default()]).unwrap().remove(0);
        // A word of a megabyte is a single unknown token.
        let expected = [false, text.contains(' '), false];
        assert_eq!(analysis.sentences.iter().map(|s| s.truncated).collect::<Vec<_>>(), expected);
    }
}

#[test]
fn sentences_without_tokens_are_answered() {
    let document = Document::from_sentences("blank", &["", " ", "\u{200b}\u{feff}", "\0\u{1}", "troops"]);
    let analysis = pipeline().analyze(&[document], &targets()).unwrap().remove(0);
    for sentence in &analysis.sentences {
        assert!(sentence.role.probabilities().iter().all(|value| value.is_finite()));
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]
    #[test]
    fn any_text_is_answered(sentences in proptest::collection::vec("\\PC{0,40}", 0..12)) {
        let document = Document::from_sentences("any", &sentences);
        let analysis = pipeline().analyze(&[document], &[Target::default()]).unwrap().remove(0);
        proptest::prop_assert_eq!(analysis.sentences.len(), sentences.len());
    }
}
