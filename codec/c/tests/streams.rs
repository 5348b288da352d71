//! Streams through the functions for C: with a model, with tables, with both, and one after the other.

use std::path::Path;
use std::{fs, ptr};

use equalinfo::*;
use equalinfo_codec::Uniform;
use equalinfo_codec::container::{Header, Method, ModelIdentity, ModelName, encode_stream, stream_bound};
use equalinfo_codec::m1::{M1, Model};
use equalinfo_codec::mix::{AnyTables, Class, Coder, WithTables};

const CONTEXT: u16 = 32;
const TEXT: &[u8] =
    b"The pump has started. The pump has stopped. The door is open. The door of the pump is open. The pump \
    has started. The pump has stopped.";

/// The names of the classes in the header, with their constants.
fn classes() -> [(&'static str, &'static EqualinfoTables, &'static EqualinfoMix); 6] {
    [
        ("4K", &equalinfo_tables_4k, &equalinfo_mix_4k),
        ("16K", &equalinfo_tables_16k, &equalinfo_mix_16k),
        ("64K", &equalinfo_tables_64k, &equalinfo_mix_64k),
        ("256K", &equalinfo_tables_256k, &equalinfo_mix_256k),
        ("1M", &equalinfo_tables_1m, &equalinfo_mix_1m),
        ("16M", &equalinfo_tables_16m, &equalinfo_mix_16m),
    ]
}

/// Memory of a decoder.
#[repr(align(16))]
#[derive(Clone, Copy)]
struct Unit(#[allow(dead_code)] [u8; 16]);

fn memory(length: usize) -> Vec<Unit> {
    vec![Unit([0xa5; 16]); length.div_ceil(16)]
}

fn image(name: &str) -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../host/models/{name}.m1q"))).expect("a model")
}

fn write(coder: &mut impl Coder, method: Method, identity: ModelIdentity, block_size: u32, text: &[u8]) -> Vec<u8> {
    let identity = if method.has_model() { identity } else { ModelIdentity::default() };
    let header = Header::new(method, identity, ModelName::NONE, block_size);
    let mut stream = vec![0; stream_bound(&header, text.len())];
    let length = encode_stream(coder, &header, text, &mut stream).expect("room");
    stream.truncate(length);
    stream
}

/// Decodes all streams of the input, a few bytes at a time.
fn decode(stream: *mut EqualinfoStream, mut input: &[u8]) -> Result<Vec<u8>, EqualinfoStatus> {
    let mut text = Vec::new();
    loop {
        let (mut consumed, mut written, mut output) = (9, 9, [0; 7]);
        // SAFETY: the stream has been begun, and the buffers have these lengths.
        let status = unsafe {
            let (length, room) = (input.len().min(5), output.len());
            equalinfo_stream_decode(
                stream,
                input.as_ptr(),
                length,
                &mut consumed,
                output.as_mut_ptr(),
                room,
                &mut written,
            )
        };
        if status != EqualinfoStatus::Ok {
            return Err(status);
        }
        input = &input[consumed..];
        text.extend_from_slice(&output[..written]);
        // SAFETY: as above.
        if consumed == 0 && written == 0 && (input.is_empty() || unsafe { !equalinfo_stream_next(stream) }) {
            // SAFETY: as above.
            let status = unsafe { equalinfo_stream_finish(stream) };
            return if status == EqualinfoStatus::Ok && input.is_empty() { Ok(text) } else { Err(status) };
        }
    }
}

#[test]
fn tables_need_no_model() {
    for (class, (name, tables, _)) in Class::ALL.into_iter().zip(classes()) {
        let mut words = vec![0; class.words()];
        let mut coder = WithTables::new(Uniform, AnyTables::new(&mut words));
        let mut streams = write(&mut coder, Method::Tables(class), ModelIdentity::default(), 4096, TEXT);
        assert!(streams.len() < TEXT.len(), "{name}");
        streams.extend(write(&mut coder, Method::Tables(class), ModelIdentity::default(), 60, TEXT));
        streams.extend(write(&mut coder, Method::StaticAc, ModelIdentity::default(), 60, TEXT));
        // SAFETY: the constants are what is asked for.
        let length = unsafe { equalinfo_tables_memory(tables) };
        let mut memory = memory(length);
        let mut stream = ptr::null_mut();
        let mut begin = |length| {
            // SAFETY: the memory outlives the stream.
            unsafe { equalinfo_tables_begin(&mut stream, tables, memory.as_mut_ptr().cast(), length) }
        };
        assert_eq!(begin(length - 1), EqualinfoStatus::MemoryTooSmall);
        assert_eq!(begin(length), EqualinfoStatus::Ok);
        assert_eq!(decode(stream, &streams), Ok(TEXT.repeat(3)), "{name}");
        let header = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("include/equalinfo.h")).unwrap();
        let constant = format!("#define EQUALINFO_TABLES_{name} {}\n", 4 * class.words() + 896);
        assert!(header.contains(&constant) && length == 2048 + 4 * class.words() + 896, "{constant}");
    }
}

