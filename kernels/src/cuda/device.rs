//! The GPUs of this machine.

use cudarc::driver::sys::{self, CUdevice_attribute, CUresult};
use cudarc::driver::{DriverError, result};

use super::{CudaError, During};

/// The names of the driver's library.
pub(super) const DRIVER_LIBRARIES: &[&str] =
    if cfg!(windows) { &["nvcuda.dll"] } else { &["libcuda.so", "libcuda.so.1"] };

/// The oldest compute capability that the kernels run on: bf16 tensor cores and asynchronous copies.
const OLDEST: (u32, u32) = (8, 0);

/// The target that kernels are compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Architecture(pub u32, pub u32);

impl std::fmt::Display for Architecture {
    /// In the compiler's notation. Hopper's and Blackwell's own instructions (`wgmma`) exist only under the name with
    /// an `a`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let own = if matches!(self, Self(9 | 10, 0)) { "a" } else { "" };
        write!(f, "sm_{}{}{own}", self.0, self.1)
    }
}

/// A GPU.
#[derive(Clone, Debug, PartialEq)]
pub struct CudaDevice {
    /// Its number, counted from 0.
    pub ordinal: usize,
    /// The driver's name for it.
    pub name: String,
    /// The target of its kernels.
    pub architecture: Architecture,
    /// Bytes of memory.
    pub memory: usize,
    /// Streaming multiprocessors.
    pub multiprocessors: u32,
    /// Their highest clock rate in hertz.
    pub clock: f64,
}

/// Published bf16 tensor-core operations per second (dense, f32 sums), by a part of the GPU's name.
const PUBLISHED_PEAKS: &[(&str, f64)] = &[
    ("B200", 2250e12),
    ("H200", 989e12),
    ("H100 PCIe", 756e12),
    ("H100 NVL", 835e12),
    ("H100", 989e12),
    ("H800", 989e12),
    ("GH200", 989e12),
    ("L40S", 362e12),
    ("L4", 121e12),
    ("A100", 312e12),
    ("A800", 312e12),
    ("A10", 125e12),
];

impl CudaDevice {
    /// Whether the kernels run on it.
    pub fn check(&self) -> Result<(), CudaError> {
        let capability = (self.architecture.0, self.architecture.1);
        if capability >= OLDEST { Ok(()) } else { Err(CudaError::TooOld { name: self.name.clone(), capability }) }
    }

    /// The peak of dense bf16 products with f32 sums in operations per second, counting additions and multiplications
    /// separately: the published figure, or else what the multiprocessors reach at their highest clock rate.
    pub fn peak_bf16(&self) -> f64 {
        let published = PUBLISHED_PEAKS
            .iter()
            .find(|(part, _)| self.name.split([' ', '-']).collect::<Vec<_>>().join(" ").contains(part));
        if let Some((_, peak)) = published {
            return *peak;
        }
        let per_clock = match self.architecture {
            Architecture(8, 0) => 2048.0,
            Architecture(8, _) => 512.0,
            Architecture(9, _) => 4096.0,
            Architecture(10, _) => 8192.0,
            _ => 1024.0,
        };
        f64::from(self.multiprocessors) * self.clock * per_clock
    }
}

/// Loads and initializes the driver's library, once per process.
pub(super) fn initialize() -> Result<(), CudaError> {
    // SAFETY: loading the driver's library runs no code that has a precondition.
    if !unsafe { sys::is_culib_present() } {
        return Err(CudaError::NoDriver);
    }
    match result::init() {
        Err(DriverError(CUresult::CUDA_ERROR_NO_DEVICE)) => Err(CudaError::NoDevice),
        other => other.during(|| "starting the driver".to_string()),
    }
}

/// The CUDA release that the driver was made for, major and minor.
pub fn driver_version() -> Result<(u32, u32), CudaError> {
    initialize()?;
    let mut version = 0;
    // SAFETY: the library is loaded, and `version` is a place for the answer.
    unsafe { sys::cuDriverGetVersion(&mut version) }.result().during(|| "its version".to_string())?;
    let version = version.unsigned_abs();
    Ok((version / 1000, version % 1000 / 10))
}

/// All GPUs that the driver shows.
pub fn devices() -> Result<Vec<CudaDevice>, CudaError> {
    initialize()?;
    let count = result::device::get_count().during(|| "counting GPUs".to_string())?;
    if count <= 0 {
        return Err(CudaError::NoDevice);
    }
    (0..count).map(|ordinal| describe(ordinal).during(|| format!("asking about GPU {ordinal}"))).collect()
}

fn describe(ordinal: i32) -> Result<CudaDevice, DriverError> {
    let device = result::device::get(ordinal)?;
    // SAFETY: the driver has just returned the device.
    let attribute = |which| unsafe { result::device::get_attribute(device, which) }.map(i32::unsigned_abs);
    let clock_kilohertz = attribute(CUdevice_attribute::CU_DEVICE_ATTRIBUTE_CLOCK_RATE)?;
    Ok(CudaDevice {
        ordinal: ordinal.unsigned_abs() as usize,
        name: result::device::get_name(device)?,
        architecture: Architecture(
            attribute(CUdevice_attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)?,
            attribute(CUdevice_attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)?,
        ),
        // SAFETY: as above.
        memory: unsafe { result::device::total_mem(device) }?,
        multiprocessors: attribute(CUdevice_attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)?,
        clock: f64::from(clock_kilohertz) * 1e3,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(name: &str, architecture: Architecture) -> CudaDevice {
        CudaDevice {
            ordinal: 0,
            name: name.to_string(),
            architecture,
            memory: 1 << 36,
            multiprocessors: 100,
            clock: 1.5e9,
        }
    }

    #[test]
    fn architectures_have_the_compiler_s_names() {
        let names =
            [Architecture(8, 0), Architecture(8, 9), Architecture(9, 0), Architecture(10, 0), Architecture(12, 0)];
        assert_eq!(names.map(|name| name.to_string()), ["sm_80", "sm_89", "sm_90a", "sm_100a", "sm_120"]);
    }

    #[test]
    fn peaks_are_the_published_ones_where_there_are_some() {
        assert_eq!(device("NVIDIA H200", Architecture(9, 0)).peak_bf16(), 989e12);
        assert_eq!(device("NVIDIA H100 80GB HBM3", Architecture(9, 0)).peak_bf16(), 989e12);
        assert_eq!(device("NVIDIA H100 PCIe", Architecture(9, 0)).peak_bf16(), 756e12);
        assert_eq!(device("NVIDIA A100-SXM4-80GB", Architecture(8, 0)).peak_bf16(), 312e12);
        assert_eq!(device("NVIDIA L40S", Architecture(8, 9)).peak_bf16(), 362e12);
        assert_eq!(device("Something new", Architecture(9, 0)).peak_bf16(), 100.0 * 1.5e9 * 4096.0);
    }

    #[test]
    fn an_old_gpu_is_refused_by_name() {
        let message = device("Tesla T4", Architecture(7, 5)).check().unwrap_err().to_string();
        assert!(message.contains("Tesla T4") && message.contains("7.5"), "{message}");
        assert!(device("NVIDIA A10", Architecture(8, 6)).check().is_ok());
    }
}
