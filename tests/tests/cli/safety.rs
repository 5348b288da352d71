//! No command loses, exposes or overwrites what it was not told to. The situations are those of `tests/README.md`.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::process::Stdio;
use std::time::{Duration, Instant};

use equalinfo_tests::{ALICE, Run, Sandbox};

use crate::sandbox;

/// Byte frequencies need no model: the fastest way to a stream.
const STATIC: [&str; 3] = ["compress", "--method", "static-ac"];

const TEXT: &[u8] = b"some text that nobody has a copy of";

fn with_text(names: &[&str]) -> Sandbox {
    let sandbox = sandbox();
    fs::remove_file(sandbox.path("tiny.m1q")).expect("remove");
    for name in names {
        sandbox.write(name, TEXT);
    }
    sandbox
}

fn compress(sandbox: &Sandbox, arguments: &[&str]) -> Run {
    sandbox.run(&[&STATIC, arguments].concat())
}

fn decompress(sandbox: &Sandbox, arguments: &[&str]) -> Run {
    sandbox.run(&[&["decompress"], arguments].concat())
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|metadata| metadata.uid() == 0)
}

// 1. Input and output are one file.

#[test]
fn an_input_is_never_its_own_output() {
    let sandbox = with_text(&["s"]);
    fs::hard_link(sandbox.path("s"), sandbox.path("hard")).expect("link");
    symlink("s", sandbox.path("soft")).expect("link");
    for output in ["s", "./s", "hard", "soft"] {
        for source in ["s", "soft"] {
            compress(&sandbox, &["-f", "--rm", source, "-o", output]).fails(1, &["never overwritten"]);
        }
    }
    sandbox.shell("$equalinfo compress --method static-ac -f -o s < s").fails(1, &["never overwritten"]);
    sandbox.shell("$equalinfo compress --method static-ac -c s >> s").fails(1, &["never overwritten"]);
    assert_eq!((sandbox.read("s"), sandbox.files()), (TEXT.to_vec(), vec!["hard".into(), "s".into(), "soft".into()]));

    compress(&sandbox, &["s"]).ok();
    let stream = sandbox.read("s.eqi");
    decompress(&sandbox, &["-f", "--rm", "s.eqi", "-o", "s.eqi"]).fails(1, &["s.eqi", "never overwritten"]);
    sandbox.shell("$equalinfo cat s.eqi >> s.eqi").fails(1, &["never overwritten"]);
    assert_eq!(sandbox.read("s.eqi"), stream);
    // A terminal or /dev/null can be both.
    compress(&sandbox, &["-f", "/dev/null", "-o", "/dev/null"]).ok();
}

#[test]
fn what_a_command_reads_beside_its_inputs_is_not_overwritten() {
    let sandbox = sandbox();
    sandbox.write("text", TEXT);
    let model = sandbox.read("tiny.m1q");
    let tiny = ["--model", "tiny.m1q", "-f", "-o", "tiny.m1q"];
    for command in [&["compress", "text"][..], &["export"], &["lexicon", "build"]] {
        sandbox.run(&[command, &tiny].concat()).fails(1, &["tiny.m1q", "never overwritten"]);
    }
    assert!(sandbox.read("tiny.m1q") == model);
    sandbox.run(&["train", "static", "--corpus", "text", "-f", "-o", "text"]).fails(1, &["text", "never overwritten"]);
    assert_eq!(sandbox.read("text"), TEXT);
}

// 2. --rm.

