//! NVRTC, NVIDIA's compiler as a library: found, loaded and called.
//!
//! The driver must support its release: code from a newer major version doesn't load. So every possible place is tried,
//! the newest release that fits is used, and an error names the places.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::path::Path;

use libloading::Library;

use super::library;

/// Names a library file to use instead of any other.
pub const LIBRARY_VARIABLE: &str = "EQUALINFO_NVRTC";

/// Its names for the dynamic loader, newest first.
const NAMES: &[&str] = if cfg!(windows) {
    &["nvrtc64_130_0.dll", "nvrtc64_120_0.dll"]
} else {
    &["libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so"]
};

/// Compiler options besides the architecture. It is no mistake if a file doesn't use all functions of a header (warning
/// 177).
const OPTIONS: &[&str] = &["--std=c++17", "--generate-line-info", "--ptxas-options=-v", "--diag-suppress=177"];

/// Why a kernel wasn't compiled.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NvrtcError {
    /// No usable library was found.
    #[error(
        "NVRTC, the CUDA compiler library, isn't there: looked for {}{}; install the CUDA toolkit or `pip install {wheel}`, or name the file in {LIBRARY_VARIABLE}",
        .looked_for.join(", "),
        .refused.iter().map(|reason| format!("; {reason}")).collect::<String>()
    )]
    NotFound {
        /// The names given to the dynamic loader, and the folders searched.
        looked_for: Vec<String>,
        /// The libraries found but unusable, with the reason.
        refused: Vec<String>,
        /// The PyPI package that contains it.
        wheel: &'static str,
    },
    /// This NVRTC doesn't know the GPU.
    #[error("{library} (NVRTC {}.{}) can't compile for {architecture}; a newer release can", .version.0, .version.1)]
    UnknownArchitecture {
        /// Where it was found.
        library: String,
        /// Its version.
        version: (u32, u32),
        /// Such as `sm_90a`.
        architecture: String,
    },
    /// The source doesn't compile.
    #[error("{name} doesn't compile for {architecture}:\n{log}")]
    Compilation {
        /// The file.
        name: String,
        /// Such as `sm_90a`.
        architecture: String,
        /// The compiler's messages.
        log: String,
    },
    /// A call failed for another reason.
    #[error("{call} failed with code {code}")]
    Call {
        /// The function.
        call: &'static str,
        /// `nvrtcResult`.
        code: i32,
    },
}

/// Code for one architecture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compiled {
    /// The image that the driver loads.
    pub cubin: Vec<u8>,
    /// The compiler's report on every kernel: registers, spills, shared memory.
    pub log: String,
}

type Program = *mut c_void;

/// The library's functions, valid while it is loaded.
struct Functions {
    create: unsafe extern "C" fn(
        *mut Program,
        *const c_char,
        *const c_char,
        c_int,
        *const *const c_char,
        *const *const c_char,
    ) -> c_int,
    compile: unsafe extern "C" fn(Program, c_int, *const *const c_char) -> c_int,
    destroy: unsafe extern "C" fn(*mut Program) -> c_int,
    log_size: unsafe extern "C" fn(Program, *mut usize) -> c_int,
    log: unsafe extern "C" fn(Program, *mut c_char) -> c_int,
    cubin_size: unsafe extern "C" fn(Program, *mut usize) -> c_int,
    cubin: unsafe extern "C" fn(Program, *mut c_char) -> c_int,
}

/// A loaded NVRTC.
pub struct Nvrtc {
    functions: Functions,
    version: (u32, u32),
    path: String,
    // Last, because the functions are valid only while it is loaded.
    _library: Library,
}

/// NVRTC's code for a program that fails to compile.
const COMPILATION: c_int = 6;
/// Its code for an unknown option, in our case the architecture.
const INVALID_OPTION: c_int = 5;

fn check(call: &'static str, code: c_int) -> Result<(), NvrtcError> {
    if code == 0 { Ok(()) } else { Err(NvrtcError::Call { call, code }) }
}

impl Nvrtc {
    /// Loads the newest library found whose major version is at most `newest_major`, the driver's.
    pub fn find(newest_major: Option<u32>) -> Result<Self, NvrtcError> {
        let is_chosen = std::env::var_os(LIBRARY_VARIABLE).is_some();
        let (places, looked_for) = library::places_or_chosen(LIBRARY_VARIABLE, NAMES);
        let mut refused = Vec::new();
        let mut best: Option<Self> = None;
        for place in places {
            let found = match Self::open(&place) {
                Ok(found) => found,
                Err(reason) => {
                    // A bare name unknown to the loader is the usual case.
                    if is_chosen || place.is_absolute() {
                        refused.push(reason);
                    }
                    continue;
                }
            };
            match newest_major {
                Some(newest) if found.version.0 > newest => refused.push(format!(
                    "{} is NVRTC {}.{}, and the driver takes code of CUDA {newest} at most",
                    found.path, found.version.0, found.version.1
                )),
                _ if best.as_ref().is_none_or(|best| best.version < found.version) => best = Some(found),
                _ => {}
            }
        }
        let wheel = if newest_major == Some(12) { "nvidia-cuda-nvrtc-cu12" } else { "nvidia-cuda-nvrtc" };
        best.ok_or(NvrtcError::NotFound { looked_for, refused, wheel })
    }

