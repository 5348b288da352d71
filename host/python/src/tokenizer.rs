//! `Tokenizer` and `TokenDecoder`.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock};
use std::thread;

use equalinfo::ordered::ordered;
use equalinfo::tokens::{Align, LexiconOf, Reset};
use equalinfo::{LoadError, Subwords, TokenError, TokenMethod};
use numpy::{IntoPyArray, PyArray2, PyArrayMethods, PyReadonlyArray1};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{IntoPyDict, PyBytes, PyDict, PyType};

use crate::model::Lexicon;
use crate::stream::locked;
use crate::{arguments, errors};

/// Ids behind those of text: the beginning of a text, its end, and what fills a row.
const SPECIAL: usize = 3;
/// Bytes of text after which the lexicon of 16-bit windows is made: it takes the time of 100 to 150 KB, and codes the
/// rest at many times the speed.
const LEXICON_PAYS_FROM: usize = 1 << 18;
/// About the bytes of text in a token of 16 bits.
const TEXT_OF_TOKEN: usize = 4;

/// Turns texts into ids of tokens for language models, and back. Threads may share it, and it can be pickled.
#[pyclass(frozen, module = "equalinfo")]
pub struct Tokenizer {
    tokenizer: equalinfo::Tokenizer,
    source: Source,
    /// The lexicon of its windows, which makes the same tokens.
    compiled: OnceLock<equalinfo::Tokenizer>,
    /// Bytes of text so far.
    seen: AtomicUsize,
}

/// What a tokenizer was made of.
enum Source {
    Windows { model: equalinfo::Model, bits: u32, token_bits: u32, code: String, context: usize },
    Lexicon(equalinfo::Lexicon),
    Subwords { json: Vec<u8>, name: String },
    Bytes,
}

#[pymethods]
impl Tokenizer {
    /// Equal-Info windows of ``bits`` bits, each of which decodes alone, cut into tokens of ``token_bits``.
    #[classmethod]
    #[pyo3(signature = (model=None, bits=16, *, token_bits=16, code="default", context=None))]
    fn windows(
        _class: &Bound<'_, PyType>,
        model: Option<&Bound<'_, PyAny>>,
        bits: u32,
        token_bits: u32,
        code: &str,
        context: Option<usize>,
    ) -> PyResult<Self> {
        Self::of_windows(arguments::m1(model)?, bits, token_bits, code.to_owned(), context)
    }

    /// The codes of a lexicon.
    #[classmethod]
    fn lexicon(_class: &Bound<'_, PyType>, lexicon: &Bound<'_, PyAny>) -> PyResult<Self> {
        let lexicon = match lexicon.cast::<Lexicon>() {
            Ok(lexicon) => lexicon.get().0.clone(),
            Err(_) => equalinfo::Lexicon::open(lexicon.extract::<PathBuf>()?).map_err(errors::load)?,
        };
        Self::of_lexicon(lexicon)
    }

    /// The subwords of a Hugging Face ``tokenizer.json``.
    #[classmethod]
    fn from_file(_class: &Bound<'_, PyType>, path: PathBuf) -> PyResult<Self> {
        let json = std::fs::read(&path).map_err(|error| errors::of_system(&path, &error))?;
        let name = path.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
        let in_file = |error| LoadError::File { path, expected: "a tokenizer.json", source: Box::new(error) };
        Self::of_subwords(json, name, in_file)
    }

    /// The subwords of the content of a ``tokenizer.json``.
    #[classmethod]
    #[pyo3(signature = (json, name="tokenizer"))]
    fn from_json(_class: &Bound<'_, PyType>, json: &Bound<'_, PyAny>, name: &str) -> PyResult<Self> {
        let json = arguments::text(json)?.into_owned();
        Self::of_subwords(json, name.to_owned(), |error| error)
    }

    /// Each byte is a token.
    #[classmethod]
    fn bytes(_class: &Bound<'_, PyType>) -> Self {
        Self::of(equalinfo::Tokenizer::bytes(), Source::Bytes)
    }

    /// Ids of text are below it.
    #[getter]
    fn vocabulary(&self) -> usize {
        self.tokenizer.vocabulary()
    }

