//! The command line: what the commands are called, which options they take, and what the process answers.

mod aliases;
mod bench;
mod cat;
mod compare;
mod completions;
mod compress;
mod decoding;
mod decompress;
mod detokenize;
mod devices;
mod eval;
mod experiment;
mod export;
pub mod files;
mod fit;
mod generate;
mod golden;
mod inspect;
pub mod interrupt;
mod jobs;
pub mod lexicon;
mod list;
pub mod m2;
pub mod messages;
pub mod mistake;
mod models;
pub mod options;
mod process;
pub mod progress;
mod segmentation;
pub mod spool;
pub mod standard;
mod string_tables;
mod table;
mod test;
pub mod tokenize;
pub mod train;
mod train_static;
pub mod train_subwords;
mod training;
mod values;
mod verify;

pub use process::main;

use std::ffi::OsString;

use anyhow::Result;
use clap::{ArgAction, CommandFactory, FromArgMatches, Parser, Subcommand};

const EXIT_CODES: &str = "\
Exit codes:
  0    success
  1    an error; nothing was written under the output's name. Other inputs were done all the same, unless outputs
       would have been inputs too
  2    a mistake in the command line
  3    damaged input: every intact block was delivered, the lost ones are named on stderr
  130  interrupted by Ctrl-C (143: terminated, 129: hung up); partial outputs were removed, training was saved
  141  the reader of the output closed the pipe
Of several inputs the worst counts.";

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
    /// Check that streams are intact; write nothing
    Test(test::TestArguments),
    /// List streams: sizes, ratio, method, model
    List(list::ListArguments),
    /// Decompress to stdout: all, one block, one window, or a range of the text
    Cat(cat::CatArguments),
    /// Show a stream's header and blocks, or how a text falls into windows
    Inspect(inspect::InspectArguments),
    /// Measure every method on a file or corpus: bits/byte, bytes/window, token ratio; or a trained M2
    Eval(Box<eval::EvalCommand>),
    /// Generate text with M2, decoded as its tokens come
    Generate(generate::GenerateArguments),
    /// Compare methods and sizes of M2: run a whole experiment and write its report
    Experiment(experiment::ExperimentArguments),
    /// Compare with general-purpose compressors on the same text
    Compare(compare::CompareArguments),
    /// Measure size, time and memory of levels, methods and other compressors on the same files
    Bench(bench::BenchArguments),
    /// Turn a corpus into token shards (.npy) for training M2
    Tokenize(Box<tokenize::TokenizeArguments>),
    /// Turn tokens back into text: those of shards, or those that any model drew
    Detokenize(detokenize::DetokenizeArguments),
    /// Write a model as an .m1q image, C header or Rust module
    Export(export::ExportArguments),
    /// Compile a model into the texts of all codes of 16 bits
    #[command(subcommand)]
    Lexicon(lexicon::Lexicon),
    /// Code the texts of a user interface into a table for a device, or read one
    #[command(subcommand)]
    Table(string_tables::StringTables),
    /// Show which decoder a chip has room for, how long it takes, and from which size of text on it pays
    Fit(fit::FitArguments),
    /// List the models, shipped and installed, or install one
    Models(models::ModelsArguments),
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
    Completions(completions::CompletionsArguments),
    /// Print the manual page
    Man(completions::ManArguments),
}

/// What was typed.
pub fn command_line() -> String {
    let words: Vec<String> = std::env::args().skip(1).collect();
    format!("equalinfo {}", words.join(" "))
}

/// How a command ended that said itself what went wrong, the worst last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// Everything was done.
    Complete,
    /// Some inputs could not be used; the others were.
    Failed,
    /// An input was damaged; what was intact has been delivered and the rest named.
    Damaged,
    /// It was asked to stop before the end, and has kept what it had.
    Interrupted,
}

/// How training ended.
fn training(result: Result<()>) -> Result<Outcome> {
    result.map(|()| if interrupt::requested() { Outcome::Interrupted } else { Outcome::Complete })
}

impl Cli {
    /// What was typed, or why it cannot be meant.
    ///
    /// # Errors
    /// The answer to the user: what is wrong, or the help that was asked for.
    pub fn parse_arguments(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        let matches = Self::definition().try_get_matches_from(aliases::with_command(arguments))?;
        Self::from_arg_matches(&matches)
    }

    /// The command line: of an option that is given twice, the last value counts, and what looks like a number below
    /// zero is the value of the option before it, which says what it expects.
    pub fn definition() -> clap::Command {
        fn everywhere(command: clap::Command) -> clap::Command {
            let takes_numbers = |argument: clap::Arg| match argument.get_action() {
                ArgAction::Set | ArgAction::Append if !argument.is_positional() => {
                    argument.allow_negative_numbers(true)
                }
                _ => argument,
            };
            command.args_override_self(true).mut_args(takes_numbers).mut_subcommands(everywhere)
        }
        everywhere(Self::command())
    }

    /// Runs the command.
    ///
    /// # Errors
    /// Whatever the command could not do, in words for the user.
    pub fn run(self) -> Result<Outcome> {
        match self.command {
            Command::Compress(arguments) => compress::run(&arguments),
            Command::Decompress(arguments) => decompress::run(&arguments),
            Command::Test(arguments) => test::run(&arguments),
            Command::List(arguments) => list::run(&arguments),
            Command::Models(arguments) => models::run(&arguments),
            Command::Cat(arguments) => cat::run(&arguments),
            Command::Inspect(arguments) => inspect::run(&arguments),
            Command::Eval(arguments) => eval::run(&arguments).map(|()| Outcome::Complete),
            Command::Generate(arguments) => generate::run(&arguments).map(|()| Outcome::Complete),
            Command::Experiment(arguments) => experiment::run(&arguments).map(|()| Outcome::Complete),
            Command::Compare(arguments) => compare::run(&arguments).map(|()| Outcome::Complete),
            Command::Bench(arguments) => bench::run(&arguments).map(|()| Outcome::Complete),
            Command::Tokenize(arguments) => tokenize::run(&arguments, &command_line()).map(|()| Outcome::Complete),
            Command::Detokenize(arguments) => detokenize::run(&arguments).map(|()| Outcome::Complete),
            Command::Export(arguments) => export::run(&arguments).map(|()| Outcome::Complete),
            Command::Lexicon(command) => lexicon::run(&command).map(|()| Outcome::Complete),
            Command::Table(command) => string_tables::run(&command).map(|()| Outcome::Complete),
            Command::Fit(arguments) => fit::run(&arguments).map(|()| Outcome::Complete),
            Command::Train(train::Train::Static(arguments)) => {
                train_static::run(&arguments).map(|()| Outcome::Complete)
            }
            Command::Train(train::Train::Unigram(arguments)) => {
                train_subwords::run(&arguments.subwords, &arguments.options()).map(|()| Outcome::Complete)
            }
            Command::Train(train::Train::Bpe(arguments)) => {
                train_subwords::run(&arguments.subwords, &arguments.options()).map(|()| Outcome::Complete)
            }
            Command::Train(train::Train::M1(arguments)) => training(train::m1(&arguments)),
            Command::Train(train::Train::M2(arguments)) => training(m2::train(&arguments)),
            Command::Quantize(arguments) => training(train::quantize(&arguments)),
            Command::Verify(arguments) => verify::run(&arguments).map(|()| Outcome::Complete),
            Command::Devices(arguments) => devices::run(&arguments).map(|()| Outcome::Complete),
            Command::Completions(arguments) => completions::completions(&arguments).map(|()| Outcome::Complete),
            Command::Man(arguments) => completions::man(&arguments).map(|()| Outcome::Complete),
        }
    }
}
