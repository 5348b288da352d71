//! What `compress` and `decompress` do with several files: which output each gets, what becomes of the source, and
//! what an error in one means for the others.
//!
//! Invariant: before the first output is begun, no two files of the call are one ([`refuse_conflicts`]); an error in
//! one file is told and the others are done; a source is removed only after its output is complete and on disk.

use std::fs::Metadata;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;

use super::files::{Destination, Input, Output, is_broken_pipe, refuse_conflicts};
use super::messages::{self, shown};
use super::mistake::Mistake;
use super::{Outcome, say, standard};
use crate::mistake;

/// Where the results go and what becomes of the files they came from.
#[derive(Debug, Clone, Args)]
pub struct OutputArguments {
    /// Output file; - is stdout
    #[arg(short, long, value_name = "FILE", value_hint = clap::ValueHint::FilePath, overrides_with = "stdout")]
    pub output: Option<PathBuf>,

    /// Write to stdout
    #[arg(short = 'c', long, overrides_with = "output")]
    pub stdout: bool,

    /// Overwrite outputs, and write binary data to a terminal
    #[arg(short, long)]
    pub force: bool,

    /// Keep the input files (the default)
    #[arg(short, long, overrides_with = "rm")]
    pub keep: bool,

    /// Remove each input file once its output is complete and on disk; never with stdout
    #[arg(long, overrides_with = "keep")]
    pub rm: bool,

    /// Take the files in directories, and in those below them
    #[arg(short, long)]
    pub recursive: bool,
}

/// An input and where its result goes.
pub struct Job {
    pub input: Input,
    pub destination: Destination,
}

/// How outputs are called after their inputs.
pub struct Naming<'a> {
    /// The output of an input.
    pub output: &'a dyn Fn(&Path) -> Result<PathBuf>,
    /// Whether a file in a directory is taken with `--recursive`.
    pub takes: &'a dyn Fn(&Path) -> bool,
}

impl OutputArguments {
    /// Does `work` for every input that is named; `read` are other files that the command reads.
    ///
    /// # Errors
    /// The files do not go together, or stdout cannot be written; errors in single inputs are told and counted.
    pub fn each(
        &self,
        files: &[PathBuf],
        read: &[&Path],
        naming: &Naming,
        mut work: impl FnMut(&Job) -> Result<Outcome>,
    ) -> Result<Outcome> {
        let mut worst = Outcome::Complete;
        let inputs = self.inputs(files, naming.takes, &mut worst)?;
        let mut jobs = Vec::new();
        for input in inputs.iter().cloned() {
            match self.destination(&input, inputs.len(), naming.output)? {
                Ok(destination) => jobs.push(Job { input, destination }),
                Err(error) => worst = worst.max(failed(&input.name, &error)),
            }
        }
        let also_read: Vec<Input> = read.iter().map(|path| Input::from_argument(path)).collect();
        refuse_conflicts(inputs.iter().chain(&also_read), jobs.iter().map(|job| &job.destination))?;
        if self.rm && jobs.iter().any(|job| job.destination == Destination::Stdout) {
            say!("equalinfo: --rm: nothing is removed whose output goes to stdout");
        }
        for job in jobs {
            worst = worst.max(one(&job.input.name, || work(&job))?);
        }
        Ok(worst)
    }

    /// All inputs, directories replaced by the files in them if that was asked for.
    fn inputs(&self, files: &[PathBuf], takes: &dyn Fn(&Path) -> bool, worst: &mut Outcome) -> Result<Vec<Input>> {
        if !self.recursive {
            return Ok(Input::from_arguments(files));
        }
        if files.is_empty() {
            mistake!("-r expects the names of directories or files");
        }
        let mut inputs = Vec::new();
        for path in files {
            // A directory that is a link was named by the user; those below are not followed.
            if !path.is_dir() {
                inputs.push(Input::from_argument(path));
            } else if let Err(error) = walk(path, takes, &mut inputs) {
                *worst = (*worst).max(failed(&shown(path), &error));
            }
        }
        Ok(inputs)
    }

    /// The destination of one of `inputs` inputs; the inner error is that input's alone.
    fn destination(
        &self,
        input: &Input,
        inputs: usize,
        name: &dyn Fn(&Path) -> Result<PathBuf>,
    ) -> Result<Result<Destination>> {
        if self.stdout {
            return Ok(Ok(Destination::Stdout));
        }
        match (&self.output, &input.path) {
            (Some(output), _) => {
                let destination = Destination::from_argument(output);
                if inputs > 1 && destination != Destination::Stdout {
                    mistake!(
                        "-o {} with {inputs} inputs: several inputs need an output each; omit -o, or use -c to join them",
                        output.display()
                    )
                }
                Ok(Ok(destination))
            }
            (None, None) => Ok(Ok(Destination::Stdout)),
            (None, Some(path)) => Ok(name(path).map(Destination::File)),
        }
    }

    /// Completes an output, and removes its source if that was asked for and may be done.
    ///
    /// # Errors
    /// The output cannot be completed, or the source not be removed.
    pub fn finish(&self, output: Output, input: &Input, source: Option<&Metadata>) -> Result<()> {
        let is_regular_file = output.is_regular_file();
        output.finish(source)?;
        if !self.rm {
            return Ok(());
        }
        if is_regular_file {
            return input.remove(source);
        }
        if self.output.is_some() && !self.stdout {
            say!("equalinfo: {}: not removed, as its output is not a regular file", input.name);
        }
        Ok(())
    }
}

/// Every file of these paths and of the directories among them, in order; - is stdin.
///
/// # Errors
/// A directory cannot be listed.
pub fn files(paths: &[String]) -> Result<Vec<Input>> {
    let mut inputs = Vec::new();
    for path in paths.iter().map(Path::new) {
        if path.is_dir() {
            walk(path, &|_| true, &mut inputs)?;
        } else {
            inputs.push(Input::from_argument(path));
        }
    }
    Ok(inputs)
}

/// The regular files below a directory, sorted; links are not followed, so that nothing is taken twice.
fn walk(directory: &Path, takes: &dyn Fn(&Path) -> bool, inputs: &mut Vec<Input>) -> Result<()> {
    let list = || format!("{}: cannot list the directory", shown(directory));
    let mut entries =
        std::fs::read_dir(directory).with_context(list)?.collect::<Result<Vec<_>, _>>().with_context(list)?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let kind = entry.file_type().with_context(list)?;
        let path = entry.path();
        if kind.is_dir() {
            walk(&path, takes, inputs)?;
        } else if kind.is_file() && takes(&path) {
            inputs.push(Input::from_argument(&path));
        }
    }
    Ok(())
}

/// Does the work for one of several inputs: an error is told, and is the end of everything only if stdout failed or the
/// command line is to blame.
///
/// # Errors
/// Stdout cannot be written, or a [`Mistake`].
pub fn one(name: &str, work: impl FnOnce() -> Result<Outcome>) -> Result<Outcome> {
    match work() {
        Ok(outcome) => Ok(outcome),
        Err(error) if standard::output_failed() || is_broken_pipe(&error) || Mistake::is(&error) => Err(error),
        Err(error) => Ok(failed(name, &error)),
    }
}

/// Tells an error, with the input's name once.
fn failed(name: &str, error: &anyhow::Error) -> Outcome {
    let text = format!("{error:#}{}", messages::hint(error));
    if messages::escaped(&text).starts_with(&format!("{name}: ")) {
        say!("equalinfo: {text}");
    } else {
        say!("equalinfo: {name}: {text}");
    }
    Outcome::Failed
}
