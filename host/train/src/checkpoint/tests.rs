use std::fs;

use serde_json::{Value, json};

use super::*;
use crate::directory::Directory;
use crate::graph::initial_parameters;
use crate::tests::{TINY, settings};

fn checkpoint(step: u64) -> Checkpoint {
    let state = State {
        name: "tiny".to_owned(),
        origin: Origin::Text { sha256: "text".to_owned(), messages_sha256: None },
        model: TINY,
        settings: settings(20),
        step,
        bytes: 1000,
        seconds: 0.5,
        windows_step: 0,
        windows_sha256: None,
        scales: None,
    };
    let parameters = initial_parameters(&TINY, step);
    let (first, second) = (vec![0.25; 7], vec![-1.5; 5]);
    Checkpoint { state, training: TrainingState { parameters, first, second, step } }
}

/// Writes a checkpoint of the tiny model whose state says something else, with the right checksum.
fn write_state(path: &Path, state: &str) {
    let Checkpoint { training, .. } = checkpoint(3);
    let values = |values: &[f32]| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
    let parameters = TINY.tensors().into_iter().map(|tensor| {
        let bytes = values(&training.parameters[tensor.range()]);
        (tensor.name, vec![tensor.rows, tensor.columns], bytes)
    });
    let moments = MOMENTS.into_iter().zip([&training.first, &training.second]);
    let moments = moments.map(|(name, moments)| (name.to_owned(), vec![moments.len()], values(moments)));
    let tensors: Vec<(String, Vec<usize>, Vec<u8>)> = parameters.chain(moments).collect();
    let sha256 = checksum(state, tensors.iter().map(|(.., bytes)| &bytes[..]));
    let metadata = [("format", FORMAT), ("state", state), ("sha256", &sha256)];
    let metadata = HashMap::from(metadata.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let views = tensors.iter().map(|(name, shape, bytes)| {
        (name.clone(), safetensors::tensor::TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap())
    });
    fs::write(path, safetensors::serialize(views, Some(metadata)).unwrap()).unwrap();
}

#[test]
fn what_is_loaded_is_what_was_saved_and_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("checkpoint.safetensors");
    let saved = checkpoint(3);
    saved.save(&path).unwrap();
    let loaded = Checkpoint::load_of(&path, Kind::M1).unwrap();
    assert!(loaded.training == saved.training && loaded.state.origin == saved.state.origin);
    let error = Checkpoint::load_of(&path, Kind::M2).err().unwrap();
    assert!(matches!(error, CheckpointError::Kind { found: Kind::M1, expected: Kind::M2, .. }), "{error}");
    let bytes = fs::read(&path).unwrap();
    // Bits of the header, of the state in it, and of values everywhere.
    let header = 8 + u64::from_le_bytes(*bytes.first_chunk().unwrap()) as usize;
    let places = (0..header).step_by(7).chain((header..bytes.len()).step_by(bytes.len() / 20)).chain([bytes.len() - 1]);
    for place in places {
        let mut flipped = bytes.clone();
        flipped[place] ^= 4;
        fs::write(&path, &flipped).unwrap();
        // Spaces between parts of the header mean nothing.
        let same = |other: Checkpoint| bytes[place] == b' ' && other.training == saved.training;
        assert!(Checkpoint::load(&path).map_or(true, same), "bit 2 of byte {place} of {}", bytes.len());
    }
    fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
    assert!(Checkpoint::load(&path).is_err());
    assert!(matches!(Checkpoint::load(directory.path()), Err(CheckpointError::File(_))));
    #[cfg(unix)]
    assert!(matches!(Checkpoint::load(Path::new("/dev/zero")), Err(CheckpointError::File(_))));
}

