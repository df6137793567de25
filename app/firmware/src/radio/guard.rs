//! Keeps packets away from the Bluetooth host that it cannot take.
//!
//! trouble-host 0.8 reads fields of attribute requests without asking for their length, and so ends in a panic
//! on many that are too short; it also keeps what a server would send, for a client that a lock does not have,
//! until its buffers are used up. Anyone in range can send either. This stands between the controller and the
//! host and lets through what the host is safe with: on the attribute channel, requests of at least their fixed
//! length, as the Bluetooth Core Specification gives it (volume 3, part F, section 3.4); on the signalling
//! channel, everything; on other channels, of which the lock has none, nothing.
//!
//! What is held back gets no answer. A peer that has sent the rest of a packet whose beginning was held back is
//! disconnected by the host.

use bt_hci::ControllerToHostPacket;
use bt_hci::cmd::{AsyncCmd, Error as CmdError, SyncCmd};
use bt_hci::controller::{Controller, ControllerCmdAsync, ControllerCmdSync};
use bt_hci::data::{AclBroadcastFlag, AclPacket, AclPacketBoundary, IsoPacket, SyncPacket};
use embedded_io::ErrorType;

/// A controller whose packets are looked at before the host takes them.
pub struct Guard<C>(C);

impl<C> Guard<C> {
    /// Guards the host against what comes in over `controller`.
    pub const fn new(controller: C) -> Self {
        Self(controller)
    }
}

impl<C: ErrorType> ErrorType for Guard<C> {
    type Error = C::Error;
}

impl<C: Controller> Controller for Guard<C> {
    type Buffer<'a> = C::Buffer<'a>;

    fn alloc_buf(&self) -> Result<Self::Buffer<'_>, Self::Error> {
        self.0.alloc_buf()
    }

    async fn write_acl_data(&self, packet: &AclPacket<'_>) -> Result<(), Self::Error> {
        self.0.write_acl_data(packet).await
    }

    async fn write_sync_data(&self, packet: &SyncPacket<'_>) -> Result<(), Self::Error> {
        self.0.write_sync_data(packet).await
    }

    async fn write_iso_data(&self, packet: &IsoPacket<'_>) -> Result<(), Self::Error> {
        self.0.write_iso_data(packet).await
    }

    async fn read<'a>(
        &self,
        buffer: &'a mut Self::Buffer<'_>,
    ) -> Result<ControllerToHostPacket<'a>, Self::Error> {
        let packet = self.0.read(buffer).await?;
        if let ControllerToHostPacket::Acl(acl) = &packet
            && !is_safe(acl)
        {
            return Ok(ControllerToHostPacket::Acl(nothing(acl)));
        }
        Ok(packet)
    }
}

impl<C: ControllerCmdSync<Q>, Q: SyncCmd + ?Sized> ControllerCmdSync<Q> for Guard<C> {
    async fn exec(&self, command: &Q) -> Result<Q::Return, CmdError<Self::Error>> {
        self.0.exec(command).await
    }
}

impl<C: ControllerCmdAsync<Q>, Q: AsyncCmd + ?Sized> ControllerCmdAsync<Q> for Guard<C> {
    async fn exec(&self, command: &Q) -> Result<(), CmdError<Self::Error>> {
        self.0.exec(command).await
    }
}

/// What the host gets in place of a packet that is held back: a form that Bluetooth Low Energy does not have,
/// which the host counts and drops.
fn nothing<'a>(held_back: &AclPacket<'_>) -> AclPacket<'a> {
    let (boundary, broadcast) = (AclPacketBoundary::Complete, AclBroadcastFlag::PointToPoint);
    AclPacket::new(held_back.handle(), boundary, broadcast, &[])
}

fn is_safe(packet: &AclPacket<'_>) -> bool {
    match packet.boundary_flag() {
        AclPacketBoundary::FirstFlushable | AclPacketBoundary::FirstNonFlushable => {
            begins_safely(packet.data())
        }
        // The rest of what was let through, or an error that the host has a name for.
        AclPacketBoundary::Continuing | AclPacketBoundary::Complete => true,
    }
}

const CHANNEL_ATTRIBUTES: u16 = 4;
const CHANNEL_SIGNALS: u16 = 5;

/// Judges the first part of an L2CAP packet: length, channel, content.
fn begins_safely(first: &[u8]) -> bool {
    let Some((&[length_low, length_high, channel_low, channel_high], content)) = first.split_first_chunk()
    else {
        return false;
    };
    let length = usize::from(u16::from_le_bytes([length_low, length_high]));
    match u16::from_le_bytes([channel_low, channel_high]) {
        CHANNEL_ATTRIBUTES => is_safe_request(length, content),
        CHANNEL_SIGNALS => true,
        _ => false,
    }
}

/// The smallest the attribute protocol allows.
const MTU_MIN: u16 = 23;

