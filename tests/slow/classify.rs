//! The main job with the bundled model, on the examples, as a user runs it.

use assert_cmd::Command;
use serde_json::Value;
use standpoint::model::{HEADS, Head};
use std::collections::BTreeMap;
use std::path::Path;

const TARGET: &str = "withdrawal of foreign troops";

fn standpoint(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_standpoint"));
    command.current_dir(env!("CARGO_MANIFEST_DIR")).args(arguments);
    for variable in ["STANDPOINT_MODEL", "STANDPOINT_TARGET", "NO_COLOR"] {
        command.env_remove(variable);
    }
    // Nobody answers there: whatever tries the network fails.
    command.env("HF_ENDPOINT", "http://127.0.0.1:9").env("HTTPS_PROXY", "http://127.0.0.1:9");
    command
}

fn lines(command: &mut Command) -> Vec<Value> {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn example(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name)).unwrap()
}

/// The line whose sentence holds some words.
fn about<'a>(lines: &'a [Value], words: &str) -> &'a Value {
    let found = lines.iter().find(|line| line["text"].as_str().unwrap().contains(words));
    found.unwrap_or_else(|| panic!("no sentence holds {words:?}"))
}

fn assert_probabilities(probabilities: &Value, labels: [&str; 3], label: &Value) {
    let probabilities: BTreeMap<String, f64> = serde_json::from_value(probabilities.clone()).unwrap();
    assert_eq!(probabilities.keys().map(String::as_str).collect::<Vec<_>>(), labels);
    assert!((probabilities.values().sum::<f64>() - 1.0).abs() < 1e-5);
    let highest = probabilities.values().copied().fold(0.0, f64::max);
    assert_eq!(probabilities[label.as_str().unwrap()], highest, "the label is the likeliest");
}

#[test]
fn every_example_is_labelled_sentence_by_sentence() {
    for name in [
        "airfield-handover.txt",
        "op-ed-bring-them-home.txt",
        "parliament-vote.txt",
        "peacekeepers-stay.txt",
        "river-flood.txt",
        "troop-surge.txt",
    ] {
        let path = format!("examples/{name}");
        let text = example(name);
        let lines = lines(&mut standpoint(&["classify", &path]));
        assert!(lines.len() > 10, "{name} has {} sentences", lines.len());
        let mut reached = 0;
        for (index, line) in lines.iter().enumerate() {
            let keys: Vec<&String> = line.as_object().unwrap().keys().collect();
            let expected = [
                "doc",
                "index",
                "start",
                "end",
                "text",
                "role",
                "role_probs",
                "stance",
                "attributions",
                "checkworthiness",
            ];
            assert_eq!(keys, expected);
            assert_spans(&text, &line["attributions"]);
            assert_spans(&text, &line["stance"][0]["holder"]);
            assert_eq!((&line["doc"], &line["index"]), (&Value::from(path.as_str()), &Value::from(index)));
            let (start, end) =
                (line["start"].as_u64().unwrap() as usize, line["end"].as_u64().unwrap() as usize);
            assert_eq!(text[start..end], *line["text"].as_str().unwrap(), "offsets slice the file");
            assert!(text[reached..start].chars().all(char::is_whitespace), "nothing is lost");
            reached = end;
            assert_probabilities(&line["role_probs"], ["attributed", "background", "claim"], &line["role"]);
            let [stance] = line["stance"].as_array().unwrap().as_slice() else { panic!("one target") };
            assert_eq!(stance["target"], TARGET);
            assert_probabilities(&stance["probs"], ["against", "favor", "none"], &stance["stance"]);
        }
        assert!(text[reached..].chars().all(char::is_whitespace), "nothing is lost");
    }
}

/// Every span in a value slices the text that it says it covers.
fn assert_spans(text: &str, value: &Value) {
    match value {
        Value::Array(values) => values.iter().for_each(|value| assert_spans(text, value)),
        Value::Object(fields) if fields.contains_key("start") => {
            let [start, end] = ["start", "end"].map(|end| fields[end].as_u64().unwrap() as usize);
            assert_eq!(text[start..end], *fields["text"].as_str().unwrap());
        }
        Value::Object(fields) => fields.values().for_each(|value| assert_spans(text, value)),
        other => assert!(other.is_null(), "no span: {other}"),
    }
}

