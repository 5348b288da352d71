//! GPUs: which device something runs on, where compiled kernels are kept, and the models that run there.
//!
//! [`DeviceChoice::Auto`] takes the first GPU that works and otherwise the CPU, whatever is missing;
//! [`DeviceChoice::Cuda`] takes a GPU or fails, saying what is missing. Driver and kernels are those of
//! `equalinfo-kernels`.

mod on_device;

pub use equalinfo_kernels::cuda::CudaError;
pub use on_device::{OnDevice, open};

use equalinfo_kernels::cuda::{Cache, CudaDriver, devices};

/// Where a model is asked to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DeviceChoice {
    /// The best that this machine has.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// A GPU, or an error where none can be used.
    Cuda,
}

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

/// The place that was asked for; with `auto` a GPU if it can be used: the one of number `local`, that of a rank among
/// the ranks of its machine. A launcher may show each rank only one, so numbers begin anew behind the last.
///
/// # Errors
/// `cuda` was asked for, and driver, GPU or compiler aren't there.
pub fn choose(asked: DeviceChoice, local: usize) -> Result<Place, CudaError> {
    choose_from(asked, || CudaDriver::new(local % devices()?.len(), cache()))
}

fn choose_from(asked: DeviceChoice, open: impl FnOnce() -> Result<CudaDriver, CudaError>) -> Result<Place, CudaError> {
    match asked {
        DeviceChoice::Cpu => Ok(Place::Cpu(Reason::Asked)),
        DeviceChoice::Cuda => open().map(|driver| Place::Cuda(Box::new(driver))),
        DeviceChoice::Auto => Ok(match open() {
            Ok(driver) => Place::Cuda(Box::new(driver)),
            Err(error) => Place::Cpu(Reason::Unavailable(error)),
        }),
    }
}

impl std::fmt::Display for Place {
    /// In words, for the line in which a command says where it runs.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            // Without a driver there is no GPU to speak of.
            Self::Cpu(Reason::Asked | Reason::Unavailable(CudaError::NoDriver)) => write!(f, "CPU"),
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
        assert!(matches!(
            choose_from(DeviceChoice::Auto, missing),
            Ok(Place::Cpu(Reason::Unavailable(CudaError::NoDriver)))
        ));
        let error = choose_from(DeviceChoice::Cuda, missing).err().unwrap().to_string();
        assert!(error.contains("libcuda"), "{error}");
        let untouched = || panic!("the CPU was asked for");
        assert!(matches!(choose_from(DeviceChoice::Cpu, untouched), Ok(Place::Cpu(Reason::Asked))));
    }
}
