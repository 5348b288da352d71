//! `docs/mix.md` word for word in wide integers and plain vectors, sharing no code with the crate but the table of
//! initial weights, which is data.

/// What a class is, as the table in the document says.
pub struct Sizes {
    pub h: u32,
    pub m: u32,
    pub n: u32,
    pub e: bool,
    pub g: u64,
    pub slots: &'static [&'static str],
    pub maps: usize,
    pub inputs_each: usize,
    pub c: u32,
    pub caches: &'static [&'static str],
    pub selectors: &'static [&'static str],
    pub s: u32,
    pub f: Option<u32>,
}

#[rustfmt::skip]
pub const CLASSES: [Sizes; 6] = [
    Sizes { h: 9, m: 8, n: 4, e: false, g: 136, slots: &["1", "2"], maps: 0, inputs_each: 1, c: 0, caches: &[],
        selectors: &["known"], s: 0, f: None },
    Sizes { h: 11, m: 9, n: 5, e: false, g: 464, slots: &["1", "2"], maps: 0, inputs_each: 1, c: 9,
        caches: &["3", "word"], selectors: &["known"], s: 0, f: None },
    Sizes { h: 13, m: 11, n: 5, e: false, g: 2100, slots: &["1", "2", "word"], maps: 3, inputs_each: 1, c: 11,
        caches: &["3", "4", "word"], selectors: &["known"], s: 0, f: None },
    Sizes { h: 16, m: 13, n: 6, e: true, g: 5700, slots: &["1", "2", "3", "word"], maps: 4, inputs_each: 2, c: 12,
        caches: &["4", "5", "6", "word"], selectors: &["known", "partial"], s: 0, f: Some(4) },
    Sizes { h: 18, m: 15, n: 6, e: true, g: 23000, slots: &["1", "2", "3", "4", "word", "above"], maps: 6,
        inputs_each: 2, c: 14, caches: &["3", "5", "pair", "word", "target"], selectors: &["known", "partial"],
        s: 0, f: Some(8) },
    Sizes { h: 22, m: 19, n: 7, e: true, g: 440000,
        slots: &["1", "2", "3", "4", "5", "6", "word", "pair", "above", "sparse"], maps: 10, inputs_each: 2, c: 18,
        caches: &["3", "5", "pair", "word", "target"], selectors: &["known", "partial", "previous"],
        s: 4, f: Some(12) },
];

struct Logistic {
    t: Vec<i64>,
    stretched: Vec<i64>,
}

impl Logistic {
    fn new() -> Self {
        let one = 1u128 << 30;
        let half = (2 * one * one).isqrt();
        let quarter = (half * one).isqrt();
        let eighth = (quarter * one).isqrt();
        let mut t = vec![0; 257];
        for i in 0..=128usize {
            let mut o = one;
            for (bit, root) in [eighth, quarter, half].into_iter().enumerate() {
                if i >> bit & 1 == 1 {
                    o = (o * root) >> 30;
                }
            }
            o <<= i >> 3;
            let p = ((o << 16) + (o + one) / 2) / (o + one);
            t[128 + i] = p as i64;
            t[128 - i] = 65536 - p as i64;
        }
        let mut new = Self { t, stretched: Vec::new() };
        let below = |i: i64| {
            let least = if i < 128 { 16 * i + 8 } else { 256 * (i / 16) + 176 };
            (-2047..=2047).find(|&x| new.squash(x) >= least).unwrap()
        };
        new.stretched = (0..2048).map(below).chain((0..2048).rev().map(|i| -below(i))).collect();
        new
    }

    fn squash(&self, x: i64) -> i64 {
        let x = x.clamp(-2047, 2047) + 2048;
        let i = (x >> 4) as usize;
        (self.t[i] * (16 - x % 16) + self.t[i + 1] * (x % 16) + 8) >> 4
    }

    fn stretch(&self, p: i64) -> i64 {
        self.stretched[(p >> 4) as usize]
    }
}

#[derive(Clone, Copy)]
struct Counter {
    q: i64,
    age: i64,
}

fn counter(p: i64, age: i64) -> Counter {
    Counter { q: 64 * p, age }
}

impl Counter {
    fn p(self) -> i64 {
        self.q >> 6
    }

