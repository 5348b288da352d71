//! Damaged streams: the program must log the error and stop.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};

use crate::boards::{Board, Decoder};
use crate::firmware::{Firmware, Streams};

/// Runs a decoder on a stream with one flipped payload bit, and on a truncated one.
pub fn check(decoder: Decoder, board: Board) -> Result<()> {
    let name = decoder.stream(board);
    let stream = fs::read(PathBuf::from("generated").join(name)).with_context(|| format!("generated/{name}"))?;
    let mut corrupt = stream.clone();
    let middle = corrupt.len() / 2;
    corrupt[middle] ^= 0x10;
    let cut = stream[..middle].to_vec();

    for (damage, bytes, error) in [("corrupt", corrupt, ""), ("truncated", cut, "Truncated")] {
        eprintln!("{} on {} with a {damage} stream", decoder.name(), board.name());
        let directory = tempfile::tempdir()?;
        fs::write(directory.path().join(name), &bytes)?;
        let streams = Streams::From(directory.path().to_path_buf());
        let run = Firmware::build(decoder, board, &streams)?.run()?;
        ensure!(run.code == Some(1), "{damage} stream: exit code {:?}, log {:#?}", run.code, run.log);
        let last = run.log.iter().find(|line| line.starts_with("error: "));
        let logged = last.is_some_and(|line| line.contains("Stream(") && line.contains(error));
        ensure!(logged, "{damage} stream: log {:#?}", run.log);
        ensure!(!run.log.iter().any(|line| line.contains("is intact")), "{damage} stream: reported as intact");
    }
    Ok(())
}
