//! First starts, later starts, and starts with storage that is damaged.
#![allow(
    clippy::arithmetic_side_effects,
    reason = "an overflow in a test fails the test"
)]

use core::fmt;

use embedded_storage::nor_flash::{ErrorType, NorFlash, NorFlashErrorKind, ReadNorFlash};
use latchkey_directive::{Event, Report};
use latchkey_handoff::layout::{FLASH, PAGE, STORAGE};
use latchkey_image::{Hardware, ImageDigest};
use latchkey_lock::update::Conditions;

use super::*;

/// A megabyte that keeps NOR's rules.
struct Chip(Vec<u8>);

impl ErrorType for Chip {
    type Error = NorFlashErrorKind;
}

impl ReadNorFlash for Chip {
    const READ_SIZE: usize = 4;
    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), NorFlashErrorKind> {
        bytes.copy_from_slice(&self.0[offset as usize..][..bytes.len()]);
        Ok(())
    }
    fn capacity(&self) -> usize {
        self.0.len()
    }
}

impl NorFlash for Chip {
    const WRITE_SIZE: usize = 4;
    const ERASE_SIZE: usize = PAGE as usize;
    fn erase(&mut self, from: u32, to: u32) -> Result<(), NorFlashErrorKind> {
        self.0[from as usize..to as usize].fill(0xff);
        Ok(())
    }
    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), NorFlashErrorKind> {
        let place = &mut self.0[offset as usize..][..bytes.len()];
        place.iter_mut().zip(bytes).for_each(|(to, from)| *to &= from);
        Ok(())
    }
}

struct Bench {
    chip: Chip,
    random: u64,
    lines: Vec<String>,
}

impl Bench {
    fn new() -> Self {
        Self {
            chip: Chip(vec![0xff; FLASH as usize]),
            random: 1,
            lines: Vec::new(),
        }
    }

    fn storage(&mut self) -> &mut [u8] {
        &mut self.chip.0[STORAGE.offset as usize..STORAGE.end() as usize]
    }
}

impl Board for Bench {
    type Flash = Chip;
    fn hardware(&self) -> Hardware {
        Hardware::EMULATOR
    }
    fn flash(&mut self) -> &mut Chip {
        &mut self.chip
    }
    fn print(&mut self, line: fmt::Arguments<'_>) {
        self.lines.push(line.to_string());
    }
    fn random(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            // Knuth's MMIX constants; a zero state stays zero, as a dead generator does.
            let next = self.random.wrapping_mul(6_364_136_223_846_793_005);
            self.random = next.wrapping_add(1_442_695_040_888_963_407 & next);
            *byte = (self.random >> 56) as u8;
        }
    }
    fn conditions(&mut self) -> Conditions {
        Conditions {
            battery_percent: 100,
            busy: false,
            quiet_hours: false,
        }
    }
    fn restart(&mut self) -> ! {
        panic!("restarted")
    }
}

#[test]
fn the_device_key_is_made_once_and_kept() {
    let mut bench = Bench::new();
    let (settings, key) = identity(&mut bench, true).unwrap();
    assert_eq!(settings, Settings::default());
    assert_eq!(bench.lines, ["device key made"]);
    for _ in 0..3 {
        let (_, again) = identity(&mut bench, true).unwrap();
        assert_eq!(again.device_id(), key.device_id());
    }
    assert_eq!(bench.lines.len(), 1);
}

#[test]
fn a_generator_that_does_not_work_makes_no_lock() {
    let mut bench = Bench::new();
    bench.random = 0;
    assert!(matches!(identity(&mut bench, true), Err(NoStart::Random)));
    bench.random = 1;
    assert!(identity(&mut bench, true).is_ok(), "and leaves nothing behind");
}

#[test]
fn settings_come_back_however_often_they_are_stored() {
    let mut bench = Bench::new();
    let (mut settings, key) = identity(&mut bench, true).unwrap();
    let report = Report {
        device: key.device_id(),
        sequence: 0,
        event: Event::Confirmed,
        image: ImageDigest([7; 32]),
        reason: 0,
    };
    // Settings of half a kilobyte, several times over all the pages there are.
    for sequence in 0..1500 {
        settings.count_start();
        settings.queue(Report { sequence, ..report });
        Store::open(bench.flash()).save(&settings).unwrap();
    }
    let (kept, same) = identity(&mut bench, true).unwrap();
    assert_eq!((kept, same.device_id()), (settings, key.device_id()));
}

#[test]
fn damaged_storage_is_given_up_by_a_confirmed_image_only() {
    let mut bench = Bench::new();
    let (_, key) = identity(&mut bench, true).unwrap();
    bench.storage().fill(0x5a);
    let before = bench.storage().to_vec();
    let tried = identity(&mut bench, false);
    assert!(
        matches!(tried, Err(NoStart::Storage)),
        "on trial it is left for the old image"
    );
    assert_eq!(bench.storage(), before);
    let (settings, new) = identity(&mut bench, true).unwrap();
    assert_eq!(settings, Settings::default());
    assert!(new.device_id() != key.device_id(), "a new lock");
}

#[test]
fn without_an_image_in_place_there_is_no_start() {
    let mut bench = Bench::new();
    assert_eq!(standing(&mut bench), Err(NoStart::Flash));
}
