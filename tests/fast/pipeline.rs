//! What is said of a document must not depend on what else is read, nor on threads; and no input, however odd,
//! may bring the pipeline down.

use crate::tiny;
use standpoint::label::{Role, Target};
use standpoint::model::{Model, ModelSource, WeightFormat};
use standpoint::pipeline::Pipeline;
use standpoint::record::{Record, Speaker};
use standpoint::text::Document;
use std::path::{Path, PathBuf};

fn pipeline() -> Pipeline {
    Pipeline::new(tiny::model()).unwrap()
}

/// Of a model that reads a target and a text as one in all layers, and of one that reads them apart in the lower ones.
fn pipelines() -> [Pipeline; 2] {
    [pipeline(), Pipeline::new(tiny::split_model()).unwrap()]
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
    for pipeline in pipelines() {
        let documents = documents();
        let analyses = pipeline.analyze(documents.clone(), &targets()).unwrap();
        assert_eq!(analyses.len(), documents.len());
        for (document, analysis) in documents.iter().zip(&analyses) {
            assert_eq!(analysis.len(), document.sentences().len());
            for sentence in analysis {
                let named: Vec<&Target> = sentence.stances.iter().map(|stance| &stance.target).collect();
                assert_eq!(named, targets().iter().collect::<Vec<_>>());
                assert!(!sentence.truncated);
                assert!((sentence.role.probabilities().iter().sum::<f32>() - 1.0).abs() < 1e-5);
            }
        }
    }
}

#[test]
fn a_document_is_read_alike_alone_and_among_others() {
    for pipeline in pipelines() {
        let documents = documents();
        let together = pipeline.analyze(documents.clone(), &targets()).unwrap();
        let alone: Vec<Vec<Record>> = documents
            .iter()
            .flat_map(|document| pipeline.analyze([document.clone()], &targets()).unwrap())
            .collect();
        assert_eq!(together, alone);

        let backwards: Vec<Document> = documents.into_iter().rev().collect();
        let mut reversed = pipeline.analyze(backwards, &targets()).unwrap();
        reversed.reverse();
        assert_eq!(together, reversed);
    }
}

#[test]
fn one_target_is_read_alike_alone_and_beside_another() {
    for pipeline in pipelines() {
        let both = pipeline.analyze(documents(), &targets()).unwrap();
        let second = pipeline.analyze(documents(), &targets()[1..]).unwrap();
        for (both, second) in both.iter().zip(&second) {
            for (both, second) in both.iter().zip(second) {
                assert_eq!(both.stances[1], second.stances[0]);
            }
        }
    }
}

#[test]
fn what_does_not_concern_a_target_does_not_depend_on_one() {
    let pipeline = Pipeline::new(tiny::split_model()).unwrap();
    let without = |targets: &[Target]| -> Vec<Record> {
        let records = pipeline.analyze(documents(), targets).unwrap().into_iter().flatten();
        records.map(|record| Record { stances: Vec::new(), ..record }).collect()
    };
    let none = without(&[]);
    assert!(none.iter().any(|record| record.attributions.as_ref().is_some_and(|all| !all.is_empty())));
    assert_eq!(none, without(&targets()));
    let many: Vec<Target> =
        (0..40).map(|at| Target::new(&format!("the leave of {at} bases")).unwrap()).collect();
    assert_eq!(none, without(&many));
}

#[test]
fn only_attributed_sentences_have_a_speaker_whom_the_text_names() {
    let pipeline = Pipeline::new(tiny::split_model()).unwrap();
    let records: Vec<Record> = pipeline.analyze(documents(), &[]).unwrap().into_iter().flatten().collect();
    let speakers: Vec<(&Record, &Speaker)> =
        records.iter().filter_map(|record| Some((record, record.speaker.as_ref()?))).collect();
    assert!(!speakers.is_empty());
    for (record, speaker) in speakers {
        assert_eq!(record.role.label(), Role::Attributed);
        assert!(speaker.name.split(' ').all(|word| record.document.text().contains(word)), "{speaker:?}");
        assert!((0.0..=1.0).contains(&speaker.probability), "{speaker:?}");
    }
}

