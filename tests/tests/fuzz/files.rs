//! Corpora, subwords, checkpoints and token shards.

use std::fs;
use std::path::Path;

use equalinfo::Subwords;
use equalinfo::corpus::{Corpus, CorpusOptions};
use equalinfo_train::checkpoint::{Checkpoint, Kind};
use equalinfo_train::tokens::TokenRows;
use proptest::prelude::*;

use crate::{cases, edited, edits};

/// Bytes of a gzip member, a zstd frame and an xz stream around a text.
fn packed(text: &[u8]) -> [(&'static str, Vec<u8>); 4] {
    use std::io::Write;

    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(text).expect("memory");
    [
        ("a.jsonl", text.to_vec()),
        ("a.jsonl.gz", gzip.finish().expect("memory")),
        ("a.jsonl.zst", zstd::encode_all(text, 1).expect("memory")),
        ("a.txt", text.to_vec()),
    ]
}

fn documents(path: &Path, lines: bool) {
    let options = CorpusOptions { lines, limit: Some(1 << 20), skip_bad: 5, ..CorpusOptions::default() };
    if let Ok(corpus) = Corpus::new(&[path.display().to_string()], options) {
        // It ends at an error, or at the end.
        assert!(corpus.documents().take(1000).count() <= 1000);
    }
}

proptest! {
    #![proptest_config(cases(500))]

    #[test]
    fn changed_corpora_are_errors_or_documents(edits in edits(), lines in any::<bool>()) {
        let folder = tempfile::tempdir().expect("a folder");
        let text = "{\"text\": \"It was the best of times\", \"id\": 1}\n{\"text\": \"\\u00e4\\ud83d\\ude00\"}\n".repeat(3);
        for (name, bytes) in packed(text.as_bytes()) {
            let path = folder.path().join(name);
            fs::write(&path, edited(&bytes, &edits)).expect("a file");
            documents(&path, lines);
        }
    }

    #[test]
    fn changed_subwords_are_refused_or_tokens(edits in edits()) {
        let json = br#"{"version":"1.0","truncation":null,"padding":null,"added_tokens":[],"normalizer":null,"pre_tokenizer":null,"post_processor":null,"decoder":null,"model":{"type":"Unigram","unk_id":0,"vocab":[["<unk>",0.0],["a",-1.0],["b",-2.0],["ab",-2.5]],"byte_fallback":false}}"#;
        let _ = Subwords::from_json(&edited(json, &edits), "fuzz");
    }
}

proptest! {
    #![proptest_config(cases(200))]

    /// A checkpoint and token shards that the tool wrote.
    #[test]
    fn changed_checkpoints_and_shards_are_refused(edits in edits(), which in 0usize..3) {
        let folder = tempfile::tempdir().expect("a folder");
        let files = crate::files::written();
        let (name, bytes) = &files[which];
        let damaged = edited(bytes, &edits);
        prop_assume!(damaged != *bytes);
        for (name, bytes) in files {
            fs::write(folder.path().join(name), bytes).expect("a file");
        }
        let path = folder.path().join(name);
        fs::write(&path, damaged).expect("a file");
        if *name == "checkpoint.safetensors" {
            prop_assert!(Checkpoint::load_of(&path, Kind::M1).is_err());
        } else {
            let opened = TokenRows::open(&[folder.path().into()], 1);
            // A manifest may change in a place that says nothing about the tokens.
            prop_assert!(opened.is_err() || *name == "manifest.json");
        }
    }
}

/// A checkpoint, a manifest and the shard that it names.
pub fn written() -> &'static [(String, Vec<u8>)] {
    static FILES: std::sync::LazyLock<Vec<(String, Vec<u8>)>> = std::sync::LazyLock::new(|| {
        let sandbox = equalinfo_tests::Sandbox::new(env!("CARGO_BIN_EXE_equalinfo-under-test"));
        sandbox.write("text.txt", &equalinfo_tests::ALICE[..20_000]);
        let train = ["train", "m1", "--preset", "pico", "--corpus", "text.txt", "--steps", "1", "--batch", "2"];
        let more = ["--sequence", "128", "--no-quantize", "--window-share", "0", "-o", "run"];
        sandbox.run(&[&train[..], &more[..]].concat()).ok();
        sandbox.run(&["tokenize", "text.txt", "--method", "bytes", "--sequence", "64", "-o", "tokens"]).ok();
        let read = |folder: &str, name: &str| (name.to_owned(), sandbox.read(&format!("{folder}/{name}")));
        vec![read("run", "checkpoint.safetensors"), read("tokens", "manifest.json"), read("tokens", "tokens-00000.npy")]
    });
    &FILES
}
