//! Tokens, checkpoints and experiments know what they are: what belongs to something else, or is damaged, is refused.

use equalinfo_tests::{ALICE, Sandbox};
use serde_json::Value;

use crate::sandbox;

/// A sandbox with tokens of 256 values by two methods, and held-out ones.
fn with_tokens() -> Sandbox {
    let sandbox = sandbox();
    sandbox.write("text.txt", &ALICE[..60_000]);
    for (method, output) in [("bytes", "t"), ("gzip", "g")] {
        let bits: &[&str] = if method == "gzip" { &["--token-bits", "8"] } else { &[] };
        let line = ["tokenize", "text.txt", "--method", method, "--sequence", "64", "-o", output];
        sandbox.run(&[&line[..], bits].concat()).ok();
    }
    sandbox
}

/// A small run of `train m2`, on `t` unless other tokens are named.
fn m2<'a>(more: &[&'a str]) -> Vec<&'a str> {
    let line = ["train", "m2", "--preset", "tiny", "--batch", "2", "--device", "cpu", "-T", "1", "-q", "-o", "r"];
    let data: &[&str] = if more.contains(&"--data") { &[] } else { &["--data", "t"] };
    [&line[..], data, more].concat()
}

/// A small run of `train m1`, which stops after its first step.
fn m1<'a>(more: &[&'a str]) -> Vec<&'a str> {
    let line = ["train", "m1", "--preset", "pico", "--batch", "2", "--sequence", "256", "--device", "cpu", "-T", "1"];
    [&line[..], &["--schedule", "constant", "--no-quantize", "--minutes", "1e-9", "-q", "-o", "r"], more].concat()
}

const CHECKPOINT: &str = "r/checkpoint.safetensors";

