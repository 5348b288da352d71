//! `docs/numeric-contract.md` and `docs/m1q.md` word for word in wide integers, sharing no code with the crate.

/// Frequencies at every position of a context that slides: `[position][byte]` lower bounds.
pub struct Restatement<'a> {
    image: &'a [u8],
    at: usize,
}

struct Matrix {
    weights: Vec<Vec<i64>>,
    requantizers: Vec<(i64, u32)>,
}

struct Layer {
    attention_norm: i64,
    qkv: Matrix,
    score: (i64, u32),
    output: (i64, u32),
    bias: Vec<i64>,
    out: Matrix,
    feed_forward_norm: i64,
    gate: Matrix,
    linear: Matrix,
    reglu: (i64, u32),
    down: Matrix,
}

fn requantize(x: i64, (m, s): (i64, u32)) -> i64 {
    (x * m + (1 << (s - 1))) >> s
}

fn dot(a: &[i64], b: &[i64]) -> i64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn bit_length(x: i64) -> i32 {
    64 - x.leading_zeros() as i32
}

fn norm(x: &[i64], k: i64) -> Vec<i64> {
    let largest = x.iter().map(|x| x.abs()).max().unwrap();
    if largest == 0 {
        return vec![0; x.len()];
    }
    let e = bit_length(largest) - 15;
    let y: Vec<i64> = x.iter().map(|x| if e < 0 { x << -e } else { x >> e }).collect();
    let inverse = (k / y.iter().map(|y| y * y).sum::<i64>().isqrt()).min(32767);
    y.iter().map(|y| ((y * inverse + (1 << 19)) >> 20).clamp(-127, 127)).collect()
}

impl Matrix {
    fn apply(&self, a: &[i64], scale: u32) -> Vec<i64> {
        self.weights.iter().zip(&self.requantizers).map(|(row, r)| requantize(dot(row, a) << scale, *r)).collect()
    }
}

impl<'a> Restatement<'a> {
    pub fn new(image: &'a [u8]) -> Self {
        Self { image, at: 0 }
    }