    fn learn(&mut self, bit: bool) {
        let rate = (2048 + (2 * self.age + 3)) / (2 * (2 * self.age + 3));
        let target = if bit { (1 << 22) - 1 } else { 0 };
        self.q += ((target - self.q) * rate + 256) >> 9;
        self.age = (self.age + 1).min(255);
    }
}

/// Histories in the order of their numbers, as (zeros, ones, last).
fn histories() -> Vec<(u32, u32, u32)> {
    let mut all = Vec::new();
    for zeros in 0..64 {
        for ones in 0..64 {
            if allowed(zeros, ones) {
                match (zeros, ones) {
                    (0, 0) | (1.., 0) => all.push((zeros, ones, 0)),
                    (0, 1..) => all.push((zeros, ones, 1)),
                    _ => all.extend([(zeros, ones, 0), (zeros, ones, 1)]),
                }
            }
        }
    }
    all.sort_by_key(|&(zeros, ones, last)| (zeros + ones, zeros, last));
    all
}

fn allowed(zeros: u32, ones: u32) -> bool {
    let (s, l) = (zeros.min(ones), zeros.max(ones));
    [41, 22, 12, 8, 6, 5].get(s as usize).is_some_and(|&bound| l <= bound)
}

fn after((zeros, ones, _): (u32, u32, u32), bit: u32) -> (u32, u32, u32) {
    let (mut same, mut other) = if bit == 1 { (ones, zeros) } else { (zeros, ones) };
    same += 1;
    if other > 3 {
        other = 3 + (other - 3) / 4;
    }
    while !allowed(same, other) {
        if same > other { same -= 1 } else { other -= 1 }
    }
    if bit == 1 { (other, same, 1) } else { (same, other, 0) }
}

fn join(h: u32, v: u32) -> u32 {
    (h.rotate_left(9) ^ v).wrapping_mul(0x9e37_79b1)
}

#[derive(Clone, Copy)]
struct Slot {
    check: u32,
    histories: [usize; 3],
}

/// A block's state; `text` is all of it so far.
pub struct Restatement {
    sizes: &'static Sizes,
    logistic: Logistic,
    histories: Vec<(u32, u32, u32)>,
    next: Vec<[usize; 2]>,
    text: Vec<u8>,
    kept: Vec<u8>,
    word: u32,
    previous: u32,
    column: u32,
    width: u32,
    /// Where the operand begins that the text ends in.
    operand: Option<usize>,
    starts: Vec<u64>,
    following: bool,
    place: u64,
    length: u64,
    misses: i64,
    expected: Option<u8>,
    by_length: Vec<Counter>,
    by_byte: Vec<Counter>,
    by_echo: Vec<Counter>,
    slots: Vec<Slot>,
    maps: Vec<Vec<Counter>>,
    caches: Vec<Vec<(u32, u32, u32)>>,
    cache_counters: Vec<Vec<Counter>>,
    weights: Vec<Vec<Vec<i32>>>,
    finals: [Vec<[Counter; 17]>; 2],
}

/// The share of the upper half, from the counts of 256 bytes.
pub type Share<'a> = &'a dyn Fn(u32) -> i64;

