//! Several inputs, limits, interruption, and options that cannot be meant.

use std::process::Command;

use equalinfo_tests::{ALICE, Sandbox};

use crate::{sandbox, with_tiny};

// 9. One bad file among others.

#[test]
fn one_bad_file_does_not_stop_the_others() {
    let sandbox = sandbox();
    sandbox.write("f1", b"one");
    sandbox.write("f3", b"three");
    let run = sandbox.run(&["compress", "--method", "static-ac", "f1", "nofile", "f3"]);
    let run = run.fails(1, &["equalinfo: nofile: cannot open"]);
    assert_eq!(run.stderr.matches("nofile").count(), 1, "{}", run.stderr);
    assert!(sandbox.has("f1.eqi") && sandbox.has("f3.eqi"));
    let run = sandbox.run(&["decompress", "-f", "nofile.eqi", "f1.eqi", "f4", "f3.eqi"]);
    let run = run.fails(1, &["nofile.eqi", "f4: expected a name that ends in .eqi"]);
    assert_eq!(run.stderr.matches("nofile.eqi").count(), 1, "{}", run.stderr);
    assert_eq!(sandbox.run(&["cat", "f1.eqi", "nofile", "f3.eqi"]).fails(1, &["nofile"]).text(), "onethree");
    sandbox.run(&["test", "f1.eqi", "nofile", "f3.eqi"]).fails(1, &["f1.eqi: intact", "nofile", "f3.eqi: intact"]);
    let list = sandbox.run(&["list", "f1.eqi", "nofile", "f3.eqi"]).fails(1, &["nofile"]);
    assert_eq!(list.text().lines().count(), 4);
}

#[test]
fn the_worst_exit_code_counts() {
    let sandbox = sandbox();
    sandbox.write("text", &ALICE[..30_000]);
    sandbox.run(&["compress", "--method", "static-ac", "--block-size", "10000", "text"]).ok();
    let mut stream = sandbox.read("text.eqi");
    let middle = stream.len() / 2;
    stream[middle] ^= 1;
    sandbox.write("damaged.eqi", &stream);
    for order in [["damaged.eqi", "nofile.eqi", "text.eqi"], ["nofile.eqi", "text.eqi", "damaged.eqi"]] {
        for command in ["decompress", "cat", "test"] {
            let force: &[&str] = if command == "decompress" { &["-f"] } else { &[] };
            let run = sandbox.run(&[&[command], force, &order].concat());
            let run = run.fails(3, &["nofile.eqi", "damaged.eqi", "block"]);
            if command == "cat" {
                assert!(run.stdout.len() > 30_000, "the intact stream is delivered too");
            }
        }
    }
    assert!(sandbox.read("text") == ALICE[..30_000]);
}

// 10. Threads.

#[test]
fn any_number_of_threads_works() {
    let sandbox = sandbox();
    sandbox.write("text", &ALICE[..40_000]);
    sandbox.run(&with_tiny(&["compress", "text", "-T", "1", "--block-size", "4K"])).ok();
    let expected = sandbox.read("text.eqi");
    for threads in ["0", "3", "20000", "40000", "18446744073709551615"] {
        sandbox.run(&with_tiny(&["compress", "-f", "text", "-T", threads, "--block-size", "4K"])).ok();
        assert!(sandbox.read("text.eqi") == expected, "-T {threads}");
    }
    for wrong in ["-1", "many", "1.5"] {
        sandbox.run(&["compress", "text", &format!("-T{wrong}")]).fails(2, &[]);
    }
}

