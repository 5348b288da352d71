//! The golden vectors, computed on this machine by every path that it has.
//!
//! Invariant: what is computed is compared with the committed vectors, never with another path of the same build. Only
//! traces of whole contexts, for which none are committed, are compared with those of the codec's own code.

use std::fmt::Arguments;
use std::sync::Arc;

use anyhow::Result;
use equalinfo_determinism::{
    CONTEXT, Digest, FIXED, Failure, GOLDEN, LEXICONS, Memory, PICO, TRACED, Trace, coders, lexicon, mix, model,
    of_image, tables,
};

use equalinfo::Model;
use equalinfo::engine::{Engine, Image, Simd};
use equalinfo::lexicon::build;
use equalinfo::mix::Class;

/// What one path computed.
pub struct Path {
    /// The instructions.
    pub simd: Simd,
    /// The vectors in the order of the committed ones.
    pub vectors: Vec<Vector>,
}

/// A digest that was computed.
pub struct Vector {
    /// Its name; what comes before a colon is the model.
    pub name: String,
    /// The digest, or why there is none.
    pub found: String,
    /// What it should be; `None` if there is no such vector.
    pub expected: Option<String>,
}

impl Vector {
    /// Whether the digest is the expected one.
    pub fn agrees(&self) -> bool {
        self.expected.as_ref() == Some(&self.found)
    }

    /// The model, or what is checked without one.
    pub fn subject(&self) -> &str {
        self.name.split_once(": ").map_or("coders and formats", |(model, _)| model)
    }
}

/// All paths of this machine, the codec's own code first.
///
/// # Errors
/// A model of the tool itself cannot be run.
pub fn verify(threads: usize) -> Result<Vec<Path>> {
    let mut paths: Vec<Path> = Vec::new();
    for simd in Simd::available() {
        let mut vectors = golden_vectors(simd, threads)?;
        for name in Model::shipped_names() {
            let found =
                whole_context(Engine::with_simd(Model::shipped(name)?.engine().image().clone(), simd)?)?.to_string();
            let name = format!("{name}: {WHOLE_CONTEXT}");
            let portable = paths.first().and_then(|path| path.vectors.iter().find(|vector| vector.name == name));
            let expected = Some(portable.map_or(&found, |vector| &vector.found).clone());
            vectors.push(Vector { name, found, expected });
        }
        paths.push(Path { simd, vectors });
    }
    Ok(paths)
}

/// The vectors of a path as lines of the committed file. The committed ones among them, if there are all of them.
pub fn lines(path: &Path) -> String {
    let committed = path.vectors.iter().filter(|vector| !vector.name.ends_with(WHOLE_CONTEXT));
    committed.map(|vector| format!("{}  {}\n", vector.found, vector.name)).collect()
}

const WHOLE_CONTEXT: &str = "whole context";

fn golden_vectors(simd: Simd, threads: usize) -> Result<Vec<Vector>> {
    let mut vectors = Vec::new();
    let mut collect = |name: Arguments, found: Result<Digest, Failure>| {
        let name = name.to_string();
        let found = found.map_or_else(|failure| failure.to_string(), |digest| digest.to_string());
        vectors.push(Vector { expected: golden(&name).map(str::to_owned), name, found });
    };
    if simd == Simd::Portable {
        coders(&mut collect);
    }
    for (name, image) in [("fixed", FIXED), ("pico", PICO)] {
        if simd == Simd::Portable {
            of_image(name, image, &mut Memory::new(), &mut collect);
            continue;
        }
        let engine = Engine::with_simd(Arc::new(Image::from_bytes(image.to_vec())?), simd)?;
        model(name, &mut engine.session(CONTEXT)?, engine.image().model().id(), &mut collect);
        // Known texts have loops of their own.
        let mut trace = Trace::default();
        engine.trace(TRACED, CONTEXT, |_, frequencies| trace.add(frequencies))?;
        collect(format_args!("{name}: trace"), Ok(trace.finish()));
    }
    let mut words = vec![0; Class::ALL.iter().map(|class| class.words()).max().unwrap_or(0)];
    if simd == Simd::Portable {
        for class in Class::ALL {
            tables(class, &mut words, &mut collect);
        }
    }
    let engine = Engine::with_simd(Arc::new(Image::from_bytes(PICO.to_vec())?), simd)?;
    for class in Class::ALL {
        mix("pico", &mut engine.session(CONTEXT)?, engine.image().model().id(), class, &mut words, &mut collect);
    }
    // Compiling a lexicon runs many streams in lockstep, for which there are loops of their own too; the codec's code
    // would take minutes for it on a small machine, and what it does here is to read the lexicon.
    let compiler = if simd == Simd::Portable { Simd::available().next_back().unwrap_or(simd) } else { simd };
    let engine = Engine::with_simd(Arc::new(Image::from_bytes(FIXED.to_vec())?), compiler)?;
    for (kind, name, _) in LEXICONS {
        lexicon(name, &build(&engine, kind, engine.config().context, threads)?, &mut collect);
    }
    Ok(vectors)
}

/// The committed digest of this name.
fn golden(name: &str) -> Option<&'static str> {
    GOLDEN.lines().filter_map(|line| line.split_once("  ")).find(|(_, known)| *known == name).map(|(digest, _)| digest)
}

/// A text that fills and leaves the longest context; any will do.
fn whole_context(engine: Engine) -> Result<Digest> {
    let context = engine.config().context;
    let text = &GOLDEN.as_bytes()[..GOLDEN.len().min(context + 50)];
    let mut trace = Trace::default();
    engine.trace(text, context, |_, frequencies| trace.add(frequencies))?;
    Ok(trace.finish())
}
