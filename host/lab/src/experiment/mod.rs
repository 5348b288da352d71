//! The paper's comparison: a plan becomes results and a report.
//!
//! Data flow: for each method and size of M2 in a [`plan`], text becomes tokens, an M2 is trained on them and measured on others. What is there is
//! passed over and what was interrupted continues. Beside its figures a result keeps the [`command`]s that a user would type for it.
//! All results together become a [`report`]: with how stable tokens are ([`stability`]), how far they are from random bits ([`entropy`]), and what the paper
//! found ([`paper`]).

pub mod command;
pub mod entropy;
mod identity;
pub mod paper;
pub mod plan;
pub mod report;
pub mod stability;

use std::fs;
use std::path::{Path, PathBuf};

use equalinfo::corpus::{Corpus, CorpusOptions};
use equalinfo::cuda::DeviceChoice;
use equalinfo::files::{DirectoryLock, write};
use equalinfo::lexicon::LexiconKind;
use equalinfo::tokens::Tokenizer;
use equalinfo::tokens::shards::{Manifest, Rows};
use equalinfo::tokens::{LexiconOf, TokenMethod};
use equalinfo::{Model, store};
use equalinfo_codec::{WindowBits, WindowCode, encode_window};
use equalinfo_train::TrainError;
use equalinfo_train::checkpoint::Kind;
use equalinfo_train::cpu::matmul::Precision;
use equalinfo_train::directory::Directory as RunDirectory;
use equalinfo_train::m2::{self, Figures, M2Options, MeasureOptions, Preset};
use equalinfo_train::metrics::Metrics;
use equalinfo_train::observer::Observer;
use equalinfo_train::optimizer::{OptimizerKind, Schedule};
use equalinfo_train::ranks::launch;
use equalinfo_train::run::RunControl;
use serde::{Deserialize, Serialize};

use crate::prepare::{
    self, LexiconOptions, ModelFile, SubwordOptions, SubwordTrainer, TokenizeOptions, lexicon, subwords,
};
use crate::{LabError, Result};
use command::Command;
use entropy::{BitCounter, Divergence};
use identity::Identity;
use plan::Plan;
use report::{Origin, Report};
use stability::FixedText;

/// What is compared, on which text, and where everything goes.
#[derive(Debug, Clone)]
pub struct ExperimentOptions {
    /// Methods, sizes of M2 and a budget.
    pub plan: Plan,
    /// Directory of tokens, runs, results and report.
    pub directory: PathBuf,
    /// Training text: files, directories or patterns.
    pub corpus: Vec<String>,
    /// Held-out text.
    pub test: Vec<String>,
    /// Where M2 is trained.
    pub device: DeviceChoice,
    /// Threads of the CPU.
    pub threads: usize,
}

/// Follows an experiment, the training of its models included. Every method has a default.
pub trait ExperimentObserver: Observer {
    /// A result that is not there yet is being made.
    fn measuring(&mut self, method: &TokenMethod, preset: Preset, seed: u64) {
        let _ = (method, preset, seed);
    }

    /// Training sees its tokens more than once: so many times.
    fn repeating(&mut self, method: &TokenMethod, epochs: f64) {
        let _ = (method, epochs);
    }

    /// A file that a method needs is being made.
    fn preparing(&mut self, method: &TokenMethod, command: &Command) {
        let _ = (method, command);
    }
}

impl ExperimentObserver for () {}

/// An M2 that was measured, with where its figures come from.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct MethodResult {
    /// Size of M2.
    pub preset: Preset,
    /// How text became tokens.
    pub method: TokenMethod,
    /// How well M2 does.
    pub figures: Figures,
    /// The commands that made it, in order.
    pub commands: Vec<String>,
    /// Decided initial weights and the order of the rows.
    pub seed: u64,
    /// Tokens trained on, and bits/byte of held-out text then.
    #[serde(default)]
    pub curve: Vec<(u64, f64)>,
    /// Name and id of M1, the lexicon or the subwords, where the method has one.
    pub model: Option<String>,
    /// Of the training and the held-out tokens.
    pub sha256: [String; 2],
    /// Of the text that they were made of.
    pub text_sha256: [String; 2],
    /// Of the first 8,388,608 training tokens, where they are bits.
    pub divergence: Option<Divergence>,
    /// See [`stability::text_to_tokens`].
    pub stability: Option<f64>,
    /// See [`stability::token_to_text`].
    pub fixed: Option<FixedText>,
}

