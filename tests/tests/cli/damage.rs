//! Damaged, foreign and cut streams: every intact block is delivered, every loss is named, and the exit code says so.

use equalinfo_tests::{ALICE, Sandbox, tiny_model};

use crate::{sandbox, with_tiny};

const BLOCK: usize = 10_000;

/// `text.eqi`: 45,000 bytes in five blocks.
fn with_stream(method: &[&str]) -> (Sandbox, Vec<u8>) {
    let sandbox = sandbox();
    sandbox.write("text", &ALICE[..45_000]);
    sandbox.run(&with_tiny(&[&["compress", "text", "--block-size", "10000"], method].concat())).ok();
    let stream = sandbox.read("text.eqi");
    (sandbox, stream)
}

/// The offset of a block, from `inspect`.
fn block_offset(sandbox: &Sandbox, number: usize) -> usize {
    let run = sandbox.run(&["inspect", "text.eqi", "--json"]).ok();
    let description: serde_json::Value = serde_json::from_str(run.text()).expect("JSON");
    description["blocks"][number]["offset"].as_u64().expect("an offset") as usize
}

#[test]
fn a_damaged_payload_costs_its_block_alone() {
    for method in [&["--method", "ac"][..], &["--method", "equal-info"]] {
        let (sandbox, mut stream) = with_stream(method);
        let at = block_offset(&sandbox, 2) + 24 + 100;
        stream[at] ^= 0x10;
        sandbox.write("damaged.eqi", &stream);
        let expected = [&ALICE[..2 * BLOCK], &ALICE[3 * BLOCK..45_000]].concat();
        let words = ["block 2", "text offset 20000", "length 10000", "35,000 bytes of intact text"];
        sandbox.run(&with_tiny(&["decompress", "damaged.eqi"])).fails(3, &words);
        assert!(sandbox.read("damaged") == expected);
        assert!(sandbox.run(&with_tiny(&["cat", "damaged.eqi"])).fails(3, &words).stdout == expected);
        // The same through a pipe, where the index cannot be read beforehand.
        assert!(sandbox.run_with(&with_tiny(&["decompress"]), &stream).fails(3, &words).stdout == expected);
        // With --rm a damaged input stays.
        sandbox.run(&with_tiny(&["decompress", "--rm", "-f", "damaged.eqi"])).fails(3, &[]);
        assert!(sandbox.has("damaged.eqi"));
    }
}

#[test]
fn a_damaged_block_header_costs_its_block_alone() {
    let (sandbox, mut stream) = with_stream(&[]);
    let at = block_offset(&sandbox, 1);
    stream[at..at + 24].fill(0xaa);
    sandbox.write("damaged.eqi", &stream);
    let expected = [&ALICE[..BLOCK], &ALICE[2 * BLOCK..45_000]].concat();
    let run = sandbox.run(&with_tiny(&["cat", "damaged.eqi"]));
    assert!(run.fails(3, &["block 1", "text offset 10000", "length 10000"]).stdout == expected);
    let run = sandbox.run_with(&with_tiny(&["decompress"]), &stream);
    assert!(run.fails(3, &["block 1", "text offset 10000"]).stdout == expected);
}

#[test]
fn a_truncated_stream_delivers_its_whole_blocks() {
    let (sandbox, stream) = with_stream(&[]);
    let at = block_offset(&sandbox, 3) + 200;
    sandbox.write("cut.eqi", &stream[..at]);
    let run = sandbox.run(&with_tiny(&["cat", "cut.eqi"])).fails(3, &["block 3", "ends in the payload"]);
    assert!(run.stdout == ALICE[..3 * BLOCK]);
    sandbox.write("cut.eqi", &stream[..stream.len() - 1]);
    let run = sandbox.run(&with_tiny(&["cat", "cut.eqi"])).fails(3, &["no text is missing", "ends in the index"]);
    assert!(run.stdout == ALICE[..45_000]);
    sandbox.run_with(&with_tiny(&["decompress"]), &stream[..10]).fails(1, &["ends in the header"]);
    sandbox.run_with(&with_tiny(&["decompress"]), b"").fails(1, &["ends in the header"]);
}

#[test]
fn damaged_headers_and_foreign_files_are_named() {
    let (sandbox, stream) = with_stream(&[]);
    let changed = |position: usize, value: u8| {
        let mut stream = stream.clone();
        stream[position] = value;
        sandbox.run_with(&with_tiny(&["decompress"]), &stream)
    };
    changed(0, b'X').fails(1, &["expected an .eqi stream"]);
    changed(4, 9).fails(1, &["version 9"]);
    changed(20, stream[20] ^ 1).fails(1, &["header is damaged"]);
    sandbox.run_with(&with_tiny(&["decompress"]), ALICE).fails(1, &["expected an .eqi stream"]);
}

#[test]
fn another_model_is_refused_with_both_ids() {
    let (sandbox, _) = with_stream(&[]);
    sandbox.write("other.m1q", &tiny_model(2));
    let id = |name: &str| {
        let image = sandbox.read(name);
        format!("{:016x}", u64::from_le_bytes(image[8..16].try_into().expect("eight bytes")))
    };
    let (tiny, other) = (id("tiny.m1q"), id("other.m1q"));
    assert_ne!(tiny, other);
    let words = ["tiny-2", &tiny, &other];
    sandbox.run(&["decompress", "text.eqi", "-o", "back", "--model", "other.m1q"]).fails(1, &words);
    sandbox.run(&["cat", "text.eqi", "--block", "0", "--model", "other.m1q"]).fails(1, &words);
    sandbox.run(&["decompress", "text.eqi", "-o", "back"]).fails(1, &[&tiny, "--model"]);
    assert!(!sandbox.has("back"));
}

#[test]
fn a_damaged_model_is_refused() {
    let (sandbox, _) = with_stream(&[]);
    let mut image = sandbox.read("tiny.m1q");
    let middle = image.len() / 2;
    image[middle] ^= 1;
    sandbox.write("damaged.m1q", &image);
    sandbox.run(&["compress", "text", "-o", "out", "--model", "damaged.m1q"]).fails(1, &["damaged.m1q"]);
    sandbox.run(&["compress", "text", "-o", "out", "--model", "text"]).fails(1, &["text", ".m1q"]);
    assert!(!sandbox.has("out"));
}
