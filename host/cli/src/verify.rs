//! `verify`: whether this machine computes the same bits as every other.

use std::collections::BTreeSet;

use crate::say;
use anyhow::{Result, ensure};
use clap::Args;
use equalinfo_determinism::{Digest, GOLDEN};

use super::options::ThreadArguments;
use super::standard;
use super::table::Table;
use crate::golden::{Path, Vector, lines, verify};

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
    let paths = verify(arguments.threads.count())?;
    let computed = paths.first().map(lines).unwrap_or_default();
    if arguments.vectors {
        return standard::print(computed);
    }
    let complaints = complaints(&paths, &computed);
    let verdict = if complaints.is_empty() { "as on every other machine" } else { "DIFFERENT" };
    let (version, digest) = (env!("CARGO_PKG_VERSION"), Digest::of(computed.as_bytes()));
    let (architecture, system) = (std::env::consts::ARCH, std::env::consts::OS);
    let table = table(&paths).render();
    standard::print(format!("{table}\nequalinfo {version} {architecture}-{system}: {digest} {verdict}\n"))?;
    for complaint in &complaints {
        say!("{complaint}");
    }
    ensure!(
        complaints.is_empty(),
        "{} golden vectors are not as they should be: do not use this build",
        complaints.len()
    );
    Ok(())
}

/// A line for each vector that differs from the committed one or was not computed.
fn complaints(paths: &[Path], computed: &str) -> Vec<String> {
    let differing = paths.iter().flat_map(|path| {
        path.vectors.iter().filter(|vector| !vector.agrees()).map(|vector| {
            let expected = vector.expected.as_deref().unwrap_or("no such vector");
            format!("{}, {}: expected {expected}, found {}", path.simd.name(), vector.name, vector.found)
        })
    });
    let known: BTreeSet<&str> = names(computed).collect();
    let missing = names(GOLDEN).filter(|name| !known.contains(name)).map(|name| format!("not computed: {name}"));
    differing.chain(missing).collect()
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

#[cfg(test)]
mod tests {
    use super::*;
    use equalinfo::engine::Simd;

    /// What a machine computes where nothing is wrong.
    fn golden() -> Path {
        let vectors = GOLDEN.lines().filter_map(|line| line.split_once("  ")).map(|(digest, name)| Vector {
            name: name.to_owned(),
            found: digest.to_owned(),
            expected: Some(digest.to_owned()),
        });
        Path { simd: Simd::Portable, vectors: vectors.collect() }
    }

    #[test]
    fn the_golden_vectors_are_not_complained_about() {
        let path = golden();
        assert_eq!(lines(&path), GOLDEN);
        assert_eq!(complaints(&[path], GOLDEN), [""; 0]);
    }

    #[test]
    fn one_wrong_digit_and_one_missing_vector_are_named() {
        let mut wrong = golden();
        let last = wrong.vectors.len() - 1;
        wrong.vectors[1].found.replace_range(0..1, "g");
        let missing = wrong.vectors.remove(last).name;
        let paths = [wrong];
        let found = complaints(&paths, &lines(&paths[0]));
        assert_eq!(found.len(), 2);
        assert!(found[0].starts_with(&format!("portable, {}: expected ", paths[0].vectors[1].name)));
        assert_eq!(found[1], format!("not computed: {missing}"));
        let row = table(&paths).render().lines().nth(1).map(str::to_owned);
        let coders = paths[0].vectors.iter().filter(|vector| vector.subject() == "coders and formats").count();
        assert!(row.is_some_and(|row| row.ends_with(&format!("{}/{coders}", coders - 1))));
    }
}
