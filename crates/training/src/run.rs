//! A training run: from a configuration to a finished model, with checkpoints on the way.

use crate::average;
use crate::card::{self, DataFile, Origins};
use crate::checkpoint::{Checkpoint, RunFolder};
use crate::config::{Keep, TrainConfig};
use crate::data::{Trained, TrainingData};
use crate::dev::{DevScore, DevSet};
use crate::differentiable::{Arithmetic, Gradients, Layout, PackedWeights, Trace};
use crate::objective::{LabelWeights, Pass};
use crate::optimizer::{AdamW, StepRates, rate_share};
use crate::plan::{Example, Plan, deal};
use crate::start;
use crate::teacher::{self, Teaching};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use standpoint_core::calibration::TemperatureScaling;
use standpoint_core::error::{ModelError, Result, TrainError};
use standpoint_core::hash::sha256;
use standpoint_core::model::{
    ATTRIBUTION, BaseModel, CHECKWORTHY, HEADS, HOLDER, Model, ModelSource, ROLE, STANCE, Settings, Tensor,
    WeightFormat, Weights, head_parameters, round_to_int8,
};
use standpoint_core::tags::Tag;
use standpoint_kernels::random::scramble;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Where a run stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// What the run was started with: a run of another configuration cannot be resumed.
    pub fingerprint: String,
    /// The epoch at work, counted from 0, and the steps of it that are done.
    pub epoch: usize,
    pub steps_in_epoch: usize,
    pub steps: usize,
    /// The dev scores of the finished epochs.
    pub scores: Vec<DevScore>,
    /// The epoch whose parameters were kept.
    pub best: Option<usize>,
}

/// What one optimizer step did.
#[derive(Clone, Copy, Debug)]
pub struct StepReport {
    /// Counted from 1, over all epochs.
    pub step: usize,
    pub steps: usize,
    pub epoch: usize,
    pub epochs: usize,
    pub loss: f64,
    /// Before clipping.
    pub gradient_norm: f64,
    pub tokens: usize,
    pub seconds: f64,
}

/// Whoever watches a run.
pub trait Observer {
    fn step(&mut self, report: &StepReport);
    fn epoch(&mut self, epoch: usize, score: DevScore, best: bool);
    fn checkpoint(&mut self);
    /// Asked after each step: whether to save and leave.
    fn stopped(&mut self) -> bool;
}

/// How a run ended.
#[derive(Debug, PartialEq)]
pub enum Outcome {
    /// The model stands in this folder.
    Finished { output: PathBuf, scores: Vec<DevScore>, best: usize },
    /// Stopped on request, with a checkpoint to go on from.
    Stopped { step: usize, steps: usize },
}

/// A run that is ready to start.
pub struct Trainer {
    config: TrainConfig,
    base: BaseModel,
    origins: Origins,
    layout: Layout,
    plan: Plan,
    dev: DevSet,
    further_dev: DevSet,
    trained: Trained,
    files: Vec<DataFile>,
    folder: RunFolder,
    state: Checkpoint,
    /// The optimizer steps of all epochs.
    steps: usize,
}

/// The working memory of one shard.
struct Worker {
    trace: Trace,
    gradients: Gradients,
}

