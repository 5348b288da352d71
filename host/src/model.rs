//! Models as the commands use them: found by name, path or id, loaded once, shared by all threads.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use equalinfo_codec::container::ModelIdentity;
use equalinfo_codec::lexicon::Lexicon;
use equalinfo_codec::{ByteModel, Frequencies, RangeEncoder, StaticModel};

use crate::compress::coder::Coder;
use crate::engine::{self, Engine, Image};
use crate::lexicon::{LexiconImage, LexiconKind, kind_name};
use crate::static_model;
use crate::tokenize::subwords::Subwords;

/// The model that is used when none is named.
pub const DEFAULT: &str = "micro";

/// The longest context that a model can have.
pub const LONGEST_CONTEXT: usize = 256;

/// A model ready to run; cheap to clone.
#[derive(Clone)]
pub struct LoadedModel(Kind);

#[derive(Clone)]
enum Kind {
    M1(Engine),
    Static(Arc<Frequencies>),
    /// The texts of a model's windows of 16 bits, instead of the model.
    Lexicon(Arc<LexiconImage>),
    /// Pieces of words: they make tokens and code nothing.
    Subwords(Arc<Subwords>),
}

impl LoadedModel {
    /// An M1 by the name of a shipped model or the path of an `.m1q` file; the default one if `None`.
    ///
    /// # Errors
    /// There is no such model, or the file is not one.
    pub fn m1(name: Option<&str>) -> Result<Self> {
        let shipped = name.unwrap_or(DEFAULT);
        let image = if Image::embedded_names().any(|known| known == shipped) {
            Image::embedded(shipped).context("--model")?
        } else {
            let Some(path) = name else {
                bail!("this build has no default model; name an .m1q file with --model PATH");
            };
            if !Path::new(path).exists() {
                let known: Vec<&str> = Image::embedded_names().collect();
                bail!(
                    "--model {path}: neither a shipped model ({}) nor a file; give the path of an .m1q file",
                    if known.is_empty() { "none in this build".to_owned() } else { known.join(", ") }
                );
            }
            Image::load(Path::new(path)).with_context(|| format!("--model {path}"))?
        };
        Self::from_image(image)
    }

    /// The shipped M1 with this id.
    ///
    /// # Errors
    /// None of them has it.
    pub fn shipped_with_id(id: u64) -> Result<Self> {
        let mut known = Vec::new();
        for name in Image::embedded_names() {
            let image = Image::embedded(name)?;
            if image.model().id() == id {
                return Self::from_image(image);
            }
            known.push(format!("{name} {:016x}", image.model().id()));
        }
        bail!(
            "needs model {id:016x}, which is not shipped with this build ({}); give its .m1q file with --model PATH, or the .lex file that wrote the stream with --lexicon FILE",
            if known.is_empty() { "no model is".to_owned() } else { known.join(", ") }
        );
    }

    fn from_image(image: Image) -> Result<Self> {
        Ok(Self(Kind::M1(Engine::new(Arc::new(image))?)))
    }

    /// The shipped byte frequencies of English text, for method `static-ac`.
    ///
    /// # Errors
    /// None: a test reads them.
    pub fn english() -> Result<Self> {
        Ok(Self::from_frequencies(static_model::english()?))
    }

