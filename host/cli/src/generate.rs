//! `generate`: text from M2, decoded as its tokens come.

use std::io::Write;
use std::path::PathBuf;
use std::time::Instant;

use crate::say;
use anyhow::{Context, Result, ensure};
use clap::Args;

use super::decoding::DecodingArguments;
use super::options::{count, not_negative, probability};
use super::standard;
use equalinfo::random::Random;
use equalinfo::tokens::shards::{Part, Source};
use equalinfo_train::checkpoint::{Checkpoint, Kind, Origin};
use equalinfo_train::sampler::{Choice, Sampler};

/// Options of `generate`.
///
/// Every token decodes, whatever M2 draws, as every window is a text. Where M2 knows ends of documents, the text begins a document and ends with it. Tokens of `ac`, `static-ac` and `gzip` do not decode one by one, those of the paper's
/// greedy code not at all.
#[derive(Debug, Clone, Args)]
pub struct GenerateArguments {
    /// Checkpoint of 'train m2' (.safetensors)
    #[arg(value_name = "CHECKPOINT")]
    pub checkpoint: PathBuf,

    /// Token shards that it was trained on, or others of the same tokens, which say what they mean: a directory, or
    /// one of such directories
    #[arg(long, value_name = "DIRECTORY", value_hint = clap::ValueHint::DirPath)]
    pub data: PathBuf,

    /// Text to begin with
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub prompt: String,

    /// Tokens to draw (default: as many as the model sees); beyond what it sees, the older half of them is forgotten
    #[arg(long, value_name = "N", value_parser = count::<usize>)]
    pub tokens: Option<usize>,

    /// Divides the logits; 0 takes the likeliest token
    #[arg(long, value_name = "T", default_value_t = 1.0, value_parser = not_negative::<f32>)]
    pub temperature: f32,

    /// Draw only from the K likeliest tokens
    #[arg(long, value_name = "K", value_parser = count::<usize>)]
    pub top_k: Option<usize>,

    /// Draw only from the likeliest tokens that together have probability P
    #[arg(long, value_name = "P", default_value_t = 1.0, value_parser = probability::<f32>)]
    pub top_p: f32,

    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,

    #[command(flatten)]
    pub decoding: DecodingArguments,

    /// Print the text only
    #[arg(short, long)]
    pub quiet: bool,
}

/// Generates.
///
/// # Errors
/// The checkpoint, the tokens and M1 do not belong together, or stdout cannot be written.
pub fn run(arguments: &GenerateArguments) -> Result<()> {
    let parts = Part::all(&[Source::from(&arguments.data)])?;
    let settings = &parts[0].manifest.settings;
    let checkpoint = Checkpoint::load_of(&arguments.checkpoint, Kind::M2)?;
    if let Origin::Tokens { meaning, .. } = &checkpoint.state.origin {
        let found = settings.meaning();
        ensure!(
            meaning.agrees(&found),
            "{}: tokens are {found}, but {} is a model of {meaning}",
            arguments.data.display(),
            arguments.checkpoint.display()
        );
    }
    let config = checkpoint.state.model;
    let tokenizer = arguments.decoding.tokenizer(settings)?;
    let mut decoder = tokenizer.decoder()?;
    let mut sampler = Sampler::new(config.clone(), checkpoint.training.parameters);
    let mut random = Random::new(arguments.seed);
    let choice = Choice { temperature: arguments.temperature, top_k: arguments.top_k, top_p: arguments.top_p };

    let mut prompt = tokenizer.first_tokens(arguments.prompt.as_bytes(), sampler.room())?;
    // So many tokens end with a window.
    let whole = settings.method.tokens_of_whole_windows();
    // What follows would fill the last window up otherwise.
    prompt.ids.truncate(prompt.ids.len() / whole * whole);
    // A document begins where another one has ended.
    let end = settings.end();
    let mut seen: Vec<u32> = end.into_iter().chain(prompt.ids.iter().map(|&token| token.into())).collect();
    ensure!(seen.len() < sampler.room(), "--prompt: {} tokens, and the model sees {}", seen.len(), config.context);
    let mut stdout = standard::output();
    stdout.write_all(&decoder.push(&prompt.ids)?).context("(stdout): cannot write")?;
    let start = sampler.push(config.start_symbol());
    let mut logits = seen.iter().fold(start, |_, &token| sampler.push(token));
    let wanted = arguments.tokens.unwrap_or(sampler.room());
    let (started, mut drawn, mut bytes) = (Instant::now(), 0, 0);
    while drawn < wanted {
        ensure!(
            logits.iter().all(|logit| logit.is_finite()),
            "{}: the model's output is no number",
            arguments.checkpoint.display()
        );
        let token = choice.draw(&logits, &mut random);
        drawn += 1;
        if Some(token) == end {
            break;
        }
        let text = decoder.push(&[token as u16])?;
        bytes += text.len();
        stdout.write_all(&text).and_then(|()| stdout.flush()).context("(stdout): cannot write")?;
        seen.push(token);
        if drawn < wanted {
            logits = if sampler.room() > 0 {
                sampler.push(token)
            } else {
                // Rows of training begin where windows do, so what is kept does; the end before the document goes too.
                let before = usize::from(seen.first() == end.as_ref());
                let windows = seen.len() - before;
                seen.drain(..before + (windows / 2).next_multiple_of(whole).min(windows));
                sampler.reset();
                let start = sampler.push(config.start_symbol());
                seen.iter().fold(start, |_, &token| sampler.push(token))
            };
        }
    }
    stdout.write_all(b"\n").and_then(|()| stdout.flush()).context("(stdout): cannot write")?;
    if !arguments.quiet {
        let steps = drawn.max(1) as f64;
        say!(
            "{drawn} tokens, {bytes} bytes: {:.3} bytes a step, {:.1} steps/s",
            bytes as f64 / steps,
            steps / started.elapsed().as_secs_f64()
        );
    }
    Ok(())
}