impl Trainer {
    /// Reads the configuration, the base model and all data; with `resume`, also the checkpoint of an earlier
    /// run of the same configuration. `base` is where the base model is really taken from, if not from
    /// where the configuration says: a folder with the same files.
    ///
    /// # Errors
    /// If any of these cannot be read or does not fit, or if there is a checkpoint and `resume` is off.
    pub fn new(path: &Path, base: Option<&str>, offline: bool, resume: bool) -> Result<Self> {
        let config = TrainConfig::load(path)?;
        let folder = RunFolder::new(&config.run);
        let misplaced =
            |problem: &str| TrainError::Checkpoint { path: config.run.clone(), problem: problem.into() };
        match (resume, folder.has_checkpoint()) {
            (false, true) => {
                Err(misplaced("holds an earlier run: go on with --resume, or remove the folder"))?
            }
            (true, false) => Err(misplaced("holds no checkpoint: start without --resume"))?,
            _ => {}
        }
        let source = match base {
            Some(base) => ModelSource::parse(base, None, offline)?,
            None => ModelSource::parse(&config.base, config.base_revision.as_deref(), offline)?,
        };
        let mut base = BaseModel::load(&source)?;
        if let Some(layers) = config.base_layers {
            base.keep_layers(layers);
        }
        folder.create()?;
        if config.max_tokens > base.config.longest_window() {
            let problem = format!(
                "max_tokens must be at most {}, the base's longest input",
                base.config.longest_window()
            );
            Err(TrainError::Setting { path: path.to_owned(), problem })?;
        }

        // What is missing at the end shall be missed before the beginning.
        let layout = Layout::new((&base.config).into(), &HEADS);
        let parameters_of = |folder: &PathBuf| start::of_folder(&layout, folder, config.seed);
        let start = config.start.as_ref().map(parameters_of).transpose()?;
        let hash = |parameters: &Vec<f32>| sha256([bytemuck::cast_slice(parameters)]);
        let start_sha256 = start.as_ref().map(hash);
        let blend_sha256 =
            config.blend.iter().map(|folder| Ok(hash(&parameters_of(folder)?))).collect::<Result<_>>()?;

        let data = TrainingData::read(&config.data, &config.default_target)?;
        let mut trained = data.trained();
        let TrainingData { gold, dev, further_dev, auxiliary, unlabelled, files } = data;
        let (teacher_sha256, taught) = match &config.data.teacher {
            Some(teacher) => {
                let Teaching { teacher_sha256, taught } =
                    teacher::ask(teacher, offline, unlabelled, &folder.judgements())?;
                (Some(teacher_sha256), taught)
            }
            None => (None, Vec::new()),
        };
        let mut learnt = taught.iter().flat_map(|taught| &taught.documents);
        trained.attribution |= learnt.any(|gold| gold.attributions.is_some());
        let plan = Plan::new(&config, &base.tokenizer, &gold, &auxiliary, &taught)?;
        let further_dev = DevSet::new(&further_dev, &base.tokenizer, config.max_tokens)?;
        let dev = DevSet::new(&dev, &base.tokenizer, config.max_tokens)?;
        if !dev.has_all_labels() {
            let problem = "data.dev must hold sentences with a role and sentences with a stance".to_owned();
            Err(TrainError::Setting { path: path.to_owned(), problem })?;
        }
        let steps = (0..config.schedule.epochs).map(|epoch| plan.epoch(epoch).len()).sum();
        let origins = Origins { base_sha256: base.fingerprint(), teacher_sha256, start_sha256, blend_sha256 };
        let fingerprint = fingerprint(&config, &origins, &files);
        let state = if resume {
            let checkpoint = folder.load(layout.len(), config.schedule.average > 0.0)?;
            if checkpoint.progress.fingerprint != fingerprint {
                Err(misplaced(
                    "holds a run of another configuration or other data: remove the folder, or restore them",
                ))?;
            }
            checkpoint
        } else {
            let AdamW { first, second } = AdamW::new(&layout);
            let initial = start.unwrap_or_else(|| start::of_base(&layout, &base, config.seed));
            Checkpoint {
                progress: Progress { fingerprint, ..Progress::default() },
                average: (config.schedule.average > 0.0).then(|| initial.clone()),
                parameters: initial,
                first,
                second,
            }
        };
        Ok(Self {
            config,
            base,
            origins,
            layout,
            plan,
            dev,
            further_dev,
            trained,
            files,
            folder,
            state,
            steps,
        })
    }

    /// The optimizer steps of the whole run, and those that are done.
    pub fn steps(&self) -> (usize, usize) {
        (self.steps, self.state.progress.steps)
    }

    /// Trains to the end, or until the observer says stop.
    ///
    /// # Errors
    /// If a file cannot be written, or the loss is no longer a number.
    pub fn run(mut self, observer: &mut dyn Observer) -> Result<Outcome> {
        let mut workers: Vec<Worker> = (0..self.config.schedule.shards)
            .map(|_| Worker { trace: Trace::default(), gradients: Gradients::new(&self.layout) })
            .collect();
        let mut saved = Instant::now();
        let between_saves = Duration::from_secs_f64(self.config.schedule.checkpoint_minutes * 60.0);
        while self.state.progress.epoch < self.config.schedule.epochs {
            let epoch = self.state.progress.epoch;
            let steps = self.plan.epoch(epoch);
            let weights = LabelWeights::of(&steps, &self.config.loss);
            for step in steps.iter().skip(self.state.progress.steps_in_epoch) {
                observer.step(&self.step(step, weights, &mut workers)?);
                let stopped = observer.stopped();
                if stopped || saved.elapsed() >= between_saves {
                    self.folder.save(&self.state)?;
                    observer.checkpoint();
                    saved = Instant::now();
                }
                if stopped {
                    return Ok(Outcome::Stopped { step: self.state.progress.steps, steps: self.steps });
                }
            }
            let score = self.dev.score(&self.layout, self.state.shown());
            let progress = &mut self.state.progress;
            let best = self.config.schedule.keep == Keep::Last
                || progress.best.is_none_or(|best| score.mean() > progress.scores[best].mean());
            progress.scores.push(score);
            if best {
                progress.best = Some(epoch);
                self.folder.save_best(self.state.shown())?;
            }
            let progress = &mut self.state.progress;
            progress.epoch += 1;
            progress.steps_in_epoch = 0;
            self.folder.save(&self.state)?;
            saved = Instant::now();
            observer.epoch(epoch, score, best);
        }
        self.finish()
    }

