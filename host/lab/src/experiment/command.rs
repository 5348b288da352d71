//! The commands that a user would type for the steps of an experiment, from the options that were used: the one place where options become words.
//!
//! A command shows what decides its result, the threads of training among it, of which sums depend in their last bits. It leaves out defaults, other
//! threads, and when a training run is validated, saved and stopped; no figure depends on those. The tool reads every command back to the same options, which its tests check.

use std::fmt::{self, Display};
use std::path::{Path, PathBuf};

use equalinfo::corpus::CorpusOptions;
use equalinfo::cuda::DeviceChoice;
use equalinfo::lexicon::kind_name;
use equalinfo::tokens::shards::RowLayout;
use equalinfo::tokens::{Align, Reset, Task, TokenMethod};
use equalinfo_train::cpu::matmul::Precision;
use equalinfo_train::m2::{M2Options, MeasureOptions, Preset};
use equalinfo_train::optimizer::{OptimizerKind, Schedule};

use crate::prepare::{LexiconOptions, ModelFile, SubwordOptions, SubwordTrainer, TokenizeOptions};

/// A step of an experiment. Its `Display` is what a user would type.
#[derive(Debug, Clone)]
pub enum Command {
    /// `train unigram` and `train bpe`
    TrainSubwords {
        /// How they are trained.
        options: SubwordOptions,
        /// Their file.
        output: PathBuf,
    },
    /// `lexicon build`
    BuildLexicon {
        /// How it is built.
        options: LexiconOptions,
        /// Its file.
        output: PathBuf,
    },
    /// `tokenize`
    Tokenize(TokenizeOptions),
    /// `train m2`
    TrainM2(Box<M2Options>),
    /// `eval m2`
    MeasureM2(MeasureOptions),
}

impl Command {
    /// The words before the options: `train m2`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::TrainSubwords { options: SubwordOptions { trainer: SubwordTrainer::Unigram, .. }, .. } => {
                "train unigram"
            }
            Self::TrainSubwords { .. } => "train bpe",
            Self::BuildLexicon { .. } => "lexicon build",
            Self::Tokenize(_) => "tokenize",
            Self::TrainM2(_) => "train m2",
            Self::MeasureM2(_) => "eval m2",
        }
    }
}

impl Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = Line(format!("equalinfo {}", self.name()));
        match self {
            Self::TrainSubwords { options, output } => line.subwords(options, output),
            Self::BuildLexicon { options, output } => line.lexicon(options, output),
            Self::Tokenize(options) => line.tokenize(options),
            Self::TrainM2(options) => line.train(options),
            Self::MeasureM2(options) => line.measure(options),
        }
        f.write_str(&line.0)
    }
}

/// A command line in the making.
struct Line(String);

impl Line {
    /// Appends a word, in quotes if a shell would take it for something else.
    fn word(&mut self, word: impl Display) {
        let word = word.to_string();
        self.0.push(' ');
        // Only a zero byte has no quotes, and no option holds one.
        self.0.push_str(&shlex::try_quote(&word).unwrap_or_else(|_| (&word).into()));
    }

    fn option(&mut self, name: &str, value: impl Display) {
        self.word(name);
        self.word(value);
    }

    /// The option unless it has its default.
    fn unless<T: PartialEq + Display>(&mut self, name: &str, value: T, default: T) {
        if value != default {
            self.option(name, value);
        }
    }

    fn optional<T: Display>(&mut self, name: &str, value: Option<T>) {
        if let Some(value) = value {
            self.option(name, value);
        }
    }

    fn path(&mut self, name: &str, path: Option<&Path>) {
        self.optional(name, path.map(Path::display));
    }

    fn list(&mut self, name: &str, values: &[String]) {
        if !values.is_empty() {
            self.word(name);
            values.iter().for_each(|value| self.word(value));
        }
    }

    fn flag(&mut self, name: &str, is_set: bool) {
        if is_set {
            self.word(name);
        }
    }

    fn reading(&mut self, reading: &CorpusOptions) {
        self.unless("--text-field", &reading.text_field[..], "text");
        self.flag("--lines", reading.lines);
        self.optional("--shard", reading.shard);
        self.optional("--limit", reading.limit.map(Size));
        self.unless("--skip-bad", reading.skip_bad, 0);
    }

    fn subwords(&mut self, options: &SubwordOptions, output: &Path) {
        self.list("--corpus", &options.corpus);
        self.reading(&options.reading);
        self.option("--vocabulary", options.vocabulary);
        if let SubwordTrainer::Bpe { superwords } = options.trainer {
            self.unless("--superwords", superwords, 0);
        }
        self.option("-o", output.display());
    }

    fn lexicon(&mut self, options: &LexiconOptions, output: &Path) {
        self.option("--kind", kind_name(options.kind));
        self.optional("--model", options.model.as_ref());
        self.list("--corpus", &options.corpus);
        self.optional("--limit", (!options.corpus.is_empty()).then_some(Size(options.limit)));
        self.optional("--context", options.context);
        self.option("-o", output.display());
    }

    fn tokenize(&mut self, options: &TokenizeOptions) {
        let default = TokenizeOptions::default();
        options.files.iter().for_each(|file| self.word(file));
        self.method(&options.method);
        match &options.model {
            ModelFile::M1(name) => self.optional("--model", name.as_ref()),
            ModelFile::Lexicon(path) => self.path("--lexicon", Some(path)),
            ModelFile::Subwords(path) => self.path("--tokenizer", Some(path)),
        }
        self.reading(&options.reading);
        self.optional("--context", options.context);
        self.unless("--layout", layout_name(options.layout), layout_name(default.layout));
        self.flag("--end-of-document", options.end_of_document);
        self.unless("--device", device_name(options.device), device_name(default.device));
        self.unless("--rows-per-shard", options.rows_per_shard, default.rows_per_shard);
        self.option("--sequence", options.sequence);
        self.optional("--tokens", options.tokens);
        self.option("-o", options.output.display());
    }