#[test]
fn sizes_that_no_model_has_are_named_with_their_bounds() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("checkpoint.safetensors");
    let state = serde_json::to_value(checkpoint(3).state).unwrap();
    write_state(&path, &state.to_string());
    Checkpoint::load(&path).unwrap();
    let huge = 1_000_000_000_000u64;
    for (place, value, words) in [
        ("/model/layers", json!(huge), "layers 1000000000000: expected 1 to 256"),
        ("/model/layers", json!(0), "layers 0: expected 1 to 256"),
        ("/model/heads", json!(huge), "heads 1000000000000: expected 1 to 256"),
        ("/model/feed_forward", json!(huge), "feed-forward width 1000000000000: expected 1 to 131072"),
        ("/model/context", json!(1u64 << 60), "context 1152921504606846976: expected 1 to 65536"),
        ("/model/context", json!(0), "context 0: expected 1 to 65536"),
        ("/model/vocabulary", json!(huge), "vocabulary 1000000000000: expected 1 to 65537"),
        ("/model/vocabulary", json!(255), "vocabulary of an M1 255: expected 256"),
        ("/model/ngrams", json!([{"order": 9, "rows": 4}]), "orders of n-gram tables [9]: expected rising numbers"),
        ("/model/ngrams", json!([{"order": 3, "rows": huge}]), "rows of an n-gram table 1000000000000: expected 1 to"),
        ("/settings/batch", json!(1_000_000_000), "batch 1000000000: expected 1 to 1048576"),
        ("/settings/batch", json!(0), "batch 0: expected 1 to 1048576"),
        ("/settings/sequence", json!(1u64 << 60), "expected 1 to 65536"),
        ("/settings/workers", json!(1_000_000_000), "threads 1000000000: expected 1 to 1024"),
        ("/settings/learning_rate/steps", json!(u64::MAX), "expected 1 to 1000000000000"),
        ("/settings/learning_rate/peak", json!(-1.0), "learning rate -1: expected 0 to"),
        ("/settings/mix/windows", json!(1.5), "share of windows 1.5: expected 0 to 1"),
        ("/settings/resegment", json!(u32::MAX), "cuts into windows 4294967295: expected 0 to 10000"),
        ("/step", json!(u64::MAX), "step 18446744073709551615: expected 0 to 1000000000000"),
        ("/windows_step", json!(4), "step of the windows 4: expected 0 to 3"),
        ("/bytes", json!(u64::MAX), "positions 18446744073709551615: expected 0 to"),
        ("/scales", json!({"layers": [], "output_clip": 1.0}), "layers with scales 0: expected 2 to 2"),
        // Within bounds, but there is no such model in the file.
        ("/model/layers", json!(256), "expected at least"),
        ("/model/feed_forward", json!(32), "gate_linear is of shape [128, 64], expected [64, 64]"),
    ] {
        let mut state: Value = state.clone();
        match state.pointer_mut(place) {
            Some(old) => *old = value,
            // Tables are left away where there are none.
            None => state["model"]["ngrams"] = value,
        }
        write_state(&path, &state.to_string());
        let error = Checkpoint::load(&path).err().unwrap().to_string();
        assert!(error.contains(words) && error.contains("checkpoint.safetensors"), "{place}: {error}");
    }
}

#[test]
fn values_are_numbers() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("checkpoint.safetensors");
    for (value, place) in [(f32::NAN, 70), (f32::INFINITY, TINY.parameters() - 1)] {
        let mut broken = checkpoint(3);
        broken.training.parameters[place] = value;
        broken.save(&path).unwrap();
        let error = Checkpoint::load(&path).err().unwrap();
        let CheckpointError::NotFinite { tensor, index, .. } = &error else { panic!("{error}") };
        let tensor = TINY.tensors().into_iter().find(|known| known.name == *tensor).unwrap();
        assert_eq!(tensor.offset + index, place);
    }
}

#[test]
fn the_one_before_takes_the_place_of_a_damaged_one() {
    let place = tempfile::tempdir().unwrap();
    let directory = Directory(place.path().to_owned());
    assert!(directory.latest(Kind::M1).unwrap().is_none());
    for step in 1..=3 {
        directory.save(&checkpoint(step)).unwrap();
    }
    let latest = || directory.latest(Kind::M1).unwrap().unwrap();
    assert!(latest().checkpoint.training == checkpoint(3).training && latest().recovery.is_none());
    let mut bytes = fs::read(directory.checkpoint()).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(directory.checkpoint(), &bytes).unwrap();
    let found = latest();
    assert!(found.checkpoint.training == checkpoint(2).training);
    let recovery = found.recovery.unwrap();
    assert!(matches!(recovery.error, CheckpointError::Checksum { .. }) && recovery.step == 2, "{recovery:?}");
    // The damaged one takes nobody's place.
    directory.put_aside().unwrap();
    directory.save(&checkpoint(4)).unwrap();
    assert_eq!(Checkpoint::load(&directory.previous()).unwrap().state.step, 2);
    fs::remove_file(directory.checkpoint()).unwrap();
    assert_eq!(latest().checkpoint.state.step, 2);
    fs::write(directory.previous(), &bytes).unwrap();
    fs::write(directory.checkpoint(), &bytes).unwrap();
    assert!(directory.latest(Kind::M1).is_err());
    let names: Vec<String> =
        fs::read_dir(place.path()).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(names.len(), 3, "{names:?}");
}
