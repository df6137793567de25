//! The packets that the Bluetooth host reads into and writes from.
//!
//! trouble-host's own pool marks what is free with something other than zeros, and so lies in flash as a whole, 4 KB
//! that are copied to RAM at the start. This one lies in RAM only, empty until it is filled once. A packet goes out
//! as zeros, whoever had it before.

use core::cell::RefCell;

use embassy_sync::blocking_mutex::Mutex;
use embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex;
use heapless::Vec;
use static_cell::ConstStaticCell;
use trouble_host::{Packet as HostPacket, PacketPool};

/// Bytes of one packet: the longest link-layer payload.
const MTU: usize = 251;
/// Packets of all connections together.
const COUNT: usize = 16;

type Buffer = [u8; MTU];

static BUFFERS: ConstStaticCell<[Buffer; COUNT]> = ConstStaticCell::new([[0; MTU]; COUNT]);
static FREE: Mutex<CriticalSectionRawMutex, RefCell<Vec<&'static mut Buffer, COUNT>>> =
    Mutex::new(RefCell::new(Vec::new()));

/// See the module's header.
pub(super) struct Pool;

impl Pool {
    /// Puts the packets in, at the first call.
    pub(super) fn fill() {
        for buffer in BUFFERS.try_take().into_iter().flatten() {
            give_back(buffer);
        }
    }
}

impl PacketPool for Pool {
    type Packet = Packet;
    const MTU: usize = MTU;

    fn allocate() -> Option<Packet> {
        let buffer = FREE.lock(|free| free.borrow_mut().pop())?;
        buffer.fill(0);
        Some(Packet(Some(buffer)))
    }

    fn capacity() -> usize {
        COUNT
    }
}

/// One packet; back in the pool when it is dropped.
pub(super) struct Packet(Option<&'static mut Buffer>);

impl HostPacket for Packet {}

impl AsRef<[u8]> for Packet {
    fn as_ref(&self) -> &[u8] {
        self.0.as_deref().map_or(&[], Buffer::as_slice)
    }
}

impl AsMut<[u8]> for Packet {
    fn as_mut(&mut self) -> &mut [u8] {
        self.0.as_deref_mut().map_or(&mut [], Buffer::as_mut_slice)
    }
}

impl Drop for Packet {
    fn drop(&mut self) {
        if let Some(buffer) = self.0.take() {
            give_back(buffer);
        }
    }
}

fn give_back(buffer: &'static mut Buffer) {
    // There is room for all there are.
    let _ = FREE.lock(|free| free.borrow_mut().push(buffer));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_come_back_as_zeros_and_none_is_lost() {
        Pool::fill();
        Pool::fill();
        for _ in 0..3 {
            let mut packets: std::vec::Vec<_> = std::iter::from_fn(Pool::allocate).collect();
            assert_eq!(packets.len(), Pool::capacity());
            for packet in &mut packets {
                assert_eq!(packet.as_ref(), [0; MTU]);
                packet.as_mut().fill(7);
            }
        }
    }
}
