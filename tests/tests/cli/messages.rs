//! `--raw`: one message, windows and nothing else.

use equalinfo_tests::Random;

use crate::{sandbox, with_tiny};

const KINDS: [(&str, &str); 4] = [
    ("sms", include_str!("../../data/short/sms.txt")),
    ("tweets", include_str!("../../data/short/tweets.txt")),
    ("logs", include_str!("../../data/short/logs.txt")),
    ("telemetry", include_str!("../../data/short/telemetry.txt")),
];

#[test]
fn messages_survive_and_do_not_grow_much() {
    let sandbox = sandbox();
    for (kind, text) in KINDS {
        for line in text.lines().step_by(40) {
            let payload = sandbox.run_with(&with_tiny(&["compress", "--raw"]), line.as_bytes()).ok().stdout;
            assert!(payload.len() <= line.len() + 1, "{kind}: {} of {}", payload.len(), line.len());
            let back = sandbox.run_with(&with_tiny(&["decompress", "--raw"]), &payload).ok();
            assert_eq!(back.text(), line, "{kind}");
        }
    }
    for text in [&b""[..], b"x", &[0; 300], &Random::new(3).bytes(300)] {
        let payload = sandbox.run_with(&with_tiny(&["compress", "--raw"]), text).ok().stdout;
        assert_eq!(sandbox.run_with(&with_tiny(&["decompress", "--raw"]), &payload).ok().stdout, text);
    }
}

#[test]
fn messages_in_windows_of_one_width() {
    let sandbox = sandbox();
    let text = b"The meeting is at nine. Bring the long cable.";
    for bits in ["16", "24", "32", "64", "128"] {
        let options = ["--raw", "--window-bits", bits];
        let payload = sandbox.run_with(&with_tiny(&[&["compress"], &options[..]].concat()), text).ok().stdout;
        let width = bits.parse::<usize>().expect("a number") / 8;
        assert!(payload.len().is_multiple_of(width), "{bits}");
        let back = sandbox.run_with(&with_tiny(&[&["decompress"], &options[..]].concat()), &payload).ok();
        assert_eq!(back.stdout, text, "{bits}");
    }
}

#[test]
fn a_check_tells_damage_and_another_context() {
    let sandbox = sandbox();
    let text = b"The meeting is at nine. Bring the long cable.";
    let run = |command: &str, options: &[&str], input: &[u8]| {
        sandbox.run_with(&with_tiny(&[&[command, "--raw"], options].concat()), input)
    };
    let plain = run("compress", &[], text).ok().stdout;
    for (bits, length) in [("8", 1), ("16", 2)] {
        let message = run("compress", &["--check", bits], text).ok().stdout;
        assert!(message.starts_with(&plain) && message.len() == plain.len() + length, "{bits}");
        assert_eq!(run("decompress", &["--check", bits], &message).ok().stdout, text, "{bits}");
        let mut damaged = message.clone();
        damaged[3] ^= 4;
        run("decompress", &["--check", bits], &damaged).fails(1, &["check"]);
    }
    let message = run("compress", &["--check", "16"], text).ok().stdout;
    run("decompress", &["--check", "16", "--context", "16"], &message).fails(1, &["check"]);
    run("compress", &["--check", "12"], text).fails(2, &["0, 8 or 16"]);
    // Windows that decode alone have none.
    run("compress", &["--check", "16", "--window-bits", "32"], text).fails(1, &["no check"]);
    sandbox.run_with(&with_tiny(&["compress", "--check", "16"]), text).fails(2, &["--raw"]);
}

#[test]
fn every_line_a_message() {
    let sandbox = sandbox();
    sandbox.write("sms.txt", KINDS[0].1.as_bytes());
    let run = sandbox.run(&with_tiny(&["compress", "--raw", "--lines", "sms.txt"])).ok();
    assert!(run.text().contains("200 messages") && run.text().contains("bits/byte"), "{}", run.text());
    assert!(!sandbox.has("sms.txt.eqm"), "statistics write nothing");
    sandbox.run(&with_tiny(&["compress", "--lines", "sms.txt"])).fails(2, &["--raw"]);
}

#[test]
fn files_are_no_messages() {
    let sandbox = sandbox();
    sandbox.write("message", b"hello");
    sandbox.run(&with_tiny(&["compress", "--raw", "message"])).ok();
    assert!(sandbox.has("message.eqm"));
    sandbox.run(&with_tiny(&["decompress", "--raw", "-o", "back", "message.eqm"])).ok();
    assert_eq!(sandbox.read("back"), b"hello");
    sandbox.run(&with_tiny(&["compress", "--raw", "--method", "ac", "message"])).fails(2, &["--raw", "equal-info"]);
    sandbox
        .run_with(&with_tiny(&["decompress", "--raw", "--window-bits", "32"]), b"abc")
        .fails(1, &["windows of 4 bytes"]);
}
