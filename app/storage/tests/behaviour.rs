//! What the storage does while the power stays on, and what it makes of hostile flash.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a helper that fails fails the test"
)]

use embedded_storage::nor_flash::NorFlash;
use latchkey_simulator::nor::{Cut, Moment, Nor};
use latchkey_simulator::random::Random;
use latchkey_storage::{ENTRY_MAX, Key, Layout, RECORDS_MAX, Storage, StorageError, VALUE_MAX};

const PAGE: usize = 4096;
const LOCK: Layout = Layout::LOCK;
const PAGES: usize = (LOCK.records + LOCK.log) as usize;

fn blank() -> Nor<PAGE> {
    let mut flash = Nor::used(PAGES, Random::new(1));
    flash.put(0, &[0xff; PAGES * PAGE]);
    flash
}

fn get(storage: &mut Storage<&mut Nor<PAGE>>, key: u16) -> Option<Vec<u8>> {
    let mut buffer = [0; VALUE_MAX];
    storage.get(Key(key), &mut buffer).unwrap().map(<[u8]>::to_vec)
}

fn entry(storage: &mut Storage<&mut Nor<PAGE>>, number: u32) -> Option<Vec<u8>> {
    let mut buffer = [0; ENTRY_MAX];
    storage.entry(number, &mut buffer).unwrap().map(<[u8]>::to_vec)
}

#[test]
fn what_is_put_comes_back_and_what_is_removed_does_not() {
    let mut flash = blank();
    let mut storage = Storage::open(&mut flash, LOCK).unwrap();
    assert_eq!(get(&mut storage, 7), None);
    for (key, value) in [
        (7, &b"seven"[..]),
        (3, b""),
        (0xffff, &[0xff; VALUE_MAX]),
        (7, b"7"),
    ] {
        storage.put(Key(key), value).unwrap();
        assert_eq!(get(&mut storage, key).as_deref(), Some(value));
    }
    assert_eq!(
        storage.keys().map(|key| key.0).collect::<Vec<_>>(),
        [3, 7, 0xffff]
    );
    assert_eq!(storage.keys_from(Key(4)).next(), Some(Key(7)));
    storage.remove(Key(7)).unwrap();
    storage.remove(Key(8)).unwrap();
    let mut storage = Storage::open(&mut flash, LOCK).unwrap();
    assert_eq!(get(&mut storage, 7), None);
    assert_eq!(get(&mut storage, 3).as_deref(), Some(&b""[..]));
    assert_eq!(
        storage.get(Key(0xffff), &mut [0; 9]),
        Err(StorageError::Buffer { needed: VALUE_MAX })
    );
}

#[test]
fn log_entries_keep_their_numbers_and_more_than_a_thousand_are_there() {
    let mut flash = blank();
    let mut storage = Storage::open(&mut flash, LOCK).unwrap();
    assert_eq!((storage.oldest(), storage.newest()), (None, None));
    let mut fewest = u32::MAX;
    for number in 0..5_000_u32 {
        let text = [number.to_le_bytes().as_slice(), &[9; ENTRY_MAX - 4]].concat();
        assert_eq!(storage.append(&text), Ok(number));
        if number > 2_000 {
            fewest = fewest.min(storage.entries().len() as u32);
        }
    }
    assert!(fewest >= 1_045, "{fewest}");
    let mut storage = Storage::open(&mut flash, LOCK).unwrap();
    assert_eq!(storage.newest(), Some(4_999));
    for number in storage.entries() {
        assert_eq!(entry(&mut storage, number).unwrap()[..4], number.to_le_bytes());
    }
    let oldest = storage.oldest().unwrap();
    assert_eq!(entry(&mut storage, oldest - 1), None);
    assert_eq!(entry(&mut storage, 5_000), None);
    assert_eq!(storage.append(&[0; ENTRY_MAX + 1]), Err(StorageError::TooLong));
}

#[test]
fn a_full_storage_says_so_and_loses_nothing() {
    let mut flash = blank();
    let mut storage = Storage::open(&mut flash, LOCK).unwrap();
    let value = |key: u16| vec![key as u8; 900];
    let full = (0..)
        .find(|key| storage.put(Key(*key), &value(*key)) == Err(StorageError::Full))
        .unwrap();
    assert!(full > 55, "only {full} records of 900 bytes");
    assert_eq!(storage.put(Key(full), &[1; VALUE_MAX]), Err(StorageError::Full));
    // What is there can still be changed, from any page to any.
    for round in 0..200 {
        let key = round * 7 % full;
        storage.put(Key(key), &value(key)).unwrap();
    }
    let mut storage = Storage::open(&mut flash, LOCK).unwrap();
    for key in 0..full {
        assert_eq!(get(&mut storage, key), Some(value(key)));
    }
    storage.remove(Key(5)).unwrap();
    storage.put(Key(full), &value(full)).unwrap();
}

