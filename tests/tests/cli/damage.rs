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
    for method in [&["--method", "ac"][..], &["--method", "equal-info"], &["-2"], &["--class", "64k"]] {
        let (sandbox, mut stream) = with_stream(method);
        let at = block_offset(&sandbox, 2) + 24 + 100;
        stream[at] ^= 0x10;
        sandbox.write("damaged.eqi", &stream);
        let expected = [&ALICE[..2 * BLOCK], &ALICE[3 * BLOCK..45_000]].concat();
        let words = ["block 2", "text offset 20,000", "length 10,000", "35,000 bytes of intact text"];
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
    assert!(run.fails(3, &["block 1", "text offset 10,000", "length 10,000"]).stdout == expected);
    let run = sandbox.run_with(&with_tiny(&["decompress"]), &stream);
    assert!(run.fails(3, &["block 1", "text offset 10,000"]).stdout == expected);
}

#[test]
fn a_truncated_stream_delivers_its_whole_blocks() {
    let (sandbox, stream) = with_stream(&[]);
    let at = block_offset(&sandbox, 3) + 200;
    sandbox.write("cut.eqi", &stream[..at]);
    let run = sandbox.run(&with_tiny(&["cat", "cut.eqi"])).fails(3, &["block 3", "cut short in the payload"]);
    assert!(run.stdout == ALICE[..3 * BLOCK]);
    sandbox.write("cut.eqi", &stream[..stream.len() - 1]);
    let run = sandbox.run(&with_tiny(&["cat", "cut.eqi"])).fails(3, &["rest may be missing", "cut short in the index"]);
    assert!(run.stdout == ALICE[..45_000]);
    sandbox.write("cut.eqi", &stream[..block_offset(&sandbox, 3)]);
    let run = sandbox.run(&with_tiny(&["cat", "cut.eqi"])).fails(3, &["rest may be missing", "cut short"]);
    assert!(run.stdout == ALICE[..3 * BLOCK]);
    sandbox.run_with(&with_tiny(&["decompress"]), &stream[..10]).fails(1, &["cut short in the header"]);
    sandbox.run_with(&with_tiny(&["decompress"]), b"").fails(1, &["cut short in the header"]);
}

#[test]
fn damaged_headers_and_foreign_files_are_named() {
    let (sandbox, stream) = with_stream(&[]);
    let changed = |position: usize, value: u8| {
        let mut stream = stream.clone();
        stream[position] = value;
        sandbox.run_with(&with_tiny(&["decompress"]), &stream)
    };
    changed(0, b'X').fails(1, &["not an .eqi stream"]);
    changed(3, 0x92).fails(1, &["version 9"]);
    changed(3, b'I').fails(1, &["version 1", "never released"]);
    // A damaged header is repeated at the end of the stream.
    let run = changed(12, stream[12] ^ 1).fails(3, &["no text is missing", "header is damaged"]);
    assert!(run.stdout == ALICE[..45_000]);
    sandbox.run_with(&with_tiny(&["decompress"]), ALICE).fails(1, &["not an .eqi stream"]);
}

#[test]
fn another_model_is_refused_with_both_ids() {
    let (sandbox, _) = with_stream(&[]);
    sandbox.write("other.m1q", &tiny_model(2));
    let id = |name: &str| {
        let image = sandbox.read(name);
        format!("{:08x}", u64::from_le_bytes(image[8..16].try_into().expect("eight bytes")) >> 32)
    };
    let (tiny, other) = (id("tiny.m1q"), id("other.m1q"));
    assert_ne!(tiny, other);
    let words = ["tiny-2", &tiny, &other];
    sandbox.run(&["decompress", "text.eqi", "-o", "back", "--model", "other.m1q"]).fails(1, &words);
    sandbox.run(&["cat", "text.eqi", "--block", "0", "--model", "other.m1q"]).fails(1, &words);
    sandbox.run(&["decompress", "text.eqi", "-o", "back"]).fails(1, &[&tiny, "--model"]);
    assert!(!sandbox.has("back"));
}

/// Streams one after the other are one text for every command, and damage in one spares the others.
#[test]
fn joined_streams_are_one_text() {
    let sandbox = sandbox();
    let texts = [&ALICE[..25_000], &ALICE[25_000..25_100], b"", &ALICE[25_100..60_000]];
    let options = [&["--method", "ac", "--block-size", "10000"][..], &["-1"], &["-1"], &["-2", "--block-size", "8K"]];
    let streams: Vec<Vec<u8>> = texts
        .iter()
        .zip(options)
        .map(|(text, options)| {
            let model = if options[0] == "--method" { &crate::TINY[..] } else { &[] };
            sandbox.run_with(&[&["compress"], options, model].concat(), text).ok().stdout
        })
        .collect();
    sandbox.write("joined.eqi", &streams.concat());
    assert!(sandbox.run(&with_tiny(&["cat", "joined.eqi"])).ok().stdout == ALICE[..60_000]);
    let range = sandbox.run(&with_tiny(&["cat", "joined.eqi", "--range", "24990..25200"])).ok();
    assert!(range.stdout == ALICE[24_990..25_200]);
    let described = sandbox.run(&["inspect", "joined.eqi", "--json"]).ok();
    let described: serde_json::Value = serde_json::from_str(described.text()).expect("JSON");
    assert_eq!((&described["streams"], &described["text_length"]), (&4.into(), &60_000.into()));
    assert_eq!(described["blocks"].as_array().map(Vec::len), Some(3 + 1 + 5));
    sandbox.run(&["test", "joined.eqi", "--model", "tiny.m1q"]).ok();
    // The header of the last stream is damaged, which its end repeats.
    let last = streams[..3].concat().len();
    let mut damaged = streams.concat();
    damaged[last + 7] ^= 1;
    sandbox.write("damaged.eqi", &damaged);
    let run = sandbox.run(&with_tiny(&["cat", "damaged.eqi"])).fails(3, &["no text is missing"]);
    assert!(run.stdout == ALICE[..60_000]);
    let run = sandbox.run_with(&with_tiny(&["decompress"]), &damaged).fails(3, &["no text is missing"]);
    assert!(run.stdout == ALICE[..60_000]);
    // So is that of the second, which has one block and nothing else.
    let mut damaged = streams.concat();
    damaged[streams[0].len() + 1] ^= 1;
    sandbox.write("damaged.eqi", &damaged);
    let run = sandbox.run(&with_tiny(&["cat", "damaged.eqi"])).fails(3, &["text may be missing"]);
    assert!(run.stdout == [texts[0], texts[3]].concat());
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
