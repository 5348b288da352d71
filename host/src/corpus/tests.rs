use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use super::*;

fn documents(inputs: &[&Path], options: CorpusOptions) -> Result<Vec<Vec<u8>>, CorpusError> {
    let inputs: Vec<&str> = inputs.iter().map(|path| path.to_str().expect("UTF-8 path")).collect();
    Corpus::new(&inputs, options)?.documents().collect()
}

fn write_parquet(path: &Path, texts: &[Option<&str>]) {
    write_compressed_parquet(path, texts, ::parquet::basic::Compression::UNCOMPRESSED);
}

fn write_compressed_parquet(path: &Path, texts: &[Option<&str>], compression: ::parquet::basic::Compression) {
    use ::parquet::data_type::{ByteArray, ByteArrayType};
    use ::parquet::file::writer::SerializedFileWriter;
    let schema = ::parquet::schema::parser::parse_message_type(
        "message rows { required int32 id; optional binary text (UTF8); }",
    )
    .expect("schema");
    let file = fs::File::create(path).expect("create");
    let properties = ::parquet::file::properties::WriterProperties::builder().set_compression(compression).build();
    let mut writer = SerializedFileWriter::new(file, Arc::new(schema), Arc::new(properties)).expect("writer");
    for rows in texts.chunks(300) {
        let mut group = writer.next_row_group().expect("row group");
        let mut ids = group.next_column().expect("column").expect("id");
        let numbers: Vec<i32> = (0..rows.len() as i32).collect();
        ids.typed::<::parquet::data_type::Int32Type>().write_batch(&numbers, None, None).expect("ids");
        ids.close().expect("close");
        let mut column = group.next_column().expect("column").expect("text");
        let values: Vec<ByteArray> = rows.iter().flatten().map(|text| ByteArray::from(*text)).collect();
        let levels: Vec<i16> = rows.iter().map(|text| i16::from(text.is_some())).collect();
        column.typed::<ByteArrayType>().write_batch(&values, Some(&levels), None).expect("texts");
        column.close().expect("close");
        group.close().expect("close");
    }
    writer.close().expect("close");
}

#[test]
fn every_format_gives_the_same_documents() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let texts: Vec<String> = (0..700).map(|number| format!("document {number}: caf\u{e9} \"quoted\"")).collect();
    let jsonl: String = texts
        .iter()
        .map(|text| serde_json::json!({"source": [1, {"text": 2}], "text": text}).to_string() + "\n")
        .collect();
    let plain = directory.path().join("a.jsonl");
    fs::write(&plain, &jsonl).expect("write");

    let gzip = directory.path().join("b.jsonl.gz");
    // Two members, as written by parallel gzip programs.
    let (head, tail) = jsonl.split_at(jsonl.len() / 2);
    let mut bytes = Vec::new();
    for part in [head, tail] {
        let mut encoder = flate2::write::GzEncoder::new(&mut bytes, flate2::Compression::default());
        encoder.write_all(part.as_bytes()).expect("gzip");
        encoder.finish().expect("gzip");
    }
    fs::write(&gzip, bytes).expect("write");

    let zst = directory.path().join("c.jsonl.zst");
    fs::write(&zst, zstd::encode_all(jsonl.as_bytes(), 3).expect("zstd")).expect("write");

    let xz = directory.path().join("d.jsonl.xz");
    let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 1);
    encoder.write_all(jsonl.as_bytes()).expect("xz");
    fs::write(&xz, encoder.finish().expect("xz")).expect("write");

    let table = directory.path().join("e.parquet");
    let rows: Vec<Option<&str>> = texts.iter().flat_map(|text| [Some(text.as_str()), None]).collect();
    write_parquet(&table, &rows);

    let lines = directory.path().join("f.txt");
    fs::write(&lines, texts.join("\r\n")).expect("write");

    for path in [&plain, &gzip, &zst, &xz, &table, &lines] {
        let options = CorpusOptions { lines: true, skip_bad: 700, ..CorpusOptions::default() };
        let read = documents(&[path], options).expect("readable");
        assert!(read.iter().map(Vec::as_slice).eq(texts.iter().map(String::as_bytes)), "{}", path.display());
    }
}

