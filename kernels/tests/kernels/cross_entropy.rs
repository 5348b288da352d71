use equalinfo_kernels::View;
use equalinfo_kernels::cross_entropy::{CrossEntropyPlan, Gradient, IGNORED, Input, Objective, Output, cross_entropy};
use equalinfo_kernels::gemm::LinearShape;

use crate::common::*;
use crate::differences::{differences, wide};
use crate::path::{OnPath, paths};

/// The loss of every position, and the weighted sum of them whose gradient is taken.
fn plain(shape: LinearShape, x: &[f64], w: &[f64], targets: &[u32], objective: Objective) -> (Vec<f64>, f64) {
    let Objective { z_loss, floor } = objective;
    let (z_loss, floor) = (f64::from(z_loss), f64::from(floor));
    let mut sum = 0.0;
    let nats = x
        .chunks_exact(shape.inputs)
        .zip(targets)
        .map(|(x, &target)| {
            if target == IGNORED {
                return 0.0;
            }
            let logit = |w: &[f64]| x.iter().zip(w).map(|(x, w)| x * w).sum::<f64>();
            let logits: Vec<f64> = w.chunks_exact(shape.inputs).map(logit).collect();
            let lse = logits.iter().map(|l| l.exp()).sum::<f64>().ln();
            let share = (1.0 - shape.outputs as f64 * floor) * (logits[target as usize] - lse).exp();
            let nats = -(share + floor).ln();
            sum += nats + z_loss * lse * lse;
            nats
        })
        .collect();
    (nats, sum)
}

struct Case {
    shape: LinearShape,
    objective: Objective,
    chunk: usize,
    x: Vec<f32>,
    w: Vec<f32>,
    targets: Vec<u32>,
}

impl Case {
    fn new(shape: LinearShape, objective: Objective, chunk: usize) -> Self {
        let LinearShape { tokens, inputs, outputs } = shape;
        let mut random = Random::new((tokens * outputs) as u64);
        let x = random.floats(tokens * inputs, 2.0).into_iter().map(round_bf16).collect();
        let w = random.floats(outputs * inputs, 1.0).into_iter().map(round_bf16).collect();
        let targets = (0..tokens)
            .map(|t| if t % 5 == 3 { IGNORED } else { random.below(outputs) as u32 })
            .map(|target| if target == 0 { outputs as u32 - 1 } else { target })
            .collect();
        Self { shape, objective, chunk, x, w, targets }
    }

    /// The kernels' results on each path of the device: the same bits in every schedule.
    fn run(&self, scale: Option<f32>) -> Vec<Found> {
        let mut first: Option<Vec<Found>> = None;
        on_every_schedule(|driver| {
            let found: Vec<Found> = paths(driver).iter().map(|path| self.run_on(driver, path, scale)).collect();
            match &first {
                None => first = Some(found),
                Some(first) => assert!(*first == found, "the schedule changed a bit"),
            }
        });
        first.unwrap()
    }

    fn run_on(&self, driver: &TestDriver, path: &OnPath, scale: Option<f32>) -> Found {
        let LinearShape { tokens, inputs, outputs } = self.shape;
        let plan = CrossEntropyPlan::new(self.shape, 3).with_chunk(self.chunk);
        // What follows W in memory is read, and does not count.
        let rows = outputs.next_multiple_of(8);
        let followed: Vec<f32> = self.w.iter().copied().chain(std::iter::repeat(3.0)).take(rows * inputs).collect();
        let (x, w) = (upload_bf16(driver, &self.x), upload_bf16(driver, &followed));
        let targets = upload(driver, &self.targets);
        let workspace = poisoned::<u8>(driver, plan.workspace_bytes(scale.is_some()));
        let total = upload(driver, &[1.0f64, 10.0].map(f64::to_bits));
        let (nats, behind) = (poisoned::<f32>(driver, tokens), poisoned::<f32>(driver, tokens));
        let (dx, dw) = (poisoned::<u16>(driver, tokens * inputs), upload(driver, &vec![1.0f32; rows * inputs]));
        let gradient = scale.map(|scale| Gradient { scale, dx: View::new(&dx), dw: View::new(&dw) });
        let input = Input { x: View::new(&x), w: View::new(&w), targets: View::new(&targets) };
        let output = Output {
            total: View::new(&total),
            nats: Some(View::new(&nats)),
            behind: Some(View::new(&behind)),
            gradient,
        };
        cross_entropy(path, plan, self.objective, &input, &output, View::new(&workspace)).unwrap();
        let mut dw: Vec<f32> = download(driver, &dw);
        assert!(dw.drain(outputs * inputs..).all(|after| after == 1.0), "what follows dW has changed");
        Found {
            total: download::<u64>(driver, &total).into_iter().map(f64::from_bits).collect(),
            nats: download(driver, &nats),
            behind: download(driver, &behind),
            dx: download(driver, &dx),
            dw,
        }
    }
}

#[derive(PartialEq)]
struct Found {
    total: Vec<f64>,
    nats: Vec<f32>,
    behind: Vec<f32>,
    /// bf16.
    dx: Vec<u16>,
    dw: Vec<f32>,
}

impl Found {
    fn dx(&self) -> Vec<f32> {
        self.dx.iter().map(|&bits| from_bf16(bits)).collect()
    }
}

const PLAIN: Objective = Objective { z_loss: 0.0, floor: 0.0 };
const BOTH: Objective = Objective { z_loss: 0.01, floor: 0.002 };

fn shape(tokens: usize, inputs: usize, outputs: usize) -> LinearShape {
    LinearShape { tokens, inputs, outputs }
}

