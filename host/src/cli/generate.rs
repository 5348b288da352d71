//! `completions` and `man`: files that packagers install, made from the definition of the command line itself.

use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::{Args, Command, CommandFactory};

use super::Cli;

/// Options of `completions`.
#[derive(Debug, Clone, Args)]
pub struct CompletionsArguments {
    /// The shell
    pub shell: clap_complete::Shell,
}

/// Options of `man`.
#[derive(Debug, Clone, Args)]
pub struct ManArguments {
    /// Write a page for every subcommand into this directory (default: the main page to stdout)
    #[arg(short, long, value_name = "DIRECTORY")]
    pub output: Option<PathBuf>,
}

/// Prints a completion script.
///
/// # Errors
/// Stdout cannot be written.
pub fn completions(arguments: &CompletionsArguments) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Cli::command(), "equalinfo", &mut script);
    io::stdout().write_all(&script).context("(stdout): cannot write")
}

/// Prints the manual page, or writes all pages into a directory.
///
/// # Errors
/// The output cannot be written.
pub fn man(arguments: &ManArguments) -> Result<()> {
    let mut command = Cli::command();
    command.build();
    match &arguments.output {
        None => {
            let mut page = Vec::new();
            clap_mangen::Man::new(command).render(&mut page)?;
            io::stdout().write_all(&page).context("(stdout): cannot write")
        }
        Some(directory) => {
            std::fs::create_dir_all(directory)
                .with_context(|| format!("{}: cannot create the directory", directory.display()))?;
            pages(directory, &command, "equalinfo")
        }
    }
}

fn pages(directory: &std::path::Path, command: &Command, name: &str) -> Result<()> {
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone()).title(name).render(&mut page)?;
    let path = directory.join(format!("{name}.1"));
    std::fs::write(&path, page).with_context(|| format!("{}: cannot write", path.display()))?;
    command
        .get_subcommands()
        .filter(|subcommand| !subcommand.is_hide_set() && subcommand.get_name() != "help")
        .try_for_each(|subcommand| pages(directory, subcommand, &format!("{name}-{}", subcommand.get_name())))
}
