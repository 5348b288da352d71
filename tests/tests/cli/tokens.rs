//! Token shards and M2: what is written, and that a process killed at any moment ends in the same files when it is started
//! again.

use std::path::Path;
use std::time::{Duration, Instant};

use equalinfo_tests::{ALICE, Sandbox};
use serde_json::Value;

use crate::sandbox;

/// A sandbox with training and held-out text.
pub fn with_text() -> Sandbox {
    let sandbox = sandbox();
    sandbox.write("text.txt", &ALICE[..60_000]);
    sandbox.write("test.txt", &ALICE[100_000..130_000]);
    sandbox
}

/// Starts the tool, kills it with SIGKILL once `moment` has come, and returns whether it came in time.
pub fn kill(sandbox: &Sandbox, arguments: &[&str], moment: impl Fn() -> bool) -> bool {
    let mut child = sandbox.command(arguments).spawn().expect("run the tool");
    let started = Instant::now();
    loop {
        if child.try_wait().expect("wait").is_some() {
            return false;
        }
        if moment() || started.elapsed() > Duration::from_secs(60) {
            child.kill().expect("kill");
            child.wait().expect("wait");
            return true;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// The content of all files below a directory, by their names.
fn contents(directory: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory).expect("list") {
        let path = entry.expect("entry").path();
        files.push((path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(&path).expect("read")));
    }
    files.sort();
    files
}

fn manifest(sandbox: &Sandbox, directory: &str) -> Value {
    serde_json::from_slice(&sandbox.read(&format!("{directory}/manifest.json"))).expect("JSON")
}

#[test]
fn shards_are_what_the_manifest_says() {
    let sandbox = with_text();
    let run = sandbox.run(&["tokenize", "text.txt", "--model", "tiny.m1q", "--sequence", "64", "-o", "t"]).ok();
    assert!(run.stderr.contains("EqualInfoAC[b=16,v=65k]"), "{}", run.stderr);
    let manifest = manifest(&sandbox, "t");
    assert_eq!(manifest["complete"], true);
    assert_eq!(manifest["settings"]["vocabulary"], 65_536);
    let shard = &manifest["shards"][0];
    assert_eq!(shard["rows"], 60_000u64.div_ceil(10_240));
    let bytes = sandbox.read("t/tokens-00000.npy");
    assert!(bytes.starts_with(b"\x93NUMPY"));
    let header = String::from_utf8_lossy(&bytes[..128]).into_owned();
    assert!(header.contains("'<u2'") && header.contains("(6, 64"), "{header}");
    // The first token is the first window, whose text `cat` gives.
    sandbox.run(&["compress", "text.txt", "--model", "tiny.m1q", "--method", "equal-info", "--window-bits", "16"]).ok();
    let window = sandbox.run(&["cat", "text.txt.eqi", "--model", "tiny.m1q", "--window", "0"]).ok();
    assert!(!window.stdout.is_empty() && ALICE.starts_with(&window.stdout));
}

#[test]
fn other_settings_are_not_mixed_into_a_directory() {
    let sandbox = with_text();
    sandbox.run(&["tokenize", "text.txt", "--method", "bytes", "-o", "t"]).ok();
    sandbox.run(&["tokenize", "text.txt", "--method", "bytes", "-o", "t"]).ok();
    sandbox
        .run(&["tokenize", "text.txt", "--method", "gzip", "-o", "t"])
        .fails(1, &["other settings", "name Bytes, expected GZip"]);
    sandbox.run(&["train", "m2", "--data", "nowhere"]).fails(1, &["nowhere", "tokenize"]);
}

#[test]
fn subwords_are_trained_and_generated() {
    let sandbox = with_text();
    let train = ["train", "unigram", "--corpus", "text.txt", "--vocabulary", "600", "-o", "u.json"];
    sandbox.run(&train).ok();
    sandbox.run(&train).fails(1, &["u.json"]);
    let options = ["--method", "unigram", "--tokenizer", "u.json", "--sequence", "64"];
    for (text, output) in [("text.txt", "t"), ("test.txt", "d")] {
        sandbox.run(&[&["tokenize", text, "-o", output], &options[..]].concat()).ok();
    }
    assert_eq!(manifest(&sandbox, "t")["settings"]["name"], "Unigram[v=600]");
    let train = ["train", "m2", "--data", "t", "--dev", "d", "--preset", "tiny", "--batch", "2", "--steps", "2"];
    sandbox.run(&[&train[..], &["--device", "cpu", "-q", "-o", "r"]].concat()).ok();
    let checkpoint = "r/checkpoint.safetensors";
    let eval = sandbox.run(&["eval", "m2", checkpoint, "--data", "d", "--device", "cpu"]).ok();
    assert!(String::from_utf8_lossy(&eval.stdout).contains("accuracy"));
    let generate = ["generate", checkpoint, "--data", "t", "--prompt", "Alice said", "--tokens", "20"];
    let text = sandbox.run(&[&generate[..], &["--tokenizer", "u.json"]].concat()).ok();
    assert!(text.stdout.starts_with(b"Alice said") && text.stdout.len() > 20);
    sandbox.run(&generate).fails(1, &["--tokenizer"]);
    sandbox.write("no.json", b"{}");
    let no = ["tokenize", "text.txt", "-o", "x", "--method", "unigram", "--tokenizer", "no.json"];
    sandbox.run(&no).fails(1, &["tokenizer.json"]);
    sandbox.run(&["tokenize", "text.txt", "-o", "x", "--method", "unigram"]).fails(2, &["--tokenizer"]);
    let tokens = |superwords: &'static str, name: &'static str| {
        let train = ["train", "bpe", "--corpus", "text.txt", "--vocabulary", "800", "--superwords", superwords];
        sandbox.run(&[&train[..], &["-f", "-o", "b.json"]].concat()).ok();
        let tokenize = ["tokenize", "text.txt", "--method", "unigram", "--tokenizer", "b.json", "--layout", "stream"];
        sandbox.run(&[&tokenize[..], &["-o", name]].concat()).ok();
        let settings = manifest(&sandbox, name)["settings"]["name"].clone();
        let detokenize = ["detokenize", name, "--tokenizer", "b.json", "--separator", ""];
        let text = sandbox.run(&detokenize).ok().stdout;
        assert!(text.len() > 50_000 && sandbox.read("text.txt").starts_with(&text));
        settings
    };
    assert_eq!(
        (tokens("0", "within").as_str(), tokens("160", "across").as_str()),
        (Some("BPE[v=800]"), Some("SuperBPE[v=800]"))
    );
    sandbox
        .run(&["train", "bpe", "--corpus", "text.txt", "--vocabulary", "800", "--superwords", "800", "-o", "x"])
        .fails(1, &["512"]);
}

#[test]
fn tokens_become_text_again() {
    let sandbox = with_text();
    let text = sandbox.read("text.txt");
    for (number, method) in
        [&["--method", "bytes"][..], &["--model", "tiny.m1q", "--token-bits", "16"]].iter().enumerate()
    {
        let folder = format!("t{number}");
        let options = ["--layout", "stream", "--sequence", "64", "-o", &folder];
        sandbox.run(&[&["tokenize", "text.txt"], &options[..], method].concat()).ok();
        let detokenize =
            [&["detokenize", &folder, "--separator", ""][..], if number == 0 { &[] } else { &method[..2] }];
        let detokenize = detokenize.concat();
        let whole = sandbox.run(&detokenize).ok().stdout;
        assert!(whole.len() > 50_000 && text.starts_with(&whole), "{folder}: {} bytes", whole.len());
        let row = sandbox.run(&[&detokenize[..], &["--rows", "1..2"]].concat()).ok().stdout;
        let first = sandbox.run(&[&detokenize[..], &["--rows", "0..1"]].concat()).ok().stdout;
        assert!(!row.is_empty() && whole.starts_with(&[first, row].concat()));
        sandbox.run(&[&detokenize[..], &["--rows", "100000.."]].concat()).fails(1, &["--rows"]);
    }
    sandbox.write("ids.txt", b"[72, 105]\n72 33\n");
    let run = sandbox.run(&["detokenize", "t0", "--ids", "ids.txt", "-o", "out"]).ok();
    assert!(run.stdout.is_empty() && sandbox.read("out") == b"Hi\nH!\n");
    sandbox.write("ids.txt", b"72 256\n");
    sandbox.run(&["detokenize", "t0", "--ids", "ids.txt"]).fails(1, &["line 1", "256 is no token"]);
    // Its own output is no input.
    sandbox.run(&["detokenize", "t0", "--ids", "ids.txt", "-f", "-o", "ids.txt"]).fails(1, &["input"]);
    // The model is found by its id, or asked for.
    sandbox.run(&["detokenize", "t1"]).fails(1, &["--model"]);
}

/// Documents as JSON lines.
fn json_lines(texts: &[&str]) -> Vec<u8> {
    texts.iter().map(|text| serde_json::json!({ "text": text }).to_string() + "\n").collect::<String>().into_bytes()
}

#[test]
fn documents_come_back_one_by_one() {
    let sandbox = sandbox();
    let alice = String::from_utf8_lossy(&ALICE[..30_000]).into_owned();
    let texts =
        [&alice[..7], &alice[7..8], &alice[8..900], &alice[900..20_000], "na\u{ef}ve \u{1f600}", &alice[20_000..]];
    sandbox.write("texts.jsonl", &json_lines(&texts));
    let tiny = ["--model", "tiny.m1q"];
    for (number, (method, vocabulary, kind)) in [
        (&["--method", "bytes"][..], 257, "<u2"),
        (&["--model", "tiny.m1q"], 65_537, "<u4"),
        (&["--model", "tiny.m1q", "--window-bits", "24"], 65_537, "<u4"),
        (&["--model", "tiny.m1q", "--window-bits", "64", "--token-bits", "8"], 257, "<u2"),
    ]
    .into_iter()
    .enumerate()
    {
        let folder = format!("t{number}");
        let options = ["--end-of-document", "--layout", "stream", "--sequence", "64", "-o", &folder];
        sandbox.run(&[&["tokenize", "texts.jsonl"], &options[..], method].concat()).ok();
        let settings = manifest(&sandbox, &folder)["settings"].clone();
        assert_eq!((&settings["vocabulary"], &settings["end_of_document"]), (&vocabulary.into(), &true.into()));
        let header = sandbox.read(&format!("{folder}/tokens-00000.npy"));
        assert!(String::from_utf8_lossy(&header[..128]).contains(kind), "{folder}");
        let detokenize = [&["detokenize", &folder][..], if number == 0 { &[] } else { &tiny }].concat();
        assert!(sandbox.run(&detokenize).ok().stdout == sandbox.read("texts.jsonl"), "{folder}");
        let joined = sandbox.run(&[&detokenize[..], &["--separator", "|"]].concat()).ok().stdout;
        assert!(joined == texts.map(|text| format!("{text}|")).concat().into_bytes(), "{folder}");
    }
    // The first row has two documents and the beginning of a third one.
    let first = sandbox.run(&["detokenize", "t0", "--rows", "0..1"]).ok().stdout;
    assert_eq!(first, json_lines(&[texts[0], texts[1], &texts[2][..64 - 10]]));
    sandbox.write("ids.txt", b"72 105 256 256\n255\n");
    let run = sandbox.run(&["detokenize", "t0", "--ids", "ids.txt"]).ok();
    assert_eq!(run.stdout, json_lines(&["Hi", "\u{fffd}"]));
    assert!(run.stderr.contains("1 text: not UTF-8") && run.stderr.contains("--separator"), "{}", run.stderr);
    // Several folders, and a folder of folders, are read one after the other.
    for (part, texts) in [("a", &texts[..3]), ("b", &texts[3..])] {
        sandbox.write("part.jsonl", &json_lines(texts));
        let options = ["--end-of-document", "--layout", "stream", "--sequence", "64", "-o", &format!("parts/{part}")];
        sandbox.run(&[&["tokenize", "part.jsonl"], &options[..], &tiny].concat()).ok();
    }
    for folders in [&["parts"][..], &["parts/a", "parts/b"]] {
        let all = sandbox.run(&[&["detokenize"], folders, &tiny].concat()).ok();
        assert!(all.stdout == sandbox.read("texts.jsonl"), "{folders:?}");
    }
    sandbox.run(&[&["detokenize", "parts/a", "t0"], &tiny[..]].concat()).fails(1, &["t0", "parts/a"]);
    // The option is part of what tokens are, and folders without it are what they were.
    sandbox
        .run(&["tokenize", "texts.jsonl", "--method", "bytes", "--layout", "stream", "--sequence", "64", "-o", "t0"])
        .fails(1, &["other settings", "end_of_document true, expected none"]);
    sandbox.run(&["tokenize", "texts.jsonl", "--method", "bytes", "-o", "plain"]).ok();
    assert_eq!(manifest(&sandbox, "plain")["settings"]["end_of_document"], Value::Null);
    let task =
        ["tokenize", "texts.jsonl", "--method", "static-ac", "--task", "compress", "--end-of-document", "-o", "x"];
    sandbox.run(&task).fails(2, &["--end-of-document", "--task"]);
}

#[test]
fn m2_learns_where_documents_end_and_proves_what_they_cost() {
    let sandbox = sandbox();
    sandbox.write("texts.jsonl", &json_lines(&["hello"; 400]));
    let tokenize = ["tokenize", "texts.jsonl", "--method", "bytes", "--layout", "stream", "--sequence", "64"];
    sandbox.run(&[&tokenize[..], &["--end-of-document", "-o", "t"]].concat()).ok();
    sandbox.run(&[&tokenize[..], &["--end-of-document", "-o", "parts/t"]].concat()).ok();
    sandbox.run(&[&tokenize[..], &["-o", "plain"]].concat()).ok();
    let train = |data: &'static str, more: &[&'static str]| {
        let options = ["--preset", "tiny", "--batch", "4", "--steps", "150", "--optimizer", "adamw", "--device", "cpu"];
        let line = ["train", "m2", "--data", data, "-q", "-T", "1", "-o", "r", "--schedule", "cosine"];
        sandbox.run(&[&line[..], &options, more].concat())
    };
    train("t", &[]).ok();
    let both = ["Bytes in rows of 64, expected", "Bytes in rows of 64, with ends of documents"];
    train("plain", &["--resume"]).fails(1, &both);
    let checkpoint = "r/checkpoint.safetensors";
    sandbox.run(&["eval", "m2", checkpoint, "--data", "plain", "--device", "cpu"]).fails(1, &both);
    let generate = ["generate", checkpoint, "--data", "t", "--temperature", "0", "--tokens", "40"];
    let drawn = sandbox.run(&generate).ok();
    assert_eq!((drawn.text(), drawn.stderr.contains("6 tokens, 5 bytes")), ("hello\n", true), "{}", drawn.stderr);
    assert_eq!(sandbox.run(&[&generate[..], &["--prompt", "hel"]].concat()).ok().text(), "hello\n");
    assert_eq!(
        sandbox.run(&[&["generate", checkpoint, "--data", "parts"], &generate[4..]].concat()).ok().text(),
        "hello\n"
    );

    let eval = ["eval", "m2", checkpoint, "--data", "t", "--device", "cpu", "-T", "1"];
    let prove = |more: &[&'static str]| sandbox.run(&[&eval[..], more].concat());
    let figures: Value = serde_json::from_slice(&prove(&["--prove", "code", "--json"]).ok().stdout).expect("JSON");
    let number = |value: &Value| value.as_f64().expect("a number");
    assert!(number(&figures["bits_per_end"]) < 1.0, "{figures}");
    let (proof, text) = (&figures["proof"], 5.0 * 400.0);
    let (bytes, computed) = (number(&proof["bytes"]), number(&proof["computed_bits_per_byte"]));
    assert_eq!((bytes as usize, 8.0 * bytes / text), (sandbox.read("code").len(), number(&proof["bits_per_byte"])));
    assert!((bytes - computed * text / 8.0).abs() <= 2.0, "{figures}");
    assert!((computed - number(&figures["bits_per_byte"])).abs() < 0.02, "{figures}");
    prove(&["--prove", "code"]).fails(1, &["code", "already exists"]);
    prove(&["--prove", checkpoint]).fails(1, &["input"]);
    prove(&["--prove", "-"]).fails(2, &["--prove"]);
    let table = prove(&["--prove", "code", "-f", "--rows", "3"]).ok();
    assert!(table.text().contains("decode to the tokens") && sandbox.read("code").len() < bytes as usize);
    // In memory; each thread has a code of its own.
    let figures: Value = serde_json::from_slice(&prove(&["--prove", "--json", "-T", "3"]).ok().stdout).expect("JSON");
    assert!((bytes..bytes + 12.0).contains(&number(&figures["proof"]["bytes"])), "{figures}");
}

#[test]
fn a_text_beside_its_code_has_a_loss_on_one_of_them() {
    let sandbox = with_text();
    let options = ["--model", "tiny.m1q", "--token-bits", "8", "--sequence", "512", "--task-bytes", "200"];
    sandbox.run(&[&["tokenize", "text.txt", "-o", "t", "--task", "decompress"], &options[..]].concat()).ok();
    let manifest = manifest(&sandbox, "t");
    assert_eq!(manifest["settings"]["vocabulary"], 512);
    assert_eq!(manifest["shards"][0]["rows"], 300);
    assert_eq!(manifest["shards"][0]["tokens"], 60_000);
    let small = [&["tokenize", "text.txt", "-o", "x", "--task", "compress"], &options[..5], &["64"]].concat();
    sandbox.run(&small).fails(1, &["--sequence"]);
}

#[test]
fn eval_takes_text_or_a_model_of_tokens() {
    let sandbox = with_text();
    sandbox.run(&["eval"]).fails(2, &["FILE"]);
    sandbox.run(&["eval", "m2"]).fails(2, &["CHECKPOINT"]);
    sandbox.run(&["eval", "text.txt", "--method", "bytes"]).ok();
    sandbox.run(&["eval", "m2", "none.safetensors", "--data", "nowhere"]).fails(1, &["none.safetensors"]);
}

#[cfg(unix)]
#[test]
fn tokenize_goes_on_after_a_kill() {
    let sandbox = sandbox();
    sandbox.write("text.txt", &ALICE.repeat(3));
    let arguments = |output| {
        let options =
            ["--model", "tiny.m1q", "--window-bits", "64", "--sequence", "512", "--rows-per-shard", "1", "-T", "1"];
        [&["tokenize", "text.txt", "-o", output][..], &options].concat()
    };
    sandbox.run(&arguments("whole")).ok();
    let mut kills = 0;
    for shard in ["parts/tokens-00001.npy", "parts/tokens-00004.npy", "parts/tokens-00009.npy"] {
        kills += usize::from(kill(&sandbox, &arguments("parts"), || sandbox.has(shard)));
    }
    assert!(kills > 0);
    sandbox.run(&arguments("parts")).ok();
    // What a killed process had begun to write lies beside the shards; the manifest has the command, whose output is another.
    let mut parts = contents(&sandbox.path("parts"));
    parts.retain(|(name, _)| !name.ends_with(".partial"));
    for (name, content) in &mut parts {
        if name == "manifest.json" {
            *content = String::from_utf8_lossy(content).replace("-o parts", "-o whole").into_bytes();
        }
    }
    assert!(contents(&sandbox.path("whole")) == parts);
}

/// Options of the smallest training run.
const TRAINING: [&str; 14] = [
    "train",
    "m2",
    "--data",
    "t",
    "--dev",
    "d",
    "--preset",
    "tiny",
    "--batch",
    "2",
    "--steps",
    "8",
    "--save-every",
    "2",
];

#[cfg(unix)]
#[test]
fn m2_trains_and_goes_on_after_a_kill() {
    let sandbox = with_text();
    for (text, output) in [("text.txt", "t"), ("test.txt", "d")] {
        sandbox.run(&["tokenize", text, "--method", "bytes", "--sequence", "64", "-o", output]).ok();
    }
    let arguments = |more: &[&'static str]| {
        [&TRAINING[..], &["-q", "-T", "2", "--device", "cpu", "--validate-every", "1"], more].concat()
    };
    // What a run left that never got to a checkpoint is none of this one's metrics.
    std::fs::create_dir(sandbox.path("whole")).expect("a directory");
    sandbox.write("whole/metrics.jsonl", b"{\"step\": 3}\n");
    sandbox.run(&arguments(&["-o", "whole"])).ok();
    kill(&sandbox, &arguments(&["-o", "parts"]), || sandbox.has("parts/checkpoint.safetensors"));
    sandbox.run(&arguments(&["-o", "parts"])).fails(1, &["--resume"]);
    sandbox.run(&arguments(&["-o", "parts", "--resume"])).ok();
    let figures = |run: &str| {
        let checkpoint = format!("{run}/checkpoint.safetensors");
        let run = sandbox.run(&["eval", "m2", &checkpoint, "--data", "d", "--device", "cpu", "--json"]).ok();
        serde_json::from_slice::<Value>(&run.stdout).expect("JSON")
    };
    let steps = |run: &str| -> Vec<u64> {
        let text = String::from_utf8(sandbox.read(&format!("{run}/metrics.jsonl"))).expect("UTF-8");
        let step = |line| serde_json::from_str::<Value>(line).expect("JSON")["step"].as_u64().expect("a step");
        text.lines().map(step).collect()
    };
    assert_eq!(steps("parts"), (1..=8).collect::<Vec<u64>>());
    assert_eq!(steps("whole"), steps("parts"));
    sandbox.run(&arguments(&["-o", "long", "--warmup", "9"])).fails(2, &["--warmup", "9 steps", "there are 8"]);
    sandbox.run(&arguments(&["-o", "parts", "--resume", "--warmup", "9"])).fails(1, &["warm-up"]);
    let (whole, parts) = (figures("whole"), figures("parts"));
    assert_eq!(whole, parts);
    assert_eq!(whole["steps"], 8);
    assert_eq!(whole["uniform_bits_per_byte"], 8.0);
    let bits = whole["bits_per_byte"].as_f64().expect("a number");
    assert!(bits < 8.0, "{bits} bits/byte");
    sandbox
        .run(&["tokenize", "test.txt", "--method", "gzip", "--token-bits", "16", "--sequence", "64", "-o", "g"])
        .ok();
    let other = ["eval", "m2", "whole/checkpoint.safetensors", "--data", "g", "--device", "cpu"];
    sandbox.run(&other).fails(1, &["GZip[v=65k]", "Bytes"]);
}

#[test]
fn shards_of_several_directories_are_read_together() {
    let sandbox = with_text();
    sandbox.write("more.txt", &ALICE[60_000..100_000]);
    for (text, output) in [("text.txt", "parts/1"), ("more.txt", "parts/2"), ("test.txt", "d")] {
        sandbox.run(&["tokenize", text, "--method", "bytes", "--sequence", "64", "-o", output]).ok();
    }
    // Beside the parts may lie what is none.
    std::fs::create_dir(sandbox.path("parts/logs")).expect("create");
    // 6 rows twice, and 2 of 4: a pass is 14 rows, and 16 steps of 2 are more than two.
    let weighted = ["--data", "parts/1:2", "--data", "parts/2:0.5"];
    let train = |data: &[&'static str], steps: &'static str, output: &'static str, more: &[&'static str]| {
        let options = ["--dev", "d", "--preset", "tiny", "--batch", "2", "--device", "cpu", "-T", "1", "-q"];
        sandbox.run(&[&["train", "m2", "--steps", steps, "-o", output], data, &options[..], more].concat())
    };
    let losses = |run: &str| -> Vec<Value> {
        let lines = String::from_utf8(sandbox.read(&format!("{run}/metrics.jsonl"))).expect("UTF-8");
        lines
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).expect("JSON")["train_bits_per_byte"].clone())
            .collect()
    };
    let every = ["--validate-every", "1"];
    train(&weighted, "16", "whole", &every).ok();
    train(&weighted, "9", "resumed", &every).ok();
    train(&weighted, "16", "resumed", &["--resume", "--validate-every", "1"]).ok();
    assert_eq!(losses("whole").len(), 16);
    assert_eq!(losses("whole"), losses("resumed"));
    for other in [&["--data", "parts/1", "parts/2:0.5"], &["--data", "parts/2:0.5", "parts/1:2"]] {
        train(other, "17", "resumed", &["--resume"]).fails(1, &["other tokens", "SHA-256"]);
    }
    // The directory of both is both, in the order of their names.
    train(&["--data", "parts"], "3", "all", &every).ok();
    train(&["--data", "parts/1", "parts/2"], "3", "both", &every).ok();
    assert_eq!(losses("all"), losses("both"));
    assert_ne!(losses("all"), losses("whole")[..3]);
    let eval = |data: &[&str]| {
        let line = ["eval", "m2", "whole/checkpoint.safetensors", "--data", "parts", "--device", "cpu", "--json"];
        sandbox.run(&[&line[..], data].concat())
    };
    let figures: Value =
        serde_json::from_slice(&eval(&["--training-data", "parts/1:2", "--training-data", "parts/2:0.5"]).ok().stdout)
            .expect("JSON");
    assert_eq!(figures["tokens"], 10 * 64);
    let unigram = figures["unigram_bits_per_byte"].as_f64().expect("a number");
    assert!((3.0..7.0).contains(&unigram), "{unigram}");
    eval(&["--training-data", "parts"]).fails(1, &["other tokens"]);

    sandbox.run(&["tokenize", "more.txt", "--method", "bytes", "--sequence", "32", "-o", "short"]).ok();
    sandbox
        .run(&["tokenize", "more.txt", "--method", "gzip", "--token-bits", "8", "--sequence", "64", "-o", "gzip"])
        .ok();
    let refused =
        |data: &'static str, words: &[&str]| train(&["--data", "parts/1", data], "3", "no", &[]).fails(1, words);
    refused("short", &["short: holds other tokens than parts/1", "sequence 32, expected 64"]);
    refused("gzip", &["gzip: holds other tokens than parts/1", "method gzip, expected bytes"]);
    refused("nowhere", &["nowhere", "tokenize"]);
    train(&["--data", "parts/1:0"], "3", "no", &[]).fails(2, &["weight 0 of parts/1"]);
}

