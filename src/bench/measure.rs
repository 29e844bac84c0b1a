//! How fast a model is on this machine: throughput, latency of one article, cold start, memory. Figures as data,
//! medians of several repetitions. Measures the very [`Pipeline`] that `classify` runs, and compares with nobody.

use crate::failure::{Failure, Result};
use rayon::{ThreadPool, ThreadPoolBuilder};
use serde::Serialize;
use standpoint::encoder::Engine;
use standpoint::error::Error;
use standpoint::evaluation::EvalSet;
use standpoint::input::{Documents, InputOptions};
use standpoint::label::Target;
use standpoint::machine;
use standpoint::model::{Model, Tokenizer};
use standpoint::pipeline::Pipeline;
use standpoint::segment;
use standpoint::text::Document;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The version of the report's JSON. A field that is added does not raise it; one that changes its meaning does.
pub const SCHEMA: u32 = 1;

/// The articles of `examples/`, for whoever has none at hand.
const EXAMPLES: [(&str, &str); 6] = [
    ("airfield-handover", include_str!("../../examples/airfield-handover.txt")),
    ("op-ed-bring-them-home", include_str!("../../examples/op-ed-bring-them-home.txt")),
    ("parliament-vote", include_str!("../../examples/parliament-vote.txt")),
    ("peacekeepers-stay", include_str!("../../examples/peacekeepers-stay.txt")),
    ("river-flood", include_str!("../../examples/river-flood.txt")),
    ("troop-surge", include_str!("../../examples/troop-surge.txt")),
];

/// How the measuring is done.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Plan {
    /// For each measurement, all its repetitions together.
    pub seconds: f64,
    /// Repetitions, whose median is taken; at least 1. Fewer are made where a single batch takes so long that the time is
    /// over before.
    pub repetitions: usize,
    /// Numbers of threads to measure; at least one.
    pub threads: Vec<usize>,
    /// How many documents are handed over at once; at least one size.
    pub batches: Vec<usize>,
}

/// What was measured, and all that is needed to measure it again.
#[derive(Clone, Debug, Serialize)]
pub struct BenchReport {
    pub schema: u32,
    /// The program with its version.
    pub program: String,
    /// In UTC.
    pub date: String,
    pub machine: String,
    pub model: BenchModel,
    /// The encoder, what it computes in, and its instruction set.
    pub encoder: String,
    pub plan: Plan,
    /// What throughput was measured on.
    pub text: TextSize,
    /// What latency and cold start were measured on.
    pub article: TextSize,
    pub throughput: Vec<Throughput>,
    pub latency: Vec<Latency>,
    pub cold_start: ColdStart,
    /// The peak of this process; `None` where the system does not tell it.
    pub peak_memory_bytes: Option<u64>,
}

#[derive(Clone, Debug, Serialize)]
pub struct BenchModel {
    pub name: String,
    pub version: String,
    /// The hash of its weights.
    pub sha256: String,
}

/// How much text it is. Tokens are the text's own, each counted once: neither the target nor the context that
/// windows repeat.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TextSize {
    pub documents: usize,
    pub sentences: usize,
    pub tokens: usize,
}

/// Medians over the repetitions.
#[derive(Clone, Debug, Serialize)]
pub struct Throughput {
    pub threads: usize,
    /// How many documents were handed over at once.
    pub batch_documents: usize,
    /// How many there were time for.
    pub repetitions: usize,
    pub sentences_per_second: f64,
    pub tokens_per_second: f64,
}

/// How long one article takes, in milliseconds.
#[derive(Clone, Debug, Serialize)]
pub struct Latency {
    pub threads: usize,
    pub runs: usize,
    pub p50: f64,
    pub p90: f64,
    pub p99: f64,
}

/// How long it takes from starting the program to the end of `classify` on one article, in seconds. The files are
/// in the system's cache: a first run made sure of it.
#[derive(Clone, Debug, Serialize)]
pub struct ColdStart {
    pub runs: usize,
    pub median: f64,
    pub fastest: f64,
    pub slowest: f64,
}

/// The articles that come with the program.
pub fn examples() -> Vec<Document> {
    EXAMPLES.map(|(name, text)| Document::new(name, text, segment::sentences(text))).into()
}

/// The texts of an evaluation set (`.toml`), or of whatever `classify` reads.
///
/// # Errors
/// If a file cannot be read or a set's data are not those it was made for.
pub fn documents(path: &Path) -> Result<Vec<Document>> {
    if path.extension().is_some_and(|extension| extension == "toml") {
        let files = EvalSet::load(path)?.data()?;
        return Ok(files.into_iter().flat_map(|file| file.documents).map(|gold| gold.document).collect());
    }
    Documents::new(&[path], InputOptions::default()).map(|document| document.map_err(Failure::from)).collect()
}

