//! Tokens against the coders that they come from, and shards against interruptions.

use std::path::Path;

use equalinfo_codec::{WindowBits, WindowCode, decode_window};

use super::examples::EXAMPLE;
use super::method::{Align, Method, Reset, Task};
use super::shards::{Layout, Manifest, Rows, Settings, Writer};
use super::tokenizer::{Tokenizer, Tokens, most_tokens};
use crate::compress::Workers;
use crate::compress::batch::OnDevice;
use crate::model::LoadedModel;

fn alice() -> Vec<u8> {
    std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/data/alice29.txt")).unwrap()
}

fn windows(window_bits: u32, token_bits: u32, reset: Reset, align: Align) -> Method {
    Method::EqualInfo { window_bits, token_bits, code: "default".into(), reset, align }
}

fn tokens(method: Method, text: &[u8], most: usize) -> Tokens {
    let model = match method {
        Method::StaticAc { .. } => LoadedModel::english().unwrap(),
        _ => LoadedModel::m1(Some("nano")).unwrap(),
    };
    let tokenizer = Tokenizer::new(method, &model, model.context().min(128)).unwrap();
    tokenizer.tokenize(&mut tokenizer.session().unwrap(), text, most).unwrap()
}

/// The texts of tokens that are windows of 16 bits.
fn texts(tokens: &Tokens) -> Vec<Vec<u8>> {
    let model = LoadedModel::m1(Some("nano")).unwrap();
    let mut session = model.session(128).unwrap();
    let text_of = |&id: &u16| {
        let mut text = Vec::new();
        decode_window(&mut session, WindowBits::B16, WindowCode::Default, 128, u128::from(id), |byte| text.push(byte));
        text
    };
    tokens.ids.iter().map(text_of).collect()
}

#[test]
fn windows_of_a_token_decode_to_their_text() {
    let text = &alice()[..EXAMPLE];
    for align in [Align::None, Align::Word] {
        let tokens = tokens(windows(16, 16, Reset::Every, align), text, 512);
        assert_eq!(tokens.ids.len(), 512);
        assert_eq!(texts(&tokens).concat(), text[..tokens.text as usize]);
    }
}

#[test]
fn aligned_windows_cut_fewer_words() {
    let text = &alice()[20_000..20_000 + EXAMPLE];
    let cut = |align| {
        let tokens = tokens(windows(16, 16, Reset::Every, align), text, 512);
        let texts = texts(&tokens);
        let letter = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
        let cuts = texts.windows(2).filter(|pair| letter(pair[0].last()) && letter(pair[1].first())).count();
        (cuts as f64 / texts.len() as f64, tokens.text)
    };
    let ((anywhere, more), (aligned, less)) = (cut(Align::None), cut(Align::Word));
    assert!(aligned < 0.8 * anywhere && less < more, "{aligned} after {anywhere}, {less} bytes after {more}");
}

#[test]
fn narrow_tokens_are_the_bytes_of_wide_ones() {
    let text = &alice()[..EXAMPLE];
    for method in [
        |token_bits| windows(24, token_bits, Reset::Every, Align::None),
        |token_bits| windows(64, token_bits, Reset::EveryOther, Align::None),
        |token_bits| Method::Ac { token_bits },
        |token_bits| Method::StaticAc { token_bits },
        |token_bits| Method::Gzip { token_bits },
    ] {
        let (narrow, wide) = (tokens(method(8), text, 512), tokens(method(16), text, 256));
        let bytes: Vec<u16> = wide.ids.iter().flat_map(|id| id.to_be_bytes().map(u16::from)).collect();
        assert_eq!(narrow.ids, bytes);
        assert!(narrow.text.abs_diff(wide.text) <= 8, "{} and {}", narrow.text, wide.text);
    }
}

#[test]
fn more_context_holds_more_text() {
    let text = &alice()[..EXAMPLE];
    let taken = [Reset::Every, Reset::EveryOther, Reset::Never]
        .map(|reset| tokens(windows(16, 16, reset, Align::None), text, 256).text);
    assert!(taken[0] < taken[1] && taken[1] < taken[2], "{taken:?}");
    let ac = tokens(Method::Ac { token_bits: 16 }, text, 256).text;
    assert!(taken[2] <= ac, "{taken:?} and {ac}");
}

