//! The `equalinfo` tool: parses the command line, runs the command, turns its outcome into an exit code.

use std::process::ExitCode;

use clap::Parser;
use equalinfo::cli::{Cli, Outcome, files, interrupt};

const FAILED: u8 = 1;
const DAMAGED: u8 = 3;
const BROKEN_PIPE: u8 = 141;

fn main() -> ExitCode {
    let cli = Cli::parse();
    if let Err(error) = interrupt::install() {
        eprintln!("equalinfo: Ctrl-C will leave temporary files behind: {error}");
    }
    match cli.run() {
        Ok(Outcome::Complete) => ExitCode::SUCCESS,
        Ok(Outcome::Damaged) => ExitCode::from(DAMAGED),
        // The reader has what it wanted; there is nothing to say and nobody to say it to.
        Err(error) if files::is_broken_pipe(&error) => ExitCode::from(BROKEN_PIPE),
        Err(error) => {
            eprintln!("equalinfo: {error:#}");
            ExitCode::from(FAILED)
        }
    }
}
