//! The manners of zstd: outputs, overwriting, pipes, exit codes.

use std::io::Read;
use std::process::Stdio;

use equalinfo_tests::ALICE;

use crate::{sandbox, with_tiny};

#[test]
fn files_are_kept_unless_told_otherwise() {
    let sandbox = sandbox();
    sandbox.write("text", b"some text");
    sandbox.run(&with_tiny(&["compress", "text"])).ok();
    assert!(sandbox.has("text") && sandbox.has("text.eqi"));
    sandbox.run(&with_tiny(&["decompress", "--rm", "text.eqi", "-o", "back"])).ok();
    assert!(!sandbox.has("text.eqi") && sandbox.read("back") == b"some text");
    sandbox.run(&with_tiny(&["compress", "--rm", "text"])).ok();
    assert!(!sandbox.has("text") && sandbox.has("text.eqi"));
    sandbox.run(&with_tiny(&["decompress", "text.eqi"])).ok();
    assert_eq!(sandbox.read("text"), b"some text");
}

#[test]
fn several_files_each_get_their_output() {
    let sandbox = sandbox();
    for name in ["a", "b", "c"] {
        sandbox.write(name, name.repeat(100).as_bytes());
    }
    sandbox.run(&with_tiny(&["compress", "a", "b", "c"])).ok();
    assert_eq!(sandbox.files(), ["a", "a.eqi", "b", "b.eqi", "c", "c.eqi", "tiny.m1q"]);
    let all = sandbox.run(&with_tiny(&["cat", "a.eqi", "b.eqi", "c.eqi"])).ok();
    assert_eq!(all.text(), ["a", "b", "c"].map(|name| name.repeat(100)).concat());
    sandbox.run(&with_tiny(&["compress", "a", "b", "-o", "both"])).fails(2, &["-o both", "2 inputs"]);
    let joined = sandbox.run(&with_tiny(&["compress", "-c", "a", "b"])).ok().stdout;
    assert_eq!(sandbox.run_with(&with_tiny(&["decompress"]), &joined).ok().text(), "a".repeat(100) + &"b".repeat(100));
}

#[test]
fn nothing_is_overwritten_without_force() {
    let sandbox = sandbox();
    sandbox.write("text", b"some text");
    sandbox.write("text.eqi", b"precious");
    sandbox.run(&with_tiny(&["compress", "text"])).fails(1, &["text.eqi", "already exists", "-f"]);
    assert_eq!(sandbox.read("text.eqi"), b"precious");
    sandbox.run(&with_tiny(&["compress", "-f", "text"])).ok();
    sandbox.run(&with_tiny(&["decompress", "text.eqi"])).fails(1, &["text", "already exists"]);
    sandbox.run(&with_tiny(&["decompress", "-f", "text.eqi"])).ok();
}

#[test]
fn wrong_names_and_inputs_are_explained() {
    let sandbox = sandbox();
    sandbox.write("text", b"some text");
    sandbox.run(&with_tiny(&["compress", "missing"])).fails(1, &["missing", "cannot open"]);
    sandbox.run(&with_tiny(&["compress", "."])).fails(1, &["directory"]);
    sandbox.run(&with_tiny(&["decompress", "text"])).fails(1, &["text", ".eqi", "-o"]);
    sandbox.run(&with_tiny(&["decompress", "text", "-o", "back"])).fails(1, &["text", "not an .eqi stream"]);
    sandbox.run(&with_tiny(&["compress", "text", "-o", "no/such/directory/out"])).fails(1, &["no/such/directory"]);
    sandbox.run(&["compress", "text", "--model", "no-such-model"]).fails(1, &["no-such-model", ".m1q"]);
    assert_eq!(sandbox.files(), ["text", "tiny.m1q"]);
}