    /// All ids are below it, the special ones too.
    #[getter]
    fn vocab_size(&self) -> usize {
        self.tokenizer.vocabulary() + SPECIAL
    }

    /// The beginning of a text.
    #[getter]
    fn bos_id(&self) -> usize {
        self.tokenizer.vocabulary()
    }

    /// The end of a text.
    #[getter]
    fn eos_id(&self) -> usize {
        self.tokenizer.vocabulary() + 1
    }

    /// What fills a row.
    #[getter]
    fn pad_id(&self) -> usize {
        self.tokenizer.vocabulary() + 2
    }

    /// The method, as in the paper's tables.
    #[getter]
    fn name(&self) -> String {
        self.tokenizer.method().to_string()
    }

    /// Whether a lexicon makes the windows.
    #[getter]
    fn is_compiled(&self) -> bool {
        self.compiled.get().is_some()
    }

    /// Makes the model's lexicon now, where it has these tokens, and says whether there is one. Takes a second or two;
    /// changes the speed and no token.
    #[pyo3(signature = (threads=None))]
    fn compile(&self, py: Python<'_>, threads: Option<usize>) -> PyResult<bool> {
        let threads = arguments::threads(threads)?;
        py.detach(|| self.make_lexicon(threads)).map_err(errors::token)?;
        Ok(self.is_compiled())
    }