#[test]
fn a_gpu_makes_the_same_tokens() {
    let model = LoadedModel::m1(Some("nano")).unwrap();
    let image = model.engine().unwrap().image().model();
    let batch = OnDevice::new(equalinfo_kernels::cpu::CpuDriver::default(), image, 32, 1).unwrap();
    let text = alice();
    // Text that is coded in fewer bytes than most, so that its beginning is not enough; and none at all.
    let repeated = vec![b' '; 150];
    let texts = [&text[3000..3120], &repeated, &text[9000..9040], &[]];
    for method in [
        windows(16, 16, Reset::Every, Align::None),
        windows(24, 8, Reset::Every, Align::None),
        windows(128, 16, Reset::Every, Align::None),
        Method::Ac { token_bits: 8 },
    ] {
        let tokenizer = Tokenizer::new(method.clone(), &model, 32).unwrap();
        let mut session = tokenizer.session().unwrap();
        for most in [10, most_tokens(150)] {
            let expected: Vec<Tokens> =
                texts.iter().map(|text| tokenizer.tokenize(&mut session, text, most).unwrap()).collect();
            assert!(tokenizer.tokenize_batch(&batch, &texts, most).unwrap() == expected, "{method}, {most}");
        }
    }
    let other = Tokenizer::new(windows(16, 16, Reset::Never, Align::None), &model, 32).unwrap();
    let error = other.tokenize_batch(&batch, &texts, 20).unwrap_err().to_string();
    assert!(error.contains("--device cuda"), "{error}");
}

#[test]
fn lanes_make_the_same_tokens() {
    let model = LoadedModel::m1(Some("nano")).unwrap();
    let text = alice();
    let mut texts: Vec<&[u8]> = (0..40).map(|i| &text[500 * i..][..10 + 37 * (i % 9)]).collect();
    texts.extend([&b""[..], b" "]);
    let methods = ["default", "delay", "paper"].map(|code| Method::EqualInfo {
        window_bits: 16,
        token_bits: 16,
        code: code.to_owned(),
        reset: Reset::Every,
        align: Align::None,
    });
    for method in methods.into_iter().chain([windows(64, 8, Reset::Every, Align::None)]) {
        let tokenizer = Tokenizer::new(method.clone(), &model, 32).unwrap();
        let (mut session, mut lanes) = (tokenizer.session().unwrap(), tokenizer.lanes().unwrap()().unwrap());
        for most in [20, most_tokens(400)] {
            let expected: Vec<Tokens> =
                texts.iter().map(|text| tokenizer.tokenize(&mut session, text, most).unwrap()).collect();
            assert!(tokenizer.tokenize_lanes(&mut lanes, &texts, most).unwrap() == expected, "{method}, {most}");
        }
    }
    for reset in [Reset::EveryOther, Reset::Never] {
        let other = Tokenizer::new(windows(16, 16, reset, Align::None), &model, 32).unwrap();
        assert!(other.lanes().is_none());
    }
}

#[test]
fn names_are_those_of_the_paper() {
    assert_eq!(Method::Bytes.to_string(), "Bytes");
    assert_eq!(Method::Gzip { token_bits: 16 }.to_string(), "GZip[v=65k]");
    assert_eq!(windows(16, 8, Reset::Every, Align::None).to_string(), "EqualInfoAC[b=16,v=256]");
    assert_eq!(windows(16, 16, Reset::Never, Align::None).to_string(), "EqualInfoAC[b=16,v=65k,reset=never]");
    assert!(windows(16, 16, Reset::Every, Align::Word).is_transparent());
    assert!(!windows(16, 8, Reset::Every, Align::None).is_transparent());
}

