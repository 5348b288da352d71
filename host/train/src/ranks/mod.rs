//! Ranks: the processes that train one model together, each on a device of its own, on one machine or many.
//!
//! They are started by `torchrun`, `srun` or `mpirun` ([`launch`]) and meet at rank 0, which has a TCP connection to each of the others. Small things go
//! that way: the sums of losses, whether to stop, what one rank computes for all, and what NCCL needs to know; and gradients too where devices are
//! CPUs. Invariant: all ranks call the same operations in the same order, and sums are taken in the order of the ranks, so that every rank has the same bits.

mod error;
mod greeting;
pub mod launch;

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::ops::AddAssign;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use error::RankError;
use greeting::Place;
use launch::Launch;

type Result<T, E = RankError> = std::result::Result<T, E>;

/// How long ranks wait for each other at the start, and when they say so.
const PATIENCE: Duration = Duration::from_secs(300);
const SILENCE: Duration = Duration::from_secs(5);
/// Values that are sent at once.
const CHUNK: usize = 1 << 18;
/// Connections that say who they are at the same time; more must wait.
const MOST_GREETINGS: usize = 64;
/// The longest message of rank 0 in bytes, and the room that is made before its bytes have come.
const LONGEST_MESSAGE: u64 = 1 << 32;
const FIRST_ROOM: usize = 1 << 16;

/// One rank of a run.
#[derive(Debug)]
pub struct Ranks {
    rank: usize,
    count: usize,
    local: usize,
    is_launched: bool,
    /// Of rank 0 to ranks 1, 2, ...; of the others to rank 0.
    links: Vec<TcpStream>,
}

/// Called once if the other ranks keep this one waiting: a launcher's variables may have been left behind.
pub type OnWait<'a> = &'a mut dyn FnMut(&Launch);

/// A number that is summed over ranks.
pub trait Value: Copy + AddAssign {
    /// Bytes of a value.
    const BYTES: usize;
    /// Writes it, the least significant byte first.
    fn write(self, to: &mut [u8]);
    /// Reads what [`Self::write`] wrote.
    fn read(from: &[u8]) -> Self;
}

macro_rules! value {
    ($type:ty) => {
        impl Value for $type {
            const BYTES: usize = size_of::<Self>();

            fn write(self, to: &mut [u8]) {
                to.copy_from_slice(&self.to_le_bytes());
            }

            fn read(from: &[u8]) -> Self {
                Self::from_le_bytes(std::array::from_fn(|i| from[i]))
            }
        }
    };
}

value!(f32);
value!(f64);

impl Ranks {
    /// A run of one process.
    pub fn alone() -> Self {
        Self { rank: 0, count: 1, local: 0, is_launched: false, links: Vec::new() }
    }

    /// This process's rank, once all others are there; alone if no launcher started it.
    ///
    /// # Errors
    /// The launcher's variables make no sense, or the others don't come.
    pub fn from_environment(on_wait: OnWait) -> Result<Self> {
        launch::from_environment()?.map_or_else(|| Ok(Self::alone()), |launch| Self::join(&launch, on_wait))
    }

    /// Meets the other ranks.
    ///
    /// # Errors
    /// Rank 0 cannot listen, or not all ranks come within five minutes.
    pub fn join(launch: &Launch, on_wait: OnWait) -> Result<Self> {
        // The address may be one by which others see this machine and it does not see itself.
        let place = (launch.listen.as_deref().unwrap_or(&launch.address), launch.port);
        let listen = || TcpListener::bind(place);
        let cannot = |source| RankError::Listen { place: format!("{}:{}", place.0, place.1), source };
        Self::join_at(launch, || listen().map_err(cannot), on_wait)
    }

    fn join_at(launch: &Launch, listen: impl FnOnce() -> Result<TcpListener>, on_wait: OnWait) -> Result<Self> {
        let Launch { rank, count, local, .. } = *launch;
        let waiting = Waiting { launch, place: launch.place(), since: Instant::now(), said: false, on_wait };
        let links = match rank {
            0 if count > 1 => wait_for_others(&listen()?, waiting)?,
            0 => Vec::new(),
            _ => vec![find_first(waiting)?],
        };
        for link in &links {
            link.set_nodelay(true).map_err(RankError::Connection)?;
            link.set_read_timeout(Some(launch.timeout)).map_err(RankError::Connection)?;
            link.set_write_timeout(Some(launch.timeout)).map_err(RankError::Connection)?;
        }
        Ok(Self { rank, count, local, is_launched: true, links })
    }

