//! The same device with and without warpgroup products, so that both paths are tested wherever they run.

use equalinfo_kernels::{Argument, Driver, Kernel, Launch, View};

use crate::device::{TestBuffer, TestDriver, TestError, on_gpu};

/// The CPU's number: so few that a block has several tiles to work through.
const MULTIPROCESSORS: u32 = 2;

pub struct OnPath<'a> {
    driver: &'a TestDriver,
    multiprocessors: Option<u32>,
}

/// The paths of this device; the CPU stands in for both.
pub fn paths(driver: &TestDriver) -> Vec<OnPath<'_>> {
    let warpgroups = if on_gpu() { driver.warpgroup_multiprocessors() } else { Some(MULTIPROCESSORS) };
    let path = |multiprocessors| OnPath { driver, multiprocessors };
    [path(None)].into_iter().chain(warpgroups.map(|count| path(Some(count)))).collect()
}

impl Driver for OnPath<'_> {
    type Buffer = TestBuffer;
    type Error = TestError;

    fn allocate(&self, bytes: usize) -> Result<TestBuffer, TestError> {
        self.driver.allocate(bytes)
    }

    fn upload(&self, to: View<TestBuffer>, bytes: &[u8]) -> Result<(), TestError> {
        self.driver.upload(to, bytes)
    }

    fn download(&self, from: View<TestBuffer>, bytes: &mut [u8]) -> Result<(), TestError> {
        self.driver.download(from, bytes)
    }

    fn copy(&self, from: View<TestBuffer>, to: View<TestBuffer>, bytes: usize) -> Result<(), TestError> {
        self.driver.copy(from, to, bytes)
    }

    fn zero(&self, to: View<TestBuffer>, bytes: usize) -> Result<(), TestError> {
        self.driver.zero(to, bytes)
    }

    unsafe fn launch(
        &self,
        kernel: Kernel,
        launch: Launch,
        arguments: &[Argument<TestBuffer>],
    ) -> Result<(), TestError> {
        // SAFETY: the caller's promise.
        unsafe { self.driver.launch(kernel, launch, arguments) }
    }

    fn synchronize(&self) -> Result<(), TestError> {
        self.driver.synchronize()
    }

    fn warpgroup_multiprocessors(&self) -> Option<u32> {
        self.multiprocessors
    }
}
