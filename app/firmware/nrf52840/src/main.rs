//! The lock app for the nRF52840: wires the chip's devices to the lock's tasks.
//!
//! Compiled, linked and size-checked; it has never run on the chip. Without a radio driver there is no way to
//! an update server yet, so the update client idles.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

mod board;
mod nowhere;

use core::panic::PanicInfo;

use embassy_executor::Spawner;
use embassy_nrf::config::Config;
use embassy_nrf::peripherals::UARTE0;
use embassy_nrf::uarte::{self, Uarte};
use embassy_nrf::{bind_interrupts, rng::Rng};
use latchkey_board_nrf52840::{Flash, Watchdog, stop};
use latchkey_firmware::update::{self, Options};
use latchkey_firmware::watch::{self, Pulse};
use latchkey_firmware::{Board, Keeper, start};
use latchkey_lock::update::Pace;

use static_cell::StaticCell;

use board::Nrf52840;
use nowhere::Nowhere;

bind_interrupts!(struct Interrupts {
    UARTE0 => uarte::InterruptHandler<UARTE0>;
});

static LOCK_ALIVE: Pulse = Pulse::new();

#[embassy_executor::main]
async fn main(spawner: Spawner) {
    let devices = embassy_nrf::init(Config::default());
    let console = Uarte::new(
        devices.UARTE0,
        devices.P0_08,
        devices.P0_06,
        Interrupts,
        uarte::Config::default(),
    );
    let random = Rng::new_blocking(devices.RNG);
    // Bootloader, trust pages and ACTIVE are locked by the chip itself until the next reset.
    let Some(flash) = Flash::take_unlocked() else {
        stop::reset()
    };
    static BOARD: StaticCell<Nrf52840> = StaticCell::new();
    static LOCK: StaticCell<Keeper<'static, Nrf52840>> = StaticCell::new();
    let board = BOARD.init(Nrf52840::new(flash, console, random));
    let Ok(begun) = start::begin(board, None) else {
        board.restart()
    };
    let lock = LOCK.init(Keeper::new(board, begun));
    lock.has_no_radio();
    // Nothing to do without it: the watchdog restarts the lock.
    if let Ok(task) = watchdog() {
        spawner.spawn(task);
    }
    let options = Options {
        pace: Pace::FIELD,
        never_confirm: false,
    };
    update::run(board, lock, &mut Nowhere, &LOCK_ALIVE, options).await
}

#[embassy_executor::task]
async fn watchdog() {
    let mut watchdog = Watchdog::running();
    watch::guard(&[&LOCK_ALIVE], || watchdog.feed()).await
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    stop::reset()
}
