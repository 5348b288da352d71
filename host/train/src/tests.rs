//! The whole graph: its gradient, its precision, and runs that resume to the same bits.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::backend::cpu::CpuBackend;
use super::backend::gpu::GpuBackend;
use super::backend::{Backend, TrainingState};
use super::basis;
use super::checkpoint::Checkpoint;
use super::cpu::Cpu;
use super::cpu::matmul::Precision;
use super::data::{Mix, Source, Text};
use super::device::{BUCKETS, Device};
use super::directory::Directory;
use super::gpu::Gpu;
use super::graph::{Batch, DeviceBatch, Graph, ModelConfig, NgramTable, Tensor, TensorKind, initial_parameters};
use super::grow::grow;
use super::observer::{Event, Observer};
use super::optimizer::{LearningRate, OptimizerKind, Schedule};
use super::run::{RunControl, TrainingData, TrainingRun};
use super::settings::Settings;
use super::testing::random;
use super::validation::Validation;
use crate::ranks::Ranks;
use crate::ranks::tests::together;
use equalinfo::corpus::{Corpus, CorpusOptions};
use equalinfo::quantize::ActivationScales;
use equalinfo_kernels::cpu::CpuDriver;

pub(super) const TINY: ModelConfig =
    ModelConfig { layers: 2, heads: 1, feed_forward: 64, context: 32, vocabulary: 256, ngrams: Vec::new() };

/// The same with n-gram tables, the first of so few rows that many positions share one.
pub(super) fn tabled() -> ModelConfig {
    ModelConfig { ngrams: vec![NgramTable { order: 2, rows: 7 }, NgramTable { order: 4, rows: 300 }], ..TINY }
}

fn alice() -> Text {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data/alice29.txt");
    Text::read(&Corpus::new(&[path], CorpusOptions { lines: true, ..CorpusOptions::default() }).unwrap()).unwrap()
}

pub(super) fn source(mix: Mix) -> Source {
    Source { text: alice(), messages: alice(), windows: Vec::new(), mix, seed: 7 }
}

fn batch(rows: u64) -> Batch {
    let source = source(Mix::default());
    let mut batch = Batch::default();
    (0..rows).for_each(|row| source.push_row(row, 96, TINY.context, TINY.start_symbol(), &mut batch));
    batch
}

fn gradient(precision: Precision, parameters: &Vec<f32>, batch: &Batch) -> (f64, Vec<f32>) {
    gradient_on(Graph::new, &TINY, None, precision, parameters, batch)
}

/// The loss and its gradient on a graph of some kind.
fn gradient_on(
    graph: fn(&Cpu, &ModelConfig, usize) -> Graph<Cpu>,
    model: &ModelConfig,
    scales: Option<&ActivationScales>,
    precision: Precision,
    parameters: &Vec<f32>,
    batch: &Batch,
) -> (f64, Vec<f32>) {
    let mut device = Cpu::new(precision);
    let mut graph = graph(&device, model, batch.symbols.len());
    let mut gradients = device.zeros(parameters.len());
    let batch = DeviceBatch::new(&device, model, batch);
    graph.train(&mut device, parameters, &mut gradients, &batch, scales, 0.0, 1.0);
    (device.take_report().loss.nats, gradients)
}

#[test]
fn what_is_computed_once_more_changes_no_bit() {
    let model = ModelConfig { layers: 3, ..tabled() };
    let (parameters, batch) = (initial_parameters(&model, 3), batch(2));
    let scales = {
        let device = &mut Cpu::new(Precision::F32);
        let mut graph = Graph::new(device, &model, batch.symbols.len());
        let batch = DeviceBatch::new(device, &model, &batch);
        graph.evaluate(device, &parameters, &batch, None);
        graph.calibration(device, 192).scales
    };
    for scales in [None, Some(&scales)] {
        let of = |graph| gradient_on(graph, &model, scales, Precision::F32, &parameters, &batch);
        assert!(of(Graph::new) == of(Graph::recomputing), "rounded: {}", scales.is_some());
    }
}

