//! `export` and `train static`.

use equalinfo_tests::ALICE;

use crate::{sandbox, with_tiny};

#[test]
fn a_model_is_exported_in_every_form() {
    let sandbox = sandbox();
    sandbox.run(&with_tiny(&["export", "-o", "copy.m1q"])).ok();
    let image = sandbox.read("tiny.m1q");
    assert_eq!(sandbox.read("copy.m1q"), image);
    let numbers = |text: &str, open: char| -> Vec<u8> {
        let (_, body) = text.rsplit_once(open).expect("an array");
        body.split(|letter: char| !letter.is_ascii_digit()).filter_map(|number| number.parse().ok()).collect()
    };
    let header = sandbox.run(&with_tiny(&["export", "--format", "c"])).ok();
    assert_eq!(numbers(header.text(), '{'), image);
    let module = sandbox.run(&with_tiny(&["export", "--format", "rust"])).ok();
    assert_eq!(numbers(module.text(), '['), image);
    sandbox.run(&with_tiny(&["export", "-o", "copy.m1q"])).fails(1, &["already exists"]);
}

#[test]
fn counted_frequencies_make_static_ac_fit() {
    let sandbox = sandbox();
    let text = b"0101100101 ".repeat(500);
    sandbox.write("digits.txt", &text);
    sandbox.run(&["train", "static", "--corpus", "digits.txt", "-o", "digits.counts"]).ok();
    let size = |model: &[&str]| {
        let stream = sandbox.run_with(&[&["compress", "--method", "static-ac"], model].concat(), &text).ok().stdout;
        let back = sandbox.run_with(&["decompress"], &stream).ok().stdout;
        assert_eq!(back, text);
        stream.len()
    };
    assert!(size(&["--model", "digits.counts"]) * 3 < size(&[]));
    sandbox.write("broken.counts", b"1 2 3");
    sandbox
        .run_with(&["compress", "--method", "static-ac", "--model", "broken.counts"], ALICE)
        .fails(1, &["broken.counts", "256 counts"]);
}

#[test]
#[cfg(unix)]
fn a_device_without_an_end_is_refused() {
    let sandbox = sandbox();
    sandbox.write("text", &ALICE[..1000]);
    for line in [
        "compress --model /dev/zero text -o out",
        "compress --lexicon /dev/zero text -o out",
        "compress --method static-ac --model /dev/zero text -o out",
        "models add /dev/zero",
        "table build /dev/zero -o out.eqt",
        "table list /dev/zero",
        "table get /dev/zero 0",
        "fit --chip rp2040 /dev/zero",
        "inspect --bits /dev/zero",
    ] {
        let run = sandbox.shell(&format!("timeout 120 $equalinfo {line}"));
        run.fails(1, &["/dev/zero", "longer than 536870912 bytes"]);
    }
    // A pipe is read like a file.
    sandbox.shell("mkfifo p && (cat tiny.m1q > p &) && timeout 60 $equalinfo export --model p -o copy.m1q").ok();
    assert_eq!(sandbox.read("copy.m1q"), sandbox.read("tiny.m1q"));
}

#[test]
fn what_fits_a_chip_and_why_the_rest_does_not() {
    let sandbox = sandbox();
    sandbox.write("text", &ALICE[..2000]);
    // No text of a table.
    sandbox.write("no-text", &[0xff; 500]);
    let rows = |arguments: &[&str]| {
        let run = sandbox.run(&[&["fit"], arguments].concat()).ok();
        let text = String::from_utf8(run.stdout).expect("UTF-8");
        let row = |decoder: &str| text.lines().find(|line| line.starts_with(decoder)).unwrap_or_default().to_owned();
        (text.clone(), ["nano", "strings"].map(row))
    };
    let (text, [nano, strings]) = rows(&["--chip", "rp2040", "text"]);
    assert!(nano.contains(" yes ") && strings.contains(" yes "), "{text}");
    assert!(text.contains("not measured") && text.contains("Pays from"), "{text}");
    let (text, [nano, _]) = rows(&["--core", "m4", "--flash", "64K", "--ram", "8K", "--clock", "48"]);
    assert!(nano.ends_with("no: RAM, flash") && !text.contains("Pays from"), "{text}");
    let (text, [_, strings]) = rows(&["--chip", "rp2040", "no-text"]);
    assert!(strings.starts_with("strings: the lines of this text"), "{text}");
}
