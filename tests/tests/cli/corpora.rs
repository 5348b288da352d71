//! Corpora as users have them: compressed, in directories, broken.

use equalinfo_tests::ALICE;

use crate::{sandbox, with_tiny};

fn jsonl(documents: &[&[u8]]) -> Vec<u8> {
    documents
        .iter()
        .flat_map(|document| {
            let text = std::str::from_utf8(document).expect("UTF-8");
            (serde_json::json!({"source": "test", "text": text}).to_string() + "\n").into_bytes()
        })
        .collect()
}

#[test]
fn the_same_documents_in_any_wrapping_give_the_same_figures() {
    let sandbox = sandbox();
    let documents = [&ALICE[..3000], &ALICE[3000..9000], &ALICE[9000..9500]];
    let plain = jsonl(&documents);
    std::fs::create_dir(sandbox.path("corpus")).expect("a directory");
    sandbox.write("plain.jsonl", &plain);
    sandbox.write("packed.jsonl.zst", &zstd::encode_all(&plain[..], 3).expect("zstd"));
    sandbox.write("corpus/0.jsonl", &jsonl(&documents[..1]));
    sandbox.write("corpus/1.jsonl", &jsonl(&documents[1..]));
    sandbox.write("corpus/README", b"not a document");
    let eval =
        |input: &str| sandbox.run(&with_tiny(&["eval", "--json", "--method", "ac,static-ac", input])).ok().stdout;
    let figures = eval("plain.jsonl");
    assert_eq!(eval("packed.jsonl.zst"), figures);
    assert_eq!(eval("corpus"), figures);
    assert_eq!(eval("corpus/*.jsonl"), figures);
    // Method ac restarts with every document, so one long document is another matter.
    sandbox.write("joined.txt", &documents.concat());
    assert_ne!(eval("joined.txt"), figures);
}

#[test]
fn a_broken_corpus_is_named_with_its_line() {
    let sandbox = sandbox();
    sandbox.write("broken.jsonl", b"{\"text\":\"fine\"}\n{\"body\":\"no text\"}\n");
    let run = sandbox.run(&with_tiny(&["eval", "broken.jsonl"]));
    run.fails(1, &["broken.jsonl", "line 2", "\"text\"", "--text-field"]);
    sandbox.run(&with_tiny(&["eval", "--text-field", "body", "broken.jsonl"])).fails(1, &["line 1"]);
    sandbox.write("broken.parquet", b"PAR1");
    sandbox.run(&with_tiny(&["eval", "broken.parquet"])).fails(1, &["broken.parquet"]);
}

#[test]
fn tables_are_refused_and_fields_lie_within_fields() {
    let sandbox = sandbox();
    sandbox.write("table.csv", b"id,text\n1,one\n");
    sandbox.write("plain.txt", b"some text");
    for files in [&["table.csv"][..], &["plain.txt", "table.csv"], &["*.csv"]] {
        let run = sandbox.run(&[&["tokenize", "--method", "bytes", "-o", "t"], files].concat());
        run.fails(1, &["table.csv", "tables of this format are not read", ".jsonl", "Parquet"]);
    }
    sandbox.write("a.jsonl", b"{\"meta\": {\"id\": 1, \"body\": \"within\"}, \"text\": \"beside\"}\n");
    let rows = ["tokenize", "a.jsonl", "--method", "bytes", "--text-field", "meta.body", "-o", "t"];
    sandbox.run(&rows).ok();
    assert_eq!(sandbox.run(&["detokenize", "t"]).ok().stdout, b"within\n");
    sandbox.write("b.jsonl", b"{\"meta\": {\"id\": 1}}\n");
    let rows = ["tokenize", "b.jsonl", "--method", "bytes", "--text-field", "meta.body", "-o", "u"];
    sandbox.run(&rows).fails(1, &["b.jsonl: line 1", "meta.body"]);
}

