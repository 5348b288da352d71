//! What people know from zstd: calls without a command, flags that repeat, `-` everywhere, lists and tests, recursion;
//! and models of one's own.

use equalinfo_tests::{ALICE, tiny_model};

use crate::{sandbox, with_tiny};

#[test]
fn options_stand_for_commands() {
    let sandbox = sandbox();
    sandbox.write("text", b"some text");
    sandbox.run(&["-q", "--method", "static-ac", "text"]).ok();
    assert!(sandbox.has("text.eqi"));
    assert_eq!(sandbox.run(&["-dc", "text.eqi"]).ok().text(), "some text");
    assert_eq!(sandbox.run(&["-c", "-d", "text.eqi"]).ok().text(), "some text");
    assert!(sandbox.run(&["-t", "text.eqi"]).ok().stderr.contains("text.eqi: intact, 9 bytes"));
    let list = sandbox.run(&["-l", "text.eqi"]).ok();
    assert!(list.text().contains("text.eqi") && list.text().contains("stored"), "{}", list.text());
    sandbox.run(&["-d", "text.eqi"]).fails(1, &["already exists"]);
    sandbox.run(&["-df", "text.eqi"]).ok();
    let piped = sandbox.run_with(&["-c", "--method", "static-ac", "-"], b"piped").ok().stdout;
    assert_eq!(sandbox.run_with(&["-d"], &piped).ok().text(), "piped");
}

#[test]
fn flags_may_repeat_and_the_last_value_counts() {
    let sandbox = sandbox();
    sandbox.write("text", b"some text");
    sandbox.write("-q", b"a name like an option");
    let line = ["compress", "-f", "-f", "-T1", "-T2", "-q", "-v", "-q", "--rm", "-k", "-o", "a", "-o", "b"];
    let run = sandbox.run(&[&line[..], &["--method", "ac", "--method", "static-ac", "text"]].concat()).ok();
    assert_eq!((run.stderr.as_str(), sandbox.has("a"), sandbox.has("b"), sandbox.has("text")), ("", false, true, true));
    sandbox.run(&["compress", "--method", "static-ac", "--", "-q"]).ok();
    assert_eq!(sandbox.run(&["cat", "--", "-q.eqi"]).ok().text(), "a name like an option");
    sandbox.run(&["compress", "-c", "-o", "c", "--method", "static-ac", "text"]).ok();
    assert!(sandbox.has("c"), "-o came last");
}

#[test]
fn a_dash_is_stdin_wherever_a_file_is_read() {
    let sandbox = sandbox();
    sandbox.write("the-input", &ALICE[..5000]);
    sandbox.run(&with_tiny(&["compress", "--method", "equal-info", "the-input"])).ok();
    let stream = sandbox.read("the-input.eqi");
    let same = |arguments: &[&str], file: &str, input: &[u8]| {
        let named = sandbox.run(&[arguments, &[file]].concat()).ok();
        let piped = sandbox.run_with(&[arguments, &["-"]].concat(), input).ok();
        // Times differ, and nothing else.
        let told = |text: &str| {
            let mut parts = text.split("\"seconds\":");
            let first = parts.next().unwrap_or_default().to_owned();
            let rest = parts.map(|part| part.trim_start_matches(|c: char| c.is_ascii_digit() || ".e-".contains(c)));
            first + &rest.collect::<String>()
        };
        let (named, piped) = (named.text().replace(file, "-"), piped.text().replace("(stdin)", "-"));
        assert_eq!(told(&named), told(&piped), "{arguments:?}");
    };
    let text = &ALICE[..5000];
    same(&["inspect", "--json"], "the-input.eqi", &stream);
    same(&with_tiny(&["inspect", "--windows", "--json"]), "the-input", text);
    same(&with_tiny(&["cat", "--block", "0"]), "the-input.eqi", &stream);
    same(&with_tiny(&["cat", "--range", "5..9"]), "the-input.eqi", &stream);
    same(&["eval", "--method", "gzip", "--json"], "the-input", text);
    same(&["compare", "--json", "--levels", "1"], "the-input", text);
    assert!(sandbox.run_with(&["list", "-"], &stream).ok().text().contains("(stdin)"));
    sandbox.run_with(&with_tiny(&["test"]), &stream).ok();
    sandbox.run_with(&["train", "static", "--corpus", "-", "-o", "counts"], text).ok();
    sandbox.run(&["train", "static", "--corpus", "the-input", "-o", "expected"]).ok();
    assert_eq!(sandbox.read("counts"), sandbox.read("expected"));
    let tokenize = ["tokenize", "-", "--method", "bytes", "--tokens", "4K", "-q", "-o", "tokens"];
    sandbox.run_with(&tokenize, text).ok();
    let manifest = String::from_utf8(sandbox.read("tokens/manifest.json")).expect("text");
    assert!(manifest.contains("4000"), "{manifest}");
    let train =
        ["train", "m1", "--corpus", "-", "-o", "run", "--steps", "2", "--batch", "2", "--sequence", "256", "-T1", "-q"];
    sandbox.run_with(&[&train[..], &["--device", "cpu", "--no-quantize"]].concat(), &ALICE.repeat(2)).ok();
    assert!(sandbox.has("run"));
}