    /// This rank's number, from 0.
    pub fn rank(&self) -> usize {
        self.rank
    }

    /// How many ranks there are.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Which of the ranks on its machine this is: the number of its GPU.
    pub fn local(&self) -> usize {
        self.local
    }

    /// Whether a launcher started this process, if only as the one rank.
    pub fn is_launched(&self) -> bool {
        self.is_launched
    }

    /// Whether this rank speaks for all: prints, and writes files.
    pub fn is_first(&self) -> bool {
        self.rank == 0
    }

    /// The items of this rank: every `count`-th.
    pub fn share<T>(&self, items: impl IntoIterator<Item = T>) -> impl Iterator<Item = T> {
        items.into_iter().skip(self.rank).step_by(self.count)
    }

    /// Replaces `values` by the sums of all ranks' values.
    ///
    /// # Errors
    /// Another rank is gone.
    pub fn all_reduce<T: Value>(&self, values: &mut [T]) -> Result<()> {
        if self.count == 1 {
            return Ok(());
        }
        for chunk in values.chunks_mut(CHUNK) {
            self.reduce(chunk)?;
            if self.is_first() {
                self.links.iter().enumerate().try_for_each(|(link, _)| self.send(link, chunk))?;
            } else {
                self.receive(0, chunk)?;
            }
        }
        Ok(())
    }

    /// Sums pieces of `values`, one after the other, over all ranks: of rank `r`, piece `r` is replaced by its sum and the others have no meaning afterwards.
    ///
    /// # Errors
    /// Another rank is gone.
    pub fn reduce_scatter<T: Value>(&self, values: &mut [T], piece: usize) -> Result<()> {
        if self.count == 1 {
            return Ok(());
        }
        for (owner, piece) in values.chunks_mut(piece.max(1)).enumerate().take(self.count) {
            for chunk in piece.chunks_mut(CHUNK) {
                self.reduce(chunk)?;
                match (self.rank, owner) {
                    (_, 0) => {}
                    (0, _) => self.send(owner - 1, chunk)?,
                    (rank, _) if rank == owner => self.receive(0, chunk)?,
                    _ => {}
                }
            }
        }
        Ok(())
    }

    /// Gives every rank all pieces of `values`, of which rank `r` has piece `r`.
    ///
    /// # Errors
    /// Another rank is gone.
    pub fn all_gather<T: Value>(&self, values: &mut [T], piece: usize) -> Result<()> {
        if self.count == 1 {
            return Ok(());
        }
        self.collect(values, piece)?;
        for (owner, piece) in values.chunks_mut(piece.max(1)).enumerate().take(self.count) {
            for chunk in piece.chunks_mut(CHUNK) {
                if self.is_first() {
                    let others = (0..self.links.len()).filter(|link| link + 1 != owner);
                    others.into_iter().try_for_each(|link| self.send(link, chunk))?;
                } else if self.rank != owner {
                    self.receive(0, chunk)?;
                }
            }
        }
        Ok(())
    }

    /// Gives rank 0 all pieces of `values`, of which rank `r` has piece `r`.
    ///
    /// # Errors
    /// Another rank is gone.
    pub fn collect<T: Value>(&self, values: &mut [T], piece: usize) -> Result<()> {
        for (owner, piece) in values.chunks_mut(piece.max(1)).enumerate().take(self.count).skip(1) {
            for chunk in piece.chunks_mut(CHUNK) {
                if self.is_first() {
                    self.receive(owner - 1, chunk)?;
                } else if self.rank == owner {
                    self.send(0, chunk)?;
                }
            }
        }
        Ok(())
    }

    /// Whether any rank says so.
    ///
    /// # Errors
    /// Another rank is gone.
    pub fn any(&self, flag: bool) -> Result<bool> {
        let mut votes = [f32::from(flag)];
        self.all_reduce(&mut votes)?;
        Ok(votes[0] > 0.0)
    }

