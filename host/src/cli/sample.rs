//! `generate`: text from M2, decoded as its tokens come.

use std::io::Write;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use equalinfo_codec::{WindowBits, WindowCode, decode_window};

use super::options::{LexiconArguments, ModelArguments, SubwordArguments};
use crate::compress::windows::Encoding;
use crate::model::{LoadedModel, Session};
use crate::tokenize::method::{Method, Reset};
use crate::tokenize::shards::Manifest;
use crate::tokenize::tokenizer::Tokenizer;
use crate::train::checkpoint::Checkpoint;
use crate::train::random::Random;
use crate::train::sampler::{Choice, Sampler};

/// Options of `generate`.
///
/// Every token decodes, whatever M2 draws, as every window is a text. Tokens of `ac`, `static-ac` and `gzip` do not decode one by one, those of the paper's
/// greedy code not at all.
#[derive(Debug, Clone, Args)]
pub struct GenerateArguments {
    /// Checkpoint of 'train m2' (.safetensors)
    #[arg(value_name = "CHECKPOINT")]
    pub checkpoint: PathBuf,

    /// Directory of token shards that it was trained on, or of others of the same tokens: it says what they mean
    #[arg(long, value_name = "DIRECTORY")]
    pub data: PathBuf,

    /// Text to begin with
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub prompt: String,

    /// Tokens to draw (default: as many as the model sees); beyond what it sees, the older half of them is forgotten
    #[arg(long, value_name = "N")]
    pub tokens: Option<usize>,

    /// Divides the logits; 0 takes the likeliest token
    #[arg(long, value_name = "T", default_value_t = 1.0)]
    pub temperature: f32,

    /// Draw only from the K likeliest tokens
    #[arg(long, value_name = "K")]
    pub top_k: Option<usize>,

    /// Draw only from the likeliest tokens that together have probability P
    #[arg(long, value_name = "P", default_value_t = 1.0)]
    pub top_p: f32,

    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,

    #[command(flatten)]
    pub model: ModelArguments,

    #[command(flatten)]
    pub lexicon: LexiconArguments,

    #[command(flatten)]
    pub tokenizer: SubwordArguments,

    /// Print the text only
    #[arg(short, long)]
    pub quiet: bool,
}

/// What turns tokens into text.
enum Decoder {
    Bytes,
    /// Bytes of windows as they come, until one is whole.
    Windows {
        session: Box<Session>,
        bits: WindowBits,
        code: WindowCode,
        context: usize,
        pending: Vec<u8>,
    },
    Lexicon {
        lexicon: LoadedModel,
        pending: Vec<u8>,
    },
    /// Characters once all their bytes are there.
    Subwords {
        subwords: LoadedModel,
        ids: Vec<u32>,
        /// Bytes of their text that were given out.
        shown: usize,
    },
}

impl Decoder {
    fn new(method: &Method, model: LoadedModel, context: usize) -> Result<Self> {
        Ok(match method {
            Method::Bytes => Self::Bytes,
            Method::EqualInfo { window_bits, code, reset: Reset::Every, .. } if code != "paper" => Self::Windows {
                session: Box::new(model.session(context)?),
                bits: WindowBits::from_bits(*window_bits)
                    .with_context(|| format!("no windows of {window_bits} bits"))?,
                code: Encoding::from_name(code).with_context(|| format!("no window code '{code}'"))?.code(),
                context,
                pending: Vec::new(),
            },
            Method::Lexicon { .. } => Self::Lexicon { lexicon: model, pending: Vec::new() },
            Method::Unigram { .. } => Self::Subwords { subwords: model, ids: Vec::new(), shown: 0 },
            other => bail!("tokens of {other} do not decode one by one"),
        })
    }

    /// The text that is complete with this token.
    fn push(&mut self, token: u32, token_bits: u32) -> Result<Vec<u8>> {
        let bytes = if token_bits == 8 { vec![token as u8] } else { (token as u16).to_be_bytes().to_vec() };
        let mut text = Vec::new();
        match self {
            Self::Bytes => text = bytes,
            Self::Windows { session, bits, code, context, pending } => {
                pending.extend(bytes);
                while pending.len() >= bits.bytes() {
                    let value = bits.read(pending).context("a window")?;
                    decode_window(session.as_mut(), *bits, *code, *context, value, |byte| text.push(byte));
                    pending.drain(..bits.bytes());
                }
            }
            Self::Lexicon { lexicon, pending } => {
                pending.extend(bytes);
                let lexicon = lexicon.as_lexicon().context("not a lexicon")?;
                while let [high, low, rest @ ..] = &pending[..] {
                    text.extend(lexicon.text(u16::from_be_bytes([*high, *low])));
                    *pending = rest.to_vec();
                }
            }
            Self::Subwords { subwords, ids, shown } => {
                ids.push(token);
                let subwords = subwords.subwords().context("not a vocabulary")?;
                let all = subwords.decode(ids)?;
                if !all.ends_with('\u{fffd}') {
                    text = all.as_bytes().get(*shown..).unwrap_or_default().to_vec();
                    // The last token stays, so that the space before the next is not taken for the beginning of all; but not a byte
                    // within a character.
                    let last = subwords.decode(&[token])?;
                    let stays = !last.contains('\u{fffd}');
                    *ids = if stays { vec![token] } else { Vec::new() };
                    *shown = if stays { last.len() } else { 0 };
                }
            }
        }
        Ok(text)
    }
}