#[test]
fn mistakes_in_the_command_line_are_exit_code_2() {
    let sandbox = sandbox();
    for arguments in [
        &["compress", "--method", "zip"][..],
        &["compress", "--window-bits", "17"],
        &["compress", "-T", "few"],
        &["compress", "--block-size", "many"],
        &["cat", "--range", "9..3"],
        &["fit", "--chip", "rp2040", "--core", "m4"],
        &["fit", "--chip", "rp2040", "--clock", "0"],
        &["eval"],
        &["no-such-command"],
        &[],
    ] {
        sandbox.run(arguments).fails(2, &[]);
    }
    sandbox.write("text", b"some text");
    let one = |arguments: &[&str]| sandbox.run(&with_tiny(&[&["compress", "text"], arguments].concat()));
    one(&["--window-bits", "16"]).fails(2, &["--window-bits", "equal-info"]);
    one(&["--method", "equal-info", "--code", "paper"]).fails(2, &["paper", "no decoder"]);
    one(&["--block-size", "0"]).fails(2, &["--block-size", "4K"]);
    one(&["--block-size", "1G"]).fails(2, &["--block-size", "256M"]);
    one(&["--raw", "--device", "cuda"]).fails(2, &["--device cuda", "compress, decompress and tokenize"]);
    sandbox.run(&with_tiny(&["inspect", "text", "--device", "cuda"])).fails(2, &["--device cuda", "CPU"]);
    sandbox.run(&["compress", "-r"]).fails(2, &["-r expects"]);
    sandbox.run(&["compress", "text", "text", "-o", "out"]).fails(2, &["-o out", "2 inputs"]);
    // Below zero.
    let threads = ["--threads", "number of threads", "'-1'"];
    sandbox.run(&["compress", "text", "-T", "-1"]).fails(2, &threads);
    sandbox.run(&["inspect", "text", "--limit", "-5"]).fails(2, &["--limit", "from 1", "'-5'"]);
    sandbox.run(&["eval", "text", "--limit", "-5"]).fails(2, &["--limit", "'-5'"]);
    sandbox.run(&["compress", "-q", "-1", "-c", "text"]).ok();
    // There is a GPU, or what is missing is named.
    let run = one(&["--device", "cuda", "-f"]);
    assert!(run.code == Some(0) || run.stderr.contains("libcuda") || run.stderr.contains("NVRTC"), "{}", run.stderr);
}

#[test]
fn options_that_would_do_nothing_are_refused() {
    let sandbox = sandbox();
    sandbox.write("text", b"It was the best of times, it was the worst of times.");
    sandbox.run(&with_tiny(&["compress", "-q", "--method", "ac", "text"])).ok();
    sandbox.run(&["tokenize", "text", "-q", "--method", "bytes", "--sequence", "16", "-o", "t"]).ok();
    for option in ["--model", "--lexicon", "--tokenizer"] {
        let words = [option, "no meaning here", "Bytes"];
        sandbox.run(&["detokenize", "t", option, "tiny.m1q"]).fails(2, &words);
    }
    sandbox.run(&["detokenize", "t", "-o", "back"]).ok();
    let inspect = |arguments: &[&str]| sandbox.run(&with_tiny(&[&["inspect"], arguments].concat()));
    inspect(&["text", "--class", "4k"]).fails(2, &["--class", "--bits"]);
    inspect(&["text", "--bits", "--window-bits", "32", "--limit", "3"]).fails(2, &["--limit and --window-bits"]);
    inspect(&["text", "--bits", "--code", "delay"]).fails(2, &["--code", "--bits"]);
    inspect(&["text.eqi", "--limit", "3"]).fails(2, &["--limit", "--windows"]);
    inspect(&["text.eqi", "--token-bits", "8"]).fails(2, &["--token-bits", "--windows"]);
    inspect(&["text.eqi", "--class", "4k"]).fails(2, &["--class", "--bits"]);
    inspect(&["text.eqi", "--window-bits", "16"]).fails(2, &["--window-bits", "a stream says itself"]);
    inspect(&["text", "--bits", "--class", "4k", "--context", "9"]).ok();
    inspect(&["text", "--limit", "3", "--token-bits", "8"]).ok();
}