/// Bytes of text that a vocabulary of subwords or an optimal lexicon is made from.
const MODEL_TEXT: u64 = 16 << 20;
/// Bytes of held-out text in which is counted what tokens fix.
const FIXED_FROM: usize = 200_000;
/// One in how many tokens of SuperBPE is merged across words: what its authors found best for a model.
const SUPERWORD_SHARE: usize = 10;
/// Tokens whose bits are counted.
const COUNTED: usize = 1 << 23;
/// Bytes of held-out text that the report shows in windows.
const SHOWN: usize = 700;
/// Bytes of held-out text whose words are looked at.
const SAMPLE: u64 = 1 << 20;
/// Points of a learning curve.
const VALIDATIONS: u64 = 10;

/// A name for files: letters, digits and hyphens of a method's name.
pub(crate) fn file_name(method: &TokenMethod) -> String {
    let name = method.to_string().to_lowercase();
    let name: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    name.trim_matches('-').to_owned()
}

impl ExperimentOptions {
    /// The steps that make one result, for training tokens that stand for `token_ratio` bytes each: what the tool does when a user types them.
    pub fn commands(&self, preset: Preset, method: &TokenMethod, seed: u64, token_ratio: f64) -> Vec<Command> {
        let (model, preparation) = self.token_model(method);
        preparation
            .into_iter()
            .chain(self.tokenizations(method, &model).map(Command::Tokenize))
            .chain([
                Command::TrainM2(Box::new(self.training(preset, method, seed, token_ratio))),
                Command::MeasureM2(self.measurement(preset, method, seed)),
            ])
            .collect()
    }

    fn tokens_directory(&self, kind: &str, method: &TokenMethod) -> PathBuf {
        self.directory.join(kind).join(file_name(method))
    }

    /// The name of a run and its result. The plan's first seed has none in it.
    fn run_name(&self, preset: Preset, method: &TokenMethod, seed: u64) -> String {
        let seed = if seed == self.plan.seed { String::new() } else { format!("-seed-{seed}") };
        format!("{}-{}{seed}", file_name(method), preset.name())
    }

    fn run_directory(&self, preset: Preset, method: &TokenMethod, seed: u64) -> RunDirectory {
        RunDirectory(self.directory.join("runs").join(self.run_name(preset, method, seed)))
    }

    /// What the method reads beside the text, and how that is made if it is not there.
    fn token_model(&self, method: &TokenMethod) -> (ModelFile, Option<Command>) {
        let m1 = Some(self.plan.m1.clone());
        let file = |name: &str| self.directory.join("models").join(name);
        let lexicon = |kind, corpus: &[String], name: &str| {
            let (model, threads, output) = (m1.clone(), self.threads, file(name));
            let options =
                LexiconOptions { kind, model, corpus: corpus.to_vec(), limit: MODEL_TEXT, context: None, threads };
            (ModelFile::Lexicon(output.clone()), Some(Command::BuildLexicon { options, output }))
        };
        match method {
            _ if method.needs_m1() => (ModelFile::M1(m1), None),
            TokenMethod::Unigram { pieces } | TokenMethod::Bpe { pieces } | TokenMethod::SuperBpe { pieces } => {
                if let Some(path) = &self.plan.tokenizer {
                    return (ModelFile::Subwords(path.into()), None);
                }
                let (name, trainer) = match method {
                    TokenMethod::Bpe { .. } => ("bpe", SubwordTrainer::Bpe { superwords: 0 }),
                    TokenMethod::SuperBpe { .. } => {
                        ("superbpe", SubwordTrainer::Bpe { superwords: pieces / SUPERWORD_SHARE })
                    }
                    _ => ("unigram", SubwordTrainer::Unigram),
                };
                let output = file(&format!("{name}-{pieces}.json"));
                let reading = CorpusOptions { limit: Some(MODEL_TEXT), ..CorpusOptions::default() };
                let options = SubwordOptions { corpus: self.corpus.clone(), reading, vocabulary: *pieces, trainer };
                (ModelFile::Subwords(output.clone()), Some(Command::TrainSubwords { options, output }))
            }
            TokenMethod::Lexicon { kind: LexiconOf::WindowCode, .. } => {
                lexicon(LexiconKind::WindowCode, &[], "window-code.lex")
            }
            TokenMethod::Lexicon { kind: LexiconOf::Optimal, .. } => {
                lexicon(LexiconKind::Optimal, &self.corpus, "optimal.lex")
            }
            _ => (ModelFile::M1(None), None),
        }
    }