impl Restatement {
    pub fn new(sizes: &'static Sizes, initial: &[i16]) -> Self {
        let logistic = Logistic::new();
        let histories = histories();
        assert!(histories.len() <= 256);
        let number = |state| histories.iter().position(|&other| other == state).unwrap();
        let next = histories.iter().map(|&state| [number(after(state, 0)), number(after(state, 1))]).collect();
        let map: Vec<Counter> = histories.iter().map(|&state| counter(guess(state), 2)).collect();
        let inputs = 2 + usize::from(sizes.e) + sizes.slots.len() * sizes.inputs_each + sizes.caches.len();
        let mut rows =
            initial.chunks(inputs).map(|row| row.iter().map(|&w| i32::from(w) * (1 << 18)).collect::<Vec<_>>());
        let weights = sizes.selectors.iter().map(|&selector| match selector {
            "known" => rows.by_ref().take(16).collect(),
            _ => vec![rows.next().unwrap(); 256],
        });
        let weights = weights.collect();
        assert!(rows.next().is_none());
        let row: [Counter; 17] = std::array::from_fn(|j| counter(logistic.squash(256 * (j as i64 - 8)), 6));
        Self {
            next,
            text: Vec::new(),
            kept: vec![0; 1 << sizes.h],
            word: 0,
            previous: 0,
            column: 0,
            width: 0,
            operand: None,
            starts: vec![0; 1 << sizes.m],
            following: false,
            place: 0,
            length: 0,
            misses: 0,
            expected: None,
            by_length: (0..64).map(|i| counter(65535 - 65536 / (i / 4 + 3), 2)).collect(),
            by_byte: vec![counter(59577, 2); 2048],
            by_echo: vec![counter(65500, 30); 16],
            slots: vec![Slot { check: 0, histories: [0; 3] }; 4 * sizes.g as usize],
            maps: vec![map; sizes.maps],
            caches: vec![vec![(0, 0, 0); 1 << sizes.c]; sizes.caches.len()],
            cache_counters: vec![
                (0..128).map(|i| counter(65535 - 65536 / (2 * (i / 8) + 3), 2)).collect();
                sizes.caches.len()
            ],
            weights,
            finals: [vec![row; 256 << sizes.s], vec![row; 1 << sizes.f.unwrap_or(0)]],
            sizes,
            logistic,
            histories,
        }
    }

    fn byte(&self, at: u64) -> u8 {
        self.kept[(at % (1 << self.sizes.h)) as usize]
    }

    fn hash(&self, context: &str) -> u32 {
        let back = |n: usize| self.text.len().checked_sub(n).map_or(0, |at| u32::from(self.text[at]));
        let number = |from: usize, count: usize| (0..count).fold(0, |sum, i| sum | back(from + i) << (8 * i));
        let above = if self.width == 0 || self.width >= 1 << self.sizes.h {
            0
        } else {
            u32::from(self.byte(self.text.len() as u64 - u64::from(self.width)))
        };
        let h = match context {
            "word" => join(join(16, self.word), back(1)),
            "pair" => join(join(join(17, self.word), self.previous), back(1)),
            "above" => join(join(18, above), back(1)),
            "sparse" => join(19, number(1, 4) & 0x00ff_ff00),
            "target" => match self.operand {
                None => join(join(24, number(1, 4)), number(5, 2)),
                Some(start) if start == self.text.len() => join(20, number(1, 4)),
                Some(start) => {
                    let known = self.text.len() - start;
                    let opcode = u32::from(self.text[start - 1]);
                    let bytes = self.absolute(start).to_le_bytes();
                    let so_far = bytes[..known].iter().fold(opcode, |sum, &byte| sum << 8 | u32::from(byte));
                    join(20 + 4 - known as u32, so_far)
                }
            },
            order => {
                let n: usize = order.parse().unwrap();
                let h = join(n as u32, number(1, n.min(4)));
                if n > 4 { join(h, number(5, n - 4)) } else { h }
            }
        };
        let h = (h ^ (h >> 15)).wrapping_mul(0x85eb_ca6b);
        h ^ (h >> 13)
    }

    /// The address that the operand at `start` means, of which bytes that have not come yet count as 0.
    fn absolute(&self, start: usize) -> u32 {
        let relative: u32 =
            self.text[start..].iter().take(4).enumerate().map(|(i, &byte)| u32::from(byte) << (8 * i)).sum();
        relative.wrapping_add(start as u32 + 4)
    }

    /// What a cache adds to the byte that it keeps.
    fn shift(&self, context: &str) -> u32 {
        match self.operand {
            Some(start) if context == "target" => self.absolute(start) >> (8 * (self.text.len() - start)) & 0xff,
            _ => 0,
        }
    }

