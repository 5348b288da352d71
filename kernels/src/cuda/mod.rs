//! Kernels on NVIDIA GPUs: the libraries are loaded on first use, and the kernels compiled for the GPU that is found.
//!
//! Building needs nothing of CUDA, and no function of it is called before its library was found: on a machine without a
//! GPU every function here returns an error that says what was looked for.

mod cache;
mod device;
mod driver;
mod library;
pub mod nccl;
pub mod nvrtc;
mod resources;

pub use cache::Cache;
pub use device::{Architecture, CudaDevice, devices, driver_version};
pub use driver::{CudaBuffer, CudaDriver};
pub use resources::{Resources, resources};

/// Why there is no usable GPU, or what went wrong on it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CudaError {
    /// The driver's library isn't installed.
    #[error(
        "the library of the NVIDIA driver isn't there (looked for {}); install the driver of the GPU, or use --device cpu",
        device::DRIVER_LIBRARIES.join(", ")
    )]
    NoDriver,
    /// The driver is installed but sees no GPU.
    #[error("the NVIDIA driver finds no GPU; nvidia-smi should list one, and CUDA_VISIBLE_DEVICES must not hide it")]
    NoDevice,
    /// There is no GPU with this index.
    #[error("no GPU {wanted}: there are {count}, counted from 0")]
    NoSuchDevice {
        /// The requested index.
        wanted: usize,
        /// The number of GPUs found.
        count: usize,
    },
    /// The GPU is too old for the kernels.
    #[error("{name} has compute capability {}.{}; the kernels take 8.0 (A100, RTX 30) or newer", .capability.0, .capability.1)]
    TooOld {
        /// The GPU.
        name: String,
        /// Its compute capability.
        capability: (u32, u32),
    },
    /// The compiler is missing or failed.
    #[error(transparent)]
    Nvrtc(#[from] nvrtc::NvrtcError),
    /// The library that connects GPUs is missing or failed.
    #[error(transparent)]
    Nccl(#[from] nccl::NcclError),
    /// A kernel file is missing.
    #[error(transparent)]
    Source(#[from] crate::MissingSource),
    /// There isn't enough memory.
    #[error("{wanted} bytes of GPU memory were asked for, {free} of {total} are free")]
    OutOfMemory {
        /// Bytes requested.
        wanted: usize,
        /// Bytes free.
        free: usize,
        /// Total bytes of the GPU.
        total: usize,
    },
    /// The driver returned an error.
    #[error("CUDA, {what}: {error}")]
    Driver {
        /// The operation attempted.
        what: String,
        /// The driver's answer.
        #[source]
        error: cudarc::driver::DriverError,
    },
}

/// Adds the attempted operation to a driver error.
trait During<T> {
    fn during(self, what: impl FnOnce() -> String) -> Result<T, CudaError>;
}

impl<T> During<T> for Result<T, cudarc::driver::DriverError> {
    fn during(self, what: impl FnOnce() -> String) -> Result<T, CudaError> {
        self.map_err(|error| CudaError::Driver { what: what(), error })
    }
}
