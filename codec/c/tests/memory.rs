//! The header's constant for the size of memory agrees with the library.

use std::fmt::Write;
use std::mem::MaybeUninit;
use std::path::Path;
use std::process::Command;
use std::{env, fs};

use equalinfo::{EqualinfoStatus, equalinfo_memory, equalinfo_model_load};
use equalinfo_codec::m1::Model;

/// A program that prints each constant that differs, and then fails.
const PROGRAM: &str = "#include <stdio.h>\n#include \"equalinfo.h\"\nint main(void) {\n    int wrong = 0;\n";

#[test]
fn the_constant_agrees_with_the_library() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut program = PROGRAM.to_owned();
    for name in ["pico", "nano", "micro", "3m"] {
        let image = fs::read(directory.join(format!("../../host/models/{name}.m1q"))).expect("a shipped model");
        let config = Model::load(&image).expect("valid").config();
        let mut model = MaybeUninit::uninit();
        // SAFETY: the image outlives the model, which is not moved.
        let status = unsafe { equalinfo_model_load(model.as_mut_ptr(), image.as_ptr(), image.len()) };
        assert_eq!(status, EqualinfoStatus::Ok);
        for context in [1, 64, config.context] {
            // SAFETY: the model has been loaded.
            let expected = unsafe { equalinfo_memory(model.as_ptr(), context as u16) };
            let constant = format!("EQUALINFO_MEMORY({}, {}, {}, {context})", config.d, config.ff, config.layers);
            writeln!(
                program,
                "    if ({constant} != {expected}) wrong = printf(\"{constant} is %d, not {expected}\\n\", {constant});"
            )
            .expect("strings take everything");
        }
    }
    program += "    return wrong != 0;\n}\n";

    let built = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let (source, executable) = (built.join("memory.c"), built.join("memory"));
    fs::write(&source, program).expect("the program can be written");
    let compiler = env::var_os("CC").unwrap_or_else(|| "cc".into());
    let mut command = Command::new(compiler);
    command.args(["-std=c11", "-Wall", "-Werror", "-I"]).arg(directory.join("include"));
    assert!(command.arg(&source).arg("-o").arg(&executable).status().expect("a C compiler").success());
    let output = Command::new(&executable).output().expect("the program runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}
