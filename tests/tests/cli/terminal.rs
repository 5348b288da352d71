//! On a terminal: what is refused, what is coloured, who draws progress.

use std::io::Read;

use equalinfo_tests::{ALICE, Sandbox};
use portable_pty::{CommandBuilder, PtySize, native_pty_system};

use crate::{sandbox, with_tiny};

/// Runs the tool with a terminal for all three streams: its exit code and everything it wrote.
fn on_terminal(sandbox: &Sandbox, arguments: &[&str]) -> (u32, String) {
    let pair = native_pty_system().openpty(PtySize { cols: 100, ..PtySize::default() }).expect("a terminal");
    let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_equalinfo-under-test"));
    command.args(arguments);
    command.cwd(sandbox.directory());
    command.env("TERM", "xterm");
    command.env_remove("NO_COLOR");
    let mut child = pair.slave.spawn_command(command).expect("run the tool");
    drop(pair.slave);
    let mut reader = pair.master.try_clone_reader().expect("the terminal's other end");
    let mut screen = Vec::new();
    // Linux reports an error, not an end, when the last process has left a terminal.
    let _ = reader.read_to_end(&mut screen);
    let status = child.wait().expect("the tool ends");
    (status.exit_code(), String::from_utf8_lossy(&screen).into_owned())
}

#[test]
fn a_terminal_gets_no_compressed_data() {
    let sandbox = sandbox();
    sandbox.write("text", ALICE);
    let (code, screen) = on_terminal(&sandbox, &with_tiny(&["compress", "-c", "text"]));
    assert_eq!(code, 1, "{screen}");
    assert!(screen.contains("terminal") && screen.contains("-f"), "{screen}");
    let (code, screen) = on_terminal(&sandbox, &with_tiny(&["compress", "-q", "-f", "text", "-o", "text.eqi"]));
    assert_eq!((code, screen.as_str()), (0, ""));
    let (code, screen) = on_terminal(&sandbox, &with_tiny(&["cat", "text.eqi", "--range", "0..200"]));
    assert_eq!(code, 0, "{screen}");
    assert_eq!(
        screen.replace("\r\n", "\n").replace('\r', ""),
        String::from_utf8_lossy(&ALICE[..200]).replace('\r', "")
    );
}

#[test]
fn only_a_terminal_gets_colours() {
    let sandbox = sandbox();
    sandbox.write("text", b"Windows of text in two colours.");
    let arguments = with_tiny(&["inspect", "--flow", "--window-bits", "32", "text"]);
    let (code, screen) = on_terminal(&sandbox, &arguments);
    assert!(code == 0 && screen.contains("\x1b["), "{screen}");
    assert!(!sandbox.run(&arguments).ok().text().contains('\x1b'));
}

#[test]
fn only_a_terminal_gets_progress() {
    let sandbox = sandbox();
    sandbox.write("text", &ALICE.repeat(8));
    let arguments = |output: &'static str| with_tiny(&["compress", "-T", "1", "text", "-o", output]);
    // A bar returns to the start of its line and erases it.
    let (code, screen) = on_terminal(&sandbox, &arguments("a.eqi"));
    assert!(code == 0 && screen.contains("\x1b[2K"), "{screen:?}");
    let run = sandbox.run(&arguments("b.eqi")).ok();
    assert!(!run.stderr.contains('\x1b') && !run.stderr.contains('\r'), "{:?}", run.stderr);
    assert_eq!(sandbox.read("a.eqi"), sandbox.read("b.eqi"));
}
