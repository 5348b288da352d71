//! `experiment`: the paper's comparison as one command.
//!
//! Data flow: a [`plan`] becomes a list of commands, the very ones that a user would type (`tokenize`, `train m2`, `eval-m2`); those whose results are
//! there are passed over, interrupted ones go on. All results together become a [`report`].

pub mod entropy;
pub mod paper;
pub mod plan;
pub mod report;
pub mod stability;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::{Args, Parser};
use serde::{Deserialize, Serialize};

use crate::cli::files::write;
use crate::cli::interrupt;
use crate::cli::m2::{EvalArguments, TrainArguments};
use crate::cli::tokenize::{self, TokenizeArguments};
use crate::model::LoadedModel;
use crate::tokenize::method::{Method, Tokenizer};
use crate::tokenize::shards::{Manifest, Rows};
use crate::train::checkpoint::Checkpoint;
use crate::train::m2::{self, Figures};
use entropy::{Counter, Divergence};
use plan::Plan;

/// An experiment in its directory.
pub struct Experiment {
    pub plan: Plan,
    /// Where everything goes.
    pub directory: PathBuf,
    /// Training text and held-out text.
    pub corpus: Vec<String>,
    pub test: Vec<String>,
    /// As on the command line.
    pub device: String,
    /// Words of the held-out text, for [`stability`].
    pub words: Vec<String>,
    pub quiet: bool,
}

/// A measured M2.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Outcome {
    pub preset: String,
    pub method: Method,
    pub figures: Figures,
    /// The commands that made it, in order.
    pub commands: Vec<String>,
    pub seed: u64,
    /// Of the training and the held-out tokens.
    pub sha256: [String; 2],
    /// Of the training tokens, the first [`COUNTED`] of them.
    pub divergence: Divergence,
    /// What [`stability::text_to_tokens`] says.
    pub stability: Option<f64>,
}

/// Tokens whose bits are counted.
const COUNTED: usize = 1 << 23;

/// Options of a command, read as from the command line.
#[derive(Parser)]
struct Line<A: Args> {
    #[command(flatten)]
    arguments: A,
}

fn parse<A: Args>(line: &[String]) -> Result<A> {
    let words = std::iter::once("equalinfo").chain(line.iter().map(String::as_str));
    Ok(Line::<A>::try_parse_from(words).with_context(|| line.join(" "))?.arguments)
}

fn words(line: &[&str]) -> Vec<String> {
    line.iter().map(|&word| word.to_owned()).collect()
}

/// A name for files: letters, digits and hyphens of a method's name.
fn file_name(method: &Method) -> String {
    let name = method.to_string().to_lowercase();
    let name: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    name.trim_matches('-').to_owned()
}

