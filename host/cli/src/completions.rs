//! `completions` and `man`: files that packagers install, made from the definition of the command line itself.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::{Args, Command};
use clap_mangen::Man;
use equalinfo::engine::Image;

use super::{Cli, files, standard};

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

/// Commands and what they do, by the page that shows them.
const EXAMPLES: [(&str, &[(&str, &str)]); 6] = [
    (
        "equalinfo",
        &[
            ("equalinfo compress notes.txt", "Write notes.txt.eqi and keep notes.txt."),
            (
                "equalinfo decompress --rm notes.txt.eqi",
                "Restore notes.txt, and remove the stream once that is on disk.",
            ),
            ("tar c notes | equalinfo compress -o notes.tar.eqi", "Compress what another program writes."),
            ("equalinfo -l *.eqi", "List streams; like gzip and zstd, -d, -t and -l stand for commands."),
            ("equalinfo cat --range 1000..2000 notes.txt.eqi", "Read a part of the text without decoding the rest."),
        ],
    ),
    (
        "equalinfo-compress",
        &[
            ("equalinfo compress -r --rm notes/", "Compress every file below a directory in its place."),
            ("equalinfo compress --model 3m book.txt", "The best ratio, in five times the time."),
            (
                "equalinfo compress --method equal-info --window-bits 64 book.txt",
                "Windows of 64 bits that each decode alone.",
            ),
            ("printf %s 'See you at nine' | equalinfo compress --raw | wc -c", "One short message without a header."),
        ],
    ),
    (
        "equalinfo-decompress",
        &[
            ("equalinfo decompress -c notes.txt.eqi | less", "Restore to stdout."),
            (
                "equalinfo decompress --model my.m1q notes.txt.eqi",
                "Name the model if it is neither shipped nor installed.",
            ),
        ],
    ),
    (
        "equalinfo-models",
        &[
            ("equalinfo models", "List the models that streams can name."),
            ("equalinfo models add runs/mine/mine.m1q", "Decode its streams without --model from now on."),
        ],
    ),
    (
        "equalinfo-tokenize",
        &[(
            "equalinfo tokenize corpus/*.jsonl.zst --tokens 400M -o tokens/train",
            "Turn a corpus into shards of 400 million tokens in all.",
        )],
    ),
    (
        "equalinfo-train-m1",
        &[
            ("equalinfo train m1 --corpus corpus/ -o runs/nano", "Train a model of the smallest size."),
            ("equalinfo train m1 --resume --corpus corpus/ -o runs/nano", "Go on where Ctrl-C stopped it."),
        ],
    ),
];

/// What the environment sets.
const ENVIRONMENT: [(&str, &str); 3] = [
    ("EQUALINFO_MODELS", "The directory of installed models, instead of one among the user's data."),
    ("NO_COLOR", "No colours, also on a terminal."),
    ("TERM", "dumb: no colours."),
];

/// Prints a completion script.
///
/// # Errors
/// Stdout cannot be written.
pub fn completions(arguments: &CompletionsArguments) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Cli::definition(), "equalinfo", &mut script);
    let mut script = String::from_utf8(script)?;
    if arguments.shell == clap_complete::Shell::Bash {
        // A model is a name or a file.
        let names = Image::embedded_names().collect::<Vec<_>>().join(" ");
        script = script.replace(&format!("compgen -W \"{names}\""), &format!("compgen -f -W \"{names}\""));
    }
    standard::print(script)
}

/// Prints the manual page, or writes all pages into a directory.
///
/// # Errors
/// The output cannot be written.
pub fn man(arguments: &ManArguments) -> Result<()> {
    let mut command = Cli::definition();
    command.build();
    match &arguments.output {
        None => standard::print(page(&command, "equalinfo")?),
        Some(directory) => {
            std::fs::create_dir_all(directory)
                .with_context(|| format!("{}: cannot create the directory", directory.display()))?;
            pages(directory, &command, "equalinfo")
        }
    }
}

fn pages(directory: &Path, command: &Command, name: &str) -> Result<()> {
    files::write(&directory.join(format!("{name}.1")), true, false, &page(command, name)?)?;
    command
        .get_subcommands()
        .filter(|subcommand| !subcommand.is_hide_set() && subcommand.get_name() != "help")
        .try_for_each(|subcommand| pages(directory, subcommand, &format!("{name}-{}", subcommand.get_name())))
}

fn page(command: &Command, name: &str) -> Result<Vec<u8>> {
    let mut page = Vec::new();
    Man::new(command.clone()).title(name).render(&mut page)?;
    let mut more = String::new();
    if let Some((_, examples)) = EXAMPLES.iter().find(|(of, _)| *of == name) {
        more.push_str(".SH EXAMPLES\n");
        for (line, meaning) in *examples {
            more.push_str(&format!(".TP\n\\fB{}\\fR\n{}\n", quoted(line), quoted(meaning)));
        }
    }
    if name == "equalinfo" {
        more.push_str(".SH ENVIRONMENT\n");
        for (variable, meaning) in ENVIRONMENT {
            more.push_str(&format!(".TP\n\\fB{variable}\\fR\n{}\n", quoted(meaning)));
        }
    }
    page.extend(more.into_bytes());
    Ok(page)
}

/// Text in which roff takes nothing for a command of its own.
fn quoted(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-").replace('\'', "\\(aq");
    if text.starts_with('.') { format!("\\&{text}") } else { text }
}
