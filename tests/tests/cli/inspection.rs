//! `inspect` and the random access of `cat`.

use equalinfo_tests::{ALICE, Sandbox};
use serde_json::Value;

use crate::{sandbox, with_tiny};

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

fn with_stream() -> Sandbox {
    let sandbox = sandbox();
    sandbox.write("text", &ALICE[..25_000]);
    let method = ["--method", "equal-info", "--window-bits", "32", "--block-size", "10000"];
    sandbox.run(&with_tiny(&[&["compress", "text"], &method[..]].concat())).ok();
    sandbox
}

#[test]
fn a_stream_describes_itself() {
    let sandbox = with_stream();
    let stream = sandbox.read("text.eqi");
    let description = &lines(sandbox.run(&["inspect", "text.eqi", "--json"]).ok().text())[0];
    assert_eq!(description["method"], "equal-info");
    assert_eq!(description["window_bits"], 32);
    assert_eq!(description["code"], "default");
    assert_eq!(description["text_length"], 25_000);
    assert_eq!(description["stream_length"], stream.len());
    let blocks = description["blocks"].as_array().expect("blocks");
    assert_eq!(blocks.len(), 3);
    assert_eq!((&blocks[2]["text_offset"], &blocks[2]["text_length"]), (&Value::from(20_000), &Value::from(5000)));
    let text = sandbox.run(&["inspect", "text.eqi"]).ok();
    assert!(text.text().contains("windows of 32 bits") && text.text().contains("25,000 bytes of text"));
}

#[test]
fn windows_of_a_stream_and_of_its_text_are_the_same() {
    let sandbox = with_stream();
    let stored = lines(sandbox.run(&with_tiny(&["inspect", "text.eqi", "--windows", "--json"])).ok().text());
    let shown = stored.iter().map(|window| window["length"].as_u64().expect("length")).sum::<u64>();
    assert_eq!(shown, 25_000);
    // The first block ends within the text's pieces, so only its windows can be compared.
    sandbox.write("block", &ALICE[..10_000]);
    let direct = lines(sandbox.run(&with_tiny(&["inspect", "block", "--window-bits", "32", "--json"])).ok().text());
    assert!(stored.starts_with(&direct));
    for (number, window) in direct.iter().take(50).enumerate() {
        let number = number.to_string();
        let text = sandbox.run(&with_tiny(&["cat", "text.eqi", "--window", &number])).ok();
        let start = window["offset"].as_u64().expect("offset") as usize;
        let length = window["length"].as_u64().expect("length") as usize;
        assert_eq!(text.stdout, ALICE[start..start + length]);
        let bits = window["bits"].as_str().expect("bits");
        assert_eq!(bits.len(), 32);
        let value = u32::from_str_radix(bits, 2).expect("binary");
        assert_eq!(window["tokens"], serde_json::json!([value >> 16, value & 0xffff]));
    }
}

#[test]
fn the_running_text_can_be_read_between_the_bars() {
    let sandbox = sandbox();
    sandbox.write("text", b"The three\ncurrently | listed");
    let flow = sandbox.run(&with_tiny(&["inspect", "text", "--flow"])).ok();
    assert!(!flow.text().contains('\x1b'), "no colours without a terminal");
    let joined = flow.text().trim_end().replace("\\|", "bar").replace('|', "").replace("bar", "|");
    assert_eq!(joined, "The\u{b7}three\u{21b5}\ncurrently\u{b7}|\u{b7}listed");
    let colored = sandbox.run(&with_tiny(&["inspect", "text", "--flow", "--color", "always"])).ok();
    assert!(colored.text().contains("\x1b["));
    let limited = sandbox.run(&with_tiny(&["inspect", "text", "--windows", "--limit", "2"])).ok();
    assert_eq!(limited.text().lines().count(), 2);
    sandbox.run(&with_tiny(&["inspect", "text", "--method", "ac"])).fails(2, &["text", "equal-info"]);
}

#[test]
fn parts_of_a_stream_are_read_alone() {
    let sandbox = with_stream();
    let cat = |arguments: &[&str]| sandbox.run(&with_tiny(&[&["cat", "text.eqi"], arguments].concat()));
    assert_eq!(cat(&["--block", "1"]).ok().stdout, ALICE[10_000..20_000]);
    assert_eq!(cat(&["--range", "9990..20010"]).ok().stdout, ALICE[9990..20_010]);
    assert_eq!(cat(&["--range", "..5"]).ok().stdout, ALICE[..5]);
    assert_eq!(cat(&["--range", "24990.."]).ok().stdout, ALICE[24_990..25_000]);
    assert_eq!(cat(&["--range", "7..7"]).ok().stdout, b"");
    cat(&["--range", "25001.."]).fails(1, &["--range", "25000"]);
    cat(&["--block", "3"]).fails(1, &["no block 3", "3 blocks"]);
    cat(&["--window", "99999999"]).fails(1, &["no window 99999999"]);
    sandbox.run_with(&with_tiny(&["cat", "--block", "0"]), b"").fails(1, &["stdin"]);
    // Parts do not depend on damage elsewhere.
    let mut stream = sandbox.read("text.eqi");
    stream[60] ^= 1;
    sandbox.write("text.eqi", &stream);
    cat(&["--block", "0"]).fails(1, &["block 0"]);
    assert_eq!(cat(&["--block", "1"]).ok().stdout, ALICE[10_000..20_000]);
}

#[test]
fn parts_of_the_other_methods() {
    let sandbox = sandbox();
    sandbox.write("text", &ALICE[..25_000]);
    for method in ["ac", "static-ac"] {
        let model = if method == "ac" { &crate::TINY[..] } else { &[] };
        sandbox.run(&[&["compress", "-f", "text", "--method", method, "--block-size", "10000"], model].concat()).ok();
        let range = sandbox.run(&[&["cat", "text.eqi", "--range", "9999..10001"], model].concat()).ok();
        assert_eq!(range.stdout, ALICE[9999..10_001]);
        sandbox.run(&[&["cat", "text.eqi", "--window", "0"], model].concat()).fails(1, &["no windows"]);
    }
}
