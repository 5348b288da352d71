//! The device under test: the CPU, or the first GPU with `EQUALINFO_TEST_DEVICE=cuda`. On both, new memory is poisoned
//! and lies between guard zones.

use equalinfo_kernels::cpu::{CpuBuffer, CpuDriver};
use equalinfo_kernels::{Argument, Boxes, Driver, Kernel, Launch, Memory, View};

/// Replaces all errors: a test can only fail with them.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct TestError(Box<dyn std::error::Error + Send + Sync>);

pub enum TestDriver {
    Cpu(CpuDriver),
    #[cfg(feature = "cuda")]
    Gpu(&'static gpu::Gpu),
}

pub enum TestBuffer {
    Cpu(CpuBuffer),
    #[cfg(feature = "cuda")]
    Gpu(gpu::GpuBuffer),
}

/// Whether the tests run on a GPU.
pub fn on_gpu() -> bool {
    let device = std::env::var("EQUALINFO_TEST_DEVICE").unwrap_or_default();
    assert!(["", "cpu", "cuda"].contains(&device.as_str()), "EQUALINFO_TEST_DEVICE={device}: expected cpu or cuda");
    assert!(device != "cuda" || cfg!(feature = "cuda"), "EQUALINFO_TEST_DEVICE=cuda takes --features shim,cuda");
    device == "cuda"
}

impl TestDriver {
    /// The device under test; the CPU runs threads and blocks in the order of `seed`, `os_threads` blocks at once.
    pub fn new(seed: u32, os_threads: u32) -> Self {
        #[cfg(feature = "cuda")]
        if on_gpu() {
            return Self::Gpu(gpu::first());
        }
        assert!(!on_gpu());
        Self::Cpu(CpuDriver { seed, os_threads })
    }
}

impl Default for TestDriver {
    fn default() -> Self {
        Self::new(0, 1)
    }
}

impl Memory for TestBuffer {
    fn bytes(&self) -> usize {
        match self {
            Self::Cpu(buffer) => buffer.bytes(),
            #[cfg(feature = "cuda")]
            Self::Gpu(buffer) => buffer.bytes(),
        }
    }
}

impl TestBuffer {
    fn cpu(&self) -> &CpuBuffer {
        match self {
            Self::Cpu(buffer) => buffer,
            #[cfg(feature = "cuda")]
            Self::Gpu(_) => panic!("memory of a GPU, given to the CPU"),
        }
    }
}

fn on_cpu(view: View<TestBuffer>) -> View<CpuBuffer> {
    View { buffer: view.buffer.cpu(), offset: view.offset }
}

fn failed<T, E: std::error::Error + Send + Sync + 'static>(result: Result<T, E>) -> Result<T, TestError> {
    result.map_err(|error| TestError(error.into()))
}

/// The same arguments with different memory.
fn convert<'a, B>(
    arguments: &[Argument<'a, TestBuffer>],
    view: impl Fn(View<'a, TestBuffer>) -> View<'a, B>,
) -> Vec<Argument<'a, B>> {
    let convert = |argument: &Argument<'a, TestBuffer>| match *argument {
        Argument::Pointer(pointer) => Argument::Pointer(view(pointer)),
        Argument::Boxes(boxes) => {
            let Boxes { rows, columns, box_rows, .. } = boxes;
            Argument::Boxes(Boxes { matrix: view(boxes.matrix), rows, columns, box_rows })
        }
        Argument::Null => Argument::Null,
        Argument::I32(value) => Argument::I32(value),
        Argument::U32(value) => Argument::U32(value),
        Argument::U64(value) => Argument::U64(value),
        Argument::F32(value) => Argument::F32(value),
    };
    arguments.iter().map(convert).collect()
}

impl Driver for TestDriver {
    type Buffer = TestBuffer;
    type Error = TestError;

    fn allocate(&self, bytes: usize) -> Result<TestBuffer, TestError> {
        match self {
            Self::Cpu(driver) => failed(driver.allocate(bytes)).map(TestBuffer::Cpu),
            #[cfg(feature = "cuda")]
            Self::Gpu(driver) => failed(driver.allocate(bytes)).map(TestBuffer::Gpu),
        }
    }

    fn upload(&self, to: View<TestBuffer>, bytes: &[u8]) -> Result<(), TestError> {
        match self {
            Self::Cpu(driver) => failed(driver.upload(on_cpu(to), bytes)),
            #[cfg(feature = "cuda")]
            Self::Gpu(driver) => failed(driver.cuda.upload(gpu::inside(to), bytes)),
        }
    }