    fn step(
        &mut self,
        step: &[Example],
        weights: LabelWeights,
        workers: &mut [Worker],
    ) -> Result<StepReport> {
        let started = Instant::now();
        let Self { config, layout, state, .. } = self;
        let number = state.progress.steps + 1;
        let shards = deal(step, workers.len(), config.schedule.pass_tokens);
        let key = scramble(config.seed ^ scramble(number as u64));
        let arithmetic = config.schedule.arithmetic.packed();
        let packed = arithmetic.map(|arithmetic| packed(workers, layout, &state.parameters, arithmetic));
        let losses: Vec<f64> = workers
            .par_iter_mut()
            .zip(&shards)
            .enumerate()
            .map(|(shard, (worker, passes))| {
                worker.gradients.clear(layout);
                worker.trace.weights.clone_from(&packed);
                let mut loss = 0.0;
                for (index, examples) in passes.iter().enumerate() {
                    let pass = Pass {
                        heads_only: config.schedule.learning_rate == 0.0,
                        layout,
                        parameters: &state.parameters,
                        loss: &config.loss,
                        dropout: &config.dropout,
                        key: scramble(key ^ scramble((shard * 10_000 + index) as u64)),
                        weights,
                    };
                    loss += pass.run(examples, &mut worker.trace, &mut worker.gradients);
                }
                loss
            })
            .collect();
        let (first, others) = workers.split_first_mut().expect("there is a shard");
        for other in others {
            first.gradients.absorb(&mut other.gradients, layout);
        }
        first.gradients.settle();

        let loss: f64 = losses.iter().sum();
        let share = rate_share(number, self.steps, config.schedule.warmup);
        let rates = StepRates {
            encoder: config.schedule.learning_rate * share,
            heads: config.schedule.head_learning_rate * share,
            weight_decay: config.schedule.weight_decay,
            clip_norm: config.schedule.clip_norm,
            step: number,
        };
        let mut optimizer =
            AdamW { first: std::mem::take(&mut state.first), second: std::mem::take(&mut state.second) };
        let gradient_norm = optimizer.step(layout, &mut state.parameters, &first.gradients, rates);
        AdamW { first: state.first, second: state.second } = optimizer;
        if let Some(average) = &mut state.average {
            average::update(average, &state.parameters, config.schedule.average, number);
        }
        if !(loss.is_finite() && gradient_norm.is_finite()) {
            return Err(TrainError::Diverged { step: number }.into());
        }
        state.progress.steps = number;
        state.progress.steps_in_epoch += 1;
        Ok(StepReport {
            step: number,
            steps: self.steps,
            epoch: state.progress.epoch,
            epochs: config.schedule.epochs,
            loss,
            gradient_norm,
            tokens: step.iter().map(|example| example.window.tokens.len()).sum(),
            seconds: started.elapsed().as_secs_f64(),
        })
    }

