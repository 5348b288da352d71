//! Checkpoints: one `.safetensors` file with the parameters, the optimizer's moments and, as metadata, everything else that a run needs to resume.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use safetensors::{Dtype, SafeTensors, View};
use serde::{Deserialize, Serialize};

use super::backend::TrainingState;
use super::model::ModelConfig;
use super::run::Settings;
use crate::cli::files::{Destination, Output};
use crate::quantize::ActivationScales;

const FORMAT: &str = "equalinfo-checkpoint-1";

/// What is written beside the tensors.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct State {
    pub name: String,
    pub model: ModelConfig,
    pub settings: Settings,
    /// Optimizer steps done.
    pub step: u64,
    /// Text positions seen.
    pub bytes: u64,
    /// Seconds of training so far.
    pub seconds: f64,
    /// Step at which the text was last cut into windows, 0 if never.
    pub windows_step: u64,
    /// Steps of the activations since training rounds them as the integer model does.
    #[serde(default)]
    pub scales: Option<ActivationScales>,
}

/// A run on disk.
pub struct Checkpoint {
    pub state: State,
    pub training: TrainingState,
}

struct Floats<'a> {
    shape: Vec<usize>,
    values: &'a [f32],
}

impl View for Floats<'_> {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        self.values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>().into()
    }

    fn data_len(&self) -> usize {
        4 * self.values.len()
    }
}

impl Checkpoint {
    /// Writes to a temporary file beside `path` and renames it, so that a run killed at any moment leaves a whole checkpoint.
    pub fn save(&self, path: &Path) -> Result<()> {
        let mut views: Vec<(String, Floats)> = Vec::new();
        for tensor in self.state.model.tensors() {
            let values = &self.training.parameters[tensor.range()];
            views.push((tensor.name, Floats { shape: vec![tensor.rows, tensor.columns], values }));
        }
        for (name, values) in [("optimizer.first", &self.training.first), ("optimizer.second", &self.training.second)] {
            views.push((name.into(), Floats { shape: vec![values.len()], values }));
        }
        let metadata = HashMap::from([
            ("format".to_owned(), FORMAT.to_owned()),
            ("state".to_owned(), serde_json::to_string(&self.state)?),
        ]);
        let bytes = safetensors::serialize(views, Some(metadata))?;
        let mut output = Output::create(&Destination::File(path.to_owned()), true, true)?;
        output.write_all(&bytes).with_context(|| format!("{}: cannot write", path.display()))?;
        output.finish(None)
    }

    /// Reads a checkpoint.
    pub fn load(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).with_context(|| format!("cannot read checkpoint {}", path.display()))?;
        let what = || format!("{} is not a checkpoint of `equalinfo train`", path.display());
        let (_, header) = SafeTensors::read_metadata(&bytes).with_context(what)?;
        let metadata = header.metadata().clone().unwrap_or_default();
        let format = metadata.get("format").map_or("none", String::as_str);
        ensure!(format == FORMAT, "{}: expected format {FORMAT}, found {format}", what());
        let state: State = serde_json::from_str(metadata.get("state").map_or("", String::as_str)).with_context(what)?;
        let tensors = SafeTensors::deserialize(&bytes).with_context(what)?;
        let read = |name: &str| -> Result<Vec<f32>> {
            let view = tensors.tensor(name).with_context(|| format!("{}: tensor {name}", path.display()))?;
            ensure!(
                view.dtype() == Dtype::F32,
                "{}: tensor {name} is {:?}, expected F32",
                path.display(),
                view.dtype()
            );
            Ok(view.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect())
        };
        let mut parameters = Vec::with_capacity(state.model.parameters());
        for tensor in state.model.tensors() {
            let values = read(&tensor.name)?;
            ensure!(
                values.len() == tensor.len(),
                "{}: tensor {} has {} values, expected {}",
                path.display(),
                tensor.name,
                values.len(),
                tensor.len()
            );
            parameters.extend(values);
        }
        let (first, second) = (read("optimizer.first")?, read("optimizer.second")?);
        Ok(Self { training: TrainingState { parameters, first, second, step: state.step }, state })
    }
}
