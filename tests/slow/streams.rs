//! Runs that last: input that comes slowly, and a run that is told to stop.

use crate::tiny;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

/// What is waited for comes within moments. If it does not come by then, it does not come.
const PATIENCE: Duration = Duration::from_secs(120);

fn classify(model: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_standpoint"));
    command.arg("classify").arg("--model").arg(model).args(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// What a child writes, line by line; an error if nothing comes.
fn next_line(lines: &std::sync::mpsc::Receiver<String>) -> String {
    lines.recv_timeout(PATIENCE).expect("a line comes while the input stays open")
}

#[test]
fn a_document_goes_out_while_the_input_stays_open() {
    let model = tiny::folder();
    for format in ["jsonl", "table"] {
        let arguments = ["--input-format", "jsonl", "--format", format, "-"];
        let mut child = classify(model.path(), &arguments).spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = channel();
        thread::spawn(move || output.lines().for_each(|line| drop(sender.send(line.unwrap()))));
        for id in ["first", "second"] {
            writeln!(input, "{{\"id\":\"{id}\",\"text\":\"The troops leave.\"}}").unwrap();
            let line = loop {
                let line = next_line(&lines);
                if line.contains(id) {
                    break line;
                }
            };
            assert_eq!(line.starts_with("{\"doc\""), format == "jsonl");
        }
        drop(input);
        assert!(child.wait().unwrap().success());
    }
}

#[test]
fn labels_are_written_if_nobody_reads_messages() {
    let model = tiny::folder();
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("in.jsonl"), "{\"id\":1}\n{\"id\":2,\"text\":\"They left.\"}\n").unwrap();
    for limit in [&["--timings"][..], &["--fail-fast"], &["--failures", "failed.jsonl"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = classify(model.path(), &["in.jsonl", "missing.txt"]);
        let output = command.args(limit).current_dir(folder.path()).stderr(writer).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{limit:?}");
        let lines = if limit == ["--fail-fast"] { 0 } else { 1 };
        assert_eq!(String::from_utf8(output.stdout).unwrap().lines().count(), lines, "{limit:?}");
    }
    let failed = fs::read_to_string(folder.path().join("failed.jsonl")).unwrap();
    assert_eq!(failed.lines().count(), 2);
}

/// Waits until a child has written labels, sends it a signal, and gives its exit code and what it said.
#[cfg(unix)]
fn interrupted(mut child: Child, signal: &str, until: impl Fn() -> bool) -> (Option<i32>, String) {
    let begun = std::time::Instant::now();
    while !until() {
        assert!(begun.elapsed() < PATIENCE && child.try_wait().unwrap().is_none(), "it never got that far");
        thread::sleep(Duration::from_millis(5));
    }
    let killed = Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    let status = child.wait().unwrap();
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    (status.code(), said)
}

#[cfg(unix)]
#[test]
fn a_signal_ends_a_run_in_good_order() {
    let model = tiny::folder();
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("labels.jsonl");
    let path = output.display().to_string();
    for (signal, code) in [("-INT", 130), ("-TERM", 143)] {
        let mut child =
            classify(model.path(), &["--input-format", "jsonl", "--output", &path, "-"]).spawn().unwrap();
        // The input stays open: it is not the end of it that ends the run.
        let mut input = child.stdin.take().unwrap();
        for id in 0..50 {
            writeln!(input, "{{\"id\":{id},\"text\":\"The troops leave. They said so.\"}}").unwrap();
        }
        let labelled = || {
            let files = fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().path());
            files.map(|file| fs::read_to_string(file).unwrap_or_default().lines().count()).sum::<usize>()
                == 100
        };
        let (status, said) = interrupted(child, signal, labelled);
        assert_eq!(status, Some(code), "{said}");
        assert_eq!(said, format!("interrupted after 50 documents: {path} was not written\n"));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left behind");
        drop(input);
    }
}

#[cfg(unix)]
#[test]
fn standard_output_ends_with_a_whole_line() {
    let model = tiny::folder();
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("in.jsonl"), folder.path().join("out.jsonl"));
    let records = |id: usize| format!("{{\"id\":{id},\"text\":\"The troops leave. They said so.\"}}\n");
    fs::write(&input, (0..200_000).map(records).collect::<String>()).unwrap();
    let child = classify(model.path(), &[input.to_str().unwrap()])
        .stdout(fs::File::create(&output).unwrap())
        .spawn()
        .unwrap();
    let (status, said) =
        interrupted(child, "-INT", || fs::metadata(&output).is_ok_and(|file| file.len() > 100_000));
    assert_eq!(status, Some(130), "{said}");
    let written = fs::read_to_string(&output).unwrap();
    assert!(written.ends_with("}\n"));
    let whole = written.lines().filter(|line| line.contains("\"index\":1")).count();
    assert_eq!(said, format!("interrupted after {whole} documents: they were written\n"));
}