    /// What rank 0 makes, for all.
    ///
    /// # Errors
    /// Rank 0 cannot make it or is gone.
    pub fn by_first<T: Serialize + DeserializeOwned, E: From<RankError>>(
        &self,
        make: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        if self.count == 1 {
            return make();
        }
        if self.is_first() {
            let value = make()?;
            let text = serde_json::to_vec(&value).map_err(RankError::Message)?;
            for link in 0..self.links.len() {
                self.send_bytes(link, &(text.len() as u64).to_le_bytes())?;
                self.send_bytes(link, &text)?;
            }
            Ok(value)
        } else {
            let mut length = [0; 8];
            self.receive_bytes(0, &mut length)?;
            let text = self.receive_message(u64::from_le_bytes(length))?;
            Ok(serde_json::from_slice(&text).map_err(RankError::Message)?)
        }
    }

    /// Checks that `value` is rank 0's too: that all ranks were started with the same options.
    ///
    /// # Errors
    /// It is another one, or a rank is gone.
    pub fn agree<T: Serialize>(&self, what: &'static str, value: &T) -> Result<()> {
        let own = serde_json::to_value(value).map_err(RankError::Message)?;
        let first = self.by_first(|| Ok::<_, RankError>(own.clone()))?;
        if self.any(own != first)? {
            let own = (own != first).then_some(own);
            return Err(RankError::Disagree { what, rank: self.rank, first, own });
        }
        Ok(())
    }

    /// Adds all ranks' values on rank 0.
    fn reduce<T: Value>(&self, values: &mut [T]) -> Result<()> {
        if !self.is_first() {
            return self.send(0, values);
        }
        let mut bytes = vec![0; T::BYTES * values.len()];
        for link in 0..self.links.len() {
            self.receive_bytes(link, &mut bytes)?;
            values.iter_mut().zip(bytes.chunks_exact(T::BYTES)).for_each(|(sum, bytes)| *sum += T::read(bytes));
        }
        Ok(())
    }

    fn send<T: Value>(&self, link: usize, values: &[T]) -> Result<()> {
        let mut bytes = vec![0; T::BYTES * values.len()];
        bytes.chunks_exact_mut(T::BYTES).zip(values).for_each(|(bytes, value)| value.write(bytes));
        self.send_bytes(link, &bytes)
    }

    fn receive<T: Value>(&self, link: usize, values: &mut [T]) -> Result<()> {
        let mut bytes = vec![0; T::BYTES * values.len()];
        self.receive_bytes(link, &mut bytes)?;
        values.iter_mut().zip(bytes.chunks_exact(T::BYTES)).for_each(|(value, bytes)| *value = T::read(bytes));
        Ok(())
    }

    /// The rank at the other end.
    fn peer(&self, link: usize) -> usize {
        if self.is_first() { link + 1 } else { 0 }
    }

    fn send_bytes(&self, link: usize, bytes: &[u8]) -> Result<()> {
        (&self.links[link]).write_all(bytes).map_err(|source| RankError::Gone { rank: self.peer(link), source })
    }

    /// So many bytes of rank 0. Memory is taken as they come: the number may be anything.
    fn receive_message(&self, length: u64) -> Result<Vec<u8>> {
        let mut text = Vec::with_capacity(FIRST_ROOM);
        let gone = |source| RankError::Gone { rank: 0, source };
        if length > LONGEST_MESSAGE {
            return Err(gone(io::Error::new(io::ErrorKind::InvalidData, format!("a message of {length} bytes"))));
        }
        (&self.links[0]).take(length).read_to_end(&mut text).map_err(gone)?;
        if text.len() as u64 == length { Ok(text) } else { Err(gone(io::ErrorKind::UnexpectedEof.into())) }
    }

    fn receive_bytes(&self, link: usize, bytes: &mut [u8]) -> Result<()> {
        (&self.links[link]).read_exact(bytes).map_err(|source| RankError::Gone { rank: self.peer(link), source })
    }
}

/// A rank that waits for others.
struct Waiting<'a> {
    launch: &'a Launch,
    place: String,
    since: Instant,
    said: bool,
    on_wait: OnWait<'a>,
}

impl Waiting<'_> {
    /// Waits a little, and after a while says so.
    ///
    /// # Errors
    /// It has been too long; `why` says what is missing.
    fn a_little(&mut self, why: impl FnOnce(&str) -> String) -> Result<()> {
        let Launch { rank, count, .. } = *self.launch;
        if self.since.elapsed() >= PATIENCE {
            return Err(RankError::Absent { rank, count, why: why(&self.place) });
        }
        if !self.said && self.since.elapsed() > SILENCE {
            self.said = true;
            (self.on_wait)(self.launch);
        }
        thread::sleep(Duration::from_millis(20));
        Ok(())
    }
}