#[test]
fn gradient_of_the_whole_graph() {
    let batch = batch(2);
    for model in [TINY, tabled()] {
        let parameters = initial_parameters(&model, 3);
        let of = |parameters: &Vec<f32>| gradient_on(Graph::new, &model, None, Precision::F32, parameters, &batch);
        let (_, gradients) = of(&parameters);
        for tensor in model.tensors() {
            // Along the gradient itself the difference is largest against the rounding of an f32 forward pass.
            let part = &gradients[tensor.range()];
            let norm = part.iter().map(|g| f64::from(*g).powi(2)).sum::<f64>().sqrt();
            assert!(norm > 0.0, "{} has no gradient", tensor.name);
            let step = 2e-3;
            let moved = |sign: f64| {
                let mut moved = parameters.clone();
                moved[tensor.range()]
                    .iter_mut()
                    .zip(part)
                    .for_each(|(p, g)| *p += (sign * step * f64::from(*g) / norm) as f32);
                of(&moved).0
            };
            let slope = (moved(1.0) - moved(-1.0)) / (2.0 * step);
            assert!((slope - norm).abs() < 0.02 * norm, "{}: slope {slope}, gradient norm {norm}", tensor.name);
        }
    }
}

#[test]
fn rows_are_those_of_the_last_symbols_of_the_context() {
    let tables = tabled().ngrams;
    let rows = |symbols: &[u32]| Batch { symbols: symbols.to_vec(), ..Batch::default() }.ngrams(&tables);
    let last = |symbols: &[u32]| rows(symbols).iter().map(|rows| rows[symbols.len() - 1]).collect::<Vec<_>>();
    let alone = last(&[256, 1, 2, 3, 4]);
    // Only the last two and the last four count, and nothing ahead of the context.
    assert_eq!(alone, last(&[256, 9, 1, 2, 3, 4]));
    assert_eq!(last(&[256, 1, 2]), last(&[256, 7, 7, 256, 1, 2]));
    assert_eq!((alone[0], alone[1] == last(&[256, 9, 2, 3, 4])[1]), (last(&[256, 3, 4])[0], false));
    let all = rows(&(0..250).chain([256]).chain(0..250).collect::<Vec<_>>());
    let bounds = [0..7, 7..307];
    assert!(all.iter().zip(bounds).all(|(rows, bounds)| rows.iter().all(|row| bounds.contains(row))), "{all:?}");
    assert!(rows(&[]).iter().all(Vec::is_empty) && Batch::default().ngrams(&[]).is_empty());
}

#[test]
fn state_without_tables_is_written_as_before_there_were_any() {
    let of = |value: serde_json::Value| value.to_string();
    let model = r#"{"context":32,"feed_forward":64,"heads":1,"layers":2,"vocabulary":256}"#;
    assert_eq!(of(serde_json::to_value(TINY).unwrap()), model);
    assert_eq!(serde_json::from_str::<ModelConfig>(model).unwrap(), TINY);
    let mix = Mix { windows: 0.5, messages: 0.25, layouts: 0.0, joined: 0.0 };
    let written = r#"{"layouts":0.0,"messages":0.25,"windows":0.5}"#;
    assert_eq!(of(serde_json::to_value(mix).unwrap()), written);
    let tabled = tabled();
    assert_eq!(serde_json::from_value::<ModelConfig>(serde_json::to_value(&tabled).unwrap()).unwrap(), tabled);
}

#[test]
fn a_grown_model_computes_the_same_and_learns_everywhere() {
    for small in [TINY, tabled()] {
        grown_from(&small);
    }
    let mut others = tabled();
    others.ngrams[0].order = 3;
    for refused in [TINY, others] {
        assert!(grow(&tabled(), &initial_parameters(&tabled(), 3), &refused, 4).is_err());
    }
}