fn digest(manifest: &Manifest) -> String {
    use sha2::{Digest, Sha256};
    let all = manifest.shards.iter().fold(Sha256::new(), |all, shard| all.chain_update(&shard.sha256)).finalize();
    all.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Experiment {
    /// Runs what is missing, and returns all outcomes in the order of the plan. `None`: interrupted.
    ///
    /// # Errors
    /// Those of the commands.
    pub fn run(&self) -> Result<Option<Vec<Outcome>>> {
        fs::create_dir_all(&self.directory)
            .with_context(|| format!("{}: cannot make this directory", self.directory.display()))?;
        self.keep_plan()?;
        interrupt::make_graceful();
        let mut outcomes = Vec::new();
        for preset in &self.plan.presets {
            for method in &self.plan.methods {
                let path = self.directory.join("results").join(format!("{}-{preset}.json", file_name(method)));
                if let Ok(text) = fs::read(&path) {
                    outcomes
                        .push(serde_json::from_slice(&text).with_context(|| format!("{}: damaged", path.display()))?);
                    continue;
                }
                self.say(&format!("{method}, {preset}"));
                let known = outcomes.iter().find(|outcome: &&Outcome| outcome.method == *method);
                let Some(outcome) = self.measure(preset, method, known)? else { return Ok(None) };
                write(&path, &serde_json::to_vec_pretty(&outcome)?)?;
                outcomes.push(outcome);
            }
        }
        Ok(Some(outcomes))
    }

    fn say(&self, text: &str) {
        if !self.quiet {
            eprintln!("experiment: {text}");
        }
    }

    /// A directory holds one experiment.
    fn keep_plan(&self) -> Result<()> {
        let path = self.directory.join("plan.toml");
        let lines = |paths: &[String]| paths.join(" ");
        let text = format!(
            "# corpus: {}\n# test: {}\n{}",
            lines(&self.corpus),
            lines(&self.test),
            toml::to_string_pretty(&self.plan)?
        );
        match fs::read_to_string(&path) {
            Ok(found) if found == text => Ok(()),
            Ok(_) => bail!("{}: holds another experiment; choose another --output", self.directory.display()),
            Err(_) => write(&path, text.as_bytes()),
        }
    }

    /// `known`: an outcome of the same method with another preset; what does not depend on M2 is taken from it.
    fn measure(&self, preset: &str, method: &Method, known: Option<&Outcome>) -> Result<Option<Outcome>> {
        let Plan { m1, batch, sequence, seed, measured_rows, optimizer, .. } = &self.plan;
        let directory = |kind: &str| self.directory.join(kind).join(file_name(method)).display().to_string();
        let (train, test) = (directory("train"), directory("test"));
        let wanted = self.plan.token_steps(method) * *batch as u64 * u64::from(*sequence);
        let mut commands = Vec::new();

        let mut manifests = Vec::new();
        for (output, files, tokens) in
            [(&train, &self.corpus, wanted), (&test, &self.test, measured_rows * u64::from(*sequence))]
        {
            let mut line: Vec<String> = files.clone();
            line.extend(plan::options(method));
            if method.needs_m1() {
                line.extend(words(&["--model", m1]));
            }
            line.extend(words(&["--sequence", &sequence.to_string(), "--tokens", &tokens.to_string(), "-o", output]));
            commands.push(format!("equalinfo tokenize {}", line.join(" ")));
            line.push("-q".to_owned());
            tokenize::run(&parse::<TokenizeArguments>(&line)?)?;
            if interrupt::requested() {
                return Ok(None);
            }
            manifests.push(Manifest::complete(Path::new(output))?);
        }

        let run = self.directory.join("runs").join(format!("{}-{preset}", file_name(method)));
        let output = run.display().to_string();
        let steps = self.plan.steps(method, manifests[0].token_ratio());
        let schedule = if optimizer == "adamw" { "cosine" } else { "rsqrt" };
        #[rustfmt::skip]
        let mut line = words(&[
            "--data", &train, "--dev", &test, "--preset", preset, "--steps", &steps.to_string(), "--batch", &batch.to_string(),
            "--optimizer", optimizer, "--schedule", schedule, "--seed", &seed.to_string(), "--device", &self.device, "-o", &output,
        ]);
        commands.push(format!("equalinfo train m2 {}", line.join(" ")));
        let every = (steps / 5).max(1).to_string();
        line.extend(words(&["--validate-every", &every, "--save-every", &every]));
        if self.quiet {
            line.push("-q".to_owned());
        }
        let checkpoint = run.join("checkpoint.safetensors");
        let done = if checkpoint.exists() {
            line.push("--resume".to_owned());
            Checkpoint::load(&checkpoint)?.state.step
        } else {
            0
        };
        if done < steps {
            m2::train(&parse::<TrainArguments>(&line)?)?;
        }
        if interrupt::requested() {
            return Ok(None);
        }

        let mut line = words(&[
            &checkpoint.display().to_string(),
            "--data",
            &test,
            "--training-data",
            &train,
            "--device",
            &self.device,
        ]);
        if method.needs_m1() {
            line.extend(words(&["--model", m1]));
        }
        commands.push(format!("equalinfo eval-m2 {}", line.join(" ")));
        let figures = m2::measure(&parse::<EvalArguments>(&line)?)?;
        let (divergence, stability) = match known {
            Some(known) => (known.divergence.clone(), known.stability),
            None => (divergence(Path::new(&train), &manifests[0])?, self.stability(method)?),
        };
        Ok(Some(Outcome {
            preset: preset.to_owned(),
            method: method.clone(),
            figures,
            commands,
            seed: *seed,
            sha256: [digest(&manifests[0]), digest(&manifests[1])],
            divergence,
            stability,
        }))
    }

    fn stability(&self, method: &Method) -> Result<Option<f64>> {
        let model = if method.needs_m1() { LoadedModel::m1(Some(&self.plan.m1))? } else { LoadedModel::english()? };
        let tokenizer = Tokenizer::new(method.clone(), &model, model.context())?;
        stability::text_to_tokens(&tokenizer, &self.words)
    }
}

fn divergence(directory: &Path, manifest: &Manifest) -> Result<Divergence> {
    let mut rows = Rows::open(directory, manifest)?;
    let mut counter = Counter::new(manifest.settings.vocabulary.ilog2());
    for index in 0..rows.len().min(COUNTED.div_ceil(manifest.settings.sequence)) {
        counter.push(&rows.row(index)?);
    }
    Ok(counter.divergence())
}
