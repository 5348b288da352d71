//! Tokens against the coders that they come from, and shards against interruptions.

use std::path::Path;

use equalinfo_codec::{WindowBits, WindowCode, decode_window};
use sha2::{Digest, Sha256};

use super::shards::{Manifest, RowLayout, Rows, Settings, ShardError, Writer};
use super::*;
use crate::digest::finished;
use crate::plan::Workers;
use crate::{ByteFrequencies, CodingError, Model};

fn alice() -> Vec<u8> {
    std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/data/alice29.txt")).unwrap()
}

fn windows(window_bits: u32, token_bits: u32, reset: Reset, align: Align) -> TokenMethod {
    TokenMethod::EqualInfo { window_bits, token_bits, code: "default".into(), reset, align }
}

fn nano() -> Model {
    Model::shipped("nano").unwrap()
}

fn tokenizer(method: TokenMethod) -> Tokenizer {
    match method {
        TokenMethod::StaticAc { .. } => Tokenizer::new(method, ByteFrequencies::english(), 128),
        _ => Tokenizer::new(method, nano(), 128),
    }
    .unwrap()
}

fn tokens(method: TokenMethod, text: &[u8], most: usize) -> Tokens {
    tokenizer(method).first_tokens(text, most).unwrap()
}

/// The texts of tokens that are windows of 16 bits.
fn texts(tokens: &Tokens) -> Vec<Vec<u8>> {
    let mut session = nano().session(128).unwrap();
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
        |token_bits| TokenMethod::Ac { token_bits },
        |token_bits| TokenMethod::StaticAc { token_bits },
        |token_bits| TokenMethod::Gzip { token_bits },
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
    let ac = tokens(TokenMethod::Ac { token_bits: 16 }, text, 256).text;
    assert!(taken[2] <= ac, "{taken:?} and {ac}");
}

#[cfg(feature = "cuda")]
#[test]
fn a_gpu_makes_the_same_tokens() {
    let model = nano();
    let image = model.engine().image().model();
    let gpu = crate::cuda::OnDevice::new(equalinfo_kernels::cpu::CpuDriver::default(), image, 32, 1).unwrap();
    let text = alice();
    // Text that is coded in fewer bytes than most, so that its beginning is not enough; and none at all.
    let repeated = vec![b' '; 150];
    let texts = [&text[3000..3120], &repeated, &text[9000..9040], &[]];
    for method in [
        windows(16, 16, Reset::Every, Align::None),
        windows(24, 8, Reset::Every, Align::None),
        windows(128, 16, Reset::Every, Align::None),
        TokenMethod::Ac { token_bits: 8 },
    ] {
        let tokenizer = Tokenizer::new(method.clone(), &model, 32).unwrap();
        let plan = tokenizer.plan(Workers::Accelerator(&gpu), |_| Ok::<_, CodingError>(false)).unwrap();
        for most in [10, most_tokens(150)] {
            let expected: Vec<Tokens> = texts.iter().map(|text| tokenizer.first_tokens(text, most).unwrap()).collect();
            assert!(
                tokenizer.tokens(&mut plan.worker().unwrap(), &texts, most).unwrap() == expected,
                "{method}, {most}"
            );
        }
    }
    let other = Tokenizer::new(windows(16, 16, Reset::Never, Align::None), &model, 32).unwrap();
    let refused = other.plan(Workers::Accelerator(&gpu), |_| Ok::<_, CodingError>(false)).err().unwrap().to_string();
    assert!(refused.contains("GPUs") && refused.contains("none of which starts anew"), "{refused}");
}

#[test]
fn texts_in_lockstep_make_the_same_tokens() {
    let model = nano();
    let text = alice();
    let mut texts: Vec<&[u8]> = (0..40).map(|i| &text[500 * i..][..10 + 37 * (i % 9)]).collect();
    texts.extend([&b""[..], b" "]);
    let of_code = |code: &str| match TokenMethod::windows(WindowBits::B16) {
        TokenMethod::EqualInfo { window_bits, token_bits, reset, align, .. } => {
            TokenMethod::EqualInfo { window_bits, token_bits, code: code.to_owned(), reset, align }
        }
        other => other,
    };
    let methods = ["default", "delay", "paper", "flexible"].map(of_code).into_iter();
    let dependent = [Reset::EveryOther, Reset::Never].map(|reset| windows(16, 16, reset, Align::None));
    for method in methods.chain([windows(64, 8, Reset::Every, Align::None)]).chain(dependent) {
        let tokenizer = Tokenizer::new(method.clone(), &model, 32).unwrap();
        let plan = tokenizer.plan(Workers::Threads(1), |_| Ok::<_, CodingError>(false)).unwrap();
        for most in [20, most_tokens(400)] {
            let expected: Vec<Tokens> = texts.iter().map(|text| tokenizer.first_tokens(text, most).unwrap()).collect();
            assert!(
                tokenizer.tokens(&mut plan.worker().unwrap(), &texts, most).unwrap() == expected,
                "{method}, {most}"
            );
        }
        let expected: Vec<Vec<u16>> = texts.iter().map(|text| tokenizer.encode(text).unwrap()).collect();
        assert!(tokenizer.encode_batch(&texts, 3).unwrap() == expected, "{method}");
    }
}

