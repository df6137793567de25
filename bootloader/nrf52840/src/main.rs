//! The bootloader of the nRF52840. Compiled, linked and measured; never run here.
//!
//! Thin: what it does is in `latchkey-boot-cortex-m`, what it decides in `latchkey-boot`. Here is what this board
//! is.
#![no_std]
#![no_main]
#![allow(
    unsafe_code,
    reason = "exception handlers and the interrupt table are linked by name"
)]

use cortex_m_rt::{ExceptionFrame, entry, exception};
use latchkey_board_cortex_m::{Board, mpu, stop};
use latchkey_board_nrf52840::{Flash, Watchdog, flash, protection};
use latchkey_boot_cortex_m::{Lock, run};
use latchkey_image::{Authority, Hardware, PublicKey, TrustPolicy};

include!(concat!(env!("OUT_DIR"), "/policy.rs"));

/// Seconds the app has between two signs of life.
const WATCHDOG_S: u16 = 16;

/// Whom this lock trusts, and what it is.
static AUTHORITY: Authority<'static> = Authority {
    policy: match TrustPolicy::new(THRESHOLD, &KEYS) {
        Ok(policy) => policy,
        Err(_) => panic!("the policy makes no sense"),
    },
    vendor: Hardware::NRF52840.vendor,
    class: Hardware::NRF52840.class,
    slot: Hardware::NRF52840.slot,
};

struct Nrf52840;

impl Board for Nrf52840 {
    const FLASH: u32 = flash::BASE;
}

impl Lock for Nrf52840 {
    type Flash = Flash;
    const EXAMPLE_KEYS: bool = EXAMPLE_KEYS;

    /// A build that trusts keys that everyone has protects nothing: its port stays open, for trying out.
    fn begin() {
        if !EXAMPLE_KEYS && protection::close_debug_port() {
            stop::reset()
        }
    }

    fn authority() -> &'static Authority<'static> {
        &AUTHORITY
    }

    fn flash() -> Option<Flash> {
        Flash::take_unlocked()
    }

    /// The lock's pins are the app's business: no console.
    fn say(_: &[u8]) {}

    fn hand_over() {
        // The app feeds it; the value is only a handle.
        let _ = Watchdog::start(WATCHDOG_S);
        protection::protect_flash();
    }
}

#[entry]
fn main() -> ! {
    mpu::guard();
    run::<Nrf52840>()
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    stop::reset()
}

#[exception]
// SAFETY: cortex-m-rt's signature demands the word; only the processor calls this, and what it does is safe.
unsafe fn HardFault(_: &ExceptionFrame) -> ! {
    stop::reset()
}

#[exception]
// SAFETY: as above.
unsafe fn DefaultHandler(_: i16) -> ! {
    stop::reset()
}

/// No interrupt is ever enabled; the table wants one entry, and it stops like all others.
#[unsafe(link_section = ".vector_table.interrupts")]
#[unsafe(no_mangle)]
static __INTERRUPTS: [fn() -> !; 1] = [stop::reset];
