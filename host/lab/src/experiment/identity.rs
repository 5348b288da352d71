//! What an experiment is, beside its results: `plan.toml`, which the directory keeps and every call is compared with.
//!
//! The plan says how, and digests say on what: a text or a model that changed under its name would otherwise give old
//! results under a new name. Texts are named for people; what counts is what is in them, so a corpus that was moved is
//! the same ([`Corpus::digest`]).

use std::fs;
use std::path::Path;

use equalinfo::Model;
use equalinfo::Subwords;
use equalinfo::corpus::{Corpus, CorpusOptions};
use equalinfo::files::write;
use equalinfo::tokens::shards::differences;
use serde::{Deserialize, Serialize};

use super::ExperimentOptions;
use super::plan::{Plan, PlanError};
use crate::{LabError, Result};

/// What no result depends on.
const GROWING: [&str; 4] = ["title", "methods", "presets", "seeds"];

/// The contents of `plan.toml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Identity {
    /// Name and id of M1.
    pub m1: String,
    /// Training text, as it was named.
    pub corpus: Vec<String>,
    /// Its digest.
    pub corpus_sha256: String,
    /// Held-out text, as it was named.
    pub test: Vec<String>,
    /// Its digest.
    pub test_sha256: String,
    /// Name and id of the vocabulary of subwords that the plan names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokenizer: Option<String>,
    /// Methods, sizes of M2 and a budget.
    pub plan: Plan,
}

impl Identity {
    /// What these options and the files that they name are now.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn new(options: &ExperimentOptions, m1: &Model) -> Result<Self> {
        let ExperimentOptions { plan, corpus, test, .. } = options;
        let digest = |files: &[String]| Corpus::new(files, CorpusOptions::default())?.digest();
        let subwords = plan.tokenizer.as_ref().map(Subwords::open).transpose()?;
        Ok(Self {
            m1: format!("{} {:016x}", m1.name(), m1.id()),
            corpus: corpus.clone(),
            corpus_sha256: digest(corpus)?,
            test: test.clone(),
            test_sha256: digest(test)?,
            tokenizer: subwords.map(|subwords| format!("{} {:016x}", subwords.name(), subwords.id())),
            plan: plan.clone(),
        })
    }

    /// Compares with what the directory keeps, or keeps this there. A plan may grow: more methods, sizes or seeds leave
    /// the results that are there as they are.
    ///
    /// # Errors
    /// The directory holds another experiment ([`LabError::OtherExperiment`]), or a file that is none.
    pub fn keep(&self, directory: &Path) -> Result<()> {
        let path = directory.join("plan.toml");
        let Ok(text) = fs::read_to_string(&path) else { return self.write(&path) };
        let name = path.display().to_string();
        let kept: Self =
            toml::from_str(&text).map_err(|source| PlanError::Syntax { name, source: Box::new(source) })?;
        let mut different = differences(&kept, self, &["corpus", "test", "plan"]);
        different.extend(differences(&kept.plan, &self.plan, &GROWING));
        if !different.is_empty() {
            return Err(LabError::OtherExperiment { directory: directory.to_owned(), differences: different });
        }
        if kept.plan == self.plan { Ok(()) } else { self.write(&path) }
    }

    fn write(&self, path: &Path) -> Result<()> {
        let text = toml::to_string_pretty(self).map_err(LabError::library)?;
        Ok(write(path, text.as_bytes())?)
    }
}