    /// How the training text and the held-out text become tokens.
    fn tokenizations(&self, method: &TokenMethod, model: &ModelFile) -> [TokenizeOptions; 2] {
        let Plan { batch, sequence, measured_rows, .. } = self.plan;
        let wanted = self.plan.token_steps(method) * batch as u64 * u64::from(sequence);
        let measured = measured_rows * u64::from(sequence);
        [("train", &self.corpus, wanted), ("test", &self.test, measured)].map(|(kind, files, tokens)| TokenizeOptions {
            files: files.clone(),
            output: self.tokens_directory(kind, method),
            method: method.clone(),
            model: model.clone(),
            sequence: sequence as usize,
            end_of_document: self.plan.end_of_document,
            tokens: Some(tokens),
            threads: self.threads,
            ..TokenizeOptions::default()
        })
    }

    fn training(&self, preset: Preset, method: &TokenMethod, seed: u64, token_ratio: f64) -> M2Options {
        let steps = self.plan.steps(method, token_ratio);
        let every = (steps / VALIDATIONS).max(1);
        M2Options {
            data: vec![self.tokens_directory("train", method).into()],
            dev: Some(self.tokens_directory("test", method)),
            output: Some(self.run_directory(preset, method, seed).0),
            preset: Some(preset),
            steps: Some(steps),
            batch: Some(self.plan.batch),
            optimizer: Some(self.plan.optimizer),
            schedule: Some(match self.plan.optimizer {
                OptimizerKind::Adamw | OptimizerKind::Muon => Schedule::Cosine,
                OptimizerKind::Adafactor => Schedule::Rsqrt,
            }),
            seed: Some(seed),
            precision: (self.device != DeviceChoice::Cuda).then(Precision::detect),
            control: RunControl { validate_every: every, save_every: every, ..RunControl::default() },
            device: self.device,
            threads: Some(self.threads),
            ..M2Options::default()
        }
    }

    fn measurement(&self, preset: Preset, method: &TokenMethod, seed: u64) -> MeasureOptions {
        MeasureOptions {
            checkpoint: self.run_directory(preset, method, seed).checkpoint(),
            data: self.tokens_directory("test", method),
            training_data: vec![self.tokens_directory("train", method).into()],
            model: method.needs_m1().then(|| self.plan.m1.clone()),
            rows: None,
            device: self.device,
            threads: self.threads,
        }
    }
}

/// An experiment in its directory.
pub struct Experiment {
    options: ExperimentOptions,
    m1: Model,
    /// The beginning of the held-out text, for [`stability`], and its words.
    sample: Vec<u8>,
    words: Vec<String>,
}

impl Experiment {
    /// Loads M1 and the beginning of the held-out text.
    ///
    /// # Errors
    /// One of them cannot be read, or a launcher started this process as one of several ([`LabError::SeveralRanks`]).
    pub fn new(options: ExperimentOptions) -> Result<Self> {
        if let Some(launch) = launch::from_environment().map_err(TrainError::from)?.filter(|launch| launch.count > 1) {
            return Err(LabError::SeveralRanks(launch.count));
        }
        let m1 = store::named(&options.plan.m1)?;
        let reading = CorpusOptions { limit: Some(SAMPLE), ..CorpusOptions::default() };
        let mut sample = Vec::new();
        for document in Corpus::new(&options.test, reading)?.documents() {
            sample.extend(document?);
        }
        Ok(Self { options, m1, words: stability::words(&sample), sample })
    }