#[test]
fn a_code_lies_before_its_text_or_behind_it() {
    let text = &alice()[1000..1200];
    let of = |task, token_bits| Method::Seq2seq {
        task,
        of: Box::new(windows(16, token_bits, Reset::Every, Align::None)),
        example: 200,
    };
    let code = tokens(windows(16, 8, Reset::Every, Align::None), text, most_tokens(200)).ids;
    let bytes: Vec<u16> = text.iter().map(|&byte| byte.into()).collect();
    let shifted = |ids: &[u16]| ids.iter().map(|id| id + 256).collect::<Vec<u16>>();
    let row = |task, most| tokens(of(task, 8), text, most);
    let decompress = row(Task::Decompress, 512);
    assert_eq!(decompress, Tokens { ids: [&code[..], &shifted(&bytes)].concat(), given: code.len(), text: 200 });
    let compress = row(Task::Compress, 512);
    assert_eq!(compress, Tokens { ids: [&bytes[..], &shifted(&code)].concat(), given: 200, text: 200 });
    assert_eq!(row(Task::Text, 512), Tokens { ids: bytes, given: 0, text: 200 });
    let cut = row(Task::Decompress, code.len() + 50);
    assert_eq!((cut.lost(), cut.text), (50, 50));
    assert_eq!(of(Task::Decompress, 8).vocabulary(), 512);
    let model = LoadedModel::m1(Some("nano")).unwrap();
    assert!(Tokenizer::new(of(Task::Decompress, 16), &model, 128).is_err());
    let tokenizer = Tokenizer::new(of(Task::Compress, 8), &model, 128).unwrap();
    let error = tokenizer.tokenize(&mut tokenizer.session().unwrap(), text, 200).unwrap_err().to_string();
    assert!(error.contains("--sequence"), "{error}");
}

#[test]
fn a_stream_has_all_tokens_of_all_text() {
    let directory = tempfile::tempdir().unwrap();
    let manifest = write_as(Layout::Stream, directory.path(), usize::MAX).unwrap();
    // Each document is a joined sequence of its own, and its last row is shorter.
    let text = &alice()[..EXAMPLE];
    let all = tokens(windows(16, 16, Reset::Every, Align::None), text, most_tokens(text.len()));
    let mut rows = Rows::open(directory.path(), &manifest).unwrap();
    let first: Vec<Tokens> = (0..all.ids.len().div_ceil(100)).map(|row| rows.row(row).unwrap()).collect();
    assert_eq!(first.iter().flat_map(|row| row.ids.clone()).collect::<Vec<u16>>(), all.ids);
    assert_eq!(first.iter().map(|row| row.text).sum::<u64>(), text.len() as u64);
    assert!(first[..first.len() - 1].iter().all(|row| row.ids.len() == 100));
    assert_eq!(manifest.text(), 9 * EXAMPLE as u64);
    assert_eq!(manifest.shards.iter().map(|shard| shard.examples).sum::<usize>(), 9);
}

#[test]
fn the_tokens_of_a_long_text_are_those_of_its_parts() {
    let directory = tempfile::tempdir().unwrap();
    let text = [&alice()[..], b"!"].concat().repeat(2);
    let manifest = write_text(Layout::Stream, directory.path(), usize::MAX, &text).unwrap();
    let method = windows(16, 16, Reset::Every, Align::None);
    let model = LoadedModel::m1(Some("nano")).unwrap();
    let tokenizer = Tokenizer::new(method, &model, 128).unwrap();
    let documents: Vec<&[u8]> = text.chunks(EXAMPLE).collect();
    let mut lanes = tokenizer.lanes().unwrap()().unwrap();
    let all = tokenizer.tokenize_lanes(&mut lanes, &documents, most_tokens(EXAMPLE)).unwrap();
    let compiled = tokenizer.compiled(2).unwrap();
    assert!(compiled.lanes().is_none());
    for (document, tokens) in documents.iter().zip(&all) {
        assert_eq!(
            &compiled.tokenize(&mut compiled.session().unwrap(), document, most_tokens(EXAMPLE)).unwrap(),
            tokens
        );
        assert_eq!(compiled.tokenize(&mut None, document, 9).unwrap().ids, tokens.ids[..9]);
    }
    let mut rows = Rows::open(directory.path(), &manifest).unwrap();
    let written: Vec<u16> = (0..rows.len()).flat_map(|row| rows.row(row).unwrap().ids).collect();
    assert!(written == all.into_iter().flat_map(|tokens| tokens.ids).collect::<Vec<u16>>());
    assert!(text.len() >= tokenizer.compiled_from().unwrap() * 4);
}

