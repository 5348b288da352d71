//! The files of a run.

use std::fs;
use std::path::{Path, PathBuf};

use super::checkpoint::{Checkpoint, CheckpointError, Kind};
use super::tensorboard;
use crate::error::{Result, TrainError};
use crate::ranks::Ranks;
use equalinfo::files::DirectoryLock;

/// Where a run lives on disk.
#[derive(Debug, Clone)]
pub struct Directory(pub PathBuf);

/// A checkpoint to continue from.
pub struct Latest {
    /// The run as it was.
    pub checkpoint: Checkpoint,
    /// Why it is not the newest, where that is so.
    pub recovery: Option<Recovery>,
}

/// What became of a newest checkpoint that does not read back.
#[derive(Debug)]
pub struct Recovery {
    /// Why it does not.
    pub error: CheckpointError,
    /// The one before it, which takes its place.
    pub previous: PathBuf,
    /// The steps that had been done by then.
    pub step: u64,
}

impl Directory {
    /// The run's last checkpoint.
    pub fn checkpoint(&self) -> PathBuf {
        self.0.join("checkpoint.safetensors")
    }

    /// The checkpoint before it.
    pub fn previous(&self) -> PathBuf {
        self.0.join("checkpoint.previous.safetensors")
    }

    /// Where a checkpoint goes that does not read back.
    fn damaged(&self) -> PathBuf {
        self.0.join("checkpoint.damaged.safetensors")
    }

    /// How the run went: a line of JSON for each validation ([`Metrics`](crate::metrics::Metrics)).
    pub fn metrics(&self) -> PathBuf {
        self.0.join("metrics.jsonl")
    }

    pub(super) fn events(&self) -> PathBuf {
        self.0.join(tensorboard::FILE)
    }

    pub(super) fn windows(&self, step: u64) -> PathBuf {
        self.0.join(format!("windows-{step}.json.zst"))
    }

    /// Makes the directory that was asked for, else `runs/NAME`, and keeps others from writing it as long as the lock
    /// lives. Of several ranks the first one writes.
    ///
    /// # Errors
    /// The name is longer than `longest` or would lead elsewhere, or somebody writes into the directory.
    pub(super) fn make(
        asked: Option<&Path>,
        name: &str,
        longest: usize,
        ranks: &Ranks,
    ) -> Result<(Self, Option<DirectoryLock>)> {
        let is_plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'/' | b'\\');
        if !(1..=longest).contains(&name.len()) || name.starts_with('.') || !name.bytes().all(is_plain) {
            return Err(TrainError::Name { found: name.to_owned(), longest });
        }
        let path = asked.map_or_else(|| Path::new("runs").join(name), Path::to_owned);
        let lock = ranks.is_first().then(|| DirectoryLock::take(&path)).transpose()?;
        Ok((Self(path), lock))
    }

    /// The last checkpoint that reads back, if there is any.
    ///
    /// # Errors
    /// There are some, and none reads back or is of this kind.
    pub fn latest(&self, kind: Kind) -> Result<Option<Latest>> {
        let [newest, previous] = [self.checkpoint(), self.previous()];
        if !newest.exists() && !previous.exists() {
            return Ok(None);
        }
        let error = match Checkpoint::load_of(&newest, kind) {
            Ok(checkpoint) => return Ok(Some(Latest { checkpoint, recovery: None })),
            Err(error) => error,
        };
        match Checkpoint::load_of(&previous, kind) {
            Ok(checkpoint) => {
                let step = checkpoint.state.step;
                Ok(Some(Latest { checkpoint, recovery: Some(Recovery { error, previous, step }) }))
            }
            Err(_) => Err(error.into()),
        }
    }

    /// The model of a finished run.
    pub(super) fn image(&self, name: &str) -> PathBuf {
        self.0.join(format!("{name}.m1q"))
    }

    /// The checkpoint to continue from. A run that was not to be resumed, or a model, is never overwritten by accident.
    pub(super) fn resumed(&self, resume: bool, kind: Kind, name: &str) -> Result<Option<Latest>> {
        if resume {
            let checkpoint = self.checkpoint();
            return self.latest(kind)?.map(Some).ok_or(TrainError::NothingToResume { checkpoint });
        }
        if let Some(checkpoint) =
            [self.checkpoint(), self.previous()].into_iter().find(|checkpoint| checkpoint.exists())
        {
            return Err(TrainError::RunExists { checkpoint });
        }
        let path = self.image(name);
        if path.exists() { Err(TrainError::FileExists { path }) } else { Ok(None) }
    }

    /// Puts a newest checkpoint aside that does not read back, so that it does not take the place of the one before it.
    pub(super) fn put_aside(&self) -> Result<()> {
        let newest = self.checkpoint();
        if newest.exists() {
            fs::rename(&newest, self.damaged()).map_err(TrainError::file(&newest, "put aside"))?;
        }
        Ok(())
    }

    /// Writes a checkpoint. The last one becomes the one before it, and at any moment there is one of the two.
    pub(super) fn save(&self, checkpoint: &Checkpoint) -> Result<()> {
        let newest = self.checkpoint();
        if newest.exists() {
            self.keep(&newest).map_err(TrainError::file(&newest, "keep"))?;
        }
        Ok(checkpoint.save(&newest)?)
    }

    /// Gives the newest checkpoint the name of the one before it too; where a filesystem has no links, instead.
    fn keep(&self, newest: &Path) -> std::io::Result<()> {
        let link = self.0.join(".checkpoint.previous.partial");
        if link.symlink_metadata().is_ok() {
            fs::remove_file(&link)?;
        }
        match fs::hard_link(newest, &link) {
            Ok(()) => fs::rename(&link, self.previous()),
            Err(_) => fs::rename(newest, self.previous()),
        }
    }

    /// Removes the windows of older steps than these.
    pub(super) fn forget_windows(&self, kept: [u64; 2]) {
        let Ok(entries) = fs::read_dir(&self.0) else { return };
        for path in entries.flatten().map(|entry| entry.path()) {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let step = name.strip_prefix("windows-").and_then(|name| name.strip_suffix(".json.zst"));
            if step.and_then(|step| step.parse().ok()).is_some_and(|step: u64| !kept.contains(&step)) {
                fs::remove_file(&path).ok();
            }
        }
    }
}