/// Every method that has places in the text: they cover it, and what is decoded up to any token is the text up to its
/// place.
#[test]
fn tokens_decode_as_they_come() {
    let text = &alice()[1000..4000];
    let lexicon = nano().lexicon(64, 2).unwrap();
    let of_code = |code: &str, window_bits, token_bits| {
        let (reset, align) = (Reset::Every, Align::None);
        TokenMethod::EqualInfo { window_bits, token_bits, code: code.to_owned(), reset, align }
    };
    let mut tokenizers = vec![Tokenizer::bytes(), Tokenizer::lexicon(&lexicon).unwrap()];
    for (code, window_bits, token_bits) in [
        ("default", 16, 16),
        ("default", 16, 8),
        ("default", 24, 16),
        ("default", 128, 8),
        ("delay", 32, 16),
        ("flexible", 64, 16),
    ] {
        tokenizers.push(tokenizer(of_code(code, window_bits, token_bits)));
    }
    tokenizers.push(tokenizer(windows(16, 16, Reset::Every, Align::Word)));
    for tokenizer in tokenizers {
        let method = tokenizer.method();
        for text in [text, &text[..1], b"", b"\xff\x00\xfe"] {
            let Encoded { ids, offsets } = tokenizer.encode_with_offsets(text).unwrap();
            assert_eq!(ids, tokenizer.encode(text).unwrap(), "{method}");
            assert!(tokenizer.decode(&ids).unwrap() == text, "{method}");
            let (mut decoder, mut decoded) = (tokenizer.decoder().unwrap(), Vec::new());
            for (&id, place) in ids.iter().zip(&offsets) {
                assert!(place.start <= decoded.len(), "{method}");
                let piece = decoder.push(&[id]).unwrap();
                decoded.extend(piece);
                assert!(decoded.len() <= place.end && text.starts_with(&decoded), "{method}");
            }
            assert_eq!(decoder.finish().unwrap(), b"", "{method}");
            assert_eq!(offsets.last().map_or(0, |place| place.end), text.len(), "{method}");
        }
    }
    let wide = tokenizer(of_code("default", 64, 16));
    let ids = wide.encode(text).unwrap();
    assert!(matches!(wide.decode(&ids[..ids.len() - 1]), Err(TokenError::PartialWindow { expected: 8, found: 6 })));
    assert!(matches!(Tokenizer::bytes().decode(&[256]), Err(TokenError::Token { expected: 256, found: 256 })));
    for method in [TokenMethod::Gzip { token_bits: 8 }, TokenMethod::Ac { token_bits: 16 }, of_code("paper", 16, 16)] {
        assert!(matches!(tokenizer(method).decode(&ids), Err(TokenError::NotDecodable(_))));
    }
}

#[test]
fn a_method_refuses_a_model_of_another_kind() {
    let refused = |method: TokenMethod, model: TokenModel| {
        assert!(matches!(Tokenizer::new(method, model, 64).err().unwrap(), TokenError::Model { .. }));
    };
    refused(TokenMethod::Ac { token_bits: 8 }, ByteFrequencies::english().into());
    refused(TokenMethod::StaticAc { token_bits: 8 }, nano().into());
    refused(TokenMethod::windows(WindowBits::B16), TokenModel::Nothing);
    refused(TokenMethod::Lexicon { token_bits: 8, kind: LexiconOf::Optimal }, nano().into());
    refused(TokenMethod::Unigram { pieces: 1000 }, nano().into());
    fn shared<T: Send + Sync>() {}
    fn sent<T: Send>() {}
    shared::<Tokenizer>();
    sent::<TokenDecoder>();
}

