//! Data parallelism over threads: each worker owns a device, a graph and a gradient buffer, and runs whole micro-batches.
//!
//! Invariant: which worker runs which micro-batch, and the order in which gradients are added, depend on the number of workers alone, so a run with the same number
//! repeats to the same bits.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::JoinHandle;

use super::device::{At, AtMut, Device, Loss, TokenLosses};
use super::graph::{Batch, Calibration, DeviceBatch, Graph, ModelConfig};
use equalinfo::quantize::ActivationScales;

/// What a worker is asked to do with the parameters as they stand.
enum Job {
    Train { batches: Vec<Batch>, scales: Option<Arc<ActivationScales>>, z_loss: f32, gradient_scale: f32 },
    Evaluate { batches: Vec<Batch>, scales: Option<Arc<ActivationScales>> },
    Losses { batch: Batch },
    Calibrate { batch: Batch },
}

enum Answer {
    Loss(Loss),
    Losses(TokenLosses),
    Calibration(Calibration),
}

struct Worker {
    jobs: Option<Sender<Job>>,
    answers: Receiver<Answer>,
    gradients: Arc<Mutex<Vec<f32>>>,
    thread: Option<JoinHandle<()>>,
}

/// Threads that train one model together.
pub struct Workers {
    parameters: Arc<RwLock<Vec<f32>>>,
    workers: Vec<Worker>,
}

impl Workers {
    /// `count` threads; `device` makes each one's device on its thread. Batches have up to `capacity` positions.
    pub fn new<D: Device>(
        config: &ModelConfig,
        count: usize,
        capacity: usize,
        recompute: bool,
        device: impl Fn() -> D + Send + Clone + 'static,
    ) -> Self {
        let parameters = Arc::new(RwLock::new(vec![0.0; config.parameters()]));
        let workers = (0..count)
            .map(|_| {
                let (jobs, job_receiver) = channel();
                let (answer_sender, answers) = channel();
                let gradients = Arc::new(Mutex::new(vec![0.0; config.parameters()]));
                let (parameters, results, config, device) =
                    (parameters.clone(), gradients.clone(), config.clone(), device.clone());
                let thread = std::thread::spawn(move || {
                    let device = device();
                    let graph = if recompute { Graph::recomputing } else { Graph::new };
                    let graph = graph(&device, &config, capacity);
                    serve(device, graph, &config, &parameters, &results, &job_receiver, &answer_sender)
                });
                Worker { jobs: Some(jobs), answers, gradients, thread: Some(thread) }
            })
            .collect();
        Self { parameters, workers }
    }

    /// How many threads there are.
    pub fn count(&self) -> usize {
        self.workers.len()
    }

    /// Sets the parameters that the next jobs run with.
    pub fn set_parameters(&self, values: &[f32]) {
        self.parameters.write().unwrap_or_else(PoisonError::into_inner).copy_from_slice(values);
    }

    /// Sum of the losses, and of the gradients times `gradient_scale` in `gradients`.
    pub fn train(
        &self,
        batches: Vec<Batch>,
        scales: Option<&Arc<ActivationScales>>,
        z_loss: f32,
        gradient_scale: f32,
        gradients: &mut [f32],
    ) -> Loss {
        let jobs = self.deal(batches).into_iter().map(|batches| Job::Train {
            batches,
            scales: scales.cloned(),
            z_loss,
            gradient_scale,
        });
        let answers = self.run(jobs.collect());
        gradients.fill(0.0);
        for worker in &self.workers {
            let part = worker.gradients.lock().unwrap_or_else(PoisonError::into_inner);
            gradients.iter_mut().zip(part.iter()).for_each(|(sum, g)| *sum += g);
        }
        total(answers)
    }

    /// Sum of the losses.
    pub fn evaluate(&self, batches: Vec<Batch>, scales: Option<&Arc<ActivationScales>>) -> Loss {
        total(self.run(
            self.deal(batches).into_iter().map(|batches| Job::Evaluate { batches, scales: scales.cloned() }).collect(),
        ))
    }

