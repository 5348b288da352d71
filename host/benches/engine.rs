//! KB/s of every path of the engine in one run, on one thread: `cargo bench -p equalinfo --bench engine`; `-- NAME...`
//! restricts it to the models and paths of those names.
//!
//! `loop` is what the products alone would take, if nothing depended on them: `vpdpbusd` over as many bytes as the
//! model has weights for one byte of text, and keys and values.
//!
//! Weights are random, which does not affect speed; text is random letters. Each figure is the best of several short
//! runs, in the thread's processor time if the system reports it, so that other work on the machine hardly counts.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use equalinfo::engine::{Engine, Image, Simd};
use equalinfo::quantize::{ActivationScales, FloatLayer, FloatM1, quantize_model};
use equalinfo::random::Random;
use equalinfo_codec::ByteModel;
use equalinfo_codec::m1::Config;

const NANO: Config = Config { d: 64, ff: 192, context: 128, layers: 2, heads: 1 };
const MICRO: Config = Config { d: 128, ff: 384, context: 256, layers: 3, heads: 2 };
const LARGE: Config = Config { d: 256, ff: 1024, context: 256, layers: 3, heads: 4 };
const LANES: usize = 32;

fn image(config: Config) -> Arc<Image> {
    let mut random = Random::new(1);
    let mut normal = |count: usize, width: usize| -> Vec<f32> {
        (0..count).map(|_| random.normal() / (width as f32).sqrt()).collect()
    };
    let Config { d, ff, layers, heads, .. } = config;
    let layer = |normal: &mut dyn FnMut(usize, usize) -> Vec<f32>| FloatLayer {
        qkv: normal(3 * d * d, d),
        bias: normal(heads * 32, 1),
        out: normal(d * d, d),
        gate: normal(ff * d, d),
        linear: normal(ff * d, d),
        down: normal(d * ff, ff),
    };
    let embedding = normal(257 * d, d);
    let layers = (0..layers).map(|_| layer(&mut normal)).collect();
    let model = FloatM1 { config, name: "bench".into(), embedding, layers, ngrams: Vec::new() };
    let bytes = quantize_model(&model, &ActivationScales::new(&config)).expect("default scales fit random weights");
    Arc::new(Image::from_bytes(bytes).expect("the quantizer writes valid images"))
}

/// Seconds since an arbitrary moment, in this thread's processor time on Linux.
#[cfg(target_os = "linux")]
fn seconds() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the clock exists on every Linux, and `time` is a valid place for its answer.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}

/// Seconds since an arbitrary moment.
#[cfg(not(target_os = "linux"))]
fn seconds() -> f64 {
    std::time::UNIX_EPOCH.elapsed().map_or(0.0, |elapsed| elapsed.as_secs_f64())
}

/// KB/s of `run`, which returns the number of bytes that it processed.
fn speed(mut run: impl FnMut() -> usize) -> f64 {
    let begin = Instant::now();
    let mut best = 0f64;
    while begin.elapsed() < Duration::from_millis(500) {
        let start = seconds();
        let bytes = run();
        best = best.max(bytes as f64 / (seconds() - start) / 1000.0);
    }
    best
}

/// `vpdpbusd` with every line, eight sums at a time.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vnni")]
fn products(lines: &[Line], inputs: &[i32; 64]) -> i32 {
    use std::arch::x86_64::*;
    let mut sums = [_mm512_setzero_si512(); 8];
    for (lines, input) in lines.as_chunks::<8>().0.iter().zip(inputs.iter().cycle()) {
        let input = _mm512_set1_epi32(*input);
        for (sum, line) in sums.iter_mut().zip(lines) {
            // SAFETY: an aligned load of a line's 64 bytes, which are aligned to 64.
            let line = unsafe { _mm512_load_si512(line.0.as_ptr().cast()) };
            *sum = _mm512_dpbusd_epi32(*sum, input, line);
        }
    }
    sums.iter().map(|sum| _mm512_reduce_add_epi32(*sum)).fold(0, i32::wrapping_add)
}

/// A cache line of weights.
#[cfg(target_arch = "x86_64")]
#[derive(Clone)]
#[repr(align(64))]
struct Line([u8; 64]);

/// KB/s of text at the speed of [`products`]; `None` on a processor without the instruction.
#[cfg(target_arch = "x86_64")]
fn bare(config: &Config, context: usize) -> Option<f64> {
    if !is_x86_feature_detected!("avx512vnni") {
        return None;
    }
    let Config { d, ff, layers, heads, .. } = *config;
    // Queries, keys and values of the first layer are looked up.
    let weights = layers * (4 * d * d + 3 * d * ff) - 3 * d * d + 256 * d;
    let cached = 2 * 64 * context * layers * heads;
    let lines = vec![Line([1; 64]); (weights + cached) / 64];
    Some(speed(|| {
        for _ in 0..50 {
            // SAFETY: the processor has the instruction.
            black_box(unsafe { products(black_box(&lines), &[1; 64]) });
        }
        50
    }))
}

#[cfg(not(target_arch = "x86_64"))]
fn bare(_: &Config, _: usize) -> Option<f64> {
    None
}

fn main() {
    let names: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    // All models if none is named, and all paths.
    let (paths, models): (Vec<&str>, Vec<&str>) =
        names.iter().map(String::as_str).partition(|name| Simd::ALL.iter().any(|simd| simd.name() == *name));
    let wanted = |name: &str, among: &[&str]| among.is_empty() || among.contains(&name);
    println!(
        "{:<10} {:>7} {:<9} {:>10} {:>10} {:>10} {:>10} {:>10}",
        "model", "context", "path", "loop", "session", "windows", "batch", "trace"
    );
    let mut random = Random::new(2);
    let text: Vec<u8> = (0..2000).map(|_| b'a' + random.below(26) as u8).collect();
    for (name, config, context) in
        [("nano", NANO, 128), ("micro", MICRO, 128), ("micro", MICRO, 256), ("3m", LARGE, 256)]
    {
        if !wanted(name, &models) {
            continue;
        }
        let image = image(config);
        let bare = bare(&config, context).map_or_else(String::new, |speed| format!("{speed:.1}"));
        for simd in Simd::available().filter(|simd| wanted(simd.name(), &paths)) {
            let engine = Engine::with_simd(image.clone(), simd).expect("available");
            let mut session = engine.session(context).expect("a valid context");
            let sliding = speed(|| {
                for &byte in &text {
                    black_box(session.frequencies());
                    session.push(byte);
                }
                text.len()
            });
            let windows = speed(|| {
                for window in text.chunks(16) {
                    session.reset();
                    for &byte in window {
                        black_box(session.frequencies());
                        session.push(byte);
                    }
                }
                text.len()
            });
            let mut batch = engine.lockstep(LANES, context).expect("a valid context");
            let lockstep = speed(|| {
                for &byte in &text[..400] {
                    for lane in 0..LANES {
                        batch.push(lane, byte);
                    }
                    for lane in 0..LANES {
                        black_box(batch.frequencies(lane));
                    }
                }
                400 * LANES
            });
            let trace = speed(|| {
                engine.trace(&text, context, |_, frequencies| _ = black_box(frequencies)).expect("a valid context");
                text.len()
            });
            println!(
                "{name:<10} {context:>7} {:<9} {bare:>10} {sliding:>10.1} {windows:>10.1} {batch:>10.1} {trace:>10.1}",
                simd.name(),
                batch = lockstep
            );
        }
    }
}