/// Grows a model into one that is larger in all, with tables: twice the rows of those it has.
fn grown_from(small: &ModelConfig) {
    let mut model = ModelConfig { layers: 3, heads: 3, feed_forward: 96, ..tabled() };
    model.ngrams.iter_mut().for_each(|table| table.rows *= 2);
    let (mut parameters, batch) = (initial_parameters(small, 3), batch(2));
    let tables = small.tensors().into_iter().find(|tensor| tensor.name == "ngrams").map(|tensor| tensor.range());
    parameters[tables.unwrap_or(0..0)].iter_mut().zip(random(1 << 16, 8)).for_each(|(p, r)| *p = 0.1 * r);
    let grown = grow(small, &parameters, &model, 4).unwrap();
    let (nats, _) = gradient_on(Graph::new, small, None, Precision::F32, &parameters, &batch);
    let of = |parameters| gradient_on(Graph::new, &model, None, Precision::F32, parameters, &batch);
    let (same, gradients) = of(&grown);
    assert!((nats - same).abs() < 1e-5 * nats, "{nats} nats become {same}");
    let moved: Vec<f32> = grown.iter().zip(&gradients).map(|(p, g)| p - 1e-3 * g).collect();
    let (fewer, gradients) = of(&moved);
    assert!(fewer < same, "{same} nats become {fewer}");
    let looked_up = |tensor: &&Tensor| tensor.kind != TensorKind::Table;
    for tensor in model.tensors().iter().filter(|tensor| tensor.columns > BUCKETS).filter(looked_up) {
        let still = gradients[tensor.range()].chunks_exact(tensor.columns).filter(|row| row.iter().all(|g| *g == 0.0));
        // A few gates are closed throughout a batch so small.
        let still = still.count();
        assert!(16 * still <= tensor.rows, "{still} rows of {}", tensor.name);
    }
    assert!(grow(&model, &grown, small, 4).is_err());
}

#[test]
fn another_basis_changes_nothing() {
    let model = ModelConfig { heads: 3, ..tabled() };
    let parameters = initial_parameters(&model, 3);
    let moments = vec![0.5; parameters.len()];
    let mut state = TrainingState { parameters: parameters.clone(), first: moments.clone(), second: moments, step: 0 };
    let hidden: Vec<Vec<f32>> = (0..model.layers).map(|_| random(model.feed_forward, 7)).collect();
    let sizes: Vec<Vec<f32>> = hidden.iter().map(|layer| layer.iter().map(|v| v.abs()).collect()).collect();
    basis::equalize(&model, &sizes, &mut state);
    basis::rotate(&model, 5, &mut state);
    assert!(state.second.iter().all(|v| *v > 0.0));
    let turned = state.parameters;
    let moved = parameters.iter().zip(&turned).filter(|(a, b)| (*a - *b).abs() > 1e-3).count();
    assert!(moved > parameters.len() / 2, "{moved} parameters moved");
    let nats = |parameters: &Vec<f32>| {
        let mut device = Cpu::new(Precision::F32);
        let batch = batch(2);
        let mut graph = Graph::new(&device, &model, batch.symbols.len());
        let batch = DeviceBatch::new(&device, &model, &batch);
        graph.token_losses(&mut device, parameters, &batch, None).nats
    };
    for (before, after) in nats(&parameters).iter().zip(nats(&turned)) {
        assert!((before - after).abs() <= 1e-3 * before, "{before} nats, {after} turned");
    }
}

#[test]
fn bf16_agrees_with_f32() {
    let parameters = initial_parameters(&TINY, 3);
    let batch = batch(4);
    let (loss, gradients) = gradient(Precision::F32, &parameters, &batch);
    let (near, near_gradients) = gradient(Precision::Bf16, &parameters, &batch);
    assert!((loss - near).abs() < 5e-3 * loss, "{loss} and {near} nats");
    let product = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    let cosine = product(&gradients, &near_gradients)
        / (product(&gradients, &gradients) * product(&near_gradients, &near_gradients)).sqrt();
    assert!(cosine > 0.999, "gradients differ: cosine {cosine}");
}