    fn take(&mut self, count: usize) -> &'a [u8] {
        self.at += count;
        &self.image[self.at - count..self.at]
    }

    fn number(&mut self, bytes: usize) -> i64 {
        self.take(bytes).iter().rev().fold(0, |n, &byte| n << 8 | i64::from(byte))
    }

    fn weights(&mut self, rows: usize, width: usize) -> Vec<Vec<i64>> {
        let weight =
            |(column, &byte): (usize, &u8)| if column % 2 == 0 { i64::from(byte) - 128 } else { i64::from(byte as i8) };
        (0..rows).map(|_| self.take(width).iter().enumerate().map(weight).collect()).collect()
    }

    fn requantizers(&mut self, rows: usize) -> Vec<(i64, u32)> {
        (0..rows).map(|_| (self.number(2), self.number(2) as u32)).collect()
    }

    fn matrix(&mut self, rows: usize, width: usize) -> Matrix {
        Matrix { weights: self.weights(rows, width), requantizers: self.requantizers(rows) }
    }

    /// The lower bounds of all bytes ahead of each byte of `text` and after the last.
    pub fn trace(mut self, text: &[u8], context: usize) -> Vec<Vec<i64>> {
        self.at = 24;
        let [d, ff, _context] = [(); 3].map(|()| self.number(2) as usize);
        let (layers, heads) = (self.number(1), self.number(1) as usize);
        self.take(16);
        let output_norm = self.number(4);
        let rows: Vec<usize> = (0..5).map(|_| self.number(2) as usize).collect();
        assert_eq!(self.number(2), 0);
        let mixer = self.number(4) as usize;
        let powers: Vec<i64> = (0..256).map(|_| self.number(2)).collect();
        let buckets = self.take(128);
        let embedding = self.weights(257, d);
        let (input, logit) = (self.requantizers(257), self.requantizers(256));
        let layers: Vec<Layer> = (0..layers)
            .map(|_| {
                let attention_norm = self.number(4);
                let qkv = self.matrix(3 * d, d);
                let (score, output) = (self.requantizers(1)[0], self.requantizers(1)[0]);
                let bias = (0..32 * heads).map(|_| i64::from(self.number(2) as i16)).collect();
                let out = self.matrix(d, d);
                let feed_forward_norm = self.number(4);
                let (gate, linear) = (self.weights(ff, d), self.weights(ff, d));
                let gate = Matrix { weights: gate, requantizers: self.requantizers(ff) };
                let linear = Matrix { weights: linear, requantizers: self.requantizers(ff) };
                let reglu = self.requantizers(1)[0];
                let down = self.matrix(d, ff);
                Layer { attention_norm, qkv, score, output, bias, out, feed_forward_norm, gate, linear, reglu, down }
            })
            .collect();
        // Of each order its rows, multiplied out.
        let tables: Vec<Vec<Vec<i64>>> = (rows.iter())
            .map(|&rows| {
                let values = self.take(rows * d / 2);
                let factors: Vec<i64> = (0..rows).map(|_| self.number(2)).collect();
                self.take(rows % 2 * 2);
                let halves = values.iter().flat_map(|byte| [byte % 16, byte / 16]).map(|half| i64::from(half) - 8);
                let halves: Vec<i64> = halves.collect();
                halves.chunks(d).zip(factors).map(|(row, factor)| row.iter().map(|v| v * factor).collect()).collect()
            })
            .collect();
        self.take(mixer);
        assert_eq!(self.at, self.image.len());

        let exp2_neg = |t: i64| if t >> 8 >= 16 { 0 } else { powers[(t & 255) as usize] >> (t >> 8) };
        let mut cache: Vec<Vec<(Vec<i64>, Vec<i64>)>> = layers.iter().map(|_| Vec::new()).collect();
        let mut trace = Vec::new();
        let mut symbols = vec![256; 6];
        for symbol in [256].into_iter().chain(text.iter().map(|&byte| usize::from(byte))) {
            let mut x: Vec<i64> = embedding[symbol].iter().map(|e| requantize(e << 16, input[symbol])).collect();
            symbols.push(symbol);
            for (index, (layer, cache)) in layers.iter().zip(&mut cache).enumerate() {
                let qkv: Vec<i64> =
                    layer.qkv.apply(&norm(&x, layer.attention_norm), 0).iter().map(|x| (*x).clamp(-127, 127)).collect();
                cache.push((qkv[d..2 * d].to_vec(), qkv[2 * d..].to_vec()));
                let newest = &cache[cache.len().saturating_sub(context)..];
                let mut o = Vec::new();
                for head in 0..heads {
                    let part = 64 * head..64 * head + 64;
                    let t: Vec<i64> = (newest.iter().enumerate())
                        .map(|(j, (k, _))| {
                            let bucket = usize::from(buckets[(newest.len() - 1 - j).min(127)]);
                            requantize(dot(&qkv[part.clone()], &k[part.clone()]) << 8, layer.score)
                                + layer.bias[32 * head + bucket]
                        })
                        .collect();
                    let largest = *t.iter().max().unwrap();
                    let e: Vec<i64> = t.iter().map(|t| exp2_neg(largest - t) >> 1).collect();
                    let sum: i64 = e.iter().sum();
                    let n = bit_length(sum) - 16;
                    let scaled = if n < 0 { sum << -n } else { sum >> n };
                    let (g, u) = layer.output;
                    let m = ((1i64 << 31) / scaled * g) >> 16;
                    for c in part {
                        let mixed: i64 = e.iter().zip(newest).map(|(e, (_, v))| e * v[c]).sum();
                        o.push(requantize(mixed, (m, (15 + n + u as i32) as u32)).clamp(-127, 127));
                    }
                }
                x.iter_mut().zip(layer.out.apply(&o, 4)).for_each(|(x, add)| *x += add);
                let looked_up = tables.iter().zip(2..).filter(|(table, _)| index == 0 && !table.is_empty());
                for (table, order) in looked_up {
                    let mut hash = 0;
                    for symbol in symbols.iter().rev().take(order) {
                        hash = (hash ^ *symbol as u64) * 0x9e37_79b1 % (1 << 32);
                        hash ^= hash / 32768;
                    }
                    let row = &table[(hash / 65536 * table.len() as u64 / 65536) as usize];
                    x.iter_mut().zip(row).for_each(|(x, add)| *x += add);
                }
                let a = norm(&x, layer.feed_forward_norm);
                let clamp16 = |x: i64| x.clamp(-32767, 32767);
                let halves = layer.gate.apply(&a, 0).into_iter().zip(layer.linear.apply(&a, 0));
                let h: Vec<i64> = halves
                    .map(|(g, l)| requantize(clamp16(g).max(0) * clamp16(l), layer.reglu).clamp(-127, 127))
                    .collect();
                x.iter_mut().zip(layer.down.apply(&h, 4)).for_each(|(x, add)| *x += add);
            }
            let a = norm(&x, output_norm);
            let t: Vec<i64> =
                embedding[..256].iter().zip(&logit).map(|(row, r)| requantize(dot(row, &a) << 4, *r)).collect();
            let largest = *t.iter().max().unwrap();
            let e: Vec<i64> = t.iter().map(|t| exp2_neg(largest - t)).collect();
            let inverse = (65024 << 24) / e.iter().sum::<i64>();
            let mut below = 0;
            let bounds = e.iter().zip(0..).map(|(e, b)| {
                below += e;
                2 * b + (((below - e) * inverse) >> 24)
            });
            trace.push(bounds.collect());
        }
        trace
    }
}
