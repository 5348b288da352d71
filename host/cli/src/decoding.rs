//! What decodes tokens: the model, lexicon or subwords that a directory of shards names, unless the user names them.

use anyhow::{Context, Result, ensure};
use clap::Args;
use equalinfo::tokens::shards::Settings;
use equalinfo::tokens::{TokenMethod, TokenModel, Tokenizer};
use equalinfo::{ByteFrequencies, CodingModel, Model, store};
use equalinfo_codec::container::ModelIdentity;

use super::options::{LexiconArguments, ModelArguments, SubwordArguments, refuse};

/// The options of commands that decode tokens.
#[derive(Debug, Clone, Args)]
pub struct DecodingArguments {
    #[command(flatten)]
    pub model: ModelArguments,

    #[command(flatten)]
    pub lexicon: LexiconArguments,

    #[command(flatten)]
    pub tokenizer: SubwordArguments,
}

impl DecodingArguments {
    /// The tokenizer whose tokens these settings describe.
    ///
    /// # Errors
    /// Its model, lexicon or subwords are not there, or others are named.
    pub fn tokenizer(&self, settings: &Settings) -> Result<Tokenizer> {
        self.model.only_cpu()?;
        self.refuse_others(settings)?;
        let model = self.token_model(settings)?;
        if let Some(id) = &settings.model_id {
            let found = format!("{:016x}", model.id().unwrap_or_default());
            ensure!(
                *id == found,
                "these tokens were made with model {id}, but this is {} {found}; name it with --model",
                model.name().unwrap_or_default()
            );
        }
        Ok(Tokenizer::new(settings.method.clone(), model, settings.context)?)
    }

    /// Refuses what these tokens are not made with.
    fn refuse_others(&self, settings: &Settings) -> Result<()> {
        let (model, lexicon, subwords) = match &settings.method {
            TokenMethod::Lexicon { .. } => (false, true, false),
            method if method.pieces().is_some() => (false, false, true),
            method => (method.needs_m1(), false, false),
        };
        let given = [
            ("--model", self.model.model.is_some() && !model),
            ("--lexicon", self.lexicon.lexicon.is_some() && !lexicon),
            ("--tokenizer", self.tokenizer.tokenizer.is_some() && !subwords),
        ];
        refuse(&given, &format!("these tokens are {}", settings.meaning()))
    }

    fn token_model(&self, settings: &Settings) -> Result<TokenModel> {
        Ok(match &settings.method {
            TokenMethod::Lexicon { .. } => {
                let none = "these tokens are codes of a lexicon: name it with --lexicon";
                TokenModel::from(self.lexicon.load()?.context(none)?)
            }
            method if method.pieces().is_some() => {
                let none = "these tokens are subwords: name their file with --tokenizer";
                self.tokenizer.load()?.context(none)?.into()
            }
            method if method.needs_m1() => match self.named_by(settings)? {
                Some(model) => model.into(),
                None => self.model.load_m1()?.into(),
            },
            _ => ByteFrequencies::english().into(),
        })
    }

    /// The shipped or installed model that the settings name, unless the user names one.
    fn named_by(&self, settings: &Settings) -> Result<Option<Model>> {
        let id = settings.model_id.as_deref().and_then(|id| u64::from_str_radix(id, 16).ok());
        let Some(id) = id.filter(|_| self.model.model.is_none()) else { return Ok(None) };
        Ok(match store::shipped_or_installed(ModelIdentity::short(id))? {
            Some(CodingModel::Model(model)) => Some(model),
            _ => None,
        })
    }
}
