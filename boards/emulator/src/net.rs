//! The LAN9118 Ethernet controller, as a driver for embassy-net.
//!
//! One packet at a time, straight between its FIFOs and the network stack. The interrupt only wakes; whatever
//! the device says about lengths is bounded by our own buffer.

use core::sync::atomic::{AtomicBool, Ordering};
use core::task::Context;

use embassy_net_driver::{Capabilities, Driver, HardwareAddress, LinkState, RxToken, TxToken};
use embassy_sync::waitqueue::AtomicWaker;

use crate::interrupt::{self, Line};
use crate::register::Register;

const BASE: u32 = 0x4020_0000;
const RX_DATA: Register = Register::at(BASE);
const TX_DATA: Register = Register::at(BASE + 0x20);
const RX_STATUS: Register = Register::at(BASE + 0x40);
const TX_STATUS: Register = Register::at(BASE + 0x48);
const ID_REV: Register = Register::at(BASE + 0x50);
const IRQ_CFG: Register = Register::at(BASE + 0x54);
const INT_STS: Register = Register::at(BASE + 0x58);
const INT_EN: Register = Register::at(BASE + 0x5C);
const FIFO_INT: Register = Register::at(BASE + 0x68);
const RX_CFG: Register = Register::at(BASE + 0x6C);
const TX_CFG: Register = Register::at(BASE + 0x70);
const RX_FIFO_INF: Register = Register::at(BASE + 0x7C);
const TX_FIFO_INF: Register = Register::at(BASE + 0x80);
const MAC_COMMAND: Register = Register::at(BASE + 0xA4);
const MAC_DATA: Register = Register::at(BASE + 0xA8);

const ID_LAN9118: u32 = 0x0118;
/// Enabled, active high, push-pull.
const IRQ_CFG_ON: u32 = 1 << 8 | 1 << 4 | 1;
const INT_RX: u32 = 1 << 3;
const INT_PHY: u32 = 1 << 18;
const TX_CFG_ON: u32 = 1 << 1;
const TX_FIRST_AND_LAST: u32 = 1 << 13 | 1 << 12;
const RX_ERROR: u32 = 1 << 15;

const MAC_BUSY: u32 = 1 << 31;
const MAC_READ: u32 = 1 << 30;
const MAC_CR: u32 = 1;
const MAC_ADDRESS_HIGH: u32 = 2;
const MAC_ADDRESS_LOW: u32 = 3;
const MAC_MII_ACCESS: u32 = 6;
const MAC_MII_DATA: u32 = 7;
const MAC_CR_RX_TX: u32 = 1 << 2 | 1 << 3;

const PHY: u32 = 1 << 11;
const MII_WRITE: u32 = 1 << 1;
const PHY_STATUS: u32 = 1;
const PHY_STATUS_LINK: u32 = 1 << 2;
const PHY_INTERRUPT_SOURCE: u32 = 29;
const PHY_INTERRUPT_MASK: u32 = 30;
/// Negotiation complete, link down.
const PHY_INTERRUPTS: u32 = 1 << 6 | 1 << 4;

/// The longest frame, in bytes, without its check sequence.
const FRAME: usize = 1514;
/// With its check sequence, in whole words.
const BUFFER: usize = 1520;
/// How often a busy device is looked at before it is given up.
const PATIENCE: u32 = 100_000;

static TAKEN: AtomicBool = AtomicBool::new(false);
static WAKER: AtomicWaker = AtomicWaker::new();

/// The Ethernet controller. There is one.
pub struct Ethernet(());

impl Ethernet {
    /// Finds the controller and switches it on; `None` when it is not there, or was taken before.
    #[must_use]
    pub fn take() -> Option<Self> {
        if ID_REV.read() >> 16 != ID_LAN9118 || TAKEN.swap(true, Ordering::Relaxed) {
            return None;
        }
        INT_EN.write(0);
        FIFO_INT.write(0);
        RX_CFG.write(0);
        TX_CFG.write(TX_CFG_ON);
        mac_write(MAC_CR, mac_read(MAC_CR) | MAC_CR_RX_TX);
        phy_write(PHY_INTERRUPT_MASK, PHY_INTERRUPTS);
        IRQ_CFG.write(IRQ_CFG_ON);
        interrupt::enable(Line::Ethernet);
        Some(Self(()))
    }
}

pub(crate) extern "C" fn on_interrupt() {
    // Quiet until the driver has looked.
    INT_EN.write(0);
    WAKER.wake();
}