#[test]
fn a_context_sees_nothing_of_its_neighbours() {
    let model = tabled();
    let parameters = random(model.parameters(), 5);
    let mut device = Cpu::new(Precision::F32);
    let mut nats = |texts: &[&[u8]]| {
        let mut batch = Batch::default();
        for text in texts {
            let first = batch.symbols.len() as u32;
            for (i, byte) in text.iter().enumerate() {
                batch.symbols.push(if i == 0 { TINY.start_symbol() } else { u32::from(text[i - 1]) });
                batch.targets.push(u32::from(*byte));
                batch.starts.push(first);
            }
        }
        let mut graph = Graph::new(&device, &model, batch.symbols.len());
        let batch = DeviceBatch::new(&device, &model, &batch);
        graph.token_losses(&mut device, &parameters, &batch, None).nats
    };
    let alone = nats(&[b"the cat"]);
    let together = nats(&[b"some other text", b"the cat", b"and more"]);
    // The f32 products of another batch size may add in another order.
    let apart = alone.iter().zip(&together[15..22]).map(|(a, b)| (a - b).abs() / a).fold(0f32, f32::max);
    assert!(apart < 1e-5, "{alone:?} alone, {:?} between others", &together[15..22]);
}

pub(super) fn settings(steps: u64) -> Settings {
    Settings {
        batch: 4,
        sequence: 64,
        micro_batch: 64,
        workers: 2,
        precision: Precision::detect(),
        optimizer: OptimizerKind::Adamw,
        learning_rate: LearningRate { schedule: Schedule::Constant, peak: 5e-3, warm_up: 5, steps, decay_steps: 5 },
        weight_decay: 0.01,
        clip: 1.0,
        z_loss: 1e-4,
        mix: Mix { windows: 0.4, messages: 0.1, layouts: 0.3, joined: 0.5 },
        rounded_steps: 10,
        recompute: false,
        resegment: 2,
        window_text: 40_000,
        seed: 11,
    }
}

/// A run of a random model on the CPU.
fn run(settings: Settings, model: &ModelConfig) -> TrainingRun {
    let parameters = initial_parameters(model, settings.seed);
    let ranks = Arc::new(Ranks::alone());
    let backend = CpuBackend::new(model, &settings, parameters, ranks.clone());
    run_on(settings, model, alice(), Box::new(backend), ranks)
}

/// A run that validates on a page, as one of some ranks on the CPU or on a kernels' device, which is slow.
fn small_run(settings: Settings, kernels: bool, ranks: Ranks) -> TrainingRun {
    let (parameters, ranks) = (initial_parameters(&TINY, settings.seed), Arc::new(ranks));
    let backend: Box<dyn Backend> = if kernels {
        let device = Gpu::new(CpuDriver::default(), 2);
        Box::new(GpuBackend::new(device, &TINY, &settings, &parameters, ranks.clone()).unwrap())
    } else {
        Box::new(CpuBackend::new(&TINY, &settings, parameters, ranks.clone()))
    };
    run_on(settings, &TINY, alice().cut(1500).hold_out(1000).0, backend, ranks)
}

fn run_on(
    settings: Settings,
    model: &ModelConfig,
    dev: Text,
    backend: Box<dyn Backend>,
    ranks: Arc<Ranks>,
) -> TrainingRun {
    let validation = Validation::of_text(&dev, model, &settings);
    TrainingRun::new(
        "tiny",
        model.clone(),
        settings.clone(),
        TrainingData::Text(source(settings.mix)),
        validation,
        backend,
        ranks,
    )
}

/// Stops a run after this many steps, if any.
struct StopAfter(Option<usize>);

impl Observer for StopAfter {
    fn should_stop(&mut self) -> bool {
        self.0 = self.0.map(|left| left - 1);
        self.0 == Some(0)
    }
}

/// Trains in a directory, interrupted after `stop` steps if given.
fn train(directory: &Directory, optimizer: OptimizerKind, model: &ModelConfig, stop: Option<usize>) -> bool {
    let checkpoint = directory.checkpoint();
    let mut run = run(Settings { optimizer, ..settings(24) }, model);
    if checkpoint.exists() {
        run.restore(Checkpoint::load(&checkpoint).unwrap(), directory).unwrap();
    }
    let control = RunControl { validate_every: 100, save_every: 100, ..RunControl::default() };
    run.train(directory, &control, &mut StopAfter(stop)).unwrap()
}