#[cfg(feature = "subwords")]
#[test]
fn characters_of_subwords_come_whole() {
    let json = crate::subwords::train(std::iter::once(Ok::<_, std::convert::Infallible>(alice())), 1000).unwrap();
    let tokenizer = Tokenizer::subwords(&crate::Subwords::from_json(json.as_bytes(), "alice").unwrap()).unwrap();
    let text = "said Alice: na\u{ef}ve \u{6f22}\u{5b57}! \u{1f600}";
    let Encoded { ids, offsets } = tokenizer.encode_with_offsets(text.as_bytes()).unwrap();
    assert_eq!(offsets.last().unwrap().end, text.len());
    let (mut decoder, mut decoded) = (tokenizer.decoder().unwrap(), Vec::new());
    for id in ids {
        let piece = decoder.push(&[id]).unwrap();
        assert!(std::str::from_utf8(&piece).is_ok(), "a character was cut");
        decoded.extend(piece);
    }
    decoded.extend(decoder.finish().unwrap());
    assert_eq!(decoded, text.as_bytes());
}

#[test]
fn names_are_those_of_the_paper() {
    assert_eq!(TokenMethod::Bytes.to_string(), "Bytes");
    assert_eq!(TokenMethod::Gzip { token_bits: 16 }.to_string(), "GZip[v=65k]");
    assert_eq!(windows(16, 8, Reset::Every, Align::None).to_string(), "EqualInfoAC[b=16,v=256]");
    assert_eq!(windows(16, 16, Reset::Never, Align::None).to_string(), "EqualInfoAC[b=16,v=65k,reset=never]");
    assert!(windows(16, 16, Reset::Every, Align::Word).is_transparent());
    assert!(!windows(16, 8, Reset::Every, Align::None).is_transparent());
}