#[test]
fn a_model_may_have_tables_behind_it() {
    let image = image("nano");
    let model = Model::load(&image).expect("a model");
    let mut loaded = std::mem::MaybeUninit::uninit();
    // SAFETY: the image outlives the model, which is not moved.
    unsafe { equalinfo_model_load(loaded.as_mut_ptr(), image.as_ptr(), image.len()) };
    let (mut bytes, config) = (vec![0; model.config().byte_buffer(CONTEXT.into())], model.config());
    let mut words = vec![0; config.word_buffer(CONTEXT.into())];
    let class = Class::Kib16;
    let mut tables = vec![0; class.words()];
    let m1 = M1::new(&model, CONTEXT.into(), &mut bytes, &mut words).expect("memory");
    let identity = m1.identity();
    let mut coder = WithTables::new(m1, AnyTables::new(&mut tables));
    let mut streams = Vec::new();
    for method in [Method::Mix(class), Method::Ac, Method::Tables(class), Method::Stored] {
        streams.push(write(&mut coder, method, identity, 4096, TEXT));
        streams.push(write(&mut coder, method, identity, 50, TEXT));
    }
    // SAFETY: the model has been loaded, and the memory outlives the stream.
    let (length, mut stream) =
        (unsafe { equalinfo_mix_memory(&equalinfo_mix_16k, loaded.as_ptr(), CONTEXT) }, ptr::null_mut());
    let mut memory = memory(length);
    let mut begin = |mix: *const EqualinfoMix, context, length| {
        // SAFETY: as above.
        unsafe { equalinfo_mix_begin(&mut stream, mix, loaded.as_ptr(), context, memory.as_mut_ptr().cast(), length) }
    };
    assert_eq!(begin(ptr::null(), CONTEXT, length), EqualinfoStatus::NullPointer);
    assert_eq!(begin(&equalinfo_mix_16k, CONTEXT, length - 1), EqualinfoStatus::MemoryTooSmall);
    assert_eq!(begin(&equalinfo_mix_16k, 0, length), EqualinfoStatus::BadContext);
    assert_eq!(begin(&equalinfo_mix_16k, CONTEXT, length), EqualinfoStatus::Ok);
    assert_eq!(decode(stream, &streams.concat()), Ok(TEXT.repeat(8)));
    // The tables of another class, and none.
    let mut begun = |mix: Option<&EqualinfoMix>| {
        let (model, memory, mut stream) = (loaded.as_ptr(), memory.as_mut_ptr().cast(), ptr::null_mut());
        // SAFETY: as above.
        let status = unsafe {
            match mix {
                Some(mix) => equalinfo_mix_begin(&mut stream, mix, model, CONTEXT, memory, length),
                None => equalinfo_stream_begin(&mut stream, model, CONTEXT, memory, length),
            }
        };
        assert_eq!(status, EqualinfoStatus::Ok);
        stream
    };
    for mix in [Some(&equalinfo_mix_4k), None] {
        assert_eq!(decode(begun(mix), &streams[0]), Err(EqualinfoStatus::WrongMethod));
        assert_eq!(decode(begun(mix), &streams[2]), Ok(TEXT.to_vec()));
    }
}

#[test]
fn no_stream_is_no_stream() {
    let (mut consumed, mut written) = (0, 0);
    // SAFETY: null is allowed.
    unsafe {
        assert!(!equalinfo_stream_next(ptr::null_mut()));
        assert_eq!(equalinfo_stream_finish(ptr::null()), EqualinfoStatus::NullPointer);
        let none = ptr::null_mut();
        let status = equalinfo_stream_decode(none, ptr::null(), 0, &mut consumed, ptr::null_mut(), 0, &mut written);
        assert_eq!(status, EqualinfoStatus::NullPointer);
        assert_eq!(equalinfo_tables_memory(ptr::null()), 0);
    }
}
