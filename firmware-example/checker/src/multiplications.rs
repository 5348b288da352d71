//! How many multiplications of the model's matrices a text takes: those that the portable decoder does.

use std::cell::Cell;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use equalinfo_codec::container::{Decoder, Header, ModelIdentity};
use equalinfo_codec::m1::{Activations, Kernels, M1, Matrix, Model, Portable};

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

/// Counts what the portable kernels do.
#[derive(Debug)]
struct Counting;

impl Kernels for Counting {
    type Prepared<'a> = Activations<'a>;

    fn prepare<'a>(activations: &'a [i8], _scratch: &'a mut [i32]) -> Activations<'a> {
        Activations::dense(activations)
    }

    fn project(rows: &Matrix, activations: &Activations<'_>, scale: u32, out: &mut [i32]) {
        COUNT.set(COUNT.get() + rows.weights.len() as u64);
        Portable::project(rows, activations, scale, out);
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
    COUNT.set(0);
    decoder.decode(&stream, &mut text)?;
    ensure!(decoder.is_done(), "the text is too long to count its multiplications");
    Ok(COUNT.get())
}