/// Measures a model on documents, for its default target. `classify` makes the command that labels a file, as
/// somebody would start it; `watch` is told what comes next.
///
/// # Errors
/// If there is no text, the model fails, or the command does.
pub fn run(
    model: Model,
    engine: Engine,
    documents: &[Document],
    plan: Plan,
    classify: impl Fn(&Path) -> Command,
    watch: &mut dyn FnMut(&str),
) -> Result<BenchReport> {
    let settings = model.settings();
    let identity = BenchModel {
        name: settings.name.clone(),
        version: settings.version.clone(),
        sha256: model.fingerprint()?,
    };
    let targets = [Target::new(&settings.default_target)?];
    let (article_name, article_text) = EXAMPLES[0];
    let article = Document::new(article_name, article_text, segment::sentences(article_text));
    let text_sizes = sizes(model.tokenizer(), documents)?;
    let text = sum(&text_sizes);
    if text.sentences == 0 {
        return Err(Failure::usage("there is no sentence to measure on"));
    }
    let article_size = sum(&sizes(model.tokenizer(), std::slice::from_ref(&article))?);

    let bench = Bench { pipeline: Pipeline::with_engine(model, engine)?, targets, plan: &plan };
    let throughput = bench.throughput_series(documents, &text_sizes, watch)?;
    let latency = bench.latency_series(&article, watch)?;
    watch("cold start");
    let cold_start = cold_start(article_text, plan.repetitions, classify)?;
    Ok(BenchReport {
        schema: SCHEMA,
        program: concat!("standpoint ", env!("CARGO_PKG_VERSION")).to_owned(),
        date: jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M UTC").to_string(),
        machine: machine::description(),
        model: identity,
        encoder: engine.to_string(),
        plan: plan.clone(),
        text,
        article: article_size,
        throughput,
        latency,
        cold_start,
        peak_memory_bytes: machine::peak_memory(),
    })
}

struct Bench<'a> {
    pipeline: Pipeline,
    targets: [Target; 1],
    plan: &'a Plan,
}

impl Bench<'_> {
    /// By number of threads with the largest batches, then by size of batch with the most threads.
    fn throughput_series(
        &self,
        documents: &[Document],
        sizes: &[TextSize],
        watch: &mut dyn FnMut(&str),
    ) -> Result<Vec<Throughput>> {
        let most = |numbers: &[usize]| numbers.iter().copied().max().unwrap_or(1);
        let (threads, batch) = (most(&self.plan.threads), most(&self.plan.batches));
        let by_threads = self.plan.threads.iter().map(|&threads| (threads, batch));
        let by_batch =
            self.plan.batches.iter().filter(|&&other| other != batch).map(|&batch| (threads, batch));
        by_threads
            .chain(by_batch)
            .map(|(threads, batch)| {
                watch(&format!("throughput: {threads} threads, {batch} documents at once"));
                self.throughput(documents, sizes, threads, batch)
            })
            .collect()
    }

    fn throughput(
        &self,
        documents: &[Document],
        sizes: &[TextSize],
        threads: usize,
        batch: usize,
    ) -> Result<Throughput> {
        // Around and around, so that every batch is full.
        let length = documents.len().next_multiple_of(batch);
        let documents: Vec<Document> = documents.iter().cycle().take(length).cloned().collect();
        let sizes: Vec<TextSize> = sizes.iter().cycle().take(length).copied().collect();
        let mut batches = documents.chunks(batch).zip(sizes.chunks(batch)).cycle();

        let pool = pool(threads)?;
        let budget = Duration::from_secs_f64(self.plan.seconds);
        let share = budget.div_f64(self.plan.repetitions as f64);
        let (mut sentences, mut tokens) = (Vec::new(), Vec::new());
        pool.install(|| self.pipeline.analyze(documents[..1].iter().cloned(), &self.targets))?;
        let begun = Instant::now();
        while sentences.is_empty() || sentences.len() < self.plan.repetitions && begun.elapsed() < budget {
            let mut done = TextSize::default();
            let started = Instant::now();
            while done.documents == 0 || started.elapsed() < share {
                let Some((batch, sizes)) = batches.next() else { break };
                pool.install(|| self.pipeline.analyze(batch.iter().cloned(), &self.targets))?;
                done = sum([&[done], sizes].into_iter().flatten());
            }
            let seconds = started.elapsed().as_secs_f64();
            sentences.push(done.sentences as f64 / seconds);
            tokens.push(done.tokens as f64 / seconds);
        }
        Ok(Throughput {
            threads,
            batch_documents: batch,
            repetitions: sentences.len(),
            sentences_per_second: percentile(&mut sentences, 0.5),
            tokens_per_second: percentile(&mut tokens, 0.5),
        })
    }

    fn latency_series(&self, article: &Document, watch: &mut dyn FnMut(&str)) -> Result<Vec<Latency>> {
        self.plan
            .threads
            .iter()
            .map(|&threads| {
                watch(&format!("latency: {threads} threads"));
                let pool = pool(threads)?;
                let analyze = || pool.install(|| self.pipeline.analyze([article.clone()], &self.targets));
                analyze()?;
                let mut times = Vec::new();
                let started = Instant::now();
                while times.is_empty() || started.elapsed().as_secs_f64() < self.plan.seconds {
                    let begun = Instant::now();
                    analyze()?;
                    times.push(begun.elapsed().as_secs_f64() * 1000.0);
                }
                let [p50, p90, p99] = [0.5, 0.9, 0.99].map(|share| percentile(&mut times, share));
                Ok(Latency { threads, runs: times.len(), p50, p90, p99 })
            })
            .collect()
    }
}

