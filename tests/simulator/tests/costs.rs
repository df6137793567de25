//! What an install costs, against the figures to reach: MCUboot's swap-offset, measured on the same geometry.

use latchkey_simulator::measure::{self, FlashWork};

const SLOT: u32 = 288 * 1024;

const KIB: usize = 1024;

#[test]
fn installing_256_kib_costs_no_more_than_swap_offset() {
    let work = measure::install(256 * KIB, 252 * KIB, SLOT).unwrap();
    println!("{work:?}");
    let FlashWork {
        erases, bytes, reads, ..
    } = work;
    // embassy-boot alone reads its marks again from the beginning for every page: 10,731 reads.
    assert!(reads < 10_731, "{reads} reads");
    assert!(erases <= 132, "{erases} erases");
    assert!(bytes <= 533_032, "{bytes} bytes");
}

#[test]
fn installing_64_kib_follows_the_image_and_not_the_slot() {
    let FlashWork { erases, bytes, .. } = measure::install(64 * KIB, 64 * KIB, SLOT).unwrap();
    println!("{erases} erases, {bytes} bytes");
    assert!(erases <= 36, "{erases} erases");
    assert!(bytes <= 139_432, "{bytes} bytes");
}

#[test]
fn pages_that_do_not_change_are_not_rewritten() {
    let all = measure::install(256 * KIB, 256 * KIB, SLOT).unwrap();
    let few = measure::install_changed(256 * KIB, 3, SLOT).unwrap();
    // The new image's header, its trailer and three pages between.
    assert!(few.erases <= all.erases / 2 + 6, "{few:?} against {all:?}");
}

#[test]
fn a_start_with_nothing_to_do_costs_nothing() {
    let FlashWork { operations, .. } = measure::idle_boot().unwrap();
    assert_eq!(operations, 0);
}

#[test]
fn the_storage_wears_evenly_and_outlives_the_lock() {
    let work = measure::storage().unwrap();
    println!("{work:?}");
    assert!(work.years >= 100, "{work:?}");
    assert!(work.uneven <= 2, "{work:?}");
}
