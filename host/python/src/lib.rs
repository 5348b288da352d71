//! The native module of the Python package `equalinfo`: the library's API with Python's types. What is on top of it in
//! Python alone (file objects, Hugging Face, PyTorch) lies in `equalinfo/`, whose `_native.pyi` documents this module.
//!
//! Invariant: Python's lock is released for as long as a text is coded, and every error is one of `equalinfo.errors`,
//! an `OSError`, a `ValueError` or a `TypeError`.

mod arguments;
mod errors;
mod message;
mod model;
mod shards;
mod stream;
mod stream_reader;
mod tokenizer;

/// Compression, models and tokenizers in native code.
#[pyo3::pymodule]
mod _native {
    #[pymodule_export]
    use crate::message::{compress_message, decompress_message};
    #[pymodule_export]
    use crate::model::{Lexicon, Model};
    #[pymodule_export]
    use crate::shards::write_shards;
    #[pymodule_export]
    use crate::stream::{Compressor, compress, decompress};
    #[pymodule_export]
    use crate::stream_reader::StreamReader;
    #[pymodule_export]
    use crate::tokenizer::{TokenDecoder, Tokenizer};
    #[pymodule_export]
    const VERSION: &str = env!("CARGO_PKG_VERSION");
}