#[test]
fn sources_are_removed_only_for_a_regular_file_on_disk() {
    let sandbox = with_text(&["s"]);
    let kept = |line: &str| {
        let run = sandbox.shell(line);
        assert!(sandbox.has("s"), "{line}: {}", run.stderr);
        run
    };
    let static_ac = "$equalinfo compress --method static-ac";
    kept(&format!("{static_ac} --rm -c s > out")).ok();
    kept(&format!("{static_ac} --rm -c s >&-")).fails(1, &["(stdout)"]);
    kept(&format!("{static_ac} --rm -c s > /dev/full")).fails(1, &["(stdout)"]);
    kept(&format!("{static_ac} --rm s -o - > out")).ok();
    kept(&format!("{static_ac} --rm s -o /dev/null")).ok();
    kept(&format!("{static_ac} --rm s -o /dev/full")).fails(1, &["/dev/full"]);
    kept(&format!("{static_ac} --rm s -o >(cat >/dev/null)")).ok();
    kept("ln -s s link && $equalinfo compress --method static-ac --rm link");
    assert!(sandbox.path("link").is_symlink() && sandbox.has("link.eqi"));
    compress(&sandbox, &["--rm", "s"]).ok();
    assert!(!sandbox.has("s") && sandbox.has("s.eqi"));
}

#[test]
fn sources_outlive_a_reader_that_dies() {
    let sandbox = sandbox();
    sandbox.write("s", &ALICE.repeat(20));
    let run = sandbox
        .shell("$equalinfo compress --method static-ac --rm -c s | head -c 10 >/dev/null; exit ${PIPESTATUS[0]}");
    assert_eq!((run.code, sandbox.has("s")), (Some(141), true), "{}", run.stderr);
}

#[test]
fn fifos_are_read_and_never_removed() {
    let sandbox = with_text(&[]);
    sandbox.shell("mkfifo p && (printf text > p &) && $equalinfo compress --method static-ac -f --rm p -o out").ok();
    assert!(sandbox.path("p").symlink_metadata().expect("there").file_type().is_fifo());
    assert_eq!(sandbox.run(&["cat", "out"]).ok().text(), "text");
}

#[test]
fn a_source_that_changes_meanwhile_is_not_removed() {
    let sandbox = sandbox();
    sandbox.write("s", &ALICE.repeat(4));
    let mut child = sandbox.command(&["compress", "--model", "tiny.m1q", "-T1", "-q", "--rm", "s"]);
    let child = child.stderr(Stdio::piped()).spawn().expect("run the tool");
    let open = format!("/proc/{}/fd", child.id());
    let is_open = || {
        let mut links = fs::read_dir(&open).into_iter().flatten().flatten();
        links.any(|link| fs::read_link(link.path()).is_ok_and(|file| file.ends_with("s")))
    };
    while !is_open() {
        std::thread::yield_now();
    }
    fs::OpenOptions::new().append(true).open(sandbox.path("s")).expect("open").write_all(b"more").expect("write");
    let output = child.wait_with_output().expect("ends");
    assert!(sandbox.has("s"), "what was added is kept");
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("has changed"));
}

// 3. Devices and FIFOs as outputs.

#[test]
fn nodes_are_written_into() {
    let sandbox = with_text(&["s"]);
    sandbox.write("tiny.m1q", &equalinfo_tests::tiny_model(1));
    let model = ["--model", "tiny.m1q"];
    for force in [&[][..], &["-f"]] {
        compress(&sandbox, &[&["s", "-o", "/dev/null"], force].concat()).ok();
        sandbox.run(&[&["export", "-o", "/dev/null"], &model[..], force].concat()).ok();
        sandbox.run(&[&["train", "static", "--corpus", "s", "-o", "/dev/null"], force].concat()).ok();
    }
    assert!(fs::metadata("/dev/null").expect("there").file_type().is_char_device());
    let run =
        sandbox.shell("mkfifo p; (cat p > got &) ; $equalinfo compress -q --method static-ac -f s -o p && sleep 0.3");
    run.ok();
    assert!(sandbox.path("p").symlink_metadata().expect("there").file_type().is_fifo());
    assert_eq!(sandbox.run(&["cat", "got"]).ok().stdout, TEXT);
    compress(&sandbox, &["-f", "s", "-o", "/dev/full"]).fails(1, &["/dev/full", "cannot write"]);
    // Of an open file under another name, nothing is replaced and what it holds is not written over.
    sandbox
        .shell(
            "printf before > log; $equalinfo cat got >> log -- && $equalinfo decompress -f got -o /dev/stdout >> log",
        )
        .ok();
    assert_eq!(sandbox.read("log"), [b"before", TEXT, TEXT].concat());
    assert!(fs::symlink_metadata("/dev/stdout").is_ok_and(|metadata| metadata.is_symlink()));
}

