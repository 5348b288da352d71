//! [`Driver`] on a GPU.
//!
//! Everything goes through one stream, so that operations run in the order of their calls. A kernel file is compiled,
//! or taken from the cache, when one of its kernels is first launched.

use std::collections::HashMap;
use std::ffi::c_void;
use std::sync::{Arc, Mutex, PoisonError};

use cudarc::driver::sys::{self, CUdeviceptr, CUfunction_attribute_enum, CUresult, CUtensorMap};
use cudarc::driver::{CudaContext, CudaFunction, CudaModule, CudaSlice, CudaStream, DevicePtr, DriverError, result};
use cudarc::nvrtc::Ptx;

use super::nvrtc::Nvrtc;
use super::{Architecture, Cache, CudaDevice, CudaError, During, devices, driver_version};
use crate::{Argument, Boxes, Driver, Kernel, Launch, Memory, View, source};

/// The dynamic shared memory that a kernel may use without opting in to more.
const SHARED_WITHOUT_ASKING: u32 = 48 * 1024;

/// GPU memory.
pub struct CudaBuffer {
    /// Freed when the buffer is dropped.
    _slice: CudaSlice<u8>,
    bytes: usize,
    pointer: CUdeviceptr,
}

impl Memory for CudaBuffer {
    fn bytes(&self) -> usize {
        self.bytes
    }
}

/// A GPU with a stream and the kernels loaded so far.
pub struct CudaDriver {
    device: CudaDevice,
    context: Arc<CudaContext>,
    stream: Arc<CudaStream>,
    nvrtc: Nvrtc,
    cache: Option<Cache>,
    modules: Mutex<HashMap<&'static str, Arc<CudaModule>>>,
    functions: Mutex<HashMap<Kernel, Function>>,
}

#[derive(Clone)]
struct Function {
    handle: CudaFunction,
    /// The dynamic shared memory allowed so far.
    shared_bytes: u32,
}

impl CudaDriver {
    /// Opens GPU `ordinal`, with compiled kernels kept in `cache` if there is one. Fails if the driver, the GPU or
    /// NVRTC is missing.
    pub fn new(ordinal: usize, cache: Option<Cache>) -> Result<Self, CudaError> {
        let all = devices()?;
        let count = all.len();
        let device = all.into_iter().nth(ordinal).ok_or(CudaError::NoSuchDevice { wanted: ordinal, count })?;
        device.check()?;
        let nvrtc = Nvrtc::find(Some(driver_version()?.0))?;
        let what = || format!("opening GPU {ordinal}, {}", device.name);
        let context = CudaContext::new(ordinal).during(what)?;
        // SAFETY: all work goes through the one stream created next, which orders it; nothing needs events.
        unsafe { context.disable_event_tracking() };
        let stream = context.new_stream().during(what)?;
        let (modules, functions) = Default::default();
        Ok(Self { device, context, stream, nvrtc, cache, modules, functions })
    }

    /// The GPU.
    pub fn device(&self) -> &CudaDevice {
        &self.device
    }

    /// The compiler in use.
    pub fn nvrtc(&self) -> &Nvrtc {
        &self.nvrtc
    }

    /// The stream that everything runs on.
    pub fn stream(&self) -> &Arc<CudaStream> {
        &self.stream
    }

    /// Bytes of memory: free now, and total.
    pub fn memory(&self) -> Result<(usize, usize), CudaError> {
        self.context.mem_get_info().during(|| "asking for free memory".to_string())
    }

    /// Compiles and loads a kernel file, unless it is already loaded.
    pub fn load(&self, unit: &'static str) -> Result<(), CudaError> {
        self.module(unit).map(drop)
    }

    fn module(&self, unit: &'static str) -> Result<Arc<CudaModule>, CudaError> {
        let mut modules = self.modules.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(module) = modules.get(unit) {
            return Ok(module.clone());
        }
        let text = source(unit)?;
        let architecture = self.device.architecture.to_string();
        let signature = self.nvrtc.signature(&architecture);
        let load = |cubin: Vec<u8>| self.context.load_module(Ptx::from_binary(cubin));
        let cached =
            self.cache.as_ref().and_then(|cache| cache.load(&signature, &text)).and_then(|cubin| load(cubin).ok());
        let module = match cached {
            Some(module) => module,
            None => {
                let compiled = self.nvrtc.compile(&format!("{unit}.cu"), &text, &architecture)?;
                if let Some(cache) = &self.cache {
                    // If this fails, the next start compiles again; nothing else is lost.
                    let _ = cache.store(&signature, &text, &compiled.cubin);
                }
                load(compiled.cubin).during(|| format!("loading {unit}.cu"))?
            }
        };
        modules.insert(unit, module.clone());
        Ok(module)
    }