#[test]
fn shards_add_up() {
    let sandbox = sandbox();
    let lines: String = (0..100).map(|number| format!("line number {number}\n")).collect();
    sandbox.write("lines.txt", lines.as_bytes());
    let bytes = |shard: &[&str]| -> u64 {
        let run = sandbox.run(&[&["eval", "--json", "--method", "bytes", "--lines", "lines.txt"], shard].concat()).ok();
        let row: serde_json::Value = serde_json::from_str(run.text().trim()).expect("JSON");
        row["bytes"].as_u64().expect("a number")
    };
    let parts: u64 = ["0/3", "1/3", "2/3"].iter().map(|part| bytes(&["--shard", part])).sum();
    assert_eq!(parts, bytes(&[]));
    sandbox.run(&["eval", "--shard", "3/3", "lines.txt"]).fails(2, &["0 <= i < n"]);
}

#[test]
fn corpora_as_they_are_are_read_and_what_is_left_out_is_counted() {
    let sandbox = sandbox();
    let text = std::str::from_utf8(&ALICE[..20_000]).expect("ASCII");
    let good = serde_json::json!({ "text": text }).to_string();
    let lines = [&good[..], "{\"text\":null}", "{\"text\":\"\\udc80\"}", &good, "{\"text\":\"cut"];
    sandbox.write("bad.jsonl", lines.join("\n").as_bytes());
    let tokenize = |more: &[&'static str]| {
        let line = ["tokenize", "bad.jsonl", "--method", "bytes", "--sequence", "64", "-o", "t"];
        sandbox.run(&[&line[..], more].concat())
    };
    tokenize(&[]).fails(1, &["bad.jsonl: line 2", "--skip-bad"]);
    tokenize(&["--skip-bad", "2"]).fails(1, &["more than 2 documents", "line 5"]);
    let run = tokenize(&["--skip-bad", "3"]).ok();
    assert!(run.stderr.contains("left out 3 documents"), "{}", run.stderr);
    // As many bytes as the text has, whatever mark an editor put before it.
    sandbox.write("plain.txt", text.as_bytes());
    sandbox.write("marked.txt", &[b"\xef\xbb\xbf", text.as_bytes()].concat());
    let eval = |file: &str| sandbox.run(&["eval", "--json", "--method", "bytes,gzip", file]).ok().stdout;
    assert_eq!(eval("marked.txt"), eval("plain.txt"));
    sandbox.write("empty.txt", b"");
    for command in [
        &["eval", "empty.txt"][..],
        &["tokenize", "empty.txt", "--method", "bytes", "-o", "e"],
        &["train", "m1", "--corpus", "empty.txt", "-o", "e"],
        &["train", "unigram", "--corpus", "empty.txt", "-o", "e.json"],
        &["train", "static", "--corpus", "empty.txt", "-o", "e.counts"],
    ] {
        sandbox.run(command).fails(1, &["no text"]);
    }
}

#[test]
#[cfg(unix)]
fn pipes_and_devices_in_a_directory_are_no_corpus() {
    let sandbox = sandbox();
    sandbox.write("alone.txt", &ALICE[..2000]);
    sandbox.shell("mkdir d d/inner empty && cp alone.txt d/inner/a.txt && ln -s ../alone.txt d/link.txt").ok();
    sandbox.shell("mkfifo d/pipe.txt d/inner/pipe.jsonl empty/pipe.txt && ln -s /dev/zero d/zero.txt").ok();
    sandbox.shell("timeout 60 $equalinfo tokenize d --method bytes --sequence 64 -o t").ok();
    let eval =
        |input: &str| sandbox.shell(&format!("timeout 60 $equalinfo eval --json --method bytes {input}")).ok().stdout;
    assert_eq!(eval("d"), eval("alone.txt alone.txt"));
    sandbox.shell("timeout 60 $equalinfo eval --method bytes empty").fails(1, &["empty"]);
}
