//! What an experiment is: methods, sizes of M2 and a budget, read from a TOML file.

use std::io;
use std::path::Path;

use equalinfo::tokens::TokenMethod;
use equalinfo::tokens::shards::LONGEST_ROW;
use equalinfo_train::m2::Preset;
use equalinfo_train::optimizer::OptimizerKind;
use serde::{Deserialize, Serialize};

use super::file_name;

/// The contents of the file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// What the report says that it is.
    pub title: String,
    /// M1: a shipped model or the path of an .m1q file.
    pub m1: String,
    /// Sizes of M2.
    pub presets: Vec<Preset>,
    /// Steps of the optimizer; with [`Budget::Bytes`] those of method `bytes`.
    pub steps: u64,
    /// Those of methods with more than 1,024 tokens, if others: on small machines the output of M2 is nearly all of their cost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steps_of_wide_tokens: Option<u64>,
    /// Rows in a step.
    pub batch: usize,
    /// Tokens in a row.
    #[serde(default = "sequence")]
    pub sequence: u32,
    /// Whether a token of its own follows each document.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub end_of_document: bool,
    /// What methods have in common.
    #[serde(default)]
    pub budget: Budget,
    /// `adafactor` with the paper's schedule, or `adamw` or `muon` with a cosine.
    #[serde(default = "optimizer")]
    pub optimizer: OptimizerKind,
    /// Rows of held-out tokens that are measured at the end.
    pub measured_rows: u64,
    /// A `tokenizer.json` for the methods of subwords; without it, each one's are trained on the training text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokenizer: Option<String>,
    /// Decides initial weights and the order of the rows.
    #[serde(default = "seed")]
    pub seed: u64,
    /// Runs of each M2, with seeds that count up from `seed`: the report then shows how far they lie apart.
    #[serde(default = "seeds")]
    pub seeds: u64,
    /// How text becomes tokens.
    pub methods: Vec<TokenMethod>,
}

/// What methods have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Budget {
    /// As many tokens each, as in the paper.
    #[default]
    Tokens,
    /// As much text each.
    Bytes,
}

/// The most steps.
const MOST_STEPS: u64 = 1_000_000_000;
/// The most rows in a step, and that are measured.
const MOST_ROWS: u64 = 1 << 20;
/// The most runs of each M2.
const MOST_SEEDS: u64 = 100;
/// The most tokens of a run.
const MOST_TOKENS: u64 = 1 << 50;

/// Of more tokens, M2's output is the better part of a small one.
const WIDE: usize = 1024;

fn sequence() -> u32 {
    512
}

fn optimizer() -> OptimizerKind {
    OptimizerKind::Adafactor
}

fn seed() -> u64 {
    1
}

fn seeds() -> u64 {
    1
}

/// The plans that come with this crate: their names and contents.
pub const SHIPPED: [(&str, &str); 6] = [
    ("smoke", include_str!("../../plans/smoke.toml")),
    ("paper-3m", include_str!("../../plans/paper-3m.toml")),
    ("paper-25m", include_str!("../../plans/paper-25m.toml")),
    ("paper-full", include_str!("../../plans/paper-full.toml")),
    ("paper-seq2seq", include_str!("../../plans/paper-seq2seq.toml")),
    ("words", include_str!("../../plans/words.toml")),
];

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// Neither a shipped plan nor a file has this name.
    #[error("{name}: no such file; shipped experiments are {}", SHIPPED.map(|(name, _)| name).join(", "))]
    Unknown {
        /// What was asked for.
        name: String,
    },
    /// The file cannot be read.
    #[error("{name}: cannot read")]
    Read {
        /// The file.
        name: String,
        /// The system's answer.
        source: io::Error,
    },
    /// The file is not a plan.
    #[error("{name}: not an experiment")]
    Syntax {
        /// The file.
        name: String,
        /// Where it is not, and what was expected there.
        source: Box<toml::de::Error>,
    },
    /// The plan makes no sense.
    #[error("{name}: {mistake}")]
    Mistake {
        /// The file.
        name: String,
        /// What is wrong.
        mistake: String,
    },
}

impl Plan {
    /// A shipped plan by its name, or a file.
    ///
    /// # Errors
    /// There is no such plan, or the file is not one.
    pub fn load(name: &str) -> Result<Self, PlanError> {
        let owned = || name.to_owned();
        let shipped = SHIPPED.iter().find(|(shipped, _)| *shipped == name);
        let text = match shipped {
            Some((_, text)) => (*text).to_owned(),
            None if Path::new(name).exists() => {
                std::fs::read_to_string(name).map_err(|source| PlanError::Read { name: owned(), source })?
            }
            None => return Err(PlanError::Unknown { name: owned() }),
        };
        let syntax = |source| PlanError::Syntax { name: owned(), source: Box::new(source) };
        let plan: Self = toml::from_str(&text).map_err(syntax)?;
        match plan.mistake() {
            Some(mistake) => Err(PlanError::Mistake { name: owned(), mistake }),
            None => Ok(plan),
        }
    }

