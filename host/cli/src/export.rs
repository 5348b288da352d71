//! `export`: a model or lexicon in the form that its user links or loads.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use equalinfo_codec::m1::Model;

use super::files::{self, refuse_output};
use super::options::{LexiconArguments, ModelArguments};
use equalinfo::quantize::{c_header, rust_module};
use equalinfo::{CodingModel, lexicon};

/// Forms of a model or lexicon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// The image itself, usable in place from flash
    #[value(name = "m1q", alias = "lex")]
    Image,
    /// A C header with the image as an array
    C,
    /// A Rust module with the image as a static
    Rust,
}

/// Options of `export`.
#[derive(Debug, Clone, Args)]
pub struct ExportArguments {
    #[command(flatten)]
    pub model: ModelArguments,

    #[command(flatten)]
    pub lexicon: LexiconArguments,

    /// Form of the output
    #[arg(long, default_value = "m1q")]
    pub format: Format,

    /// Output file; - is stdout
    #[arg(short, long, value_name = "FILE", default_value = "-")]
    pub output: PathBuf,

    /// Overwrite the output
    #[arg(short, long)]
    pub force: bool,
}

/// Writes the model.
///
/// # Errors
/// The model cannot be read or the output cannot be written.
pub fn run(arguments: &ExportArguments) -> Result<()> {
    arguments.model.only_cpu()?;
    let read = [arguments.model.path(), arguments.lexicon.lexicon.as_deref()];
    refuse_output(&arguments.output, read.into_iter().flatten())?;
    let model = match arguments.lexicon.load()? {
        Some(lexicon) => CodingModel::from(lexicon),
        None => arguments.model.load_m1()?.into(),
    };
    let image = model.bytes();
    let text = match (&model, arguments.format) {
        (_, Format::Image) => None,
        (CodingModel::Lexicon(lexicon), Format::C) => Some(lexicon::export::c_header(lexicon.view(), image)),
        (CodingModel::Lexicon(lexicon), Format::Rust) => Some(lexicon::export::rust_module(lexicon.view(), image)),
        (_, format) => {
            let view = Model::load(image).with_context(|| format!("model {}: not a valid image", model.name()))?;
            Some(if format == Format::C { c_header(&view, image) } else { rust_module(&view, image) })
        }
    };
    let bytes = text.as_deref().map_or(image, str::as_bytes);
    files::write(&arguments.output, arguments.force, text.is_none(), bytes)
}