#[test]
fn an_interrupted_run_resumes_to_the_same_bits() {
    let (adamw, adafactor, muon) = (OptimizerKind::Adamw, OptimizerKind::Adafactor, OptimizerKind::Muon);
    for (optimizer, model) in [(adamw, &TINY), (adamw, &tabled()), (adafactor, &tabled()), (muon, &tabled())] {
        let whole = tempfile::tempdir().unwrap();
        let parts = tempfile::tempdir().unwrap();
        let (whole, parts) = (Directory(whole.path().to_owned()), Directory(parts.path().to_owned()));
        assert!(train(&whole, optimizer, model, None));
        assert!(!train(&parts, optimizer, model, Some(7)));
        assert!(!train(&parts, optimizer, model, Some(9)));
        assert!(train(&parts, optimizer, model, None));
        let (a, b) = (Checkpoint::load(&whole.checkpoint()).unwrap(), Checkpoint::load(&parts.checkpoint()).unwrap());
        assert_eq!(a.state.step, 24);
        assert_eq!(a.state.bytes, b.state.bytes);
        assert!(a.training == b.training && a.state.scales == b.state.scales, "{optimizer:?}: the resumed run differs");
    }
}

#[test]
fn a_run_that_is_told_to_stop_saves_without_validating() {
    struct Validations(u32, StopAfter);
    impl Observer for Validations {
        fn event(&mut self, event: &Event<'_>) {
            self.0 += u32::from(matches!(event, Event::Validated(_)));
        }

        fn should_stop(&mut self) -> bool {
            self.1.should_stop()
        }
    }
    let directory = tempfile::tempdir().unwrap();
    let directory = Directory(directory.path().to_owned());
    let control = RunControl { validate_every: 5, save_every: 100, ..RunControl::default() };
    let mut observer = Validations(0, StopAfter(Some(10)));
    assert!(!run(settings(24), &TINY).train(&directory, &control, &mut observer).unwrap());
    assert_eq!((observer.0, Checkpoint::load(&directory.checkpoint()).unwrap().state.step), (1, 10));
    // What ends by time or by itself has its figure.
    let mut observer = Validations(0, StopAfter(None));
    let control = RunControl { validate_every: 100, minutes: Some(0.0), ..control };
    assert!(!run(settings(24), &TINY).train(&directory, &control, &mut observer).unwrap());
    assert_eq!(observer.0, 1);
}

#[test]
fn checkpoints_are_no_more_than_a_time_apart() {
    struct Saved<'a>(&'a Directory, Vec<bool>);
    impl Observer for Saved<'_> {
        fn should_stop(&mut self) -> bool {
            self.1.push(self.0.checkpoint().exists());
            false
        }
    }
    for (save_within, first) in [(Duration::ZERO, 1), (Duration::from_secs(600), 20)] {
        let directory = tempfile::tempdir().unwrap();
        let directory = Directory(directory.path().to_owned());
        let mut observer = Saved(&directory, Vec::new());
        let control = RunControl { save_within, save_every: 20, ..RunControl::default() };
        run(Settings { resegment: 0, ..settings(24) }, &TINY).train(&directory, &control, &mut observer).unwrap();
        // Asked after a step, ahead of its checkpoint.
        assert_eq!(observer.1.iter().position(|saved| *saved), Some(first));
    }
}

/// The checkpoint of a run in a directory, interrupted after `stop` steps if given, by some ranks of some threads.
fn train_by_ranks(
    directory: &Path,
    settings: &Settings,
    ranks: usize,
    threads: usize,
    stop: Option<usize>,
) -> Checkpoint {
    let directory = Directory(directory.to_owned());
    together(ranks, |ranks| {
        // Only one of them is told to stop.
        let told = stop.filter(|_| ranks.rank() + 1 == ranks.count());
        let mut run = small_run(Settings { workers: threads, ..settings.clone() }, false, ranks);
        if directory.checkpoint().exists() {
            run.restore(Checkpoint::load(&directory.checkpoint()).unwrap(), &directory).unwrap();
        }
        let control = RunControl { validate_every: 9, save_every: 100, ..RunControl::default() };
        assert_eq!(run.train(&directory, &control, &mut StopAfter(told)).unwrap(), stop.is_none());
    });
    Checkpoint::load(&directory.checkpoint()).unwrap()
}

