//! `experiment`: the paper's comparison as one command.
//!
//! Data flow: a [`plan`] becomes a list of commands, the very ones that a user would type (`tokenize`, `train m2`, `eval m2`); those whose results are
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
use crate::cli::lexicon;
use crate::cli::m2::{EvalArguments, TrainArguments};
use crate::cli::tokenize::{self, TokenizeArguments};
use crate::cli::train_unigram;
use crate::tokenize::method::{LexiconOf, Method};
use crate::tokenize::shards::{Manifest, Rows};
use crate::tokenize::tokenizer::Tokenizer;
use crate::train::checkpoint::Checkpoint;
use crate::train::m2::{self, Figures};
use entropy::{Counter, Divergence};
use plan::Plan;
use stability::Fixed;

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
    /// The beginning of the held-out text, for [`stability`], and its words.
    pub sample: Vec<u8>,
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
    /// Name and id of M1, the lexicon or the subwords, where the method has one.
    pub model: Option<String>,
    /// Of the training and the held-out tokens.
    pub sha256: [String; 2],
    /// Of the text that they were made of.
    pub text_sha256: [String; 2],
    /// Of the training tokens, the first [`COUNTED`] of them, where they are bits.
    pub divergence: Option<Divergence>,
    /// What [`stability::text_to_tokens`] says.
    pub stability: Option<f64>,
    /// What [`stability::token_to_text`] says.
    pub fixed: Option<Fixed>,
}

/// Text that a vocabulary of subwords or an optimal lexicon is made from, as an option.
const MODEL_TEXT: &str = "16M";
/// Bytes of held-out text in which is counted what tokens fix.
const FIXED_FROM: usize = 200_000;
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

/// Makes a file that a method needs, with these options.
type Build = fn(&[String]) -> Result<()>;

fn train_unigram(line: &[String]) -> Result<()> {
    train_unigram::run(&parse::<train_unigram::UnigramArguments>(line)?)
}

fn build_lexicon(line: &[String]) -> Result<()> {
    lexicon::run(&lexicon::Lexicon::Build(parse::<lexicon::BuildArguments>(&[line, &words(&["-q"])].concat())?))
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
        let model = self.model(method, &mut commands)?;

        let (mut tokenizations, mut manifests) = (Vec::new(), Vec::new());
        for (output, files, tokens) in
            [(&train, &self.corpus, wanted), (&test, &self.test, measured_rows * u64::from(*sequence))]
        {
            let mut line: Vec<String> = files.clone();
            line.extend(plan::options(method));
            line.extend(model.clone());
            line.extend(words(&["--sequence", &sequence.to_string(), "--tokens", &tokens.to_string(), "-o", output]));
            let command = format!("equalinfo tokenize {}", line.join(" "));
            line.push("-q".to_owned());
            let arguments: TokenizeArguments = parse(&line)?;
            tokenize::run(&arguments, &command)?;
            commands.push(command);
            if interrupt::requested() {
                return Ok(None);
            }
            manifests.push(Manifest::complete(Path::new(output))?);
            tokenizations.push(arguments);
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
            "m2",
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
        commands.push(format!("equalinfo eval {}", line.join(" ")));
        line.remove(0);
        let figures = m2::measure(&parse::<EvalArguments>(&line)?)?;
        let (divergence, (stability, fixed)) = match known {
            Some(known) => (known.divergence.clone(), (known.stability, known.fixed.clone())),
            None => (divergence(Path::new(&train), &manifests[0])?, self.stability(method, &tokenizations[1])?),
        };
        Ok(Some(Outcome {
            preset: preset.to_owned(),
            method: method.clone(),
            figures,
            commands,
            seed: *seed,
            model: manifests[0]
                .settings
                .model
                .clone()
                .zip(manifests[0].settings.model_id.clone())
                .map(|(name, id)| format!("{name} {id}")),
            sha256: [manifests[0].sha256(), manifests[1].sha256()],
            text_sha256: [manifests[0].text_sha256(), manifests[1].text_sha256()],
            divergence,
            stability,
            fixed,
        }))
    }

    /// What the method needs as options of `tokenize`: M1, or a file that is made if it is not there.
    fn model(&self, method: &Method, commands: &mut Vec<String>) -> Result<Vec<String>> {
        let m1 = &self.plan.m1;
        let file = |name: &str| self.directory.join("models").join(name).display().to_string();
        let (command, build, mut line, option, path): (_, Build, _, _, _) = match method {
            _ if method.needs_m1() => return Ok(words(&["--model", m1])),
            Method::Unigram { pieces } => {
                let path = match &self.plan.tokenizer {
                    Some(path) => return Ok(words(&["--tokenizer", path])),
                    None => file(&format!("unigram-{pieces}.json")),
                };
                let mut line = words(&["--corpus"]);
                line.extend(self.corpus.clone());
                line.extend(words(&["--limit", MODEL_TEXT, "--vocabulary", &pieces.to_string()]));
                ("train unigram", train_unigram, line, "--tokenizer", path)
            }
            Method::Lexicon { kind: LexiconOf::WindowCode, .. } => {
                let line = words(&["--kind", "window-code", "--model", m1]);
                ("lexicon build", build_lexicon, line, "--lexicon", file("window-code.lex"))
            }
            Method::Lexicon { kind: LexiconOf::Optimal, .. } => {
                let mut line = words(&["--kind", "optimal", "--model", m1, "--corpus"]);
                line.extend(self.corpus.clone());
                line.extend(words(&["--limit", MODEL_TEXT]));
                ("lexicon build", build_lexicon, line, "--lexicon", file("optimal.lex"))
            }
            _ => return Ok(Vec::new()),
        };
        line.extend(words(&["-o", &path]));
        commands.push(format!("equalinfo {command} {}", line.join(" ")));
        if !Path::new(&path).exists() {
            self.say(&format!("{method}: {command}"));
            fs::create_dir_all(self.directory.join("models")).context("the directory of the experiment")?;
            build(&line)?;
        }
        Ok(words(&[option, &path]))
    }

    fn stability(&self, method: &Method, arguments: &TokenizeArguments) -> Result<(Option<f64>, Option<Fixed>)> {
        if matches!(method, Method::Seq2seq { .. }) {
            return Ok((None, None));
        }
        let model = arguments.load_model()?;
        let tokenizer = Tokenizer::new(method.clone(), &model, model.context())?;
        let edits = stability::text_to_tokens(&tokenizer, &self.words)?;
        let fixed = stability::token_to_text(&tokenizer, &self.sample[..self.sample.len().min(FIXED_FROM)])?;
        Ok((edits, fixed))
    }
}

fn divergence(directory: &Path, manifest: &Manifest) -> Result<Option<Divergence>> {
    if !manifest.settings.method.is_bits() {
        return Ok(None);
    }
    let mut rows = Rows::open(directory, manifest)?;
    let mut counter = Counter::new(manifest.settings.vocabulary.ilog2());
    for index in 0..rows.len().min(COUNTED.div_ceil(manifest.settings.sequence)) {
        counter.push(&rows.row(index)?.ids);
    }
    Ok(Some(counter.divergence()))
}
