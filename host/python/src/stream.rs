//! Streams in memory: `compress`, `decompress` and `Compressor`.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use equalinfo::stream::Models;
use equalinfo::{CodingModel, DEFAULT_MODEL, Decompressor, Level, StreamError, StreamMethod};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::{arguments, errors};

/// What Python's keyword arguments ask for.
fn compressor(
    level: u8,
    model: Option<&Bound<'_, PyAny>>,
    window_bits: Option<u32>,
    block_size: Option<u64>,
    threads: Option<usize>,
) -> PyResult<equalinfo::Compressor> {
    let unknown = || PyValueError::new_err(format!("level {level}: expected 1 to 9"));
    let level = Level::new(level).ok_or_else(unknown)?;
    let named = |name| arguments::named_model(name).map(CodingModel::from);
    let model = match (model, level.model_name()) {
        (Some(model), _) => arguments::coding_model(model)?,
        (None, Some(name)) => named(name)?,
        (None, None) if window_bits.is_some() => named(DEFAULT_MODEL)?,
        (None, None) => CodingModel::None,
    };
    let compressor = equalinfo::Compressor::new(model);
    // A lexicon has its windows, and windows have no tables.
    let compressor = match (window_bits, compressor.model()) {
        (Some(bits), _) => compressor.window_bits(arguments::window_bits(bits)?),
        (None, CodingModel::Lexicon(_)) => compressor,
        (None, CodingModel::None) => compressor.method(level.method()).block_size(level.block_size()),
        (None, _) => compressor.method(StreamMethod::Mix(level.class())).block_size(level.block_size()),
    };
    let compressor = match block_size {
        Some(size) => compressor.block_size(size),
        None => compressor,
    };
    let compressor = compressor.threads(arguments::threads(threads)?);
    // Options that do not go together are told before there is any text.
    compressor.header().map_err(errors::stream)?;
    Ok(compressor)
}

/// The models of streams: the one that is given; or the shipped ones and the user's own.
pub fn models(model: Option<&Bound<'_, PyAny>>) -> PyResult<Models<'static>> {
    match model {
        Some(model) => Ok(Models::new().with(arguments::coding_model(model)?)),
        None => Ok(Models::new().or_by(|header| Ok(equalinfo::store::find(header.model.id)?))),
    }
}

/// The stream (``.eqi``) of a text, which the tool ``equalinfo`` reads too.
#[pyfunction]
#[pyo3(signature = (data, level=6, *, model=None, window_bits=None, block_size=None, threads=None))]
pub fn compress<'py>(
    py: Python<'py>,
    data: &Bound<'py, PyAny>,
    level: u8,
    model: Option<&Bound<'py, PyAny>>,
    window_bits: Option<u32>,
    block_size: Option<u64>,
    threads: Option<usize>,
) -> PyResult<Bound<'py, PyBytes>> {
    let (compressor, text) = (compressor(level, model, window_bits, block_size, threads)?, arguments::text(data)?);
    let stream = py.detach(|| compressor.compress_to_vec(&text)).map_err(errors::stream)?;
    Ok(PyBytes::new(py, &stream))
}

/// The text of a stream, or of several one after the other.
#[pyfunction]
#[pyo3(signature = (data, *, model=None, threads=None))]
pub fn decompress<'py>(
    py: Python<'py>,
    data: &Bound<'py, PyAny>,
    model: Option<&Bound<'py, PyAny>>,
    threads: Option<usize>,
) -> PyResult<Bound<'py, PyBytes>> {
    let (stream, models) = (arguments::bytes(data)?, models(model)?);
    let decompressor = Decompressor::new().models(models).threads(arguments::threads(threads)?);
    let mut text = Vec::new();
    let stream = io::Cursor::new(&*stream);
    let restored = py.detach(|| decompressor.decompress_file(stream, &mut text)).map_err(errors::stream)?;
    if !restored.losses.is_empty() {
        return Err(errors::damage(py, &restored.losses, &text));
    }
    Ok(PyBytes::new(py, &text))
}

/// Pieces of text that wait to be coded.
const WAITING: usize = 16;

/// Compresses a text that arrives in pieces, as :func:`zlib.compressobj` does.
#[pyclass(module = "equalinfo")]
pub struct Compressor {
    /// `None` once the text has ended.
    pieces: Option<SyncSender<Piece>>,
    stream: Arc<Mutex<Vec<u8>>>,
    coder: Option<JoinHandle<Result<(), StreamError>>>,
}

enum Piece {
    Text(Vec<u8>),
    End,
}

/// The coder's end of the pieces.
struct Pieces {
    arriving: Receiver<Piece>,
    text: VecDeque<u8>,
    ended: bool,
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.text.is_empty() && !self.ended {
            match self.arriving.recv() {
                Ok(Piece::Text(text)) => self.text = text.into(),
                Ok(Piece::End) => self.ended = true,
                // Nobody wants the rest.
                Err(_) => return Err(io::Error::other("the compressor was dropped before its text ended")),
            }
        }
        self.text.read(buffer)
    }
}

/// The coder's end of the stream.
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        locked(&self.0).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A lock that no panic spoils.
pub fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[pymethods]
impl Compressor {
    #[new]
    #[pyo3(signature = (level=6, *, model=None, window_bits=None, block_size=None, threads=None))]
    fn new(
        level: u8,
        model: Option<&Bound<'_, PyAny>>,
        window_bits: Option<u32>,
        block_size: Option<u64>,
        threads: Option<usize>,
    ) -> PyResult<Self> {
        let compressor = compressor(level, model, window_bits, block_size, threads)?;
        let (pieces, arriving) = sync_channel(WAITING);
        let stream = Arc::new(Mutex::new(Vec::new()));
        let sink = Sink(stream.clone());
        let code = move || {
            let text = Pieces { arriving, text: VecDeque::new(), ended: false };
            compressor.compress(text, sink).map(drop)
        };
        let coder = thread::Builder::new().spawn(code)?;
        Ok(Self { pieces: Some(pieces), stream, coder: Some(coder) })
    }

    /// Takes a piece of the text, and returns what the stream has grown by; often nothing. Waits while the coder is far
    /// behind.
    fn compress<'py>(&mut self, py: Python<'py>, data: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
        let text = arguments::text(data)?.into_owned();
        self.send(py, Piece::Text(text))?;
        Ok(self.written(py))
    }

    /// Ends the text, and returns the rest of the stream.
    fn flush<'py>(&mut self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        self.send(py, Piece::End)?;
        self.pieces = None;
        self.join(py)?;
        Ok(self.written(py))
    }
}

impl Compressor {
    fn send(&mut self, py: Python<'_>, piece: Piece) -> PyResult<()> {
        let Some(pieces) = &self.pieces else {
            return Err(PyValueError::new_err("the compressor has been flushed"));
        };
        if py.detach(|| pieces.send(piece)).is_err() {
            // The coder has given up: it knows why.
            self.pieces = None;
            self.join(py)?;
        }
        Ok(())
    }

    fn join(&mut self, py: Python<'_>) -> PyResult<()> {
        let Some(coder) = self.coder.take() else { return Ok(()) };
        match py.detach(|| coder.join()) {
            Ok(result) => result.map_err(errors::stream),
            Err(_) => Err(pyo3::exceptions::PyRuntimeError::new_err("the compressor's thread panicked")),
        }
    }

    fn written<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &std::mem::take(&mut *locked(&self.stream)))
    }
}
