//! Kernels on the CPU: the same `.cu` files, compiled by the C++ compiler, with a block's threads as fibers.
//!
//! New memory is poisoned with NaN and lies between guard zones; damage to these ends the test that caused it.

use std::cell::UnsafeCell;
use std::ffi::{CString, c_char, c_long, c_uint, c_void};

use crate::{Argument, Boxes, Driver, Kernel, Launch, Memory, View};

unsafe extern "C" {
    fn cuda_cpu_kernel_parameters(name: *const c_char, bytes: *mut *const usize) -> c_long;
    fn cuda_cpu_launch(
        name: *const c_char,
        grid: *const c_uint,
        block: *const c_uint,
        shared_bytes: c_uint,
        parameters: *mut *mut c_void,
        seed: u32,
        os_threads: c_uint,
    );
}

const ALIGNMENT: usize = 256;
/// NaN as f32 and as bf16, -1 as an integer.
const POISON: u8 = 0xff;
const GUARD: u8 = 0xaa;
/// The dynamic shared memory that a block may ask for: an H100's.
const SHARED_LIMIT: u32 = 227 * 1024;
const THREADS_LIMIT: u32 = 1024;

#[repr(align(256))]
struct Chunk(#[allow(dead_code, reason = "seen through pointers alone")] UnsafeCell<[u8; ALIGNMENT]>);

/// Memory between two guard zones: one chunk before, and at least one after.
pub struct CpuBuffer {
    chunks: Box<[Chunk]>,
    bytes: usize,
}

impl CpuBuffer {
    fn new(bytes: usize) -> Self {
        let count = 2 + bytes.div_ceil(ALIGNMENT);
        let chunks: Box<[Chunk]> = (0..count).map(|_| Chunk(UnsafeCell::new([GUARD; ALIGNMENT]))).collect();
        let buffer = Self { chunks, bytes };
        // SAFETY: `bytes` bytes follow the first chunk, and no one else has seen them yet.
        unsafe { std::ptr::write_bytes(buffer.start(), POISON, bytes) };
        buffer
    }

    fn whole(&self) -> *mut u8 {
        self.chunks.as_ptr().cast_mut().cast()
    }

    fn start(&self) -> *mut u8 {
        // SAFETY: there are at least two chunks.
        unsafe { self.whole().add(ALIGNMENT) }
    }

    /// # Panics
    /// If a kernel wrote out of bounds.
    fn check(&self) {
        // SAFETY: the whole allocation; kernels run inside `launch`, so none runs now.
        let all = unsafe { std::slice::from_raw_parts(self.whole(), self.chunks.len() * ALIGNMENT) };
        let end = ALIGNMENT + self.bytes;
        if let Some(at) = all[end..].iter().position(|&byte| byte != GUARD) {
            panic!("a kernel wrote {at} bytes behind a buffer of {} bytes", self.bytes);
        }
        if let Some(at) = all[..ALIGNMENT].iter().rposition(|&byte| byte != GUARD) {
            panic!("a kernel wrote {} bytes before a buffer of {} bytes", ALIGNMENT - at, self.bytes);
        }
    }
}

impl Memory for CpuBuffer {
    fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Drop for CpuBuffer {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.check();
        }
    }
}

/// Runs kernels on the CPU.
#[derive(Clone, Copy, Debug)]
pub struct CpuDriver {
    /// The order in which threads and blocks run: 0 is forwards, every other value a different order.
    pub seed: u32,
    /// The number of blocks that run at once.
    pub os_threads: u32,
}

impl Default for CpuDriver {
    fn default() -> Self {
        Self { seed: 0, os_threads: 1 }
    }
}

/// Why a launch was rejected.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum CpuError {
    /// No kernel is registered under this name.
    #[error("no kernel {0} is registered; its file needs a line REGISTER_KERNEL({0});")]
    UnknownKernel(&'static str),
    /// The number or sizes of the arguments don't match the kernel's parameters.
    #[error("{kernel} takes parameters of {expected:?} bytes, but was given {found:?}")]
    Arguments {
        /// The kernel.
        kernel: &'static str,
        /// The size of each parameter.
        expected: Vec<usize>,
        /// The size of each argument.
        found: Vec<usize>,
    },
    /// No GPU accepts a launch of this shape.
    #[error("{kernel}: no GPU accepts the launch {launch:?}")]
    Shape {
        /// The kernel.
        kernel: &'static str,
        /// The requested launch.
        launch: Launch,
    },
}

/// An argument, laid out as a parameter in memory: little-endian hosts have small values at the address of the large.
#[repr(align(64))]
struct Parameter([u8; TENSOR_MAP_BYTES], usize);

/// The size of the largest parameter.
const TENSOR_MAP_BYTES: usize = 128;

impl Parameter {
    fn new(bytes: &[u8]) -> Self {
        let mut value = [0; TENSOR_MAP_BYTES];
        value[..bytes.len()].copy_from_slice(bytes);
        Self(value, bytes.len())
    }
}

