//! `Model` and `Lexicon`.

use std::path::{Path, PathBuf};

use equalinfo::{ByteModel, DEFAULT_MODEL};
use numpy::{IntoPyArray, PyArray1};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyType};

use crate::{arguments, errors};

/// An M1: an integer byte language model, the same bits on every machine.
#[pyclass(frozen, module = "equalinfo")]
pub struct Model(pub equalinfo::Model);

#[pymethods]
impl Model {
    #[new]
    #[pyo3(signature = (name=None))]
    fn new(name: Option<PathBuf>) -> PyResult<Self> {
        let name = name.as_deref().map_or(DEFAULT_MODEL.into(), Path::to_string_lossy);
        Ok(Self(arguments::named_model(&name)?))
    }

    /// The model of a ``.m1q`` image.
    #[classmethod]
    fn from_bytes(_class: &Bound<'_, PyType>, image: &Bound<'_, PyAny>) -> PyResult<Self> {
        let image = arguments::bytes(image)?.into_owned();
        Ok(Self(equalinfo::Model::from_bytes(image).map_err(errors::load)?))
    }

    /// The names of the shipped models, smallest first.
    #[staticmethod]
    fn shipped() -> Vec<&'static str> {
        equalinfo::Model::shipped_names().collect()
    }

    /// The name in its image.
    #[getter]
    fn name(&self) -> &str {
        self.0.name()
    }

    /// A digest of its content; streams carry the upper half.
    #[getter]
    fn id(&self) -> u64 {
        self.0.id()
    }

    /// Bytes that it sees at most.
    #[getter]
    fn context(&self) -> usize {
        self.0.context()
    }

    /// Layers of attention and feed-forward.
    #[getter]
    fn layers(&self) -> usize {
        self.0.config().layers
    }

    /// Values of the residual stream.
    #[getter]
    fn width(&self) -> usize {
        self.0.config().d
    }

    /// Its ``.m1q`` image.
    fn to_bytes<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.0.bytes())
    }

    /// Bits that each byte of a text costs, ``[bytes]``: minus the binary logarithm of its probability after the bytes
    /// before it, ``context`` at most.
    #[pyo3(signature = (text, *, context=None))]
    fn costs<'py>(
        &self,
        py: Python<'py>,
        text: &Bound<'py, PyAny>,
        context: Option<usize>,
    ) -> PyResult<Bound<'py, PyArray1<f64>>> {
        let text = arguments::text(text)?;
        Ok(py.detach(|| self.bits(&text, context))?.into_pyarray(py))
    }

    /// The mean of :meth:`costs`; 0 for the empty text.
    #[pyo3(signature = (text, *, context=None))]
    fn bits_per_byte(&self, py: Python<'_>, text: &Bound<'_, PyAny>, context: Option<usize>) -> PyResult<f64> {
        let text = arguments::text(text)?;
        let bits = py.detach(|| self.bits(&text, context))?;
        Ok(bits.iter().sum::<f64>() / bits.len().max(1) as f64)
    }

    /// The probability of each byte after a text, ``[256]``; multiples of 1/65536 whose sum is 1.
    #[pyo3(signature = (before=None))]
    fn probabilities<'py>(
        &self,
        py: Python<'py>,
        before: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyArray1<f64>>> {
        let before = before.map(arguments::text).transpose()?.unwrap_or_default();
        let mut session = self.0.session(self.0.context()).map_err(|error| errors::argument(&error))?;
        before.iter().for_each(|&byte| session.push(byte));
        let shares: Vec<f64> = session.frequencies().counts().map(|count| f64::from(count) / 65536.0).collect();
        Ok(shares.into_pyarray(py))
    }

    /// The texts of its windows of 16 bits, which code them many times as fast. Takes a second or two.
    #[pyo3(signature = (context=None, threads=None))]
    fn lexicon(&self, py: Python<'_>, context: Option<usize>, threads: Option<usize>) -> PyResult<Lexicon> {
        let (context, threads) = (context.unwrap_or(self.0.context()), arguments::threads(threads)?);
        Ok(Lexicon(py.detach(|| self.0.lexicon(context, threads)).map_err(errors::lexicon)?))
    }

    fn __repr__(&self) -> String {
        format!("<equalinfo.Model {:?} {:016x}>", self.0.name(), self.0.id())
    }

    fn __eq__(&self, other: &Self) -> bool {
        self.0.id() == other.0.id()
    }

    fn __hash__(&self) -> u64 {
        self.0.id()
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyAny>, (Bound<'py, PyBytes>,))> {
        Ok((py.get_type::<Self>().getattr("from_bytes")?, (self.to_bytes(py),)))
    }
}

impl Model {
    /// Bits that each byte of a text costs.
    fn bits(&self, text: &[u8], context: Option<usize>) -> PyResult<Vec<f64>> {
        let mut bits = Vec::with_capacity(text.len());
        let context = context.unwrap_or(self.0.context());
        let traced = self.0.engine().trace(text, context, |place, frequencies| {
            bits.push(16.0 - f64::from(frequencies.count(text[place])).log2());
        });
        traced.map_err(|error| errors::argument(&error))?;
        Ok(bits)
    }
}

/// The texts of all windows of 16 bits: codes them in the place of the model that it was compiled from.
#[pyclass(frozen, module = "equalinfo")]
pub struct Lexicon(pub equalinfo::Lexicon);

#[pymethods]
impl Lexicon {
    #[new]
    fn new(path: PathBuf) -> PyResult<Self> {
        Ok(Self(equalinfo::Lexicon::open(path).map_err(errors::load)?))
    }

    /// The lexicon of a ``.lex`` image.
    #[classmethod]
    fn from_bytes(_class: &Bound<'_, PyType>, image: &Bound<'_, PyAny>) -> PyResult<Self> {
        let image = arguments::bytes(image)?.into_owned();
        Ok(Self(equalinfo::Lexicon::from_bytes(image).map_err(errors::load)?))
    }

    /// ``window-code`` or ``optimal``.
    #[getter]
    fn kind(&self) -> &'static str {
        self.0.name()
    }

    /// A digest of its content.
    #[getter]
    fn id(&self) -> u64 {
        self.0.id()
    }

    /// The id of the model that it was compiled from.
    #[getter]
    fn model_id(&self) -> u64 {
        self.0.model_id()
    }

    /// Bytes in a text at most.
    #[getter]
    fn context(&self) -> usize {
        self.0.context()
    }

    /// Its ``.lex`` image.
    fn to_bytes<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.0.bytes())
    }

    fn __repr__(&self) -> String {
        format!("<equalinfo.Lexicon {} of {:016x}>", self.0.name(), self.0.model_id())
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyAny>, (Bound<'py, PyBytes>,))> {
        Ok((py.get_type::<Self>().getattr("from_bytes")?, (self.to_bytes(py),)))
    }
}
