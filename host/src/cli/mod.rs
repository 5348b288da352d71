//! The command line: what the commands are called, which options they take, and what the process answers.

mod cat;
mod compare;
mod compress;
mod decompress;
mod devices;
mod eval;
mod experiment;
mod export;
pub mod files;
mod generate;
mod inspect;
pub mod interrupt;
pub mod lexicon;
pub mod m2;
pub mod options;
pub mod progress;
mod sample;
mod segmentation;
mod table;
pub mod tokenize;
pub mod train;
mod train_static;
pub mod train_unigram;
mod verify;

use anyhow::Result;
use clap::{Parser, Subcommand};

const EXIT_CODES: &str = "\
Exit codes:
  0    success
  1    an error; nothing was written under the output's name
  2    a mistake in the command line
  3    damaged input: every intact block was delivered, the lost ones are named on stderr
  130  interrupted by Ctrl-C; partial outputs were removed
  141  the reader of the output closed the pipe";

/// Neural text compression with a byte language model in integers: the same bits on every machine.
#[derive(Debug, Parser)]
#[command(name = "equalinfo", version, after_help = EXIT_CODES, propagate_version = true, infer_subcommands = false)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Compress files to FILE.eqi
    Compress(compress::CompressArguments),
    /// Restore the files that compress wrote
    Decompress(decompress::DecompressArguments),
    /// Decompress to stdout: all, one block, one window, or a range of the text
    Cat(cat::CatArguments),
    /// Show a stream's header and blocks, or how a text falls into windows
    Inspect(inspect::InspectArguments),
    /// Measure every method on a file or corpus: bits/byte, bytes/window, token ratio; or a trained M2
    Eval(Box<eval::EvalCommand>),
    /// Generate text with M2, decoded as its tokens come
    Generate(sample::GenerateArguments),
    /// Compare methods and sizes of M2: run a whole experiment and write its report
    Experiment(experiment::ExperimentArguments),
    /// Compare with general-purpose compressors on the same text
    Compare(compare::CompareArguments),
    /// Turn a corpus into token shards (.npy) for training M2
    Tokenize(Box<tokenize::TokenizeArguments>),
    /// Write a model as an .m1q image, C header or Rust module
    Export(export::ExportArguments),
    /// Compile a model into the texts of all codes of 16 bits
    #[command(subcommand)]
    Lexicon(lexicon::Lexicon),
    /// Train a model
    #[command(subcommand)]
    Train(train::Train),
    /// Turn a trained checkpoint into an integer model
    Quantize(train::QuantizeArguments),
    /// Check that this machine computes the same bits as every other, with every instruction set that it has
    Verify(verify::VerifyArguments),
    /// Show the GPUs and libraries found, and what is missing
    Devices(devices::DevicesArguments),
    /// Print a completion script for a shell
    Completions(generate::CompletionsArguments),
    /// Print the manual page
    Man(generate::ManArguments),
}

/// What was typed.
pub fn command_line() -> String {
    let words: Vec<String> = std::env::args().skip(1).collect();
    format!("equalinfo {}", words.join(" "))
}

/// How a command ended that did not fail altogether.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Everything was done.
    Complete,
    /// The input was damaged; what was intact has been delivered and the rest named.
    Damaged,
}

impl Cli {
    /// Runs the command.
    ///
    /// # Errors
    /// Whatever the command could not do, in words for the user.
    pub fn run(self) -> Result<Outcome> {
        match self.command {
            Command::Compress(arguments) => compress::run(&arguments),
            Command::Decompress(arguments) => decompress::run(&arguments),
            Command::Cat(arguments) => cat::run(&arguments),
            Command::Inspect(arguments) => inspect::run(&arguments),
            Command::Eval(arguments) => eval::run(&arguments).map(|()| Outcome::Complete),
            Command::Generate(arguments) => sample::run(&arguments).map(|()| Outcome::Complete),
            Command::Experiment(arguments) => experiment::run(&arguments).map(|()| Outcome::Complete),
            Command::Compare(arguments) => compare::run(&arguments).map(|()| Outcome::Complete),
            Command::Tokenize(arguments) => tokenize::run(&arguments, &command_line()).map(|()| Outcome::Complete),
            Command::Export(arguments) => export::run(&arguments).map(|()| Outcome::Complete),
            Command::Lexicon(command) => lexicon::run(&command).map(|()| Outcome::Complete),
            Command::Train(train::Train::Static(arguments)) => {
                train_static::run(&arguments).map(|()| Outcome::Complete)
            }
            Command::Train(train::Train::Unigram(arguments)) => {
                train_unigram::run(&arguments).map(|()| Outcome::Complete)
            }
            Command::Train(train::Train::M1(arguments)) => {
                crate::train::m1::run(&arguments).map(|()| Outcome::Complete)
            }
            Command::Train(train::Train::M2(arguments)) => {
                crate::train::m2::train(&arguments).map(|()| Outcome::Complete)
            }
            Command::Quantize(arguments) => crate::train::quantize::run(&arguments).map(|()| Outcome::Complete),
            Command::Verify(arguments) => verify::run(&arguments).map(|()| Outcome::Complete),
            Command::Devices(arguments) => devices::run(&arguments).map(|()| Outcome::Complete),
            Command::Completions(arguments) => generate::completions(&arguments).map(|()| Outcome::Complete),
            Command::Man(arguments) => generate::man(&arguments).map(|()| Outcome::Complete),
        }
    }
}
