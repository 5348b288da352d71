//! Arguments: texts, models, widths and threads as Python passes them.

use std::borrow::Cow;
use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::{LazyLock, Mutex, PoisonError};

use equalinfo::{CodingModel, DEFAULT_MODEL, WindowBits};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyMemoryView, PyString};

use crate::errors;
use crate::model::{Lexicon, Model};

/// The bytes of a text: those of a `str` in UTF-8, those of `bytes` in place, a copy of any other buffer,
/// which another thread could change.
pub fn text<'a>(argument: &'a Bound<'_, PyAny>) -> PyResult<Cow<'a, [u8]>> {
    if let Ok(bytes) = argument.cast::<PyBytes>() {
        return Ok(Cow::Borrowed(bytes.as_bytes()));
    }
    if let Ok(string) = argument.cast::<PyString>() {
        return Ok(match string.to_cow()? {
            Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
            Cow::Owned(text) => Cow::Owned(text.into_bytes()),
        });
    }
    let Ok(view) = PyMemoryView::from(argument) else {
        let found = argument.get_type().name()?.to_string();
        return Err(PyTypeError::new_err(format!("expected str or a bytes-like object, found {found}")));
    };
    Ok(Cow::Owned(view.call_method0("tobytes")?.extract()?))
}

/// Bytes alone: what is compressed or encoded already is no `str`.
pub fn bytes<'a>(argument: &'a Bound<'_, PyAny>) -> PyResult<Cow<'a, [u8]>> {
    if argument.is_instance_of::<PyString>() {
        return Err(PyTypeError::new_err("expected a bytes-like object, found str"));
    }
    text(argument)
}

/// Threads; `None`: one per core.
pub fn threads(argument: Option<usize>) -> PyResult<usize> {
    match argument {
        Some(0) => Err(PyValueError::new_err("expected at least one thread")),
        Some(threads) => Ok(threads),
        None => Ok(std::thread::available_parallelism().map_or(1, NonZeroUsize::get)),
    }
}

/// A width of windows.
pub fn window_bits(argument: u32) -> PyResult<WindowBits> {
    let none = || PyValueError::new_err(format!("no windows of {argument} bits: expected a multiple of 8 up to 128"));
    WindowBits::from_bits(argument).ok_or_else(none)
}

/// An M1 by its name or path, those that are shipped loaded once.
pub fn named_model(name: &str) -> PyResult<equalinfo::Model> {
    static SHIPPED: LazyLock<Mutex<HashMap<String, equalinfo::Model>>> = LazyLock::new(Mutex::default);
    let mut shipped = SHIPPED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(model) = shipped.get(name) {
        return Ok(model.clone());
    }
    let model = equalinfo::store::named(name).map_err(errors::store)?;
    if equalinfo::Model::shipped_names().any(|shipped| shipped == name) {
        shipped.insert(name.to_owned(), model.clone());
    }
    Ok(model)
}

/// An M1: a `Model`, or the name or path of one; `None`: the default.
pub fn m1(argument: Option<&Bound<'_, PyAny>>) -> PyResult<equalinfo::Model> {
    let Some(argument) = argument else { return named_model(DEFAULT_MODEL) };
    if let Ok(model) = argument.cast::<Model>() {
        return Ok(model.get().0.clone());
    }
    if argument.is_instance_of::<Lexicon>() {
        return Err(PyTypeError::new_err("expected a Model or the name or path of one, found a Lexicon"));
    }
    named_model(&argument.extract::<PathBuf>()?.to_string_lossy())
}

/// What codes a text: a `Model`, the name or path of one, or a `Lexicon`.
pub fn coding_model(argument: &Bound<'_, PyAny>) -> PyResult<CodingModel> {
    match argument.cast::<Lexicon>() {
        Ok(lexicon) => Ok(CodingModel::from(&lexicon.get().0)),
        Err(_) => Ok(m1(Some(argument))?.into()),
    }
}
