//! What may change when a run is resumed, and what may not.
//!
//! A resumed run keeps the settings that it was begun with. Options that are not given take no part; those that are
//! given must say the same, as a run that claims other settings than it has would make figures under a wrong name. What
//! may change is where it computes (device, threads, ranks), when it validates, saves and stops, its held-out text, and
//! its end as long as the learning rate has not begun to fall towards it.

use std::fmt::Debug;
use std::path::Path;

use super::checkpoint::State;
use super::optimizer::{LearningRate, Schedule};
use crate::error::{Result, TrainError};
use equalinfo::tokens::shards::Difference;

/// Options that contradict a checkpoint.
#[derive(Default)]
pub struct Comparison(Vec<Difference>);

impl Comparison {
    /// Compares an option, if it is given, with what the run was begun with.
    pub fn option<T: PartialEq + Debug>(&mut self, what: &str, asked: Option<T>, begun: T) {
        if let Some(asked) = asked.filter(|asked| *asked != begun) {
            self.different(what, format!("{begun:?}"), format!("{asked:?}"));
        }
    }

    fn different(&mut self, what: &str, found: String, expected: String) {
        self.0.push(Difference { what: what.to_owned(), found, expected });
    }

    /// The rate of a run that goes on as it was begun, or to another end.
    pub fn end(&mut self, state: &State, steps: Option<u64>, decay_steps: Option<u64>) -> LearningRate {
        let begun = state.settings.learning_rate;
        let asked = LearningRate {
            steps: steps.unwrap_or(begun.steps),
            decay_steps: decay_steps.unwrap_or(begun.decay_steps),
            ..begun
        };
        if asked == begun {
            return begun;
        }
        let falls = |rate: &LearningRate| match rate.schedule {
            Schedule::Cosine => rate.warm_up.min(rate.steps),
            Schedule::Rsqrt => rate.steps,
            Schedule::Constant => rate.steps.saturating_sub(rate.decay_steps),
        };
        let words = |rate: &LearningRate| match rate.schedule {
            Schedule::Constant => format!("{} with a decay over the last {}", rate.steps, rate.decay_steps),
            Schedule::Cosine | Schedule::Rsqrt => rate.steps.to_string(),
        };
        let rounds = state.scales.is_some();
        let (now, first, then) = (state.step, falls(&begun), falls(&asked));
        let has_begun = match begun.schedule {
            Schedule::Rsqrt => rounds,
            Schedule::Cosine | Schedule::Constant => rounds || now > first,
        };
        if has_begun {
            let what = if rounds { "rounding" } else { "decay" };
            self.different("steps", format!("{}, whose {what} has begun by step {now}", words(&begun)), words(&asked));
        } else if now > then {
            self.different("steps", format!("{}, of which {now} are done", words(&begun)), words(&asked));
        }
        asked
    }

    /// # Errors
    /// Options contradict the checkpoint.
    pub fn finish(self, checkpoint: &Path) -> Result<()> {
        let Self(differences) = self;
        if differences.is_empty() {
            return Ok(());
        }
        Err(TrainError::OtherOptions { checkpoint: checkpoint.to_owned(), differences })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::Origin;
    use crate::settings::Settings;
    use crate::tests::{TINY, settings};
    use equalinfo::quantize::ActivationScales;

    #[test]
    fn the_end_moves_until_the_rate_falls_towards_it() {
        // Begun with 20 steps, of which the first 5 warm up and the last 5 decay.
        let state = |schedule, step, rounds: bool| {
            let begun = settings(20);
            let learning_rate = LearningRate { schedule, ..begun.learning_rate };
            State {
                name: "tiny".to_owned(),
                origin: Origin::Text { sha256: String::new(), messages_sha256: None },
                model: TINY,
                settings: Settings { learning_rate, ..begun },
                step,
                bytes: 0,
                seconds: 0.0,
                windows_step: 0,
                windows_sha256: None,
                scales: rounds.then(|| ActivationScales { layers: Vec::new(), output_clip: 1.0 }),
            }
        };
        for (schedule, step, rounds, steps, decay_steps, allowed) in [
            (Schedule::Constant, 15, false, Some(40), None, true),
            (Schedule::Constant, 16, false, Some(40), None, false),
            (Schedule::Constant, 16, false, Some(20), Some(5), true),
            (Schedule::Constant, 16, false, None, Some(6), false),
            // The rate would have had to fall before now.
            (Schedule::Constant, 10, false, Some(12), None, false),
            (Schedule::Constant, 10, false, Some(12), Some(2), true),
            (Schedule::Constant, 10, true, Some(40), None, false),
            (Schedule::Cosine, 5, false, Some(40), None, true),
            (Schedule::Cosine, 6, false, Some(40), None, false),
            (Schedule::Rsqrt, 19, false, Some(40), None, true),
            (Schedule::Rsqrt, 19, false, Some(18), None, false),
            (Schedule::Rsqrt, 19, true, Some(40), None, false),
        ] {
            let mut compared = Comparison::default();
            let rate = compared.end(&state(schedule, step, rounds), steps, decay_steps);
            let result = compared.finish(Path::new("run"));
            assert_eq!(
                result.is_ok(),
                allowed,
                "{schedule:?} at {step}, to {steps:?} with {decay_steps:?}: {result:?}"
            );
            assert_eq!(rate.steps, steps.unwrap_or(20));
        }
    }
}