#[test]
fn m1_resumes_on_its_own_text_alone() {
    let sandbox = sandbox();
    sandbox.write("text.txt", &ALICE[..60_000]);
    sandbox.write("other.txt", &ALICE[1..60_001]);
    sandbox.write("moved.txt", &ALICE[..60_000]);
    let steps = ["--steps", "8", "--decay-steps", "2"];
    sandbox.run(&m1(&[&["--corpus", "text.txt"], &steps[..]].concat())).ok();
    let resume = |more: &[&'static str]| sandbox.run(&m1(&[&["--resume"], more].concat()));
    resume(&["--corpus", "other.txt"]).fails(1, &["other text", "SHA-256"]);
    resume(&["--corpus", "text.txt", "--messages", "text.txt"]).fails(1, &["other messages", "none"]);
    // What is not given is as it was; what is given must be, and the last value of an option counts.
    let text = ["--corpus", "text.txt"];
    let refused = |option: &[&'static str], words: &[&str]| {
        let words = [&["--resume", "checkpoint.safetensors"], words].concat();
        resume(&[&text[..], option].concat()).fails(1, &words);
    };
    refused(&["--batch", "4"], &["batch 2, expected 4"]);
    refused(&["--seed", "2", "--clip", "0.5"], &["seed 1, expected 2", "clip 1.0, expected 0.5"]);
    refused(&["--preset", "nano"], &["layers: 1", "layers: 2"]);
    refused(&["--ngrams", "2"], &["[2, 3, 4], expected [2]"]);
    refused(&["--optimizer", "adafactor"], &["Adamw", "Adafactor"]);
    // A corpus that was moved, more steps before the learning rate falls, another number of threads.
    resume(&["--corpus", "moved.txt", "--steps", "9", "-T", "2"]).ok();
    // By then it falls.
    resume(&["--corpus", "moved.txt", "--minutes", "9"]).ok();
    refused(&["--steps", "20"], &["steps 9", "decay has begun", "expected 20"]);
}

#[test]
fn rounded_steps_that_were_given_stay_when_the_end_moves() {
    let sandbox = sandbox();
    sandbox.write("text.txt", &ALICE[..60_000]);
    let rounded = |more: &[&'static str]| {
        let options = m1(&[&["--corpus", "text.txt"], more].concat());
        sandbox.run(&options.into_iter().filter(|option| *option != "--no-quantize").collect::<Vec<_>>())
    };
    rounded(&["--steps", "8", "--decay-steps", "4", "--rounded-steps", "1"]).ok();
    rounded(&["--resume", "--steps", "9", "--decay-steps", "6"]).ok();
    rounded(&["--resume", "--rounded-steps", "6"]).fails(1, &["rounded steps 1, expected 6"]);
}

#[test]
fn no_model_is_overwritten_and_no_name_leads_elsewhere() {
    let sandbox = sandbox();
    sandbox.write("text.txt", &ALICE[..60_000]);
    std::fs::create_dir(sandbox.path("r")).expect("create");
    sandbox.write("r/mine.m1q", b"precious");
    let named = |name| sandbox.run(&m1(&["--corpus", "text.txt", "--steps", "1", "--name", name]));
    named("mine").fails(1, &["mine.m1q", "exists"]);
    assert_eq!(sandbox.read("r/mine.m1q"), b"precious");
    for name in ["../mine", "..", "", "a name", "a-name-much-too-long"] {
        named(name).fails(1, &["name", "1 to 16 printable"]);
    }
    let sandbox = with_tokens();
    sandbox.run(&m2(&["--steps", "1", "--name", "../mine"])).fails(1, &["../mine", "1 to 100 printable"]);
}

#[test]
fn m2_keeps_to_its_tokens() {
    let sandbox = with_tokens();
    sandbox.run(&m2(&["--steps", "2"])).ok();
    let both = ["GZip[v=256]", "Bytes", "rows of 64"];
    sandbox.run(&m2(&["--resume", "--data", "g", "--steps", "4"])).fails(1, &both);
    sandbox.run(&["eval", "m2", CHECKPOINT, "--data", "g", "--device", "cpu"]).fails(1, &both);
    sandbox.run(&["generate", CHECKPOINT, "--data", "g"]).fails(1, &both);
    sandbox.run(&m2(&["--resume", "--batch", "3"])).fails(1, &["batch 2, expected 3"]);
    sandbox.run(&m2(&["--resume", "--preset", "25m"])).fails(1, &["layers: 2", "layers: 6"]);
    // The same method on other text: to be measured on, not to be trained further on.
    sandbox.write("other.txt", &ALICE[60_000..110_000]);
    sandbox.run(&["tokenize", "other.txt", "--method", "bytes", "--sequence", "64", "-o", "o"]).ok();
    let eval = ["eval", "m2", CHECKPOINT, "--data", "o", "--device", "cpu", "--rows", "2"];
    sandbox.run(&eval).ok();
    sandbox.run(&[&eval[..], &["--training-data", "t"]].concat()).ok();
    sandbox.run(&[&eval[..], &["--training-data", "o"]].concat()).fails(1, &["other tokens", "SHA-256"]);
    sandbox.run(&m2(&["--resume", "--data", "o", "--steps", "4"])).fails(1, &["other tokens", "SHA-256"]);
    // Tokens that were moved are the same.
    std::fs::rename(sandbox.path("t"), sandbox.path("moved")).expect("move");
    sandbox.run(&m2(&["--resume", "--data", "moved", "--steps", "4"])).ok();
    // A checkpoint of tokens is none of text, and the other way round.
    sandbox.run(&["quantize", CHECKPOINT, "--corpus", "text.txt", "-o", "x.m1q"]).fails(1, &["M2", "M1"]);
    sandbox.run(&["train", "m1", "--init", CHECKPOINT, "--corpus", "text.txt", "-o", "x"]).fails(1, &["M2", "M1"]);
    std::fs::remove_dir_all(sandbox.path("r")).expect("remove");
    sandbox.run(&m1(&["--corpus", "text.txt"])).ok();
    sandbox.run(&["eval", "m2", CHECKPOINT, "--data", "moved"]).fails(1, &["M1", "M2"]);
    sandbox.run(&m2(&["--resume", "--data", "moved"])).fails(1, &["M1", "M2"]);
}

#[test]
fn shards_are_those_that_were_written() {
    let sandbox = with_tokens();
    let (path, manifest) = ("t/tokens-00000.npy", "t/manifest.json");
    let [tokens, rows, described] = [path, "t/rows-00000.npy", manifest].map(|name| sandbox.read(name));
    let train = || sandbox.run(&m2(&["--steps", "1"]));
    let mut damaged = tokens.clone();
    let middle = damaged.len() / 2;
    damaged[middle - 100..middle + 100].iter_mut().for_each(|byte| *byte ^= 0x55);
    sandbox.write(path, &damaged);
    train().fails(1, &["tokens-00000.npy", "damaged", "SHA-256"]);
    let header = std::str::from_utf8(&tokens[10..128]).expect("ASCII");
    for (from, to, words) in [
        ("'fortran_order': False", "'fortran_order': True ", ["fortran_order", "row after row"]),
        ("'|u1'", "'|i1'", ["'|i1'", "'|u1'"]),
        ("64", "63", ["63", "64"]),
    ] {
        assert!(header.contains(from), "{header}");
        sandbox.write(path, &[&tokens[..10], header.replace(from, to).as_bytes(), &tokens[128..]].concat());
        train().fails(1, &[&["tokens-00000.npy"], &words[..]].concat());
    }
    sandbox.write(path, &tokens);
    // A manifest that leads elsewhere, or says what no tokens are.
    let text = String::from_utf8(described.clone()).expect("UTF-8");
    for (from, to, words) in [
        ("\"tokens-00000.npy\"", "\"/dev/zero\"", ["/dev/zero", "beside the manifest"]),
        ("\"tokens-00000.npy\"", "\"../t/tokens-00000.npy\"", ["../t/", "beside the manifest"]),
        ("\"rows-00000.npy\"", "\"\"", ["file", "beside the manifest"]),
        ("\"vocabulary\": 256", "\"vocabulary\": 4096", ["vocabulary 4096", "expected 256"]),
        ("\"sequence\": 64", "\"sequence\": 1000000000000", ["sequence 1000000000000", "1 to 65536"]),
        ("\"sequence\": 64", "\"sequence\": 0", ["sequence 0", "1 to 65536"]),
        ("\"context\": ", "\"context\": 7777", ["context 7777", "expected 1 to"]),
        ("\"method\": \"bytes\"", "\"method\": \"gzip\", \"token_bits\": 200", ["200 bits", "8 or 16"]),
        ("equalinfo-tokens-", "equalinfo-tokens-9", ["manifest.json", "expected format"]),
    ] {
        assert!(text.contains(from), "{from}: {text}");
        sandbox.write(manifest, text.replace(from, to).as_bytes());
        train().fails(1, &words);
    }
    sandbox.write(manifest, &described);
    #[cfg(unix)]
    {
        std::fs::remove_file(sandbox.path("t/rows-00000.npy")).expect("remove");
        std::os::unix::fs::symlink("/dev/zero", sandbox.path("t/rows-00000.npy")).expect("a link");
        train().fails(1, &["rows-00000.npy", "no regular file"]);
        std::fs::remove_file(sandbox.path("t/rows-00000.npy")).expect("remove");
        sandbox.write("t/rows-00000.npy", &rows);
    }
    train().ok();
}

#[test]
fn tokens_are_those_of_the_corpus_as_it_is() {
    let sandbox = sandbox();
    std::fs::create_dir(sandbox.path("corpus")).expect("a directory");
    sandbox.write("corpus/a.txt", &ALICE[..30_000]);
    sandbox.write("corpus/b.txt", &ALICE[30_000..50_000]);
    let tokenize =
        |corpus: &'static str| sandbox.run(&["tokenize", corpus, "--method", "bytes", "--sequence", "64", "-o", "t"]);
    let manifest = || serde_json::from_slice::<Value>(&sandbox.read("t/manifest.json")).expect("JSON");
    tokenize("corpus").ok();
    let first = manifest();
    std::fs::rename(sandbox.path("corpus"), sandbox.path("moved")).expect("move");
    tokenize("moved").ok();
    assert_eq!(manifest(), first);
    sandbox.write("moved/b.txt", &ALICE[30_001..50_001]);
    tokenize("moved").fails(1, &["t: holds tokens of another text", "corpus", "moved", "SHA-256"]);
    sandbox.write("empty.txt", b"");
    sandbox.run(&["tokenize", "empty.txt", "--method", "bytes", "-o", "e"]).fails(1, &["no text"]);
}

#[test]
fn a_damaged_checkpoint_is_replaced_by_the_one_before_it() {
    let sandbox = with_tokens();
    sandbox.run(&m2(&["--steps", "4", "--save-every", "1"])).ok();
    let newest = sandbox.read(CHECKPOINT);
    let mut damaged = newest.clone();
    let place = damaged.len() - 1000;
    damaged[place] ^= 1;
    sandbox.write(CHECKPOINT, &damaged);
    sandbox.run(&["eval", "m2", CHECKPOINT, "--data", "t"]).fails(1, &["checksum"]);
    let line: Vec<&str> = m2(&["--resume"]).into_iter().filter(|word| *word != "-q").collect();
    let run = sandbox.run(&line).ok();
    assert!(run.stderr.contains("checksum") && run.stderr.contains("continuing from step 3"), "{}", run.stderr);
    let tensors = |bytes: &[u8]| bytes[bytes.len() - 100_000..].to_vec();
    assert!(tensors(&sandbox.read(CHECKPOINT)) == tensors(&newest), "another model after the same steps");
    assert!(sandbox.read("r/checkpoint.damaged.safetensors") == damaged);
    // Both are damaged: nothing is left to continue.
    for name in [CHECKPOINT, "r/checkpoint.previous.safetensors"] {
        sandbox.write(name, &damaged);
    }
    sandbox.run(&m2(&["--resume"])).fails(1, &["checkpoint.safetensors", "checksum"]);
    sandbox.run(&m2(&[])).fails(1, &["checkpoint.safetensors exists", "--resume"]);
}

#[test]
fn one_process_at_a_time_writes_a_run() {
    let sandbox = with_tokens();
    let endless = m2(&["--steps", "1000000", "--save-every", "1", "--validate-every", "1000000"]);
    let mut first = sandbox.command(&endless).spawn().expect("run the tool");
    let started = std::time::Instant::now();
    while !sandbox.has(CHECKPOINT) {
        assert!(started.elapsed().as_secs() < 60, "no checkpoint comes");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    sandbox.run(&m2(&["--resume"])).fails(1, &["r: another process"]);
    first.kill().expect("kill");
    first.wait().expect("wait");
    // Whatever a killed process leaves behind keeps nobody out.
    sandbox.run(&m2(&["--resume", "--minutes", "1e-9"])).ok();
}

#[test]
fn plans_and_options_that_no_machine_could_carry_out_are_refused() {
    let sandbox = with_tokens();
    sandbox.run(&m2(&["--batch", "1000000000"])).fails(2, &["batch 1000000000", "1 to 1048576"]);
    let m1 = |more: &[&'static str]| sandbox.run(&m1(&[&["--corpus", "text.txt"], more].concat()));
    m1(&["--batch", "1000000000"]).fails(2, &["batch 1000000000", "1 to 1048576"]);
    m1(&["--sequence", "1000000000000"]).fails(2, &["sequence 1000000000000", "1 to 65536"]);
    m1(&["--batch", "1000000", "--sequence", "65536"]).fails(2, &["batch times sequence", "67108864"]);
    m1(&["--ngrams", "3,2"]).fails(2, &["--ngrams", "[3, 2]", "2 to 6"]);
    m1(&["--ngram-rows", "10,20"]).fails(2, &["--ngram-rows", "[10, 20]"]);
    m1(&["--steps", "1000000000000000000"]).fails(2, &["steps", "1000000000000"]);
    let plan = "title = 'x'\nm1 = 'nano'\npresets = ['tiny']\nsteps = 4\nbatch = 2\nmeasured_rows = 4\n\
                methods = [{ method = 'bytes' }]\n";
    let lexicon = "{ method = 'lexicon', token_bits = 77, kind = 'optimal' }";
    let task = |example: &str| {
        format!("{{ method = 'seq2seq', task = 'compress', of = {{ method = 'bytes' }}, example = {example} }}")
    };
    for (from, to, words) in [
        ("batch = 2", "batch = 1000000000", ["batch 1000000000", "1 to 1048576"]),
        ("steps = 4", "steps = 1000000000000000", ["steps 1000000000000000", "1 to 1000000000"]),
        ("measured_rows = 4", "measured_rows = 0", ["measured_rows 0", "1 to 1048576"]),
        ("{ method = 'bytes' }", lexicon, ["77 bits", "8 or 16"]),
        ("{ method = 'bytes' }", &task("1000000000000"), ["1000000000000 bytes", "1 to 65536"]),
        // Two methods whose files would have one name.
        ("{ method = 'bytes' }", &[task("20"), task("40")].join(","), ["twice", "Compress Bytes"]),
    ] {
        assert!(plan.contains(from));
        sandbox.write("plan.toml", plan.replace(from, to).as_bytes());
        let files = ["--corpus", "text.txt", "--test", "text.txt", "-o", "x"];
        sandbox.run(&[&["experiment", "plan.toml"][..], &files].concat()).fails(1, &words);
    }
    assert!(!sandbox.has("x"));
}
