//! Times the kernels of M2's training step at the shapes of the paper's models, one JSON object per line;
//! `host/benches/kernels_gpu.py` adds PyTorch's times.
//!
//! ```text
//! cargo run --release -p equalinfo-kernels --features cuda --example time              # on the first GPU
//! cargo run --release -p equalinfo-kernels --features cuda,shim --example time -- cpu  # tiny, on the CPU
//! ```

use std::error::Error;
use std::process::ExitCode;
use std::time::Instant;

use equalinfo_kernels::attention::{
    AttentionInput, AttentionOutput, AttentionShape, BUCKETS, HEAD, attention_backward, attention_forward,
};
use equalinfo_kernels::cross_entropy::{self, Gradient, Input, Objective, Output};
use equalinfo_kernels::cuda::CudaDriver;
use equalinfo_kernels::gemm::{LinearShape, TokenParts, linear_backward_input, linear_backward_weight, linear_forward};
use equalinfo_kernels::{Driver, View};

/// Width and feed-forward width.
const MODELS: [(&str, usize, usize); 3] = [("25m", 512, 2048), ("113m", 768, 3072), ("403m", 1024, 4096)];
const SEQUENCE: usize = 512;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("time: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    match std::env::args().nth(1).as_deref() {
        None => {
            let driver = CudaDriver::new(0, None)?;
            let multiprocessors = driver.device().multiprocessors as usize;
            let times = Times { driver, multiprocessors, repeats: 20 };
            MODELS.iter().try_for_each(|&(model, width, wide)| times.model(model, width, wide, 32 * SEQUENCE, 65_536))
        }
        #[cfg(feature = "shim")]
        Some("cpu") => {
            let driver = equalinfo_kernels::cpu::CpuDriver::default();
            Times { driver, multiprocessors: 4, repeats: 1 }.model("tiny", 64, 128, SEQUENCE, 512)
        }
        Some(other) => Err(format!("'{other}': expected nothing, or cpu in a build with the shim").into()),
    }
}

struct Times<D: Driver> {
    driver: D,
    multiprocessors: usize,
    repeats: u32,
}

impl<D: Driver> Times<D> {
    /// Memory of `bytes` small numbers: pairs of bf16 0.0078, which as f32 have about the same size.
    fn filled(&self, bytes: usize) -> Result<D::Buffer, D::Error> {
        let buffer = self.driver.allocate(bytes)?;
        self.driver.upload(View::new(&buffer), &[0x00, 0x3c].repeat(bytes / 2))?;
        Ok(buffer)
    }

    /// Seconds per call, after three warm-up calls.
    fn seconds(&self, call: impl Fn() -> Result<(), D::Error>) -> Result<f64, D::Error> {
        (0..3.min(self.repeats)).try_for_each(|_| call())?;
        self.driver.synchronize()?;
        let started = Instant::now();
        (0..self.repeats).try_for_each(|_| call())?;
        self.driver.synchronize()?;
        Ok(started.elapsed().as_secs_f64() / f64::from(self.repeats))
    }

    fn model(
        &self,
        model: &str,
        width: usize,
        wide: usize,
        tokens: usize,
        outputs: usize,
    ) -> Result<(), Box<dyn Error>> {
        for (inputs, outputs) in [(width, 3 * width), (width, width), (width, 2 * wide), (wide, width)] {
            self.linear(model, LinearShape { tokens, inputs, outputs })?;
        }
        self.attention(model, AttentionShape { tokens, heads: width / HEAD })?;
        for outputs in [256, outputs] {
            self.cross_entropy(model, LinearShape { tokens, inputs: width, outputs })?;
        }
        Ok(())
    }

    fn linear(&self, model: &str, shape: LinearShape) -> Result<(), Box<dyn Error>> {
        let LinearShape { tokens, inputs, outputs } = shape;
        let parts = TokenParts::new(shape, self.multiprocessors);
        let (x, w) = (self.filled(2 * tokens * inputs)?, self.filled(2 * outputs * inputs)?);
        let (y, dw) = (self.filled(2 * tokens * outputs)?, self.filled(4 * outputs * inputs)?);
        let workspace = self.filled(4 * parts.workspace(shape).max(1))?;
        let [x, w, y, dw, workspace] = [&x, &w, &y, &dw, &workspace].map(View::new);
        let operations = 2.0 * (tokens * inputs * outputs) as f64;
        let print = |kernel: &str, seconds: f64| {
            println!(
                "{{\"kernel\":\"{kernel}\",\"model\":\"{model}\",\"tokens\":{tokens},\"inputs\":{inputs},\"outputs\":{outputs},\"seconds\":{seconds:e},\"operations\":{operations:e}}}"
            );
        };
        print("linear forward", self.seconds(|| linear_forward(&self.driver, shape, x, w, y))?);
        print("linear backward, input", self.seconds(|| linear_backward_input(&self.driver, shape, y, w, x))?);
        let weight = || linear_backward_weight(&self.driver, shape, parts, y, x, Some(workspace), dw);
        print("linear backward, weight", self.seconds(weight)?);
        Ok(())
    }