/// Connections to ranks 1, 2, ... on rank 0. Each connection is heard on a thread of its own, so that a silent one keeps
/// nobody waiting; whoever is no rank of this run is left.
fn wait_for_others(listener: &TcpListener, mut waiting: Waiting) -> Result<Vec<TcpStream>> {
    let Launch { count, ref secret, .. } = *waiting.launch;
    listener.set_nonblocking(true).map_err(RankError::Connection)?;
    let mut links: Vec<Option<TcpStream>> = (1..count).map(|_| None).collect();
    let (heard, greeted) = mpsc::channel();
    let mut greetings = 0;
    while links.iter().any(Option::is_none) {
        if let Ok((stream, rank)) = greeted.try_recv() {
            greetings -= 1;
            let Ok(rank) = rank else { continue };
            let link: &mut Option<TcpStream> = &mut links[rank - 1];
            if link.is_some() {
                return Err(RankError::Twice { rank, count });
            }
            *link = Some(stream);
            continue;
        }
        let accepted =
            if greetings < MOST_GREETINGS { listener.accept() } else { Err(io::ErrorKind::WouldBlock.into()) };
        match accepted {
            Ok((stream, _)) => {
                let (heard, secret) = (heard.clone(), secret.clone());
                greetings += 1;
                thread::spawn(move || {
                    let rank = greeting::answer(&stream, count, &secret);
                    // Nobody listens any more once all ranks are there.
                    let _ = heard.send((stream, rank));
                });
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let missing = links.iter().position(Option::is_none).map_or(0, |index| index + 1);
                waiting.a_little(|place| format!("rank {missing} did not come to {place}"))?;
            }
            Err(source) => return Err(RankError::Listen { place: waiting.place, source }),
        }
    }
    Ok(links.into_iter().flatten().collect())
}

