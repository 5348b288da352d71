//! How a training run is shown: a progress bar on a terminal, lines elsewhere.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::say;
use equalinfo_train::TrainError;
use equalinfo_train::directory::Recovery;
use equalinfo_train::integer_model::IntegerModel;
use equalinfo_train::metrics::Metrics;
use equalinfo_train::observer::{Event, Observer};
use equalinfo_train::ranks::{RankError, Ranks};
use indicatif::ProgressBar;

use super::messages::shown;
use super::mistake::Mistake;
use super::table::grouped;
use super::{interrupt, progress};

/// Shows a run on stderr, and passes Ctrl-C on to it.
pub struct Progress {
    quiet: bool,
    /// Whether the run's files remain.
    files: bool,
    name: String,
    steps: u64,
    bar: ProgressBar,
    forecast: Forecast,
}

/// What is known of how long the run will take.
enum Forecast {
    /// Nothing before the first step, which takes longer than others.
    Unknown,
    /// When that step had been done.
    Since(Instant, u64),
    /// It has been said, or is not worth a word.
    Done,
}

/// The steps, or else the time, that a forecast is made from.
const FORECAST_STEPS: u64 = 10;
const FORECAST_TIME: Duration = Duration::from_secs(60);

/// A run that takes longer is announced.
const LONG: f64 = 24.0 * 3600.0;

/// Steps between two updates of the bar's message.
const MESSAGE_EVERY: u64 = 20;

impl Progress {
    /// `quiet`: errors only.
    pub fn new(quiet: bool) -> Self {
        let bar = ProgressBar::hidden();
        Self { quiet, files: true, name: String::new(), steps: 0, bar, forecast: Forecast::Unknown }
    }

    /// Of a run whose files are removed afterwards: it does not name them.
    pub fn without_files(quiet: bool) -> Self {
        Self { files: false, ..Self::new(quiet) }
    }

    /// A line of text, above the bar if there is one.
    pub fn say(&self, text: &str) {
        if self.quiet {
        } else if self.bar.is_hidden() {
            say!("{text}");
        } else {
            self.bar.println(text);
        }
    }

    /// Says that a run will take days, once that can be told.
    fn forecast(&mut self, step: u64) {
        let (since, first) = match self.forecast {
            Forecast::Unknown => {
                self.forecast = Forecast::Since(Instant::now(), step);
                return;
            }
            Forecast::Since(since, first) => (since, first),
            Forecast::Done => return,
        };
        let (steps, time) = (step.saturating_sub(first), since.elapsed());
        if steps == 0 || steps < FORECAST_STEPS && time < FORECAST_TIME {
            return;
        }
        self.forecast = Forecast::Done;
        let left = self.steps.saturating_sub(step);
        let seconds = time.as_secs_f64() / steps as f64 * left as f64;
        if seconds > LONG {
            self.say(&format!(
                "{}: the {} steps that are left take about {:.1} days at this speed; Ctrl-C stops with a checkpoint, --minutes sets a limit",
                self.name,
                grouped(left),
                seconds / LONG
            ));
        }
    }

    fn validated(&self, line: &Metrics) -> String {
        let share = |share| format!(" ({:.1}% of the peak)", 100.0 * share);
        format!(
            "{} step {}/{}{}: train {:.4}, dev {:.4} bits/byte, {:.0} KB/s{}, learning rate {:.2e}",
            self.name,
            line.step,
            self.steps,
            if line.rounded { ", rounded" } else { "" },
            line.train_bits_per_byte,
            line.dev_bits_per_byte.unwrap_or(f64::NAN),
            line.bytes_per_second / 1e3,
            line.utilization.map_or_else(String::new, share),
            line.learning_rate
        )
    }
}

/// An integer model that was written, in words.
pub fn exported(path: &Path, model: &IntegerModel) -> String {
    let IntegerModel { image, steps, before, float, integer } = model;
    let before = if *steps > 0 { format!("before fine-tuning {before:.4}, ") } else { String::new() };
    format!(
        "{}: {} bytes; dev: {before}float {float:.4}, integer {integer:.4} bits/byte",
        shown(path),
        grouped(image.len() as u64)
    )
}

