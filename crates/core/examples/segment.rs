//! Finds the sentences of documents in JSON Lines, `{"id", "text"}` on standard input, and writes `{"id", "sentences"}`:
//! pairs of offsets in characters. `--quotes whole` keeps quotes of several sentences in one; they are cut otherwise.
//! `--repeat N` does all of it N times, and writes the time of the fastest on standard error.

use standpoint_core::segment::{self, Options, Quotes};
use standpoint_core::text::Span;
use std::io::{self, BufRead, Write};
use std::time::{Duration, Instant};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let value = |name: &str| {
        let index = arguments.iter().position(|argument| argument == name)?;
        arguments.get(index + 1)
    };
    let quotes =
        if value("--quotes").is_some_and(|value| value == "whole") { Quotes::Whole } else { Quotes::Cut };
    let repeat = value("--repeat").map_or(Ok(1), |value| value.parse())?;
    let options = Options { quotes, ..Options::default() };

    let mut documents: Vec<serde_json::Value> = Vec::new();
    for line in io::stdin().lock().lines() {
        documents.push(serde_json::from_str(&line?)?);
    }
    let texts: Vec<&str> =
        documents.iter().map(|document| document["text"].as_str().unwrap_or_default()).collect();

    let mut found: Vec<Vec<Span>> = Vec::new();
    let mut fastest = Duration::MAX;
    for _ in 0..repeat {
        let started = Instant::now();
        found = texts.iter().map(|text| segment::sentences_with(text, &options)).collect();
        fastest = fastest.min(started.elapsed());
    }

    let mut output = io::BufWriter::new(io::stdout().lock());
    for ((document, text), spans) in documents.iter().zip(&texts).zip(&found) {
        let sentences = characters(text, spans);
        writeln!(output, "{}", serde_json::json!({ "id": document["id"], "sentences": sentences }))?;
    }
    output.flush()?;
    if repeat > 1 {
        writeln!(io::stderr(), "{}", fastest.as_secs_f64())?;
    }
    Ok(())
}

/// The spans in characters instead of bytes.
fn characters(text: &str, spans: &[Span]) -> Vec<[usize; 2]> {
    let (mut bytes, mut characters) = (0, 0);
    let mut count = |to: usize| {
        characters += text[bytes..to].chars().count();
        bytes = to;
        characters
    };
    spans.iter().map(|span| [count(span.start()), count(span.end())]).collect()
}
