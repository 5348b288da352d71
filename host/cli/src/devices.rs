//! `devices`: what this machine has to run on, and why not more.

use std::thread;

use anyhow::Result;
use clap::Args;
use equalinfo_kernels::cuda::nccl::{Nccl, NcclError};
use equalinfo_kernels::cuda::nvrtc::Nvrtc;
use equalinfo_kernels::cuda::{CudaDevice, CudaError, devices, driver_version};
use serde_json::{Value, json};

use super::standard;
use equalinfo::cuda::cache;
use equalinfo::engine::Simd;

/// Options of `devices`.
#[derive(Debug, Clone, Args)]
pub struct DevicesArguments {
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// Everything that was looked for.
struct Found {
    driver: Result<(u32, u32), CudaError>,
    nvrtc: Result<Nvrtc, CudaError>,
    /// What several GPUs need to train together.
    nccl: Result<Nccl, NcclError>,
    gpus: Result<Vec<CudaDevice>, CudaError>,
}

impl Found {
    fn look() -> Self {
        let driver = driver_version();
        let newest = driver.as_ref().ok().map(|version| version.0);
        Self { nvrtc: Nvrtc::find(newest).map_err(CudaError::from), gpus: devices(), nccl: Nccl::find(), driver }
    }

    /// What `--device auto` takes.
    fn automatic(&self) -> &'static str {
        let usable = |gpus: &Vec<CudaDevice>| gpus.first().is_some_and(|gpu| gpu.check().is_ok());
        if self.nvrtc.is_ok() && self.gpus.as_ref().is_ok_and(usable) { "cuda" } else { "cpu" }
    }
}

/// Prints what was found.
///
/// # Errors
/// The output can't be written.
pub fn run(arguments: &DevicesArguments) -> Result<()> {
    let found = Found::look();
    let text = if arguments.json { serde_json::to_string(&object(&found))? + "\n" } else { lines(&found) };
    standard::print(text)
}

fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

fn instructions() -> &'static str {
    let best = Simd::ALL.into_iter().rfind(|simd| simd.is_available());
    best.map_or("portable", Simd::name)
}

fn version((major, minor): (u32, u32)) -> String {
    format!("{major}.{minor}")
}

fn nccl_version(nccl: &Nccl) -> String {
    let (major, minor, patch) = nccl.version();
    format!("{major}.{minor}.{patch}")
}

fn lines(found: &Found) -> String {
    let mut lines = vec![format!("CPU: {}, {} cores, {}", std::env::consts::ARCH, cores(), instructions())];
    lines.push(match &found.driver {
        Ok(release) => format!("NVIDIA driver: for CUDA {}", version(*release)),
        Err(error) => format!("NVIDIA driver: {error}"),
    });
    lines.push(match &found.nvrtc {
        Ok(nvrtc) => format!("NVRTC: {}, {}", version(nvrtc.version()), nvrtc.path()),
        // Its message begins with its name.
        Err(error) => error.to_string(),
    });
    match &found.nccl {
        Ok(nccl) => lines.push(format!("NCCL: {}, {}", nccl_version(nccl), nccl.path())),
        // One GPU takes none.
        Err(error) if found.gpus.as_ref().is_ok_and(|gpus| gpus.len() > 1) => lines.push(error.to_string()),
        Err(_) => {}
    }
    // Without a driver its line says everything.
    match &found.gpus {
        Ok(gpus) => lines.extend(gpus.iter().map(line)),
        Err(error) if found.driver.is_ok() => lines.push(format!("GPU: {error}")),
        Err(_) => {}
    }
    if let Some(cache) = cache() {
        lines.push(format!("compiled kernels: {}", cache.folder().display()));
    }
    lines.push(format!("--device auto is {}", found.automatic()));
    lines.join("\n") + "\n"
}

fn line(gpu: &CudaDevice) -> String {
    let CudaDevice { ordinal, name, architecture, memory, multiprocessors, .. } = gpu;
    let unusable = gpu.check().err().map_or_else(String::new, |error| format!("; {error}"));
    format!(
        "GPU {ordinal}: {name}, {architecture}, {:.0} GiB, {multiprocessors} multiprocessors, {:.0} Tflop/s in bf16{unusable}",
        *memory as f64 / f64::from(1 << 30),
        gpu.peak_bf16() / 1e12
    )
}

fn object(found: &Found) -> Value {
    let gpus: Vec<Value> = found.gpus.iter().flatten().map(gpu_object).collect();
    json!({
        "cpu": { "architecture": std::env::consts::ARCH, "cores": cores(), "instructions": instructions() },
        "driver": found.driver.as_ref().ok().map(|release| version(*release)),
        "nvrtc": found.nvrtc.as_ref().ok().map(|nvrtc| json!({ "version": version(nvrtc.version()), "path": nvrtc.path() })),
        "nccl": found.nccl.as_ref().ok().map(|nccl| json!({ "version": nccl_version(nccl), "path": nccl.path() })),
        "gpus": gpus,
        "missing": missing(found),
        "kernel_cache": cache().map(|cache| cache.folder().display().to_string()),
        "auto": found.automatic(),
    })
}

fn missing(found: &Found) -> Vec<String> {
    let driver = found.driver.as_ref().err();
    let gpus = found.gpus.as_ref().err().filter(|_| driver.is_none());
    [driver, found.nvrtc.as_ref().err(), gpus].into_iter().flatten().map(CudaError::to_string).collect()
}

fn gpu_object(gpu: &CudaDevice) -> Value {
    json!({
        "ordinal": gpu.ordinal,
        "name": gpu.name,
        "architecture": gpu.architecture.to_string(),
        "memory_bytes": gpu.memory,
        "multiprocessors": gpu.multiprocessors,
        "clock_hz": gpu.clock,
        "peak_bf16_flops": gpu.peak_bf16(),
        "usable": gpu.check().is_ok(),
    })
}