#[test]
fn sizes_and_time_are_reported_and_quiet_is_quiet() {
    let sandbox = sandbox();
    sandbox.write("alice29.txt", ALICE);
    let run = sandbox.run(&with_tiny(&["compress", "alice29.txt"])).ok();
    assert!(
        run.stderr.contains("152,089 =>") && run.stderr.contains("bits/byte") && run.stderr.contains(" s, "),
        "{}",
        run.stderr
    );
    assert!(run.stdout.is_empty());
    let run = sandbox.run(&with_tiny(&["compress", "-f", "-q", "alice29.txt"])).ok();
    assert_eq!(run.stderr, "");
    let run = sandbox.run(&with_tiny(&["compress", "-f", "-v", "alice29.txt"])).ok();
    assert!(run.stderr.contains("1 block,") && run.stderr.contains("tiny-1"), "{}", run.stderr);
}

#[test]
fn a_closed_pipe_is_not_an_error_message() {
    let sandbox = sandbox();
    sandbox.write("text", &ALICE.repeat(4));
    sandbox.run(&["compress", "--method", "static-ac", "text"]).ok();
    let mut child = sandbox
        .command(&["cat", "text.eqi"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("run the tool");
    let mut first = [0; 100];
    child.stdout.take().expect("a pipe").read_exact(&mut first).expect("the first bytes");
    assert_eq!(first[..], ALICE[..100]);
    let output = child.wait_with_output().expect("ends");
    assert_eq!((output.status.code(), &output.stderr[..]), (Some(141), &b""[..]));
}

#[test]
fn completions_and_manual_cover_every_command() {
    let sandbox = sandbox();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = sandbox.run(&["completions", shell]).ok();
        assert!(script.text().contains("decompress"), "{shell}");
    }
    assert!(sandbox.run(&["man"]).ok().text().contains(".TH equalinfo 1"));
    sandbox.run(&["man", "-o", "man"]).ok();
    for page in ["equalinfo", "equalinfo-compress", "equalinfo-cat", "equalinfo-eval", "equalinfo-train-m1"] {
        assert!(sandbox.has(&format!("man/{page}.1")), "{page}");
    }
    let help = sandbox.run(&["--help"]).ok();
    for code in ["0 ", "1 ", "2 ", "3 ", "130"] {
        assert!(help.text().contains(&format!("\n  {code}")), "exit code {code} is documented");
    }
}

#[cfg(unix)]
#[test]
fn a_device_without_an_end_is_no_stream() {
    let sandbox = sandbox();
    for command in [&["list"][..], &["cat", "--range", "0..10"], &["cat"], &["test"]] {
        let words = ["/dev/zero", "not an .eqi stream"];
        sandbox.run(&[command, &["/dev/zero"]].concat()).fails(1, &words);
    }
}

#[test]
fn bits_of_a_stream_are_those_of_its_own_model() {
    let sandbox = sandbox();
    sandbox.write("text", b"It was the best of times, it was the worst of times.");
    sandbox.run(&["compress", "-q", "--model", "pico", "--method", "ac", "text"]).ok();
    let shown = sandbox.run(&["inspect", "--bits", "text.eqi"]).ok();
    assert!(shown.text().contains("saved by pico"), "{}", shown.text());
}

#[test]
fn a_name_that_is_only_a_suffix_leaves_none_for_the_text() {
    let sandbox = sandbox();
    sandbox.write(".eqi", b"");
    sandbox.run(&["decompress", ".eqi"]).fails(1, &[".eqi: nothing is before .eqi", "-o FILE"]);
    sandbox.write("other", b"");
    sandbox.run(&["decompress", "other"]).fails(1, &["other: expected a name that ends in .eqi"]);
}
