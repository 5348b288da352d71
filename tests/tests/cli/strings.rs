//! String tables: the texts of a user interface in one blob.

use crate::{sandbox, with_tiny};

const ENGLISH: &str = r#"{ "battery.low": "Battery low", "wait": "Please wait\u2026", "empty": "" }"#;
const GERMAN: &str = r#"{ "empty": "", "wait": "Bitte warten\nund lesen", "battery.low": "Akku schwach" }"#;

#[test]
fn texts_of_several_languages_are_found_by_number() {
    let sandbox = sandbox();
    sandbox.write("en.json", ENGLISH.as_bytes());
    sandbox.write("de.json", GERMAN.as_bytes());
    let build = ["table", "build", "en.json", "de.json", "--rust", "ui.rs", "--c", "ui.h", "-o", "ui.eqt"];
    let run = sandbox.run(&with_tiny(&build)).ok();
    assert!(run.stderr.contains("6 texts") && run.stderr.contains("longest text 22 bytes"), "{}", run.stderr);
    let get =
        |id: &str, language: &str| sandbox.run(&with_tiny(&["table", "get", "ui.eqt", id, "--language", language]));
    assert_eq!(get("0", "de").ok().stdout, b"Akku schwach\n");
    assert_eq!(get("1", "en").ok().stdout, "Please wait\u{2026}\n".as_bytes());
    assert_eq!(sandbox.run(&with_tiny(&["table", "get", "ui.eqt", "2"])).ok().stdout, b"\n");
    for (id, language, said) in [("3", "en", "no text 3"), ("0", "fr", "it has en, de")] {
        let run = get(id, language);
        assert!(run.code == Some(1) && run.stderr.contains(said), "{}", run.stderr);
    }
    let list = String::from_utf8(sandbox.run(&with_tiny(&["table", "list", "ui.eqt"])).ok().stdout).expect("UTF-8");
    assert!(list.lines().count() == 7 && list.contains("Bitte warten\\nund lesen"), "{list}");
    let [rust, c] = ["ui.rs", "ui.h"].map(|file| String::from_utf8(sandbox.read(file)).expect("UTF-8"));
    assert!(rust.contains("    BatteryLow = 0,") && rust.contains("    De = 1,"), "{rust}");
    assert!(c.contains("UI_BATTERY_LOW = 0,") && c.contains("UI_LANGUAGE_DE = 1,"), "{c}");
}

#[test]
fn the_model_is_found_by_its_id_or_named_in_the_error() {
    let sandbox = sandbox();
    sandbox.write("ui.txt", b"Battery low\nNo connection to the server\n");
    sandbox.run(&["table", "build", "--model", "nano", "--context", "32", "ui.txt", "-o", "nano.eqt"]).ok();
    assert_eq!(sandbox.run(&["table", "get", "nano.eqt", "1"]).ok().stdout, b"No connection to the server\n");
    sandbox.run(&with_tiny(&["table", "build", "ui.txt", "-o", "tiny.eqt"])).ok();
    let run = sandbox.run(&["table", "get", "tiny.eqt", "1"]);
    assert!(run.code == Some(1) && run.stderr.contains("--model"), "{}", run.stderr);
    let run = sandbox.run(&with_tiny(&["table", "get", "nano.eqt", "1"]));
    assert!(run.code == Some(1) && run.stderr.contains("was written with model"), "{}", run.stderr);
    sandbox.write("damaged.eqt", &[&sandbox.read("tiny.eqt")[..40], b"x"].concat());
    let run = sandbox.run(&with_tiny(&["table", "list", "damaged.eqt"]));
    assert!(run.code == Some(1) && run.stderr.contains("cut short"), "{}", run.stderr);
}

#[test]
fn files_that_do_not_go_together_are_refused() {
    let sandbox = sandbox();
    sandbox.write("en.json", ENGLISH.as_bytes());
    sandbox.write("more.json", br#"{ "battery.low": "x", "wait": "y", "empty": "", "more": "z" }"#);
    sandbox.write("less.json", br#"{ "battery.low": "x", "wait": "y" }"#);
    sandbox.write("list.json", br#"["x", "y", "z"]"#);
    sandbox.write("twice.json", br#"{ "a": "x", "a": "y" }"#);
    sandbox.write("number.json", br#"{ "a": "x", "b": 1 }"#);
    sandbox.write("null.json", br#"["a", null]"#);
    sandbox.write("same.json", br#"{ "a b": "x", "a.b": "y" }"#);
    for (files, said) in [
        (&["en.json", "more.json"][..], "'more'"),
        (&["en.json", "less.json"], "'empty'"),
        (&["en.json", "list.json"], "names"),
        (&["twice.json"], "the name 'a' stands there twice"),
        (&["number.json"], "text 'b': invalid type: integer `1`"),
        (&["null.json"], "text 1: invalid type: null"),
        (&["same.json", "--c", "same.h"], "a.b"),
        (&["en.json", "--rust", "ui.eqt"], "written twice"),
        (&["en.json", "--c", "en.json", "-f"], "input"),
    ] {
        let run = sandbox.run(&with_tiny(&[&["table", "build", "-o", "ui.eqt"], files].concat()));
        assert!(run.code == Some(1) && run.stderr.contains(said), "{files:?}: {}", run.stderr);
    }
}

#[test]
fn outputs_appear_together_or_not_at_all() {
    let sandbox = sandbox();
    sandbox.write("en.json", ENGLISH.as_bytes());
    sandbox.write("odd.json", br#"{ "a_b": "x", "a-b": "y" }"#);
    sandbox.write("there.h", b"mine");
    for (options, said) in [
        (&["odd.json", "--c", "out.h"][..], "'a-b' cannot be a constant"),
        (&["odd.json", "--rust", "out.rs"], "'a-b' cannot be a constant"),
        (&["en.json", "--rust", "missing/out.rs"], "out.rs"),
        (&["en.json", "--rust", "out.rs", "--c", "there.h"], "already exists"),
    ] {
        let run = sandbox.run(&with_tiny(&[&["table", "build", "-o", "out.eqt"], options].concat()));
        assert!(run.code == Some(1) && run.stderr.contains(said), "{options:?}: {}", run.stderr);
        assert!(["out.eqt", "out.rs", "out.h"].iter().all(|name| !sandbox.has(name)), "{options:?}");
    }
    assert_eq!(sandbox.read("there.h"), b"mine");
}

#[test]
fn an_adapted_model_takes_less_and_is_written() {
    let sandbox = sandbox();
    let texts: String = (0..40).map(|number| format!("Sensor {number} does not respond to the request\n")).collect();
    sandbox.write("ui.txt", texts.as_bytes());
    sandbox.run(&["table", "build", "--model", "nano", "ui.txt", "-o", "plain.eqt"]).ok();
    let adapt = ["--adapt", "ui.m1q", "--adapt-steps", "20", "-T", "2"];
    let run =
        sandbox.run(&[&["table", "build", "--model", "nano", "ui.txt", "-o", "ui.eqt"][..], &adapt].concat()).ok();
    // What is gone when the command ends is not named.
    assert!(!run.stderr.contains("checkpoint") && !run.stderr.contains("use it"), "{}", run.stderr);
    assert!(2 * sandbox.read("ui.eqt").len() < sandbox.read("plain.eqt").len());
    let run = sandbox.run(&["table", "get", "--model", "ui.m1q", "ui.eqt", "39"]).ok();
    assert_eq!(run.stdout, b"Sensor 39 does not respond to the request\n");
}