    /// The ids of a text, ``[tokens]``.
    #[pyo3(signature = (text, *, bos=false, eos=false))]
    fn encode<'py>(
        &self,
        py: Python<'py>,
        text: &Bound<'py, PyAny>,
        bos: bool,
        eos: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        let text = arguments::text(text)?;
        let ids = py.detach(|| self.fastest(text.len())?.encode(&text)).map_err(errors::token)?;
        Ok(self.array(py, ids, bos, eos))
    }

    /// The ids, and for each the first byte of the text that it stands for and the one behind the last, ``[tokens,
    /// 2]``; tokens of one window have the same.
    fn encode_with_offsets<'py>(
        &self,
        py: Python<'py>,
        text: &Bound<'py, PyAny>,
    ) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyArray2<u64>>)> {
        let text = arguments::text(text)?;
        let encoded = py.detach(|| self.fastest(text.len())?.encode_with_offsets(&text)).map_err(errors::token)?;
        let places = encoded.offsets.iter().flat_map(|place| [place.start as u64, place.end as u64]);
        let places: Vec<u64> = places.collect();
        let offsets = places.into_pyarray(py).reshape([encoded.offsets.len(), 2])?;
        Ok((self.array(py, encoded.ids, false, false), offsets))
    }

    /// The ids of each text, by several threads.
    #[pyo3(signature = (texts, *, bos=false, eos=false, threads=None))]
    fn encode_batch<'py>(
        &self,
        py: Python<'py>,
        texts: Vec<Bound<'py, PyAny>>,
        bos: bool,
        eos: bool,
        threads: Option<usize>,
    ) -> PyResult<Vec<Bound<'py, PyAny>>> {
        let texts = texts.iter().map(arguments::text).collect::<PyResult<Vec<_>>>()?;
        let threads = arguments::threads(threads)?;
        let all: usize = texts.iter().map(|text| text.len()).sum();
        let rows = py.detach(|| self.fastest(all)?.encode_batch(&texts, threads)).map_err(errors::token)?;
        Ok(rows.into_iter().map(|ids| self.array(py, ids, bos, eos)).collect())
    }

    /// The text of ids.
    #[pyo3(signature = (ids, *, skip_special=true))]
    fn decode<'py>(
        &self,
        py: Python<'py>,
        ids: &Bound<'py, PyAny>,
        skip_special: bool,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let ids = ids_of_text(ids, self.vocabulary(), skip_special)?;
        let text = py.detach(|| self.fastest(TEXT_OF_TOKEN * ids.len())?.decode(&ids)).map_err(errors::token)?;
        Ok(PyBytes::new(py, &text))
    }

    /// The text of each row of ids, by several threads.
    #[pyo3(signature = (rows, *, skip_special=true, threads=None))]
    fn decode_batch<'py>(
        &self,
        py: Python<'py>,
        rows: Vec<Bound<'py, PyAny>>,
        skip_special: bool,
        threads: Option<usize>,
    ) -> PyResult<Vec<Bound<'py, PyBytes>>> {
        let rows = rows.iter().map(|ids| ids_of_text(ids, self.vocabulary(), skip_special));
        let rows = rows.collect::<PyResult<Vec<_>>>()?;
        let threads = arguments::threads(threads)?;
        let all: usize = rows.iter().map(Vec::len).sum();
        let mut texts = Vec::with_capacity(rows.len());
        py.detach(|| {
            let tokenizer = self.fastest(TEXT_OF_TOKEN * all)?;
            let decode = |(): &mut (), ids: Vec<u16>| tokenizer.decode(&ids);
            let mut keep = |text: Result<Vec<u8>, TokenError>| -> Result<(), TokenError> {
                texts.push(text?);
                Ok(())
            };
            ordered(threads, rows.into_iter().map(Ok), || Ok(()), decode, &mut keep)
        })
        .map_err(errors::token)?;
        Ok(texts.iter().map(|text| PyBytes::new(py, text)).collect())
    }

    /// A decoder that takes ids as they come.
    #[pyo3(signature = (encoding=None, errors="strict"))]
    fn decoder(&self, py: Python<'_>, encoding: Option<&str>, errors: &str) -> PyResult<TokenDecoder> {
        let tokenizer = self.compiled.get().unwrap_or(&self.tokenizer);
        let decoder = tokenizer.decoder().map_err(errors::token)?;
        let characters = match encoding {
            Some(encoding) => {
                let of_encoding = py.import("codecs")?.call_method1("getincrementaldecoder", (encoding,))?;
                Some(of_encoding.call1((errors,))?.unbind())
            }
            None => None,
        };
        Ok(TokenDecoder { decoder: Mutex::new(Some(decoder)), vocabulary: self.vocabulary(), characters })
    }

    /// What it is, as JSON can hold it, and the file of its model (``.m1q``), lexicon (``.lex``) or vocabulary
    /// (``tokenizer.json``), if it has one.
    fn to_files<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyDict>, Option<Bound<'py, PyBytes>>)> {
        let settings = PyDict::new(py);
        let file = match &self.source {
            Source::Windows { model, bits, token_bits, code, context } => {
                settings.set_item("kind", "windows")?;
                settings.set_item("bits", bits)?;
                settings.set_item("token_bits", token_bits)?;
                settings.set_item("code", code)?;
                settings.set_item("context", context)?;
                Some(model.bytes())
            }
            Source::Lexicon(lexicon) => {
                settings.set_item("kind", "lexicon")?;
                Some(lexicon.bytes())
            }
            Source::Subwords { json, name } => {
                settings.set_item("kind", "subwords")?;
                settings.set_item("name", name)?;
                Some(&json[..])
            }
            Source::Bytes => {
                settings.set_item("kind", "bytes")?;
                None
            }
        };
        Ok((settings, file.map(|file| PyBytes::new(py, file))))
    }

    /// The tokenizer of what :meth:`to_files` gave.
    #[classmethod]
    #[pyo3(signature = (settings, file=None))]
    fn from_files(
        class: &Bound<'_, PyType>,
        settings: &Bound<'_, PyDict>,
        file: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let item = |name: &str| {
            settings.get_item(name)?.ok_or_else(|| PyValueError::new_err(format!("the settings have no '{name}'")))
        };
        let file =
            || file.ok_or_else(|| PyValueError::new_err("expected the file of the model, lexicon or vocabulary"));
        let bytes = || Ok::<_, PyErr>(arguments::bytes(file()?)?.into_owned());
        match item("kind")?.extract::<String>()?.as_str() {
            "windows" => {
                let model = equalinfo::Model::from_bytes(bytes()?).map_err(errors::load)?;
                let (bits, token_bits) = (item("bits")?.extract()?, item("token_bits")?.extract()?);
                Self::of_windows(model, bits, token_bits, item("code")?.extract()?, Some(item("context")?.extract()?))
            }
            "lexicon" => Self::of_lexicon(equalinfo::Lexicon::from_bytes(bytes()?).map_err(errors::load)?),
            "subwords" => Self::of_subwords(bytes()?, item("name")?.extract()?, |error| error),
            "bytes" => Ok(Self::bytes(class)),
            found => Err(PyValueError::new_err(format!("no tokenizers of kind '{found}'"))),
        }
    }

    fn __repr__(&self) -> String {
        format!("<equalinfo.Tokenizer {}>", self.name())
    }

    #[allow(clippy::type_complexity, reason = "what pickle asks for")]
    fn __reduce__<'py>(
        &self,
        py: Python<'py>,
    ) -> PyResult<(Bound<'py, PyAny>, (Bound<'py, PyDict>, Option<Bound<'py, PyBytes>>))> {
        Ok((py.get_type::<Self>().getattr("from_files")?, self.to_files(py)?))
    }
}