/// The tool as a user who may have few processes, which root has no limit of.
#[cfg(target_os = "linux")]
#[test]
fn fewer_threads_do_where_the_system_gives_no_more() {
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::process::CommandExt;
    let sandbox = sandbox();
    sandbox.write("text", &ALICE[..40_000]);
    sandbox.run(&with_tiny(&["compress", "text", "-o", "expected", "--block-size", "4K"])).ok();
    std::fs::copy(sandbox.program(), sandbox.path("program")).expect("copy the tool");
    let is_root = sandbox.shell("id -u").text().trim() == "0";
    if !is_root {
        // The limit counts what else this user runs, so that no number of it is right.
        return;
    }
    std::fs::set_permissions(sandbox.directory(), PermissionsExt::from_mode(0o777)).expect("open the sandbox");
    for most in [1, 2, 3, 6, 20] {
        for arguments in [
            &["compress", "-f", "text", "-T", "64", "--block-size", "4K"][..],
            &["lexicon", "build", "-T", "64", "-f", "-o", "lex"],
        ] {
            let mut command = Command::new(sandbox.path("program"));
            command.args(with_tiny(arguments)).current_dir(sandbox.directory());
            // An id that nobody else uses, so that the limit counts this process alone.
            command.uid(54_000 + most as u32).gid(54_000);
            // SAFETY: setrlimit may be called between fork and exec.
            unsafe {
                command.pre_exec(move || {
                    let limit = libc::rlimit { rlim_cur: most, rlim_max: most };
                    if libc::setrlimit(libc::RLIMIT_NPROC, &limit) == 0 {
                        Ok(())
                    } else {
                        Err(std::io::Error::last_os_error())
                    }
                });
            }
            let output = command.output().expect("run the tool");
            let words = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success() && !words.contains("panicked"), "{most}, {arguments:?}: {words}");
        }
        assert!(sandbox.read("text.eqi") == sandbox.read("expected"), "{most} processes");
        std::fs::remove_file(sandbox.path("text.eqi")).expect("remove");
        std::fs::remove_file(sandbox.path("lex")).expect("remove");
    }
}

// 11. Interrupted training.

#[cfg(unix)]
#[test]
fn interrupted_training_is_saved_and_fails() {
    use std::io::{BufRead, BufReader};
    use std::process::Stdio;
    let sandbox = sandbox();
    sandbox.write("text", &ALICE.repeat(3));
    let train = |resume: &[&str]| {
        let options = ["train", "m1", "--corpus", "text", "-o", "run", "--steps", "100000000", "--batch", "2", "-T1"];
        let more = ["--sequence", "256", "--device", "cpu", "--validate-every", "1000000"];
        sandbox.command(&[&options[..], &more, resume].concat())
    };
    let mut child = train(&[]).stderr(Stdio::piped()).spawn().expect("run the tool");
    let mut lines = BufReader::new(child.stderr.take().expect("a pipe")).lines();
    // The first line is said before the first step.
    let first = lines.next().expect("a line").expect("text");
    assert!(!first.contains("libcuda"), "what is missing is the business of 'devices': {first}");
    let estimate = lines.next().expect("a line").expect("text");
    assert!(estimate.contains("days"), "such a run is announced: {estimate}");
    let process = i32::try_from(child.id()).expect("a process id");
    // SAFETY: the process is our own child and has not been waited for.
    assert_eq!(unsafe { libc::kill(process, libc::SIGINT) }, 0);
    let rest: Vec<String> = lines.map(|line| line.expect("text")).collect();
    assert_eq!(child.wait().expect("ends").code(), Some(130), "{rest:?}");
    assert!(rest.iter().any(|line| line.contains("stopping after this step") && line.contains("again")), "{rest:?}");
    assert!(rest.iter().any(|line| line.contains("--resume")), "{rest:?}");
    assert!(std::fs::read_dir(sandbox.path("run")).expect("the run").count() > 0);
}

