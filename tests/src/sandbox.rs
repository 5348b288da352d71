//! [`Sandbox`]: a directory of its own in which the tool runs.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::tiny_model;

/// A temporary directory with a tiny model in it, and the tool.
pub struct Sandbox {
    directory: TempDir,
    program: PathBuf,
}

/// How a run of the tool ended.
#[derive(Debug)]
pub struct Run {
    /// The exit code; none after a signal.
    pub code: Option<i32>,
    /// What it wrote to stdout.
    pub stdout: Vec<u8>,
    /// What it wrote to stderr.
    pub stderr: String,
}

impl Run {
    /// Asserts success.
    #[track_caller]
    pub fn ok(self) -> Self {
        assert_eq!(self.code, Some(0), "{}", self.stderr);
        self
    }

    /// Asserts failure with this exit code and all of these words on stderr.
    #[track_caller]
    pub fn fails(self, code: i32, words: &[&str]) -> Self {
        assert_eq!(self.code, Some(code), "{}", self.stderr);
        for word in words {
            assert!(self.stderr.contains(word), "expected '{word}' in: {}", self.stderr);
        }
        self
    }

    /// Stdout as text.
    #[track_caller]
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.stdout).expect("UTF-8 on stdout")
    }
}

impl Sandbox {
    /// A fresh one, around `program`, the path of the tool.
    pub fn new(program: &str) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        fs::write(directory.path().join("tiny.m1q"), tiny_model(1)).expect("write the model");
        Self { directory, program: program.into() }
    }

    /// The path of a file in the sandbox.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Writes a file.
    pub fn write(&self, name: &str, content: &[u8]) {
        fs::write(self.path(name), content).expect("write into the sandbox");
    }

    /// Reads a file.
    #[track_caller]
    pub fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// Whether a file exists.
    pub fn has(&self, name: &str) -> bool {
        self.path(name).exists()
    }

    /// The names of all files.
    pub fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.directory.path()).expect("list the sandbox");
        let mut names: Vec<String> =
            entries.map(|entry| entry.expect("entry").file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    /// The tool, ready to be given arguments.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(arguments).current_dir(self.directory.path()).stdin(Stdio::null());
        // Models that the user has installed are none of the tests' business.
        command.env("EQUALINFO_MODELS", self.path("models"));
        #[cfg(unix)]
        {
            use std::os::unix::process::CommandExt;
            let attentive = || {
                // SAFETY: signal is safe between fork and exec.
                unsafe { libc::signal(libc::SIGINT, libc::SIG_DFL) };
                Ok(())
            };
            // SAFETY: the closure does nothing else. A shell's background jobs ignore SIGINT, and so would the tool.
            unsafe { command.pre_exec(attentive) };
        }
        command
    }

    /// Runs the tool without input.
    pub fn run(&self, arguments: &[&str]) -> Run {
        finish(self.command(arguments))
    }

    /// Runs a line of a shell (bash), in which `$equalinfo` is the tool: for what only a shell says shortly, such as
    /// closed streams, limits and pipes.
    pub fn shell(&self, line: &str) -> Run {
        let mut command = Command::new("bash");
        command.args(["-c", line]).env("equalinfo", &self.program).env("EQUALINFO_MODELS", self.path("models"));
        command.current_dir(self.directory.path()).stdin(Stdio::null());
        finish(command)
    }

    /// The path of the tool.
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// Runs the tool with `input` on stdin.
    pub fn run_with(&self, arguments: &[&str], input: &[u8]) -> Run {
        let mut command = self.command(arguments);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("run the tool");
        let mut stdin = child.stdin.take().expect("a pipe");
        let input = input.to_vec();
        // The tool may end before it has read everything; that is no fault of the test.
        let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
        let output = child.wait_with_output().expect("the tool ends");
        writer.join().expect("the writer ends");
        Run {
            code: output.status.code(),
            stdout: output.stdout,
            stderr: String::from_utf8_lossy(&output.stderr).into(),
        }
    }

    /// The sandbox's directory.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }
}

fn finish(mut command: Command) -> Run {
    let output = command.output().expect("run the tool");
    Run { code: output.status.code(), stdout: output.stdout, stderr: String::from_utf8_lossy(&output.stderr).into() }
}