#[test]
fn losses_and_gradients_are_those_of_differences() {
    for (shape, objective, chunk) in
        [(shape(5, 8, 24), PLAIN, 128), (shape(9, 16, 72), BOTH, 128), (shape(3, 8, 131), BOTH, 128)]
    {
        let case = Case::new(shape, objective, chunk);
        let (x, w) = (wide(&case.x), wide(&case.w));
        let expected = plain(shape, &x, &w, &case.targets, objective).0;
        let counted = case.targets.iter().filter(|&&target| target != IGNORED).count();
        let expected_dx = differences(&case.x, |x| 0.5 * plain(shape, x, &w, &case.targets, objective).1);
        let expected_dw = differences(&case.w, |w| 0.5 * plain(shape, &x, w, &case.targets, objective).1);
        let expected_dw: Vec<f64> = expected_dw.iter().map(|g| g + 1.0).collect();
        for found in case.run(Some(0.5)) {
            assert_close("nats", &found.nats, &expected, 1e-5, 1e-5);
            let total = &found.total;
            assert!((total[0] - 1.0 - expected.iter().sum::<f64>()).abs() < 1e-3, "{total:?}");
            assert_eq!(total[1], 10.0 + counted as f64);
            // dl and dx are rounded to bf16.
            assert_close("dx", &found.dx(), &expected_dx, 1e-2, 5e-3);
            assert_close("dw, added to 1", &found.dw, &expected_dw, 1e-2, 5e-3);
        }
    }
}

/// Analytic gradients in f64, for sizes at which differences are too slow.
fn plain_gradients(case: &Case, scale: f64) -> (Vec<f64>, Vec<f64>) {
    let LinearShape { inputs, outputs, .. } = case.shape;
    let (x, w) = (wide(&case.x), wide(&case.w));
    let (z_loss, floor) = (f64::from(case.objective.z_loss), f64::from(case.objective.floor));
    let (mut dx, mut dw) = (vec![0.0; x.len()], vec![1.0; w.len()]);
    for (t, (x, &target)) in x.chunks_exact(inputs).zip(&case.targets).enumerate() {
        if target == IGNORED {
            continue;
        }
        let logits: Vec<f64> = w.chunks_exact(inputs).map(|w| x.iter().zip(w).map(|(x, w)| x * w).sum()).collect();
        let lse = logits.iter().map(|l| l.exp()).sum::<f64>().ln();
        let share = (1.0 - outputs as f64 * floor) * (logits[target as usize] - lse).exp();
        let weight = share / (share + floor);
        for (o, logit) in logits.iter().enumerate() {
            let wanted = if o == target as usize { weight } else { 0.0 };
            let dlogit = scale * ((weight + 2.0 * z_loss * lse) * (logit - lse).exp() - wanted);
            for i in 0..inputs {
                dx[t * inputs + i] += dlogit * w[o * inputs + i];
                dw[o * inputs + i] += dlogit * x[i];
            }
        }
    }
    (dx, dw)
}

/// How far the target's logit lies below the largest.
fn behind(case: &Case) -> Vec<f64> {
    let inputs = case.shape.inputs;
    let (x, w) = (wide(&case.x), wide(&case.w));
    let behind = |(x, &target): (&[f64], &u32)| {
        let logits = w.chunks_exact(inputs).map(|w| x.iter().zip(w).map(|(x, w)| x * w).sum::<f64>());
        let logits: Vec<f64> = logits.collect();
        let wanted = logits.get(target as usize);
        wanted.map_or(0.0, |wanted| logits.iter().fold(*wanted, |largest, &l| largest.max(l)) - wanted)
    };
    x.chunks_exact(inputs).zip(&case.targets).map(behind).collect()
}

#[test]
fn chunks_and_tiles_meet_at_their_edges() {
    for (shape, objective) in [(shape(300, 24, 256), BOTH), (shape(131, 40, 1032), PLAIN), (shape(140, 24, 257), PLAIN)]
    {
        let case = Case::new(shape, objective, 128);
        let expected = plain(shape, &wide(&case.x), &wide(&case.w), &case.targets, objective).0;
        let expected_behind = behind(&case);
        let (expected_dx, expected_dw) = plain_gradients(&case, 0.25);
        for found in case.run(Some(0.25)) {
            assert_close("nats", &found.nats, &expected, 1e-5, 1e-5);
            assert_close("behind", &found.behind, &expected_behind, 1e-5, 1e-4);
            for (found, expected) in found.behind.iter().zip(&expected_behind) {
                assert_eq!(*found == 0.0, *expected == 0.0, "a target is the likeliest output or it is not");
            }
            let total = &found.total;
            assert!((total[0] - 1.0 - expected.iter().sum::<f64>()).abs() < 1e-5 * total[0], "{total:?}");
            assert_close("dx", &found.dx(), &expected_dx, 1e-2, 5e-3);
            assert_close("dw", &found.dw, &expected_dw, 1e-2, 2e-2);
        }
    }
}

#[test]
fn evaluation_needs_no_room_for_gradients() {
    let shape = shape(70, 16, 200);
    let case = Case::new(shape, PLAIN, 128);
    let expected = plain(shape, &wide(&case.x), &wide(&case.w), &case.targets, PLAIN).0;
    for found in case.run(None) {
        assert_close("nats", &found.nats, &expected, 1e-5, 1e-5);
        assert!((found.total[0] - 1.0 - expected.iter().sum::<f64>()).abs() < 1e-3);
        assert!(found.dx.iter().all(|&v| v == 0xffff) && found.dw.iter().all(|&v| v == 1.0));
    }
    let plan = CrossEntropyPlan::new(LinearShape { tokens: 65_536, inputs: 768, outputs: 65_536 }, 132);
    assert!(plan.chunk == 4096 && plan.workspace_bytes(true) < 1 << 30, "{plan:?} {}", plan.workspace_bytes(true));
    assert!(plan.workspace_bytes(false) < 64 << 20);
}
