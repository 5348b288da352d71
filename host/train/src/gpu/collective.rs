//! What the GPUs of several ranks exchange.

use equalinfo_kernels::cuda::nccl::Communicator;
use equalinfo_kernels::cuda::{CudaBuffer, CudaDriver};
use equalinfo_kernels::{Driver, View};

use crate::device::DeviceError;

/// Exchanges values in the memory of devices, in the order of launches. All ranks call the same in the same order.
pub trait Collective<D: Driver> {
    /// This device's rank, and how many there are.
    fn ranks(&self) -> (usize, usize);

    /// Replaces `length` f32 values by their sums over all ranks.
    ///
    /// # Errors
    /// Another rank cannot be reached.
    fn all_reduce(&self, driver: &D, values: View<D::Buffer>, length: usize) -> Result<(), DeviceError>;

    /// Replaces an f64 by its sum over all ranks.
    ///
    /// # Errors
    /// Another rank cannot be reached.
    fn sum(&self, driver: &D, value: View<D::Buffer>) -> Result<(), DeviceError>;

    /// Sums pieces of `piece` f32 values, one a rank, over all ranks: rank `r` has the sums of piece `r` afterwards.
    ///
    /// # Errors
    /// Another rank cannot be reached.
    fn reduce_scatter(&self, driver: &D, values: View<D::Buffer>, piece: usize) -> Result<(), DeviceError>;

    /// Gives every rank all pieces of `piece` f32 values, of which rank `r` has piece `r`.
    ///
    /// # Errors
    /// Another rank cannot be reached.
    fn all_gather(&self, driver: &D, values: View<D::Buffer>, piece: usize) -> Result<(), DeviceError>;
}

impl Collective<CudaDriver> for Communicator {
    fn ranks(&self) -> (usize, usize) {
        self.ranks()
    }

    fn all_reduce(&self, driver: &CudaDriver, values: View<CudaBuffer>, length: usize) -> Result<(), DeviceError> {
        self.all_reduce(driver, values, length).map_err(DeviceError::gpu)
    }

    fn sum(&self, driver: &CudaDriver, value: View<CudaBuffer>) -> Result<(), DeviceError> {
        self.all_reduce_f64(driver, value, 1).map_err(DeviceError::gpu)
    }

    fn reduce_scatter(&self, driver: &CudaDriver, values: View<CudaBuffer>, piece: usize) -> Result<(), DeviceError> {
        self.reduce_scatter(driver, values, piece).map_err(DeviceError::gpu)
    }

    fn all_gather(&self, driver: &CudaDriver, values: View<CudaBuffer>, piece: usize) -> Result<(), DeviceError> {
        self.all_gather(driver, values, piece).map_err(DeviceError::gpu)
    }
}
