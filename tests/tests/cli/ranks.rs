//! Several processes that train one model, as launchers start them.

use std::net::TcpListener;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use equalinfo_tests::{ALICE, Run, Sandbox};
use serde_json::Value;

use crate::sandbox;

/// A sandbox with tokens to train on.
fn with_tokens() -> Sandbox {
    let sandbox = sandbox();
    for (text, range, output) in [("text.txt", 0..60_000, "t"), ("test.txt", 100_000..130_000, "d")] {
        sandbox.write(text, &ALICE[range]);
        sandbox.run(&["tokenize", text, "--method", "bytes", "--sequence", "64", "-o", output]).ok();
    }
    sandbox
}

/// A run of `train m2` with some threads.
fn training<'a>(threads: &'a str, output: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let line = ["train", "m2", "--data", "t", "--dev", "d", "--preset", "tiny", "--batch", "4", "--device", "cpu"];
    [&line[..], &["--optimizer", "adamw", "--clip", "1e9", "-T", threads, "-o", output], more].concat()
}

/// A free port: nobody listens there when this returns.
fn port() -> u16 {
    TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("its address").port()
}

/// The tool as `count` processes with the variables of `torchrun`, with what `more` says of each rank.
fn launch(sandbox: &Sandbox, count: usize, arguments: &[&str], more: &[[&str; 2]]) -> Vec<Child> {
    let port = port();
    let start = |rank: usize| {
        let mut command = sandbox.command(arguments);
        command.args(more.get(rank).into_iter().flatten());
        command.env("RANK", rank.to_string()).env("LOCAL_RANK", rank.to_string());
        command.env("WORLD_SIZE", count.to_string()).env("LOCAL_WORLD_SIZE", count.to_string());
        command.env("MASTER_ADDR", "127.0.0.1").env("EQUALINFO_PORT", port.to_string());
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("run the tool")
    };
    (0..count).map(start).collect()
}

fn ends(processes: Vec<Child>) -> Vec<Run> {
    let end = |process: Child| {
        let output = process.wait_with_output().expect("the tool ends");
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        Run { code: output.status.code(), stdout: output.stdout, stderr }
    };
    processes.into_iter().map(end).collect()
}

fn figures(sandbox: &Sandbox, run: &str) -> Vec<[f64; 4]> {
    let text = String::from_utf8(sandbox.read(&format!("{run}/metrics.jsonl"))).expect("UTF-8");
    let figures = |line: &str| {
        let line: Value = serde_json::from_str(line).expect("JSON");
        ["step", "positions", "train_bits_per_byte", "dev_bits_per_byte"].map(|name| line[name].as_f64().expect(name))
    };
    text.lines().map(figures).collect()
}

/// The tensors of a checkpoint, without what is said about them.
fn tensors(sandbox: &Sandbox, run: &str) -> Vec<u8> {
    let bytes = sandbox.read(&format!("{run}/checkpoint.safetensors"));
    let (length, rest) = bytes.split_first_chunk().expect("a header");
    rest[u64::from_le_bytes(*length) as usize..].to_vec()
}

#[test]
fn two_processes_train_what_two_threads_train() {
    let sandbox = with_tokens();
    let steps = ["--steps", "6", "--validate-every", "2"];
    sandbox.run(&training("2", "threads", &steps)).ok();
    let runs = ends(launch(&sandbox, 2, &training("1", "ranks", &steps), &[]));
    assert!(runs.iter().all(|run| run.code == Some(0)), "{runs:?}");
    // One speaks for both.
    assert!(runs[0].stderr.contains("2 ranks") && runs[0].stderr.contains("trained"), "{}", runs[0].stderr);
    assert_eq!(runs[1].stderr, "");
    assert_eq!(figures(&sandbox, "ranks"), figures(&sandbox, "threads"));
    assert!(tensors(&sandbox, "ranks") == tensors(&sandbox, "threads"));
}

#[test]
fn ranks_of_different_options_do_not_begin() {
    let sandbox = with_tokens();
    let steps = ["--steps", "6"];
    let seeds = [["--seed", "1"], ["--seed", "2"]];
    let runs = ends(launch(&sandbox, 2, &training("1", "ranks", &steps), &seeds));
    for (run, word) in runs.into_iter().zip(["not all ranks", "rank 1"]) {
        run.fails(1, &["settings", word]);
    }
    let odd = ends(launch(&sandbox, 3, &training("1", "odd", &steps), &[]));
    for run in odd {
        run.fails(1, &["--batch 4", "3"]);
    }
    let mut command = sandbox.command(&training("1", "x", &steps));
    let output = command.env("RANK", "2").env("WORLD_SIZE", "2").output().expect("run the tool");
    assert!(!output.status.success() && String::from_utf8_lossy(&output.stderr).contains("WORLD_SIZE"));
    let mut command = sandbox.command(&["experiment", "smoke", "--corpus", "text.txt", "--test", "test.txt"]);
    let output = command.env("RANK", "0").env("WORLD_SIZE", "2").env("MASTER_ADDR", "localhost").output();
    let message = String::from_utf8_lossy(&output.expect("run the tool").stderr).into_owned();
    assert!(message.contains("train m2"), "{message}");
}

/// Until another process has made the file.
pub fn wait_for(sandbox: &Sandbox, file: &str) {
    let started = Instant::now();
    while !sandbox.has(file) {
        assert!(started.elapsed() < Duration::from_secs(60), "{file} does not come");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_rank_that_is_killed_is_named_by_the_others() {
    let sandbox = with_tokens();
    let arguments = training("1", "ranks", &["--steps", "100000", "--save-every", "2", "--validate-every", "100000"]);
    let mut processes = launch(&sandbox, 2, &arguments, &[]);
    wait_for(&sandbox, "ranks/checkpoint.safetensors");
    let mut killed = processes.remove(1);
    killed.kill().expect("kill");
    killed.wait().expect("wait");
    for run in ends(processes) {
        run.fails(1, &["rank 1 is gone"]);
    }
}

#[cfg(unix)]
#[test]
fn all_stop_when_one_is_told_to() {
    let sandbox = with_tokens();
    let arguments = training("1", "ranks", &["--steps", "100000", "--save-every", "2", "--validate-every", "100000"]);
    let processes = launch(&sandbox, 2, &arguments, &[]);
    wait_for(&sandbox, "ranks/checkpoint.safetensors");
    let process = i32::try_from(processes[1].id()).expect("a process id");
    // SAFETY: the process is our own child.
    assert_eq!(unsafe { libc::kill(process, libc::SIGINT) }, 0);
    let runs = ends(processes);
    let stopped = runs[0].stderr.split_once("stopped; --resume continues it, step ");
    let step = stopped.and_then(|(_, rest)| rest.split_once(','));
    let step: u64 = step.and_then(|(step, _)| step.parse().ok()).unwrap_or_else(|| panic!("{runs:?}"));
    // Whoever is told to stop has no time for figures.
    assert!(figures(&sandbox, "ranks").is_empty());
    // The same checkpoint goes on as one process.
    let further = (step + 2).to_string();
    sandbox.run(&training("1", "ranks", &["--resume", "--steps", &further])).ok();
}