    fn open(path: &Path) -> Result<Self, String> {
        let reason = |error: libloading::Error| library::reason(path, &error);
        // SAFETY: NVRTC's initialisation has no precondition; the types of its functions are those of nvrtc.h,
        // unchanged since CUDA 11.1.
        unsafe {
            let library = Library::new(path).map_err(reason)?;
            let version =
                library.get::<unsafe extern "C" fn(*mut c_int, *mut c_int) -> c_int>("nvrtcVersion").map_err(reason)?;
            let (mut major, mut minor) = (0, 0);
            let code = version(&mut major, &mut minor);
            if code != 0 {
                return Err(format!("{}: nvrtcVersion failed with code {code}", path.display()));
            }
            let functions = Functions {
                create: *library.get("nvrtcCreateProgram").map_err(reason)?,
                compile: *library.get("nvrtcCompileProgram").map_err(reason)?,
                destroy: *library.get("nvrtcDestroyProgram").map_err(reason)?,
                log_size: *library.get("nvrtcGetProgramLogSize").map_err(reason)?,
                log: *library.get("nvrtcGetProgramLog").map_err(reason)?,
                cubin_size: *library.get("nvrtcGetCUBINSize").map_err(reason)?,
                cubin: *library.get("nvrtcGetCUBIN").map_err(reason)?,
            };
            let version = (major.unsigned_abs(), minor.unsigned_abs());
            Ok(Self { functions, version, path: path.display().to_string(), _library: library })
        }
    }

    /// Major and minor version.
    pub fn version(&self) -> (u32, u32) {
        self.version
    }

    /// Where it was found: a path, or the name known to the dynamic loader.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Everything that determines the code besides the source: two compilations with the same signature and source give
    /// the same code.
    pub fn signature(&self, architecture: &str) -> String {
        format!("nvrtc {}.{} {architecture} {}", self.version.0, self.version.1, OPTIONS.join(" "))
    }

    /// Compiles `source`, called `name` in messages, for an architecture such as `sm_90a`.
    pub fn compile(&self, name: &str, source: &str, architecture: &str) -> Result<Compiled, NvrtcError> {
        let text = |text: &str| CString::new(text).map_err(|_| NvrtcError::Call { call: "CString::new", code: 0 });
        let (c_name, c_source) = (text(name)?, text(source)?);
        let options = OPTIONS
            .iter()
            .map(|option| text(option))
            .chain([text(&format!("--gpu-architecture={architecture}"))])
            .collect::<Result<Vec<_>, _>>()?;
        let option_pointers: Vec<*const c_char> = options.iter().map(|option| option.as_ptr()).collect();
        let none: *const *const c_char = std::ptr::null();
        let mut program = OpenProgram { functions: &self.functions, program: std::ptr::null_mut() };
        // SAFETY: terminated strings, and places for answers that outlive the calls; `OpenProgram` destroys the program
        // once.
        unsafe {
            let functions = &self.functions;
            let code = (functions.create)(&mut program.program, c_source.as_ptr(), c_name.as_ptr(), 0, none, none);
            check("nvrtcCreateProgram", code)?;
            let code = (functions.compile)(program.program, options.len() as c_int, option_pointers.as_ptr());
            if code == INVALID_OPTION {
                let (library, version) = (self.path.clone(), self.version);
                return Err(NvrtcError::UnknownArchitecture {
                    library,
                    version,
                    architecture: architecture.to_string(),
                });
            }
            let log = program.bytes("nvrtcGetProgramLog", functions.log_size, functions.log)?;
            let log = CStr::from_bytes_until_nul(&log)
                .map_or_else(|_| String::new(), |log| log.to_string_lossy().into_owned());
            if code == COMPILATION {
                return Err(NvrtcError::Compilation {
                    name: name.to_string(),
                    architecture: architecture.to_string(),
                    log,
                });
            }
            check("nvrtcCompileProgram", code)?;
            Ok(Compiled { cubin: program.bytes("nvrtcGetCUBIN", functions.cubin_size, functions.cubin)?, log })
        }
    }
}

/// Destroys the program when dropped.
struct OpenProgram<'a> {
    functions: &'a Functions,
    program: Program,
}

impl OpenProgram<'_> {
    /// # Safety
    /// The two functions belong together and the program was created.
    unsafe fn bytes(
        &self,
        call: &'static str,
        size: unsafe extern "C" fn(Program, *mut usize) -> c_int,
        get: unsafe extern "C" fn(Program, *mut c_char) -> c_int,
    ) -> Result<Vec<u8>, NvrtcError> {
        let mut length = 0;
        // SAFETY: the caller's promise; the buffer has the length that the library reports.
        unsafe {
            check(call, size(self.program, &mut length))?;
            let mut bytes = vec![0u8; length];
            check(call, get(self.program, bytes.as_mut_ptr().cast()))?;
            Ok(bytes)
        }
    }
}

impl Drop for OpenProgram<'_> {
    fn drop(&mut self) {
        if !self.program.is_null() {
            // SAFETY: it was created and not yet destroyed.
            unsafe { (self.functions.destroy)(&mut self.program) };
        }
    }
}