/// Writes rows of a text in examples, of nine unless it is given, into a directory; fails before row `stop`.
fn write(directory: &Path, stop: usize) -> anyhow::Result<Manifest> {
    write_as(Layout::Examples, directory, stop)
}

fn write_as(layout: Layout, directory: &Path, stop: usize) -> anyhow::Result<Manifest> {
    write_text(layout, directory, stop, &alice()[..9 * EXAMPLE])
}

fn write_text(layout: Layout, directory: &Path, stop: usize, text: &[u8]) -> anyhow::Result<Manifest> {
    let model = LoadedModel::m1(Some("nano"))?;
    let method = windows(16, 16, Reset::Every, Align::None);
    let settings = Settings {
        name: method.to_string(),
        vocabulary: method.vocabulary(),
        model: None,
        model_id: None,
        context: 128,
        sequence: 100,
        rows_per_shard: 2,
        corpus: Vec::new(),
        shard: None,
        text_field: "text".into(),
        lines: false,
        limit: None,
        tokens: None,
        layout,
        method: method.clone(),
    };
    let tokenizer = Tokenizer::new(method, &model, 128)?;
    let documents: Vec<Vec<u8>> = text.chunks(EXAMPLE).map(<[u8]>::to_vec).collect();
    // The documents end in an error where the work is interrupted.
    let broken = documents.into_iter().enumerate();
    let broken =
        broken.map(|(number, document)| if number < stop { Ok(document) } else { Err(anyhow::anyhow!("stop")) });
    let one_by_one = broken.flat_map(|document| {
        // So that each is a joined sequence of its own.
        std::iter::once(document).chain((1..super::examples::DOCUMENTS).map(|_| Ok(Vec::new())))
    });
    super::tokenize(
        &tokenizer,
        one_by_one,
        Writer::open(directory, settings, "equalinfo tokenize")?,
        &Workers::Threads(2),
        |_| (),
    )
}

#[test]
fn an_interrupted_run_ends_in_the_same_files() {
    let (whole, parts) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let manifest = write(whole.path(), usize::MAX).unwrap();
    assert_eq!((manifest.rows(), manifest.shards.len()), (9, 5));
    assert!(write(parts.path(), 3).is_err());
    assert!(Manifest::complete(parts.path()).is_err());
    assert!(write(parts.path(), 6).is_err());
    assert_eq!(write(parts.path(), usize::MAX).unwrap(), manifest);
    for entry in std::fs::read_dir(whole.path()).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(std::fs::read(entry.path()).unwrap(), std::fs::read(parts.path().join(entry.file_name())).unwrap());
    }
    let mut rows = Rows::open(whole.path(), &manifest).unwrap();
    assert_eq!(rows.len(), 9);
    assert_eq!((0..9).map(|row| rows.row(row).unwrap().ids.len() as u64).sum::<u64>(), manifest.tokens());
    assert!(rows.row(9).is_err());
}

#[test]
fn a_corpus_that_changed_is_not_continued() {
    let directory = tempfile::tempdir().unwrap();
    // What is read ahead ends the work, and a shard is there by then.
    assert!(write(directory.path(), 8).is_err());
    let original = &alice()[..9 * EXAMPLE];
    let mut text = original.to_vec();
    text[EXAMPLE + 5] ^= 1;
    let continued = |text: &[u8]| write_text(Layout::Examples, directory.path(), usize::MAX, text);
    assert!(continued(&text).unwrap_err().to_string().contains("other text"));
    assert!(continued(&original[..EXAMPLE]).unwrap_err().to_string().contains("shorter"));
    continued(original).unwrap();
}