/// Generates.
///
/// # Errors
/// The checkpoint, the tokens and M1 do not belong together, or stdout cannot be written.
pub fn run(arguments: &GenerateArguments) -> Result<()> {
    arguments.model.only_cpu()?;
    let manifest = Manifest::load(&arguments.data)?
        .with_context(|| format!("{}: no token shards there", arguments.data.display()))?;
    let settings = &manifest.settings;
    let checkpoint = Checkpoint::load(&arguments.checkpoint)?;
    let config = checkpoint.state.model;
    ensure!(
        config.vocabulary == settings.vocabulary,
        "{}: {} tokens, but {} is a model of {}",
        arguments.data.display(),
        settings.vocabulary,
        arguments.checkpoint.display(),
        config.vocabulary
    );
    let model = match &settings.method {
        Method::Lexicon { .. } => {
            arguments.lexicon.load()?.context("these tokens are codes of a lexicon: name it with --lexicon")?
        }
        Method::Unigram { .. } => {
            arguments.tokenizer.load()?.context("these tokens are subwords: name their file with --tokenizer")?
        }
        method if method.needs_m1() => arguments.model.load_m1()?,
        _ => LoadedModel::english()?,
    };
    if let Some(id) = &settings.model_id {
        let found = format!("{:016x}", model.id());
        ensure!(
            *id == found,
            "these tokens were made with model {id}, but this is {} {found}; name it with --model",
            model.name()
        );
    }
    let mut decoder = Decoder::new(&settings.method, model.clone(), settings.context)?;
    let token_bits = if settings.vocabulary == 256 { 8 } else { 16 };
    let mut sampler = Sampler::new(config.clone(), checkpoint.training.parameters);
    let mut random = Random::new(arguments.seed);
    let choice = Choice { temperature: arguments.temperature, top_k: arguments.top_k, top_p: arguments.top_p };

    let tokenizer = Tokenizer::new(settings.method.clone(), &model, settings.context)?;
    let mut prompt = tokenizer.tokenize(&mut tokenizer.session()?, arguments.prompt.as_bytes(), sampler.room())?;
    // So many tokens end with a window.
    let whole = settings.method.tokens_of_whole_windows();
    // What follows would fill the last window up otherwise.
    prompt.ids.truncate(prompt.ids.len() / whole * whole);
    ensure!(
        prompt.ids.len() < sampler.room(),
        "--prompt: {} tokens, and the model sees {}",
        prompt.ids.len(),
        config.context
    );
    let mut stdout = std::io::stdout().lock();
    let mut logits = sampler.push(config.start_symbol());
    for &token in &prompt.ids {
        stdout.write_all(&decoder.push(token.into(), token_bits)?).context("(stdout): cannot write")?;
        logits = sampler.push(token.into());
    }
    let mut seen: Vec<u32> = prompt.ids.iter().map(|&token| token.into()).collect();
    let wanted = arguments.tokens.unwrap_or(sampler.room());
    let (started, mut bytes) = (Instant::now(), 0);
    for number in 0..wanted {
        let token = choice.draw(&logits, &mut random);
        let text = decoder.push(token, token_bits)?;
        bytes += text.len();
        stdout.write_all(&text).and_then(|()| stdout.flush()).context("(stdout): cannot write")?;
        seen.push(token);
        if number + 1 < wanted {
            logits = if sampler.room() > 0 {
                sampler.push(token)
            } else {
                // Rows of training begin where windows do, so what is kept does.
                seen.drain(..(seen.len() / 2).next_multiple_of(whole).min(seen.len()));
                sampler.reset();
                let start = sampler.push(config.start_symbol());
                seen.iter().fold(start, |_, &token| sampler.push(token))
            };
        }
    }
    stdout.write_all(b"\n").context("(stdout): cannot write")?;
    if !arguments.quiet {
        let steps = wanted.max(1) as f64;
        eprintln!(
            "{wanted} tokens, {bytes} bytes: {:.3} bytes a step, {:.1} steps/s",
            bytes as f64 / steps,
            steps / started.elapsed().as_secs_f64()
        );
    }
    Ok(())
}
