//! `test`: whether streams are whole. Everything is decoded and nothing is written.

use std::io;
use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use super::decompress::{is_damaged, models, restore};
use super::files::Input;
use super::messages::counted;
use super::options::{LexiconArguments, LimitArguments, ModelArguments, ThreadArguments, VerbosityArguments};
use super::{Outcome, jobs, say};
use equalinfo::Decompressor;

/// Options of `test`.
#[derive(Debug, Clone, Args)]
pub struct TestArguments {
    /// Streams; none or - is stdin
    #[arg(value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub files: Vec<PathBuf>,

    #[command(flatten)]
    pub model: ModelArguments,

    #[command(flatten)]
    pub lexicon: LexiconArguments,

    #[command(flatten)]
    pub limits: LimitArguments,

    #[command(flatten)]
    pub threads: ThreadArguments,

    #[command(flatten)]
    pub verbosity: VerbosityArguments,
}

/// Tests every input.
///
/// # Errors
/// The named model cannot be used; errors in single inputs are told and counted.
pub fn run(arguments: &TestArguments) -> Result<Outcome> {
    arguments.model.only_cpu()?;
    let named = arguments.lexicon.load_or_named(&arguments.model)?;
    let mut worst = Outcome::Complete;
    for input in Input::from_arguments(&arguments.files) {
        worst = worst.max(jobs::one(&input.name, || {
            let decompressor = Decompressor::new().models(models(named.as_ref())).threads(arguments.threads.count());
            let decompressor = arguments.limits.limit(decompressor);
            let quiet = arguments.verbosity.quiet;
            let restored = restore(input.open()?, &decompressor, quiet, &mut io::sink())?;
            if is_damaged(&input, &restored) {
                return Ok(Outcome::Damaged);
            }
            if !quiet {
                say!("{}: intact, {} of text", input.name, counted(restored.text, "byte"));
            }
            Ok(Outcome::Complete)
        })?);
    }
    Ok(worst)
}
