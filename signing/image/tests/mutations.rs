//! The fuzz target's body over the golden vectors and mutations of them, in every test run.
#![allow(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    reason = "a test may panic"
)]

#[path = "common/judge.rs"]
mod judge;

use std::fs;

use judge::Judge;
use proptest::prelude::*;
use proptest::sample::{Index, select};

fn seeds() -> Vec<Vec<u8>> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors");
    let files = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let mut files: Vec<_> = files
        .filter(|path| path.extension().is_some_and(|kind| kind == "bin"))
        .collect();
    files.sort();
    files.into_iter().map(|path| fs::read(path).unwrap()).collect()
}

#[test]
fn the_seeds_themselves() {
    let judge = Judge::new();
    let seeds = seeds();
    assert!(seeds.len() > 30);
    seeds.iter().for_each(|seed| judge.judge(seed));
}

/// What fuzzers do to bytes.
#[derive(Clone, Debug)]
enum Mutation {
    Flip(Index, u8),
    /// Numbers that break sums, where lengths might be.
    Extreme(Index, u32),
    Cut(Index),
    Repeat(Index, Index),
    Remove(Index, Index),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let index = any::<Index>;
    prop_oneof![
        (index(), 1_u8..).prop_map(|(at, with)| Mutation::Flip(at, with)),
        (
            index(),
            select(vec![0, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_fdff, 0xffff_ffff])
        )
            .prop_map(|(at, number)| Mutation::Extreme(at, number)),
        index().prop_map(Mutation::Cut),
        (index(), index()).prop_map(|(from, to)| Mutation::Repeat(from, to)),
        (index(), index()).prop_map(|(from, to)| Mutation::Remove(from, to)),
    ]
}

/// Positions are drawn from the image's ends: most of the middle is payload, where nothing decides.
fn place(at: &Index, length: usize) -> usize {
    let at = at.index(600);
    if at < 40 {
        at.min(length)
    } else {
        length.saturating_sub(at - 40)
    }
}

fn mutate(bytes: &mut Vec<u8>, mutation: &Mutation) {
    let length = bytes.len();
    let span = |a, b| {
        let (a, b) = (place(a, length), place(b, length));
        a.min(b)..a.max(b)
    };
    match mutation {
        Mutation::Flip(at, with) => {
            if let Some(byte) = bytes.get_mut(place(at, length)) {
                *byte ^= with;
            }
        }
        Mutation::Extreme(at, number) => {
            let at = place(at, length);
            bytes
                .iter_mut()
                .skip(at)
                .zip(number.to_le_bytes())
                .for_each(|(byte, with)| *byte = with);
        }
        Mutation::Cut(at) => bytes.truncate(place(at, length)),
        Mutation::Repeat(from, to) => {
            let span = span(from, to);
            let part: Vec<u8> = bytes.get(span.clone()).unwrap_or_default().to_vec();
            bytes.splice(span.end..span.end, part);
        }
        Mutation::Remove(from, to) => drop(bytes.drain(span(from, to))),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]
    #[test]
    fn mutated_seeds(seed in select(seeds()), mutations in proptest::collection::vec(mutation(), 1..6)) {
        thread_local!(static JUDGE: Judge = Judge::new());
        let mut bytes = seed;
        mutations.iter().for_each(|mutation| mutate(&mut bytes, mutation));
        JUDGE.with(|judge| judge.judge(&bytes));
    }
}
