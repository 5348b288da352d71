//! Limits for the streams of strangers, and what compression takes.

use equalinfo_tests::ALICE;
use serde_json::Value;

use crate::{sandbox, with_tiny};

#[test]
fn the_text_does_not_exceed_what_may_be_written() {
    let sandbox = sandbox();
    sandbox.write("text", &ALICE[..20_000]);
    sandbox.run(&["compress", "text", "--method", "tables", "--block-size", "4K", "-o", "t.eqi"]).ok();
    for command in ["decompress", "cat", "test"] {
        let allowed = [command, "t.eqi", "--max-output", "20000"];
        let less = [command, "t.eqi", "--max-output", "10K"];
        let to_stdout: &[&str] = if command == "decompress" { &["-c"] } else { &[] };
        sandbox.run(&[&allowed[..], to_stdout].concat()).ok();
        let run = sandbox.run(&[&less[..], to_stdout].concat());
        assert_eq!(run.code, Some(1), "{command}: {}", run.stderr);
        assert!(run.stderr.contains("--max-output") && run.stderr.contains("10240"), "{command}: {}", run.stderr);
        // Whole blocks that fit came before.
        assert!(run.stdout.len() <= 10_240 && ALICE.starts_with(&run.stdout), "{command}: {}", run.stdout.len());
    }
    let run = sandbox.run(&["decompress", "t.eqi", "--max-output", "10K", "-o", "out"]);
    assert!(run.code == Some(1) && !sandbox.has("out"));
    // A message too.
    sandbox.write("message", &ALICE[..200]);
    sandbox.run(&with_tiny(&["compress", "--raw", "message", "-o", "m.eqm"])).ok();
    let run = sandbox.run(&with_tiny(&["decompress", "--raw", "m.eqm", "-c", "--max-output", "100"]));
    assert!(run.code == Some(1) && run.stdout.is_empty(), "{}", run.stderr);
    sandbox.run(&with_tiny(&["decompress", "--raw", "m.eqm", "-c", "--max-output", "200"])).ok();
}

#[test]
fn memory_is_kept_to_or_the_stream_is_refused() {
    let sandbox = sandbox();
    sandbox.write("text", &ALICE[..60_000]);
    sandbox
        .run(&["compress", "text", "--method", "tables", "--class", "64k", "--block-size", "16K", "-o", "t.eqi"])
        .ok();
    for (memory, is_enough) in [("1M", true), ("200K", true), ("100K", false)] {
        let run = sandbox.run(&["decompress", "t.eqi", "-c", "-T", "8", "--memory", memory]);
        assert_eq!(run.code, Some(i32::from(!is_enough)), "{memory}: {}", run.stderr);
        assert_eq!(run.stdout == ALICE[..60_000], is_enough, "{memory}");
        assert_eq!(run.stderr.contains("--memory"), !is_enough, "{}", run.stderr);
    }
    let run = sandbox.run(&["cat", "t.eqi", "--range", "0..10", "--memory", "1M"]);
    assert!(run.code == Some(2) && run.stderr.contains("whole streams"), "{}", run.stderr);
}

#[test]
fn bench_measures_both_directions_of_every_file() {
    let sandbox = sandbox();
    sandbox.write("a", &ALICE[..3000]);
    sandbox.write("b", &ALICE[3000..5000]);
    let rows = ["--with", "-1", "--with", "--method ac --model tiny.m1q"];
    let run = sandbox.run(&[&["bench", "a", "b", "--json"][..], &rows].concat()).ok();
    let lines = String::from_utf8(run.stdout).expect("UTF-8");
    let rows: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(rows.len(), 2);
    for row in &rows {
        assert_eq!(row["bytes"], 5000);
        let compressed = row["compressed"].as_u64().expect("a number");
        assert!(compressed > 500 && compressed < 5000, "{row}");
        assert_eq!(row["bits_per_byte"], 8.0 * compressed as f64 / 5000.0);
        assert!(row["compress_seconds"].as_f64() > Some(0.0) && row["decompress_seconds"].as_f64() > Some(0.0));
    }
    assert_eq!(rows[1]["name"], "equalinfo --method ac --model tiny.m1q");
    // Messages say nothing of themselves.
    sandbox.run(&["bench", "a", "--with", "--raw --model tiny.m1q --context 40 --window-bits=32"]).ok();
    // Nothing is measured, and nothing written, by rows that would not be a compressor of stdin.
    for (options, word) in [
        ("--method none-such", "none-such"),
        ("-o x", "-o has no meaning"),
        ("--rm", "--rm"),
        ("a", "options alone"),
        ("--raw --lines", "--lines"),
    ] {
        sandbox.run(&["bench", "a", "--with", "-1", "--with", options]).fails(2, &["--with", options, word]);
    }
    assert_eq!(sandbox.files(), ["a", "b", "tiny.m1q"]);
}
