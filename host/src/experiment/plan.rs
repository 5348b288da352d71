//! What an experiment is: methods, sizes of M2 and a budget, read from a TOML file.

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::cli::m2::Preset;
use crate::tokenize::method::{Align, Method, Reset, Task};

/// The contents of the file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// What the report says that it is.
    pub title: String,
    /// M1: a shipped model or the path of an .m1q file.
    pub m1: String,
    /// Sizes of M2.
    pub presets: Vec<String>,
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
    #[serde(default)]
    pub budget: Budget,
    /// `adafactor` with the paper's schedule, or `adamw` with a cosine.
    #[serde(default = "optimizer")]
    pub optimizer: String,
    /// Rows of held-out tokens that are measured at the end.
    pub measured_rows: u64,
    /// A `tokenizer.json` for method `unigram`; without it, its subwords are trained on the training text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokenizer: Option<String>,
    #[serde(default = "seed")]
    pub seed: u64,
    pub methods: Vec<Method>,
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

/// Of more tokens, M2's output is the better part of a small one.
const WIDE: usize = 1024;

fn sequence() -> u32 {
    512
}

fn optimizer() -> String {
    "adafactor".to_owned()
}

fn seed() -> u64 {
    1
}

/// The plans that come with the tool.
const SHIPPED: [(&str, &str); 4] = [
    ("smoke", include_str!("../../experiments/smoke.toml")),
    ("paper-25m", include_str!("../../experiments/paper-25m.toml")),
    ("paper-full", include_str!("../../experiments/paper-full.toml")),
    ("paper-seq2seq", include_str!("../../experiments/paper-seq2seq.toml")),
];

impl Plan {
    /// A shipped plan by its name, or a file.
    ///
    /// # Errors
    /// There is no such plan, or the file is not one.
    pub fn load(name: &str) -> Result<Self> {
        let shipped = SHIPPED.iter().find(|(shipped, _)| *shipped == name);
        let text = match shipped {
            Some((_, text)) => (*text).to_owned(),
            None if Path::new(name).exists() => {
                std::fs::read_to_string(name).with_context(|| format!("{name}: cannot read"))?
            }
            None => bail!("{name}: no such file; shipped experiments are {}", SHIPPED.map(|(name, _)| name).join(", ")),
        };
        let plan: Self = toml::from_str(&text).with_context(|| format!("{name}: not an experiment"))?;
        plan.check().with_context(|| name.to_owned())?;
        Ok(plan)
    }

    fn check(&self) -> Result<()> {
        ensure!(!self.methods.is_empty() && !self.presets.is_empty(), "an experiment needs methods and presets");
        ensure!(
            self.steps > 0 && self.steps_of_wide_tokens != Some(0) && self.batch > 0 && self.sequence > 0,
            "steps, batch and sequence are at least 1"
        );
        ensure!(
            matches!(self.optimizer.as_str(), "adafactor" | "adamw"),
            "optimizer '{}': expected adafactor or adamw",
            self.optimizer
        );
        for preset in &self.presets {
            ensure!(Preset::from_str(preset, false).is_ok(), "preset '{preset}': expected tiny, 25m, 113m, 403m or 2b");
        }
        for (index, method) in self.methods.iter().enumerate() {
            ensure!(!self.methods[..index].contains(method), "{method} is there twice");
        }
        Ok(())
    }

    /// Steps of a method on as many tokens as any.
    pub fn token_steps(&self, method: &Method) -> u64 {
        self.steps_of_wide_tokens.filter(|_| method.vocabulary() > WIDE).unwrap_or(self.steps)
    }

    /// Steps of a method whose tokens stand for `ratio` bytes each.
    pub fn steps(&self, method: &Method, ratio: f64) -> u64 {
        let steps = self.token_steps(method);
        match self.budget {
            Budget::Tokens => steps,
            Budget::Bytes => ((steps as f64 / ratio).ceil() as u64).max(1),
        }
    }
}

/// The method as options of `tokenize`, without the files that it needs.
pub fn options(method: &Method) -> Vec<String> {
    let name = match method {
        Method::Bytes => "bytes",
        Method::Gzip { .. } => "gzip",
        Method::StaticAc { .. } => "static-ac",
        Method::Ac { .. } => "ac",
        Method::EqualInfo { .. } | Method::Lexicon { .. } => "equal-info",
        Method::Unigram { .. } => "unigram",
        Method::Seq2seq { task, of, example } => {
            let task = match task {
                Task::Decompress => "decompress",
                Task::Compress => "compress",
                Task::Text => "text",
            };
            let mut options = options(of);
            options.extend(["--task", task, "--task-bytes", &example.to_string()].map(str::to_owned));
            return options;
        }
    };
    let mut options = vec!["--method".to_owned(), name.to_owned()];
    let mut add = |option: &str, value: String| options.extend([option.to_owned(), value]);
    match method {
        Method::Bytes | Method::Unigram { .. } | Method::Seq2seq { .. } => {}
        Method::Gzip { token_bits }
        | Method::StaticAc { token_bits }
        | Method::Ac { token_bits }
        | Method::Lexicon { token_bits, .. } => add("--token-bits", token_bits.to_string()),
        Method::EqualInfo { window_bits, token_bits, code, reset, align } => {
            add("--window-bits", window_bits.to_string());
            add("--token-bits", token_bits.to_string());
            if code != "default" {
                add("--code", code.clone());
            }
            if *reset != Reset::Every {
                add("--reset", (if *reset == Reset::Never { "never" } else { "every-other" }).to_owned());
            }
            if *align == Align::Word {
                add("--align", "word".to_owned());
            }
        }
    }
    options
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shipped_plans_are_plans() {
        for (name, _) in SHIPPED {
            let plan = Plan::load(name).unwrap();
            let least = if name == "paper-seq2seq" { 5 } else { 13 };
            assert!(plan.methods.len() >= least, "{name}: {} methods", plan.methods.len());
        }
    }

    #[test]
    fn mistakes_are_named() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("plan.toml");
        let good = include_str!("../../experiments/smoke.toml");
        for (from, to, message) in [
            ("tiny", "huge", "huge"),
            ("steps", "stteps", "stteps"),
            ("adamw", "sgd", "sgd"),
            ("method = \"bytes\"", "method = \"byte\"", "byte"),
        ] {
            assert!(good.contains(from), "{from}");
            std::fs::write(&path, good.replace(from, to)).unwrap();
            let error = format!("{:#}", Plan::load(path.to_str().unwrap()).unwrap_err());
            assert!(error.contains(message), "{error}");
        }
        assert!(format!("{:#}", Plan::load("no-such-plan").unwrap_err()).contains("smoke"));
    }
}