    /// The method without the file that it needs.
    fn method(&mut self, method: &TokenMethod) {
        match method {
            TokenMethod::Bytes => self.option("--method", "bytes"),
            TokenMethod::Unigram { .. } | TokenMethod::Bpe { .. } | TokenMethod::SuperBpe { .. } => {
                self.option("--method", "unigram");
            }
            TokenMethod::Gzip { token_bits } => self.coded("gzip", *token_bits),
            TokenMethod::StaticAc { token_bits } => self.coded("static-ac", *token_bits),
            TokenMethod::Ac { token_bits } => self.coded("ac", *token_bits),
            TokenMethod::Lexicon { token_bits, .. } => self.coded("equal-info", *token_bits),
            TokenMethod::EqualInfo { window_bits, token_bits, code, reset, align } => {
                self.option("--method", "equal-info");
                self.option("--window-bits", window_bits);
                self.option("--token-bits", token_bits);
                self.unless("--code", &code[..], "default");
                self.unless("--reset", reset_name(*reset), reset_name(Reset::Every));
                self.unless("--align", align_name(*align), align_name(Align::None));
            }
            TokenMethod::Seq2seq { task, of, example } => {
                self.method(of);
                self.option("--task", task_name(*task));
                self.option("--task-bytes", example);
            }
        }
    }

    fn coded(&mut self, method: &str, token_bits: u32) {
        self.option("--method", method);
        self.option("--token-bits", token_bits);
    }

    fn train(&mut self, options: &M2Options) {
        options.data.iter().for_each(|source| self.option("--data", source));
        self.path("--dev", options.dev.as_deref());
        self.optional("--preset", options.preset.map(Preset::name));
        self.optional("--steps", options.steps);
        self.optional("--batch", options.batch);
        self.optional("--optimizer", options.optimizer.map(optimizer_name));
        self.optional("--schedule", options.schedule.map(schedule_name));
        self.optional("--learning-rate", options.learning_rate);
        self.optional("--warmup", options.warmup);
        self.optional("--weight-decay", options.weight_decay);
        self.optional("--clip", options.clip);
        self.optional("--z-loss", options.z_loss);
        self.flag("--recompute", options.recompute);
        self.optional("--seed", options.seed);
        self.option("--device", device_name(options.device));
        self.optional("--threads", options.threads);
        self.optional("--precision", options.precision.map(Precision::name));
        self.optional("--name", options.name.as_ref());
        self.path("-o", options.output.as_deref());
    }

    fn measure(&mut self, options: &MeasureOptions) {
        self.word(options.checkpoint.display());
        self.option("--data", options.data.display());
        options.training_data.iter().for_each(|source| self.option("--training-data", source));
        self.option("--device", device_name(options.device));
        self.optional("--rows", options.rows);
        self.optional("--model", options.model.as_ref());
    }
}

/// Bytes, with the suffix that they are a whole multiple of.
struct Size(u64);

impl Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = [(30, "G"), (20, "M"), (10, "K")]
            .into_iter()
            .find(|(shift, _)| self.0 > 0 && self.0.is_multiple_of(1 << shift));
        let (shift, suffix) = unit.unwrap_or((0, ""));
        write!(f, "{}{suffix}", self.0 >> shift)
    }
}

fn device_name(device: DeviceChoice) -> &'static str {
    match device {
        DeviceChoice::Auto => "auto",
        DeviceChoice::Cpu => "cpu",
        DeviceChoice::Cuda => "cuda",
    }
}

fn layout_name(layout: RowLayout) -> &'static str {
    match layout {
        RowLayout::Examples => "examples",
        RowLayout::Stream => "stream",
    }
}

fn reset_name(reset: Reset) -> &'static str {
    match reset {
        Reset::Every => "every",
        Reset::EveryOther => "every-other",
        Reset::Never => "never",
    }
}

fn align_name(align: Align) -> &'static str {
    match align {
        Align::None => "none",
        Align::Word => "word",
    }
}

fn task_name(task: Task) -> &'static str {
    match task {
        Task::Decompress => "decompress",
        Task::Compress => "compress",
        Task::Text => "text",
    }
}

fn optimizer_name(optimizer: OptimizerKind) -> &'static str {
    match optimizer {
        OptimizerKind::Adamw => "adamw",
        OptimizerKind::Adafactor => "adafactor",
        OptimizerKind::Muon => "muon",
    }
}

fn schedule_name(schedule: Schedule) -> &'static str {
    match schedule {
        Schedule::Cosine => "cosine",
        Schedule::Rsqrt => "rsqrt",
        Schedule::Constant => "constant",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_a_shell_would_take_apart_are_quoted() {
        let options = SubwordOptions {
            corpus: vec!["my texts/a.txt".to_owned(), "b.txt".to_owned()],
            reading: CorpusOptions { limit: Some(3 << 19), ..CorpusOptions::default() },
            vocabulary: 600,
            trainer: SubwordTrainer::Unigram,
        };
        let command = Command::TrainSubwords { options, output: "it's.json".into() };
        assert_eq!(
            command.to_string(),
            "equalinfo train unigram --corpus 'my texts/a.txt' b.txt --limit 1536K --vocabulary 600 -o \"it's.json\""
        );
    }
}