#[test]
fn ranks_train_the_model_that_threads_train() {
    for optimizer in [OptimizerKind::Adamw, OptimizerKind::Adafactor, OptimizerKind::Muon] {
        // Where nothing is clipped, no bit depends on the order in which the norm is summed.
        let rounded_steps = if optimizer == OptimizerKind::Adafactor { 0 } else { 10 };
        let settings =
            Settings { optimizer, rounded_steps, batch: 6, clip: f32::MAX, window_text: 10_000, ..settings(20) };
        let directories: [_; 4] = std::array::from_fn(|_| tempfile::tempdir().unwrap());
        let threads = train_by_ranks(directories[0].path(), &settings, 1, 3, None);
        let ranks = train_by_ranks(directories[1].path(), &settings, 3, 1, None);
        let same =
            |other: &Checkpoint| other.training == threads.training && other.state.scales == threads.state.scales;
        assert!(same(&ranks), "{optimizer:?}: three ranks differ from three threads");
        assert_eq!((ranks.state.step, ranks.state.bytes), (20, threads.state.bytes));
        let lines = |index: usize| {
            let text = std::fs::read_to_string(directories[index].path().join("metrics.jsonl")).unwrap();
            let figures = |line: &str| {
                let line: serde_json::Value = serde_json::from_str(line).unwrap();
                ["step", "train_bits_per_byte", "dev_bits_per_byte"].map(|name| line[name].as_f64().unwrap())
            };
            text.lines().map(figures).collect::<Vec<_>>()
        };
        assert_eq!(lines(0), lines(1));
        // A checkpoint of ranks is one like any other.
        train_by_ranks(directories[2].path(), &settings, 3, 1, Some(7));
        assert!(
            same(&train_by_ranks(directories[2].path(), &settings, 1, 3, None)),
            "{optimizer:?}: resumed by threads"
        );
        train_by_ranks(directories[3].path(), &settings, 1, 3, Some(7));
        assert!(same(&train_by_ranks(directories[3].path(), &settings, 3, 1, None)), "{optimizer:?}: resumed by ranks");
    }
}

#[test]
fn ranks_must_agree() {
    let errors = together(2, |ranks| {
        let other = Settings { seed: 1 + ranks.rank() as u64, workers: 1 + ranks.rank(), ..settings(20) };
        let same = Settings { seed: 1, ..other.clone() };
        same.agree(&ranks).unwrap();
        assert_eq!(Settings { batch: 6, ..same }.rank_batch(&ranks).unwrap(), 3);
        let odd = Settings { batch: 5, ..other.clone() }.rank_batch(&ranks).unwrap_err().to_string();
        assert!(odd.contains("batches of 5") && odd.contains("ranks, 2"), "{odd}");
        other.agree(&ranks).unwrap_err().to_string()
    });
    assert!(errors[1].contains("rank 1") && errors[0].contains("settings"), "{errors:?}");
}

/// Steps of a run that prepares its batches ahead, and their checkpoint.
fn steps_on_kernels(stop: usize) -> Checkpoint {
    let settings = Settings { batch: 2, rounded_steps: 0, resegment: 0, ..settings(6) };
    let directory = tempfile::tempdir().unwrap();
    let directory = Directory(directory.path().to_owned());
    let control = RunControl { validate_every: 100, save_every: 100, ..RunControl::default() };
    let resumed = |stop: usize| {
        let mut run = small_run(settings.clone(), true, Ranks::alone());
        if directory.checkpoint().exists() {
            run.restore(Checkpoint::load(&directory.checkpoint()).unwrap(), &directory).unwrap();
        }
        run.train(&directory, &control, &mut StopAfter(Some(stop))).unwrap();
    };
    resumed(stop);
    resumed(usize::MAX);
    Checkpoint::load(&directory.checkpoint()).unwrap()
}

#[test]
fn runs_on_kernels_resume_to_the_same_bits() {
    let (whole, parts) = (steps_on_kernels(usize::MAX), steps_on_kernels(3));
    assert_eq!([whole.state.step, parts.state.step], [6, 6]);
    assert!(whole.training == parts.training, "the resumed run differs");
}

