use equalinfo_kernels::View;
use equalinfo_kernels::embedding::{DeviceOrder, Order, embedding, embedding_backward};

use crate::common::*;

/// Symbols, a few of which are very frequent and some of which never occur.
fn symbols(random: &mut Random, tokens: usize, rows: usize) -> Vec<u32> {
    (0..tokens).map(|_| if random.below(2) == 0 { 3 } else { random.below(rows - 1) as u32 }).collect()
}

#[test]
fn rows_are_copied_and_added() {
    let (tokens, width, rows) = (77, 20, 257);
    let mut random = Random::new(1);
    let (table, symbols) = (random.floats(rows * width, 1.0), symbols(&mut random, tokens, rows));
    let expected: Vec<f32> =
        symbols.iter().flat_map(|&s| table[s as usize * width..][..width].iter().map(|e| 1.5 * e)).collect();
    on_every_schedule(|driver| {
        let (table, symbols) = (upload(driver, &table), upload(driver, &symbols));
        let x = poisoned::<f32>(driver, tokens * width);
        let run = |scale: f32, accumulate: bool| {
            let [symbols, table, x] = [&symbols, &table, &x].map(View::new);
            embedding(driver, tokens, width, scale, symbols, table, x, accumulate).unwrap();
        };
        run(1.5, false);
        assert_eq!(download::<f32>(driver, &x), expected);
        // Adding as much again is exact.
        run(1.5, true);
        assert_eq!(download::<f32>(driver, &x), expected.iter().map(|e| 2.0 * e).collect::<Vec<_>>());
    });
}

#[test]
fn a_symbol_beyond_the_table_reads_nothing() {
    let (width, rows) = (8, 5);
    let table = Random::new(2).floats(rows * width, 1.0);
    on_every_schedule(|driver| {
        let (table, symbols) = (upload(driver, &table), upload(driver, &[4u32, 5, u32::MAX]));
        let x = poisoned::<f32>(driver, 3 * width);
        embedding(driver, 3, width, 1.0, View::new(&symbols), View::new(&table), View::new(&x), false).unwrap();
        let found = download::<f32>(driver, &x);
        assert!(found[..width].iter().all(|x| x.is_finite()) && found[width..].iter().all(|x| x.is_nan()));
    });
}

#[test]
fn gradients_add_up_to_the_same_bits_in_any_schedule() {
    for (tokens, width, rows) in [(1, 4, 5), (700, 68, 29), (130, 1028, 4)] {
        let mut random = Random::new(tokens as u64);
        let symbols = symbols(&mut random, tokens, rows);
        let (dx, before) = (random.floats(tokens * width, 1.0), random.floats(rows * width, 1.0));
        let mut expected: Vec<f64> = before.iter().map(|&b| f64::from(b)).collect();
        for (t, &symbol) in symbols.iter().enumerate() {
            for column in 0..width {
                expected[symbol as usize * width + column] += 0.25 * f64::from(dx[t * width + column]);
            }
        }
        let order = Order::new(&symbols, rows);
        let (workspace_rows, pieces, joined) = Order::limits(tokens, rows);
        assert!(
            order.workspace_rows() <= workspace_rows && order.pieces.len() <= pieces && order.joined.len() <= joined
        );
        let mut first: Option<Vec<u32>> = None;
        on_every_schedule(|driver| {
            let (dx, dtable) = (upload(driver, &dx), upload(driver, &before));
            let [positions, pieces, joined] =
                [&order.positions.iter().map(|&p| p as i32).collect(), &order.pieces.concat(), &order.joined.concat()]
                    .map(|values: &Vec<i32>| upload(driver, values));
            let workspace = poisoned::<f32>(driver, order.workspace_rows() * width);
            let device_order = DeviceOrder {
                positions: View::new(&positions),
                pieces: View::new(&pieces),
                piece_count: order.pieces.len(),
                joined: View::new(&joined),
                joined_count: order.joined.len(),
                workspace: View::new(&workspace),
                workspace_rows: order.workspace_rows(),
            };
            embedding_backward(driver, width, 0.25, &device_order, View::new(&dx), View::new(&dtable)).unwrap();
            let found = download::<f32>(driver, &dtable);
            assert_close("dtable", &found, &expected, 1e-6, 1e-5);
            let bits: Vec<u32> = found.iter().map(|value| value.to_bits()).collect();
            assert_eq!(*first.get_or_insert(bits.clone()), bits);
        });
    }
}

#[test]
fn an_order_holds_each_position_once_and_in_place() {
    let symbols = symbols(&mut Random::new(9), 1000, 40);
    let order = Order::new(&symbols, 40);
    let mut seen = vec![false; 1000];
    let mut last = (0, 0);
    for &[symbol, begin, end, _] in &order.pieces {
        assert!(begin < end && end - begin <= 64);
        for &position in &order.positions[begin as usize..end as usize] {
            assert_eq!(symbols[position as usize], symbol as u32);
            assert!(!std::mem::replace(&mut seen[position as usize], true));
            assert!((symbol, position) >= last, "positions of a symbol rise");
            last = (symbol, position);
        }
    }
    assert!(seen.iter().all(|&seen| seen));
    assert_eq!(order.joined.len(), 1, "one symbol has most of the positions");
}
