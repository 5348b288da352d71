//! The interface to whatever runs kernels: device memory, and launches on it, in order.

/// A kernel's name and the file that contains it, without `.cu`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Kernel {
    /// The file, which is the unit of compilation.
    pub unit: &'static str,
    /// The name of the `extern "C" __global__` function.
    pub name: &'static str,
}

/// The shape of a launch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Launch {
    /// Blocks in x, y and z.
    pub grid: [u32; 3],
    /// Threads per block in x, y and z.
    pub block: [u32; 3],
    /// Bytes of dynamic shared memory per block.
    pub shared_bytes: u32,
}

impl Launch {
    /// A one-dimensional launch of `blocks` blocks of `threads` threads, without dynamic shared memory.
    pub const fn linear(blocks: u32, threads: u32) -> Self {
        Self { grid: [blocks, 1, 1], block: [threads, 1, 1], shared_bytes: 0 }
    }

    /// The same launch with `bytes` of dynamic shared memory per block.
    pub const fn with_shared(self, bytes: u32) -> Self {
        Self { shared_bytes: bytes, ..self }
    }
}

/// Device memory.
pub trait Memory {
    /// The size that was requested, in bytes.
    fn bytes(&self) -> usize;
}

/// The device memory from `offset` bytes into a buffer to its end: the meaning of a pointer argument.
#[derive(Debug)]
pub struct View<'a, B> {
    /// The memory.
    pub buffer: &'a B,
    /// Bytes to skip.
    pub offset: usize,
}

impl<B> Clone for View<'_, B> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<B> Copy for View<'_, B> {}

impl<'a, B: Memory> View<'a, B> {
    /// All of `buffer`.
    pub fn new(buffer: &'a B) -> Self {
        Self { buffer, offset: 0 }
    }

    /// The view without its first `elements` values of type `T`.
    pub fn skip<T>(self, elements: usize) -> Self {
        Self { offset: self.offset + elements * size_of::<T>(), ..self }
    }

    /// Values of type `T` in the view.
    pub fn elements<T>(&self) -> usize {
        self.buffer.bytes().saturating_sub(self.offset) / size_of::<T>()
    }

    /// Returns the view itself after checking that it holds `elements` values of type `T`.
    ///
    /// # Panics
    /// If it is smaller: a kernel would read or write past its end.
    #[track_caller]
    pub fn expect<T>(self, what: &str, elements: usize) -> Self {
        let held = self.elements::<T>();
        assert!(held >= elements, "{what} holds {held} values, the kernel needs {elements}");
        self
    }
}

/// A row-major bf16 matrix that the tensor copy engine of sm_90 reads in boxes: 64 columns wide, with a 128-byte
/// swizzle and zeros outside the matrix.
#[derive(Debug)]
pub struct Boxes<'a, B> {
    /// The values, at an address that is a multiple of 16.
    pub matrix: View<'a, B>,
    /// Rows of the matrix.
    pub rows: usize,
    /// Columns of the matrix, a multiple of 8.
    pub columns: usize,
    /// Rows per box, at most 256.
    pub box_rows: usize,
}

impl<B> Clone for Boxes<'_, B> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<B> Copy for Boxes<'_, B> {}

/// One argument of a kernel.
#[derive(Debug)]
pub enum Argument<'a, B> {
    /// A pointer to device memory that the kernel reads or writes.
    Pointer(View<'a, B>),
    /// `const __grid_constant__ TensorMap`.
    Boxes(Boxes<'a, B>),
    /// A null pointer, for kernels that accept one.
    Null,
    /// `int`.
    I32(i32),
    /// `unsigned`.
    U32(u32),
    /// `long long` or `unsigned long long`.
    U64(u64),
    /// `float`.
    F32(f32),
}

impl<B> Clone for Argument<'_, B> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<B> Copy for Argument<'_, B> {}

impl<'a, B> From<View<'a, B>> for Argument<'a, B> {
    fn from(view: View<'a, B>) -> Self {
        Self::Pointer(view)
    }
}

impl<'a, B> From<Boxes<'a, B>> for Argument<'a, B> {
    fn from(boxes: Boxes<'a, B>) -> Self {
        Self::Boxes(boxes)
    }
}

impl<'a, B> From<Option<View<'a, B>>> for Argument<'a, B> {
    fn from(view: Option<View<'a, B>>) -> Self {
        view.map_or(Self::Null, Self::Pointer)
    }
}

impl<B> From<i32> for Argument<'_, B> {
    fn from(value: i32) -> Self {
        Self::I32(value)
    }
}

impl<B> From<u32> for Argument<'_, B> {
    fn from(value: u32) -> Self {
        Self::U32(value)
    }
}

impl<B> From<u64> for Argument<'_, B> {
    fn from(value: u64) -> Self {
        Self::U64(value)
    }
}

impl<B> From<f32> for Argument<'_, B> {
    fn from(value: f32) -> Self {
        Self::F32(value)
    }
}

/// Sizes are `int` in kernels.
///
/// # Panics
/// If the size is 2^31 or more.
impl<B> From<usize> for Argument<'_, B> {
    #[track_caller]
    fn from(size: usize) -> Self {
        Self::I32(i32::try_from(size).unwrap_or_else(|_| panic!("a kernel's sizes are below 2^31, not {size}")))
    }
}

/// Builds `[argument, argument, ...]` from views and numbers.
#[macro_export]
macro_rules! arguments {
    ($($value:expr),* $(,)?) => { &[$($crate::Argument::from($value)),*] };
}

/// A device: memory, and kernels that run one after another in launch order.
pub trait Driver {
    /// Device memory, aligned to 256 bytes; freed when dropped.
    type Buffer: Memory;
    /// The device's errors.
    type Error: std::error::Error + Send + Sync + 'static;

    /// Allocates memory with arbitrary content.
    fn allocate(&self, bytes: usize) -> Result<Self::Buffer, Self::Error>;
    /// Copies `bytes` to the start of `to`; later launches see them.
    fn upload(&self, to: View<Self::Buffer>, bytes: &[u8]) -> Result<(), Self::Error>;
    /// Fills `bytes` from the start of `from`, after everything launched so far.
    fn download(&self, from: View<Self::Buffer>, bytes: &mut [u8]) -> Result<(), Self::Error>;
    /// Copies `bytes` from the start of `from` to the start of `to`, which must not overlap.
    fn copy(&self, from: View<Self::Buffer>, to: View<Self::Buffer>, bytes: usize) -> Result<(), Self::Error>;
    /// Sets `bytes` from the start of `to` to zero.
    fn zero(&self, to: View<Self::Buffer>, bytes: usize) -> Result<(), Self::Error>;
    /// Starts a kernel; it may still run when this returns.
    ///
    /// # Safety
    /// The arguments match the kernel's signature in number, type and order; given them and this launch shape, the
    /// kernel stays within the memory that they point to.
    unsafe fn launch(
        &self,
        kernel: Kernel,
        launch: Launch,
        arguments: &[Argument<Self::Buffer>],
    ) -> Result<(), Self::Error>;
    /// Waits for everything launched so far.
    fn synchronize(&self) -> Result<(), Self::Error>;
    /// The number of multiprocessors, if the device has the warpgroup products and tensor copies of sm_90; else `None`.
    fn warpgroup_multiprocessors(&self) -> Option<u32> {
        None
    }
}