    /// Makes what is missing, and returns all results in the order of the plan. `None`: the observer asked to stop; the same call continues.
    ///
    /// # Errors
    /// Those of the steps, or the directory holds another experiment ([`LabError::OtherExperiment`]).
    pub fn run(&self, observer: &mut dyn ExperimentObserver) -> Result<Option<Vec<MethodResult>>> {
        let ExperimentOptions { plan, directory, .. } = &self.options;
        // First what may fail without a directory.
        let identity = Identity::new(&self.options, &self.m1)?;
        let _lock = DirectoryLock::take(directory)?;
        identity.keep(directory)?;
        let mut results: Vec<MethodResult> = Vec::new();
        let seeds = |(preset, method)| plan.seeds().map(move |seed| (preset, method, seed));
        let methods = |&preset| plan.methods.iter().map(move |method| (preset, method));
        for (preset, method, seed) in plan.presets.iter().flat_map(methods).flat_map(seeds) {
            let path = directory.join("results").join(self.options.run_name(preset, method, seed) + ".json");
            if let Ok(text) = fs::read(&path) {
                let damaged = |source| LabError::Damaged { path: path.clone(), source };
                let result: MethodResult = serde_json::from_slice(&text).map_err(damaged)?;
                if (&result.method, result.preset, result.seed) != (method, preset, seed) {
                    let found = format!("{}, {}, seed {}", result.method, result.preset, result.seed);
                    let expected = format!("{method}, {preset}, seed {seed}");
                    return Err(LabError::OtherResult { path, found, expected });
                }
                results.push(result);
                continue;
            }
            observer.measuring(method, preset, seed);
            let known = results.iter().find(|result| result.method == *method);
            let Some(result) = self.measure(preset, method, seed, known, observer)? else { return Ok(None) };
            write(&path, &serde_json::to_vec_pretty(&result).map_err(LabError::library)?)?;
            results.push(result);
        }
        Ok(Some(results))
    }

    /// `known`: a result of the same method with another preset; what does not depend on M2 is taken from it.
    fn measure(
        &self,
        preset: Preset,
        method: &TokenMethod,
        seed: u64,
        known: Option<&MethodResult>,
        observer: &mut dyn ExperimentObserver,
    ) -> Result<Option<MethodResult>> {
        let options = &self.options;
        let mut commands = Vec::new();
        let (model, preparation) = options.token_model(method);
        if let Some(command) = preparation {
            commands.push(command.to_string());
            prepare_model(method, &command, observer)?;
        }

        let tokenizations = options.tokenizations(method, &model);
        let mut manifests = Vec::new();
        for tokenization in &tokenizations {
            let command = Command::Tokenize(tokenization.clone()).to_string();
            prepare::tokens::tokenize(tokenization, &tokenization.corpus()?, &command, |_| ())?;
            commands.push(command);
            if observer.should_stop() {
                return Ok(None);
            }
            manifests.push(Manifest::complete(&tokenization.output)?);
        }

        let mut training = options.training(preset, method, seed, manifests[0].token_ratio());
        commands.push(Command::TrainM2(Box::new(training.clone())).to_string());
        let epochs = (training.steps.unwrap_or(0) * options.plan.batch as u64) as f64 / manifests[0].rows() as f64;
        if epochs > 1.0 {
            observer.repeating(method, epochs);
        }
        let directory = options.run_directory(preset, method, seed);
        let latest = directory.latest(Kind::M2)?;
        training.resume = latest.is_some();
        // Of a newest checkpoint that does not read back, the steps are done again.
        let is_done = latest.is_some_and(|latest| {
            latest.recovery.is_none() && training.steps.is_some_and(|steps| latest.checkpoint.state.step >= steps)
        });
        if !is_done {
            let is_complete = m2::Run::new(training)?.train(observer)?;
            if !is_complete {
                return Ok(None);
            }
        }

        let measurement = options.measurement(preset, method, seed);
        commands.push(Command::MeasureM2(measurement.clone()).to_string());
        let figures = m2::measure(&measurement)?;
        let (divergence, (stability, fixed)) = match known {
            Some(known) => (known.divergence.clone(), (known.stability, known.fixed.clone())),
            None => (divergence(&tokenizations[0].output, &manifests[0])?, self.stability(method, &tokenizations[1])?),
        };
        let settings = &manifests[0].settings;
        Ok(Some(MethodResult {
            preset,
            method: method.clone(),
            figures,
            commands,
            seed,
            curve: curve(&directory)?,
            model: settings.model.clone().zip(settings.model_id.clone()).map(|(name, id)| format!("{name} {id}")),
            sha256: [manifests[0].sha256(), manifests[1].sha256()],
            text_sha256: [manifests[0].text_sha256(), manifests[1].text_sha256()],
            divergence,
            stability,
            fixed,
        }))
    }

