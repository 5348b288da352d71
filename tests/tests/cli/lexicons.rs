//! Lexicons: built, used in the place of the model, refused where they do not belong.

use std::sync::OnceLock;

use equalinfo_tests::{ALICE, Sandbox, awkward_texts, tiny_model};
use serde_json::Value;

use crate::{sandbox, with_tiny};

/// A sandbox with both kinds of lexicon of the tiny model, which are built once for all tests.
fn with_lexicons() -> Sandbox {
    static IMAGES: OnceLock<[Vec<u8>; 2]> = OnceLock::new();
    let sandbox = sandbox();
    let images = IMAGES.get_or_init(|| {
        ["window-code", "optimal"].map(|kind| {
            let build = ["lexicon", "build", "--context", "16", "--kind", kind, "-o", "built.lex", "-f"];
            sandbox.run(&with_tiny(&build)).ok();
            sandbox.read("built.lex")
        })
    });
    sandbox.write("windows.lex", &images[0]);
    sandbox.write("optimal.lex", &images[1]);
    sandbox
}

const WINDOWS: [&str; 2] = ["--lexicon", "windows.lex"];
const OPTIMAL: [&str; 2] = ["--lexicon", "optimal.lex"];

#[test]
fn streams_with_the_model_and_with_its_lexicon_are_the_same() {
    let sandbox = with_lexicons();
    for (name, text) in awkward_texts().into_iter().chain([("alice", ALICE[..70_000].to_vec())]) {
        sandbox.write("text", &text);
        let windows = ["compress", "-f", "text", "--method", "equal-info", "--window-bits", "16", "--context", "16"];
        sandbox.run(&with_tiny(&[&windows[..], &["-o", "model.eqi"]].concat())).ok();
        sandbox.run(&[&["compress", "-f", "text", "-o", "lexicon.eqi"], &WINDOWS[..]].concat()).ok();
        assert!(sandbox.read("model.eqi") == sandbox.read("lexicon.eqi"), "{name}");
        let back = sandbox.run(&[&["cat", "model.eqi"], &WINDOWS[..]].concat()).ok();
        assert!(back.stdout == text, "{name}");
        let back = sandbox.run(&with_tiny(&["cat", "lexicon.eqi"])).ok();
        assert!(back.stdout == text, "{name}");
    }
}

#[test]
fn an_optimal_lexicon_is_a_code_of_its_own() {
    let sandbox = with_lexicons();
    for (name, text) in awkward_texts().into_iter().chain([("alice", ALICE.to_vec())]) {
        sandbox.write("text", &text);
        sandbox.run(&[&["compress", "-f", "text"], &OPTIMAL[..]].concat()).ok();
        let run = [&["decompress", "-f", "text.eqi", "-o", "back"], &OPTIMAL[..]].concat();
        sandbox.run(&run).ok();
        assert!(sandbox.read("back") == text, "{name}");
    }
    let run = sandbox.run(&[&["cat", "text.eqi", "--range", "70000..70100"], &OPTIMAL[..]].concat()).ok();
    assert_eq!(run.stdout, ALICE[70_000..70_100]);
    let run = sandbox.run(&[&["cat", "text.eqi", "--window", "0"], &OPTIMAL[..]].concat()).ok();
    assert!(ALICE.starts_with(&run.stdout) && !run.stdout.is_empty());
    let run = sandbox.run(&[&["inspect", "text.eqi", "--windows", "--limit", "3"], &OPTIMAL[..]].concat()).ok();
    assert_eq!(run.text().lines().count(), 3);
    sandbox.run(&["decompress", "text.eqi", "-c"]).fails(1, &["--lexicon"]);
    sandbox
        .run(&[&["decompress", "text.eqi", "-c"], &WINDOWS[..]].concat())
        .fails(1, &["--lexicon", "written with model"]);
    sandbox.run(&with_tiny(&["decompress", "text.eqi", "-c"])).fails(1, &["--model", "written with model"]);
}

#[test]
fn messages_and_texts_fall_into_codes() {
    let sandbox = with_lexicons();
    let text = "The meeting is at nine. Bring the long cable.";
    for lexicon in [WINDOWS, OPTIMAL] {
        let payload = sandbox.run_with(&[&["compress", "--raw"], &lexicon[..]].concat(), text.as_bytes()).ok().stdout;
        let back = sandbox.run_with(&[&["decompress", "--raw"], &lexicon[..]].concat(), &payload).ok();
        assert_eq!(back.text(), text);
        sandbox.write("text.txt", text.as_bytes());
        let run = sandbox.run(&[&["inspect", "text.txt", "--json"], &lexicon[..]].concat()).ok();
        assert_eq!(run.text().lines().count(), payload.len() / 2);
    }
    let windows = ["--raw", "--window-bits", "16", "--context", "16"];
    let with_model = sandbox.run_with(&with_tiny(&[&["compress"], &windows[..]].concat()), text.as_bytes()).ok();
    let with_lexicon = sandbox.run_with(&[&["compress", "--raw"], &WINDOWS[..]].concat(), text.as_bytes()).ok();
    assert_eq!(with_model.stdout, with_lexicon.stdout);
    sandbox.run_with(&[&["decompress", "--raw"], &WINDOWS[..]].concat(), b"odd").fails(1, &["lexicon", "windows"]);
}

