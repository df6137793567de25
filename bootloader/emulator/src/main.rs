//! The bootloader of the emulated board.
//!
//! Thin: what it does is in `latchkey-boot-cortex-m`, what it decides in `latchkey-boot`. Here is what this board
//! is.
#![no_std]
#![no_main]
#![allow(
    unsafe_code,
    reason = "exception handlers and the interrupt table are linked by name"
)]

#[cfg(feature = "plain-jump")]
mod plain;

use cortex_m_rt::{ExceptionFrame, entry, exception};
#[cfg(not(feature = "plain-jump"))]
use latchkey_board_cortex_m::mpu;
use latchkey_board_cortex_m::{Board, stop};
use latchkey_board_emulator::{Console, Flash, Watchdog, flash};
use latchkey_boot_cortex_m::Lock;
#[cfg(not(feature = "plain-jump"))]
use latchkey_boot_cortex_m::run;
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
    vendor: Hardware::EMULATOR.vendor,
    class: Hardware::EMULATOR.class,
    slot: Hardware::EMULATOR.slot,
};

struct Emulator;

impl Board for Emulator {
    const FLASH: u32 = flash::BASE;
}

impl Lock for Emulator {
    type Flash = Flash;
    const EXAMPLE_KEYS: bool = EXAMPLE_KEYS;

    /// This machine has no debug port to close.
    fn begin() {}

    fn authority() -> &'static Authority<'static> {
        &AUTHORITY
    }

    fn flash() -> Option<Flash> {
        Flash::take_unlocked()
    }

    fn say(text: &[u8]) {
        Console::new().write(text);
    }

    /// This machine has no flash protection but the processor's own.
    fn hand_over() {
        // The app feeds it; the value is only a handle.
        let _ = Watchdog::start(WATCHDOG_S);
    }
}

#[entry]
fn main() -> ! {
    #[cfg(feature = "plain-jump")]
    plain::run();
    #[cfg(not(feature = "plain-jump"))]
    {
        mpu::guard();
        run::<Emulator>()
    }
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