#[test]
fn without_a_target_roles_are_read_with_the_default_one() {
    let pipeline = pipeline();
    let none = pipeline.analyze(documents(), &[]).unwrap();
    let default = pipeline.analyze(documents(), &[Target::default()]).unwrap();
    for (none, default) in none.iter().zip(&default) {
        for (none, default) in none.iter().zip(default) {
            assert_eq!(none.role, default.role);
            assert!(none.stances.is_empty());
        }
    }
}

/// Documents of which some are read in several pieces.
fn long_documents() -> Vec<Document> {
    let words = "The troops leave the bases in years that the minister said must be by the government. ";
    [3, 4000, 1, 1600, 2]
        .iter()
        .enumerate()
        .map(|(number, &length)| {
            let sentences: Vec<&str> =
                (0..length).map(|index| &words[..5 + (index * 7 + number) % 80]).collect();
            Document::from_sentences(format!("d{number}"), &sentences)
        })
        .collect()
}

#[test]
fn records_come_in_order_and_say_what_analyze_says() {
    let (pipeline, documents) = (pipeline(), long_documents());
    let expected: Vec<Record> =
        pipeline.analyze(documents.clone(), &targets()).unwrap().into_iter().flatten().collect();
    let places = |document: &Document| (0..document.sentences().len()).collect::<Vec<_>>();
    let indices: Vec<usize> = documents.iter().flat_map(places).collect();
    assert!(expected.iter().map(|record| record.index).eq(indices));
    for threads in [1, 3] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        // On a thread of the pool, which must not wait for itself.
        let records =
            || pipeline.records(documents.clone(), &targets()).unwrap().collect::<Result<Vec<_>, _>>();
        assert!(pool.install(records).unwrap() == expected, "{threads} threads");
    }
}

#[test]
fn records_come_while_documents_are_still_to_be_read() {
    let (pipeline, documents) = (pipeline(), long_documents());
    let drawn = std::cell::Cell::new(0);
    let endless = std::iter::repeat_with(|| {
        drawn.set(drawn.get() + 1);
        documents[0].clone()
    });
    let mut records = pipeline.records(endless, &[]).unwrap();
    assert_eq!(records.next().unwrap().unwrap().index, 0);
    // What is read ahead is bounded.
    assert!(drawn.get() < 100_000, "{} documents", drawn.get());
}

#[test]
fn sentences_on_either_side_of_a_piece_are_in_sight() {
    // Pieces end within the document. What is read with its neighbours is not what is read alone.
    let (pipeline, documents) = (pipeline(), long_documents());
    let whole = pipeline.analyze([documents[1].clone()], &[]).unwrap().remove(0);
    let border = 1560..1800;
    let differs = |first: usize| {
        let sentences: Vec<&str> = (first..first + 40).map(|index| documents[1].sentence(index)).collect();
        let rest = Document::from_sentences("rest", &sentences);
        let alone = pipeline.analyze([rest], &[]).unwrap().remove(0);
        whole[first].role != alone[0].role
    };
    assert!(border.step_by(20).all(differs));
}

#[test]
fn a_run_can_be_left_early() {
    let (pipeline, documents) = (pipeline(), long_documents());
    let mut records = pipeline.records(documents.clone(), &targets()).unwrap();
    let first = records.next().unwrap().unwrap();
    drop(records);
    // The pipeline goes on as if nothing had been.
    assert_eq!(pipeline.analyze(documents, &targets()).unwrap()[0][0], first);
}