#[test]
fn attributions_and_holders_are_found_in_plain_cases() {
    let article = lines(&mut standpoint(&["classify", "examples/airfield-handover.txt"]));
    let line =
        |words: &str| article.iter().find(|line| line["text"].as_str().unwrap().contains(words)).unwrap();
    let said = line("The Interior Ministry said the launcher");
    let attribution = &said["attributions"][0];
    assert_eq!(attribution["source"][0]["text"], "The Interior Ministry");
    assert_eq!(attribution["cue"][0]["text"], "said");
    assert!(attribution["content"][0]["text"].as_str().unwrap().starts_with("the launcher was found"));
    let runs_on = line("Nobody should doubt that date");
    let source = runs_on["attributions"][0]["source"][0]["text"].as_str().unwrap();
    assert!(source.contains("Tallis"), "a quote that runs on has its source from before: {source}");
    assert_eq!(line("Parliament voted 161 to 12")["stance"][0]["holder"]["text"], "Parliament");
    let (likely, unlikely) = (line("The Interior Ministry said the launcher"), line("PHOTO: EXAMPLEWIRE"));
    let score = |line: &Value| line["checkworthiness"].as_f64().unwrap();
    assert!(score(likely) > score(unlikely));
}

#[test]
fn every_head_has_its_key_in_json_lines() {
    fn holds(value: &Value, key: &str) -> bool {
        match value {
            Value::Object(fields) => {
                fields.contains_key(key) || fields.values().any(|field| holds(field, key))
            }
            Value::Array(items) => items.iter().any(|item| holds(item, key)),
            _ => false,
        }
    }
    let article = lines(&mut standpoint(&["classify", "examples/airfield-handover.txt"]));
    let settings = std::fs::read_to_string("models/small/standpoint.toml").unwrap();
    let of_model = |head: &Head| settings.contains(&format!("[{}]", head.name));
    for head in HEADS.into_iter().filter(of_model) {
        assert!(
            article.iter().any(|line| holds(line, head.key)),
            "no {} of the head {}",
            head.key,
            head.name
        );
    }
}

#[test]
fn plain_cases_get_their_labels() {
    let labelled = |name: &str| lines(&mut standpoint(&["classify", &format!("examples/{name}.txt")]));
    let article = labelled("airfield-handover");
    for (words, role) in [
        ("told reporters in Baghdad", "attributed"),
        ("The Interior Ministry said the launcher", "attributed"),
        ("Two rockets hit the eastern fence", "claim"),
        ("The airfield was built in the 1970s", "background"),
        ("PHOTO: EXAMPLEWIRE", "background"),
    ] {
        assert_eq!(about(&article, words)["role"], role, "{words}");
    }
    for (name, words, stance) in [
        ("op-ed-bring-them-home", "it is time for our forces to come home", "favor"),
        ("op-ed-bring-them-home", "a withdrawal would leave a vacuum", "against"),
        ("troop-surge", "Until the job is finished, and not a day less", "against"),
        ("troop-surge", "Defense stocks rose", "none"),
        ("river-flood", "Soldiers from three neighbouring countries", "none"),
    ] {
        assert_eq!(about(&labelled(name), words)["stance"][0]["stance"], stance, "{words}");
    }
}

#[test]
fn records_of_json_lines_come_out_in_order_with_their_fields() {
    let lines = lines(&mut standpoint(&["classify", "examples/batch.jsonl"]));
    let mut documents: Vec<&str> = lines.iter().map(|line| line["doc"].as_str().unwrap()).collect();
    documents.dedup();
    assert_eq!(documents, ["embassy-briefing", "rate-decision", "convoy", "cut-already"]);
    for input in example("batch.jsonl").lines().map(|line| serde_json::from_str::<Value>(line).unwrap()) {
        let of_document: Vec<&Value> = lines.iter().filter(|line| line["doc"] == input["id"]).collect();
        for line in &of_document {
            assert_eq!(line.get("outlet"), input.get("outlet"), "other fields are passed through");
        }
        if let Some(sentences) = input["sentences"].as_array() {
            let texts: Vec<&Value> = of_document.iter().map(|line| &line["text"]).collect();
            assert_eq!(texts, sentences.iter().collect::<Vec<_>>(), "sentences are taken as they stand");
        }
    }
}

#[test]
fn several_targets_are_answered_in_their_order_and_leave_the_roles_alone() {
    let article = "examples/river-flood.txt";
    let one = lines(&mut standpoint(&["classify", article, "--target", TARGET]));
    let two = lines(&mut standpoint(&["classify", article, "--target", TARGET, "--target", "higher dams"]));
    for (one, two) in one.iter().zip(&two) {
        let targets: Vec<&Value> =
            two["stance"].as_array().unwrap().iter().map(|stance| &stance["target"]).collect();
        assert_eq!(targets, [TARGET, "higher dams"]);
        assert_eq!(one["role_probs"], two["role_probs"]);
        assert_eq!(one["stance"][0], two["stance"][0]);
    }
}