    fn stability(
        &self,
        method: &TokenMethod,
        tokenization: &TokenizeOptions,
    ) -> Result<(Option<f64>, Option<FixedText>)> {
        if matches!(method, TokenMethod::Seq2seq { .. }) {
            return Ok((None, None));
        }
        let model = tokenization.load_model()?;
        let context = model.context();
        let tokenizer = Tokenizer::new(method.clone(), model, context)?;
        let edits = stability::text_to_tokens(&tokenizer, &self.words)?;
        let fixed = stability::token_to_text(&tokenizer, &self.sample[..self.sample.len().min(FIXED_FROM)])?;
        Ok((edits, fixed))
    }

    /// The report of these results; `command` is what it says that made it.
    ///
    /// # Errors
    /// A plot cannot be drawn ([`LabError::Plot`]).
    pub fn report(&self, command: &str, results: &[MethodResult]) -> Result<Report> {
        let origin = Origin {
            title: &self.options.plan.title,
            command,
            m1: &format!("{} {:016x}", self.m1.name(), self.m1.id()),
            version: env!("CARGO_PKG_VERSION"),
            windows: &windows(&self.m1, &self.sample[..self.sample.len().min(SHOWN)])?,
        };
        report::report(&origin, results)
    }
}

/// Makes the file that a method needs, unless it is there.
fn prepare_model(method: &TokenMethod, command: &Command, observer: &mut dyn ExperimentObserver) -> Result<()> {
    let (Command::TrainSubwords { output, .. } | Command::BuildLexicon { output, .. }) = command else { return Ok(()) };
    if output.exists() {
        return Ok(());
    }
    observer.preparing(method, command);
    match command {
        Command::TrainSubwords { options, .. } => {
            write(output, subwords::train(options, &options.corpus()?)?.as_bytes())?
        }
        Command::BuildLexicon { options, .. } => {
            write(output, lexicon::build(options, options.corpus()?.as_ref())?.lexicon.bytes())?
        }
        Command::Tokenize(_) | Command::TrainM2(_) | Command::MeasureM2(_) => {}
    }
    Ok(())
}

/// What a run's metrics say of held-out text.
fn curve(run: &RunDirectory) -> Result<Vec<(u64, f64)>> {
    let path = run.metrics();
    let text = fs::read_to_string(&path).map_err(LabError::library)?;
    let damaged = |source| LabError::Damaged { path: path.clone(), source };
    let lines = text.lines().map(|line| serde_json::from_str::<Metrics>(line).map_err(damaged));
    lines.filter_map(|line| line.map(|line| Some((line.positions, line.dev_bits_per_byte?))).transpose()).collect()
}

fn divergence(directory: &Path, manifest: &Manifest) -> Result<Option<Divergence>> {
    if !manifest.settings.method.is_bits() {
        return Ok(None);
    }
    let mut rows = Rows::open(directory, manifest)?;
    let mut counter = BitCounter::new(manifest.settings.method.vocabulary().ilog2());
    for index in 0..rows.len().min(COUNTED.div_ceil(manifest.settings.sequence)) {
        // The bits of a document are a run of their own.
        for ids in rows.row(index)?.ids.split(|&id| Some(id) == manifest.settings.end()) {
            counter.push(ids);
        }
    }
    Ok(Some(counter.divergence()))
}

/// The windows of a text.
fn windows(m1: &Model, text: &[u8]) -> Result<Vec<String>> {
    let mut session = m1.session(m1.context())?;
    let (mut windows, mut rest) = (Vec::new(), text);
    while !rest.is_empty() {
        let window = encode_window(&mut session, WindowBits::B16, WindowCode::Default, m1.context(), rest);
        let (taken, left) = rest.split_at(window.consumed.clamp(1, rest.len()));
        windows.push(String::from_utf8_lossy(taken).into_owned());
        rest = left;
    }
    Ok(windows)
}