#[test]
fn what_follows_gzip_is_more_of_it_or_zeros() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let path = directory.path().join("a.txt.gz");
    let member = |text: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(text).expect("gzip");
        encoder.finish().expect("gzip")
    };
    let read = |rest: &[&[u8]]| {
        fs::write(&path, [&[&member(b"one, ")[..]], rest].concat().concat()).expect("write");
        documents(&[&path], CorpusOptions::default())
    };
    let (zeros, two) = (vec![0; 300_000], member(b"two"));
    for rest in [&[][..], &[&zeros[..]], &[&member(b"")[..]]] {
        assert_eq!(read(rest).expect("readable"), [b"one, "]);
    }
    for rest in [&[&two[..]][..], &[&zeros[..], &two, &zeros[..7]]] {
        assert_eq!(read(rest).expect("readable"), [b"one, two"]);
    }
    for rest in [&[&b"two"[..]][..], &[&zeros[..], b" "], &[&[0x1f, 0x8b][..]], &[&b"\x1ftwo"[..]], &[&two[..9]]] {
        let error = read(rest).expect_err("no text");
        assert!(error.to_string().contains("a.txt.gz"), "{error}");
    }
}

#[test]
fn parquet_is_read_however_it_is_compressed() {
    use ::parquet::basic::{BrotliLevel, Compression, GzipLevel, ZstdLevel};
    let directory = tempfile::tempdir().expect("temporary directory");
    let texts: Vec<String> = (0..700).map(|number| format!("document {number}: caf\u{e9}")).collect();
    let rows: Vec<Option<&str>> = texts.iter().map(|text| Some(text.as_str())).collect();
    let path = directory.path().join("table.parquet");
    write_parquet(&path, &rows);
    let plain = fs::metadata(&path).expect("a file").len();
    for compression in [
        Compression::SNAPPY,
        Compression::GZIP(GzipLevel::default()),
        Compression::ZSTD(ZstdLevel::default()),
        Compression::BROTLI(BrotliLevel::default()),
        Compression::LZ4,
        Compression::LZ4_RAW,
    ] {
        write_compressed_parquet(&path, &rows, compression);
        assert!(fs::metadata(&path).expect("a file").len() < plain, "{compression}");
        let read = documents(&[&path], CorpusOptions::default()).expect("readable");
        assert!(read.iter().map(Vec::as_slice).eq(texts.iter().map(String::as_bytes)), "{compression}");
    }
}

#[test]
fn the_text_may_lie_within_a_field() {
    use ::parquet::data_type::{ByteArray, ByteArrayType};
    use ::parquet::file::writer::SerializedFileWriter;
    let directory = tempfile::tempdir().expect("temporary directory");
    let table = directory.path().join("a.parquet");
    let schema = ::parquet::schema::parser::parse_message_type(
        "message rows { optional group meta { optional group page { optional binary text (UTF8); } } }",
    )
    .expect("schema");
    let file = fs::File::create(&table).expect("create");
    let mut writer = SerializedFileWriter::new(file, Arc::new(schema), Arc::default()).expect("writer");
    let mut group = writer.next_row_group().expect("row group");
    let mut column = group.next_column().expect("column").expect("text");
    // The second row has no page, the third no meta.
    let (values, levels) = ([ByteArray::from("one"), ByteArray::from("two")], [3, 1, 0, 3]);
    column.typed::<ByteArrayType>().write_batch(&values, Some(&levels), None).expect("texts");
    column.close().expect("close");
    group.close().expect("close");
    writer.close().expect("close");
    let lines = directory.path().join("b.jsonl");
    let rows = [
        r#"{"text": "no", "meta": {"page": {"id": [1], "text": "one"}, "text": "no"}}"#,
        r#"{"meta": {"page": null}}"#,
        r#"{"meta": 5}"#,
        r#"{"meta.page": {"text": "two"}}"#,
    ];
    fs::write(&lines, rows.join("\n")).expect("write");
    let options = |text_field: &str, skip_bad| CorpusOptions {
        text_field: text_field.to_owned(),
        skip_bad,
        ..CorpusOptions::default()
    };
    for path in [&table, &lines] {
        assert_eq!(documents(&[path], options("meta.page.text", 2)).expect("readable"), [b"one", b"two"]);
        let error = documents(&[path], options("meta.page.text", 0)).expect_err("a row without").to_string();
        assert!(error.contains("2") && error.contains("meta.page.text"), "{error}");
    }
    fs::write(&lines, r#"{"a": {"b": "within"}, "a.b": "named so"}"#).expect("write");
    assert_eq!(documents(&[&lines], options("a.b", 0)).expect("readable"), [b"named so"]);
    for wrong in [r#"{"a": {"b": ["text"]}}"#, r#"{"a": {"b": null}}"#, r#"{"a": {"c": "text"}}"#] {
        fs::write(&lines, wrong).expect("write");
        assert!(documents(&[&lines], options("a.b", 0)).is_err(), "{wrong}");
    }
}

#[test]
fn tables_of_other_formats_are_refused_by_name() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let write = |name: &str| {
        let path = directory.path().join(name);
        fs::write(&path, "id,text\n1,one\n").expect("write");
        path
    };
    let text = write("a.txt");
    for name in ["b.csv", "c.TSV", "d.csv.gz", "e.arrow", "f.avro"] {
        let path = write(name);
        let error = documents(&[&text, &path], CorpusOptions::default()).expect_err("a table").to_string();
        assert!(error.contains(name) && error.contains(".jsonl") && error.contains(".txt"), "{error}");
    }
    let pattern = directory.path().join("*.csv");
    assert!(documents(&[&pattern], CorpusOptions::default()).is_err());
    // Lines that are documents are plain text, whatever they are called.
    let options = CorpusOptions { lines: true, ..CorpusOptions::default() };
    assert_eq!(documents(&[&directory.path().join("b.csv")], options).expect("readable"), [&b"id,text"[..], b"1,one"]);
    // Of a directory what is known is read, as with any other file in it.
    assert_eq!(documents(&[directory.path()], CorpusOptions::default()).expect("readable").len(), 1);
}

