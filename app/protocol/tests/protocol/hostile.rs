//! The fuzz targets' bodies over the vectors, mutations of them and random bytes, in every test run.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use crate::bodies;
use crate::vectors::Vectors;

type Body = fn(&[u8]);

const BODIES: [Body; 5] = [
    bodies::plain_message,
    bodies::sealed_open,
    bodies::reassembly,
    bodies::pairing,
    bodies::advertising,
];

/// Frames and payloads, alone and as a piece with its length in front.
fn seeds() -> Vec<Vec<u8>> {
    let seeds = [Vectors::published(), Vectors::messages(), Vectors::pairing()];
    seeds
        .iter()
        .flat_map(|vectors| vectors.names().map(|name| vectors.get(name)))
        .flat_map(|seed| {
            let length = u8::try_from(seed.len()).unwrap();
            let content = &seed[..seed.len().saturating_sub(2)];
            [seed.to_vec(), content.to_vec(), [&[length], seed].concat()]
        })
        .collect()
}

/// What fuzzers do to bytes.
#[derive(Clone, Debug)]
enum Mutation {
    Flip(Index, u8),
    Cut(Index),
    Insert(Index, Vec<u8>),
    Repeat(Index, Index),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let index = any::<Index>;
    prop_oneof![
        (index(), 1_u8..).prop_map(|(at, with)| Mutation::Flip(at, with)),
        index().prop_map(Mutation::Cut),
        (index(), vec(any::<u8>(), 1..30)).prop_map(|(at, bytes)| Mutation::Insert(at, bytes)),
        (index(), index()).prop_map(|(from, to)| Mutation::Repeat(from, to)),
    ]
}

fn mutated(mut bytes: Vec<u8>, mutations: &[Mutation]) -> Vec<u8> {
    for mutation in mutations {
        let places = bytes.len() + 1;
        match mutation {
            Mutation::Flip(at, with) => {
                if let Some(byte) = bytes.get_mut(at.index(places)) {
                    *byte ^= with;
                }
            }
            Mutation::Cut(at) => bytes.truncate(at.index(places)),
            Mutation::Insert(at, more) => {
                let at = at.index(places);
                bytes.splice(at..at, more.iter().copied());
            }
            Mutation::Repeat(from, to) => {
                let (from, to) = (from.index(places), to.index(places));
                let again = bytes[from.min(to)..from.max(to)].to_vec();
                bytes.extend(again);
            }
        }
    }
    bytes
}

#[test]
fn the_seeds_themselves() {
    let seeds = seeds();
    assert!(seeds.len() > 500);
    for body in BODIES {
        seeds.iter().for_each(|seed| body(seed));
    }
}

#[test]
fn an_honest_client_alone_pairs_again_and_again() {
    // Five words of the client a pairing, four in the 5th generation.
    assert_eq!(bodies::pairings(&[0; 60]), 12 + 15);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn mutations_of_seeds(seed in select(seeds()), mutations in vec(mutation(), 1..6), body in select(&BODIES[..])) {
        body(&mutated(seed, &mutations));
    }

    #[test]
    fn random_bytes(bytes in vec(any::<u8>(), 0..300), body in select(&BODIES[..])) {
        body(&bytes);
    }
}

/// A word of somebody else after any number of honest ones.
fn words() -> impl Strategy<Value = Vec<u8>> {
    let contents: Vec<Vec<u8>> = seeds()
        .into_iter()
        .filter(|seed| !seed.is_empty() && seed.len() < 200)
        .collect();
    let hostile = (select(contents), vec(mutation(), 0..3)).prop_map(|(seed, mutations)| {
        let mut word = mutated(seed, &mutations);
        word.truncate(255);
        [vec![u8::try_from(word.len()).unwrap()], word].concat()
    });
    let honest = (0_usize..7).prop_map(|count| vec![0; count]);
    vec(prop_oneof![hostile, honest], 1..8).prop_map(|words| words.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn a_stranger_among_honest_words(words in words()) {
        bodies::pairing(&words);
    }
}