fn cold_start(article: &str, runs: usize, classify: impl Fn(&Path) -> Command) -> Result<ColdStart> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| Error::Write { path, source }
    };
    let temporary = std::env::temp_dir();
    let mut file = tempfile::Builder::new().suffix(".txt").tempfile().map_err(failed(&temporary))?;
    file.write_all(article.as_bytes()).map_err(failed(file.path()))?;
    let time = || -> Result<f64> {
        let mut command = classify(file.path());
        let program = PathBuf::from(command.get_program());
        let failed = |source| Failure::Start { program: program.clone(), source };
        let started = Instant::now();
        let output = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).output();
        let seconds = started.elapsed().as_secs_f64();
        let output = output.map_err(failed)?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            return Err(failed(io::Error::other(format!("{}: {said}", output.status))));
        }
        Ok(seconds)
    };
    time()?;
    let mut times = (0..runs).map(|_| time()).collect::<Result<Vec<f64>>>()?;
    let [fastest, median, slowest] = [0.0, 0.5, 1.0].map(|share| percentile(&mut times, share));
    Ok(ColdStart { runs, median, fastest, slowest })
}

fn pool(threads: usize) -> Result<ThreadPool> {
    let pool = ThreadPoolBuilder::new().num_threads(threads).build();
    pool.map_err(|error| Failure::usage(format!("--threads {threads}: {error}")))
}

/// The size of each document.
fn sizes(tokenizer: &Tokenizer, documents: &[Document]) -> Result<Vec<TextSize>> {
    let size = |document: &Document| {
        let texts: Vec<&str> = document.sentences().iter().map(|span| span.slice(document.text())).collect();
        let tokens = tokenizer.encode_batch(&texts)?.iter().map(Vec::len).sum();
        Ok(TextSize { documents: 1, sentences: texts.len(), tokens })
    };
    documents.iter().map(size).collect()
}

fn sum<'a>(sizes: impl IntoIterator<Item = &'a TextSize>) -> TextSize {
    sizes.into_iter().fold(TextSize::default(), |sum, size| TextSize {
        documents: sum.documents + size.documents,
        sentences: sum.sentences + size.sentences,
        tokens: sum.tokens + size.tokens,
    })
}

/// The smallest value that at least this share of the values do not exceed; of the middle of an even number, the
/// lower one. `values` must not be empty, and are put in order.
fn percentile(values: &mut [f64], share: f64) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let rank = (share * values.len() as f64).ceil() as usize;
    values[rank.clamp(1, values.len()) - 1]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let mut values = [5.0, 1.0, 3.0, 2.0, 4.0];
        let found = [0.0, 0.5, 0.9, 0.99, 1.0].map(|share| percentile(&mut values, share));
        assert_eq!(found, [1.0, 3.0, 5.0, 5.0, 5.0]);
        assert_eq!(percentile(&mut [7.0], 0.99), 7.0);
    }

    #[test]
    fn the_examples_are_articles_and_the_first_has_eighteen_sentences() {
        let examples = examples();
        assert_eq!(examples[0].sentences().len(), 18);
        assert!(examples.iter().all(|example| example.sentences().len() > 10));
    }

    #[test]
    fn documents_come_from_a_set_or_from_a_text() {
        let folder = tempfile::tempdir().unwrap();
        let gold = concat!(
            r#"{"doc_id":"a","target":"t","sentences":["#,
            r#"{"text":"One.","role":"claim","stance":"none"},{"text":"Two.","role":"claim","stance":"none"}]}"#,
            "\n"
        );
        std::fs::write(folder.path().join("gold.jsonl"), gold).unwrap();
        let sha256 = standpoint::hash::sha256([gold.as_bytes()]);
        let set = folder.path().join("set.toml");
        let toml = format!(
            "name = \"s\"\nversion = 1\ndescription = \"d\"\ntasks = [\"role\"]\n[[data]]\npath = \"gold.jsonl\"\nsha256 = \"{sha256}\"\n"
        );
        std::fs::write(&set, toml).unwrap();
        let text = folder.path().join("text.txt");
        std::fs::write(&text, "One. Two. Three.").unwrap();

        let sentences =
            |path: &Path| documents(path).unwrap().iter().map(|d| d.sentences().len()).sum::<usize>();
        assert_eq!((sentences(&set), sentences(&text)), (2, 3));
        assert!(documents(&folder.path().join("absent.txt")).is_err());
    }
}