    fn attention(&self, model: &str, shape: AttentionShape) -> Result<(), Box<dyn Error>> {
        let AttentionShape { tokens, heads } = shape;
        let width = heads * HEAD;
        let (qkv, bias) = (self.filled(6 * tokens * width)?, self.filled(4 * heads * BUCKETS)?);
        let starts: Vec<u8> =
            (0..tokens).flat_map(|token| ((token / SEQUENCE * SEQUENCE) as i32).to_le_bytes()).collect();
        let starts_there = self.driver.allocate(starts.len())?;
        self.driver.upload(View::new(&starts_there), &starts)?;
        let (out, lse) = (self.filled(2 * tokens * width)?, self.filled(4 * tokens * heads)?);
        let (dout, dqkv) = (self.filled(2 * tokens * width)?, self.filled(6 * tokens * width)?);
        let (workspace, dbias) = (self.filled(4 * shape.backward_workspace())?, self.filled(4 * heads * BUCKETS)?);
        let input = AttentionInput { qkv: View::new(&qkv), bias: View::new(&bias), starts: View::new(&starts_there) };
        let [out, lse, dout, dqkv, workspace, dbias] = [&out, &lse, &dout, &dqkv, &workspace, &dbias].map(View::new);
        // Two products, each over half of a sequence on average.
        let operations = 2.0 * (2 * tokens * width) as f64 * (SEQUENCE as f64 + 1.0) / 2.0;
        let print = |kernel: &str, seconds: f64, operations: f64| {
            println!(
                "{{\"kernel\":\"{kernel}\",\"model\":\"{model}\",\"tokens\":{tokens},\"heads\":{heads},\"sequence\":{SEQUENCE},\"seconds\":{seconds:e},\"operations\":{operations:e}}}"
            );
        };
        let forward = || attention_forward(&self.driver, shape, input, out, lse);
        print("attention forward", self.seconds(forward)?, operations);
        let backward = || {
            let output = AttentionOutput { out, lse };
            attention_backward(&self.driver, shape, input, output, dout, workspace, dqkv, dbias)
        };
        print("attention backward", self.seconds(backward)?, 2.5 * operations);
        Ok(())
    }

    fn cross_entropy(&self, model: &str, shape: LinearShape) -> Result<(), Box<dyn Error>> {
        let LinearShape { tokens, inputs, outputs } = shape;
        let plan = cross_entropy::CrossEntropyPlan::new(shape, self.multiprocessors);
        let (x, w) = (self.filled(2 * tokens * inputs)?, self.filled(2 * outputs * inputs)?);
        let (dx, dw) = (self.filled(2 * tokens * inputs)?, self.filled(4 * outputs * inputs)?);
        let targets: Vec<u8> = (0..tokens).flat_map(|token| ((token * 31 % outputs) as u32).to_le_bytes()).collect();
        let targets_there = self.driver.allocate(targets.len())?;
        self.driver.upload(View::new(&targets_there), &targets)?;
        let (total, workspace) = (self.filled(16)?, self.filled(plan.workspace_bytes(true))?);
        let input = Input { x: View::new(&x), w: View::new(&w), targets: View::new(&targets_there) };
        let step = || {
            let gradient = Gradient { scale: 1.0, dx: View::new(&dx), dw: View::new(&dw) };
            let output = Output { total: View::new(&total), nats: None, behind: None, gradient: Some(gradient) };
            let objective = Objective { z_loss: 1e-4, floor: 0.0 };
            cross_entropy::cross_entropy(&self.driver, plan, objective, &input, &output, View::new(&workspace))
        };
        // The product, dx and dW; our kernel computes the first twice, which does not count.
        let operations = 6.0 * (tokens * inputs * outputs) as f64;
        let seconds = self.seconds(step)?;
        println!(
            "{{\"kernel\":\"cross-entropy\",\"model\":\"{model}\",\"tokens\":{tokens},\"inputs\":{inputs},\"outputs\":{outputs},\"seconds\":{seconds:e},\"operations\":{operations:e}}}"
        );
        Ok(())
    }
}
