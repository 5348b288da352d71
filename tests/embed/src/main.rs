//! Compresses, decompresses and tokenizes a text, each part checked, with nothing but the public API.

use std::error::Error;

use equalinfo::{Compressor, Decompressor, Model, Tokenizer, WindowBits};

fn main() -> Result<(), Box<dyn Error>> {
    let text = include_bytes!("../../data/alice29.txt");
    let model = Model::shipped("nano")?;

    let stream = Compressor::new(&model).compress_to_vec(text)?;
    assert_eq!(Decompressor::new().decompress_to_vec(&stream)?, text);

    let tokenizer = Tokenizer::windows(&model, WindowBits::B16)?;
    let tokens = tokenizer.encode(text)?;
    assert_eq!(tokenizer.decode(&tokens)?, text);

    println!("{} bytes: {} compressed, {} tokens", text.len(), stream.len(), tokens.len());
    Ok(())
}
