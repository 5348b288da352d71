//! Prints the vectors in the format of `golden.txt`, which the command in `README.md` beside it renews.

use equalinfo_determinism::{FIXED, Memory, NANO, coders, of_image};

fn main() {
    let mut print = |name: std::fmt::Arguments, vector: Result<_, _>| match vector {
        Ok(digest) => println!("{digest}  {name}"),
        Err(failure) => println!("{failure}  {name}"),
    };
    let mut memory = Memory::new();
    coders(&mut print);
    of_image("fixed", FIXED, &mut memory, &mut print);
    of_image("nano", NANO, &mut memory, &mut print);
}
