//! [`Models`]: where the models that streams need come from.

use std::error::Error;
use std::sync::Arc;

use equalinfo_codec::Frequencies;
use equalinfo_codec::container::Header;

use super::error::StreamError;
use crate::coding::CodingModel;
use crate::model::Model;

/// What a [`Models`]' function found.
type Found = Result<Option<CodingModel>, Box<dyn Error + Send + Sync>>;

type Resolver<'a> = Arc<dyn Fn(&Header) -> Found + Send + Sync + 'a>;

/// Where the models that streams need come from: given ones only, or the shipped ones and those that a function finds.
///
/// ```
/// use equalinfo::stream::Models;
/// use equalinfo::{Compressor, Decompressor, Model};
///
/// let nano = Model::shipped("nano")?;
/// let stream = Compressor::new(&nano).compress_to_vec(b"It was the best of times")?;
/// // By its id, without being told.
/// assert_eq!(Decompressor::new().decompress_to_vec(&stream)?, b"It was the best of times");
/// // A model that is given must be the stream's.
/// let micro = Models::new().with(Model::shipped("micro")?);
/// assert!(Decompressor::new().models(micro).decompress_to_vec(&stream).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Default)]
pub struct Models<'a> {
    given: Vec<CodingModel>,
    resolver: Option<Resolver<'a>>,
}

impl<'a> Models<'a> {
    /// The shipped models.
    pub fn new() -> Self {
        Self::default()
    }

    /// This model or lexicon, and others that are given, instead of the shipped ones.
    pub fn with(mut self, model: impl Into<CodingModel>) -> Self {
        self.given.push(model.into());
        self
    }

    /// What a function finds for a stream's header, where the model is not shipped.
    pub fn or_by(mut self, resolver: impl Fn(&Header) -> Found + Send + Sync + 'a) -> Self {
        self.resolver = Some(Arc::new(resolver));
        self
    }

    /// The model of the stream with this header; `table` are the frequencies that it brings along.
    ///
    /// # Errors
    /// What is given or found is another model, or none is found.
    pub fn find(&self, header: &Header, table: Option<&Frequencies>) -> Result<CodingModel, StreamError> {
        if let Some(frequencies) = table {
            return Ok(CodingModel::Frequencies(frequencies.clone().into()));
        }
        if !header.method.has_model() {
            return Ok(CodingModel::None);
        }
        let mut refused = None;
        for model in &self.given {
            match check(model, header) {
                Ok(()) => return Ok(model.clone()),
                Err(error) => refused = refused.or(Some(error)),
            }
        }
        if let Some(error) = refused {
            return Err(error);
        }
        let id = header.model.id;
        let shipped = Model::shipped_with_id(id)?.map(CodingModel::from);
        let found = match (shipped, &self.resolver) {
            (None, Some(resolver)) => resolver(header).map_err(|source| StreamError::Lookup { id, source })?,
            (shipped, _) => shipped,
        };
        if let Some(model) = found {
            return check(&model, header).map(|()| model);
        }
        let mut shipped = Vec::new();
        for name in Model::shipped_names() {
            shipped.push(format!("{name} {:08x}", Model::shipped(name)?.id() >> 32));
        }
        Err(StreamError::UnknownModel { id, name: header.name.as_str().to_owned(), shipped })
    }
}

/// Whether a stream with this header was written with this model.
fn check(model: &CodingModel, header: &Header) -> Result<(), StreamError> {
    if let CodingModel::Lexicon(lexicon) = model {
        return lexicon.view().check_stream(header).map_err(|source| StreamError::OtherLexicon { source });
    }
    let (name, context) = (|| model.name().to_owned(), usize::from(header.model.context));
    header.check_model(model.identity(context)).map_err(|source| StreamError::OtherModel { name: name(), source })?;
    if context > model.context() {
        return Err(StreamError::ShortContext { name: name(), expected: context, found: model.context() });
    }
    Ok(())
}