#[test]
fn kinds_are_measured_side_by_side() {
    let sandbox = with_lexicons();
    sandbox.write("text.txt", &ALICE[..40_000]);
    let options = ["--method", "equal-info", "--window-bits", "16", "--token-bits", "16", "--context", "16"];
    let lexicons = ["--lexicon", "windows.lex,optimal.lex"];
    let run = sandbox.run(&with_tiny(&[&["eval", "--json", "text.txt"], &options[..], &lexicons[..]].concat())).ok();
    let rows: Vec<Value> = run.text().lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let reached = |method: &str, code: &str, field: &str| {
        let row = rows.iter().find(|row| row["method"] == method && row["code"] == code).expect("a row");
        row[field].as_f64().expect("a number")
    };
    let of = |method, code| reached(method, code, "bytes_per_window");
    assert_eq!(of("lexicon", "window-code"), of("equal-info", "default"));
    assert!(of("lexicon", "optimal") > of("lexicon", "window-code"));
    for code in ["window-code", "optimal"] {
        let bound = reached("lexicon", code, "bound_bytes_per_window");
        assert_eq!(bound, reached("equal-info", "paper", "bound_bytes_per_window"));
    }
    sandbox.write("other.m1q", &tiny_model(2));
    let other = ["eval", "text.txt", "--model", "other.m1q", "--lexicon", "windows.lex"];
    sandbox.run(&other).fails(1, &["windows.lex", "compiled from model"]);
}

#[test]
fn a_sample_makes_another_lexicon() {
    let sandbox = with_lexicons();
    sandbox.write("sample.txt", &ALICE[..50_000]);
    let build = ["lexicon", "build", "--context", "16", "--kind", "optimal", "--corpus", "sample.txt", "-o"];
    sandbox.run(&with_tiny(&[&build[..], &["taught.lex"]].concat())).ok();
    sandbox.write("text", &ALICE[50_000..90_000]);
    let size = |lexicon: &str| sandbox.run(&["compress", "-c", "text", "--lexicon", lexicon]).ok().stdout.len();
    assert!(size("taught.lex") < size("optimal.lex"));
}

#[test]
fn lexicons_are_exported_as_source() {
    let sandbox = with_lexicons();
    let image = sandbox.read("windows.lex");
    let numbers = |text: &str, start, end| -> Vec<u8> {
        let body = text.rsplit(start).next().and_then(|rest| rest.split(end).next()).expect("an array");
        body.split(',').map(str::trim).filter(|number| !number.is_empty()).map(|n| n.parse().expect("a byte")).collect()
    };
    let export = |format| sandbox.run(&[&["export", "--format", format], &WINDOWS[..]].concat()).ok();
    assert!(numbers(export("c").text(), '{', '}') == image);
    assert!(numbers(export("rust").text(), '[', ']') == image);
}

#[test]
fn what_does_not_go_together_is_refused() {
    let sandbox = with_lexicons();
    sandbox.write("text", b"some text");
    let compress = [&["compress", "-c", "text"], &WINDOWS[..]].concat();
    for (options, words) in [
        (&["--window-bits", "24"][..], &["16 bits"][..]),
        (&["--method", "ac"], &["--lexicon", "equal-info"]),
        (&["--code", "delay"], &["--lexicon", "default code"]),
        (&["--context", "8"], &["--context", "16"]),
    ] {
        sandbox.run(&[&compress[..], options].concat()).fails(2, words);
    }
    sandbox.run(&with_tiny(&compress)).fails(2, &["--model"]);
    let build = ["lexicon", "build", "-o", "new.lex"];
    sandbox.run(&with_tiny(&[&build[..], &["--corpus", "text"]].concat())).fails(2, &["--kind optimal"]);
    sandbox.run(&with_tiny(&["lexicon", "build", "-o", "windows.lex"])).fails(1, &["windows.lex"]);
    let damaged: Vec<u8> = sandbox.read("windows.lex").iter().map(|byte| byte ^ u8::from(*byte == 77)).collect();
    sandbox.write("damaged.lex", &damaged);
    for (name, word) in [("damaged.lex", "damaged"), ("tiny.m1q", "not a lexicon"), ("missing.lex", "cannot read")] {
        sandbox.run(&["compress", "-c", "text", "--lexicon", name]).fails(1, &["--lexicon", name, word]);
    }
}