    fn download(&self, from: View<TestBuffer>, bytes: &mut [u8]) -> Result<(), TestError> {
        match self {
            Self::Cpu(driver) => failed(driver.download(on_cpu(from), bytes)),
            #[cfg(feature = "cuda")]
            Self::Gpu(driver) => {
                failed(driver.check(from.buffer))?;
                failed(driver.cuda.download(gpu::inside(from), bytes))
            }
        }
    }

    fn copy(&self, from: View<TestBuffer>, to: View<TestBuffer>, bytes: usize) -> Result<(), TestError> {
        match self {
            Self::Cpu(driver) => failed(driver.copy(on_cpu(from), on_cpu(to), bytes)),
            #[cfg(feature = "cuda")]
            Self::Gpu(driver) => failed(driver.cuda.copy(gpu::inside(from), gpu::inside(to), bytes)),
        }
    }

    fn zero(&self, to: View<TestBuffer>, bytes: usize) -> Result<(), TestError> {
        match self {
            Self::Cpu(driver) => failed(driver.zero(on_cpu(to), bytes)),
            #[cfg(feature = "cuda")]
            Self::Gpu(driver) => failed(driver.cuda.zero(gpu::inside(to), bytes)),
        }
    }

    unsafe fn launch(
        &self,
        kernel: Kernel,
        launch: Launch,
        arguments: &[Argument<TestBuffer>],
    ) -> Result<(), TestError> {
        // SAFETY: the caller's promise, for the same memory.
        unsafe {
            match self {
                Self::Cpu(driver) => failed(driver.launch(kernel, launch, &convert(arguments, on_cpu))),
                #[cfg(feature = "cuda")]
                Self::Gpu(driver) => failed(driver.cuda.launch(kernel, launch, &convert(arguments, gpu::inside))),
            }
        }
    }

    fn synchronize(&self) -> Result<(), TestError> {
        match self {
            Self::Cpu(driver) => failed(driver.synchronize()),
            #[cfg(feature = "cuda")]
            Self::Gpu(driver) => failed(driver.cuda.synchronize()),
        }
    }

    fn warpgroup_multiprocessors(&self) -> Option<u32> {
        match self {
            Self::Cpu(driver) => driver.warpgroup_multiprocessors(),
            #[cfg(feature = "cuda")]
            Self::Gpu(driver) => driver.cuda.warpgroup_multiprocessors(),
        }
    }
}

#[cfg(feature = "cuda")]
mod gpu {
    use std::sync::OnceLock;

    use equalinfo_kernels::cuda::{CudaBuffer, CudaDriver, CudaError};
    use equalinfo_kernels::{Driver, Memory, View};

    use super::TestBuffer;

    const POISON: u8 = 0xff;
    const GUARD: u8 = 0xaa;
    const GUARD_BYTES: usize = 256;

    pub struct Gpu {
        pub cuda: CudaDriver,
    }

    pub struct GpuBuffer {
        whole: CudaBuffer,
    }

    impl Memory for GpuBuffer {
        fn bytes(&self) -> usize {
            self.whole.bytes() - 2 * GUARD_BYTES
        }
    }

    pub fn first() -> &'static Gpu {
        static GPU: OnceLock<Gpu> = OnceLock::new();
        GPU.get_or_init(|| Gpu { cuda: CudaDriver::new(0, None).unwrap_or_else(|error| panic!("{error}")) })
    }

    pub fn inside(view: View<TestBuffer>) -> View<CudaBuffer> {
        match view.buffer {
            TestBuffer::Gpu(buffer) => View { buffer: &buffer.whole, offset: GUARD_BYTES + view.offset },
            TestBuffer::Cpu(_) => panic!("memory of the CPU, given to a GPU"),
        }
    }

    impl Gpu {
        pub fn allocate(&self, bytes: usize) -> Result<GpuBuffer, CudaError> {
            let whole = self.cuda.allocate(bytes + 2 * GUARD_BYTES)?;
            let mut content = vec![GUARD; bytes + 2 * GUARD_BYTES];
            content[GUARD_BYTES..GUARD_BYTES + bytes].fill(POISON);
            self.cuda.upload(View::new(&whole), &content)?;
            Ok(GpuBuffer { whole })
        }

        pub fn check(&self, buffer: &TestBuffer) -> Result<(), CudaError> {
            let whole = View { offset: 0, ..inside(View::new(buffer)) };
            for offset in [0, GUARD_BYTES + buffer.bytes()] {
                let mut guard = [0; GUARD_BYTES];
                self.cuda.download(whole.skip::<u8>(offset), &mut guard)?;
                assert_eq!(guard, [GUARD; GUARD_BYTES], "a kernel wrote outside a buffer of {} bytes", buffer.bytes());
            }
            Ok(())
        }
    }
}
