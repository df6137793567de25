//! First starts, later starts, and starts with storage that is damaged.
#![allow(
    clippy::arithmetic_side_effects,
    reason = "an overflow in a test fails the test"
)]

use core::cell::{Cell, RefCell};
use core::fmt;

use embassy_futures::block_on;
use embassy_time::{Duration, with_timeout};
use embedded_storage::nor_flash::{ErrorType, NorFlash, NorFlashErrorKind, ReadNorFlash};
use latchkey_directive::Report;
use latchkey_handoff::layout::{FLASH, PAGE, STORAGE};
use latchkey_image::{Hardware, ImageDigest};
use latchkey_lock::lock::BatteryLevel;

use super::*;
use crate::SharedFlash;

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
    chip: SharedFlash<Chip>,
    random: Cell<u64>,
    lines: RefCell<Vec<String>>,
}

impl Bench {
    fn new() -> Self {
        Self {
            chip: SharedFlash::new(RefCell::new(Chip(vec![0xff; FLASH as usize]))),
            random: Cell::new(1),
            lines: RefCell::default(),
        }
    }

    /// What is in the storage, for a test to change.
    fn with_storage<R>(&self, with: impl FnOnce(&mut [u8]) -> R) -> R {
        self.chip
            .lock(|chip| with(&mut chip.borrow_mut().0[STORAGE.offset as usize..STORAGE.end() as usize]))
    }

    fn open(&self) -> Result<Storage<Part<'_, Chip>>, NoStart> {
        Storage::open(storage(self), Layout::LOCK).map_err(|_| NoStart::Storage)
    }

    fn identity(&self) -> Result<(Settings, DeviceKey), NoStart> {
        identity(self, &mut self.open()?)
    }
}

impl Board for Bench {
    type Flash = Chip;
    const NETWORK: bool = true;

    fn hardware(&self) -> Hardware {
        Hardware::EMULATOR
    }
    fn flash(&self) -> &SharedFlash<Chip> {
        &self.chip
    }
    fn print(&self, line: fmt::Arguments<'_>) {
        self.lines.borrow_mut().push(line.to_string());
    }
    fn random(&self, bytes: &mut [u8]) {
        for byte in bytes {
            // Knuth's MMIX constants; a zero state stays zero, as a dead generator does.
            let next = self.random.get().wrapping_mul(6_364_136_223_846_793_005);
            self.random
                .set(next.wrapping_add(1_442_695_040_888_963_407 & next));
            *byte = (self.random.get() >> 56) as u8;
        }
    }
    fn battery(&self) -> BatteryLevel {
        BatteryLevel {
            percent: 100,
            millivolts: 6000,
            charging: false,
            celsius: 20,
        }
    }
    fn retain_time(&self, _: u32) {}
    fn retained_time(&self) -> Option<u32> {
        None
    }
    fn restart(&self) -> ! {
        panic!("restarted")
    }
}

/// A hand at the button: what it does, last thing first.
struct Hand(Vec<bool>);

impl Senses for Hand {
    async fn next(&mut self) -> Event<'static> {
        match self.0.pop() {
            Some(pressed) => Event::Button(pressed),
            None => core::future::pending().await,
        }
    }
}

#[test]
fn the_device_key_is_made_once_and_kept() {
    let bench = Bench::new();
    let (settings, key) = bench.identity().unwrap();
    assert_eq!(settings, Settings::default());
    assert_eq!(*bench.lines.borrow(), ["device key made"]);
    for _ in 0..3 {
        let (_, again) = bench.identity().unwrap();
        assert_eq!(again.device_id(), key.device_id());
    }
    assert_eq!(bench.lines.borrow().len(), 1);
}

#[test]
fn a_generator_that_does_not_work_makes_no_lock() {
    let bench = Bench::new();
    bench.random.set(0);
    assert!(matches!(bench.identity(), Err(NoStart::Random)));
    bench.random.set(1);
    assert!(bench.identity().is_ok(), "and leaves nothing behind");
}

#[test]
fn storage_that_works_answers_and_keeps_nothing_of_it() {
    let bench = Bench::new();
    let mut storage = bench.open().unwrap();
    let keys = storage.keys().count();
    assert_eq!(store::answers(&mut storage, &[7; 16]), Ok(true));
    assert_eq!(storage.keys().count(), keys);
}

#[test]
fn settings_come_back_however_often_they_are_stored() {
    let bench = Bench::new();
    let (mut settings, key) = bench.identity().unwrap();
    let report = Report {
        device: key.device_id(),
        sequence: 0,
        event: latchkey_directive::Event::Confirmed,
        image: ImageDigest([7; 32]),
        reason: 0,
    };
    // Settings of half a kilobyte, several times over all the pages there are.
    let mut storage = bench.open().unwrap();
    for sequence in 0..1500 {
        settings.count_start();
        settings.queue(Report { sequence, ..report });
        store::save(&mut storage, &settings).unwrap();
    }
    let (kept, same) = bench.identity().unwrap();
    assert_eq!((kept, same.device_id()), (settings, key.device_id()));
}

#[test]
fn damaged_storage_is_never_given_up_by_itself() {
    let bench = Bench::new();
    bench.identity().unwrap();
    bench.with_storage(|bytes| bytes.fill(0x5a));
    assert!(matches!(bench.identity(), Err(NoStart::Storage)));
    bench.with_storage(|bytes| assert!(bytes.iter().all(|byte| *byte == 0x5a)));
}

#[test]
fn storage_is_not_given_up_while_it_is_not_certain_who_is_wrong() {
    // No image in place reads as one that is not confirmed.
    let bench = Bench::new();
    for why in [
        NoStart::Storage,
        NoStart::Flash,
        NoStart::Random,
        NoStart::Director,
    ] {
        assert!(!may_start_over(&bench, why), "{why:?}");
    }
}

#[test]
fn only_the_whole_time_at_the_button_counts() {
    let mut hand = Hand(vec![true, false, true]);
    let released = block_on(with_timeout(Duration::from_millis(50), held_for_reset(&mut hand)));
    assert!(released.is_err(), "a press is no reset");
}

#[test]
fn without_an_image_in_place_there_is_no_start() {
    assert_eq!(standing(&Bench::new()), Err(NoStart::Flash));
}