/// This process among those that train together, by its launcher's variables.
///
/// # Errors
/// They make no sense, or the others do not come.
pub fn ranks() -> Result<Ranks, RankError> {
    Ranks::from_environment(&mut |launch| {
        let (rank, count, place) = (launch.rank, launch.count, launch.place());
        say!("rank {rank} of {count}, by the launcher's variables: waiting for the others at {place}");
    })
}

/// Names the options that an error of the trainer is about.
pub fn in_words(error: TrainError) -> anyhow::Error {
    let mistake = |options: &str| Mistake::error(format!("{options}: {error}"));
    let options = match &error {
        TrainError::Batch(uneven) => format!("--batch {}", uneven.batch),
        TrainError::OtherOptions { .. } => {
            return anyhow::anyhow!(
                "--resume: {error}; leave out what the run has already, or start another one in another --output"
            );
        }
        TrainError::ShortSequence { sequence, .. } => return mistake(&format!("--sequence {sequence}")),
        TrainError::Bounds(bounds) => return Mistake::error(bounds.to_string()),
        TrainError::Shares => return mistake("--window-share, --message-share"),
        TrainError::TableOrders { .. } => return mistake("--ngrams"),
        TrainError::TableRows { .. } => return mistake("--ngram-rows"),
        TrainError::LongDecay => return mistake("--decay-steps"),
        TrainError::LongWarmUp { .. } => return mistake("--warmup, --steps"),
        TrainError::Grow(_) => "--init, --preset".to_owned(),
        TrainError::NothingToResume { .. } => "--resume".to_owned(),
        TrainError::RunExists { checkpoint } => {
            let checkpoint = checkpoint.display();
            return anyhow::anyhow!("{checkpoint} exists: continue that run with --resume or choose another --output");
        }
        TrainError::Memory(_) => "--recompute, --batch".to_owned(),
        _ => return error.into(),
    };
    anyhow::Error::new(error).context(options)
}

impl Observer for Progress {
    fn event(&mut self, event: &Event<'_>) {
        match event {
            Event::Started { name, description, step, steps } => {
                interrupt::make_graceful();
                self.name = (*name).to_owned();
                self.steps = *steps;
                self.say(&format!("{name}{description}"));
                self.bar = progress::steps(name, *steps, self.quiet);
                self.bar.set_position(*step);
            }
            Event::Recovered(recovery) => {
                let Recovery { error, previous, step } = recovery;
                self.say(&format!("{error}; continuing from step {step} of {}", previous.display()));
            }
            Event::NoHeldOutText => self.say("no --dev: validation is on tokens that training sees as well"),
            Event::CuttingWindows => self.bar.set_message("cutting text into windows"),
            Event::Step { step, bits_per_byte, bytes_per_second } => {
                self.bar.set_position(*step);
                self.forecast(*step);
                if step.is_multiple_of(MESSAGE_EVERY) {
                    let rate = bytes_per_second / 1e3;
                    self.bar.set_message(format!("{bits_per_byte:.4} bits/byte, {rate:.0} KB/s"));
                }
            }
            Event::Validated(metrics) => self.say(&self.validated(metrics)),
            Event::FineTuned { step, bits_per_byte } => {
                self.say(&format!("fine-tuning step {step}: dev {bits_per_byte:.4} bits/byte"));
            }
            Event::Ended { complete, step, checkpoint } => {
                interrupt::make_abrupt();
                self.bar.finish_and_clear();
                self.bar = ProgressBar::hidden();
                let state = if *complete { "trained" } else { "stopped; --resume continues it" };
                let place = if self.files { format!(", checkpoint {}", checkpoint.display()) } else { String::new() };
                self.say(&format!("{}: {state}, step {step}{place}", self.name));
            }
            Event::Exported { path, model } if self.files => {
                self.say(&exported(path, model));
                self.say(&format!("use it: equalinfo compress --model {} FILE", path.display()));
            }
            _ => {}
        }
    }

    fn should_stop(&mut self) -> bool {
        interrupt::requested()
    }
}
