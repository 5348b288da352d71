//! [`Ahead`]: the frequencies of a text that is known, computed before a coder asks for them, on several threads.
//!
//! Invariant: they are those of one stream that reads the whole text. Frequencies reach back no further than [`reach`]
//! bytes: each layer looks at `context` positions, those at what the layer below made of as many, and n-grams at a few
//! symbols. So a stream that has read the `reach` bytes ahead of a piece is where the stream of the whole text would be,
//! whatever it began with.

use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread::{self, Scope};

use equalinfo_codec::m1::Config;
use equalinfo_codec::m1::ngrams::MAX_ORDER;
use equalinfo_codec::{ByteModel, Frequencies};

use super::error::EngineError;
use super::{Engine, Streams};

/// Positions of a piece on the thread that codes: few enough to stay in a cache.
const HERE: usize = 512;

/// Bytes of text that a piece has for each that is read ahead of it, where there are threads.
const GAIN: usize = 8;

/// The shortest piece of a thread: a piece has to take longer than the thread's start.
const SHORTEST: usize = 4096;

/// A model that has read a text ahead of its coder, who must push the bytes of that text, from the first on, and may ask
/// for the frequencies of each of them. A reset changes nothing.
pub struct Ahead<'a> {
    source: Source<'a>,
    piece: Vec<Frequencies>,
    next: usize,
}

enum Source<'a> {
    /// This thread.
    Here { streams: Box<dyn Streams>, rest: &'a [u8] },
    /// Others, each with every nth piece, n being their number; `turn` has the next one.
    Threads { pieces: Vec<Receiver<Vec<Frequencies>>>, turn: usize },
}

impl Ahead<'_> {
    /// Makes sure that the next byte's frequencies are there; past the text's end there are none.
    fn fill(&mut self) {
        if self.next < self.piece.len() {
            return;
        }
        self.next = 0;
        match &mut self.source {
            Source::Here { streams, rest } => {
                let (text, after) = rest.split_at(rest.len().min(HERE));
                *rest = after;
                self.piece.clear();
                streams.trace(text, &mut |_, frequencies| self.piece.push(frequencies.clone()));
            }
            Source::Threads { pieces, turn } => {
                // No piece is left, or its thread has panicked, which the end of all threads tells.
                self.piece = pieces[*turn].recv().unwrap_or_default();
                *turn = (*turn + 1) % pieces.len();
            }
        }
    }
}

impl ByteModel for Ahead<'_> {
    fn reset(&mut self) {}

    fn frequencies(&mut self) -> &Frequencies {
        self.fill();
        static NONE: Frequencies = Frequencies::uniform();
        self.piece.get(self.next).unwrap_or(&NONE)
    }

    fn push(&mut self, _byte: u8) {
        self.fill();
        self.next += 1;
    }
}

/// Bytes before a byte on which its frequencies can depend.
fn reach(config: &Config, context: usize) -> usize {
    config.layers * context.saturating_sub(1) + MAX_ORDER
}

impl Engine {
    /// Lends `code` a model that reads `text` ahead of it on up to `threads` threads, in a context that starts empty and
    /// slides. They keep at most two pieces each, of 4 KiB of text or eight times what a byte's frequencies can depend
    /// on, whichever is more; a position takes 512 bytes.
    ///
    /// ```
    /// use equalinfo::Model;
    /// use equalinfo_codec::ByteModel;
    ///
    /// let (model, text) = (Model::shipped("nano")?, b"It was the best of times, it was the worst of times");
    /// let cost = |byte: u8, ahead: &mut dyn ByteModel| {
    ///     let count = ahead.frequencies().count(byte);
    ///     ahead.push(byte);
    ///     16.0 - f64::from(count).log2()
    /// };
    /// let bits: f64 = model.engine().ahead(2, text, 128, |ahead| text.iter().map(|&byte| cost(byte, ahead)).sum())?;
    /// assert!(bits < 3.0 * text.len() as f64);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The context is zero or longer than the model's.
    pub fn ahead<R>(
        &self,
        threads: usize,
        text: &[u8],
        context: usize,
        code: impl FnOnce(&mut Ahead) -> R,
    ) -> Result<R, EngineError> {
        let size = (GAIN * reach(&self.config(), context)).max(SHORTEST);
        self.ahead_by(size, threads, text, context, code)
    }

    /// The same in pieces of `size` bytes.
    pub(super) fn ahead_by<R>(
        &self,
        size: usize,
        threads: usize,
        text: &[u8],
        context: usize,
        code: impl FnOnce(&mut Ahead) -> R,
    ) -> Result<R, EngineError> {
        let streams = self.streams(1, context)?;
        let reach = reach(&self.config(), context);
        let threads = threads.min(text.len().div_ceil(size));
        let here = |streams| Ahead { source: Source::Here { streams, rest: text }, piece: Vec::new(), next: 0 };
        if threads <= 1 {
            return Ok(code(&mut here(streams)));
        }
        Ok(thread::scope(|scope| {
            let reader = Reader { engine: self, text, context, reach, size };
            let started: Vec<_> = (0..threads).map_while(|_| reader.start(scope)).collect();
            if started.is_empty() {
                return code(&mut here(streams));
            }
            let running = started.len();
            let begin = |(number, (begin, pieces)): (usize, (SyncSender<_>, Receiver<_>))| {
                // Fails only if the thread has panicked.
                let _ = begin.send((number, running));
                pieces
            };
            let pieces = started.into_iter().enumerate().map(begin).collect();
            // Dropped before the scope waits, so that a thread whose pieces nobody wants ends.
            code(&mut Ahead { source: Source::Threads { pieces, turn: 0 }, piece: Vec::new(), next: 0 })
        }))
    }
}

/// What a thread reads.
#[derive(Clone, Copy)]
struct Reader<'a> {
    engine: &'a Engine,
    text: &'a [u8],
    context: usize,
    reach: usize,
    /// Bytes of a piece.
    size: usize,
}

impl<'a> Reader<'a> {
    /// A thread that waits for its number and that of all threads, and then gives its pieces; `None` where the system
    /// has no thread left.
    #[allow(clippy::type_complexity)]
    fn start<'scope>(
        self,
        scope: &'scope Scope<'scope, '_>,
    ) -> Option<(SyncSender<(usize, usize)>, Receiver<Vec<Frequencies>>)>
    where
        'a: 'scope,
    {
        let (begin, wait) = mpsc::sync_channel(1);
        let (give, pieces) = mpsc::sync_channel(1);
        let run = move || {
            let Ok((number, running)) = wait.recv() else { return };
            self.read(number, running, &give);
        };
        thread::Builder::new().spawn_scoped(scope, run).ok().map(|_| (begin, pieces))
    }

    fn read(self, number: usize, running: usize, give: &SyncSender<Vec<Frequencies>>) {
        // The context was checked before.
        let Ok(mut streams) = self.engine.streams(1, self.context) else { return };
        for start in (0..self.text.len()).step_by(self.size).skip(number).step_by(running) {
            streams.reset(0);
            streams.feed(&self.text[start.saturating_sub(self.reach)..start]);
            let piece = &self.text[start..self.text.len().min(start + self.size)];
            let mut frequencies = Vec::with_capacity(piece.len());
            streams.trace(piece, &mut |_, found| frequencies.push(found.clone()));
            if give.send(frequencies).is_err() {
                return;
            }
        }
    }
}