#[test]
fn the_table_fits_its_width_and_has_colour_only_on_request() {
    let table = |color: &str| {
        let mut command = standpoint(&["classify", "examples/airfield-handover.txt", "--format", "table"]);
        let output = command.args(["--color", color]).env("COLUMNS", "80").output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    };
    let plain = table("never");
    assert!(!plain.contains('\u{1b}'));
    assert!(plain.contains("18 sentences"), "{plain}");
    assert!(table("always").contains('\u{1b}'));
    assert_eq!(table("auto"), plain, "a pipe has no colour");
}

#[test]
fn files_folders_and_standard_input_say_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let text = example("troop-surge.txt");
    std::fs::create_dir(folder.path().join("inner")).unwrap();
    std::fs::write(folder.path().join("inner/a.txt"), &text).unwrap();
    std::fs::write(folder.path().join("notes.pdf"), "not read").unwrap();
    let labels = |lines: Vec<Value>| -> Vec<(Value, Value)> {
        lines.into_iter().map(|line| (line["role_probs"].clone(), line["stance"].clone())).collect()
    };
    let from_file = labels(lines(&mut standpoint(&["classify", "examples/troop-surge.txt"])));
    let from_folder = labels(lines(&mut standpoint(&["classify", folder.path().to_str().unwrap()])));
    let from_stdin = labels(lines(standpoint(&["classify", "-"]).write_stdin(text)));
    assert_eq!(from_file, from_folder);
    assert_eq!(from_file, from_stdin);
}

#[test]
fn positions_count_what_the_rows_say() {
    let article = "examples/op-ed-bring-them-home.txt";
    let rows = lines(&mut standpoint(&["classify", article]));
    let stances = |stance: &str| rows.iter().filter(|row| row["stance"][0]["stance"] == stance).count();
    let output = standpoint(&["classify", article, "--positions"]).output().unwrap();
    assert!(output.status.success());
    let positions: Vec<Value> = String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let sum = |key: &str| positions.iter().map(|position| position[key].as_u64().unwrap()).sum::<u64>();
    assert_eq!([sum("favor"), sum("against")], [stances("favor") as u64, stances("against") as u64]);
    for place in positions.iter().flat_map(|position| position["sentences"].as_array().unwrap()) {
        let row = &rows[place["index"].as_u64().unwrap() as usize];
        assert_eq!([&place["start"], &place["end"]], [&row["start"], &row["end"]]);
        assert_eq!(place["stance"], row["stance"][0]["stance"]);
    }
    let table = standpoint(&["classify", article, "--positions", "--format", "table"]).output().unwrap();
    let table = String::from_utf8(table.stdout).unwrap();
    assert!(
        table.starts_with("target: withdrawal of foreign troops\n") && table.contains(" favor, "),
        "{table}"
    );
}

/// A model of random weights, which has the first two heads and no other.
#[test]
fn what_a_model_does_not_answer_is_a_usage_error_and_leaves_no_file() {
    let model = crate::tiny::plain_folder();
    let model = model.path().to_str().unwrap();
    let out = tempfile::tempdir().unwrap();
    let file = out.path().join("out.jsonl");
    for (flags, what) in [
        (
            &["--sort", "checkworthy"][..],
            "--sort checkworthy needs a model that answers check-worthiness, which \"tiny\"",
        ),
        (
            &["--attributions", "--format", "table"],
            "--attributions needs a model that answers source, cue and content",
        ),
    ] {
        let input =
            ["classify", "examples/troop-surge.txt", "--model", model, "--output", file.to_str().unwrap()];
        let output = standpoint(&[&input[..], flags].concat()).output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.contains(what) && error.lines().count() == 1, "{error}");
        assert_eq!(std::fs::read_dir(out.path()).unwrap().count(), 0);
    }
    let positions = ["classify", "examples/troop-surge.txt", "--model", model, "--positions"];
    let output = standpoint(&positions).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("warning: \"tiny\" named no holder"), "{error}");
    let both = standpoint(&["classify", "x", "--positions", "--sort", "checkworthy"]).output().unwrap();
    assert_eq!(both.status.code(), Some(2), "one or the other");
}

#[test]
fn completions_are_for_the_shell_that_was_named() {
    let output = standpoint(&["completions", "bash"]).output().unwrap();
    assert!(output.status.success());
    assert!(String::from_utf8(output.stdout).unwrap().contains("complete -F _standpoint"));
}

#[test]
fn help_is_as_it_was_read_last() {
    for command in ["classify", "train", "eval", "eval rescore", "agreement", "bench", "calibrate"] {
        let words: Vec<&str> = command.split(' ').chain(["--help"]).collect();
        let output = standpoint(&words).env("COLUMNS", "100").output().unwrap();
        insta::assert_snapshot!(
            format!("help_{}", command.replace(' ', "_")),
            String::from_utf8(output.stdout).unwrap()
        );
    }
}