    fn append(&mut self, byte: u8) {
        let size = self.kept.len();
        self.kept[self.text.len() % size] = byte;
        self.text.push(byte);
        self.operand = match (self.operand, &self.text[self.text.len().saturating_sub(2)..]) {
            (Some(start), _) if start + 4 > self.text.len() => Some(start),
            (Some(_), _) => None,
            (None, [.., 0xe8 | 0xe9]) => Some(self.text.len()),
            (None, [0x0f, 0x80..=0x8f]) => Some(self.text.len()),
            (None, [0x89 | 0x8b | 0x8d | 0x8f | 0xff, modrm]) if modrm & 0xc7 == 5 => Some(self.text.len()),
            _ => None,
        };
        if byte.is_ascii_alphabetic() || byte >= 128 {
            self.word = join(self.word, u32::from(byte.to_ascii_lowercase()) + 1);
        } else if self.word != 0 {
            (self.previous, self.word) = (self.word, 0);
        }
        self.column += 1;
        if byte == b'\n' {
            (self.width, self.column) = (self.column, 0);
        }
        if self.following {
            if self.expected == Some(byte) {
                self.length += 1;
            } else {
                self.length = 0;
                self.misses += 1;
                self.following = self.misses <= 8;
            }
            self.place += 1;
        }
        let position = self.text.len() as u64;
        let modulus = if self.sizes.h <= 16 { 1 << 16 } else { 1 << 32 };
        let entry = (self.hash(&self.sizes.n.to_string()) >> (32 - self.sizes.m)) as usize;
        if self.length < 16 {
            let d = (position + modulus - self.starts[entry]) % modulus;
            if d > 0 && d < position && d < 1 << self.sizes.h {
                let place = position - d;
                let agrees = |i: &u64| self.byte(place - 1 - i) == self.byte(position - 1 - i);
                let l = (0..place.min(32)).take_while(agrees).count() as u64;
                if l >= 4 && l > self.length {
                    (self.place, self.length, self.misses, self.following) = (place, l, 0, true);
                }
            }
        }
        self.starts[entry] = position % modulus;
        self.expected = self.following.then(|| self.byte(self.place));
    }

    /// The position of a context's slot, emptied if it was another's.
    fn slot(&self, h: u32) -> (usize, Slot) {
        let g = self.sizes.g;
        let group = if g > 65536 { (u64::from(h) * g) >> 32 } else { (u64::from(h >> 16) * g) >> 16 };
        let first = 4 * group as usize + (h >> 8) as usize % 4;
        let check = h % 256;
        let three = [first, first ^ 1, first ^ 2];
        match three.into_iter().find(|&i| self.slots[i].check == check) {
            Some(found) => (found, self.slots[found]),
            None => {
                let least = three.into_iter().min_by_key(|&i| self.slots[i].histories[0]).unwrap();
                (least, Slot { check, histories: [0; 3] })
            }
        }
    }

    /// Whether the next byte begins with a decision about an echo, and that decision's probability.
    pub fn echo(&self) -> Option<(u8, i64)> {
        let byte = self.expected.filter(|_| self.length >= 512)?;
        Some((byte, self.by_echo[self.echo_counter()].p().clamp(1, 65535)))
    }

    fn echo_counter(&self) -> usize {
        (self.length.ilog2() as usize - 9).min(15)
    }

    pub fn learn_echo(&mut self, came: bool) {
        let index = self.echo_counter();
        self.by_echo[index].learn(came);
        if came {
            self.append(self.expected.unwrap());
        } else {
            (self.following, self.length, self.expected) = (false, 0, None);
        }
    }