#[test]
fn weights_that_overflow_are_an_error_and_no_answer() {
    let folder = tempfile::tempdir().unwrap();
    let (model, weights) = (folder.path().join("model"), folder.path().join("model/model.safetensors"));
    tiny::model().save(&model, WeightFormat::F16).unwrap();
    std::fs::write(folder.path().join("a.txt"), "The troops leave. They said so.").unwrap();
    let bytes = std::fs::read(&weights).unwrap();
    let classify = |parameter: &str, value: f32, dtype: &str| {
        let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        let tensors = file.iter().map(|(name, view)| {
            let halves = view.data().chunks_exact(2).map(|half| half::f16::from_le_bytes([half[0], half[1]]));
            let is_meant = name.ends_with(parameter);
            let values = halves.map(|half| if is_meant { value } else { half.to_f32() });
            (name, view.shape().to_vec(), values.flat_map(f32::to_le_bytes).collect::<Vec<u8>>())
        });
        let tensors: Vec<_> = tensors.collect();
        let views = tensors.iter().map(|(name, shape, values)| {
            let view = safetensors::tensor::TensorView::new(safetensors::Dtype::F32, shape.clone(), values);
            (*name, view.unwrap())
        });
        std::fs::write(&weights, safetensors::serialize(views, None).unwrap()).unwrap();
        let output = assert_cmd::Command::new(env!("CARGO_BIN_EXE_standpoint"))
            .current_dir(folder.path())
            .args(["classify", "a.txt", "--model", "model", "--dtype", dtype, "--output", "labels.jsonl"])
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert!(!folder.path().join("labels.jsonl").exists());
        String::from_utf8(output.stderr).unwrap()
    };
    for dtype in ["int8", "bf16", "f32", "reference"] {
        let said = classify("layer.0.output.dense.weight", f32::MAX, dtype);
        assert!(said.contains("not finite"), "{dtype}: {said}");
    }
    let said = classify("stance.weight", f32::MAX, "int8");
    assert!(said.contains("not finite"), "{said}");
    for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let said = classify("query.weight", value, "int8");
        assert!(said.contains("query.weight") && said.contains("not a finite number"), "{said}");
    }
}

/// Cuts the weights in a folder into two pieces, as large models are.
fn cut(folder: &Path) -> [PathBuf; 2] {
    let pieces = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"];
    let bytes = std::fs::read(folder.join("model.safetensors")).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let tensors: Vec<_> = file.iter().collect();
    let mut map = serde_json::Map::new();
    for (piece, tensors) in pieces.iter().zip(tensors.chunks(tensors.len().div_ceil(2))) {
        map.extend(tensors.iter().map(|(name, _)| ((*name).to_owned(), (*piece).into())));
        let written = safetensors::serialize(tensors.iter().map(|(name, view)| (name, view)), None).unwrap();
        std::fs::write(folder.join(piece), written).unwrap();
    }
    let index = serde_json::json!({ "metadata": {}, "weight_map": map });
    std::fs::write(folder.join("model.safetensors.index.json"), index.to_string()).unwrap();
    std::fs::remove_file(folder.join("model.safetensors")).unwrap();
    pieces.map(|piece| folder.join(piece))
}

#[test]
fn a_model_in_bytes_is_read_whole_or_in_pieces() {
    let folder = tempfile::tempdir().unwrap();
    let (model, path) = (tiny::model(), folder.path().join("model"));
    let load = || Model::load(&ModelSource::Folder(path.clone()));
    let near = |halves: &Model, bytes: &Model| {
        for (name, tensor) in halves.weights().iter() {
            let highest = tensor.values.iter().fold(0.0_f32, |highest, value| highest.max(value.abs()));
            for (half, byte) in tensor.values.iter().zip(bytes.weights().values(name)) {
                assert!((half - byte).abs() <= highest / 50.0, "{name}: {half} is {byte}");
            }
        }
    };
    model.save(&path, WeightFormat::F16).unwrap();
    let halves = load().unwrap();
    let hash = halves.fingerprint().unwrap();
    model.save(&path, WeightFormat::Int8).unwrap();
    let bytes = load().unwrap();
    assert_ne!(bytes.fingerprint().unwrap(), hash);
    near(&halves, &bytes);

    let [_, second] = cut(&path);
    near(&bytes, &load().unwrap());
    model.save(&path, WeightFormat::F16).unwrap();
    assert!(!second.exists(), "there is no use for pieces beside a whole model");
    cut(&path);
    model.save(&path, WeightFormat::Int8).unwrap();
    assert!(!second.exists() && !path.join("model.safetensors.index.json").exists());
    cut(&path);
    std::fs::remove_file(second).unwrap();
    let error = load().unwrap_err().to_string();
    assert!(error.contains("model-00002-of-00002.safetensors, a piece of"), "{error}");
}

