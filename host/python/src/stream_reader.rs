//! `StreamReader`: blocks and ranges of a file of streams, for the file objects in `equalinfo/files.py`.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use equalinfo::StreamError;
use equalinfo::StreamFile;
use equalinfo::stream::{Loss, Models};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::stream::locked;
use crate::{errors, stream};

/// Where streams are read from: readers of one source share it, each at a position of its own.
#[derive(Clone)]
struct Source {
    shared: Arc<Mutex<Shared>>,
    position: u64,
}

enum Shared {
    File(File),
    /// An object with `read` and `seek`.
    Object(Py<PyAny>),
}

impl Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut shared = locked(&self.shared);
        let read = match &mut *shared {
            Shared::File(file) => {
                file.seek(SeekFrom::Start(self.position))?;
                file.read(buffer)?
            }
            Shared::Object(object) => Python::attach(|py| -> PyResult<usize> {
                let object = object.bind(py);
                object.call_method1("seek", (self.position,))?;
                let bytes = object.call_method1("read", (buffer.len(),))?;
                let bytes = bytes.cast::<PyBytes>()?.as_bytes();
                let fitting = bytes.len().min(buffer.len());
                buffer[..fitting].copy_from_slice(&bytes[..fitting]);
                Ok(fitting)
            })?,
        };
        self.position += read as u64;
        Ok(read)
    }
}

impl Seek for Source {
    fn seek(&mut self, place: SeekFrom) -> io::Result<u64> {
        let (start, by) = match place {
            SeekFrom::Start(position) => (position, 0),
            SeekFrom::Current(by) => (self.position, by),
            SeekFrom::End(by) => {
                let mut shared = locked(&self.shared);
                let end = match &mut *shared {
                    Shared::File(file) => file.seek(SeekFrom::End(0))?,
                    Shared::Object(object) => Python::attach(|py| -> PyResult<u64> {
                        object.bind(py).call_method1("seek", (0, 2))?.extract()
                    })?,
                };
                (end, by)
            }
        };
        self.position = start.checked_add_signed(by).ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}

/// Blocks of a file of streams; what :class:`equalinfo.EqualInfoFile` reads with.
#[pyclass(frozen, module = "equalinfo")]
pub struct StreamReader {
    file: Mutex<StreamFile<Source>>,
    source: Source,
    models: Models<'static>,
    /// Where the text of each block begins, and where that of the last ends.
    bounds: Vec<u64>,
}

#[pymethods]
impl StreamReader {
    #[new]
    #[pyo3(signature = (source, *, model=None))]
    fn new(py: Python<'_>, source: Bound<'_, PyAny>, model: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
        let shared = match source.extract::<PathBuf>() {
            Ok(path) => Shared::File(File::open(&path).map_err(|error| errors::of_system(&path, &error))?),
            Err(_) => Shared::Object(source.unbind()),
        };
        let source = Source { shared: Arc::new(Mutex::new(shared)), position: 0 };
        Self::open(py, source, stream::models(model)?)
    }

    /// Another reader of the same source, for a thread of its own.
    fn clone(&self, py: Python<'_>) -> PyResult<Self> {
        Self::open(py, self.source.clone(), self.models.clone())
    }

    /// Where the text of each block begins, and where that of the last ends.
    #[getter]
    fn bounds(&self) -> Vec<u64> {
        self.bounds.clone()
    }

    /// The text of a block, counted from 0.
    fn block<'py>(&self, py: Python<'py>, number: u32) -> PyResult<Bound<'py, PyBytes>> {
        match py.detach(|| locked(&self.file).text(number)) {
            Ok(text) => Ok(PyBytes::new(py, &text)),
            Err(StreamError::Decode(cause)) => {
                let place = |block: u32| self.bounds.get(block as usize).copied();
                let text_offset = place(number);
                let length = place(number + 1).zip(text_offset).map(|(end, start)| end - start);
                let loss = Loss { blocks: number..number + 1, text_offset, length, is_open: false, cause };
                Err(errors::damage(py, &[loss], b""))
            }
            Err(error) => Err(errors::stream(error)),
        }
    }

    /// The text of a window, counted from 0 over the whole file.
    fn window<'py>(&self, py: Python<'py>, number: u64) -> PyResult<Bound<'py, PyBytes>> {
        let text = py.detach(|| locked(&self.file).window(number));
        Ok(PyBytes::new(py, &text.map_err(errors::stream)?))
    }
}

impl StreamReader {
    fn open(py: Python<'_>, source: Source, models: Models<'static>) -> PyResult<Self> {
        let file = py.detach(|| StreamFile::open(source.clone())).map_err(errors::stream)?;
        let bounds = file.entries().map(|block| block.text_offset).chain([file.text_length()]).collect();
        Ok(Self { file: Mutex::new(file.models(models.clone())), source, models, bounds })
    }
}