#[cfg(unix)]
#[test]
fn training_that_still_reads_its_corpus_ends_at_once() {
    let sandbox = sandbox();
    let pipe = std::ffi::CString::new(sandbox.path("text.txt").into_os_string().into_encoded_bytes()).expect("a path");
    // SAFETY: the path ends with a zero. Nobody writes into the pipe, so its reader waits.
    assert_eq!(unsafe { libc::mkfifo(pipe.as_ptr(), 0o600) }, 0);
    let arguments = ["train", "m1", "--corpus", "text.txt", "-o", "run", "--device", "cpu"];
    let mut child = sandbox.command(&arguments).spawn().expect("run the tool");
    crate::ranks::wait_for(&sandbox, "run");
    // SAFETY: the process is our own child and has not been waited for.
    assert_eq!(unsafe { libc::kill(i32::try_from(child.id()).expect("a process id"), libc::SIGINT) }, 0);
    let asked = std::time::Instant::now();
    while child.try_wait().expect("a child").is_none() && asked.elapsed().as_secs() < 20 {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let ended = child.try_wait().expect("a child");
    child.kill().ok();
    assert_eq!(ended.and_then(|status| status.code()), Some(130));
}

// 12. Options.

fn mistakes(sandbox: &Sandbox, command: &str, mistakes: &[&str]) {
    for mistake in mistakes {
        let arguments: Vec<&str> = command.split(' ').chain(mistake.split(' ')).collect();
        let run = sandbox.run(&arguments);
        assert!(matches!(run.code, Some(1 | 2)), "{command} {mistake}: {run:?}");
        let option = mistake.split(' ').next().expect("an option");
        assert!(run.stderr.contains(option.split('=').next().expect("a name")), "{command} {mistake}: {run:?}");
    }
}

#[test]
fn options_that_cannot_be_meant_are_refused() {
    let sandbox = sandbox();
    sandbox.write("text", b"some text");
    sandbox.write("checkpoint", b"none");
    let rates = ["nan", "inf", "-inf", "-1", "0", "many"];
    let training: Vec<String> = ["--learning-rate", "--clip", "--minutes"]
        .iter()
        .flat_map(|option| rates.iter().map(move |rate| format!("{option}={rate}")))
        .chain(
            ["--weight-decay", "--z-loss"]
                .iter()
                .flat_map(|option| ["nan", "inf", "-1"].iter().map(move |weight| format!("{option}={weight}"))),
        )
        .chain(["--batch=0", "--steps=0", "--validate-every=0", "--save-every=0"].map(str::to_owned))
        .collect();
    let training: Vec<&str> = training.iter().map(String::as_str).collect();
    mistakes(&sandbox, "train m1 --corpus text -o run", &training);
    mistakes(
        &sandbox,
        "train m1 --corpus text -o run",
        &["--window-share=1.5", "--window-share=nan", "--layout-share=-1"],
    );
    mistakes(&sandbox, "train m2 --data tokens -o run", &training);
    mistakes(&sandbox, "quantize checkpoint --corpus text -o out", &["--learning-rate=nan", "--learning-rate=0"]);
    let sampling = [
        "--temperature=nan",
        "--temperature=-1",
        "--temperature=inf",
        "--top-p=0",
        "--top-p=1.5",
        "--top-p=nan",
        "--top-k=0",
    ];
    mistakes(&sandbox, "generate checkpoint --data tokens", &sampling);
    assert!(!sandbox.has("run") && !sandbox.has("out"));
}

#[test]
fn options_of_another_method_are_refused() {
    let sandbox = sandbox();
    sandbox.write("text", b"some text");
    sandbox.run(&["compress", "--method", "static-ac", "text"]).ok();
    mistakes(
        &sandbox,
        "tokenize text -o t --method ac",
        &["--window-bits 24", "--code delay", "--reset never", "--align word"],
    );
    mistakes(
        &sandbox,
        "tokenize text -o t --method gzip",
        &["--window-bits 24", "--code paper", "--context 9", "--model nano"],
    );
    mistakes(&sandbox, "tokenize text -o t --method bytes", &["--token-bits 8", "--code paper", "--model nano"]);
    mistakes(&sandbox, "inspect text.eqi", &["--window-bits 16", "--code delay", "--context 9", "--method equal-info"]);
    mistakes(&sandbox, "compress -f text --method ac", &["--window-bits 24", "--code delay"]);
    mistakes(&sandbox, "compress -f text --method static-ac", &["--context 9", "--code delay"]);
    mistakes(&sandbox, "eval text --method gzip", &["--window-bits 24", "--code delay"]);
    assert!(!sandbox.has("t"));
}

// 13. Small blocks.

#[test]
fn blocks_cost_little_beside_their_text() {
    let sandbox = sandbox();
    sandbox.write("noise", &equalinfo_tests::Random::new(5).bytes(100_000));
    mistakes(&sandbox, "compress noise", &["--block-size 1", "--block-size 0", "--block-size 4095", "--block-size 1G"]);
    sandbox.run(&with_tiny(&["compress", "noise", "--block-size", "4K"])).ok();
    let blocks = 100_000_usize.div_ceil(4096);
    assert!(sandbox.read("noise.eqi").len() <= 100_000 + 28 + 24 + 48 * blocks);
}

// 14. Names.

#[cfg(unix)]
#[test]
fn names_do_not_reach_the_terminal_raw() {
    let sandbox = sandbox();
    let name = "a\x1b[31m\nb\u{9b}c";
    sandbox.write(name, b"some text");
    let stream = format!("{name}.eqi");
    let lines = |text: &str| {
        assert!(!text.chars().any(|character| character.is_control() && character != '\n'), "{text:?}");
        text.lines().count()
    };
    let report = sandbox.run(&["compress", "--method", "static-ac", name]).ok();
    assert_eq!(lines(&report.stderr), 1);
    assert!(report.stderr.contains("a\\x1b[31m\\nb\\x9bc"), "{}", report.stderr);
    for command in [
        &["compress", name][..],
        &["decompress", &stream],
        &["compress", "missing\x1b[0m"],
        &["cat", name],
        &["inspect", "missing\x1b[0m"],
        &["eval", "missing\x1b[0m"],
        &["export", "--model", "missing\x1b[0m"],
        &["compress", "--method", "x\x1b[0m"],
        &["train", "static", "--corpus", "missing\x1b[0m", "-o", "out"],
    ] {
        let run = sandbox.run(command);
        assert_ne!(run.code, Some(0), "{command:?}");
        lines(&run.stderr);
    }
    for command in [["list", &stream], ["inspect", &stream]] {
        lines(sandbox.run(&command).ok().text());
    }
}

// 16. Messages.

#[test]
fn messages_are_said_once_and_well() {
    let sandbox = sandbox();
    sandbox.write("text", b"x");
    let run = sandbox.run(&with_tiny(&["compress", "-v", "text"])).ok();
    assert!(run.stderr.contains("1 block,") && run.stderr.contains("0 windows"), "{}", run.stderr);
    let shown = sandbox.run(&["inspect", "text.eqi"]).ok();
    assert!(shown.text().contains("1 byte of text in ") && shown.text().contains("\n1 block\n"), "{}", shown.text());
    for command in ["cat", "decompress", "inspect", "list", "test"] {
        let run = sandbox.run(&[command, "missing.eqi"]).fails(1, &["missing.eqi: cannot open"]);
        assert_eq!(run.stderr.matches("missing.eqi").count(), 1, "{command}: {}", run.stderr);
    }
    // Why two figures of one file differ is said beside them.
    sandbox.write("two.txt", &ALICE[..3000]);
    sandbox.run(&["compress", "--model", "nano", "two.txt"]).ok();
    assert!(sandbox.run(&["inspect", "two.txt.eqi"]).ok().text().contains("model nano "));
    let run = sandbox.run(&["eval", "--method", "ac", "--model", "nano", "two.txt"]).ok();
    assert!(run.text().contains("without the headers"), "{}", run.text());
}
