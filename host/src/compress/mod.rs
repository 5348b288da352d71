//! Streams: text to `.eqi` and back, on many threads, in bounded memory.
//!
//! Invariant: the bytes of a stream depend on the text, the model and the [`Recipe`] alone, never on the number of
//! threads or on how the input arrives; and text is delivered only from blocks whose checksum agrees.
//!
//! * [`write`](mod@write): blocks are encoded in parallel and written in order, then the index.
//! * [`read`]: blocks are decoded in parallel; a damaged one is reported and the ones around it are delivered
//!   ([`blocks`] finds them, [`index_map`] helps where the input is a file).
//! * [`coder`]: what codes a block: a model, or a lexicon; [`lockstep`]: what codes several of them on one thread; [`batch`]: thousands on a GPU.
//! * [`windows`]: how text is cut into windows.
//! * [`access`]: single blocks, windows and ranges through the index.

pub mod access;
pub mod batch;
mod blocks;
pub mod coder;
pub mod index_map;
pub mod lockstep;
pub mod ordered;
pub mod read;
mod source;
pub mod windows;
pub mod write;

use anyhow::{Result, ensure};
use equalinfo_codec::WindowCode;
use equalinfo_codec::container::{Header, MAXIMUM_BLOCK_SIZE, Method, ModelIdentity};

use crate::model::LoadedModel;
use batch::Batch;
use windows::Encoding;

/// What does the work.
pub enum Workers {
    /// So many threads, a text each.
    Threads(usize),
    /// A GPU, with as many texts at once as keep it busy.
    Batch(Box<dyn Batch>),
}

/// How a stream is made.
#[derive(Clone)]
pub struct Recipe {
    /// What the stream says of itself.
    pub header: Header,
    /// M1, or the byte frequencies of method `static-ac`.
    pub model: LoadedModel,
    /// Whether windows of the default code are closed as [`windows::Encoding::Flexible`] does.
    pub flexible: bool,
}

impl Recipe {
    /// A stream of `method` under `model` with `context` positions.
    ///
    /// # Errors
    /// A block size that the format does not have.
    pub fn new(method: Method, model: LoadedModel, context: usize, block_size: u64) -> Result<Self> {
        ensure!(
            (1..=u64::from(MAXIMUM_BLOCK_SIZE)).contains(&block_size),
            "--block-size {block_size}: expected 1 to {MAXIMUM_BLOCK_SIZE} bytes"
        );
        let identity = if method == Method::StaticAc { ModelIdentity::default() } else { model.identity(context) };
        Ok(Self { header: Header { method, model: identity, block_size: block_size as u32 }, model, flexible: false })
    }

    /// How text becomes windows of a code.
    fn encoding(&self, code: WindowCode) -> Encoding {
        if self.flexible { Encoding::Flexible } else { Encoding::Greedy(code) }
    }
}

#[cfg(test)]
mod tests;
