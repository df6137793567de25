//! The numbers of MCUboot's type-length-value areas, and which of them this project gives a meaning.
//!
//! An area is an info word (magic `u16`, total length `u16` including this word), then entries of kind `u16`,
//! length `u16` and value. All little endian.

/// Magic of the trailer, the area that is not hashed.
pub const MAGIC: u16 = 0x6907;
/// Magic of the protected area, which is hashed.
pub const PROTECTED_MAGIC: u16 = 0x6908;
/// Length of an area's info word and of an entry's head, in bytes.
pub const HEAD: u32 = 4;

/// SHA-256 of the signing key's 44-byte DER SubjectPublicKeyInfo.
pub const KEYHASH: u16 = 0x01;
/// The signing key itself, where KEYHASH should be.
pub const PUBKEY: u16 = 0x02;
/// SHA-256 over header, payload and protected area.
pub const SHA256: u16 = 0x10;
/// SHA-384 in its place.
pub const SHA384: u16 = 0x11;
/// SHA-512 in its place.
pub const SHA512: u16 = 0x12;
/// RSA-2048 signature.
pub const RSA2048: u16 = 0x20;
/// ECDSA signature, P-224 of old.
pub const ECDSA224: u16 = 0x21;
/// ECDSA signature.
pub const ECDSA: u16 = 0x22;
/// RSA-3072 signature.
pub const RSA3072: u16 = 0x23;
/// Ed25519 signature over the SHA-256 digest, 64 bytes.
pub const ED25519: u16 = 0x24;
/// Says that the signature is over the image itself and not its digest.
pub const SIG_PURE: u16 = 0x25;
/// First of the kinds that carry an encrypted image's key.
pub const ENCRYPTION_FIRST: u16 = 0x30;
/// Last of them.
pub const ENCRYPTION_LAST: u16 = 0x3f;
/// Another image that must be there too.
pub const DEPENDENCY: u16 = 0x40;
/// Security counter, `u32`.
pub const SEC_CNT: u16 = 0x50;
/// Measured-boot record, CBOR. Read by attestation services, not by us.
pub const BOOT_RECORD: u16 = 0x60;
/// First of the kinds that describe a compressed payload.
pub const COMPRESSION_FIRST: u16 = 0x70;
/// Last of them.
pub const COMPRESSION_LAST: u16 = 0x73;
/// UUID of who made the lock, 16 bytes.
pub const UUID_VID: u16 = 0x74;
/// UUID of which hardware it is, 16 bytes.
pub const UUID_CID: u16 = 0x75;
/// Ours: the lowest version that may upgrade to this one, 8 bytes as in the header.
pub const MIN_VERSION: u16 = 0x00a0;
/// First of the kinds that MCUboot leaves to vendors.
pub const VENDOR_FIRST: u16 = 0x00a0;
/// Last of them.
pub const VENDOR_LAST: u16 = 0xfffe;

/// Splits an info word or an entry's head into its two numbers.
pub(crate) fn head(bytes: [u8; 4]) -> (u16, u16) {
    let [a, b, c, d] = bytes;
    (u16::from_le_bytes([a, b]), u16::from_le_bytes([c, d]))
}