    /// Codes a byte's eight decisions: `decide` is told each probability and answers the bit.
    pub fn code(&mut self, share: Option<Share>, decide: &mut dyn FnMut(i64) -> u32) -> u8 {
        let sizes = self.sizes;
        let steps = match self.length {
            0..8 => self.length,
            8..16 => 8 + (self.length - 8) / 4,
            16..32 => 10 + (self.length - 16) / 8,
            32..64 => 12,
            64..128 => 13,
            128..512 => 14,
            _ => 15,
        } as usize;
        let rate = {
            let bits = 64 - (self.text.len() as u64 >> 10).leading_zeros();
            16 + (30 >> (bits / 2).min(5))
        };
        let slot_hashes: Vec<u32> = sizes.slots.iter().map(|context| self.hash(context)).collect();
        let cache_hashes: Vec<u32> = sizes.caches.iter().map(|context| self.hash(context)).collect();
        let entries: Vec<usize> = cache_hashes.iter().map(|&h| (u64::from(h) >> (32 - sizes.c)) as usize).collect();
        // The byte that each cache expects, and its count.
        let cached: Vec<(Option<u32>, u32)> = (0..sizes.caches.len())
            .map(|i| {
                let (check, count, byte) = self.caches[i][entries[i]];
                let byte = (byte + 256 - self.shift(sizes.caches[i])) % 256;
                if check == cache_hashes[i] % 16 && count != 0 { (Some(byte), count) } else { (None, 0) }
            })
            .collect();
        let previous = self.text.last().map_or(0, |&byte| usize::from(byte));
        let (mut partial, mut known) = (1u32, 0);
        let mut taken: Vec<(usize, Slot)> = Vec::new();
        for index in 0..8u32 {
            let free = 8 - index;
            if index % 2 == 0 {
                let hash = |h: &u32| if index == 0 { *h } else { join(*h, partial) };
                taken = slot_hashes.iter().map(|h| self.slot(hash(h))).collect();
            }
            if index == 0 {
                let seen = taken.iter().skip(1).filter(|(_, slot)| slot.histories[0] != 0).count()
                    + cached.iter().filter(|(byte, _)| byte.is_some()).count();
                let most = sizes.slots.len() + sizes.caches.len();
                known = (1..=3).filter(|i| 4 * seen >= i * most).count();
            }
            let bit_of = |byte: u32| (byte >> (free - 1)) & 1 == 1;
            let agrees = |byte: u32| (byte | 256) >> free == partial;
            let signed = |bit: bool, x: i64| if bit { x } else { -x };

            let mut inputs = vec![share.map_or(0, |share| self.logistic.stretch(share(partial)))];
            let matched = self.expected.map(u32::from).filter(|&byte| agrees(byte));
            let length_counter = 4 * steps + self.misses.min(3) as usize;
            let byte_counter = matched.map_or(0, |byte| 8 * byte as usize + free as usize % 8);
            match matched {
                Some(byte) => {
                    inputs.push(signed(bit_of(byte), self.logistic.stretch(self.by_length[length_counter].p())));
                    if sizes.e {
                        inputs.push(signed(bit_of(byte), self.logistic.stretch(self.by_byte[byte_counter].p())));
                    }
                }
                None => inputs.extend(vec![0; 1 + usize::from(sizes.e)]),
            }
            let node = if index % 2 == 0 { 0 } else { 1 + partial as usize % 2 };
            for (i, (_, slot)) in taken.iter().enumerate() {
                let history = slot.histories[node];
                let p = match self.maps.get(i) {
                    Some(map) => map[history].p(),
                    None => guess(self.histories[history]),
                };
                let both = [self.logistic.stretch(p), (p - 32767) >> 5];
                inputs.extend(both.iter().take(sizes.inputs_each).map(|x| if history == 0 { 0 } else { *x }));
            }
            let cache_counter = |count: u32| 8 * count as usize + free as usize % 8;
            for (i, &(byte, count)) in cached.iter().enumerate() {
                inputs.push(match byte.filter(|&byte| agrees(byte)) {
                    Some(byte) => {
                        let p = self.cache_counters[i][cache_counter(count)].p();
                        signed(bit_of(byte), self.logistic.stretch(p))
                    }
                    None => 0,
                });
            }

            let mut opinions = Vec::new();
            for (selector, sets) in sizes.selectors.iter().zip(&self.weights) {
                let set = match *selector {
                    "known" => {
                        let l = match (matched, steps) {
                            (None, _) => 0,
                            (_, 0..=7) => 1,
                            (_, 8..=9) => 2,
                            _ => 3,
                        };
                        4 * l + known
                    }
                    "partial" => partial as usize % 256,
                    _ => previous,
                };
                assert_eq!(sets[set].len(), inputs.len());
                let sum: i64 = inputs.iter().zip(&sets[set]).map(|(&x, &w)| x * (i64::from(w) >> 16)).sum();
                opinions.push((set, ((sum + 2048) >> 12).clamp(-2047, 2047)));
            }
            let mixed = opinions.iter().map(|(_, opinion)| opinion).sum::<i64>() / opinions.len() as i64;
            let mut p = self.logistic.squash(mixed);
            let x = mixed + 2048;
            let (j, f) = ((x >> 8) as usize, x % 256);
            let said = (inputs[0] + 2048) >> (12 - sizes.s);
            let mut rows = [256 * said as usize + partial as usize % 256, 0];
            if let Some(bits) = sizes.f {
                rows[1] = (join(join(0, partial), previous as u32) >> (32 - bits)) as usize;
                let mut sum = p;
                for (map, row) in self.finals.iter().zip(rows) {
                    sum += (map[row][j].p() * (256 - f) + map[row][j + 1].p() * f + 128) >> 8;
                }
                p = (10923 * sum + (1 << 14)) >> 15;
            }
            let bit = decide(p.clamp(1, 65535));
            let one = bit == 1;

            if sizes.f.is_some() {
                for (map, row) in self.finals.iter_mut().zip(rows) {
                    map[row][j + usize::from(f >= 128)].learn(one);
                }
            }
            for ((set, opinion), sets) in opinions.into_iter().zip(&mut self.weights) {
                let error = ((if one { 65535 } else { 0 } - self.logistic.squash(opinion)) * rate + 128) >> 8;
                for (w, x) in sets[set].iter_mut().zip(&inputs) {
                    *w = w.wrapping_add((x * error) as i32);
                }
            }
            if let Some(byte) = matched {
                self.by_length[length_counter].learn(bit_of(byte) == one);
                self.by_byte[byte_counter].learn(bit_of(byte) == one);
            }
            for (i, (_, slot)) in taken.iter_mut().enumerate() {
                let history = &mut slot.histories[node];
                if let Some(map) = self.maps.get_mut(i) {
                    map[*history].learn(one);
                }
                *history = self.next[*history][bit as usize];
            }
            for (i, &(byte, count)) in cached.iter().enumerate() {
                if let Some(byte) = byte.filter(|&byte| agrees(byte)) {
                    self.cache_counters[i][cache_counter(count)].learn(bit_of(byte) == one);
                }
            }
            partial = 2 * partial + bit;
            if index % 2 == 1 {
                for &(place, slot) in &taken {
                    self.slots[place] = slot;
                }
            }
        }
        let byte = partial as u8;
        for (i, &(expected, count)) in cached.iter().enumerate() {
            let shift = self.shift(sizes.caches[i]);
            let entry = &mut self.caches[i][entries[i]];
            let check = cache_hashes[i] % 16;
            *entry = match expected {
                Some(kept) if kept == u32::from(byte) => (check, (count + 1).min(15), kept),
                Some(kept) if count > 2 => (check, count >> 1, kept),
                _ => (check, 1, u32::from(byte)),
            };
            entry.2 = (entry.2 + shift) % 256;
        }
        self.append(byte);
        byte
    }
}