#[test]
fn threads_do_not_matter() {
    let folder = tempfile::tempdir().unwrap();
    tiny::wide_model().save(&folder.path().join("model"), WeightFormat::F16).unwrap();
    let lines: Vec<String> = documents()
        .iter()
        .filter_map(|document| {
            let all = (0..document.sentences().len()).map(|i| document.sentence(i));
            let sentences: Vec<&str> = all.filter(|sentence| !sentence.is_empty()).collect();
            (!sentences.is_empty()).then_some((document, sentences))
        })
        .map(|(document, sentences)| {
            serde_json::json!({ "id": document.id(), "sentences": sentences }).to_string()
        })
        .collect();
    std::fs::write(folder.path().join("in.jsonl"), lines.join("\n")).unwrap();
    let answers = |threads: &str| {
        let output = assert_cmd::Command::new(env!("CARGO_BIN_EXE_standpoint"))
            .current_dir(folder.path())
            .args(["classify", "in.jsonl", "--model", "model", "--threads", threads])
            .args(["--target", "withdrawal", "--target", "the army"])
            // The tensor library asks this variable how to split its products.
            .env("RAYON_NUM_THREADS", threads)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let one = answers("1");
    assert_eq!(one.lines().count(), 44);
    assert_eq!(one, answers("2"));
    assert_eq!(one, answers("3"));
}

#[test]
fn a_target_must_leave_room_for_text() {
    let long = Target::new(&"troops ".repeat(17)).unwrap();
    let error = pipeline().analyze(documents(), &[long]).unwrap_err();
    assert!(matches!(error, standpoint::error::Error::Target(_)));
    assert!(error.to_string().contains("is 17 tokens long for this model, more than 16"), "{error}");
}

#[test]
fn a_hundred_thousand_sentences_are_labelled() {
    let document = Document::from_sentences("many", &vec!["troops"; 100_000]);
    let analysis = pipeline().analyze([document], &[Target::default()]).unwrap().remove(0);
    assert_eq!(analysis.len(), 100_000);
}

#[test]
fn a_sentence_of_a_megabyte_is_cut_and_says_so() {
    for text in ["troops leave ".repeat(80_000), "x".repeat(1 << 20), "é\u{301}語 ".repeat(120_000)] {
        let document = Document::from_sentences("long", &["they leave.", &text, "it was not."]);
        let analysis = pipeline().analyze([document], &[Target::default()]).unwrap().remove(0);
        // A word of a megabyte is a single unknown token.
        let expected = [false, text.contains(' '), false];
        assert_eq!(analysis.iter().map(|s| s.truncated).collect::<Vec<_>>(), expected);
    }
}

#[test]
fn sentences_without_tokens_are_answered() {
    let document = Document::from_sentences("blank", &["", " ", "\u{200b}\u{feff}", "\0\u{1}", "troops"]);
    let analysis = pipeline().analyze([document], &targets()).unwrap().remove(0);
    for sentence in &analysis {
        assert!(sentence.role.probabilities().iter().all(|value| value.is_finite()));
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { cases: 64, ..crate::random_tests::config() })]

    #[test]
    fn any_text_is_answered(sentences in proptest::collection::vec("\\PC{0,40}", 0..12)) {
        let document = Document::from_sentences("any", &sentences);
        let analysis = pipeline().analyze([document], &[Target::default()]).unwrap().remove(0);
        proptest::prop_assert_eq!(analysis.len(), sentences.len());
    }
}