    /// Calibrates the best epoch's parameters and writes the model folder.
    fn finish(self) -> Result<Outcome> {
        let progress = &self.state.progress;
        let best = progress.best.expect("a finished run has a best epoch");
        let mut shipped = self.folder.load_best(self.layout.len())?;
        for folder in &self.config.blend {
            let other = start::of_folder(&self.layout, folder, self.config.seed)?;
            shipped.iter_mut().zip(other).for_each(|(sum, other)| *sum += other);
        }
        let runs = 1 + self.config.blend.len();
        shipped.iter_mut().for_each(|sum| *sum /= runs as f32);
        let mut weights = Weights::default();
        for segment in self.layout.segments() {
            let values = shipped[segment.range.clone()].to_vec();
            weights.insert(segment.name.clone(), Tensor { shape: segment.shape.clone(), values });
        }
        round_to_int8(&self.base.config, &mut weights);
        // What is measured and calibrated is what is shipped.
        let output = self.config.output.clone();
        let origin = output.display().to_string();
        let mut weights = weights
            .rounded(&self.base.config, self.config.weights)
            .map_err(|problem| ModelError { origin: origin.clone(), problem })?;
        for segment in self.layout.segments() {
            shipped[segment.range.clone()].copy_from_slice(weights.values(&segment.name));
        }
        let reports = self.dev.reports(&self.layout, &shipped);
        let checkworthy = self.further_dev.checkworthy_scaling(&self.layout, &shipped);
        let begin_biases = self.further_dev.begin_biases(&self.layout, &shipped);
        add_begin_biases(&mut weights, &begin_biases);
        let Trained { checkworthy: rates, attribution, holder } = self.trained;
        let heads = [
            (ROLE, true, reports.role.scaling),
            (STANCE, true, reports.stance.scaling),
            (CHECKWORTHY, rates, checkworthy),
            (ATTRIBUTION, attribution, TemperatureScaling::NONE),
            (HOLDER, holder, TemperatureScaling::NONE),
        ];
        let trained = heads.into_iter().filter(|(_, is_trained, _)| *is_trained);
        let settings = Settings {
            format: Settings::FORMAT,
            name: self.config.name.clone(),
            version: self.config.version.clone(),
            max_tokens: self.config.max_tokens,
            default_target: self.config.default_target.clone(),
            heads: trained.map(|(head, _, scaling)| (head, scaling)).collect(),
            training: card::provenance(&self.config, &self.origins, &self.files, best),
        };
        // Heads without a label to learn from are not shipped.
        let untrained = HEADS.iter().filter(|head| !settings.heads.contains(head));
        for parameter in head_parameters(&self.base.config, untrained) {
            weights.remove(&parameter.name);
        }
        let model =
            Model::new(origin, self.base.config.clone(), settings, self.base.tokenizer.clone(), weights)?;
        model.save(&output, self.config.weights)?;
        let card = card::render(&card::Facts {
            config: &self.config,
            base: &self.base,
            origins: &self.origins,
            parameters: self.layout.len(),
            files: &self.files,
            scores: &progress.scores,
            best,
            reports: &reports,
        });
        card::save(&output, &card)?;
        Ok(Outcome::Finished { output, scores: progress.scores.clone(), best })
    }
}

/// Adds to the bias of the begin tag, for each part of attributions.
fn add_begin_biases(weights: &mut Weights, begin_biases: &[f32]) {
    for ([_, name], begin) in ATTRIBUTION.tensor_names().zip(begin_biases) {
        if let Some(mut bias) = weights.remove(&name) {
            bias.values[Tag::Begin as usize] += begin;
            weights.insert(name, bias);
        }
    }
}

/// The step's weights, in the memory of the last step's.
fn packed(
    workers: &mut [Worker],
    layout: &Layout,
    parameters: &[f32],
    arithmetic: Arithmetic,
) -> Arc<PackedWeights> {
    let last = workers.iter_mut().filter_map(|worker| worker.trace.weights.take()).last();
    let mut weights =
        last.and_then(Arc::into_inner).unwrap_or_else(|| PackedWeights::new(layout, arithmetic));
    weights.refresh(parameters);
    Arc::new(weights)
}

/// Whatever decides what a run trains, in one line.
fn fingerprint(config: &TrainConfig, origins: &Origins, files: &[DataFile]) -> String {
    // Where things are written, how, and how often does not decide what is trained, nor does what it is blended with in the end.
    let deciding = TrainConfig {
        blend: Vec::new(),
        output: PathBuf::new(),
        weights: WeightFormat::default(),
        run: PathBuf::new(),
        schedule: crate::config::ScheduleConfig { checkpoint_minutes: 0.0, ..config.schedule.clone() },
        ..config.clone()
    };
    let hashes: Vec<&str> = files.iter().map(|file| file.sha256.as_str()).collect();
    let Origins { base_sha256, teacher_sha256, start_sha256, .. } = origins;
    sha256([format!("{deciding:?} {base_sha256} {teacher_sha256:?} {start_sha256:?} {hashes:?}").as_bytes()])
}