#[test]
fn long_texts_are_cut_at_line_ends_and_lose_nothing() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let path = directory.path().join("long.txt");
    let text: String = (0..300_000).map(|number| format!("{number}\n")).collect();
    fs::write(&path, &text).expect("write");
    let pieces = documents(&[&path], CorpusOptions::default()).expect("readable");
    assert!(pieces.len() > 1);
    assert!(pieces.iter().all(|piece| piece.len() <= text::PIECE && piece.ends_with(b"\n")));
    assert_eq!(pieces.concat(), text.as_bytes());

    let unbroken = vec![b'x'; text::PIECE * 2 + 5];
    fs::write(&path, &unbroken).expect("write");
    assert_eq!(documents(&[&path], CorpusOptions::default()).expect("readable").concat(), unbroken);
}

#[test]
fn directories_and_patterns_are_sorted_and_limited() {
    let directory = tempfile::tempdir().expect("temporary directory");
    for name in ["b.txt", "a.txt", "ignored.bin", "sub/c.txt"] {
        let path = directory.path().join(name);
        fs::create_dir_all(path.parent().expect("parent")).expect("create");
        fs::write(path, name).expect("write");
    }
    let all = documents(&[directory.path()], CorpusOptions::default()).expect("readable");
    assert_eq!(all, [&b"a.txt"[..], b"b.txt", b"sub/c.txt"]);
    let matched = documents(&[&directory.path().join("[ab].txt")], CorpusOptions::default()).expect("readable");
    assert_eq!(matched, [&b"a.txt"[..], b"b.txt"]);
    let limited = documents(&[directory.path()], CorpusOptions { limit: Some(7), ..CorpusOptions::default() });
    assert_eq!(limited.expect("readable"), [&b"a.txt"[..], b"b."]);
}

#[test]
fn shards_are_disjoint_and_complete() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let path = directory.path().join("lines.txt");
    fs::write(&path, (0..10).map(|number| format!("{number}\n")).collect::<String>()).expect("write");
    let shard = |text: &str| CorpusOptions {
        lines: true,
        shard: Some(text.parse().expect("shard")),
        ..CorpusOptions::default()
    };
    let mut all = Vec::new();
    for part in ["0/3", "1/3", "2/3"] {
        all.extend(documents(&[&path], shard(part)).expect("readable"));
    }
    all.sort();
    assert_eq!(all.concat(), b"0123456789");
    // One file per shard: each shard opens only its own file, so another shard's broken one does not matter.
    let missing = directory.path().join("broken.jsonl");
    fs::write(&missing, "{").expect("write");
    assert_eq!(documents(&[&path, &missing], shard("0/2")).expect("readable").len(), 10);
    assert!(documents(&[&path, &missing], shard("1/2")).is_err());
    for wrong in ["3/3", "x/2", "1", "0/0"] {
        assert!(wrong.parse::<Shard>().is_err(), "{wrong}");
    }
}