/// Lets the next packet or change of the link interrupt.
fn listen(cx: &mut Context<'_>) {
    WAKER.register(cx.waker());
    // Reading the source acknowledges it.
    phy_read(PHY_INTERRUPT_SOURCE);
    INT_STS.write(INT_RX | INT_PHY);
    INT_EN.write(INT_RX | INT_PHY);
}

fn packet_waits() -> bool {
    (RX_FIFO_INF.read() >> 16) & 0xFF != 0
}

/// Waits until the MAC's registers can be used; not for ever.
fn mac_ready() {
    for _ in 0..PATIENCE {
        if MAC_COMMAND.read() & MAC_BUSY == 0 {
            return;
        }
    }
}

fn mac_read(register: u32) -> u32 {
    mac_ready();
    MAC_COMMAND.write(MAC_BUSY | MAC_READ | register);
    mac_ready();
    MAC_DATA.read()
}

fn mac_write(register: u32, value: u32) {
    mac_ready();
    MAC_DATA.write(value);
    MAC_COMMAND.write(MAC_BUSY | register);
    mac_ready();
}

fn phy_read(register: u32) -> u32 {
    mac_write(MAC_MII_ACCESS, PHY | register << 6);
    mac_read(MAC_MII_DATA)
}

fn phy_write(register: u32, value: u32) {
    mac_write(MAC_MII_DATA, value);
    mac_write(MAC_MII_ACCESS, PHY | register << 6 | MII_WRITE);
}

/// A received packet, still in the controller.
pub struct Received(());

impl RxToken for Received {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, f: F) -> R {
        let status = RX_STATUS.read();
        let length = (status >> 16) as usize & 0x3FFF;
        let mut frame = [0; BUFFER];
        let words = frame
            .chunks_exact_mut(4)
            .map(Some)
            .chain(core::iter::repeat_with(|| None));
        // Every word is taken out, also those that have no room.
        for (_, room) in (0..length.div_ceil(4)).zip(words) {
            let word = RX_DATA.read().to_le_bytes();
            if let Some(room) = room {
                room.copy_from_slice(&word);
            }
        }
        let content = length.saturating_sub(4);
        let fits = status & RX_ERROR == 0 && content <= FRAME;
        let content = if fits { content } else { 0 };
        f(frame.get_mut(..content).unwrap_or_default())
    }
}

/// Leave to send one packet.
pub struct Sending(());

impl TxToken for Sending {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, f: F) -> R {
        let mut frame = [0; BUFFER];
        let length = length.min(FRAME);
        let result = f(frame.get_mut(..length).unwrap_or_default());
        let bytes = length as u32;
        TX_DATA.write(TX_FIRST_AND_LAST | bytes);
        TX_DATA.write(bytes << 16 | bytes);
        for word in frame.chunks_exact(4).take(length.div_ceil(4)) {
            let mut bytes = [0; 4];
            bytes.copy_from_slice(word);
            TX_DATA.write(u32::from_le_bytes(bytes));
        }
        result
    }
}

impl Driver for Ethernet {
    type RxToken<'a> = Received;
    type TxToken<'a> = Sending;

    fn receive(&mut self, cx: &mut Context<'_>) -> Option<(Received, Sending)> {
        if !packet_waits() {
            listen(cx);
            // One that came before the interrupt was let through.
            if !packet_waits() {
                return None;
            }
        }
        self.transmit(cx).map(|sending| (Received(()), sending))
    }

    fn transmit(&mut self, cx: &mut Context<'_>) -> Option<Sending> {
        while (TX_FIFO_INF.read() >> 16) & 0xFF != 0 {
            TX_STATUS.read();
        }
        let free = TX_FIFO_INF.read() as usize & 0xFFFF;
        if free < BUFFER.saturating_add(8) {
            // The packets under way take microseconds; ask again then.
            cx.waker().wake_by_ref();
            return None;
        }
        Some(Sending(()))
    }

    fn link_state(&mut self, cx: &mut Context<'_>) -> LinkState {
        WAKER.register(cx.waker());
        if phy_read(PHY_STATUS) & PHY_STATUS_LINK != 0 {
            LinkState::Up
        } else {
            LinkState::Down
        }
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.max_transmission_unit = FRAME;
        capabilities.max_burst_size = Some(1);
        capabilities
    }

    fn hardware_address(&self) -> HardwareAddress {
        let [a, b, c, d] = mac_read(MAC_ADDRESS_LOW).to_le_bytes();
        let [e, f, ..] = mac_read(MAC_ADDRESS_HIGH).to_le_bytes();
        HardwareAddress::Ethernet([a, b, c, d, e, f])
    }
}