/// Judges an attribute request of `length` bytes that begins with `content`.
fn is_safe_request(length: usize, content: &[u8]) -> bool {
    let Some((opcode, fields)) = content.split_first() else {
        return false;
    };
    let fits = match *opcode {
        // Exchange MTU; a smaller one leaves no room for what the host answers.
        0x02 => matches!(fields, [low, high, ..] if u16::from_le_bytes([*low, *high]) >= MTU_MIN),
        // Find information, read blob, read multiple, prepare write, read multiple of variable length.
        0x04 | 0x0C | 0x0E | 0x16 | 0x20 => fields.len() >= 4,
        // Find by type and value, read by type.
        0x06 | 0x08 => fields.len() >= 6,
        // Read, write, write command.
        0x0A | 0x12 | 0x52 => fields.len() >= 2,
        // Read by group type; groups have types of two bytes.
        0x10 => fields.len() == 6 && length == content.len(),
        // Execute write.
        0x18 => !fields.is_empty(),
        // Confirmation.
        0x1E => true,
        // What no client sends: answers, notifications, indications. What remains the host refuses by its name.
        other => other % 2 == 0,
    };
    // The fixed part is never so long that a controller would take it apart.
    fits && length >= content.len()
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use trouble_host::att::Att;

    use super::*;

    fn passes(content: &[u8]) -> bool {
        is_safe_request(content.len(), content)
    }

    /// Whether the host's decoder comes through alive.
    fn survives(content: &[u8]) -> bool {
        std::panic::catch_unwind(|| drop(Att::decode(content))).is_ok()
    }

    #[test]
    fn host_still_needs_the_guard() {
        // When this fails, trouble-host has learned to count, and the guard can go.
        for deadly in [&[0x0A][..], &[0x10, 1, 0], &[0x52], &[0x18]] {
            assert!(!survives(deadly), "{deadly:02x?}");
            assert!(!passes(deadly), "{deadly:02x?}");
        }
        let mut group = [0; 21];
        group[0] = 0x10;
        assert!(!survives(&group) && !passes(&group));
    }

    #[test]
    fn requests_of_their_shortest_form_pass() {
        let shortest: [&[u8]; 12] = [
            &[0x02, 23, 0],
            &[0x04, 1, 0, 255, 255],
            &[0x06, 1, 0, 255, 255, 0, 0x28],
            &[0x08, 1, 0, 255, 255, 3, 0x28],
            &[0x0A, 1, 0],
            &[0x0C, 1, 0, 0, 0],
            &[0x10, 1, 0, 255, 255, 0, 0x28],
            &[0x12, 1, 0],
            &[0x16, 1, 0, 0, 0],
            &[0x18, 1],
            &[0x1E],
            &[0x20, 1, 0, 3, 0],
        ];
        for request in shortest {
            assert!(passes(request), "{request:02x?}");
            if request.len() > 1 {
                assert!(!passes(&request[..request.len() - 1]), "{request:02x?} cut");
            }
        }
    }

    #[test]
    fn too_small_mtu_is_held_back() {
        assert!(!passes(&[0x02, 22, 0]));
        assert!(passes(&[0x02, 0, 1]));
    }

    #[test]
    fn what_only_servers_send_is_held_back() {
        for opcode in [0x01, 0x1B, 0x1D, 0x0B, 0xFF] {
            assert!(!passes(&[opcode, 1, 0, 7]), "{opcode:02x}");
        }
    }

    #[test]
    fn empty_and_foreign_packets_are_held_back() {
        assert!(!begins_safely(&[]));
        assert!(!begins_safely(&[0, 0, 4]));
        assert!(!begins_safely(&[0, 0, 4, 0]), "an attribute packet of no bytes");
        assert!(
            !begins_safely(&[3, 0, 4, 0]),
            "its opcode would come in the next part"
        );
        assert!(!begins_safely(&[3, 0, 6, 0, 1, 0, 0]), "security manager");
        assert!(
            !begins_safely(&[3, 0, 0x40, 0, 1, 0, 0]),
            "a channel that nobody opened"
        );
        assert!(begins_safely(&[3, 0, 4, 0, 0x0A, 1, 0]));
    }

    proptest! {
        #[test]
        fn whatever_passes_the_host_decodes(opcode: u8, fields in vec(any::<u8>(), 0..40)) {
            let content = [&[opcode], &fields[..]].concat();
            if passes(&content) {
                prop_assert!(survives(&content), "{content:02x?}");
            }
        }

        /// The host decodes when all parts are there, so the first part must tell enough.
        #[test]
        fn whatever_passes_in_parts_the_host_decodes(
            opcode in prop::sample::select(vec![0x02u8, 0x04, 0x06, 0x08, 0x0A, 0x0C, 0x0E, 0x10, 0x12, 0x16, 0x18, 0x20, 0x52]),
            fields in vec(any::<u8>(), 0..40),
            first in 1usize..42,
        ) {
            let content = [&[opcode], &fields[..]].concat();
            if is_safe_request(content.len(), &content[..first.min(content.len())]) {
                prop_assert!(survives(&content), "{content:02x?} after {first}");
            }
        }
    }
}
