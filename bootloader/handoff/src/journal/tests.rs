//! The journal against a flash that tears: every cut, every torn value a property test can think of.

#![allow(clippy::arithmetic_side_effects, reason = "the numbers are the test's own")]

use embedded_storage::nor_flash::{ErrorType, NorFlashErrorKind};
use proptest::prelude::*;

use super::*;

const PAGE: usize = 256;

/// Pages of NOR flash that lose power at a chosen operation and keep a chosen mix of old and new bits.
/// Torn bits read differently on every read: `noise` decides.
#[derive(Clone)]
struct Torn {
    bytes: Vec<u8>,
    unstable: Vec<u8>,
    /// Operations left before the cut.
    fuel: Option<usize>,
    noise: u64,
    operations: usize,
}

impl Torn {
    fn new(seed: u64) -> Self {
        Self::of(2, seed)
    }

    fn of(pages: usize, seed: u64) -> Self {
        Self {
            bytes: vec![0x5a; pages * PAGE],
            unstable: vec![0; pages * PAGE],
            fuel: None,
            noise: seed | 1,
            operations: 0,
        }
    }

    fn random(&mut self) -> u8 {
        self.noise ^= self.noise << 13;
        self.noise ^= self.noise >> 7;
        self.noise ^= self.noise << 17;
        (self.noise >> 32) as u8
    }

    fn cut(&mut self) -> bool {
        self.operations += 1;
        match &mut self.fuel {
            Some(0) => true,
            Some(left) => {
                *left -= 1;
                false
            }
            None => false,
        }
    }
}

impl ErrorType for Torn {
    type Error = NorFlashErrorKind;
}

impl ReadNorFlash for Torn {
    const READ_SIZE: usize = 4;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), NorFlashErrorKind> {
        // Often all torn bits read alike: as they were, all set, all cleared.
        let whim = self.random() % 5;
        for (index, byte) in bytes.iter_mut().enumerate() {
            let at = offset as usize + index;
            let (old, torn) = (self.bytes[at], self.unstable[at]);
            *byte = match whim {
                0 | 1 => old,
                2 => old | torn,
                3 => old & !torn,
                _ => (old & !torn) | (self.random() & torn),
            };
        }
        Ok(())
    }

    fn capacity(&self) -> usize {
        self.bytes.len()
    }
}

impl NorFlash for Torn {
    const WRITE_SIZE: usize = 4;
    const ERASE_SIZE: usize = PAGE;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), NorFlashErrorKind> {
        let cut = self.cut();
        // From there on, what was blank may read either way as well.
        let wild = from as usize + usize::from(self.random());
        for at in from as usize..to as usize {
            if cut {
                self.unstable[at] |= if at < wild { !self.bytes[at] } else { 0xff };
            } else {
                (self.bytes[at], self.unstable[at]) = (0xff, 0);
            }
        }
        if cut {
            Err(NorFlashErrorKind::Other)
        } else {
            Ok(())
        }
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), NorFlashErrorKind> {
        for (word, new) in bytes.chunks(4).enumerate() {
            let cut = self.cut();
            for (index, new) in new.iter().enumerate() {
                let at = offset as usize + word * 4 + index;
                if cut {
                    self.unstable[at] |= self.bytes[at] & !new;
                } else {
                    self.bytes[at] &= new;
                    self.unstable[at] &= *new;
                }
            }
            if cut {
                return Err(NorFlashErrorKind::Other);
            }
        }
        Ok(())
    }
}

fn body(number: u32) -> Body {
    let mut body = [0x11; BODY];
    body[..4].copy_from_slice(&number.to_le_bytes());
    body
}

fn number(body: Option<&Body>) -> Option<u32> {
    body.map(|body| u32::from_le_bytes(*body.first_chunk().unwrap()))
}

/// A journal whose newest record is `count`, from flash full of garbage.
fn used(count: u32, seed: u64) -> Torn {
    let mut flash = Torn::new(seed);
    let mut journal = Journal::open(&mut flash).unwrap();
    for value in 1..=count {
        journal.append(&body(value)).unwrap();
    }
    flash
}

#[test]
fn the_newest_record_survives_every_page_change() {
    for count in 0..20 {
        let mut flash = used(count, 3);
        let expected = (count > 0).then_some(count);
        assert_eq!(number(newest(&mut flash).unwrap().as_ref()), expected);
        assert_eq!(number(Journal::open(&mut flash).unwrap().newest()), expected);
    }
}

#[test]
fn opening_what_was_finished_costs_no_operation() {
    for count in 1..20 {
        let mut flash = used(count, 3);
        flash.operations = 0;
        Journal::open(&mut flash).unwrap();
        assert_eq!(flash.operations, 0, "after {count} records");
    }
}