impl Tokenizer {
    /// The library's tokenizer, whose method is the one that was asked for.
    pub fn library(&self) -> &equalinfo::Tokenizer {
        &self.tokenizer
    }

    fn of(tokenizer: equalinfo::Tokenizer, source: Source) -> Self {
        Self { tokenizer, source, compiled: OnceLock::new(), seen: AtomicUsize::new(0) }
    }

    fn of_windows(
        model: equalinfo::Model,
        bits: u32,
        token_bits: u32,
        code: String,
        context: Option<usize>,
    ) -> PyResult<Self> {
        if ![8, 16].contains(&token_bits) {
            return Err(PyValueError::new_err(format!("tokens of {token_bits} bits: expected 8 or 16")));
        }
        let context = context.unwrap_or(model.context());
        model.session(context).map_err(|error| errors::argument(&error))?;
        let (reset, align) = (Reset::Every, Align::None);
        let method = TokenMethod::EqualInfo { window_bits: bits, token_bits, code: code.clone(), reset, align };
        let tokenizer = equalinfo::Tokenizer::new(method, &model, context).map_err(errors::token)?;
        Ok(Self::of(tokenizer, Source::Windows { model, bits, token_bits, code, context }))
    }

    fn of_lexicon(lexicon: equalinfo::Lexicon) -> PyResult<Self> {
        let tokenizer = equalinfo::Tokenizer::lexicon(&lexicon).map_err(errors::token)?;
        Ok(Self::of(tokenizer, Source::Lexicon(lexicon)))
    }

    fn of_subwords(json: Vec<u8>, name: String, place: impl FnOnce(LoadError) -> LoadError) -> PyResult<Self> {
        let subwords = Subwords::from_json(&json, &name).map_err(|error| errors::load(place(error.into())))?;
        let tokenizer = equalinfo::Tokenizer::subwords(&subwords).map_err(errors::token)?;
        Ok(Self::of(tokenizer, Source::Subwords { json, name }))
    }

    /// What makes the tokens of this much more text soonest.
    fn fastest(&self, bytes: usize) -> Result<&equalinfo::Tokenizer, TokenError> {
        let seen = self.seen.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        if seen >= LEXICON_PAYS_FROM {
            self.make_lexicon(thread::available_parallelism().map_or(1, NonZeroUsize::get))?;
        }
        Ok(self.compiled.get().unwrap_or(&self.tokenizer))
    }

    fn make_lexicon(&self, threads: usize) -> Result<(), TokenError> {
        match &self.source {
            Source::Windows { model, bits: 16, token_bits, code, context }
                if code == "default" && self.compiled.get().is_none() =>
            {
                let lexicon = model.lexicon(*context, threads).map_err(equalinfo::CodingError::from)?;
                let method = TokenMethod::Lexicon { token_bits: *token_bits, kind: LexiconOf::WindowCode };
                // Another thread may have been faster.
                let _ = self.compiled.set(equalinfo::Tokenizer::new(method, &lexicon, *context)?);
            }
            _ => {}
        }
        Ok(())
    }