fn parameter(argument: &Argument<CpuBuffer>) -> Parameter {
    match *argument {
        Argument::Pointer(view) => Parameter::new(&(view.buffer.start() as usize + view.offset).to_ne_bytes()),
        // Read by the kernels' stand-in for the copy engine in place of an encoded map.
        Argument::Boxes(Boxes { matrix, rows, columns, box_rows }) => {
            let mut bytes = [0; TENSOR_MAP_BYTES];
            let words = [matrix.buffer.start() as usize + matrix.offset, rows, columns, box_rows];
            bytes
                .chunks_exact_mut(8)
                .zip(words)
                .for_each(|(to, word)| to.copy_from_slice(&(word as u64).to_ne_bytes()));
            Parameter::new(&bytes)
        }
        Argument::Null => Parameter::new(&0usize.to_ne_bytes()),
        Argument::I32(value) => Parameter::new(&value.to_ne_bytes()),
        Argument::U32(value) => Parameter::new(&value.to_ne_bytes()),
        Argument::U64(value) => Parameter::new(&value.to_ne_bytes()),
        Argument::F32(value) => Parameter::new(&value.to_ne_bytes()),
    }
}

fn check_range(view: &View<CpuBuffer>, bytes: usize) {
    assert!(view.elements::<u8>() >= bytes, "{bytes} bytes from {} of a buffer of {}", view.offset, view.buffer.bytes);
}

impl Driver for CpuDriver {
    type Buffer = CpuBuffer;
    type Error = CpuError;

    fn allocate(&self, bytes: usize) -> Result<CpuBuffer, CpuError> {
        Ok(CpuBuffer::new(bytes))
    }

    fn upload(&self, to: View<CpuBuffer>, bytes: &[u8]) -> Result<(), CpuError> {
        check_range(&to, bytes.len());
        // SAFETY: the range was checked, `bytes` isn't device memory, and no kernel runs now.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), to.buffer.start().add(to.offset), bytes.len()) };
        Ok(())
    }

    fn download(&self, from: View<CpuBuffer>, bytes: &mut [u8]) -> Result<(), CpuError> {
        check_range(&from, bytes.len());
        from.buffer.check();
        // SAFETY: as in `upload`.
        unsafe { std::ptr::copy_nonoverlapping(from.buffer.start().add(from.offset), bytes.as_mut_ptr(), bytes.len()) };
        Ok(())
    }

    fn copy(&self, from: View<CpuBuffer>, to: View<CpuBuffer>, bytes: usize) -> Result<(), CpuError> {
        check_range(&from, bytes);
        check_range(&to, bytes);
        // SAFETY: as in `upload`; if the ranges do overlap, the bytes are still moved correctly.
        unsafe { std::ptr::copy(from.buffer.start().add(from.offset), to.buffer.start().add(to.offset), bytes) };
        Ok(())
    }

    fn zero(&self, to: View<CpuBuffer>, bytes: usize) -> Result<(), CpuError> {
        check_range(&to, bytes);
        // SAFETY: as in `upload`.
        unsafe { std::ptr::write_bytes(to.buffer.start().add(to.offset), 0, bytes) };
        Ok(())
    }

    unsafe fn launch(&self, kernel: Kernel, launch: Launch, arguments: &[Argument<CpuBuffer>]) -> Result<(), CpuError> {
        let threads = launch.block.iter().product::<u32>();
        let blocks_fit = launch.grid[0] <= i32::MAX as u32 && launch.grid[1] < 1 << 16 && launch.grid[2] < 1 << 16;
        let empty = threads == 0 || launch.grid.contains(&0);
        if empty || threads > THREADS_LIMIT || !blocks_fit || launch.shared_bytes > SHARED_LIMIT {
            return Err(CpuError::Shape { kernel: kernel.name, launch });
        }
        let name = CString::new(kernel.name).map_err(|_| CpuError::UnknownKernel(kernel.name))?;
        let mut sizes = std::ptr::null();
        // SAFETY: a terminated name, and a place for the answer, which lives as long as the program.
        let count = unsafe { cuda_cpu_kernel_parameters(name.as_ptr(), &mut sizes) };
        let count = usize::try_from(count).map_err(|_| CpuError::UnknownKernel(kernel.name))?;
        let expected = (0..count)
            // SAFETY: there are `count` sizes, as just returned.
            .map(|index| unsafe { *sizes.add(index) })
            .collect::<Vec<_>>();
        let mut parameters: Vec<Parameter> = arguments.iter().map(parameter).collect();
        let found: Vec<usize> = parameters.iter().map(|parameter| parameter.1).collect();
        if expected != found {
            return Err(CpuError::Arguments { kernel: kernel.name, expected, found });
        }
        let mut addresses: Vec<*mut c_void> =
            parameters.iter_mut().map(|parameter| parameter.0.as_mut_ptr().cast()).collect();
        // SAFETY: the number and sizes of the parameters were checked; the caller vouches for their meaning.
        unsafe {
            cuda_cpu_launch(
                name.as_ptr(),
                launch.grid.as_ptr(),
                launch.block.as_ptr(),
                launch.shared_bytes,
                addresses.as_mut_ptr(),
                self.seed,
                self.os_threads,
            );
        }
        Ok(())
    }

    fn synchronize(&self) -> Result<(), CpuError> {
        Ok(())
    }
}
