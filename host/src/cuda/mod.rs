//! GPUs as the tool uses them: which device a command runs on, and where compiled kernels are kept.
//!
//! `--device auto` takes the first GPU that works and otherwise the CPU, whatever is missing; `--device cuda` takes a GPU or fails, saying what
//! is missing. Driver and kernels are those of `equalinfo-kernels`.

use anyhow::{Context, Result};
use equalinfo_kernels::cuda::{Cache, CudaDriver, CudaError, devices};

use crate::cli::options::Device;

/// Where a command runs.
pub enum Place {
    /// On the CPU, and why not on a GPU.
    Cpu(Reason),
    /// On this GPU.
    Cuda(Box<CudaDriver>),
}

impl Place {
    /// Whether it is a GPU.
    pub fn is_gpu(&self) -> bool {
        matches!(self, Self::Cuda(_))
    }
}

/// Why a command runs on the CPU.
#[derive(Debug)]
pub enum Reason {
    /// The user said so.
    Asked,
    /// No GPU can be used.
    Unavailable(CudaError),
}

/// Names a folder for compiled kernels, instead of the user's cache.
pub const CACHE_VARIABLE: &str = "EQUALINFO_KERNEL_CACHE";

/// Compiled kernels: in the folder that `EQUALINFO_KERNEL_CACHE` names, else in the user's cache, if there is one.
pub fn cache() -> Option<Cache> {
    match std::env::var_os(CACHE_VARIABLE) {
        Some(folder) if !folder.is_empty() => Some(Cache::new(folder)),
        _ => dirs::cache_dir().map(|folder| Cache::new(folder.join("equalinfo").join("kernels"))),
    }
}

/// The place that was asked for; with `auto` a GPU if it can be used: the one of number `local`, that of a rank among the ranks of its machine. A launcher may show
/// each rank only one, so numbers begin anew behind the last.
///
/// # Errors
/// `cuda` was asked for, and driver, GPU or compiler aren't there.
pub fn choose(asked: Device, local: usize) -> Result<Place> {
    choose_from(asked, || CudaDriver::new(local % devices()?.len(), cache()))
}

fn choose_from(asked: Device, open: impl FnOnce() -> Result<CudaDriver, CudaError>) -> Result<Place> {
    match asked {
        Device::Cpu => Ok(Place::Cpu(Reason::Asked)),
        Device::Cuda => open().map(|driver| Place::Cuda(Box::new(driver))).context("--device cuda"),
        Device::Auto => Ok(match open() {
            Ok(driver) => Place::Cuda(Box::new(driver)),
            Err(error) => Place::Cpu(Reason::Unavailable(error)),
        }),
    }
}

impl std::fmt::Display for Place {
    /// In words, for the line in which a command says where it runs.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Cpu(Reason::Asked) => write!(f, "CPU"),
            Self::Cpu(Reason::Unavailable(error)) => write!(f, "CPU: {error}"),
            Self::Cuda(driver) => write!(f, "GPU {}, {}", driver.device().ordinal, driver.device().name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cpu_takes_over_unless_a_gpu_was_asked_for() {
        let missing = || Err(CudaError::NoDriver);
        assert!(matches!(choose_from(Device::Auto, missing), Ok(Place::Cpu(Reason::Unavailable(CudaError::NoDriver)))));
        let error = format!("{:#}", choose_from(Device::Cuda, missing).err().unwrap());
        assert!(error.contains("--device cuda") && error.contains("libcuda"), "{error}");
        let untouched = || panic!("the CPU was asked for");
        assert!(matches!(choose_from(Device::Cpu, untouched), Ok(Place::Cpu(Reason::Asked))));
    }
}