#[test]
fn training_learns() {
    let settings = Settings { mix: Mix { windows: 0.2, messages: 0.2, layouts: 0.1, joined: 0.0 }, ..settings(150) };
    let mut run = run(settings, &tabled());
    let before = run.validate(false).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let control = RunControl { validate_every: 1000, save_every: 1000, ..RunControl::default() };
    run.train(&Directory(directory.path().to_owned()), &control, &mut ()).unwrap();
    let after = run.validate(false).unwrap();
    assert!(before > 7.0 && after < 4.0, "from {before} to {after} bits/byte");
}

#[test]
fn a_damaged_checkpoint_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("checkpoint.safetensors");
    for content in [&b""[..], b"not a checkpoint at all", &[0xff; 64]] {
        std::fs::write(&path, content).unwrap();
        let error = Checkpoint::load(&path).err().map(|error| error.to_string()).unwrap();
        assert!(error.contains("checkpoint.safetensors"), "{error}");
    }
}

#[test]
fn a_batch_that_names_what_the_model_lacks_goes_to_no_device() {
    let good = batch(1);
    let changed = |change: &dyn Fn(&mut Batch)| {
        let mut batch = good.clone();
        change(&mut batch);
        batch
    };
    let settings = Settings { batch: 1, ..settings(4) };
    let parameters = initial_parameters(&TINY, 1);
    let ranks = Arc::new(Ranks::alone());
    let cpu = CpuBackend::new(&TINY, &settings, parameters.clone(), ranks.clone());
    let gpu = GpuBackend::new(Gpu::new(CpuDriver::default(), 2), &TINY, &settings, &parameters, ranks).unwrap();
    let mut backends: [Box<dyn Backend>; 2] = [Box::new(cpu), Box::new(gpu)];
    for (bad, words) in [
        (changed(&|batch| batch.symbols[5] = 257), "position 5 of a batch: symbol 257"),
        (changed(&|batch| batch.targets[6] = 256), "position 6 of a batch: symbol 256"),
        (changed(&|batch| batch.starts[7] = 8), "position 7 of a batch sees from position 8"),
        (changed(&|batch| batch.targets.truncate(95)), "96 symbols has 95 targets"),
    ] {
        for backend in &mut backends {
            let errors = [
                backend.train(vec![bad.clone()], None, 0.0, 1.0).unwrap_err().to_string(),
                backend.evaluate(vec![bad.clone()], None).unwrap_err().to_string(),
                backend.losses(vec![bad.clone()]).unwrap_err().to_string(),
                backend.calibrate(bad.clone()).unwrap_err().to_string(),
            ];
            assert!(errors.iter().all(|error| error.contains(words)), "{errors:?}");
        }
    }
}

#[test]
fn a_run_resumes_on_its_own_windows_and_text() {
    let directory = tempfile::tempdir().unwrap();
    let directory = Directory(directory.path().to_owned());
    assert!(!train(&directory, OptimizerKind::Adamw, &TINY, Some(3)));
    let latest = || Checkpoint::load(&directory.checkpoint()).unwrap();
    let resume = |change: &dyn Fn(&mut Source)| {
        let mut source = source(settings(24).mix);
        change(&mut source);
        let ranks = Arc::new(Ranks::alone());
        let backend = CpuBackend::new(&TINY, &settings(24), initial_parameters(&TINY, 1), ranks.clone());
        let validation = Validation::of_text(&alice().cut(1500).hold_out(1000).0, &TINY, &settings(24));
        let source = TrainingData::Text(source);
        let mut run = TrainingRun::new("x", TINY, settings(24), source, validation, Box::new(backend), ranks);
        run.restore(latest(), &directory).map_err(|error| error.to_string())
    };
    resume(&|_| ()).unwrap();
    let error = resume(&|source| source.text.bytes[9] ^= 1).unwrap_err();
    assert!(error.contains("other text") && error.contains("SHA-256"), "{error}");
    let error = resume(&|source| source.messages = Text::default()).unwrap_err();
    assert!(error.contains("other messages") && error.contains("expected none"), "{error}");
    let windows = directory.windows(latest().state.windows_step);
    let mut bytes = std::fs::read(&windows).unwrap();
    bytes[20] ^= 1;
    std::fs::write(&windows, &bytes).unwrap();
    let error = resume(&|_| ()).unwrap_err();
    assert!(error.contains("windows-") && error.contains("SHA-256"), "{error}");
}
