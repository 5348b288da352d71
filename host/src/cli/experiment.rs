//! `experiment`: from a plan to a report.

use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use equalinfo_codec::{WindowBits, WindowCode, encode_window};

use super::files::write;
use super::options::{CorpusArguments, Device, VerbosityArguments};
use crate::experiment::Experiment;
use crate::experiment::plan::Plan;
use crate::experiment::report::{self, Origin};
use crate::experiment::stability;
use crate::model::LoadedModel;
use crate::ranks::launch;

/// Options of `experiment`.
///
/// Runs what is missing and continues what was interrupted, whatever ended it; the same command once more only writes the report anew.
#[derive(Debug, Clone, Args)]
pub struct ExperimentArguments {
    /// A shipped plan (smoke, paper-25m, paper-full) or a TOML file
    #[arg(value_name = "NAME|FILE")]
    pub plan: String,

    /// Training text: files, directories or patterns (.txt, .jsonl, .parquet; .gz, .zst, .xz)
    #[arg(long, required = true, num_args = 1.., value_name = "PATH")]
    pub corpus: Vec<String>,

    /// Held-out text
    #[arg(long, required = true, num_args = 1.., value_name = "PATH")]
    pub test: Vec<String>,

    /// M1, instead of the plan's
    #[arg(long, value_name = "NAME|PATH")]
    pub model: Option<String>,

    /// Directory of tokens, runs, results and report (default: experiments/NAME)
    #[arg(short, long, value_name = "DIRECTORY")]
    pub output: Option<PathBuf>,

    /// Where M2 is trained
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    pub device: Device,

    #[command(flatten)]
    pub verbosity: VerbosityArguments,
}

/// Runs an experiment and writes its report.
///
/// # Errors
/// The plan is none, a command of it fails, or it was interrupted.
pub fn run(arguments: &ExperimentArguments) -> Result<()> {
    ensure!(
        launch::from_environment()?.is_none_or(|launch| launch.count == 1),
        "an experiment is one process; start its 'train m2' commands, which the report lists, with the launcher instead"
    );
    let mut plan = Plan::load(&arguments.plan)?;
    if let Some(model) = &arguments.model {
        plan.m1.clone_from(model);
    }
    let m1 = LoadedModel::m1(Some(&plan.m1))?;
    let stem = PathBuf::from(&arguments.plan);
    let stem = stem.file_stem().context("the plan has no name")?;
    let directory = arguments.output.clone().unwrap_or_else(|| PathBuf::from("experiments").join(stem));
    let device = match arguments.device {
        Device::Auto => "auto",
        Device::Cpu => "cpu",
        Device::Cuda => "cuda",
    };
    let sample = beginning(&arguments.test, SAMPLE)?;
    let experiment = Experiment {
        plan,
        directory: directory.clone(),
        corpus: arguments.corpus.clone(),
        test: arguments.test.clone(),
        device: device.to_owned(),
        words: stability::words(&sample),
        sample,
        quiet: arguments.verbosity.quiet,
    };
    let Some(outcomes) = experiment.run()? else {
        bail!("interrupted; the same command goes on where it was");
    };
    let command = super::command_line();
    let windows = windows(&m1, &experiment.sample[..experiment.sample.len().min(SHOWN)])?;
    let origin = Origin {
        title: &experiment.plan.title,
        command: &command,
        m1: &format!("{} {:016x}", m1.name(), m1.id()),
        version: env!("CARGO_PKG_VERSION"),
        windows: &windows,
    };
    let report = report::report(&origin, &outcomes)?;
    for (name, text) in [("report.html", &report.html), ("report.md", &report.markdown), ("results.csv", &report.csv)] {
        write(&directory.join(name), text.as_bytes())?;
    }
    if !arguments.verbosity.quiet {
        eprintln!("{} results: {}", outcomes.len(), directory.join("report.html").display());
    }
    Ok(())
}

/// Bytes of held-out text that the report shows in windows.
const SHOWN: usize = 700;

/// Bytes of held-out text whose words are looked at.
const SAMPLE: u64 = 1 << 20;

/// The first bytes of a corpus.
fn beginning(files: &[String], limit: u64) -> Result<Vec<u8>> {
    let reading = CorpusArguments { text_field: "text".into(), lines: false, shard: None, limit: Some(limit) };
    let mut text = Vec::new();
    for document in reading.corpus(files)?.documents() {
        text.extend(document?);
    }
    Ok(text)
}

/// The windows of a text.
fn windows(m1: &LoadedModel, text: &[u8]) -> Result<Vec<String>> {
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
