//! Nanoseconds per byte of the range coder and of constriction's default one, in one run, on one thread, under the same
//! counts: `cargo bench --manifest-path tests/speed/Cargo.toml [-- FILE]`.
//!
//! The text is `tests/data/alice29.txt` unless a file is named. `constriction` codes words of 32 bits with a state of
//! 64, under a contiguous categorical model of 16 bits, whose counts are ours. Each figure is the best of many
//! passes, ours and theirs in turn, in the thread's processor time, so that other work on the machine hardly counts. Decoded texts are compared.

use std::hint::black_box;

use constriction::stream::model::ContiguousCategoricalEntropyModel;
use constriction::stream::queue::{DefaultRangeDecoder, DefaultRangeEncoder};
use constriction::stream::{Decode as _, Encode as _};
use cpu_time::ThreadTime;
use equalinfo_codec::{Frequencies, RangeDecoder, RangeEncoder};

const PASSES: usize = 100;
const ALICE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../data/alice29.txt");

type Theirs = ContiguousCategoricalEntropyModel<u16, Vec<u16>, 16>;

/// What both coders code: a text, and for each byte before it the frequencies of the next one, in both forms.
struct Case {
    text: Vec<u8>,
    ours: Vec<Frequencies>,
    theirs: Vec<Theirs>,
}

impl Case {
    /// Counts of the bytes that follow each byte, where `context` says which bytes count as one.
    fn new(text: &[u8], context: impl Fn(u8) -> u8) -> Self {
        let mut histograms = vec![[0u64; 256]; 256];
        let mut previous = 0;
        for &byte in text {
            histograms[usize::from(context(previous))][usize::from(byte)] += 1;
            previous = byte;
        }
        let contexts = (0..=255u8).map(|byte| Frequencies::from_histogram(&histograms[usize::from(context(byte))]));
        Self::of(text.to_vec(), contexts.collect())
    }

    fn of(text: Vec<u8>, ours: Vec<Frequencies>) -> Self {
        let theirs = ours.iter().map(|frequencies| {
            let counts = frequencies.counts().map(|count| count as u16);
            Theirs::from_nonzero_fixed_point_probabilities(counts, false).expect("valid counts")
        });
        let theirs = theirs.collect();
        Self { text, ours, theirs }
    }

    fn bits_per_byte(&self, code: usize) -> f64 {
        code as f64 * 8.0 / self.text.len() as f64
    }
}

fn encode_ours(case: &Case, code: &mut [u8]) -> usize {
    let mut encoder = RangeEncoder::new(code);
    let mut previous = 0;
    for &byte in &case.text {
        encoder.encode(&case.ours[usize::from(previous)], byte);
        previous = byte;
    }
    encoder.finish().expect("the code fits")
}

fn encode_theirs(case: &Case, code: Vec<u32>) -> Vec<u32> {
    let mut encoder = DefaultRangeEncoder::with_write_backend(code);
    let mut previous = 0;
    for &byte in &case.text {
        encoder.encode_symbol(usize::from(byte), &case.theirs[usize::from(previous)]).expect("a symbol of the model");
        previous = byte;
    }
    encoder.into_compressed().expect("a vector grows")
}

fn decode_ours(case: &Case, mut code: &[u8], text: &mut [u8]) {
    let mut decoder = RangeDecoder::new();
    let mut previous = 0;
    for place in text {
        code = &code[decoder.feed_from(code)..];
        while decoder.wants_input() {
            decoder.feed(0);
        }
        *place = decoder.decode(&case.ours[usize::from(previous)]).expect("an intact code");
        previous = *place;
    }
}

fn decode_theirs(case: &Case, code: &[u32], text: &mut [u8]) {
    let mut decoder = DefaultRangeDecoder::from_compressed(code.to_vec()).expect("a code");
    let mut previous = 0;
    for place in text {
        *place = decoder.decode_symbol(&case.theirs[usize::from(previous)]).expect("an intact code") as u8;
        previous = *place;
    }
}

/// Seconds of processor time that `run` takes.
fn time<T>(run: impl FnOnce() -> T) -> (T, f64) {
    let start = ThreadTime::now();
    let result = black_box(run());
    (result, start.elapsed().as_secs_f64())
}

fn measure(name: &str, case: &Case) {
    let length = case.text.len();
    let (mut code, mut their_code) = (vec![0; 2 * length + 16], Vec::with_capacity(length));
    let (mut text, mut their_text) = (vec![0; length], vec![0; length]);
    let mut used = 0;
    let mut best = [f64::MAX; 4];
    for _ in 0..PASSES {
        let seconds;
        (used, seconds) = time(|| encode_ours(black_box(case), &mut code));
        best[0] = best[0].min(seconds);
        their_code.clear();
        let seconds;
        (their_code, seconds) = time(|| encode_theirs(black_box(case), their_code));
        best[1] = best[1].min(seconds);
        best[2] = best[2].min(time(|| decode_ours(black_box(case), &code[..used], &mut text)).1);
        best[3] = best[3].min(time(|| decode_theirs(black_box(case), &their_code, &mut their_text)).1);
    }
    assert!(text == case.text && their_text == case.text, "a decoded text differs");
    let [encode, their_encode, decode, their_decode] = best.map(|seconds| seconds * 1e9 / length as f64);
    println!(
        "| {name} | {:.2} | {:.2} | {encode:.1} | {their_encode:.1} | {:.2} | {decode:.1} | {their_decode:.1} | {:.2} |",
        case.bits_per_byte(used),
        case.bits_per_byte(4 * their_code.len()),
        encode / their_encode,
        decode / their_decode,
    );
}

fn main() {
    let path = std::env::args().skip(1).find(|argument| !argument.starts_with('-')).unwrap_or(ALICE.into());
    let text = std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    println!(
        "| counts | bits/byte | constriction | encode, ns/byte | constriction | ratio | decode, ns/byte | constriction | ratio |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    measure("of the byte before", &Case::new(&text, |byte| byte));
    measure("of the text", &Case::new(&text, |_| 0));
    measure("all equal", &Case::of(text, vec![Frequencies::uniform(); 256]));
}
