//! Blocks after damage are found again, and only those of the stream.

use crate::{Coders, header, mixed};
use equalinfo_codec::container::{BlockHeader, Header, Method, Stream, decode_block, find_block};

/// The numbers of the blocks found from `from` on that decode, each to its part of the text.
fn recovered(coders: &mut Coders, damaged: &[u8], header: &Header, text: &[u8], mut from: usize) -> Vec<u32> {
    let mut found = Vec::new();
    while let Some((offset, block)) = find_block(damaged, header, from) {
        let payload = &damaged[offset + BlockHeader::LENGTH..];
        let mut output = [0; 100];
        if decode_block(&mut coders.coder(), header, &block, payload, &mut output).is_ok() {
            let start = block.number as usize * header.block_size() as usize;
            assert_eq!(output[..block.text_length as usize], text[start..][..block.text_length as usize]);
            found.push(block.number);
        }
        from = offset + 1;
    }
    found
}

#[test]
fn blocks_after_damage_are_found_again() {
    let (model, text) = mixed(11, 1000);
    let mut coders = Coders::new(&model, Method::Ac);
    let stream = coders.write(&header(Method::Ac, 100), &text);
    let opened = Stream::open(&stream).unwrap();
    let header = *opened.header();
    let entries: Vec<_> = opened.index().entries().collect();
    let end = opened.index().blocks_end() as usize;
    for damage in (0..end).step_by(crate::common::stride()) {
        let hit = entries.iter().rposition(|entry| entry.offset <= damage as u64).map(|block| block as u32);
        let spared = |found: &[u32]| (0..10).filter(|&block| Some(block) != hit).all(|block| found.contains(&block));
        let mut damaged = stream.clone();
        damaged[damage] ^= 0x40;
        let found = recovered(&mut coders, &damaged, &header, &text, 0);
        assert!(spared(&found), "damage at {damage}: only {found:?}");
        // A byte that is lost, too: what follows is found where it moved to.
        damaged.remove(damage);
        let found = recovered(&mut coders, &damaged, &header, &text, 0);
        assert!(spared(&found), "byte {damage} lost: only {found:?}");
    }
}

#[test]
fn a_stream_inside_another_is_text() {
    let (model, text) = mixed(13, 1000);
    let mut coders = Coders::new(&model, Method::Stored);
    let inner = coders.write(&header(Method::Stored, 100), &text);
    let inner_header = Header::parse(&inner).unwrap();
    // In blocks of the same size and in larger ones, at their start and inside.
    for (block_size, before) in [(100, 0), (100, 37), (500, 0), (500, 37)] {
        let text = [&inner[..before], &inner[..], &inner[..]].concat();
        let outer = coders.write(&header(Method::Stored, block_size), &text);
        let opened = Stream::open(&outer).unwrap();
        let outer_header = *opened.header();
        let entries: Vec<_> = opened.index().entries().collect();
        assert_eq!(inner_header.block_size() == block_size, block_size == 100);
        for hit in [0, 1, 2] {
            for bit in 0..32 {
                let at = entries[hit].offset as usize;
                let mut damaged = outer.clone();
                damaged[at + 4 + bit / 8] ^= 1 << (bit % 8);
                let mut from = 0;
                let mut found = Vec::new();
                while let Some((offset, block)) = find_block(&damaged, &outer_header, from) {
                    assert_eq!((offset as u64, block), {
                        let entry = entries[block.number as usize];
                        (entry.offset, entry.block)
                    });
                    found.push(block.number as usize);
                    from = offset + 1;
                }
                let spared: Vec<usize> = (0..entries.len()).filter(|&block| block != hit).collect();
                assert_eq!(found, spared);
                assert!(coders.decode(&damaged).1.is_err());
            }
        }
        // The inner one's are there to be found by who looks for them.
        assert!(find_block(&outer, &inner_header, 0).is_some());
    }
}
