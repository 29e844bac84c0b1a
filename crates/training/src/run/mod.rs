//! A training run: from a configuration to a finished model, with checkpoints on the way.

mod finish;

use crate::average;
use crate::card::{DataFile, Origins};
use crate::checkpoint::{Checkpoint, RunFolder};
use crate::config::{Keep, TrainConfig};
use crate::data::TrainingData;
use crate::dev::{DevScore, DevSet};
use crate::differentiable::{Arithmetic, Gradients, Layout, PackedWeights, Trace};
use crate::error::{Result, TrainError};
use crate::identity;
use crate::objective::{LabelWeights, Pass};
use crate::optimizer::{AdamW, StepRates, rate_share};
use crate::plan::{Example, Plan, into_shards};
use crate::start;
use crate::teacher::{self, Teaching};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use standpoint_core::hash::sha256;
use standpoint_core::model::{ATTRIBUTION, BaseModel, HEADS, Head, ModelSource};
use standpoint_kernels::Isa;
use standpoint_kernels::random::scramble;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The progress of a run, as its checkpoint stores it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// [`identity::of_run`]: a run of another configuration cannot be resumed.
    pub fingerprint: String,
    /// The current epoch, from 0.
    pub epoch: usize,
    /// The finished steps of that epoch.
    pub steps_in_epoch: usize,
    /// The finished steps of all epochs.
    pub steps: usize,
    /// The dev scores of the finished epochs.
    pub scores: Vec<DevScore>,
    /// The epoch whose parameters are kept, from 0.
    pub best: Option<usize>,
}

/// The figures of one optimizer step.
#[derive(Clone, Copy, Debug)]
pub struct StepReport {
    /// Counted from 1, over all epochs.
    pub step: usize,
    /// In all epochs together.
    pub steps: usize,
    /// Counted from 0.
    pub epoch: usize,
    pub epochs: usize,
    pub loss: f64,
    /// The norm of the gradients before clipping.
    pub gradient_norm: f64,
    pub tokens: usize,
    pub seconds: f64,
}

/// Receives the progress of a run.
pub trait Observer {
    /// After each step.
    fn step(&mut self, report: &StepReport);
    /// After each epoch, counted from 0; `best` says whether its parameters were kept.
    fn epoch(&mut self, epoch: usize, score: &DevScore, best: bool);
    /// After each checkpoint within an epoch.
    fn checkpoint(&mut self);
    /// Asked after each step: whether to save a checkpoint and stop.
    fn stopped(&mut self) -> bool;
}