#[test]
fn m2_generates_text_of_whole_windows() {
    let sandbox = with_text();
    sandbox
        .run(&["tokenize", "text.txt", "--model", "tiny.m1q", "--token-bits", "8", "--sequence", "64", "-o", "t"])
        .ok();
    sandbox
        .run(
            &[
                &TRAINING[..2],
                &["--data", "t", "--preset", "tiny", "--batch", "2", "--steps", "2", "--device", "cpu", "-o", "r"],
            ]
            .concat(),
        )
        .ok();
    let generate_tokens = |tokens: &'static str, more: &[&'static str]| {
        let arguments =
            ["generate", "r/checkpoint.safetensors", "--data", "t", "--prompt", "Alice", "--tokens", tokens];
        sandbox.run(&[&arguments[..], more].concat())
    };
    let generate = |more: &[&'static str]| generate_tokens("20", more);
    let tiny = ["--model", "tiny.m1q"];
    let first = generate(&tiny).ok();
    assert!(first.stdout.starts_with(b"Alice") && first.stderr.contains("bytes a step"), "{}", first.stderr);
    assert!(generate(&tiny).ok().stdout == first.stdout);
    assert!(generate(&[&tiny[..], &["--seed", "2"]].concat()).ok().stdout != first.stdout);
    let likeliest = generate(&[&tiny[..], &["--temperature", "0"]].concat()).ok().stdout;
    assert!(generate(&[&tiny[..], &["--top-k", "1", "--seed", "3"]].concat()).ok().stdout == likeliest);
    // More than the 64 tokens that the model sees.
    let long = generate_tokens("200", &[&tiny[..], &["--temperature", "0"]].concat()).ok();
    assert!(
        long.stdout.starts_with(likeliest.trim_ascii_end()) && long.stderr.contains("200 tokens"),
        "{}",
        long.stderr
    );
    generate(&["--model", "nano"]).fails(1, &["made with model"]);
}