#[test]
fn a_journal_of_another_shape_is_refused() {
    struct Odd(Torn);
    impl ErrorType for Odd {
        type Error = NorFlashErrorKind;
    }
    impl ReadNorFlash for Odd {
        const READ_SIZE: usize = 4;
        fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), NorFlashErrorKind> {
            self.0.read(offset, bytes)
        }
        fn capacity(&self) -> usize {
            PAGE
        }
    }
    impl NorFlash for Odd {
        const WRITE_SIZE: usize = 4;
        const ERASE_SIZE: usize = PAGE;
        fn erase(&mut self, from: u32, to: u32) -> Result<(), NorFlashErrorKind> {
            self.0.erase(from, to)
        }
        fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), NorFlashErrorKind> {
            self.0.write(offset, bytes)
        }
    }
    let refused = Journal::open(Odd(Torn::new(1))).err();
    assert_eq!(refused, Some(JournalError::Geometry));
}

#[test]
fn used_up_sequence_numbers_are_an_error_and_no_wrap() {
    let mut flash = Torn::new(1);
    let geometry = ring::Geometry::new::<BODY>(flash.capacity(), PAGES);
    let offset = geometry.offset(geometry.place(u32::MAX));
    flash.bytes.fill(0xff);
    ring::program(&mut flash, offset, u32::MAX, Some(body(9))).unwrap();
    let mut journal = Journal::open(&mut flash).unwrap();
    assert_eq!(number(journal.newest()), Some(9));
    assert_eq!(journal.append(&body(10)), Err(JournalError::Exhausted));
    assert_eq!(number(newest(&mut flash).unwrap().as_ref()), Some(9));
}

#[test]
fn a_floor_rises_and_never_falls() {
    let mut flash = Torn::new(1);
    let mut floor = crate::Floor::begin(&mut flash).unwrap().unwrap();
    for (to, expected) in [(0, 0), (5, 5), (3, 5), (5, 5), (9, 9), (0, 9)] {
        floor.raise(latchkey_image::SecurityCounter(to)).unwrap();
        assert_eq!(floor.value().0, expected);
    }
    let read = crate::Floor::read(&mut flash).unwrap();
    assert_eq!(read, Some(latchkey_image::SecurityCounter(9)));
    Journal::open(&mut flash).unwrap().append(&[7; BODY]).unwrap();
    assert_eq!(
        crate::Floor::read(&mut flash),
        Ok(None),
        "another layout is no floor"
    );
    assert!(crate::Floor::open(&mut flash).unwrap().is_none());
    assert!(
        crate::Floor::begin(&mut flash).unwrap().is_none(),
        "nor is it put right by beginning anew"
    );
}

#[test]
fn an_erased_floor_is_no_floor() {
    let mut flash = Torn::new(1);
    assert_eq!(crate::Floor::read(&mut flash), Ok(None));
    assert!(crate::Floor::open(&mut flash).unwrap().is_none());
    let begun = crate::Floor::begin(&mut flash).unwrap();
    assert_eq!(begun.map(|floor| floor.value().0), Some(0));
    let floor = crate::Floor::open(&mut flash).unwrap();
    floor.unwrap().raise(latchkey_image::SecurityCounter(3)).unwrap();
    let begun = crate::Floor::begin(&mut flash).unwrap();
    assert_eq!(
        begun.map(|floor| floor.value().0),
        Some(3),
        "there is one already"
    );
}

#[test]
fn a_battery_that_dies_at_every_start_loses_nothing() {
    for cut in 0..40 {
        for seed in 0..20 {
            let mut flash = used(6, seed);
            flash.fuel = Some(cut);
            let mut possible = vec![Some(6), Some(7)];
            let mut written = Journal::open(&mut flash);
            if let Ok(journal) = &mut written
                && journal.append(&body(7)).is_ok()
            {
                possible.remove(0);
            }
            for _ in 0..50 {
                flash.fuel = Some(cut);
                if let Ok(journal) = Journal::open(&mut flash) {
                    let answer = number(journal.newest());
                    assert!(possible.contains(&answer), "cut at {cut}, seed {seed}");
                    possible = vec![answer];
                }
            }
            flash.fuel = None;
            let answer = number(Journal::open(&mut flash).unwrap().newest());
            assert!(possible.contains(&answer), "cut at {cut}, seed {seed}");
        }
    }
}

