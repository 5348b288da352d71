//! What a run tells whoever started it, and how it is asked to stop: the trainer itself prints nothing.

use std::path::Path;

use super::directory::Recovery;
use super::integer_model::IntegerModel;
use super::metrics::Metrics;

/// Something that happened in a run.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// The run begins or resumes.
    Started {
        /// The model's name.
        name: &'a str,
        /// Its size, its data and where it is trained, in words.
        description: &'a str,
        /// Steps done so far.
        step: u64,
        /// Steps in all.
        steps: u64,
    },
    /// The newest checkpoint does not read back; the one before it takes its place.
    Recovered(&'a Recovery),
    /// There is no held-out text: validation is on what training sees as well.
    NoHeldOutText,
    /// Text is being cut into windows, which takes a while.
    CuttingWindows,
    /// A step of the optimizer was done.
    Step {
        /// Steps done.
        step: u64,
        /// Bits per byte of training text since the last validation.
        bits_per_byte: f64,
        /// Bytes of text per second since the last validation.
        bytes_per_second: f64,
    },
    /// The model was measured on held-out text; the line of `metrics.jsonl`.
    Validated(&'a Metrics),
    /// A step of fine-tuning with rounding was measured.
    FineTuned {
        /// Steps of fine-tuning done.
        step: u64,
        /// Bits per byte of held-out text.
        bits_per_byte: f64,
    },
    /// The run ended.
    Ended {
        /// Whether the last step was done.
        complete: bool,
        /// Steps done.
        step: u64,
        /// Its checkpoint.
        checkpoint: &'a Path,
    },
    /// The integer model was written.
    Exported {
        /// The image.
        path: &'a Path,
        /// How large it is and how well it does.
        model: &'a IntegerModel,
    },
}

/// Follows a run. Every method has a default, so `()` follows in silence.
pub trait Observer {
    /// Called as things happen, on the thread that called the trainer. Only rank 0 reports.
    fn event(&mut self, event: &Event<'_>) {
        let _ = event;
    }

    /// Asked after every step: whether the run should save a checkpoint and stop.
    fn should_stop(&mut self) -> bool {
        false
    }
}

impl Observer for () {}

/// Hears nothing of a run, but can still stop it: what ranks other than the first have.
pub(crate) struct Muted<'a>(pub &'a mut dyn Observer);

impl Observer for Muted<'_> {
    fn should_stop(&mut self) -> bool {
        self.0.should_stop()
    }
}
