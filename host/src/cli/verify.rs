//! `verify`: whether this machine computes the same bits as every other.

use std::collections::BTreeSet;
use std::io::Write;

use anyhow::{Context, Result, bail};
use clap::Args;
use equalinfo_determinism::{Digest, GOLDEN};

use super::options::ThreadArguments;
use super::table::Table;
use crate::verify::{Path, Vector, lines, verify};

/// Options of `verify`.
#[derive(Debug, Clone, Args)]
pub struct VerifyArguments {
    /// Print the vectors and compare nothing
    #[arg(long)]
    pub vectors: bool,

    #[command(flatten)]
    pub threads: ThreadArguments,
}

/// Computes the golden vectors by every path of this machine and prints how they compare.
///
/// # Errors
/// A vector differs from the committed one.
pub fn run(arguments: &VerifyArguments) -> Result<()> {
    let mut output = std::io::stdout().lock();
    let paths = verify(arguments.threads.count())?;
    let computed = paths.first().map(lines).unwrap_or_default();
    if arguments.vectors {
        return output.write_all(computed.as_bytes()).context("(stdout): cannot write");
    }
    let differing: Vec<(&Path, &Vector)> =
        paths.iter().flat_map(|path| path.vectors.iter().map(move |vector| (path, vector))).collect();
    let differing: Vec<_> = differing.into_iter().filter(|(_, vector)| !vector.agrees()).collect();
    let missing: Vec<&str> = missing(&computed).collect();
    let verdict = if differing.is_empty() && missing.is_empty() { "as on every other machine" } else { "DIFFERENT" };
    writeln!(
        output,
        "{}\nequalinfo {} {}-{}: {} {verdict}",
        table(&paths).render(),
        env!("CARGO_PKG_VERSION"),
        std::env::consts::ARCH,
        std::env::consts::OS,
        Digest::of(computed.as_bytes())
    )
    .context("(stdout): cannot write")?;
    for (path, vector) in &differing {
        let expected = vector.expected.as_deref().unwrap_or("no such vector");
        eprintln!("{}, {}: expected {expected}, found {}", path.simd.name(), vector.name, vector.found);
    }
    for line in &missing {
        eprintln!("not computed: {line}");
    }
    if differing.is_empty() && missing.is_empty() {
        return Ok(());
    }
    bail!("{} vectors differ and {} are missing: this build must not be trusted", differing.len(), missing.len());
}

/// The names of the committed vectors that were not computed.
fn missing(computed: &str) -> impl Iterator<Item = &'static str> {
    let computed: BTreeSet<String> = names(computed).map(str::to_owned).collect();
    names(GOLDEN).filter(move |name| !computed.contains(*name))
}

fn names(lines: &str) -> impl Iterator<Item = &str> {
    lines.lines().filter_map(|line| line.split_once("  ")).map(|(_, name)| name)
}

/// For each subject and path, how many vectors agree.
fn table(paths: &[Path]) -> Table {
    let mut table = Table::new(
        &["vectors that agree"].into_iter().chain(paths.iter().map(|path| path.simd.name())).collect::<Vec<_>>(),
    );
    let mut subjects: Vec<&str> = Vec::new();
    for vector in paths.iter().flat_map(|path| &path.vectors) {
        if !subjects.contains(&vector.subject()) {
            subjects.push(vector.subject());
        }
    }
    for subject in subjects {
        let cells = paths.iter().map(|path| {
            let vectors: Vec<&Vector> = path.vectors.iter().filter(|vector| vector.subject() == subject).collect();
            let agreeing = vectors.iter().filter(|vector| vector.agrees()).count();
            if vectors.is_empty() { "-".to_owned() } else { format!("{agreeing}/{}", vectors.len()) }
        });
        table.row([subject.to_owned()].into_iter().chain(cells).collect());
    }
    table
}