/// What a ring shows: its oldest and its newest record, if every one between is there.
fn shown(flash: &mut Torn, ring: &Ring<BODY>) -> Result<(u32, u32), TestCaseError> {
    let mut numbers = Vec::new();
    for sequence in ring.sequences(flash) {
        if let Some(body) = ring.read(flash, sequence).unwrap() {
            numbers.extend(number(Some(&body)));
        }
    }
    let newest = number(ring.newest()).ok_or_else(|| TestCaseError::fail("nothing"))?;
    let oldest = *numbers.first().ok_or_else(|| TestCaseError::fail("nothing"))?;
    match (oldest..=newest).find(|number| !numbers.contains(number)) {
        Some(missing) => Err(TestCaseError::fail(format!(
            "{missing} is missing between {oldest} and {newest}: {numbers:?}"
        ))),
        None => Ok((oldest, newest)),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    /// In a longer ring, the older records are there too, and stay as they are once an open has answered.
    #[test]
    fn older_records_stay_until_they_are_told_to_be_gone(
        count in 3_u32..24,
        cuts in proptest::collection::vec(prop_oneof![0_usize..3, 0_usize..40], 1..5),
        seed in any::<u64>(),
    ) {
        let mut flash = Torn::of(3, seed);
        let mut ring = Ring::<BODY>::open(&mut flash).unwrap();
        for value in 1..=count {
            ring.append(&mut flash, &body(value)).unwrap();
        }
        let mut fuel = cuts.iter().copied();
        flash.fuel = fuel.next();
        let _ = ring.append(&mut flash, &body(count + 1));
        for cut in fuel {
            flash.fuel = Some(cut);
            let _ = Ring::<BODY>::open(&mut flash);
        }
        flash.fuel = None;
        let ring = Ring::<BODY>::open(&mut flash).unwrap();
        let (mut oldest, newest) = shown(&mut flash, &ring)?;
        for _ in 0..5 {
            let ring = Ring::<BODY>::open(&mut flash).unwrap();
            let again = shown(&mut flash, &ring)?;
            // A torn slot that only shows now takes a place as well.
            prop_assert!(again.0 >= oldest && again.1 == newest, "{again:?} after {oldest}, {newest}");
            oldest = again.0;
        }
    }
}

/// Cut an append, cut the recovery: the state is the old or the new one, and once an open has answered, every later
/// open gives the same answer, however the torn words read.
fn answers_stay(count: u32, cuts: &[usize], seed: u64) -> Result<(), TestCaseError> {
    let mut flash = used(count, seed);
    let mut fuel = cuts.iter().copied();
    flash.fuel = fuel.next();
    let written = Journal::open(&mut flash)
        .and_then(|mut journal| journal.append(&body(count + 1)))
        .is_ok();
    let mut possible = vec![(count > 0).then_some(count), Some(count + 1)];
    if written {
        possible.remove(0);
    }
    for cut in fuel {
        flash.fuel = Some(cut);
        if let Ok(journal) = Journal::open(&mut flash) {
            let answer = number(journal.newest());
            prop_assert!(possible.contains(&answer));
            possible = vec![answer];
        }
    }
    flash.fuel = None;
    let answer = number(Journal::open(&mut flash).unwrap().newest());
    prop_assert!(possible.contains(&answer), "{answer:?} is none of {possible:?}");
    for _ in 0..4 {
        prop_assert_eq!(number(newest(&mut flash).unwrap().as_ref()), answer);
        let again = number(Journal::open(&mut flash).unwrap().newest());
        prop_assert_eq!(again, answer);
    }
    let mut journal = Journal::open(&mut flash).unwrap();
    for next in 100..120 {
        journal.append(&body(next)).unwrap();
        for _ in 0..2 {
            prop_assert_eq!(number(newest(&mut journal.flash).unwrap().as_ref()), Some(next));
        }
    }
    Ok(())
}

#[test]
fn a_page_that_is_begun_again_and_again_gives_one_answer() {
    // Four records to a page: among these are the last of one and the first of the next.
    for (count, first) in (0..6).flat_map(|count| (0..34).map(move |cut| (count, cut))) {
        for (second, seed) in (0..3).flat_map(|cut| (0..30).map(move |seed| (cut, seed))) {
            if let Err(why) = answers_stay(count, &[first, second], seed) {
                panic!("{why}: {count} records, cuts at {first}, {second}, seed {seed}");
            }
        }
    }
}

#[test]
fn nothing_is_built_on_a_half_erased_page() {
    // The third record fills the page. Of the copy that the next one begins with, the checksum is torn; then the
    // erase that begins it again.
    let (record, erase, data) = (16, 1, 14);
    for seed in 0..4_000 {
        for second in 0..2 {
            let mut flash = used(2, seed);
            flash.fuel = Some(record + erase + data);
            assert!(Journal::open(&mut flash).unwrap().append(&body(3)).is_err());
            flash.fuel = Some(second);
            assert!(Journal::open(&mut flash).is_err() || second > 0);
            flash.fuel = None;
            let mut journal = Journal::open(&mut flash).unwrap();
            assert_eq!(number(journal.newest()), Some(3));
            journal.append(&body(4)).unwrap();
            for _ in 0..4 {
                assert_eq!(
                    number(newest(&mut flash).unwrap().as_ref()),
                    Some(4),
                    "seed {seed}"
                );
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn what_an_open_answers_stays_true(
        count in 0_u32..14,
        cuts in proptest::collection::vec(prop_oneof![0_usize..3, 0_usize..40], 1..5),
        seed in any::<u64>(),
    ) {
        answers_stay(count, &cuts, seed)?;
    }
}
