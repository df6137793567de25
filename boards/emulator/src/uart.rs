//! The machine's serial ports: CMSDK UARTs, with room for one byte in each direction.

use crate::register::Register;

const DATA: u32 = 0x0;
const STATE: u32 = 0x4;
const CONTROL: u32 = 0x8;
#[cfg(feature = "app")]
const INTERRUPT: u32 = 0xC;
const BAUD_DIVIDER: u32 = 0x10;

const STATE_TX_FULL: u32 = 1 << 0;
#[cfg(feature = "app")]
const STATE_RX_FULL: u32 = 1 << 1;
const CONTROL_TX: u32 = 1 << 0;
#[cfg(feature = "app")]
const CONTROL_RX: u32 = 1 << 1 | 1 << 3;
#[cfg(feature = "app")]
const CONTROL_TX_INTERRUPT: u32 = 1 << 2;
#[cfg(feature = "app")]
const INTERRUPT_TX: u32 = 1 << 0;
#[cfg(feature = "app")]
const INTERRUPT_RX: u32 = 1 << 1;
/// The smallest the device takes.
const FASTEST: u32 = 16;

/// One serial port.
#[derive(Clone, Copy)]
pub(crate) struct Uart(u32);

/// Where the console is.
pub(crate) const CONSOLE: Uart = Uart(0x4000_4000);
/// Where the Bluetooth controller is.
#[cfg(feature = "app")]
pub(crate) const RADIO: Uart = Uart(0x4000_5000);

impl Uart {
    const fn register(self, offset: u32) -> Register {
        Register::at(self.0.wrapping_add(offset))
    }

    fn control_on(self, bits: u32) {
        let control = self.register(CONTROL);
        control.write(control.read() | bits);
    }

    /// Switches the transmitter on.
    pub(crate) fn send_on(self) {
        self.register(BAUD_DIVIDER).write(FASTEST);
        self.control_on(CONTROL_TX);
    }

    /// Whether a byte can be sent.
    pub(crate) fn can_send(self) -> bool {
        self.register(STATE).read() & STATE_TX_FULL == 0
    }

    /// Sends a byte; lost when [`Self::can_send`] is not so.
    pub(crate) fn send(self, byte: u8) {
        self.register(DATA).write(byte.into());
    }
}

#[cfg(feature = "app")]
impl Uart {
    /// Switches the receiver on; each byte interrupts.
    pub(crate) fn receive_on(self) {
        self.register(BAUD_DIVIDER).write(FASTEST);
        self.control_on(CONTROL_RX);
    }

    /// The byte that came, if one did. To be called from its interrupt.
    pub(crate) fn receive(self) -> Option<u8> {
        // Before the byte is taken: the next one, which may come right after, interrupts again.
        self.register(INTERRUPT).write(INTERRUPT_RX);
        if self.register(STATE).read() & STATE_RX_FULL == 0 {
            return None;
        }
        let [byte, ..] = self.register(DATA).read().to_le_bytes();
        Some(byte)
    }

    /// Interrupts, once, when the next byte can be sent.
    pub(crate) fn tell_when_sent(self) {
        self.control_on(CONTROL_TX_INTERRUPT);
    }

    /// Ends what [`Self::tell_when_sent`] began. To be called from its interrupt.
    pub(crate) fn told(self) {
        let control = self.register(CONTROL);
        control.write(control.read() & !CONTROL_TX_INTERRUPT);
        self.register(INTERRUPT).write(INTERRUPT_TX);
    }
}