// 4. Conflicts within one call.

#[test]
fn conflicts_are_found_before_anything_is_written() {
    let sandbox = with_text(&["foo", "foo.eqi", "bar"]);
    compress(&sandbox, &["-f", "bar", "foo", "foo.eqi"]).fails(1, &["foo.eqi"]);
    compress(&sandbox, &["bar", "./bar"]).fails(1, &["bar.eqi", "twice"]);
    compress(&sandbox, &["-f", "bar", "./bar"]).fails(1, &["bar.eqi", "twice"]);
    assert_eq!(sandbox.files(), ["bar", "foo", "foo.eqi"]);
    assert_eq!(sandbox.read("foo.eqi"), TEXT);
    symlink("bar", sandbox.path("foo.eqi.eqi")).expect("link");
    fs::rename(sandbox.path("foo.eqi.eqi"), sandbox.path("baz.eqi")).expect("rename");
    sandbox.write("baz", TEXT);
    compress(&sandbox, &["-f", "baz", "bar"]).fails(1, &["baz.eqi", "never overwritten"]);
    assert_eq!(sandbox.read("bar"), TEXT);
}

// 5. Races.

#[test]
fn a_file_that_appears_meanwhile_is_not_replaced() {
    let sandbox = sandbox();
    let command = ["compress", "--model", "tiny.m1q", "-o", "out.eqi"];
    let mut child =
        sandbox.command(&command).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("run the tool");
    let mut input = child.stdin.take().expect("a pipe");
    // More than a pipe holds: when it is written, the tool is at work.
    input.write_all(ALICE).expect("write");
    sandbox.write("out.eqi", b"precious");
    drop(input);
    let output = child.wait_with_output().expect("ends");
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("already exists"));
    assert_eq!(
        (sandbox.read("out.eqi"), sandbox.files()),
        (b"precious".to_vec(), vec!["out.eqi".into(), "tiny.m1q".into()])
    );
}

#[test]
fn of_two_that_write_one_file_one_wins() {
    let sandbox = with_text(&["s"]);
    let line = "all=; for i in 1 2 3 4 5 6; do $equalinfo compress -q --method static-ac s -o out & all=\"$all $!\"; done; \
        ok=0; for one in $all; do wait $one && ok=$((ok+1)); done; exit $ok";
    assert_eq!(sandbox.shell(line).code, Some(1), "exactly one has created the file");
    assert_eq!(sandbox.run(&["cat", "out"]).ok().stdout, TEXT);
    assert_eq!(sandbox.files(), ["out", "s"]);
}

// 6. Permissions.

