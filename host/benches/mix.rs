//! Bits and nanoseconds per byte of a file in every class of the adaptive layer, on one thread, alone or with a shipped
//! model in front: `cargo bench -p equalinfo --bench mix -- FILE [MODEL]`.
//!
//! Each figure is the best of several runs, in the thread's processor time if the system reports it, so that other work
//! on the machine hardly counts.

use equalinfo::mix::Vectors;
use equalinfo::model::Model;
use equalinfo_codec::mix::{Alone, Class, Decoder, Encoder, Front, Shape, WithShape};

const RUNS: usize = 5;

/// Encodes and decodes a text behind new fronts; gives the code's length and the seconds that each took.
struct RoundTrip<'t, N>(N, &'t [u8]);

impl<F: Front, N: Fn() -> F> WithShape for RoundTrip<'_, N> {
    type Output = (usize, f64, f64);

    fn with<S: Shape>(self) -> Self::Output {
        let Self(front, text) = self;
        let mut memory = vec![0; S::WORDS];
        let (mut code, mut decoded) = (Vec::with_capacity(2 * text.len()), vec![0; text.len()]);
        let (mut encoding, mut decoding) = (f64::MAX, f64::MAX);
        for _ in 0..RUNS {
            code.clear();
            let mut encoder = Encoder::<S, F>::new(front(), &mut memory, None).expect("memory of the class");
            let start = seconds();
            for &byte in text {
                encoder.encode(byte, &mut |byte| code.push(byte));
            }
            encoder.finish(&mut |byte| code.push(byte));
            encoding = encoding.min(seconds() - start);
            let mut decoder = Decoder::<S, F>::new(front(), &mut memory, None, code.len()).expect("as above");
            let start = seconds();
            decoder.decode(&code, &mut decoded).expect("the code is that of a text");
            decoding = decoding.min(seconds() - start);
            assert!(decoded == text, "{:?} gives back another text", S::CLASS);
        }
        (code.len(), encoding, decoding)
    }
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

fn main() {
    let mut arguments = std::env::args().skip(1).filter(|argument| !argument.starts_with('-'));
    let path = arguments.next().expect("usage: cargo bench -p equalinfo --bench mix -- FILE [MODEL]");
    let text = std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let model = arguments.next().map(|name| Model::shipped(&name).unwrap_or_else(|error| panic!("{error}")));
    let bytes = text.len() as f64;
    println!("{:<6} {:>10} {:>15} {:>15}", "class", "bits/byte", "ns/byte encode", "ns/byte decode");
    for class in Class::ALL {
        let (length, encoding, decoding) = match &model {
            None => class.with_loops::<Vectors, _>(RoundTrip(|| Alone, &text)),
            Some(model) => {
                let session = || model.session(model.context()).expect("the model's own context");
                class.with_loops::<Vectors, _>(RoundTrip(session, &text))
            }
        };
        println!(
            "{:<6} {:>10.4} {:>15.0} {:>15.0}",
            class.name(),
            length as f64 * 8.0 / bytes,
            encoding / bytes * 1e9,
            decoding / bytes * 1e9
        );
    }
}