    fn mistake(&self) -> Option<String> {
        if self.methods.is_empty() || self.presets.is_empty() {
            return Some("an experiment needs methods and presets".to_owned());
        }
        let most_steps = self.steps.max(self.steps_of_wide_tokens.unwrap_or(0));
        for (what, found, most) in [
            ("steps", self.steps, MOST_STEPS),
            ("steps_of_wide_tokens", self.steps_of_wide_tokens.unwrap_or(1), MOST_STEPS),
            ("batch", self.batch as u64, MOST_ROWS),
            ("sequence", u64::from(self.sequence), LONGEST_ROW as u64),
            ("measured_rows", self.measured_rows, MOST_ROWS),
            ("seeds", self.seeds, MOST_SEEDS),
        ] {
            if !(1..=most).contains(&found) {
                return Some(format!("{what} {found}: expected 1 to {most}"));
            }
        }
        let tokens =
            [self.batch as u64, u64::from(self.sequence)].iter().try_fold(most_steps, |all, n| all.checked_mul(*n));
        if tokens.is_none_or(|tokens| tokens > MOST_TOKENS) {
            return Some(format!("steps, batch and sequence: expected at most {MOST_TOKENS} tokens in all"));
        }
        let check = |method: &TokenMethod| {
            let vocabulary = || method.vocabulary_with(self.end_of_document);
            method.check().and_then(|()| vocabulary()).err()
        };
        if let Some(error) = self.methods.iter().find_map(check) {
            return Some(error.to_string());
        }
        let preset = (0..self.presets.len()).find(|&index| self.presets[..index].contains(&self.presets[index]));
        if let Some(index) = preset {
            return Some(format!("preset {} is there twice", self.presets[index]));
        }
        // Files are named after methods; those of one name would be taken for each other.
        let names: Vec<String> = self.methods.iter().map(file_name).collect();
        let twice = (0..names.len()).find(|&index| names[..index].contains(&names[index]));
        twice.map(|index| format!("{} is there twice", self.methods[index]))
    }

    /// The seeds of each M2's runs.
    pub fn seeds(&self) -> impl Iterator<Item = u64> + use<> {
        let first = self.seed;
        (0..self.seeds).map(move |number| first.wrapping_add(number))
    }

    /// Steps of a method on as many tokens as any.
    pub fn token_steps(&self, method: &TokenMethod) -> u64 {
        self.steps_of_wide_tokens.filter(|_| method.vocabulary() > WIDE).unwrap_or(self.steps)
    }

    /// Steps of a method whose tokens stand for `ratio` bytes each.
    pub fn steps(&self, method: &TokenMethod, ratio: f64) -> u64 {
        let steps = self.token_steps(method);
        match self.budget {
            Budget::Tokens => steps,
            Budget::Bytes => ((steps as f64 / ratio).ceil() as u64).max(1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shipped_plans_are_plans() {
        for (name, _) in SHIPPED {
            let plan = Plan::load(name).unwrap();
            let least = if ["paper-3m", "paper-seq2seq", "words"].contains(&name) { 5 } else { 13 };
            assert!(plan.methods.len() >= least, "{name}: {} methods", plan.methods.len());
        }
    }

    #[test]
    fn mistakes_are_named() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("plan.toml");
        let good = include_str!("../../plans/smoke.toml");
        for (from, to, message) in [
            ("tiny", "huge", "huge"),
            ("steps", "stteps", "stteps"),
            ("adamw", "sgd", "sgd"),
            ("method = \"bytes\"", "method = \"byte\"", "byte"),
        ] {
            assert!(good.contains(from), "{from}");
            std::fs::write(&path, good.replace(from, to)).unwrap();
            let error = Plan::load(path.to_str().unwrap()).unwrap_err();
            let cause = std::error::Error::source(&error).map_or_else(String::new, ToString::to_string);
            assert!(cause.contains(message), "{error}: {cause}");
        }
        let seq2seq = include_str!("../../plans/paper-seq2seq.toml");
        std::fs::write(&path, seq2seq.replace("batch = 128", "batch = 128\nend_of_document = true")).unwrap();
        let error = Plan::load(path.to_str().unwrap()).unwrap_err().to_string();
        assert!(error.contains("Text alone") && error.contains("end of a document"), "{error}");
        assert!(Plan::load("no-such-plan").unwrap_err().to_string().contains("smoke"));
    }
}