    /// Ids as numpy has them, in the narrowest type that holds all of text, or all with the special ones.
    fn array<'py>(&self, py: Python<'py>, ids: Vec<u16>, bos: bool, eos: bool) -> Bound<'py, PyAny> {
        let before = bos.then_some(self.bos_id());
        let after = eos.then_some(self.eos_id());
        let has_special = bos || eos;
        let all = || before.into_iter().chain(ids.iter().map(|&id| id.into())).chain(after);
        match if has_special { self.vocab_size() } else { self.vocabulary() } {
            ..=0x100 => all().map(|id| id as u8).collect::<Vec<u8>>().into_pyarray(py).into_any(),
            0x101..=0x10000 if !has_special => ids.into_pyarray(py).into_any(),
            0x101..=0x10000 => all().map(|id| id as u16).collect::<Vec<u16>>().into_pyarray(py).into_any(),
            _ => all().map(|id| id as u32).collect::<Vec<u32>>().into_pyarray(py).into_any(),
        }
    }
}

/// The ids of text in any array, tensor or sequence of integers.
fn ids_of_text(ids: &Bound<'_, PyAny>, vocabulary: usize, skip_special: bool) -> PyResult<Vec<u16>> {
    if let Ok(ids) = ids.extract::<PyReadonlyArray1<'_, u16>>() {
        let ids = ids.as_array();
        if vocabulary > usize::from(u16::MAX) {
            return Ok(ids.to_vec());
        }
        return ids.iter().filter_map(|&id| id_of_text(id.into(), vocabulary, skip_special).transpose()).collect();
    }
    if let Ok(id) = ids.extract::<i64>() {
        return Ok(id_of_text(id, vocabulary, skip_special)?.into_iter().collect());
    }
    if ids.len().is_ok_and(|length| length == 0) {
        return Ok(Vec::new());
    }
    let ids = ids.py().import("numpy")?.call_method1("asarray", (ids,))?;
    let integers = [("casting", "same_kind")].into_py_dict(ids.py())?;
    let ids: PyReadonlyArray1<'_, i64> = ids.call_method("astype", ("int64",), Some(&integers))?.extract()?;
    ids.as_array().iter().filter_map(|&id| id_of_text(id, vocabulary, skip_special).transpose()).collect()
}

fn id_of_text(id: i64, vocabulary: usize, skip_special: bool) -> PyResult<Option<u16>> {
    match usize::try_from(id) {
        Ok(known) if known < vocabulary => Ok(Some(known as u16)),
        Ok(special) if special < vocabulary + SPECIAL => {
            if skip_special {
                Ok(None)
            } else {
                Err(errors::special_token(id))
            }
        }
        _ => Err(errors::no_token(id, vocabulary + SPECIAL)),
    }
}

/// Turns ids into text as they come, and keeps back what is not complete: windows and characters.
#[pyclass(frozen, module = "equalinfo")]
pub struct TokenDecoder {
    /// `None` once the text has ended.
    decoder: Mutex<Option<equalinfo::tokens::TokenDecoder>>,
    vocabulary: usize,
    /// What makes characters of bytes, if text is wanted.
    characters: Option<Py<PyAny>>,
}

#[pymethods]
impl TokenDecoder {
    /// The text that is complete with these ids.
    #[pyo3(signature = (ids, *, skip_special=true))]
    fn push<'py>(&self, py: Python<'py>, ids: &Bound<'py, PyAny>, skip_special: bool) -> PyResult<Bound<'py, PyAny>> {
        let ids = ids_of_text(ids, self.vocabulary, skip_special)?;
        let text = py.detach(|| locked(&self.decoder).as_mut().map(|decoder| decoder.push(&ids)));
        let text = text.ok_or_else(|| PyValueError::new_err("the decoder has finished"))?;
        self.text(py, &text.map_err(errors::token)?, false)
    }

    /// Ends the text, and returns what was kept back.
    fn finish<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let decoder = py.detach(|| locked(&self.decoder).take());
        let decoder = decoder.ok_or_else(|| PyValueError::new_err("the decoder has finished"))?;
        self.text(py, &decoder.finish().map_err(errors::token)?, true)
    }
}

impl TokenDecoder {
    fn text<'py>(&self, py: Python<'py>, bytes: &[u8], is_last: bool) -> PyResult<Bound<'py, PyAny>> {
        let bytes = PyBytes::new(py, bytes);
        match &self.characters {
            Some(characters) => characters.bind(py).call_method1("decode", (bytes, is_last)),
            None => Ok(bytes.into_any()),
        }
    }
}
