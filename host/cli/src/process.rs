//! The process: parses the command line, runs the command, turns its outcome into an exit code.

use std::io::{self, IsTerminal};
use std::process::ExitCode;

use super::mistake::Mistake;
use super::{Cli, Outcome, files, interrupt, messages, options, say, spool, standard};

const FAILED: u8 = 1;
const MISTAKEN: u8 = 2;
const DAMAGED: u8 = 3;
const BROKEN_PIPE: u8 = 141;

/// The whole tool: what `main` does.
pub fn main() -> ExitCode {
    let code = run();
    spool::remove();
    // A message that nobody could read is a failure, unless there is a worse one.
    ExitCode::from(if code == 0 && messages::lost() { FAILED } else { code })
}

fn run() -> u8 {
    let cli = match Cli::parse_arguments(std::env::args_os()) {
        Ok(cli) => cli,
        Err(answer) => return answered(&answer),
    };
    if let Err(error) = interrupt::install() {
        say!("equalinfo: Ctrl-C may leave temporary files behind: {error}");
    }
    match cli.run() {
        Ok(Outcome::Complete) => 0,
        Ok(Outcome::Failed) => FAILED,
        Ok(Outcome::Damaged) => DAMAGED,
        Ok(Outcome::Interrupted) => interrupt::code(),
        Err(error) => {
            let code = failed(&error);
            if interrupt::requested() { interrupt::code() } else { code }
        }
    }
}

fn failed(error: &anyhow::Error) -> u8 {
    // The reader has what it wanted; there is nothing to say and nobody to say it to.
    if files::is_broken_pipe(error) {
        return BROKEN_PIPE;
    }
    messages::error(error);
    if Mistake::is(error) { MISTAKEN } else { FAILED }
}

/// Prints what the command line itself is answered: help and version, or what is wrong with it.
fn answered(answer: &clap::Error) -> u8 {
    let text = answer.render();
    if !answer.use_stderr() {
        let colored = io::stdout().is_terminal() && options::terminal_has_colors();
        let text = if colored { text.ansi().to_string() } else { text.to_string() };
        return standard::print(text).map_or_else(|error| failed(&error), |()| 0);
    }
    // It repeats what was typed, so it is written as every other message; a colour is not worth more.
    for line in text.to_string().lines() {
        messages::line(format_args!("{line}"));
    }
    u8::try_from(answer.exit_code()).unwrap_or(FAILED)
}