#[test]
fn only_whole_numbers_are_tokens() {
    let sandbox = with_text();
    sandbox.run(&["tokenize", "text.txt", "--method", "bytes", "--sequence", "64", "-o", "b"]).ok();
    let detokenize = |ids: &[u8]| {
        sandbox.write("ids.txt", ids);
        sandbox.run(&["detokenize", "b", "--ids", "ids.txt"])
    };
    for (piece, ids) in [
        ("-101", "72 105\n72 -101 108"),
        ("1.5", "72\n1.5\n"),
        ("1e2", "72\n[72, 1e2]"),
        ("72-101", "72\n72-101"),
        ("x72", "\nx72"),
        ("+72", "\n+72"),
        ("72|105", "\n72|105"),
    ] {
        detokenize(ids.as_bytes()).fails(1, &["ids.txt, line 2", &format!("{piece} is no token")]);
    }
    for ids in [
        "72 105",
        "72,105",
        "72;\t105",
        "[72,105]",
        "{\"ids\": [72, 105]}",
        "('72', '105')",
        "\u{feff}0072 105\r",
        "tensor([72, 105])",
    ] {
        assert_eq!(detokenize(ids.as_bytes()).ok().stdout, b"Hi\n", "{ids}");
    }
}

#[test]
fn a_setting_that_is_absent_is_not_told_from_none() {
    let sandbox = with_text();
    sandbox.run(&["tokenize", "text.txt", "--method", "bytes", "--sequence", "64", "-o", "t"]).ok();
    let run = sandbox.run(&["tokenize", "text.txt", "--model", "tiny.m1q", "--sequence", "64", "-o", "t"]);
    let run = run.fails(1, &["other settings", "method bytes, expected"]);
    assert!(!run.stderr.contains("none, expected none"), "{}", run.stderr);
}