#[test]
fn directories_are_taken_with_r() {
    let sandbox = sandbox();
    std::fs::create_dir_all(sandbox.path("d/e/f")).expect("make");
    for name in ["d/a", "d/e/b", "d/e/f/c"] {
        sandbox.write(name, name.as_bytes());
    }
    #[cfg(unix)]
    std::os::unix::fs::symlink("..", sandbox.path("d/up")).expect("link");
    let compress = ["compress", "--method", "static-ac", "d"];
    sandbox.run(&compress).fails(1, &["d: is a directory", "-r"]);
    sandbox.run(&[&compress[..], &["-r", "--rm"]].concat()).ok();
    for name in ["d/a", "d/e/b", "d/e/f/c"] {
        assert!(!sandbox.has(name) && sandbox.has(&format!("{name}.eqi")), "{name}");
    }
    // Streams are not compressed again.
    sandbox.run(&[&compress[..], &["-r"]].concat()).ok();
    assert!(!sandbox.has("d/a.eqi.eqi"));
    sandbox.run(&["-dr", "d"]).ok();
    for name in ["d/a", "d/e/b", "d/e/f/c"] {
        assert_eq!(sandbox.read(name), name.as_bytes());
    }
}

#[test]
fn models_of_ones_own_are_found_by_their_streams() {
    let sandbox = sandbox();
    sandbox.write("mine.m1q", &tiny_model(7));
    sandbox.write("text", ALICE);
    sandbox.run(&["compress", "--model", "mine.m1q", "text"]).ok();
    sandbox.run(&["cat", "text.eqi"]).fails(1, &["text.eqi", "models add"]);
    let list = sandbox.run(&["models"]).ok();
    for name in ["pico", "nano", "micro", "3m"] {
        assert!(list.text().lines().any(|line| line.starts_with(name) && line.ends_with("shipped")), "{}", list.text());
    }
    assert!(!list.text().contains("tiny-7"));
    sandbox.run(&["models", "add", "text", "mine.m1q"]).fails(1, &["text: neither a model", "tiny-7", "installed"]);
    assert!(sandbox.run(&["cat", "text.eqi"]).ok().stdout == ALICE);
    assert!(sandbox.run(&["list", "text.eqi"]).ok().text().contains("tiny-7"));
    let list = sandbox.run(&["models", "list"]).ok();
    let line = list.text().lines().find(|line| line.starts_with("tiny-7")).expect("a line").to_owned();
    assert!(line.contains("models/") && line.split_whitespace().count() == 5, "{line}");
    // By name as well.
    sandbox.run(&["compress", "-f", "--model", "tiny-7", "text"]).ok();
    // A damaged file in the store is named and neither used nor in the way of others.
    let stored =
        std::fs::read_dir(sandbox.path("models")).expect("list").next().expect("a file").expect("a file").path();
    std::fs::write(&stored, b"damaged").expect("write");
    sandbox.run(&["cat", "text.eqi"]).fails(1, &["does not hold what its name says"]);
    assert!(sandbox.run(&["models"]).fails(1, &["does not hold"]).text().contains("micro"));
    sandbox.run(&["models", "add", "mine.m1q"]).ok();
    sandbox.run(&["cat", "text.eqi"]).ok();
}

#[test]
fn completion_offers_models_and_the_manual_has_examples() {
    let sandbox = sandbox();
    let bash = sandbox.run(&["completions", "bash"]).ok();
    assert!(bash.text().contains("compgen -f -W \"pico nano micro 3m\""), "names and files");
    for shell in ["zsh", "fish"] {
        let script = sandbox.run(&["completions", shell]).ok();
        assert!(script.text().contains("nano") && script.text().contains("3m"), "{shell}");
    }
    let page = sandbox.run(&["man"]).ok();
    assert!(page.text().contains(".SH EXAMPLES") && page.text().contains("equalinfo compress notes.txt"));
    sandbox.run(&["man", "-o", "man"]).ok();
    for name in
        ["equalinfo-compress", "equalinfo-decompress", "equalinfo-models", "equalinfo-tokenize", "equalinfo-train-m1"]
    {
        let page = String::from_utf8(sandbox.read(&format!("man/{name}.1"))).expect("text");
        assert!(page.contains(".SH EXAMPLES"), "{name}");
    }
}
