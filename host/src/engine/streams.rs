//! The interface of every path: streams that share a model.

use std::sync::Arc;

use equalinfo_codec::m1::ModelError;
use equalinfo_codec::{ByteModel, Frequencies};

use super::image::Image;
use super::lanes::Lanes;
use super::loops::Loops;
use super::packed_model::PackedModel;
use super::portable::Portable;

/// A fixed number of streams, each a [`ByteModel`] of its own.
pub trait Streams: Send {
    /// Empties a stream's context.
    fn reset(&mut self, stream: usize);

    /// Appends a byte to a stream.
    fn push(&mut self, stream: usize, byte: u8);

    /// Forgets all but the first `kept` bytes of a stream and appends one. Returns false, with nothing changed, if this
    /// is not possible.
    fn branch(&mut self, stream: usize, kept: usize, byte: u8) -> bool {
        let _ = (stream, kept, byte);
        false
    }

    /// The frequencies of the byte after those pushed to a stream so far.
    fn frequencies(&mut self, stream: usize) -> &Frequencies;

    /// Feeds `text` to the first stream.
    fn feed(&mut self, text: &[u8]);

    /// Feeds `text` to the first stream and passes the frequencies ahead of each byte to `visit`.
    fn trace(&mut self, text: &[u8], visit: &mut dyn FnMut(usize, &Frequencies));
}

/// A model packed for one path.
pub trait Prepared: Send + Sync {
    /// Creates empty streams; `context` must not exceed the model's.
    fn streams(&self, count: usize, context: usize) -> Box<dyn Streams>;
}

/// A packed model and the kernels it is packed for.
pub struct Packed<K> {
    kernels: K,
    model: Arc<PackedModel>,
}

impl<K: Loops> Packed<K> {
    pub fn new(kernels: K, image: &Image) -> Self {
        Self { kernels, model: Arc::new(PackedModel::new(image.model(), kernels)) }
    }
}

impl<K: Loops> Prepared for Packed<K> {
    fn streams(&self, count: usize, context: usize) -> Box<dyn Streams> {
        Box::new(Lanes::new(self.kernels, self.model.clone(), count, context))
    }
}

impl<K: Loops> Streams for Lanes<K> {
    fn reset(&mut self, stream: usize) {
        Lanes::reset(self, stream);
    }

    fn branch(&mut self, stream: usize, kept: usize, byte: u8) -> bool {
        Lanes::branch(self, stream, kept, byte)
    }

    fn push(&mut self, stream: usize, byte: u8) {
        Lanes::push(self, stream, byte);
    }

    fn frequencies(&mut self, stream: usize) -> &Frequencies {
        Lanes::frequencies(self, stream)
    }

    fn feed(&mut self, text: &[u8]) {
        Lanes::feed(self, 0, text);
    }

    fn trace(&mut self, text: &[u8], visit: &mut dyn FnMut(usize, &Frequencies)) {
        Lanes::trace(self, 0, text, visit);
    }
}

/// Streams of the codec's own model, run one after another.
pub struct PortableStreams(Vec<Portable>);

impl PortableStreams {
    pub fn new(image: &Arc<Image>, count: usize, context: usize) -> Result<Self, ModelError> {
        (0..count).map(|_| Portable::new(image.clone(), context)).collect::<Result<_, _>>().map(Self)
    }
}

impl Streams for PortableStreams {
    fn reset(&mut self, stream: usize) {
        self.0[stream].reset();
    }

    fn push(&mut self, stream: usize, byte: u8) {
        self.0[stream].push(byte);
    }

    fn frequencies(&mut self, stream: usize) -> &Frequencies {
        self.0[stream].frequencies()
    }

    fn feed(&mut self, text: &[u8]) {
        let Some(model) = self.0.first_mut() else { return };
        text.iter().for_each(|&byte| model.push(byte));
    }

    fn trace(&mut self, text: &[u8], visit: &mut dyn FnMut(usize, &Frequencies)) {
        let Some(model) = self.0.first_mut() else { return };
        for (position, &byte) in text.iter().enumerate() {
            visit(position, model.frequencies());
            model.push(byte);
        }
    }
}