#[test]
fn broken_files_are_named_with_their_line() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let message = |name: &str, bytes: &[u8]| {
        let path = directory.path().join(name);
        fs::write(&path, bytes).expect("write");
        let error = documents(&[&path], CorpusOptions::default()).expect_err("broken");
        format!("{error:#}")
    };
    let error = message("cut.jsonl", b"{\"text\":\"fine\"}\n{\"text\":\"cu");
    assert!(error.contains("cut.jsonl: line 2"), "{error}");
    let error = message("field.jsonl", b"{\"body\":\"fine\"}\n");
    assert!(error.contains("line 1") && error.contains("field \"text\""), "{error}");
    let error = message("table.parquet", b"PAR1 not really");
    assert!(error.contains("table.parquet"), "{error}");
    let zstd = zstd::encode_all(&[b'a'; 5000][..], 3).expect("zstd");
    let error = message("cut.txt.zst", &zstd[..zstd.len() - 3]);
    assert!(error.contains("cut.txt.zst"), "{error}");
    let error = format!("{:#}", Corpus::new(&["/does/not/exist"], CorpusOptions::default()).expect_err("missing"));
    assert!(error.contains("/does/not/exist"), "{error}");
}

#[test]
fn documents_that_cannot_be_read_are_left_out_and_counted() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let lines = [
        "{\"text\":\"one\"}",
        // Half of a character, as other programs write it, no text, nothing, and a line that was cut.
        "{\"text\":\"\\ud800\"}",
        "{\"text\":null}",
        "{\"body\":\"none\"}",
        "{\"text\":\"two\"}",
        "{\"text\":\"cu",
    ];
    let path = directory.path().join("bad.jsonl");
    fs::write(&path, lines.join("\n")).expect("write");
    let table = directory.path().join("bad.parquet");
    write_parquet(&table, &[Some("one"), None, None, Some("two"), None, None]);
    for (path, place) in [(&path, "line 6"), (&table, "row 6")] {
        let read = |skip_bad| {
            let options = CorpusOptions { skip_bad, ..CorpusOptions::default() };
            let corpus = Corpus::new(&[path.to_str().expect("UTF-8")], options).expect("a file");
            let documents: Result<Vec<_>, _> = corpus.documents().collect();
            (documents, corpus.skipped())
        };
        let (documents, skipped) = read(4);
        assert_eq!((documents.expect("readable"), skipped), (vec![b"one".to_vec(), b"two".to_vec()], 4));
        let error = read(3).0.expect_err("one too many");
        let cause = std::error::Error::source(&error).expect("a cause").to_string();
        assert!(error.to_string().contains("more than 3 documents") && cause.contains(place), "{error}: {cause}");
        assert!(read(0).0.expect_err("none allowed").to_string().contains("2"));
    }
    // What is wrong with a whole file is no document's fault.
    fs::write(&table, b"PAR1 not really").expect("write");
    assert!(documents(&[&table], CorpusOptions { skip_bad: 9, ..CorpusOptions::default() }).is_err());
}

#[test]
fn a_byte_order_mark_is_none_of_the_text() {
    let directory = tempfile::tempdir().expect("temporary directory");
    for (name, content, options) in [
        ("a.txt", &b"\xef\xbb\xbftext \xef\xbb\xbf"[..], CorpusOptions::default()),
        ("b.txt", b"\xef\xbb\xbftext \xef\xbb\xbf", CorpusOptions { lines: true, ..CorpusOptions::default() }),
        ("c.jsonl", b"\xef\xbb\xbf{\"text\":\"text \xef\xbb\xbf\"}\n", CorpusOptions::default()),
    ] {
        let path = directory.path().join(name);
        fs::write(&path, content).expect("write");
        assert_eq!(documents(&[&path], options).expect("readable"), [b"text \xef\xbb\xbf"], "{name}");
    }
    let short = directory.path().join("short.txt");
    fs::write(&short, b"\xef\xbb").expect("write");
    assert_eq!(documents(&[&short], CorpusOptions::default()).expect("readable"), [b"\xef\xbb"]);
}