#[test]
fn a_code_lies_before_its_text_or_behind_it() {
    let text = &alice()[1000..1200];
    let of = |task, token_bits| TokenMethod::Seq2seq {
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
    assert_eq!((cut.scored(), cut.text), (50, 50));
    assert_eq!(of(Task::Decompress, 8).vocabulary(), 512);
    assert!(matches!(Tokenizer::new(of(Task::Decompress, 16), nano(), 128), Err(TokenError::NotOfBytes(_))));
    let error = tokenizer(of(Task::Compress, 8)).first_tokens(text, 200).unwrap_err();
    assert!(matches!(error, TokenError::RowTooShort { given: 200, row: 200, .. }), "{error}");
}

#[test]
fn a_stream_has_all_tokens_of_all_text() {
    let directory = tempfile::tempdir().unwrap();
    let manifest = write_as(RowLayout::Stream, directory.path(), usize::MAX).unwrap();
    // Each document is a joined sequence of its own, and its last row is shorter.
    let text = &alice()[..EXAMPLE];
    let all = tokens(windows(16, 16, Reset::Every, Align::None), text, most_tokens(text.len()));
    let mut rows = Rows::open(directory.path(), &manifest).unwrap();
    let first: Vec<Row> = (0..all.ids.len().div_ceil(100)).map(|row| rows.row(row).unwrap()).collect();
    assert_eq!(first.iter().flat_map(|row| row.ids.clone()).collect::<Vec<u32>>(), Row::from(all).ids);
    assert_eq!(first.iter().map(|row| row.text).sum::<u64>(), text.len() as u64);
    assert!(first[..first.len() - 1].iter().all(|row| row.ids.len() == 100));
    assert_eq!(manifest.text(), 9 * EXAMPLE as u64);
    assert_eq!(manifest.shards.iter().map(|shard| shard.examples).sum::<usize>(), 9);
}

#[test]
fn the_tokens_of_a_long_text_are_those_of_its_parts() {
    let directory = tempfile::tempdir().unwrap();
    let text = [&alice()[..], b"!"].concat().repeat(2);
    let manifest = write_text(RowLayout::Stream, directory.path(), usize::MAX, &text).unwrap();
    let tokenizer = tokenizer(windows(16, 16, Reset::Every, Align::None));
    let documents: Vec<&[u8]> = text.chunks(EXAMPLE).collect();
    let of_plan = |is_long: bool, most: usize| {
        let plan = tokenizer.plan(Workers::Threads(2), |bytes| Ok::<_, CodingError>(is_long && text.len() >= bytes));
        tokenizer.tokens(&mut plan.unwrap().worker().unwrap(), &documents, most).unwrap()
    };
    let all = of_plan(false, most_tokens(EXAMPLE));
    assert!(of_plan(true, most_tokens(EXAMPLE)) == all);
    assert!(of_plan(true, 9).iter().zip(&all).all(|(first, all)| first.ids == all.ids[..all.ids.len().min(9)]));
    let mut rows = Rows::open(directory.path(), &manifest).unwrap();
    let written: Vec<u32> = (0..rows.len()).flat_map(|row| rows.row(row).unwrap().ids).collect();
    assert!(written == all.into_iter().flat_map(|tokens| Row::from(tokens).ids).collect::<Vec<u32>>());
    // So long that the lexicon was asked for.
    assert!(tokenizer.plan(Workers::Threads(2), |bytes| Err::<bool, _>(Stop(bytes))).err().unwrap().0 <= text.len());
}

/// How long a text is asked to be.
struct Stop(usize);

impl From<CodingError> for Stop {
    fn from(error: CodingError) -> Self {
        panic!("{error}")
    }
}

/// Writes rows of a text in examples, of nine unless it is given, into a directory; fails before row `stop`.
fn write(directory: &Path, stop: usize) -> Result<Manifest, ShardError> {
    write_as(RowLayout::Examples, directory, stop)
}

fn write_as(layout: RowLayout, directory: &Path, stop: usize) -> Result<Manifest, ShardError> {
    write_text(layout, directory, stop, &alice()[..9 * EXAMPLE])
}

/// What short shards of a method are made of.
fn settings(method: TokenMethod, layout: RowLayout) -> Settings {
    Settings {
        name: method.to_string(),
        vocabulary: method.vocabulary(),
        end_of_document: false,
        model: None,
        model_id: None,
        context: 128,
        sequence: 100,
        rows_per_shard: 2,
        corpus: Vec::new(),
        corpus_sha256: String::new(),
        shard: None,
        text_field: "text".into(),
        lines: false,
        limit: None,
        tokens: None,
        layout,
        method,
    }
}

fn write_text(layout: RowLayout, directory: &Path, stop: usize, text: &[u8]) -> Result<Manifest, ShardError> {
    let method = windows(16, 16, Reset::Every, Align::None);
    let settings = settings(method.clone(), layout);
    let tokenizer = tokenizer(method);
    let documents: Vec<Vec<u8>> = text.chunks(EXAMPLE).map(<[u8]>::to_vec).collect();
    // The documents end in an error where the work is interrupted.
    let broken = documents.into_iter().enumerate();
    let broken =
        broken.map(|(number, document)| if number < stop { Ok(document) } else { Err(std::io::Error::other("stop")) });
    let one_by_one = broken.flat_map(|document| {
        // So that each is a joined sequence of its own.
        std::iter::once(document).chain((1..DOCUMENTS).map(|_| Ok(Vec::new())))
    });
    tokenize(
        &tokenizer,
        one_by_one,
        Writer::open(directory, settings, "equalinfo tokenize")?,
        Workers::Threads(2),
        |_| (),
    )
}

/// Shards of documents with ends, and their rows; `stop` is where they end in an error.
fn with_ends(
    method: &TokenMethod,
    layout: RowLayout,
    directory: &Path,
    documents: &[&[u8]],
    stop: usize,
) -> Result<(Manifest, Vec<Row>), ShardError> {
    let vocabulary = method.vocabulary() + 1;
    let settings = Settings { vocabulary, end_of_document: true, ..settings(method.clone(), layout) };
    let broken = documents.iter().enumerate();
    let broken = broken.map(
        |(number, document)| {
            if number < stop { Ok(document.to_vec()) } else { Err(std::io::Error::other("stop")) }
        },
    );
    let writer = Writer::open(directory, settings, "equalinfo tokenize")?;
    let manifest = tokenize(&tokenizer(method.clone()), broken, writer, Workers::Threads(2), |_| ())?;
    let mut rows = Rows::open(directory, &manifest)?;
    let rows = (0..rows.len()).map(|row| rows.row(row)).collect::<Result<_, _>>()?;
    Ok((manifest, rows))
}

#[test]
fn documents_have_ends_and_are_coded_alone() {
    let text = &alice()[..30_000];
    let lengths = [10, 3, 30, 1, 20, 5000, 7000, 17_936];
    let documents: Vec<&[u8]> = lengths
        .iter()
        .scan(0, |end, length| {
            *end += length;
            Some(&text[*end - length..*end])
        })
        .collect();
    for method in [
        TokenMethod::Bytes,
        windows(16, 16, Reset::Every, Align::None),
        windows(24, 16, Reset::Every, Align::None),
        windows(64, 8, Reset::Never, Align::None),
        TokenMethod::Ac { token_bits: 16 },
        TokenMethod::StaticAc { token_bits: 8 },
        TokenMethod::Gzip { token_bits: 8 },
    ] {
        let (tokenizer, end) = (tokenizer(method.clone()), method.vocabulary() as u32);
        let coded = |document: &[u8], is_whole: bool| {
            let ids = tokenizer.encode(document).unwrap().into_iter().map(u32::from);
            ids.chain(is_whole.then_some(end)).collect::<Vec<u32>>()
        };
        let directory = tempfile::tempdir().unwrap();
        let (manifest, rows) = with_ends(&method, RowLayout::Stream, directory.path(), &documents, usize::MAX).unwrap();
        let all: Vec<u32> = rows.iter().flat_map(|row| row.ids.clone()).collect();
        assert!(all == documents.iter().flat_map(|document| coded(document, true)).collect::<Vec<u32>>(), "{method}");
        assert_eq!((manifest.text(), manifest.tokens()), (text.len() as u64, all.len() as u64), "{method}");
        // Windows are not torn: those of each document lie whole in rows.
        let whole = method.tokens_of_whole_windows();
        for row in &rows[..rows.len() - 1] {
            let behind_end = row.ids.rsplit(|&id| id == end).next().unwrap();
            assert!(behind_end.len() % whole == 0 && row.ids.len() > 100 - 2 * whole, "{method}");
        }
        // The first tokens of an example, with the ends that they reach.
        let directory = tempfile::tempdir().unwrap();
        let (_, rows) = with_ends(&method, RowLayout::Examples, directory.path(), &documents, usize::MAX).unwrap();
        assert_eq!(rows.len(), text.len().div_ceil(EXAMPLE), "{method}");
        let parts = documents[..6].iter().flat_map(|document| coded(document, true));
        assert!(rows[0].ids == parts.take(100).collect::<Vec<u32>>(), "{method}");
        assert!(rows[1].ids == coded(&text[EXAMPLE..12_064], true)[..100], "{method}");
        let bits: u64 = rows.iter().map(|row| row.text).sum();
        assert!(rows.iter().all(|row| row.ids.len() == 100) && bits < text.len() as u64, "{method}");
    }
}

#[test]
fn an_end_needs_room_in_its_row() {
    let text = alice();
    let rows = |length| {
        let directory = tempfile::tempdir().unwrap();
        let documents = [&text[..length], &text[length..EXAMPLE]];
        with_ends(&TokenMethod::Bytes, RowLayout::Examples, directory.path(), &documents, 2).unwrap().1
    };
    let (cut, ended) = (&rows(100)[0], &rows(99)[0]);
    assert_eq!((cut.text, cut.ids[99]), (100, text[99].into()));
    assert_eq!((ended.text, ended.ids[99]), (99, 256));
}

#[test]
fn ends_belong_to_what_a_directory_is() {
    let text = alice();
    let (whole, parts) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let documents: Vec<&[u8]> = text[..90_000].chunks(300).collect();
    let method = windows(16, 16, Reset::Every, Align::None);
    let write = |directory: &Path, documents: &[&[u8]], stop| {
        with_ends(&method, RowLayout::Examples, directory, documents, stop)
    };
    let (manifest, rows) = write(whole.path(), &documents, usize::MAX).unwrap();
    assert!(write(parts.path(), &documents, 290).is_err());
    assert!(!Manifest::load(parts.path()).unwrap().unwrap().shards.is_empty());
    // The same text in other documents is another text.
    let others: Vec<&[u8]> = text[..90_000].chunks(400).collect();
    assert!(write(parts.path(), &others, usize::MAX).unwrap_err().to_string().contains("other text"));
    assert_eq!(write(parts.path(), &documents, usize::MAX).unwrap(), (manifest.clone(), rows.clone()));
    assert!(rows.iter().any(|row| row.ids.contains(&65_536)), "ids of more than 16 bits are kept");
    // A directory with ends is not continued without them.
    let without = Settings { vocabulary: 65_536, end_of_document: false, ..manifest.settings.clone() };
    let error = Writer::open(whole.path(), without.clone(), "equalinfo tokenize").err().unwrap().to_string();
    assert!(
        error.contains("end_of_document true, expected none") && error.contains("65537, expected 65536"),
        "{error}"
    );
    assert!(!without.meaning().agrees(&manifest.settings.meaning()));
    let names = |settings: &Settings| serde_json::to_value(settings).unwrap().get("end_of_document").is_some();
    assert!(names(&manifest.settings) && !names(&without), "directories without ends are as they were");
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
    let continued = |text: &[u8]| write_text(RowLayout::Examples, directory.path(), usize::MAX, text);
    assert!(continued(&text).unwrap_err().to_string().contains("other text"));
    assert!(continued(&original[..EXAMPLE]).unwrap_err().to_string().contains("shorter"));
    continued(original).unwrap();
}

#[test]
fn ids_beyond_the_vocabulary_are_found_where_they_are() {
    let directory = tempfile::tempdir().unwrap();
    let method = TokenMethod::Unigram { pieces: 300 };
    let settings = Settings { rows_per_shard: 9, ..settings(method, RowLayout::Examples) };
    let mut writer = Writer::open(directory.path(), settings, "equalinfo tokenize").unwrap();
    let row = |id| Row { ids: vec![1, 2, id], given: 0, text: 3 };
    let error = writer.push(vec![row(3), row(300)], [0; 32]).unwrap_err();
    assert!(matches!(error, ShardError::Id { row: 1, position: 2, id: 300, vocabulary: 300, .. }), "{error}");
    writer.push(vec![row(3), row(299)], [0; 32]).unwrap();
    let mut manifest = writer.finish().unwrap();
    // As whoever writes shards of their own might: digests are right, and an id is not.
    let path = directory.path().join(&manifest.shards[0].file);
    let mut tokens = std::fs::read(&path).unwrap();
    let place = tokens.len() - 2 * 100 + 2 * 2;
    tokens[place..place + 2].copy_from_slice(&301u16.to_le_bytes());
    std::fs::write(&path, &tokens).unwrap();
    assert!(matches!(Rows::open(directory.path(), &manifest), Err(ShardError::Damaged { .. })));
    let rows = std::fs::read(directory.path().join(&manifest.shards[0].row_file)).unwrap();
    manifest.shards[0].sha256 = finished(Sha256::new().chain_update(&tokens).chain_update(&rows));
    let mut rows = Rows::open(directory.path(), &manifest).unwrap();
    assert_eq!(rows.row(0).unwrap().ids, [1, 2, 3]);
    let error = rows.row(1).unwrap_err();
    assert!(matches!(error, ShardError::Id { row: 1, position: 2, id: 301, vocabulary: 300, .. }), "{error}");
    assert!(error.to_string().contains("tokens-00000.npy"), "{error}");
}

#[test]
fn methods_that_there_are_not_are_refused() {
    let equal_info = |window_bits, token_bits, code: &str| TokenMethod::EqualInfo {
        window_bits,
        token_bits,
        code: code.into(),
        reset: Reset::Every,
        align: Align::None,
    };
    let beside = |of, example| TokenMethod::Seq2seq { task: Task::Text, of: Box::new(of), example };
    for (method, words) in [
        (TokenMethod::Gzip { token_bits: 200 }, "tokens of 200 bits"),
        (TokenMethod::Lexicon { token_bits: 0, kind: LexiconOf::Optimal }, "tokens of 0 bits"),
        (equal_info(0, 16, "default"), "windows of 0 bits"),
        (equal_info(136, 16, "default"), "windows of 136 bits"),
        (equal_info(16, 16, "../x"), "found '../x'"),
        (TokenMethod::Unigram { pieces: 1 << 40 }, "1 to 65536"),
        (beside(TokenMethod::Bytes, 0), "an example of 0 bytes"),
        (beside(TokenMethod::Bytes, 1 << 40), "1 to 65536"),
        (beside(TokenMethod::Gzip { token_bits: 16 }, 9), "tokens of 8 bits"),
        (beside(TokenMethod::Gzip { token_bits: 77 }, 9), "tokens of 77 bits"),
    ] {
        let error = method.check().unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
    let pairs = beside(TokenMethod::Bytes, 9);
    assert!(matches!(pairs.vocabulary_with(true), Err(TokenError::NoDocuments(_))));
    assert_eq!((pairs.vocabulary_with(false).unwrap(), TokenMethod::Bytes.vocabulary_with(true).unwrap()), (256, 257));
    assert!(equal_info(24, 8, "flexible").check().is_ok() && beside(TokenMethod::Bytes, 9).check().is_ok());
}
