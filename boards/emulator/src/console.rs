//! The console: UART0, write only, for people and for the laboratory's tools.
//!
//! Writing waits for the one-byte FIFO, but not for ever: when nobody takes the bytes they are dropped, so a
//! console can never hold up a boot.

use core::fmt;

use crate::register::Register;

const DATA: Register = Register::at(0x4000_4000);
const STATE: Register = Register::at(0x4000_4004);
const CONTROL: Register = Register::at(0x4000_4008);
const BAUD_DIVIDER: Register = Register::at(0x4000_4010);

const STATE_TX_FULL: u32 = 1;
const CONTROL_TX: u32 = 1;
/// The smallest the device takes.
const FASTEST: u32 = 16;
/// How often a full FIFO is looked at before the byte is dropped; about 10 ms.
const PATIENCE: u32 = 50_000;

/// A writer to UART0.
///
/// Bytes only, so several may exist; their lines may then mix.
pub struct Console(());

impl Console {
    /// Switches the transmitter on.
    #[must_use]
    pub fn new() -> Self {
        BAUD_DIVIDER.write(FASTEST);
        CONTROL.write(CONTROL_TX);
        Self(())
    }

    /// Writes bytes as they are; drops what nobody takes.
    pub fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if (0..PATIENCE).all(|_| STATE.read() & STATE_TX_FULL != 0) {
                return;
            }
            DATA.write(u32::from(*byte));
        }
    }
}

impl Default for Console {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Write for Console {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.write(text.as_bytes());
        Ok(())
    }
}