#[test]
fn nobody_else_reads_what_is_being_written() {
    let sandbox = sandbox();
    let mut child = sandbox
        .command(&["compress", "--model", "tiny.m1q", "-o", "out.eqi"])
        .stdin(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("run the tool");
    let mut input = child.stdin.take().expect("a pipe");
    input.write_all(ALICE).expect("write");
    // Open or named, it is the owner's alone.
    let open = format!("/proc/{}/fd", child.id());
    let mut seen = 0;
    for entry in fs::read_dir(open).into_iter().flatten().chain(fs::read_dir(sandbox.directory()).expect("list")) {
        let entry = entry.expect("entry").path();
        let target = fs::read_link(&entry).unwrap_or_else(|_| entry.clone());
        let is_input = target.ends_with("tiny.m1q");
        if target.starts_with(sandbox.directory()) && !is_input {
            let metadata = fs::metadata(&entry).expect("there");
            if metadata.is_file() {
                assert_eq!(metadata.permissions().mode() & 0o777, 0o600, "{}", target.display());
                seen += 1;
            }
        }
    }
    assert!(seen > 0, "there is a partial output");
    drop(input);
    assert!(child.wait().expect("ends").success());
    let usual = sandbox.shell("touch usual && stat -c %a usual out.eqi").ok();
    let modes: Vec<&str> = usual.text().lines().collect();
    assert_eq!(modes[0], modes[1], "what came from stdin has the usual permissions");
}

#[test]
fn outputs_are_never_more_open_than_their_sources() {
    let sandbox = with_text(&["s"]);
    let mode = |name: &str| sandbox.path(name).metadata().expect("there").permissions().mode() & 0o7777;
    for (source, result) in
        [(0o600, 0o600), (0o644, 0o644), (0o4755, 0o755), (0o2755, 0o755), (0o1640, 0o640), (0o400, 0o400)]
    {
        fs::set_permissions(sandbox.path("s"), PermissionsExt::from_mode(source)).expect("set");
        compress(&sandbox, &["-f", "s"]).ok();
        assert_eq!(mode("s.eqi"), result, "{source:o}");
        fs::set_permissions(sandbox.path("s.eqi"), PermissionsExt::from_mode(source)).expect("set");
        decompress(&sandbox, &["-f", "s.eqi", "-o", "back"]).ok();
        assert_eq!(mode("back"), result, "{source:o}");
    }
    if is_root() {
        std::os::unix::fs::chown(sandbox.path("s.eqi"), Some(12345), Some(23456)).expect("chown");
        fs::set_permissions(sandbox.path("s.eqi"), PermissionsExt::from_mode(0o6755)).expect("set");
        decompress(&sandbox, &["-f", "s.eqi", "-o", "back"]).ok();
        let back = sandbox.path("back").metadata().expect("there");
        assert_eq!((back.uid(), back.gid(), back.mode() & 0o7777), (12345, 23456, 0o755));
    }
}

// 7. Killed.

#[test]
fn a_killed_run_leaves_nothing_that_the_next_does_not_remove() {
    let sandbox = sandbox();
    for _ in 0..2 {
        let mut child = sandbox
            .command(&["compress", "--model", "tiny.m1q", "-o", "out.eqi"])
            .stdin(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("run the tool");
        child.stdin.take().expect("a pipe").write_all(ALICE).expect("write");
        child.kill().expect("kill");
        child.wait().expect("ends");
    }
    assert!(!sandbox.has("out.eqi"));
    // As filesystems without unnamed files leave it.
    sandbox.write(".out.eqi.equalinfo-0.partial", b"plain text");
    sandbox.write("text", ALICE);
    sandbox.run(&["compress", "--model", "tiny.m1q", "-f", "text", "-o", "out.eqi"]).ok();
    sandbox.run(&["compress", "--model", "tiny.m1q", "-f", "text", "-o", "out.eqi"]).ok();
    assert_eq!(sandbox.files(), ["out.eqi", "text", "tiny.m1q"]);
}

#[test]
fn a_signal_ends_it_without_a_trace() {
    for (signal, code) in [(libc::SIGINT, 130), (libc::SIGTERM, 143), (libc::SIGHUP, 129)] {
        let sandbox = sandbox();
        sandbox.write("out.eqi", b"precious");
        let mut child = sandbox
            .command(&["compress", "--model", "tiny.m1q", "-f", "-o", "out.eqi"])
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("run the tool");
        let mut input = child.stdin.take().expect("a pipe");
        input.write_all(ALICE).expect("write");
        let process = i32::try_from(child.id()).expect("a process id");
        // SAFETY: the process is our own child, still waiting for its input.
        assert_eq!(unsafe { libc::kill(process, signal) }, 0);
        assert_eq!(child.wait().expect("ends").code(), Some(code));
        assert_eq!(
            (sandbox.files(), sandbox.read("out.eqi")),
            (vec!["out.eqi".into(), "tiny.m1q".into()], b"precious".to_vec())
        );
    }
}

#[test]
fn an_ignored_signal_stays_ignored() {
    let sandbox = sandbox();
    sandbox.write("text", &ALICE.repeat(10));
    let line = "trap '' HUP INT; $equalinfo compress --model tiny.m1q -T1 -q text & pid=$!; sleep 0.3; \
        kill -HUP $pid; kill -INT $pid; wait $pid";
    sandbox.shell(line).ok();
    assert!(sandbox.has("text.eqi"));
}

// 8. Closed and full streams.

#[test]
fn nothing_is_lost_in_silence() {
    let sandbox = with_text(&["s"]);
    sandbox.write("tiny.m1q", &equalinfo_tests::tiny_model(1));
    compress(&sandbox, &["s"]).ok();
    let commands = [
        "--help",
        "--version",
        "compress --help",
        "man",
        "completions bash",
        "inspect s.eqi",
        "inspect --windows --model tiny.m1q s",
        "cat s.eqi",
        "decompress -c s.eqi",
        "compress --method static-ac -c s",
        "compress --raw --lines --model tiny.m1q s",
        "export --model tiny.m1q",
        "list s.eqi",
        "devices",
        "eval --method gzip s",
        "compare s",
    ];
    sandbox.shell("$equalinfo verify --vectors -T1 >/dev/full").fails(1, &["(stdout)"]);
    for command in commands {
        for stdout in [">&-", ">/dev/full", "1</dev/null"] {
            let run = sandbox.shell(&format!("$equalinfo {command} {stdout}"));
            assert!(run.code == Some(1) && run.stderr.contains("(stdout)"), "{command} {stdout}: {run:?}");
        }
        let gone = sandbox.shell(&format!("$equalinfo {command} > >(exec true); exit $?"));
        assert!(matches!(gone.code, Some(0 | 141)), "{command}: {gone:?}");
    }
    for stderr in ["2>&-", "2>/dev/full"] {
        let run = sandbox.shell(&format!("$equalinfo compress -f --method static-ac s {stderr}"));
        assert_eq!(run.code, Some(1), "{stderr}: the report could not be written");
        let run = sandbox.shell(&format!("$equalinfo compress -q -f --method static-ac s {stderr}"));
        assert_eq!(run.code, Some(0), "{stderr}: there was nothing to say");
        let run = sandbox.shell(&format!("$equalinfo compress missing {stderr}"));
        assert_eq!(run.code, Some(1), "{stderr}: no panic");
        assert_eq!(sandbox.shell(&format!("$equalinfo --no-such-option {stderr}")).code, Some(2));
    }
    sandbox.shell("$equalinfo compress --method static-ac -o out <&-").fails(1, &["(stdin)"]);
    assert!(!sandbox.has("out"));
}

#[test]
fn a_full_disk_leaves_the_old_file() {
    let sandbox = sandbox();
    sandbox.write("noise", &equalinfo_tests::Random::new(1).bytes(300_000));
    sandbox.write("noise.eqi", b"precious");
    // A limit on the size of files is met as a full disk is, without a filesystem of one's own.
    let line = "ulimit -f 100; trap '' XFSZ; $equalinfo compress -f --rm --method static-ac noise";
    sandbox.shell(line).fails(1, &["noise.eqi", "cannot write"]);
    assert_eq!((sandbox.read("noise.eqi"), sandbox.has("noise")), (b"precious".to_vec(), true));
    assert_eq!(sandbox.files(), ["noise", "noise.eqi", "tiny.m1q"]);
}

#[test]
fn an_error_at_once_and_not_after_the_work() {
    let sandbox = sandbox();
    sandbox.write("checkpoint", b"anything");
    sandbox.write("text", ALICE);
    sandbox.write("out.m1q", b"precious");
    let started = Instant::now();
    let run = sandbox.run(&["quantize", "checkpoint", "--corpus", "text", "-o", "out.m1q"]);
    run.fails(1, &["out.m1q", "already exists"]);
    assert!(started.elapsed() < Duration::from_secs(20));
    assert_eq!(sandbox.read("out.m1q"), b"precious");
}
