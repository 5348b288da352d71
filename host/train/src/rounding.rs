//! How a run comes to round as the integer model does: the basis, the steps of activations, and when they are chosen.

use std::sync::Arc;

use super::backend::Gather;
use super::basis;
use super::device::DeviceError;
use super::graph::Batch;
use super::optimizer::OptimizerKind;
use super::run::TrainingRun;
use super::settings::{DEV_LENGTH, Settings};
use crate::error::Result;
use equalinfo::quantize::ActivationScales;

/// Passes over all scales in [`TrainingRun::refined`].
const REFINEMENTS: usize = 2;
/// Training text that scales are chosen on, in bytes.
const CALIBRATION_BYTES: usize = 32 << 10;

impl TrainingRun {
    /// When rounding begins, and twice more while the activations still move.
    pub(super) fn calibration_due(&self) -> bool {
        let Settings { rounded_steps, learning_rate, .. } = self.settings;
        let first = learning_rate.steps.saturating_sub(rounded_steps);
        let begins = self.scales.is_none() && self.step() >= first;
        rounded_steps > 0 && (begins || (1..3).any(|time| self.step() == first + time * rounded_steps / 4))
    }

    /// Brings the model to a basis that rounds well, see [`super::basis`].
    fn change_basis(&mut self, hidden: &[Vec<f32>]) -> Result<()> {
        // Adafactor's factored moments belong to rows and columns, and its updates keep to them.
        if self.settings.optimizer != OptimizerKind::Adafactor {
            let mut state = self.backend.state(Gather::All)?;
            basis::equalize(&self.model, hidden, &mut state);
            basis::rotate(&self.model, self.settings.seed, &mut state);
            self.backend.set_state(state);
        }
        Ok(())
    }

    /// Chooses steps of the activations that suit some rows of the training text.
    pub(super) fn calibrate(&mut self) -> Result<Arc<ActivationScales>> {
        let batches = self.calibration_batches()?;
        let first = batches.first().cloned().unwrap_or_default();
        let ranks = self.ranks.clone();
        if self.scales.is_none() {
            let hidden = ranks.by_first(|| Ok::<_, DeviceError>(self.backend.calibrate(first.clone())?.hidden))?;
            self.change_basis(&hidden)?;
        }
        let scales = ranks.by_first(|| {
            let scales = self.backend.calibrate(first)?.scales;
            self.refined(scales, &batches)
        });
        let scales = Arc::new(scales?);
        self.scales = Some(scales.clone());
        Ok(scales)
    }

    fn calibration_batches(&self) -> Result<Vec<Batch>> {
        let Settings { sequence, micro_batch, batch, .. } = self.settings;
        let rows = (CALIBRATION_BYTES / sequence).clamp(1, 2 * batch) as u64;
        let rows: Vec<u64> = (0..rows).map(|row| u64::MAX - row).collect();
        rows.chunks((micro_batch.max(DEV_LENGTH) / sequence).max(1)).map(|rows| self.rows(rows)).collect()
    }

    /// Moves one scale at a time by a fourth of an octave as long as that lowers the loss of the rounded model: the square error that scales are first chosen by
    /// doesn't know how much each activation matters.
    fn refined(&mut self, mut scales: ActivationScales, batches: &[Batch]) -> Result<ActivationScales, DeviceError> {
        let mut loss = |scales: &ActivationScales| {
            Ok::<_, DeviceError>(self.backend.evaluate(batches.to_vec(), Some(&Arc::new(scales.clone())))?.nats)
        };
        let mut best = loss(&scales)?;
        for _ in 0..REFINEMENTS {
            for index in 0..scales.narrow_mut().count() {
                for factor in [-0.25f32, 0.25].map(f32::exp2) {
                    loop {
                        let mut moved = scales.clone();
                        moved.narrow_mut().skip(index).take(1).for_each(|scale| *scale *= factor);
                        let nats = loss(&moved)?;
                        if nats.total_cmp(&best).is_ge() {
                            break;
                        }
                        (scales, best) = (moved, nats);
                    }
                }
            }
        }
        Ok(scales)
    }

    /// Steps of the activations that suit the model as it is: those it was trained with, refined, or new ones.
    ///
    /// # Errors
    /// A device or another rank fails.
    pub fn activation_scales(&mut self) -> Result<Arc<ActivationScales>> {
        let scales = match self.scales.clone() {
            Some(scales) => {
                let batches = self.calibration_batches()?;
                let ranks = self.ranks.clone();
                Arc::new(ranks.by_first(|| self.refined(ActivationScales::clone(&scales), &batches))?)
            }
            None => self.calibrate()?,
        };
        self.scales = Some(scales.clone());
        Ok(scales)
    }
}
