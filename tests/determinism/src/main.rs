//! `equalinfo-determinism [DIRECTORY]` prints the vectors in the format of `golden.txt`, including those of the
//! lexicons if there is a directory, which contains `window-code.lex` and `optimal.lex`. `equalinfo-determinism --model
//! FILE` writes the image of the model `fixed`, from which the lexicons are compiled.

use std::fmt::Arguments;
use std::path::Path;
use std::process::ExitCode;

use equalinfo_codec::mix::Class;
use equalinfo_determinism::{
    Digest, FIXED, Failure, LEXICONS, Memory, PICO, coders, lexicon, of_image, pico_with_tables, tables,
};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match &arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => print_all(None),
        ["--model", file] => std::fs::write(file, FIXED).map_err(|error| format!("{file}: {error}")),
        [directory] => print_all(Some(Path::new(directory))),
        _ => Err("usage: equalinfo-determinism [DIRECTORY | --model FILE]".to_owned()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("equalinfo-determinism: {error}");
            ExitCode::FAILURE
        }
    }
}

fn print(name: Arguments, vector: Result<Digest, Failure>) {
    match vector {
        Ok(digest) => println!("{digest}  {name}"),
        Err(failure) => println!("{failure}  {name}"),
    }
}

fn print_all(lexicons: Option<&Path>) -> Result<(), String> {
    let mut memory = Memory::new();
    coders(&mut print);
    of_image("fixed", FIXED, &mut memory, &mut print);
    of_image("pico", PICO, &mut memory, &mut print);
    let mut words = vec![0; Class::Mib16.words()];
    for class in Class::ALL {
        tables(class, &mut words, &mut print);
    }
    for class in Class::ALL {
        pico_with_tables(class, &mut words, &mut memory, &mut print);
    }
    let Some(lexicons) = lexicons else { return Ok(()) };
    for (_, name, file) in LEXICONS {
        let path = lexicons.join(file);
        let image = std::fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        lexicon(name, &image, &mut print);
    }
    Ok(())
}
