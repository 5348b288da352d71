//! `experiment`: what a plan makes, what ends it, and what goes on.

use std::time::{Duration, Instant};

use equalinfo_tests::ALICE;

use crate::sandbox;
use crate::tokens::{kill, with_text};

#[cfg(unix)]
#[test]
fn an_experiment_that_has_nothing_to_save_ends_at_once() {
    let sandbox = sandbox();
    sandbox.write("text.txt", &ALICE.repeat(20));
    let plan = "title = \"Long\"\nm1 = \"micro\"\npresets = [\"tiny\"]\nsteps = 100000\nbatch = 2\nmeasured_rows = 4\n\
        methods = [{ method = \"ac\", token_bits = 8 }]\n";
    sandbox.write("plan.toml", plan.as_bytes());
    let files =
        ["experiment", "plan.toml", "--corpus", "text.txt", "--test", "text.txt", "--device", "cpu", "-o", "out"];
    let mut child = sandbox.command(&files).stderr(std::process::Stdio::piped()).spawn().expect("run the tool");
    let started = Instant::now();
    while !sandbox.has("out/train") && started.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(5));
    }
    // SAFETY: the process is our own child, still cutting text into tokens.
    assert_eq!(unsafe { libc::kill(i32::try_from(child.id()).expect("a process id"), libc::SIGTERM) }, 0);
    let asked = Instant::now();
    assert_eq!(child.wait().expect("ends").code(), Some(143));
    assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
}

const PLAN: &str = r#"
title = "Some methods"
m1 = "tiny.m1q"
presets = ["tiny"]
steps = 4
batch = 2
sequence = 64
optimizer = "adamw"
measured_rows = 4
methods = [
    { method = "bytes" },
    { method = "equal-info", window_bits = 16, token_bits = 8, code = "default" },
    { method = "unigram", pieces = 600 },
    { method = "bpe", pieces = 600 },
    { method = "super-bpe", pieces = 640 },
    { method = "lexicon", token_bits = 8, kind = "window-code" },
    { method = "seq2seq", task = "decompress", of = { method = "static-ac", token_bits = 8 }, example = 20 },
]
"#;

#[cfg(unix)]
#[test]
fn an_experiment_goes_on_after_a_kill() {
    let sandbox = with_text();
    sandbox.write("plan.toml", PLAN.as_bytes());
    let arguments = |output| {
        let files = ["--corpus", "text.txt", "--test", "test.txt", "--device", "cpu", "-q", "-o", output];
        [&["experiment", "plan.toml"][..], &files].concat()
    };
    // Nothing is left of an experiment that cannot begin.
    let missing: Vec<_> =
        arguments("whole").into_iter().map(|word| if word == "text.txt" { "missing.txt" } else { word }).collect();
    sandbox.run(&missing).fails(1, &["missing.txt"]);
    assert!(!sandbox.has("whole"));
    sandbox.run(&arguments("whole")).ok();
    let results = "results/bytes-tiny.json";
    kill(&sandbox, &arguments("parts"), || sandbox.has(&format!("parts/{results}")));
    sandbox.run(&arguments("parts")).ok();
    let csv = |directory: &str| String::from_utf8(sandbox.read(&format!("{directory}/results.csv"))).expect("UTF-8");
    assert_eq!(csv("whole"), csv("parts"));
    assert_eq!(csv("whole").lines().count(), 8);
    assert!(csv("whole").contains("SuperBPE[v=640]"), "{}", csv("whole"));
    let html = String::from_utf8(sandbox.read("whole/report.html")).expect("UTF-8");
    assert!(html.contains("EqualInfoAC[b=16,v=256]") && html.matches("<svg").count() == 5, "{html}");
    assert!(!html.contains("src=") && !html.contains("<link"), "the page fetches nothing");
    let markdown = String::from_utf8(sandbox.read("whole/report.md")).expect("UTF-8");
    assert!(markdown.contains("equalinfo train m2"), "{markdown}");
    assert!(markdown.contains("Stability of text and tokens") && markdown.contains("random bits"), "{markdown}");
    // For a paper: each figure and table in a file.
    for name in ["figures/cost.svg", "figures/learned.svg", "figures/curves.svg"] {
        assert!(sandbox.read(&format!("whole/{name}")).starts_with(b"<svg "), "{name}");
    }
    let latex = String::from_utf8(sandbox.read("whole/tables/learned.tex")).expect("UTF-8");
    assert!(latex.contains("EqualInfoAC[b=16,v=256] & tiny & ") && latex.contains("\\bottomrule"), "{latex}");
    // 4 steps of 2 rows are more than there are.
    assert!(markdown.contains("saw their text more than once"), "{markdown}");
    sandbox.write("plan.toml", PLAN.replace("steps = 4", "steps = 5").as_bytes());
    sandbox.run(&arguments("whole")).fails(1, &["another experiment", "steps 4, expected 5"]);
    // A plan may grow.
    let result = |directory: &str| sandbox.read(&format!("{directory}/{results}"));
    let before = result("whole");
    let grown =
        PLAN.replace("steps = 4", "steps = 4\nseeds = 2").replace("{ method = \"unigram\", pieces = 600 },", "");
    sandbox.write("plan.toml", grown.as_bytes());
    sandbox.run(&arguments("whole")).ok();
    assert!(before == result("whole"), "what is there stays");
    assert_eq!(csv("whole").lines().count(), 13);
    let markdown = String::from_utf8(sandbox.read("whole/report.md")).expect("UTF-8");
    assert!(markdown.contains(" ± ") && markdown.contains("standard deviation of up to 2 runs"), "{markdown}");
    assert!(markdown.contains("--seed 2 "), "{markdown}");
    // Results of what a file held are none of what it holds.
    sandbox.write("plan.toml", PLAN.as_bytes());
    sandbox.write("text.txt", &ALICE[1..60_001]);
    sandbox.run(&arguments("whole")).fails(1, &["another experiment", "corpus_sha256"]);
    sandbox.write("text.txt", &ALICE[..60_000]);
    sandbox.write("tiny.m1q", &equalinfo_tests::tiny_model(2));
    sandbox.run(&arguments("whole")).fails(1, &["another experiment", "m1 tiny-1", "expected tiny-2"]);
}
