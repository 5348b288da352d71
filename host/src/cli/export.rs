//! `export`: a model in the form that its user links or loads.

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use equalinfo_codec::m1::Model;

use super::files::{Destination, Output};
use super::options::ModelArguments;
use crate::quantize::{c_header, rust_module};

/// Forms of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// The image itself, usable in place from flash
    M1q,
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
    let model = arguments.model.load_m1()?;
    let image = model.image();
    let view = Model::load(image).with_context(|| format!("model {}: not a valid image", model.name()))?;
    let text = match arguments.format {
        Format::M1q => None,
        Format::C => Some(c_header(&view, image)),
        Format::Rust => Some(rust_module(&view, image)),
    };
    let destination = Destination::from_argument(&arguments.output);
    let mut output = Output::create(&destination, arguments.force, text.is_none())?;
    output
        .write_all(text.as_deref().map_or(image, str::as_bytes))
        .with_context(|| format!("{destination}: cannot write"))?;
    output.finish(None)
}