/// The connection to rank 0, which may start later.
fn find_first(mut waiting: Waiting) -> Result<TcpStream> {
    let Launch { rank, count, ref secret, .. } = *waiting.launch;
    let greet = |stream: TcpStream| greeting::greet(&stream, Place { rank, count }, secret).map(|()| stream);
    loop {
        match TcpStream::connect(&waiting.place).and_then(greet) {
            Ok(stream) => return Ok(stream),
            Err(error) => waiting.a_little(|place| format!("rank 0 is not at {place} ({error})"))?,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    fn launches(count: usize) -> (TcpListener, Vec<Launch>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let launch = |rank| Launch {
            rank,
            count,
            local: rank,
            address: "127.0.0.1".to_owned(),
            port,
            listen: None,
            secret: b"secret".to_vec(),
            timeout: Duration::from_secs(60),
        };
        (listener, (0..count).map(launch).collect())
    }

    /// Runs `work` as each rank of a run, on threads; what they return, in order.
    pub fn together<T: Send>(count: usize, work: impl Fn(Ranks) -> T + Sync) -> Vec<T> {
        let (listener, launches) = launches(count);
        let (work, listener) = (&work, &listener);
        thread::scope(|scope| {
            let start = |launch: Launch| {
                scope.spawn(move || {
                    work(Ranks::join_at(&launch, || Ok(listener.try_clone().unwrap()), &mut |_| ()).unwrap())
                })
            };
            let threads: Vec<_> = launches.into_iter().map(start).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        })
    }

    #[test]
    fn sums_and_pieces_are_the_same_on_every_rank() {
        for count in [1, 2, 3, 5] {
            let piece = CHUNK + 3;
            let value = |rank: usize, i: usize| 1.0 / (1.0 + rank as f32 + i as f32);
            let all = together(count, |ranks| {
                let values: Vec<f32> = (0..piece * count).map(|i| value(ranks.rank(), i)).collect();
                let (mut sums, mut parts, mut small) = (values.clone(), values.clone(), [ranks.rank() as f64 + 0.5]);
                ranks.all_reduce(&mut sums).unwrap();
                ranks.reduce_scatter(&mut parts, piece).unwrap();
                ranks.all_reduce(&mut small).unwrap();
                assert!(ranks.any(ranks.rank() + 1 == count).unwrap() && !ranks.any(false).unwrap());
                let own = ranks.rank() * piece..(ranks.rank() + 1) * piece;
                assert!(parts[own.clone()] == sums[own.clone()]);
                let mut gathered = vec![0.0; parts.len()];
                gathered[own.clone()].copy_from_slice(&parts[own]);
                let mut collected = gathered.clone();
                ranks.all_gather(&mut gathered, piece).unwrap();
                ranks.collect(&mut collected, piece).unwrap();
                assert!(gathered == sums && (ranks.rank() > 0 || collected == sums));
                assert_eq!(ranks.by_first(|| Ok::<_, RankError>(format!("from {}", ranks.rank()))).unwrap(), "from 0");
                (sums, small[0])
            });
            let expected: f32 = (0..count).fold(0.0, |sum, rank| sum + value(rank, 7));
            assert!(all.iter().all(|(sums, small)| sums[7] == expected && *small == (count * count) as f64 / 2.0));
        }
    }

    #[test]
    fn shares_are_all_of_it() {
        let mut seen: Vec<usize> = together(3, |ranks| ranks.share(0..10).collect::<Vec<_>>()).concat();
        seen.sort_unstable();
        assert!(seen.into_iter().eq(0..10));
    }

    #[test]
    fn other_options_are_noticed_by_all() {
        let errors = together(3, |ranks| {
            ranks.agree("options", &"same").unwrap();
            ranks.agree("options", &(ranks.rank() == 2)).unwrap_err().to_string()
        });
        assert!(errors[2].contains("rank 2") && errors[0].contains("not all ranks"), "{errors:?}");
    }

    #[test]
    fn a_rank_that_goes_is_named() {
        let errors = together(2, |ranks| match ranks.rank() {
            0 => ranks.all_reduce(&mut [0f32]).unwrap_err().to_string(),
            _ => String::new(),
        });
        assert!(errors[0].contains("rank 1 is gone"), "{errors:?}");
    }

    #[test]
    fn strangers_are_not_taken_for_ranks_and_keep_nobody_waiting() {
        let (listener, launches) = launches(2);
        let started = Instant::now();
        let (first, second) = thread::scope(|scope| {
            let stranger = || TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            // Some are silent, one says something else, one does not know the secret.
            let _silent: Vec<TcpStream> = (0..5).map(|_| stranger()).collect();
            stranger().write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
            let first = scope.spawn(|| Ranks::join_at(&launches[0], || Ok(listener), &mut |_| ()));
            let error = greeting::greet(
                &TcpStream::connect(launches[0].place()).unwrap(),
                Place { rank: 1, count: 2 },
                b"guess",
            );
            assert!(error.unwrap_err().to_string().contains("another secret"));
            let second = scope.spawn(|| Ranks::join(&launches[1], &mut |_| ()));
            (first.join().unwrap(), second.join().unwrap())
        });
        assert_eq!((first.unwrap().links.len(), second.unwrap().rank()), (1, 1));
        assert!(started.elapsed() < Duration::from_secs(8), "{:?}", started.elapsed());
    }

    #[test]
    fn a_silent_rank_is_gone_after_a_while() {
        let (listener, mut launches) = launches(2);
        launches.iter_mut().for_each(|launch| launch.timeout = Duration::from_millis(200));
        let error = thread::scope(|scope| {
            let first = scope.spawn(|| Ranks::join_at(&launches[0], || Ok(listener), &mut |_| ()).unwrap());
            let silent = Ranks::join(&launches[1], &mut |_| ()).unwrap();
            let error = first.join().unwrap().all_reduce(&mut [0f32]).unwrap_err();
            drop(silent);
            error
        });
        assert!(error.to_string().contains("rank 1 is gone"), "{error}");
    }

    #[test]
    fn a_length_that_lies_takes_no_memory() {
        for length in [1u64 << 62, 1 << 31] {
            let (listener, launches) = launches(2);
            thread::scope(|scope| {
                let first = scope.spawn(|| Ranks::join_at(&launches[0], || Ok(listener), &mut |_| ()).unwrap());
                let second = Ranks::join(&launches[1], &mut |_| ()).unwrap();
                let first = first.join().unwrap();
                first.send_bytes(0, &length.to_le_bytes()).unwrap();
                drop(first);
                let error = second.by_first(|| Ok::<u64, RankError>(0)).unwrap_err();
                assert!(error.to_string().contains("rank 0 is gone"), "{error}");
            });
        }
    }
}
