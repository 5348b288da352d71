//! Messages: short texts with nothing around them.

use equalinfo::message::Check;
use equalinfo::{CodingModel, DEFAULT_MODEL, MessageCoder};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::{arguments, errors};

fn coder(
    model: Option<&Bound<'_, PyAny>>,
    window_bits: Option<u32>,
    check: u32,
    context: Option<usize>,
) -> PyResult<MessageCoder> {
    let model: CodingModel = match model {
        Some(model) => arguments::coding_model(model)?,
        None => arguments::named_model(DEFAULT_MODEL)?.into(),
    };
    let check = match check {
        0 => Check::None,
        8 => Check::Bits8,
        16 => Check::Bits16,
        found => return Err(PyValueError::new_err(format!("a check of {found} bits: expected 0, 8 or 16"))),
    };
    let mut coder = MessageCoder::new(model).check(check);
    if let Some(bits) = window_bits {
        coder = coder.window_bits(arguments::window_bits(bits)?);
    }
    Ok(match context {
        Some(context) => coder.context(context),
        None => coder,
    })
}

/// A short text with nothing around it, never more than a byte longer than the text: both sides must know the model and
/// all that is given here.
#[pyfunction]
#[pyo3(signature = (text, model=None, *, window_bits=None, check=0, context=None))]
pub fn compress_message<'py>(
    py: Python<'py>,
    text: &Bound<'py, PyAny>,
    model: Option<&Bound<'py, PyAny>>,
    window_bits: Option<u32>,
    check: u32,
    context: Option<usize>,
) -> PyResult<Bound<'py, PyBytes>> {
    let (coder, text) = (coder(model, window_bits, check, context)?, arguments::text(text)?);
    let message = py.detach(|| coder.encode(&text)).map_err(errors::message)?;
    Ok(PyBytes::new(py, &message))
}

/// The text of a message.
#[pyfunction]
#[pyo3(signature = (message, model=None, *, window_bits=None, check=0, context=None))]
pub fn decompress_message<'py>(
    py: Python<'py>,
    message: &Bound<'py, PyAny>,
    model: Option<&Bound<'py, PyAny>>,
    window_bits: Option<u32>,
    check: u32,
    context: Option<usize>,
) -> PyResult<Bound<'py, PyBytes>> {
    let (coder, message) = (coder(model, window_bits, check, context)?, arguments::bytes(message)?);
    let text = py.detach(|| coder.decode(&message)).map_err(errors::message)?;
    Ok(PyBytes::new(py, &text))
}