/// How a run ended.
#[derive(Debug, PartialEq)]
pub enum RunEnd {
    /// The model is in this folder.
    Finished { output: PathBuf, scores: Vec<DevScore>, best: usize },
    /// Stopped on request, with a checkpoint to resume from.
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
    trained: Vec<Head>,
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
    /// Reads the configuration, the base model and all data; with `resume`, also the checkpoint of an earlier run of the same
    /// configuration. `base` overrides where the base model is read from. With `offline`, nothing is downloaded.
    ///
    /// # Errors
    /// If any of these cannot be read or does not fit, or if there is a checkpoint and `resume` is off.
    pub fn new(path: &Path, base: Option<&str>, offline: bool, resume: bool) -> Result<Self> {
        Isa::from_environment().map_err(|problem| TrainError::Setting { path: path.to_owned(), problem })?;
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
        let base = BaseModel::load(&source)?;
        folder.create()?;
        if config.max_tokens > base.config.longest_window() {
            let problem = format!(
                "max_tokens must be at most {}, the base's longest input",
                base.config.longest_window()
            );
            Err(TrainError::Setting { path: path.to_owned(), problem })?;
        }

        // Anything that would be missing at the end is reported before training begins.
        let layout = Layout::new((&base.config).into(), &HEADS);
        if config.text_layers >= layout.dimensions.layers {
            let problem =
                format!("text_layers must be below {}, the base's layers", layout.dimensions.layers);
            Err(TrainError::Setting { path: path.to_owned(), problem })?;
        }
        let layout = layout.with_text_layers(config.text_layers);
        let parameters_of = |folder: &PathBuf| start::from_folder(&layout, folder, config.seed);
        let start = config.start.as_ref().map(parameters_of).transpose()?;
        let hash = |parameters: &Vec<f32>| sha256([bytemuck::cast_slice(parameters)]);
        let start_sha256 = start.as_ref().map(hash);
        let blend_sha256 =
            config.blend.iter().map(|folder| Ok(hash(&parameters_of(folder)?))).collect::<Result<_>>()?;

        let data = TrainingData::read(&config.data, &config.default_target)?;
        let mut trained = data.trained_heads();
        let TrainingData { gold, dev, further_dev, auxiliary, unlabelled, files } = data;
        let (teacher_sha256, taught) = match &config.data.teacher {
            Some(teacher) => {
                let Teaching { teacher_sha256, taught } =
                    teacher::predict(teacher, offline, unlabelled, &folder.teacher_predictions())?;
                (Some(teacher_sha256), taught)
            }
            None => (None, Vec::new()),
        };
        let mut learnt = taught.iter().flat_map(|taught| &taught.documents);
        if !trained.contains(&ATTRIBUTION) && learnt.any(|gold| gold.attributions.is_some()) {
            trained.push(ATTRIBUTION);
        }
        for folder in &config.blend {
            start::check_blended(folder, &trained)?;
        }
        let plan = Plan::new(&config, &base.tokenizer, &gold, &auxiliary, &taught)?;
        let further_dev = DevSet::new(&further_dev, &base.tokenizer, config.window_shape())?;
        let dev = DevSet::new(&dev, &base.tokenizer, config.window_shape())?;
        if !dev.has_all_labels() {
            let problem = "data.dev must hold sentences with a role and sentences with a stance".to_owned();
            Err(TrainError::Setting { path: path.to_owned(), problem })?;
        }
        let steps = (0..config.schedule.epochs).map(|epoch| plan.epoch(epoch).len()).sum();
        let origins = Origins { base_sha256: base.fingerprint(), teacher_sha256, start_sha256, blend_sha256 };
        let fingerprint = identity::of_run(&config, &origins, &files);
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
            let initial = start.unwrap_or_else(|| start::from_base(&layout, &base, config.seed));
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

    /// The optimizer steps of the whole run, and the finished ones.
    pub fn steps(&self) -> (usize, usize) {
        (self.steps, self.state.progress.steps)
    }

    /// Trains to the end, or until the observer asks to stop.
    ///
    /// # Errors
    /// If a file cannot be written, or the loss is no longer a finite number.
    pub fn run(mut self, observer: &mut dyn Observer) -> Result<RunEnd> {
        let mut workers: Vec<Worker> = (0..self.config.schedule.shards)
            .map(|_| Worker { trace: Trace::default(), gradients: Gradients::new(&self.layout) })
            .collect();
        let mut saved = Instant::now();
        let between_saves = Duration::from_secs_f64(self.config.schedule.checkpoint_minutes * 60.0);
        while self.state.progress.epoch < self.config.schedule.epochs {
            let epoch = self.state.progress.epoch;
            let steps = self.plan.epoch(epoch);
            let weights = LabelWeights::per_step(&steps, &self.config.loss);
            for step in steps.iter().skip(self.state.progress.steps_in_epoch) {
                observer.step(&self.step(step, weights, &mut workers)?);
                let stopped = observer.stopped();
                if stopped || saved.elapsed() >= between_saves {
                    self.folder.save(&self.state)?;
                    observer.checkpoint();
                    saved = Instant::now();
                }
                if stopped {
                    return Ok(RunEnd::Stopped { step: self.state.progress.steps, steps: self.steps });
                }
            }
            let score = self.dev.score(&self.layout, self.state.model_parameters());
            let progress = &mut self.state.progress;
            let best = self.config.schedule.keep == Keep::Last
                || progress.best.is_none_or(|best| score.mean() > progress.scores[best].mean());
            progress.scores.push(score.clone());
            if best {
                progress.best = Some(epoch);
                self.folder.save_best(self.state.model_parameters())?;
            }
            let progress = &mut self.state.progress;
            progress.epoch += 1;
            progress.steps_in_epoch = 0;
            self.folder.save(&self.state)?;
            saved = Instant::now();
            observer.epoch(epoch, &score, best);
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
        let shards = into_shards(step, workers.len(), config.schedule.pass_tokens);
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
            tokens: step.iter().map(Example::upper_tokens).sum(),
            seconds: started.elapsed().as_secs_f64(),
        })
    }
}

/// The step's weights, packed into the memory of the last step's.
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
