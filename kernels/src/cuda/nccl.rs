//! NCCL, NVIDIA's library of collective operations between GPUs: found, loaded and called.
//!
//! As with [`nvrtc`](super::nvrtc), building needs nothing of it, and Python packages install it where only they look.
//! The few functions that training uses have been the same since NCCL 2.0.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::path::Path;
use std::sync::Arc;

use cudarc::driver::CudaStream;
use libloading::Library;

use super::{CudaBuffer, CudaDriver, CudaError, library};
use crate::View;

/// Names a library file to use instead of any other.
pub const LIBRARY_VARIABLE: &str = "EQUALINFO_NCCL";

const NAMES: &[&str] = &["libnccl.so.2", "libnccl.so"];

/// Why NCCL is unavailable, or what it rejected.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NcclError {
    /// No usable library was found.
    #[error(
        "NCCL, which connects GPUs, isn't there: looked for {}{}; install it or `pip install nvidia-nccl-cu12`, or name the file in {LIBRARY_VARIABLE}",
        .looked_for.join(", "),
        .refused.iter().map(|reason| format!("; {reason}")).collect::<String>()
    )]
    NotFound {
        /// The names given to the dynamic loader, and the folders searched.
        looked_for: Vec<String>,
        /// The libraries found but unusable, with the reason.
        refused: Vec<String>,
    },
    /// A call failed.
    #[error("NCCL, {call}: {message}")]
    Call {
        /// The function.
        call: &'static str,
        /// The library's message.
        message: String,
    },
}

/// What ranks must know to meet, created by one of them.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UniqueId(pub [u8; 128]);

type Handle = *mut c_void;
type Stream = *mut c_void;

/// `ncclFloat32`, `ncclFloat64` and `ncclSum`.
const FLOAT32: c_int = 7;
const FLOAT64: c_int = 8;
const SUM: c_int = 0;

/// The library's functions, valid while it is loaded.
struct Functions {
    message: unsafe extern "C" fn(c_int) -> *const c_char,
    unique_id: unsafe extern "C" fn(*mut UniqueId) -> c_int,
    init: unsafe extern "C" fn(*mut Handle, c_int, UniqueId, c_int) -> c_int,
    destroy: unsafe extern "C" fn(Handle) -> c_int,
    all_reduce: unsafe extern "C" fn(*const c_void, *mut c_void, usize, c_int, c_int, Handle, Stream) -> c_int,
    reduce_scatter: unsafe extern "C" fn(*const c_void, *mut c_void, usize, c_int, c_int, Handle, Stream) -> c_int,
    all_gather: unsafe extern "C" fn(*const c_void, *mut c_void, usize, c_int, Handle, Stream) -> c_int,
}

/// A loaded NCCL.
pub struct Nccl {
    functions: Functions,
    version: (u32, u32, u32),
    path: String,
    // Last, because the functions are valid only while it is loaded.
    _library: Library,
}

impl Nccl {
    /// Loads the first library found.
    ///
    /// # Errors
    /// There is no usable one.
    pub fn find() -> Result<Self, NcclError> {
        let (places, looked_for) = library::places_or_chosen(LIBRARY_VARIABLE, NAMES);
        let mut refused = Vec::new();
        for place in places {
            match Self::open(&place) {
                Ok(found) => return Ok(found),
                // A bare name unknown to the loader is the usual case.
                Err(reason) if place.components().count() > 1 => refused.push(reason),
                Err(_) => {}
            }
        }
        Err(NcclError::NotFound { looked_for, refused })
    }

    fn open(path: &Path) -> Result<Self, String> {
        let reason = |error: libloading::Error| library::reason(path, &error);
        // SAFETY: NCCL's initialisation has no precondition; the types of its functions are those of nccl.h, unchanged
        // since NCCL 2.0.
        unsafe {
            let library = Library::new(path).map_err(reason)?;
            let version = library.get::<unsafe extern "C" fn(*mut c_int) -> c_int>("ncclGetVersion").map_err(reason)?;
            let mut number = 0;
            let code = version(&mut number);
            if code != 0 {
                return Err(format!("{}: ncclGetVersion failed with code {code}", path.display()));
            }
            let functions = Functions {
                message: *library.get("ncclGetErrorString").map_err(reason)?,
                unique_id: *library.get("ncclGetUniqueId").map_err(reason)?,
                init: *library.get("ncclCommInitRank").map_err(reason)?,
                destroy: *library.get("ncclCommDestroy").map_err(reason)?,
                all_reduce: *library.get("ncclAllReduce").map_err(reason)?,
                reduce_scatter: *library.get("ncclReduceScatter").map_err(reason)?,
                all_gather: *library.get("ncclAllGather").map_err(reason)?,
            };
            let number = number.unsigned_abs();
            // 2.8.3 is 2803; since 2.9 a version has five digits.
            let scale = if number < 10_000 { 1000 } else { 10_000 };
            let version = (number / scale, number % scale / 100, number % 100);
            Ok(Self { functions, version, path: path.display().to_string(), _library: library })
        }
    }

    /// The version, such as 2.27.3.
    pub fn version(&self) -> (u32, u32, u32) {
        self.version
    }

