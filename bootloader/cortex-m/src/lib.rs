//! From reset to the app on a Cortex-M4: what the bootloaders of both boards do, in order.
//!
//! What boots is decided by `latchkey-boot`; this crate makes its steps, says in one line what came of them, and
//! goes through the gate. It knows no chip: a board is a [`Lock`].
//!
//! Built against one skipped instruction, anywhere (see `latchkey_board_cortex_m::gate`): the whole check of
//! ACTIVE is made twice, from flash, and each leaves its own token; whoever refuses ends in
//! [`stop`](latchkey_board_cortex_m::stop), with no way on behind it.
#![no_std]
#![forbid(unsafe_code)]

mod check;
mod console;

use embedded_storage::nor_flash::NorFlash;
use latchkey_board_cortex_m::{Board, gate, mpu, stop};
use latchkey_boot::{Boot, Fault, Next};
use latchkey_handoff::layout::{MAP, PAGE};
use latchkey_image::{Authority, Refusal};

use check::Passed;
pub use console::Line;

/// A board, with everything the bootloader needs of it.
pub trait Lock: Board {
    /// The chip's flash.
    type Flash: NorFlash;
    /// Whether this build trusts keys that everyone has.
    const EXAMPLE_KEYS: bool;

    /// Closes the debug port, as far as the chip can. The first thing that happens.
    fn begin();
    /// Whom this lock trusts, and what it is.
    fn authority() -> &'static Authority<'static>;
    /// Gives the flash away, once; every page may be written.
    fn flash() -> Option<Self::Flash>;
    /// Writes to the console, if there is one.
    fn say(text: &[u8]);
    /// Starts the watchdog, and lets the chip protect until the next reset what only the bootloader may change.
    fn hand_over();
}

/// Boots what may run, or nothing.
pub fn run<L: Lock>() -> ! {
    L::begin();
    if L::EXAMPLE_KEYS {
        L::say(b"boot: EXAMPLE KEYS are trusted: for trying out, not for a door\r\n");
    }
    match decide::<L>() {
        Ok((flash, passed)) => {
            mpu::settle::<L>();
            L::hand_over();
            check::again::<L>(flash, passed.first);
            // The same image was accepted a moment ago: a glitch, or flash that answers as it likes.
            L::say(b"boot: the second check refused; starting over\r\n");
            stop::reset()
        }
        Err(Stuck::Nothing(why)) => {
            console::nothing_boots::<L>(why);
            stop::sleep()
        }
        Err(Stuck::Fault(fault)) => {
            console::fault::<L>(fault);
            match fault {
                Fault::Flash | Fault::Engine => stop::reset(),
                // Starting over would change nothing.
                Fault::Geometry
                | Fault::Exhausted
                | Fault::UnknownRecord
                | Fault::NoFloor
                | Fault::OutOfOrder => stop::sleep(),
            }
        }
    }
}

/// Why nothing boots.
enum Stuck {
    /// No slot holds an image that may run; so ACTIVE was refused.
    Nothing(Refusal),
    /// The bootloader cannot go on.
    Fault(Fault),
}

impl From<Fault> for Stuck {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// Everything up to the last flash operation: afterwards ACTIVE holds what has passed the first check.
#[inline(never)]
fn decide<L: Lock>() -> Result<(L::Flash, Passed), Stuck> {
    let flash = L::flash().ok_or(Fault::OutOfOrder)?;
    let mut page = [0; PAGE as usize];
    let mut boot = Boot::start(flash, &MAP, L::authority(), &mut page)?;
    boot.prepare()?;
    loop {
        gate::close();
        match check::first::<L>(boot.flash()) {
            Ok(passed) => {
                boot.commit(passed.accepted)?;
                console::boots::<L>(&passed.accepted, boot.report());
                return Ok((boot.into_flash(), passed));
            }
            Err(why) => match boot.refused(why)? {
                Next::Check => {}
                Next::Halt => return Err(Stuck::Nothing(why)),
            },
        }
    }
}