fn guess((zeros, ones, _): (u32, u32, u32)) -> i64 {
    i64::from((10 * ones + 4) * 65536 / (10 * (zeros + ones) + 8))
}

/// The code of a string of decisions (probability, bit), as one exact fraction: no carries, no buffer.
pub fn code_of(decisions: &[(i64, u32)]) -> Vec<u8> {
    // Digits of `low` below the point; carries ripple back by hand.
    let (mut digits, mut low, mut range) = (Vec::<u8>::new(), 0u64, (1u64 << 32) - 1);
    let add = |digits: &mut Vec<u8>, low: &mut u64, amount: u64| {
        *low += amount;
        if *low >> 32 != 0 {
            *low &= (1 << 32) - 1;
            let mut at = digits.len();
            loop {
                at -= 1;
                digits[at] = digits[at].wrapping_add(1);
                if digits[at] != 0 {
                    break;
                }
            }
        }
    };
    for &(p, bit) in decisions {
        let (rare, q) = if p < 1 << 15 { (1, p as u64) } else { (0, 65536 - p as u64) };
        let width = (range >> 16) * q;
        if bit == rare {
            add(&mut digits, &mut low, range - width);
            range = width;
        } else {
            range -= width;
        }
        while range < 1 << 24 {
            digits.push((low >> 24) as u8);
            low = low << 8 & 0xffff_ffff;
            range <<= 8;
        }
    }
    // The shortest string in `low .. low + range`, as multiples of ever smaller units.
    for bytes in 0..=4 {
        let unit = 1u64 << (32 - 8 * bytes);
        let value = low.div_ceil(unit) * unit;
        if value < low + range {
            let more = value - low;
            add(&mut digits, &mut low, more);
            digits.extend(low.to_be_bytes()[4..4 + bytes].iter());
            break;
        }
    }
    while digits.last() == Some(&0) {
        digits.pop();
    }
    digits
}
