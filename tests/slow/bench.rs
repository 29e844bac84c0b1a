//! `standpoint bench` as a user runs it, in as little time as will do.

use assert_cmd::Command;
use serde_json::Value;

fn bench(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_standpoint"));
    command.env_remove("STANDPOINT_MODEL").args(["bench", "--threads", "1", "--batch", "1"]).args(arguments);
    command
}

#[test]
fn a_report_has_every_figure_and_names_what_was_measured() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("text.txt");
    std::fs::write(&text, "The ferry sank overnight. It was built in 1968.").unwrap();
    let output = folder.path().join("speed.json");
    bench(&[text.to_str().unwrap(), "--seconds", "0.01", "--repetitions", "1", "--format", "json"])
        .args(["--output", output.to_str().unwrap()])
        .assert()
        .success()
        .stdout("");
    let report: Value = serde_json::from_slice(&std::fs::read(output).unwrap()).unwrap();
    for name in ["program", "date", "machine"] {
        assert!(!report[name].as_str().unwrap().is_empty(), "{name}");
    }
    assert_eq!(report["model"]["sha256"].as_str().unwrap().len(), 64);
    assert_eq!((&report["text"]["sentences"], &report["article"]["sentences"]), (&2.into(), &18.into()));
    for figure in [
        &report["throughput"][0]["sentences_per_second"],
        &report["throughput"][0]["tokens_per_second"],
        &report["latency"][0]["p99"],
        &report["cold_start"]["median"],
    ] {
        assert!(figure.as_f64().unwrap() > 0.0, "{report}");
    }
    assert_eq!(report["peak_memory_bytes"].is_u64(), cfg!(target_os = "linux"));
}

#[test]
fn what_cannot_be_measured_is_refused() {
    bench(&["--seconds", "0"]).assert().code(2);
    bench(&["--repetitions", "0"]).assert().code(2);
    bench(&["no-such-file.txt"]).assert().code(1);
}