    /// What each position of each batch costs, one batch a worker.
    pub fn losses(&self, batches: Vec<Batch>) -> Vec<TokenLosses> {
        let answers = self.run(batches.into_iter().map(|batch| Job::Losses { batch }).collect());
        let losses = |answer| if let Answer::Losses(losses) = answer { losses } else { TokenLosses::default() };
        answers.into_iter().map(losses).collect()
    }

    /// See [`Graph::calibration`].
    pub fn calibrate(&self, batch: Batch) -> Calibration {
        let answers = self.run(vec![Job::Calibrate { batch }]);
        let calibration = |answer| if let Answer::Calibration(it) = answer { Some(it) } else { None };
        answers.into_iter().find_map(calibration).expect("there is a worker, and it was asked for nothing else")
    }

    fn deal(&self, batches: Vec<Batch>) -> Vec<Vec<Batch>> {
        let mut hands: Vec<Vec<Batch>> = self.workers.iter().map(|_| Vec::new()).collect();
        let count = hands.len();
        batches.into_iter().enumerate().for_each(|(i, batch)| hands[i % count].push(batch));
        hands
    }

    /// Hands one job to each worker in turn and waits for all; panics if a worker did.
    fn run(&self, jobs: Vec<Job>) -> Vec<Answer> {
        assert!(jobs.len() <= self.workers.len());
        let busy = jobs.len();
        for (worker, job) in self.workers.iter().zip(jobs) {
            worker
                .jobs
                .as_ref()
                .expect("workers live as long as this value")
                .send(job)
                .expect("a training thread has panicked");
        }
        self.workers[..busy]
            .iter()
            .map(|worker| worker.answers.recv().expect("a training thread has panicked"))
            .collect()
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        for worker in &mut self.workers {
            worker.jobs = None;
            if let Some(thread) = worker.thread.take() {
                // A panic there was reported where its answer was awaited.
                let _ = thread.join();
            }
        }
    }
}

fn total(answers: Vec<Answer>) -> Loss {
    let mut sum = Loss::default();
    for answer in answers {
        if let Answer::Loss(loss) = answer {
            sum += loss;
        }
    }
    sum
}

fn serve<D: Device>(
    mut device: D,
    mut graph: Graph<D>,
    config: &ModelConfig,
    parameters: &RwLock<Vec<f32>>,
    results: &Mutex<Vec<f32>>,
    jobs: &Receiver<Job>,
    answers: &Sender<Answer>,
) {
    let mut weights = device.zeros(config.parameters());
    let mut gradients = device.zeros(config.parameters());
    for job in jobs {
        device.write(AtMut(&mut weights, 0), &parameters.read().unwrap_or_else(PoisonError::into_inner));
        let answer = match job {
            Job::Train { batches, scales, z_loss, gradient_scale } => {
                device.fill_zero(&mut gradients);
                for batch in batches {
                    let batch = DeviceBatch::new(&device, config, &batch);
                    let scales = scales.as_deref();
                    graph.train(&mut device, &weights, &mut gradients, &batch, scales, z_loss, gradient_scale);
                }
                let values = device.read(At(&gradients, 0), config.parameters());
                results.lock().unwrap_or_else(PoisonError::into_inner).copy_from_slice(&values);
                Answer::Loss(device.take_report().loss)
            }
            Job::Evaluate { batches, scales } => {
                for batch in &batches {
                    let batch = DeviceBatch::new(&device, config, batch);
                    graph.evaluate(&mut device, &weights, &batch, scales.as_deref());
                }
                Answer::Loss(device.take_report().loss)
            }
            Job::Losses { batch } => {
                let batch = DeviceBatch::new(&device, config, &batch);
                Answer::Losses(graph.token_losses(&mut device, &weights, &batch, None))
            }
            Job::Calibrate { batch } => {
                let tokens = batch.symbols.len();
                let batch = DeviceBatch::new(&device, config, &batch);
                graph.evaluate(&mut device, &weights, &batch, None);
                device.take_report();
                Answer::Calibration(graph.calibration(&device, tokens))
            }
        };
        if answers.send(answer).is_err() {
            return;
        }
    }
}