    /// Where it was found: a path, or the name known to the dynamic loader.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Creates a new meeting, whose id all ranks must get.
    ///
    /// # Errors
    /// The library's, which looks for a network.
    pub fn unique_id(&self) -> Result<UniqueId, NcclError> {
        let mut id = UniqueId([0; 128]);
        // SAFETY: the function writes 128 bytes.
        self.check("ncclGetUniqueId", unsafe { (self.functions.unique_id)(&mut id) })?;
        Ok(id)
    }

    fn check(&self, call: &'static str, code: c_int) -> Result<(), NcclError> {
        if code == 0 {
            return Ok(());
        }
        // SAFETY: the library returns a terminated string that lives forever.
        let message = unsafe { CStr::from_ptr((self.functions.message)(code)) };
        Err(NcclError::Call { call, message: message.to_string_lossy().into_owned() })
    }
}

/// One of the GPUs that exchange values. Operations run on the driver's stream, between the launches before and after
/// them.
pub struct Communicator {
    nccl: Nccl,
    handle: Handle,
    stream: Arc<CudaStream>,
    rank: usize,
    ranks: usize,
}

impl Communicator {
    /// Meets the other ranks: waits until all have called this.
    ///
    /// # Errors
    /// The library's: two ranks share a GPU, or one is unreachable.
    pub fn new(nccl: Nccl, driver: &CudaDriver, rank: usize, ranks: usize, id: UniqueId) -> Result<Self, CudaError> {
        driver.bind()?;
        let mut handle = std::ptr::null_mut();
        // SAFETY: a place for the handle, and an id that the library made.
        let code = unsafe { (nccl.functions.init)(&mut handle, ranks as c_int, id, rank as c_int) };
        nccl.check("ncclCommInitRank", code)?;
        Ok(Self { nccl, handle, stream: driver.stream().clone(), rank, ranks })
    }

    /// This GPU's rank, and the number of ranks.
    pub fn ranks(&self) -> (usize, usize) {
        (self.rank, self.ranks)
    }

    /// The library.
    pub fn nccl(&self) -> &Nccl {
        &self.nccl
    }

    fn stream(&self) -> Stream {
        self.stream.cu_stream().cast()
    }

    /// Replaces `length` f32 values by their sums over all ranks.
    ///
    /// # Errors
    /// The library's.
    pub fn all_reduce(&self, driver: &CudaDriver, values: View<CudaBuffer>, length: usize) -> Result<(), CudaError> {
        self.reduce(driver, values, length, size_of::<f32>(), FLOAT32)
    }

    /// The same for f64 values.
    ///
    /// # Errors
    /// The library's.
    pub fn all_reduce_f64(
        &self,
        driver: &CudaDriver,
        values: View<CudaBuffer>,
        length: usize,
    ) -> Result<(), CudaError> {
        self.reduce(driver, values, length, size_of::<f64>(), FLOAT64)
    }

    fn reduce(
        &self,
        driver: &CudaDriver,
        values: View<CudaBuffer>,
        length: usize,
        bytes: usize,
        kind: c_int,
    ) -> Result<(), CudaError> {
        let values = driver.pointer(&values, bytes * length) as *mut c_void;
        driver.bind()?;
        // SAFETY: the range was checked; the operation works in place.
        let code =
            unsafe { (self.nccl.functions.all_reduce)(values, values, length, kind, SUM, self.handle, self.stream()) };
        Ok(self.nccl.check("ncclAllReduce", code)?)
    }

    /// Sums pieces of `piece` f32 values, one per rank, over all ranks; afterwards rank `r` has the sums of piece `r`.
    ///
    /// # Errors
    /// The library's.
    pub fn reduce_scatter(&self, driver: &CudaDriver, values: View<CudaBuffer>, piece: usize) -> Result<(), CudaError> {
        let (all, own) = self.pieces(driver, &values, piece)?;
        // SAFETY: the range was checked; a rank's own piece is where the library requires it for in-place operation.
        let code =
            unsafe { (self.nccl.functions.reduce_scatter)(all, own, piece, FLOAT32, SUM, self.handle, self.stream()) };
        Ok(self.nccl.check("ncclReduceScatter", code)?)
    }

    /// Gives every rank all pieces of `piece` f32 values; rank `r` contributes piece `r`.
    ///
    /// # Errors
    /// The library's.
    pub fn all_gather(&self, driver: &CudaDriver, values: View<CudaBuffer>, piece: usize) -> Result<(), CudaError> {
        let (all, own) = self.pieces(driver, &values, piece)?;
        // SAFETY: as above.
        let code = unsafe { (self.nccl.functions.all_gather)(own, all, piece, FLOAT32, self.handle, self.stream()) };
        Ok(self.nccl.check("ncclAllGather", code)?)
    }

    /// The start of all pieces, and of this rank's.
    fn pieces(
        &self,
        driver: &CudaDriver,
        values: &View<CudaBuffer>,
        piece: usize,
    ) -> Result<(*mut c_void, *mut c_void), CudaError> {
        let bytes = size_of::<f32>() * piece;
        let all = driver.pointer(values, self.ranks * bytes);
        driver.bind()?;
        Ok((all as *mut c_void, (all + (self.rank * bytes) as u64) as *mut c_void))
    }
}

impl Drop for Communicator {
    fn drop(&mut self) {
        // SAFETY: it was created and not yet destroyed; the library waits for the work on the stream.
        unsafe { (self.nccl.functions.destroy)(self.handle) };
    }
}