    /// The kernel, allowed to use `shared_bytes` of dynamic shared memory.
    fn function(&self, kernel: Kernel, shared_bytes: u32) -> Result<CudaFunction, CudaError> {
        let mut functions = self.functions.lock().unwrap_or_else(PoisonError::into_inner);
        let mut function = match functions.get(&kernel) {
            Some(function) if function.shared_bytes >= shared_bytes => return Ok(function.handle.clone()),
            Some(function) => function.clone(),
            None => {
                let module = self.module(kernel.unit)?;
                let handle = module
                    .load_function(kernel.name)
                    .during(|| format!("finding {} in {}.cu", kernel.name, kernel.unit))?;
                Function { handle, shared_bytes: SHARED_WITHOUT_ASKING }
            }
        };
        if shared_bytes > function.shared_bytes {
            let most = CUfunction_attribute_enum::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
            let bytes = shared_bytes.cast_signed();
            let what = || format!("{shared_bytes} bytes of shared memory for {}", kernel.name);
            function.handle.set_attribute(most, bytes).during(what)?;
            function.shared_bytes = shared_bytes;
        }
        functions.insert(kernel, function.clone());
        Ok(function.handle)
    }

    pub(super) fn pointer(&self, view: &View<CudaBuffer>, bytes: usize) -> CUdeviceptr {
        let held = view.elements::<u8>();
        assert!(held >= bytes, "{bytes} bytes from {} of a buffer of {}", view.offset, view.buffer.bytes);
        view.buffer.pointer + view.offset as u64
    }

    /// Makes this driver's GPU current for the calling thread.
    pub(super) fn bind(&self) -> Result<(), CudaError> {
        self.context.bind_to_thread().during(|| format!("switching to GPU {}", self.device.ordinal))
    }
}

/// An argument, laid out as a parameter in memory, and its offset.
#[repr(align(64))]
struct Parameter([u8; TENSOR_MAP_BYTES]);

/// The size of the largest parameter.
const TENSOR_MAP_BYTES: usize = size_of::<CUtensorMap>();

impl Parameter {
    fn new(bytes: &[u8]) -> Self {
        let mut value = [0; TENSOR_MAP_BYTES];
        value[..bytes.len()].copy_from_slice(bytes);
        Self(value)
    }

    fn of(argument: &Argument<CudaBuffer>) -> Result<Self, CudaError> {
        let address = |view: View<CudaBuffer>| view.buffer.pointer + view.offset as u64;
        Ok(match *argument {
            Argument::Pointer(view) => Self::new(&address(view).to_ne_bytes()),
            Argument::Boxes(boxes) => {
                let words = tensor_map(address(boxes.matrix), boxes)?.opaque;
                Self::new(&words.map(u64::to_ne_bytes).concat())
            }
            Argument::Null => Self::new(&0u64.to_ne_bytes()),
            Argument::I32(value) => Self::new(&value.to_ne_bytes()),
            Argument::U32(value) => Self::new(&value.to_ne_bytes()),
            Argument::U64(value) => Self::new(&value.to_ne_bytes()),
            Argument::F32(value) => Self::new(&value.to_ne_bytes()),
        })
    }
}

/// Describes a matrix at `address` to the copy engine of sm_90.
fn tensor_map(address: CUdeviceptr, boxes: Boxes<CudaBuffer>) -> Result<CUtensorMap, CudaError> {
    const BOX_COLUMNS: u32 = 64;
    let Boxes { rows, columns, box_rows, .. } = boxes;
    let mut map = CUtensorMap { opaque: [0; 16] };
    let (sizes, stride) = ([columns as u64, rows as u64], [2 * columns as u64]);
    let (box_sizes, steps) = ([BOX_COLUMNS, box_rows as u32], [1, 1]);
    // SAFETY: every array has the length that a two-dimensional matrix requires; the function reads them and writes the
    // map.
    let result = unsafe {
        sys::cuTensorMapEncodeTiled(
            &mut map,
            sys::CUtensorMapDataType::CU_TENSOR_MAP_DATA_TYPE_BFLOAT16,
            2,
            address as *mut c_void,
            sizes.as_ptr(),
            stride.as_ptr(),
            box_sizes.as_ptr(),
            steps.as_ptr(),
            sys::CUtensorMapInterleave::CU_TENSOR_MAP_INTERLEAVE_NONE,
            sys::CUtensorMapSwizzle::CU_TENSOR_MAP_SWIZZLE_128B,
            sys::CUtensorMapL2promotion::CU_TENSOR_MAP_L2_PROMOTION_L2_256B,
            // Zeros outside the matrix.
            sys::CUtensorMapFloatOOBfill::CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE,
        )
    };
    result
        .result()
        .during(|| format!("describing a matrix of {rows} x {columns} values in boxes of {box_rows} rows"))?;
    Ok(map)
}

