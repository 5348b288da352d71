//! `write_shards`: documents of a program to token shards, as the tool writes those of files.

use std::path::PathBuf;

use equalinfo::plan::Workers;
use equalinfo::tokens::shards::{LONGEST_ROW, RowLayout, Settings, ShardError, Writer};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyIterator;

use crate::tokenizer::Tokenizer;
use crate::{arguments, errors};

/// Turns documents into token shards, and returns how many rows they have; ``None`` where there is no text.
#[pyfunction]
#[pyo3(signature = (
    directory, documents, tokenizer, *, layout="examples", sequence=512, rows_per_shard=8192, tokens=None, names=None,
    threads=None,
))]
#[allow(clippy::too_many_arguments, reason = "Python's have names")]
pub fn write_shards(
    py: Python<'_>,
    directory: PathBuf,
    documents: &Bound<'_, PyAny>,
    tokenizer: &Bound<'_, Tokenizer>,
    layout: &str,
    sequence: usize,
    rows_per_shard: usize,
    tokens: Option<u64>,
    names: Option<Vec<String>>,
    threads: Option<usize>,
) -> PyResult<Option<usize>> {
    let layout = match layout {
        "examples" => RowLayout::Examples,
        "stream" => RowLayout::Stream,
        found => return Err(PyValueError::new_err(format!("layout {found:?}: expected 'examples' or 'stream'"))),
    };
    if !(1..=LONGEST_ROW).contains(&sequence) || rows_per_shard == 0 {
        let words =
            format!("rows of {sequence} tokens, {rows_per_shard} in a shard: expected 1 to {LONGEST_ROW}, and 1");
        return Err(PyValueError::new_err(words));
    }
    let (tokenizer, threads) = (tokenizer.get().library(), arguments::threads(threads)?);
    let corpus = names.unwrap_or_default();
    let settings = Settings { layout, sequence, rows_per_shard, tokens, corpus, ..Settings::new(tokenizer) };
    let documents = Documents(documents.try_iter()?.unbind());
    py.detach(|| {
        let writer = Writer::open(&directory, settings, "equalinfo.shards.write_shards")?;
        match equalinfo::tokens::tokenize(tokenizer, documents, writer, Workers::Threads(threads), |_| ()) {
            Ok(manifest) => Ok(Some(manifest.rows())),
            Err(ShardError::NoText) => Ok(None),
            Err(error) => Err(error),
        }
    })
    .map_err(errors::shard)
}

/// The documents of a Python iterator, without the empty ones, which are none of a corpus either.
struct Documents(Py<PyIterator>);

impl Iterator for Documents {
    type Item = PyResult<Vec<u8>>;

    fn next(&mut self) -> Option<PyResult<Vec<u8>>> {
        Python::attach(|py| {
            let mut documents = self.0.bind(py).clone();
            loop {
                let document = py.check_signals().map(|()| documents.next()).transpose()?;
                match document.flatten().and_then(|document| Ok(arguments::text(&document)?.into_owned())) {
                    Ok(empty) if empty.is_empty() => {}
                    document => return Some(document),
                }
            }
        })
    }
}
