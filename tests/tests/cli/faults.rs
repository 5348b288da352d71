//! Faults that the system deals out: reads that fail, standard streams that are closed, memory, files and disks that
//! are too small, and death at any moment. The table of them is in `SECURITY.md`.

use std::process::Stdio;
use std::time::{Duration, Instant};

use equalinfo_tests::{ALICE, Random, Sandbox};

use crate::sandbox;

/// Names and contents.
type Files = Vec<(String, Vec<u8>)>;

const TEXT: &[u8] = ALICE.first_chunk::<30_000>().expect("the text is longer");

/// Commands that read `text` and write a file or directory `out`, quick ones.
const WRITERS: [&str; 4] = [
    "compress -q -f --method static-ac text -o out",
    "compress -q -f --model tiny.m1q --raw message -o out",
    "tokenize -q text --method bytes --layout stream --sequence 64 --rows-per-shard 200 -o out",
    "lexicon build -q -f --model tiny.m1q -T 1 -o out",
];

fn with_inputs() -> Sandbox {
    let sandbox = sandbox();
    sandbox.write("text", TEXT);
    sandbox.write("message", b"Battery low");
    sandbox
}

/// The content of a file, or of all files of a directory, in the order of their names. Of a directory of tokens without
/// locks, what a killed process had begun, and the option of its command that silences it; of a checkpoint without its
/// header, which has the time that it took.
fn content(sandbox: &Sandbox, name: &str) -> Files {
    let path = sandbox.path(name);
    if path.is_file() {
        return vec![(name.to_owned(), sandbox.read(name))];
    }
    let entries = std::fs::read_dir(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
    let mut names: Vec<_> =
        entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8")).collect();
    names.sort();
    names.retain(|name| !name.starts_with('.') && !name.ends_with(".partial") && name != "metrics.jsonl");
    names.retain(|name| path.join(name).is_file());
    names.retain(|name| name != "checkpoint.previous.safetensors" && !name.starts_with("events."));
    let read = |file: String| {
        let mut bytes = sandbox.read(&format!("{name}/{file}"));
        if let (true, Some(length)) = (file.ends_with(".safetensors"), bytes.first_chunk()) {
            bytes.drain(..8 + u64::from_le_bytes(*length) as usize);
        }
        if file == "manifest.json" {
            bytes = String::from_utf8(bytes).expect("UTF-8").replace(" -q", "").into();
        }
        (file, bytes)
    };
    names.into_iter().map(read).collect()
}

/// What a command writes when nothing happens, under the name that it has in the command.
fn undisturbed(line: &str) -> Files {
    let sandbox = with_inputs();
    sandbox.shell(&format!("$equalinfo {line}")).ok();
    content(&sandbox, "out")
}

#[cfg(target_os = "linux")]
#[test]
fn a_read_that_fails_is_an_error_with_the_name_of_the_file() {
    let sandbox = with_inputs();
    // The first page of a process is never mapped: reading it is an error of input and output.
    for name in ["mem", "mem.eqi"] {
        std::os::unix::fs::symlink("/proc/self/mem", sandbox.path(name)).expect("a link");
    }
    for line in [
        "compress mem -o out",
        "compress --raw mem -o out",
        "compress text --model mem -o out",
        "decompress mem.eqi -o out",
        "cat mem.eqi",
        "test mem.eqi",
        "list mem.eqi",
        "inspect mem.eqi",
        "tokenize mem --method bytes -o out",
        "lexicon build --model mem -o out",
        "table build --model tiny.m1q mem -o out",
        "eval --method gzip mem",
        "compare mem",
        "train m1 --corpus mem --preset pico --steps 2 --device cpu -o run",
    ] {
        sandbox.run(&line.split(' ').collect::<Vec<_>>()).fails(1, &["mem", "cannot"]);
        assert!(!sandbox.has("out") && !sandbox.has("run/checkpoint.safetensors"), "{line}");
    }
}

#[test]
fn files_are_right_when_the_standard_streams_are_closed() {
    // The files that it opens then get the numbers of those streams, and no message may be written into them.
    for line in WRITERS {
        let expected = undisturbed(line);
        let sandbox = with_inputs();
        for closed in ["<&-", "<&- >&-", ">&- 2>&-", "<&- 2>&-", "<&- >&- 2>&-"] {
            sandbox.shell(&format!("rm -rf out; $equalinfo {line} {closed}")).ok();
            assert!(content(&sandbox, "out") == expected, "{line} {closed}");
            // With something to say and nobody to say it to.
            let talking = line.replace(" -q", "");
            let run = sandbox.shell(&format!("rm -rf out; $equalinfo {talking} {closed}"));
            assert!(matches!(run.code, Some(0 | 1)), "{talking} {closed}: {run:?}");
            assert!(content(&sandbox, "out") == expected, "{talking} {closed}");
        }
    }
}

#[cfg(target_os = "linux")]
#[test]
fn too_little_memory_leaves_the_old_file_or_the_whole_new_one() {
    for line in [WRITERS[0], WRITERS[1], WRITERS[3]] {
        let expected = undisturbed(line);
        let sandbox = with_inputs();
        let (mut succeeded, mut failed) = (0, 0);
        for kib in [10_000, 30_000, 60_000, 90_000, 150_000, 250_000, 4_000_000] {
            sandbox.write("out", b"precious");
            // It may be killed as it starts, fail with a message, or abort where the standard library does.
            let run = sandbox.shell(&format!("ulimit -c 0 -v {kib}; exec $equalinfo {line}"));
            if run.code == Some(0) {
                succeeded += 1;
                assert!(content(&sandbox, "out") == expected, "{line}, {kib} KiB");
            } else {
                failed += 1;
                assert_eq!(sandbox.read("out"), b"precious", "{line}, {kib} KiB: {run:?}");
            }
            assert!(!sandbox.files().iter().any(|name| name.ends_with(".partial")), "{line}, {kib} KiB");
        }
        assert!(succeeded > 0 && failed > 0, "{line}: {succeeded} runs succeeded, {failed} failed");
    }
}

#[test]
fn a_limit_on_files_leaves_nothing_and_the_next_run_completes() {
    for line in WRITERS.into_iter().filter(|line| !line.contains("message")) {
        let expected = undisturbed(line);
        // With the signal that the limit sends, which ends the process, and without it, which is an error.
        for trap in ["", "trap '' XFSZ; "] {
            let sandbox = with_inputs();
            let run = sandbox.shell(&format!("ulimit -c 0 -f 4; {trap}exec $equalinfo {line}"));
            if trap.is_empty() {
                assert_ne!(run.code, Some(0), "{line}");
            } else {
                run.fails(1, &["out", "cannot"]);
            }
            assert!(line.starts_with("tokenize") || !sandbox.has("out"), "{line}");
            sandbox.shell(&format!("$equalinfo {line}")).ok();
            assert!(content(&sandbox, "out") == expected, "{line} {trap}");
        }
    }
}

/// A filesystem of 64 KiB, where this user may mount one in a namespace of its own.
#[cfg(target_os = "linux")]
const SMALL_DISK: &str = "exec unshare --mount --map-root-user bash -c \
    'mkdir -p disk && mount -t tmpfs -o size=64k none disk && cd disk && ";

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_an_error_and_the_next_run_completes() {
    if sandbox().shell(&format!("{SMALL_DISK} :'")).code != Some(0) {
        return;
    }
    for line in [WRITERS[0], WRITERS[2], WRITERS[3]] {
        let expected = undisturbed(line);
        let sandbox = with_inputs();
        // Older output beside something that fills the disk; then room, and what was written comes out of the namespace.
        let old = if line.starts_with("tokenize") { "true" } else { "echo precious >out" };
        let run = sandbox.shell(&format!(
            "{SMALL_DISK} cp ../tiny.m1q ../text ../message /dev/shm 2>/dev/null; ln -s ../tiny.m1q ../text ../message . \
            && {old} && head -c 56K /dev/zero >filling && $equalinfo {line}; code=$?; \
            [ $code = 1 ] && if [ -f out ]; then grep -qx precious out; fi || exit 9; \
            mount -o remount,size=64m . && rm filling && $equalinfo {line} && cp -r out .. && exit $code'"
        ));
        run.fails(1, &["out", "No space left on device"]);
        assert!(content(&sandbox, "out") == expected, "{line}");
    }
}

/// Kills `line` with SIGKILL at a random moment of the time that it takes, three times, each time where it was left;
/// then lets it end and compares what it wrote with what it writes undisturbed.
fn survives_kills(seed: u64, prepare: &str, line: &str, resume: &str) {
    survives_kills_by(seed, prepare, line, resume, content);
}

/// The same for a command whose output is what `content` says.
fn survives_kills_by(seed: u64, prepare: &str, line: &str, resume: &str, content: fn(&Sandbox, &str) -> Files) {
    let fresh = || {
        let sandbox = with_inputs();
        sandbox.shell(prepare).ok();
        sandbox
    };
    let whole = fresh();
    let began = Instant::now();
    whole.run(&line.split(' ').collect::<Vec<_>>()).ok();
    let (expected, time) = (content(&whole, "out"), began.elapsed());

    let mut random = Random::new(seed);
    let sandbox = fresh();
    let arguments = || {
        let resume = if sandbox.has("out/checkpoint.safetensors") { resume } else { "" };
        line.split(' ').chain(resume.split_whitespace()).collect::<Vec<_>>()
    };
    let mut kills = 0;
    for _ in 0..3 {
        let mut command = sandbox.command(&arguments());
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("run the tool");
        std::thread::sleep(time.mul_f64(f64::from(random.bits() as u32) / f64::from(u32::MAX) * 0.6));
        kills += usize::from(child.try_wait().expect("the tool's state").is_none());
        child.kill().expect("kill");
        child.wait().expect("ends");
        assert!(!line.starts_with("compress") || !sandbox.has("out") || content(&sandbox, "out") == expected, "{line}");
    }
    assert!(kills > 0 || time < Duration::from_millis(100), "{line} was never killed");
    sandbox.run(&arguments()).ok();
    assert!(content(&sandbox, "out") == expected, "{line}");
    assert!(!sandbox.files().iter().any(|name| name.ends_with(".partial")), "{line}");
}

#[test]
fn compress_killed_at_any_moment_writes_the_same_file() {
    let line = "compress -q -f --model tiny.m1q --block-size 4K -T 1 text -o out";
    survives_kills(1, "true", line, "");
}

#[test]
fn tokenize_killed_at_any_moment_writes_the_same_shards() {
    let line = "tokenize -q text --model tiny.m1q --sequence 128 --rows-per-shard 1 -T 1 -o out";
    survives_kills(2, "true", line, "");
}

#[test]
fn m1_killed_at_any_moment_becomes_the_same_model() {
    let line = "train m1 -q --corpus text --preset pico --steps 6 --decay-steps 2 --save-every 1 --batch 1 --sequence 256 \
        -T 1 --device cpu --no-quantize -o out";
    survives_kills(3, "true", line, "--resume");
}

#[test]
fn m2_killed_at_any_moment_becomes_the_same_model() {
    let line = "train m2 -q --data tokens --preset tiny --batch 2 --steps 6 --save-every 1 -T 1 --device cpu -o out";
    let prepare = "$equalinfo tokenize -q text --method bytes --sequence 64 -o tokens";
    survives_kills(4, prepare, line, "--resume");
}

/// Results, the report and its figures, tokens, and the models that were trained.
#[test]
fn an_experiment_killed_at_any_moment_has_the_same_results() {
    const PLAN: &str = r#"
title = "Kills"
m1 = "tiny.m1q"
presets = ["tiny"]
steps = 4
batch = 1
sequence = 64
optimizer = "adamw"
measured_rows = 2
methods = [
    { method = "bytes" },
    { method = "equal-info", window_bits = 16, token_bits = 8, code = "default" },
    { method = "lexicon", token_bits = 8, kind = "window-code" },
]
"#;
    fn everything(sandbox: &Sandbox, name: &str) -> Files {
        let mut files = Vec::new();
        let mut directories = vec![name.to_owned()];
        while let Some(directory) = directories.pop() {
            for entry in std::fs::read_dir(sandbox.path(&directory)).expect("a directory") {
                let entry = entry.expect("an entry");
                let name = entry.file_name().into_string().expect("UTF-8");
                if entry.file_type().expect("a type").is_dir() {
                    directories.push(format!("{directory}/{name}"));
                }
            }
            let here = content(sandbox, &directory);
            files.extend(here.into_iter().map(|(file, bytes)| (format!("{directory}/{file}"), bytes)));
        }
        files.sort();
        assert!(files.iter().any(|(name, _)| name.ends_with("results.csv")) && files.len() > 20, "{}", files.len());
        files
    }
    let line = "experiment plan.toml -q --corpus text --test text --device cpu -o out";
    let prepare = format!("cat >plan.toml <<'END'{PLAN}END");
    survives_kills_by(5, &prepare, line, "", everything);
}