impl Driver for CudaDriver {
    type Buffer = CudaBuffer;
    type Error = CudaError;

    fn allocate(&self, bytes: usize) -> Result<CudaBuffer, CudaError> {
        // The driver rejects allocations of 0 bytes. SAFETY: kernels and copies that write the memory precede those
        // that read it; its content is arbitrary until then.
        let slice = unsafe { self.stream.alloc::<u8>(bytes.max(1)) };
        let slice = match slice {
            Err(DriverError(CUresult::CUDA_ERROR_OUT_OF_MEMORY)) => {
                let (free, total) = self.memory()?;
                return Err(CudaError::OutOfMemory { wanted: bytes, free, total });
            }
            other => other.during(|| format!("allocating {bytes} bytes"))?,
        };
        let pointer = slice.device_ptr(&self.stream).0;
        Ok(CudaBuffer { _slice: slice, bytes, pointer })
    }

    fn upload(&self, to: View<CudaBuffer>, bytes: &[u8]) -> Result<(), CudaError> {
        let pointer = self.pointer(&to, bytes.len());
        self.bind()?;
        // SAFETY: the range was checked. From memory that isn't pinned, the driver has taken the bytes when it returns.
        unsafe { result::memcpy_htod_async(pointer, bytes, self.stream.cu_stream()) }
            .during(|| format!("uploading {} bytes", bytes.len()))
    }

    fn download(&self, from: View<CudaBuffer>, bytes: &mut [u8]) -> Result<(), CudaError> {
        let pointer = self.pointer(&from, bytes.len());
        self.bind()?;
        // SAFETY: the range was checked, and `bytes` stays borrowed until the copy is done.
        let copied = unsafe { result::memcpy_dtoh_async(bytes, pointer, self.stream.cu_stream()) };
        copied.and_then(|()| self.stream.synchronize()).during(|| format!("downloading {} bytes", bytes.len()))
    }

    fn copy(&self, from: View<CudaBuffer>, to: View<CudaBuffer>, bytes: usize) -> Result<(), CudaError> {
        let (from, to) = (self.pointer(&from, bytes), self.pointer(&to, bytes));
        if bytes == 0 {
            return Ok(());
        }
        self.bind()?;
        // SAFETY: the ranges were checked.
        unsafe { result::memcpy_dtod_async(to, from, bytes, self.stream.cu_stream()) }
            .during(|| format!("copying {bytes} bytes"))
    }

    fn zero(&self, to: View<CudaBuffer>, bytes: usize) -> Result<(), CudaError> {
        let pointer = self.pointer(&to, bytes);
        if bytes == 0 {
            return Ok(());
        }
        self.bind()?;
        // SAFETY: the range was checked.
        unsafe { result::memset_d8_async(pointer, 0, bytes, self.stream.cu_stream()) }
            .during(|| format!("zeroing {bytes} bytes"))
    }

    unsafe fn launch(
        &self,
        kernel: Kernel,
        launch: Launch,
        arguments: &[Argument<CudaBuffer>],
    ) -> Result<(), CudaError> {
        let function = self.function(kernel, launch.shared_bytes)?;
        let mut parameters = arguments.iter().map(Parameter::of).collect::<Result<Vec<_>, _>>()?;
        let mut addresses: Vec<*mut c_void> =
            parameters.iter_mut().map(|parameter| parameter.0.as_mut_ptr().cast()).collect();
        self.bind()?;
        let [grid, block] = [launch.grid, launch.block].map(|[x, y, z]| (x, y, z));
        // SAFETY: the function belongs to a module that stays loaded; the driver copies the parameters before it
        // returns; the caller vouches for their meaning.
        unsafe {
            result::launch_kernel(
                function.cu_function(),
                grid,
                block,
                launch.shared_bytes,
                self.stream.cu_stream(),
                &mut addresses,
            )
        }
        .during(|| format!("launching {} as {launch:?}", kernel.name))
    }

    fn synchronize(&self) -> Result<(), CudaError> {
        self.stream.synchronize().during(|| "waiting for the GPU".to_string())
    }

    fn warpgroup_multiprocessors(&self) -> Option<u32> {
        (self.device.architecture == Architecture(9, 0)).then_some(self.device.multiprocessors)
    }
}