    /// Byte frequencies from a file that `train static` wrote, for method `static-ac`.
    ///
    /// # Errors
    /// The file cannot be read or holds something else.
    pub fn counts(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| format!("--model {}: cannot read", path.display()))?;
        let frequencies = static_model::from_text(&text)
            .with_context(|| format!("--model {}: expected the output of 'equalinfo train static'", path.display()))?;
        Ok(Self::from_frequencies(frequencies))
    }

    /// Byte frequencies that came with a stream.
    pub fn from_frequencies(frequencies: Frequencies) -> Self {
        Self(Kind::Static(Arc::new(frequencies)))
    }

    /// A lexicon, in the place of the model that it was compiled from.
    ///
    /// # Errors
    /// The file cannot be read or holds something else.
    pub fn lexicon(path: &Path) -> Result<Self> {
        Ok(Self(Kind::Lexicon(Arc::new(LexiconImage::load(path).context("--lexicon")?))))
    }

    /// A vocabulary of subwords, from a `tokenizer.json`.
    ///
    /// # Errors
    /// The file cannot be read or holds something else.
    pub fn tokenizer(path: &Path) -> Result<Self> {
        Ok(Self(Kind::Subwords(Arc::new(Subwords::load(path)?))))
    }

    /// The subwords, if it is a vocabulary of them.
    pub fn subwords(&self) -> Option<&Subwords> {
        match &self.0 {
            Kind::Subwords(subwords) => Some(subwords),
            _ => None,
        }
    }

    /// The lexicon, if it is one.
    pub fn as_lexicon(&self) -> Option<&Lexicon<'_>> {
        match &self.0 {
            Kind::Lexicon(image) => Some(image.lexicon()),
            _ => None,
        }
    }

    /// The engine that runs M1, if it is one.
    pub fn engine(&self) -> Option<&Engine> {
        match &self.0 {
            Kind::M1(engine) => Some(engine),
            _ => None,
        }
    }

    /// The model's name.
    pub fn name(&self) -> &str {
        match &self.0 {
            Kind::M1(engine) => engine.image().model().name(),
            Kind::Static(_) => "static",
            Kind::Lexicon(image) => kind_name(image.lexicon().kind()),
            Kind::Subwords(subwords) => subwords.name(),
        }
    }

    /// The id that its streams carry; 0 for byte frequencies.
    pub fn id(&self) -> u64 {
        match &self.0 {
            Kind::M1(engine) => engine.image().model().id(),
            Kind::Static(_) => 0,
            Kind::Lexicon(image) => image.lexicon().identity().id,
            Kind::Subwords(subwords) => subwords.id(),
        }
    }

    /// The longest context that it can run with.
    pub fn context(&self) -> usize {
        match &self.0 {
            Kind::M1(engine) => engine.config().context,
            Kind::Static(_) | Kind::Subwords(_) => LONGEST_CONTEXT,
            Kind::Lexicon(image) => usize::from(image.lexicon().context()),
        }
    }

    /// What a stream says of this model when it runs with `context` positions.
    pub fn identity(&self, context: usize) -> ModelIdentity {
        ModelIdentity { id: self.id(), context: context as u16 }
    }

    /// The bytes of its image; none for byte frequencies and subwords.
    pub fn image(&self) -> &[u8] {
        match &self.0 {
            Kind::M1(engine) => engine.image().bytes(),
            Kind::Static(_) | Kind::Subwords(_) => &[],
            Kind::Lexicon(image) => image.bytes(),
        }
    }

    /// Its frequencies, if they never change.
    pub fn frequencies(&self) -> Option<&Frequencies> {
        match &self.0 {
            Kind::M1(_) | Kind::Lexicon(_) | Kind::Subwords(_) => None,
            Kind::Static(frequencies) => Some(frequencies),
        }
    }

    /// The lexicon of M1's window code with 16 bits: the same windows of a long text in less time ([`Encoding::compiled_from`](crate::compress::windows::Encoding::compiled_from)). `None`:
    /// this is no M1.
    ///
    /// # Errors
    /// The context is longer than the model's.
    pub fn compiled(&self, context: usize, threads: usize) -> Result<Option<Self>> {
        let Some(engine) = self.engine() else { return Ok(None) };
        let image = crate::lexicon::build(engine, LexiconKind::WindowCode, context, threads)?;
        Ok(Some(Self(Kind::Lexicon(Arc::new(LexiconImage::from_bytes(image)?)))))
    }

    /// What codes blocks and windows, with the memory of one stream.
    ///
    /// # Errors
    /// The context is zero or longer than the model's.
    pub fn coder(&self, context: usize) -> Result<Coder> {
        Ok(match &self.0 {
            Kind::Lexicon(image) => Coder::Lexicon(Arc::clone(image)),
            _ => Coder::Model(self.session(context)?),
        })
    }

    /// The model with the memory of one stream.
    ///
    /// # Errors
    /// The context is zero or longer than the model's, or it is a lexicon, which has no frequencies.
    pub fn session(&self, context: usize) -> Result<Session> {
        Ok(match &self.0 {
            Kind::M1(engine) => Session::M1(engine.session(context)?),
            Kind::Static(frequencies) => Session::Static(Box::new(StaticModel(Frequencies::clone(frequencies)))),
            Kind::Lexicon(_) => bail!(ONLY_WINDOWS),
            Kind::Subwords(_) => bail!(ONLY_TOKENS),
        })
    }
}

const ONLY_WINDOWS: &str = "a lexicon holds the texts of windows of 16 bits, and codes nothing else";
const ONLY_TOKENS: &str = "subwords are tokens for M2 and code no text";

impl LoadedModel {
    /// Codes a text with the range coder from an empty context, faster than a session can: the whole text is known
    /// ahead. The length of the code, or `None` if it does not fit `output`.
    ///
    /// # Errors
    /// The context is zero or longer than the model's.
    pub fn range_encode(&self, context: usize, text: &[u8], output: &mut [u8]) -> Result<Option<usize>> {
        let mut encoder = RangeEncoder::new(output);
        match &self.0 {
            Kind::M1(engine) => {
                engine.trace(text, context, |position, frequencies| encoder.encode(frequencies, text[position]))?;
            }
            Kind::Static(frequencies) => text.iter().for_each(|&byte| encoder.encode(frequencies, byte)),
            Kind::Lexicon(_) => bail!(ONLY_WINDOWS),
            Kind::Subwords(_) => bail!(ONLY_TOKENS),
        }
        Ok(encoder.finish())
    }
}

/// A model with the memory of one stream.
pub enum Session {
    /// M1 and its cache.
    M1(engine::Session),
    /// Byte frequencies, which need none.
    Static(Box<StaticModel>),
}

impl ByteModel for Session {
    fn reset(&mut self) {
        match self {
            Self::M1(model) => model.reset(),
            Self::Static(model) => model.reset(),
        }
    }

    fn frequencies(&mut self) -> &Frequencies {
        match self {
            Self::M1(model) => model.frequencies(),
            Self::Static(model) => model.frequencies(),
        }
    }

    fn push(&mut self, byte: u8) {
        match self {
            Self::M1(model) => model.push(byte),
            Self::Static(model) => model.push(byte),
        }
    }
}
