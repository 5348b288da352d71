//! Training on a GPU: the device boundary on the project's own kernels.
//!
//! Generic over the [`Driver`]: the same code runs on an NVIDIA GPU and, in tests, on the kernels built for the CPU. What products read or
//! write is bf16, the rest f32 (`buffer`). A launch that fails makes every later operation do nothing; the failure comes up
//! where results are read ([`Gpu::check`]), as launches do not wait either.

mod buffer;
pub mod collective;
mod operations;
#[cfg(test)]
mod tests;

use std::cell::RefCell;

use bytemuck::Pod;

#[cfg(doc)]
use crate::device::Report;
#[cfg(doc)]
use equalinfo_kernels::embedding;
use equalinfo_kernels::{Driver, Memory, View, convert};

use crate::device::DeviceError;

pub use buffer::GpuBuffer;
use collective::Collective;

/// Indices in the device's memory.
pub struct GpuIndices<M> {
    memory: Option<M>,
    length: usize,
    /// Of symbols: the order in which their gradients are added, behind the indices themselves.
    order: Option<PlacedOrder>,
}

/// Where an [`embedding::Order`] lies behind its symbols, in bytes, and how long its parts are.
struct PlacedOrder {
    positions: usize,
    pieces: usize,
    joined: usize,
    piece_count: usize,
    joined_count: usize,
    workspace_rows: usize,
}

/// Bytes of a report on the device, and those of its sums, which begin anew when they were read.
const REPORT_BYTES: usize = 24;
const SUM_BYTES: usize = 16;

/// A device made of a driver and the kernels.
pub struct Gpu<D: Driver> {
    driver: D,
    /// Multiprocessors of the device: work is cut to give each of them some.
    multiprocessors: usize,
    /// Memory of no consequence between operations, as large as any has needed.
    workspace: RefCell<Option<D::Buffer>>,
    /// A [`Report`] in the making, and the factor that clipping leaves: f64 nats, f64 positions, f32 norm, f32 factor.
    report: Option<D::Buffer>,
    /// What connects it to other ranks.
    collective: Option<Box<dyn Collective<D>>>,
    failure: RefCell<Option<DeviceError>>,
}

impl<D: Driver> Gpu<D> {
    /// A device of so many multiprocessors.
    pub fn new(driver: D, multiprocessors: usize) -> Self {
        let (workspace, failure) = (RefCell::new(None), RefCell::new(None));
        let mut device = Self { driver, multiprocessors, workspace, report: None, collective: None, failure };
        device.report = device.allocate(REPORT_BYTES);
        device
    }

    /// As one of the ranks of a run.
    pub fn with_collective(self, collective: Box<dyn Collective<D>>) -> Self {
        Self { collective: Some(collective), ..self }
    }

    /// Whether all went well.
    ///
    /// # Errors
    /// The first failure of any operation so far.
    pub fn check(&self) -> Result<(), DeviceError> {
        self.failure.borrow_mut().take().map_or(Ok(()), Err)
    }

    /// Runs an operation unless one has failed before.
    pub(crate) fn run<T>(&self, operation: impl FnOnce(&D) -> Result<T, D::Error>) -> Option<T> {
        self.try_run(|driver| operation(driver).map_err(DeviceError::gpu))
    }

    fn try_run<T>(&self, operation: impl FnOnce(&D) -> Result<T, DeviceError>) -> Option<T> {
        if self.failure.borrow().is_some() {
            return None;
        }
        operation(&self.driver).map_err(|error| *self.failure.borrow_mut() = Some(error)).ok()
    }

    /// Exchanges something with the other ranks, if there are any.
    fn exchange(&self, operation: impl FnOnce(&dyn Collective<D>, &D) -> Result<(), DeviceError>) {
        if let Some(collective) = &self.collective {
            self.try_run(|driver| operation(collective.as_ref(), driver));
        }
    }

    fn allocate(&self, bytes: usize) -> Option<D::Buffer> {
        self.run(|driver| {
            let memory = driver.allocate(bytes)?;
            driver.zero(View::new(&memory), bytes)?;
            Ok(memory)
        })
    }

    /// Runs an operation with at least `bytes` of workspace.
    fn run_with(&self, bytes: usize, operation: impl FnOnce(&D, View<D::Buffer>) -> Result<(), D::Error>) {
        let mut workspace = self.workspace.borrow_mut();
        if workspace.as_ref().is_none_or(|workspace| workspace.bytes() < bytes) {
            // The old one goes first, so that both need not fit.
            *workspace = None;
            *workspace = self.run(|driver| driver.allocate(bytes));
        }
        if let Some(workspace) = workspace.as_ref() {
            self.run(|driver| operation(driver, View::new(workspace)));
        }
    }

    /// New memory that holds `bytes`.
    fn uploaded(&self, bytes: &[u8]) -> Option<D::Buffer> {
        self.run(|driver| {
            let memory = driver.allocate(bytes.len())?;
            driver.upload(View::new(&memory), bytes)?;
            Ok(memory)
        })
    }

    /// `length` values; zeros after a failure.
    fn download<T: Pod>(&self, from: View<D::Buffer>, length: usize) -> Vec<T> {
        let mut values = vec![T::zeroed(); length];
        self.run(|driver| driver.download(from, bytemuck::cast_slice_mut(&mut values)));
        values
    }

    /// Renews the copy for products of `length` values from `offset`.
    fn renew_product(&self, buffer: &GpuBuffer<D::Buffer>, offset: usize, length: usize) {
        if buffer.is_paired() {
            self.run(|driver| convert::to_bf16(driver, length, buffer.f32(offset), buffer.bf16(offset)));
        }
    }
}