#[test]
fn more_records_than_the_index_takes_are_refused() {
    let mut flash = blank();
    let mut storage = Storage::open(&mut flash, LOCK).unwrap();
    for key in 0..RECORDS_MAX as u16 {
        storage.put(Key(key), &[1]).unwrap();
    }
    assert_eq!(
        storage.put(Key(RECORDS_MAX as u16), &[1]),
        Err(StorageError::Full)
    );
    storage.put(Key(0), &[2]).unwrap();
    let mut storage = Storage::open(&mut flash, LOCK).unwrap();
    assert_eq!(storage.keys().count(), RECORDS_MAX);
    assert_eq!(get(&mut storage, 0), Some(vec![2]));
}

#[test]
fn clearing_leaves_nothing_behind() {
    let mut flash = blank();
    let mut storage = Storage::open(&mut flash, LOCK).unwrap();
    for key in 0..300 {
        storage.put(Key(key), &[0x5a; 100]).unwrap();
        storage.append(&[0x5a; 40]).unwrap();
    }
    storage.clear().unwrap();
    assert_eq!((storage.keys().count(), storage.entries()), (0, 0..0));
    assert_eq!(storage.append(b"first"), Ok(0));
    assert!(
        (0..PAGES * PAGE)
            .step_by(4)
            .all(|at| !flash.holds(at, &[0x5a; 4]))
    );
}

#[test]
fn opening_what_was_finished_costs_no_operation() {
    let mut flash = blank();
    let mut random = Random::new(3);
    for _ in 0..400 {
        let mut storage = Storage::open(&mut flash, LOCK).unwrap();
        let key = Key(random.below(9) as u16);
        match random.below(3) {
            0 => storage.put(key, &[1; 500]).unwrap(),
            1 => storage.remove(key).unwrap(),
            _ => drop(storage.append(&[2; 50]).unwrap()),
        }
        flash.power_on(None, random.clone());
        Storage::open(&mut flash, LOCK).unwrap();
        assert_eq!(flash.work().operations, 0);
    }
}

#[test]
fn a_new_lock_whose_first_start_is_cut_off_starts_the_next_time() {
    for operation in 0.. {
        for moment in [Moment::Before, Moment::Inside, Moment::After] {
            let mut flash = blank();
            flash.power_on(Some(Cut { operation, moment }), Random::new(operation));
            if Storage::open(&mut flash, LOCK).is_ok() {
                assert!(operation > PAGES as u64, "formatting takes more");
                return;
            }
            flash.power_on(None, Random::new(operation));
            match Storage::open(&mut flash, LOCK) {
                Ok(storage) => assert_eq!(storage.keys().count(), 0),
                // An erase that was cut off has left a page that is neither blank nor ours.
                Err(error) => assert_eq!((error, moment), (StorageError::Foreign, Moment::Inside)),
            }
        }
    }
}

#[test]
fn flash_of_someone_else_is_left_alone_until_it_is_given_up() {
    let garbage = {
        let mut bytes = vec![0; PAGES * PAGE];
        Random::new(8).fill(&mut bytes);
        bytes
    };
    for bytes in [vec![0; PAGES * PAGE], vec![0x5a; PAGES * PAGE], garbage] {
        let mut flash = blank();
        flash.put(0, &bytes);
        flash.power_on(None, Random::new(1));
        assert_eq!(Storage::open(&mut flash, LOCK).err(), Some(StorageError::Foreign));
        assert_eq!(flash.work().operations, 0);
        let mut storage = Storage::format(&mut flash, LOCK).unwrap();
        assert_eq!((storage.keys().count(), storage.entries()), (0, 0..0));
        storage.put(Key(1), b"new").unwrap();
        let mut storage = Storage::open(&mut flash, LOCK).unwrap();
        assert_eq!(get(&mut storage, 1).as_deref(), Some(&b"new"[..]));
    }
}

#[test]
fn a_flash_of_another_shape_is_refused() {
    let mut flash = blank();
    for layout in [
        Layout { records: 2, log: 37 },
        Layout { records: 38, log: 1 },
        Layout { records: 19, log: 19 },
        Layout {
            records: u32::MAX,
            log: 40,
        },
    ] {
        let opened = Storage::open(&mut flash, layout).err();
        assert_eq!(opened, Some(StorageError::Geometry), "{layout:?}");
    }
}

