//! The checksum at the end of every message: CRC-16/IBM-3740 (also called CCITT-FALSE), little endian. It finds
//! damage, not malice.

use crc::{CRC_16_IBM_3740, Crc, NoTable};

// Without a table: messages are short, and the table would cost half a kilobyte of flash.
const CRC: Crc<u16, NoTable> = Crc::<u16, NoTable>::new(&CRC_16_IBM_3740);

/// Bytes it takes.
pub(crate) const LENGTH: usize = 2;

/// The checksum over `bytes`, as it stands on the wire.
pub(crate) fn over(bytes: &[u8]) -> [u8; LENGTH] {
    CRC.checksum(bytes).to_le_bytes()
}

/// What `bytes` hold in front of their checksum; `None` when it does not fit.
pub(crate) fn checked(bytes: &[u8]) -> Option<&[u8]> {
    let (content, sum) = bytes.split_last_chunk::<LENGTH>()?;
    (over(content) == *sum).then_some(content)
}
