//! How many multiplications of the model's matrices a text takes: all weights of the layers for every position that is run, and all of the logits for every byte that is
//! asked for, whether or not a decoder finds a way around them.

use std::cell::Cell;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use equalinfo_codec::container::{Decoder, Header, ModelIdentity};
use equalinfo_codec::m1::{Activations, Config, Kernels, M1, Matrix, Model, Portable};

thread_local! {
    static NORMS: Cell<u64> = const { Cell::new(0) };
    static LOGITS: Cell<u64> = const { Cell::new(0) };
}

/// Counts norms, of which there are two in a layer and one after the last, and logits.
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

/// The multiplications in the matrix products of decoding `stream` with the image of a model; those of the attention,
/// a few in a hundred more, are not counted.
pub fn count(image: &Path, stream: &Path) -> Result<u64> {
    let image = fs::read(image).with_context(|| image.display().to_string())?;
    let stream = fs::read(stream).with_context(|| stream.display().to_string())?;
    let (model, header) = (Model::load(&image)?, Header::parse(&stream)?);
    let context = usize::from(header.model.context);
    let mut bytes = vec![0; model.config().byte_buffer(context)];
    let mut words = vec![0; model.config().word_buffer(context)];
    let m1 = M1::<Counting>::with_kernels(&model, context, &mut bytes, &mut words)?;
    let mut decoder = Decoder::new(m1, ModelIdentity { id: model.id(), context: header.model.context });
    let mut text = vec![0; 1 << 20];
    NORMS.set(0);
    LOGITS.set(0);
    decoder.decode(&stream, &mut text)?;
    ensure!(decoder.is_done(), "the text is too long to count its multiplications");
    let Config { d, ff, layers, .. } = model.config();
    let positions = NORMS.get() / (2 * layers as u64 + 1);
    Ok(positions * (layers * (4 * d * d + 3 * d * ff)) as u64 + LOGITS.get() * (256 * d) as u64)
}
