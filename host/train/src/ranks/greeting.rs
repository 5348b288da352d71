//! How two processes learn that they belong to one run: each proves to the other that it knows the run's secret.
//!
//! ```text
//! rank r to rank 0   8 bytes "eqi-rnk2", r and the number of ranks (u32, little-endian), 16 random bytes a
//! rank 0 to rank r   8 bytes "eqi-rnk2", 16 random bytes b, HMAC-SHA256 of "first", r, ranks, a, b
//! rank r to rank 0   HMAC-SHA256 of "other", r, ranks, a, b
//! rank 0 to rank r   one byte, 1
//! ```
//!
//! The key is the secret that the environment names, or empty. Nothing is encrypted: a secret keeps strangers out, not
//! eavesdroppers.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// What a connection begins with: that this is a rank, and of which version.
const MAGIC: [u8; 8] = *b"eqi-rnk2";
/// How long the other side may take for each part.
const PATIENCE: Duration = Duration::from_secs(10);

type Nonce = [u8; 16];
type Proof = [u8; 32];

/// A rank's place in its run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Its number, not 0.
    pub rank: usize,
    /// How many ranks there are.
    pub count: usize,
}

fn mac(secret: &[u8], side: &[u8], place: Place, nonces: [&Nonce; 2]) -> io::Result<Hmac<Sha256>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).map_err(io::Error::other)?;
    mac.update(side);
    mac.update(&number(place.rank));
    mac.update(&number(place.count));
    nonces.into_iter().for_each(|nonce| mac.update(nonce));
    Ok(mac)
}

fn number(value: usize) -> [u8; 4] {
    (value as u32).to_le_bytes()
}

fn nonce() -> io::Result<Nonce> {
    let mut nonce = Nonce::default();
    getrandom::fill(&mut nonce).map_err(io::Error::other)?;
    Ok(nonce)
}

fn take<const LENGTH: usize>(mut stream: &TcpStream) -> io::Result<[u8; LENGTH]> {
    let mut bytes = [0; LENGTH];
    stream.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn stranger(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, what)
}

/// Which rank a connection to rank 0 is from.
///
/// # Errors
/// It is from no rank of this run, or silent.
pub fn answer(mut stream: &TcpStream, count: usize, secret: &[u8]) -> io::Result<usize> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let magic: [u8; 8] = take(stream)?;
    let [rank, theirs] = [take(stream)?, take(stream)?].map(|bytes| u32::from_le_bytes(bytes) as usize);
    if magic != MAGIC || theirs != count || !(1..count).contains(&rank) {
        return Err(stranger("not a rank of this run"));
    }
    let (place, theirs, own) = (Place { rank, count }, take(stream)?, nonce()?);
    let proof = mac(secret, b"first", place, [&theirs, &own])?.finalize().into_bytes();
    stream.write_all(&[&MAGIC[..], &own, &proof].concat())?;
    let proof: Proof = take(stream)?;
    let expected = mac(secret, b"other", place, [&theirs, &own])?;
    expected.verify_slice(&proof).map_err(|_| stranger("another secret"))?;
    stream.write_all(&[1])?;
    Ok(rank)
}

/// Tells rank 0 who this is.
///
/// # Errors
/// Something else answers, or nothing in time.
pub fn greet(mut stream: &TcpStream, place: Place, secret: &[u8]) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let own = nonce()?;
    stream.write_all(&[&MAGIC[..], &number(place.rank), &number(place.count), &own].concat())?;
    if take(stream)? != MAGIC {
        return Err(stranger("something else answers there"));
    }
    let (theirs, proof): (Nonce, Proof) = (take(stream)?, take(stream)?);
    let expected = mac(secret, b"first", place, [&own, &theirs])?;
    expected.verify_slice(&proof).map_err(|_| stranger("rank 0 has another secret"))?;
    stream.write_all(&mac(secret, b"other", place, [&own, &theirs])?.finalize().into_bytes())?;
    let [accepted] = take(stream)?;
    if accepted == 1 { Ok(()) } else { Err(stranger("rank 0 does not take this rank")) }
}
