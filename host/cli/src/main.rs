//! The `equalinfo` tool.

use std::process::ExitCode;

fn main() -> ExitCode {
    equalinfo_cli::main()
}
