//! The header of SMP, the management protocol of mcumgr, over which an image comes by phone: one for lock and phone.
//!
//! ```text
//! 0  reserved (3 bits), version (2), operation (3)    4  u16 group
//! 1  flags, 0                                         6  sequence, given back as it came
//! 2  u16 length of the body                           7  command
//! ```
//!
//! Big endian; then the body, one CBOR map. An answer repeats group, sequence and command; its operation is the
//! request's plus one. Knows no command.

/// Length of the header, in bytes.
pub const HEADER: usize = 8;

const OPERATION: u8 = 0b111;
const VERSION_SHIFT: u32 = 3;
const VERSION: u8 = 0b11;

/// A frame's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// 0 in SMP version 1, 1 in version 2.
    pub version: u8,
    /// What is done: [`Self::READ`], [`Self::WRITE`], or an answer to one of them.
    pub operation: u8,
    /// Length of the body, in bytes.
    pub length: u16,
    /// Which group of commands.
    pub group: u16,
    /// Tells an answer from an earlier one.
    pub sequence: u8,
    /// Which command of the group.
    pub command: u8,
}

impl Header {
    /// The operation of a request that changes nothing.
    pub const READ: u8 = 0;
    /// The operation of a request that does.
    pub const WRITE: u8 = 2;

    /// From the wire. The flags mean nothing yet.
    #[must_use]
    pub const fn read(bytes: &[u8; HEADER]) -> Self {
        let [
            first,
            _,
            length_high,
            length_low,
            group_high,
            group_low,
            sequence,
            command,
        ] = *bytes;
        Self {
            version: (first >> VERSION_SHIFT) & VERSION,
            operation: first & OPERATION,
            length: u16::from_be_bytes([length_high, length_low]),
            group: u16::from_be_bytes([group_high, group_low]),
            sequence,
            command,
        }
    }

    /// For the wire.
    #[must_use]
    pub const fn write(&self) -> [u8; HEADER] {
        let [length_high, length_low] = self.length.to_be_bytes();
        let [group_high, group_low] = self.group.to_be_bytes();
        [
            ((self.version & VERSION) << VERSION_SHIFT) | (self.operation & OPERATION),
            0,
            length_high,
            length_low,
            group_high,
            group_low,
            self.sequence,
            self.command,
        ]
    }

    /// Length of the whole frame, in bytes.
    #[must_use]
    pub const fn total(&self) -> usize {
        (self.length as usize).saturating_add(HEADER)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_as_the_protocol_has_it_and_reads_back() {
        // Version 2, write, 300 bytes, image group, sequence 9, upload.
        let wire = [0x0a, 0, 0x01, 0x2c, 0, 1, 9, 1];
        let header = Header::read(&wire);
        let wanted = Header {
            version: 1,
            operation: Header::WRITE,
            length: 300,
            group: 1,
            sequence: 9,
            command: 1,
        };
        assert_eq!((header, header.total()), (wanted, 308));
        assert_eq!(header.write(), wire);
        // What is reserved is passed over.
        assert_eq!(Header::read(&[0xea, 7, 0x01, 0x2c, 0, 1, 9, 1]), wanted);
    }
}