#[test]
fn a_page_that_is_missing_is_said_and_not_guessed_at() {
    let mut flash = blank();
    let mut storage = Storage::open(&mut flash, LOCK).unwrap();
    for key in 0..30 {
        storage.put(Key(key), &[1; 900]).unwrap();
    }
    flash.erase(PAGE as u32, 2 * PAGE as u32).unwrap();
    flash.power_on(None, Random::new(1));
    assert_eq!(
        Storage::open(&mut flash, LOCK).err(),
        Some(StorageError::Incomplete)
    );
    assert_eq!(flash.work().operations, 0);
    let storage = Storage::format(&mut flash, LOCK).unwrap();
    assert_eq!(storage.keys().count(), 0);
}

#[test]
fn an_aged_value_is_said_to_be_damaged_and_can_be_replaced() {
    let mut flash = blank();
    let mut storage = Storage::open(&mut flash, LOCK).unwrap();
    storage.put(Key(1), &[1; 40]).unwrap();
    storage.put(Key(2), &[2; 40]).unwrap();
    let at = (0..PAGE)
        .step_by(4)
        .find(|at| flash.holds(*at, &[1; 40]))
        .unwrap();
    flash.rot(at + 20, 1);
    let mut storage = Storage::open(&mut flash, LOCK).unwrap();
    let mut buffer = [7; VALUE_MAX];
    assert_eq!(storage.get(Key(1), &mut buffer), Err(StorageError::Damaged));
    assert_eq!(buffer[..40], [0; 40], "nothing of it is handed out");
    assert_eq!(get(&mut storage, 2), Some(vec![2; 40]));
    storage.put(Key(1), &[3; 40]).unwrap();
    assert_eq!(get(&mut storage, 1), Some(vec![3; 40]));
}

/// A small flash whose pages of records say what a forger wants: every checksum and seal is right.
fn forged(random: &mut Random) -> Nor<256> {
    const SEAL: &[u8] = b"LKsl";
    let crc = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC);
    let mut flash = Nor::<256>::used(6, random.clone());
    if random.below(2) == 0 {
        flash.put(0, &[0xff; 6 * 256]);
    }
    let near = |random: &mut Random| match random.below(4) {
        0 => random.below(8) as u32,
        1 => u32::MAX - random.below(8) as u32,
        2 => 0x100 + random.below(8) as u32,
        _ => random.word(),
    };
    let base = near(random) & !3;
    for page in 0..4_u32 {
        let mut fields = [
            base | page,
            (base | page).saturating_sub(random.below(3) as u32),
            u32::MAX,
        ];
        if random.below(4) == 0 {
            fields[random.below(3) as usize] = near(random);
        }
        let [sequence, ..] = fields;
        let mut head: Vec<u8> = fields.iter().flat_map(|word| word.to_le_bytes()).collect();
        head.extend(crc.checksum(&head).to_le_bytes());
        head.extend(SEAL);
        for mark in [b"LKdn", b"LKcl"] {
            head.extend(if random.below(2) == 0 { *mark } else { [0xff; 4] });
        }
        let mut at = head.len();
        flash.put(page as usize * 256, &head);
        while at < 240 && random.below(6) > 0 {
            let length = near(random) as u16;
            let marker = (sequence << 16) | 0x8000 | at as u32;
            let about = [&(random.below(3) as u16).to_le_bytes()[..], &length.to_le_bytes()].concat();
            flash.put(
                page as usize * 256 + at,
                &[&marker.to_le_bytes()[..], &about].concat(),
            );
            let end = at + (usize::from(length & 0x7fff).next_multiple_of(4) + 20);
            if end > 256 {
                break;
            }
            flash.put(page as usize * 256 + end - 8, SEAL);
            at = end;
        }
    }
    flash
}

#[test]
fn whatever_a_forger_writes_ends_in_an_answer_or_a_named_error() {
    let layout = Layout { records: 4, log: 2 };
    let (mut opened, mut refused) = (0, 0);
    for seed in 0..20_000 {
        let mut flash = forged(&mut Random::new(seed));
        match Storage::open(&mut flash, layout) {
            Ok(mut storage) => {
                opened += 1;
                let keys: Vec<Key> = storage.keys().collect();
                for key in keys {
                    let _ = storage.get(key, &mut [0; VALUE_MAX]);
                    let _ = storage.put(key, &[1; 40]);
                }
                for key in 0..9 {
                    let _ = storage.put(Key(key), &[2; 40]);
                    let _ = storage.append(&[3; 40]);
                    let _ = storage.remove(Key(key / 2));
                }
                let _ = storage.clear();
            }
            Err(_) => refused += 1,
        }
        let mut storage = Storage::format(&mut flash, layout).unwrap();
        assert_eq!((storage.keys().count(), storage.entries()), (0, 0..0));
        storage.put(Key(1), b"new").unwrap();
    }
    assert!(
        opened > 500 && refused > 500,
        "{opened} opened, {refused} refused"
    );
}
