//! Counts the multiplications in a model's matrix products for a text: all weights of the layers for every position
//! that is run, and all logits for every byte that is decoded, even where a decoder skips some.

use std::cell::Cell;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use equalinfo_codec::container::{Decoder, Header};
use equalinfo_codec::m1::{Activations, Config, Kernels, M1, Matrix, Model, Portable};

thread_local! {
    static NORMS: Cell<u64> = const { Cell::new(0) };
    static LOGITS: Cell<u64> = const { Cell::new(0) };
}

/// Counts logits and norms; each layer has two norms, and one more follows the last layer.
#[derive(Debug)]
struct Counting;

impl Kernels for Counting {
    type Prepared<'a> = Activations<'a>;

    fn prepare<'a>(activations: &'a [i8], _scratch: &'a mut [i32]) -> Activations<'a> {
        Activations::dense(activations)
    }

    fn project(rows: &Matrix, activations: &Activations<'_>, scale: u32, out: &mut [i32]) {
        if out.len() == 256 {
            LOGITS.set(LOGITS.get() + 1);
        }
        Portable::project(rows, activations, scale, out);
    }

    fn norm(x: &[i32], constant: u32, activations: &mut [i8]) {
        NORMS.set(NORMS.get() + 1);
        Portable::norm(x, constant, activations);
    }
}

/// Counts the multiplications in the matrix products when decoding `stream` with the model in `image`. Attention, which
/// would add a few percent, is not counted.
pub fn count(image: &Path, stream: &Path) -> Result<u64> {
    let image = fs::read(image).with_context(|| image.display().to_string())?;
    let stream = fs::read(stream).with_context(|| stream.display().to_string())?;
    let (model, header) = (Model::load(&image)?, Header::parse(&stream)?);
    let context = usize::from(header.model.context);
    let mut bytes = vec![0; model.config().byte_buffer(context)];
    let mut words = vec![0; model.config().word_buffer(context)];
    let m1 = M1::<Counting>::with_kernels(&model, context, &mut bytes, &mut words)?;
    let identity = m1.identity();
    let mut decoder = Decoder::new(m1, identity);
    let mut text = vec![0; 1 << 20];
    NORMS.set(0);
    LOGITS.set(0);
    decoder.decode(&stream, &mut text)?;
    ensure!(decoder.is_done(), "the text is too long to count its multiplications");
    let Config { d, ff, layers, .. } = model.config();
    let positions = NORMS.get() / (2 * layers as u64 + 1);
    Ok(positions * (layers * (4 * d * d + 3 * d * ff)) as u64 + LOGITS.get() * (256 * d) as u64)
}
