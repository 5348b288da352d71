//! `compress` then `decompress` gives the same bytes, for every method, width and text.

use equalinfo_tests::{ALICE, Random, awkward_texts};

use crate::{sandbox, with_tiny};

/// Every way to write a stream.
fn methods() -> Vec<Vec<&'static str>> {
    let mut methods =
        vec![vec!["--method", "ac"], vec!["--method", "static-ac"], vec!["-1"], vec!["-3"], vec!["--method", "mix"]];
    for class in ["4k", "64k", "256k"] {
        methods.push(vec!["--class", class]);
    }
    for bits in ["16", "24", "32", "64", "128"] {
        for code in ["default", "delay", "flexible"] {
            methods.push(vec!["--method", "equal-info", "--window-bits", bits, "--code", code]);
        }
    }
    methods
}

fn model(method: &[&'static str]) -> Vec<&'static str> {
    // static-ac has no M1; its frequencies travel in the stream. Nor have the tables of the first levels.
    if method.contains(&"static-ac") || method[0].starts_with("-1") || method[0] == "-3" {
        Vec::new()
    } else {
        crate::TINY.to_vec()
    }
}

#[test]
fn alice_survives_every_method() {
    let sandbox = sandbox();
    sandbox.write("alice29.txt", ALICE);
    for method in methods() {
        let model = model(&method);
        sandbox.run(&[&["compress", "-f", "alice29.txt"], &method[..], &model].concat()).ok();
        let stream = sandbox.read("alice29.txt.eqi");
        assert!(stream.len() < ALICE.len(), "{method:?}: {} bytes", stream.len());
        sandbox.run(&[&["decompress", "alice29.txt.eqi", "-f", "-o", "back"], &model[..]].concat()).ok();
        assert!(sandbox.read("back") == ALICE, "{method:?}");
    }
}

#[test]
fn awkward_texts_survive_every_method() {
    let sandbox = sandbox();
    for (name, text) in awkward_texts() {
        for method in methods() {
            let model = model(&method);
            let stream = sandbox.run_with(&[&["compress"], &method[..], &model].concat(), &text).ok().stdout;
            // A header, the frequencies of static-ac, and for each block and the end a little more.
            assert!(stream.len() <= text.len() + 28 + 600 + 24 + 24, "{name} {method:?}: {} bytes", stream.len());
            let back = sandbox.run_with(&[&["decompress"], &model[..]].concat(), &stream).ok().stdout;
            assert!(back == text, "{name} {method:?}");
        }
    }
}

#[test]
fn ten_megabytes_of_noise_grow_by_no_more_than_a_thousandth() {
    let sandbox = sandbox();
    let noise = Random::new(1).bytes(10_000_000);
    sandbox.write("noise", &noise);
    for method in [&["--method", "ac"][..], &["--method", "equal-info", "--window-bits", "16"]] {
        sandbox.run(&with_tiny(&[&["compress", "-f", "noise"], method].concat())).ok();
        let stream = sandbox.read("noise.eqi");
        assert!(stream.len() <= noise.len() + 28 + noise.len() / 1000, "{} bytes", stream.len());
        sandbox.run(&with_tiny(&["decompress", "noise.eqi", "-f", "-o", "back"])).ok();
        assert!(sandbox.read("back") == noise);
    }
}

#[test]
fn threads_and_pipes_change_no_bit() {
    let sandbox = sandbox();
    sandbox.write("alice29.txt", ALICE);
    let method = ["--method", "equal-info", "--window-bits", "32", "--block-size", "10000"];
    let write = |threads: &str, name: &str| {
        sandbox.run(&with_tiny(&[&["compress", "alice29.txt", "-T", threads, "-o", name], &method[..]].concat())).ok();
        sandbox.read(name)
    };
    let stream = write("1", "one.eqi");
    assert_eq!(write("2", "two.eqi"), stream);
    assert_eq!(write("7", "seven.eqi"), stream);
    let piped = sandbox.run_with(&with_tiny(&[&["compress"], &method[..]].concat()), ALICE).ok().stdout;
    assert_eq!(piped, stream);
    for threads in ["1", "2", "7"] {
        let back = sandbox.run_with(&with_tiny(&["decompress", "-T", threads]), &stream).ok().stdout;
        assert!(back == ALICE, "{threads} threads");
        assert!(sandbox.run(&with_tiny(&["cat", "one.eqi", "-T", threads])).ok().stdout == ALICE);
    }
}

#[test]
fn the_instructions_of_the_processor_change_no_bit() {
    let sandbox = sandbox();
    let text = &ALICE[..30_000];
    let fast = sandbox.run_with(&with_tiny(&["compress"]), text).ok().stdout;
    sandbox.write("text", text);
    let mut portable = sandbox.command(&with_tiny(&["compress", "text", "-o", "portable.eqi"]));
    assert!(portable.env("EQUALINFO_SIMD", "portable").output().expect("runs").status.success());
    assert_eq!(sandbox.read("portable.eqi"), fast);
}

#[test]
fn a_smaller_context_is_part_of_the_stream() {
    let sandbox = sandbox();
    let text = &ALICE[..20_000];
    for method in ["ac", "equal-info"] {
        let write = |context: &str| {
            sandbox.run_with(&with_tiny(&["compress", "--method", method, "--context", context]), text).ok().stdout
        };
        let (short, long) = (write("5"), write("64"));
        assert_ne!(short, long);
        for stream in [short, long] {
            assert!(sandbox.run_with(&with_tiny(&["decompress"]), &stream).ok().stdout == text);
        }
    }
    sandbox.run_with(&with_tiny(&["compress", "--context", "65"]), text).fails(2, &["--context 65", "1 to 64"]);
}

#[test]
fn flexible_windows_are_fewer_for_every_decoder() {
    let sandbox = sandbox();
    // The tiny model's weights are random: its windows end anywhere.
    let (text, nano, lexicon) = (&ALICE[..25_000], ["--model", "nano"], ["--lexicon", "nano.lex"]);
    sandbox.write("alice29.txt", text);
    sandbox.run(&[&["lexicon", "build", "-o", lexicon[1]], &nano[..]].concat()).ok();
    let size = |options: &[&str]| {
        sandbox.run(&[&["compress", "-f", "alice29.txt", "-T", "1"], options].concat()).ok();
        sandbox.run(&[&["decompress", "-f", "alice29.txt.eqi", "-o", "back"], &options[..2]].concat()).ok();
        assert!(sandbox.read("back") == text, "{options:?}");
        sandbox.read("alice29.txt.eqi")
    };
    let windows = ["--method", "equal-info", "--window-bits", "16"];
    let mut streams = Vec::new();
    for with in [nano, lexicon] {
        let greedy = size(&[&with[..], &windows, &["--code", "default"]].concat());
        let flexible = size(&[&with[..], &windows, &["--code", "flexible"]].concat());
        assert!(size(&[&with[..], &windows].concat()) == flexible, "what windows are when nothing is said");
        assert!(flexible.len() < greedy.len(), "{with:?}: {} of {}", flexible.len(), greedy.len());
        streams.push(flexible);
    }
    assert!(streams[0] == streams[1], "a model and its lexicon");

    let inspect = ["inspect", "--json", "--limit", "50"];
    let as_text = ["alice29.txt", "--code", "flexible", "--window-bits", "16"];
    let shown = sandbox.run(&[&inspect[..], &as_text, &nano].concat()).ok();
    let stream = sandbox.run(&[&inspect[..], &["alice29.txt.eqi", "--windows"], &nano].concat()).ok();
    assert_eq!(shown.text().lines().filter(|line| line.contains("\"text\"")).count(), 50);
    let windows_of =
        |json: &str| json.lines().filter(|line| line.contains("\"text\"")).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(windows_of(shown.text()), windows_of(stream.text()));

    for bits in ["32", "64"] {
        let windows = ["--method", "equal-info", "--window-bits", bits];
        let greedy = size(&[&nano[..], &windows, &["--code", "default"]].concat());
        assert!(size(&[&nano[..], &windows].concat()).len() < greedy.len(), "{bits}");
    }

    let refused = |options: &[&str], words: &[&str]| {
        sandbox.run(&[&["compress", "-f", "alice29.txt"], options].concat()).fails(2, words);
    };
    refused(&["--code", "flexible"], &["--method equal-info"]);
    refused(&["--method", "equal-info", "--code", "flexible", "--device", "cuda"], &["--code flexible", "CPU"]);
}
