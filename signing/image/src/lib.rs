//! The signed firmware container: one place for every rule about what may run.
//!
//! The container is MCUboot's, so that `imgtool` reads our images and we read its. [`Image::parse`] finds the
//! parts and believes nothing; [`Authority::verify`] is the one whole check and ends in [`Verified`], a value
//! that owns what it proves and keeps the flash borrowed, so that nobody writes while the proof lives.
//!
//! ```text
//! offset
//! 0               header, 32 bytes               ┐
//! 32              padding up to header_size      │ hashed with SHA-256;
//! header_size     payload, payload_size bytes    │ Ed25519 signs the hash
//! +payload_size   protected area: info, TLVs     ┘
//! +protected      trailer: info, SHA256, then up to eight pairs of KEYHASH and ED25519
//! ```
//!
//! This crate knows no bootloader, no flash chip and no network. It allocates nothing (the features `build`
//! and `std` are for tools), and it never decides on bytes that it read a second time: what it parsed is what
//! it hashes, and what it hashes is what it judges.
//!
//! # The proof, and what does not compile
//!
//! (`tests/compile_fail.rs` sees to it that each example fails for the reason that is written on it.)
//!
//! A verified image is the only thing a jump should accept:
//!
//! ```
//! # use latchkey_image::{Authority, Bytes, Image, Refusal, SecurityCounter, Verified};
//! # fn jump(image: Verified<Image<'_, Bytes<'_>>>) { let _ = image.payload_offset(); }
//! fn start(authority: &Authority<'_>, flash: &mut Bytes<'_>) -> Result<(), Refusal> {
//!     let image = Image::parse(flash)?;
//!     let proven = authority.verify(image, SecurityCounter(0))?;
//!     jump(proven);
//!     Ok(())
//! }
//! ```
//!
//! Skipping the check does not compile:
//!
//! ```compile_fail,E0308
//! # use latchkey_image::{Authority, Bytes, Image, Refusal, SecurityCounter, Verified};
//! # fn jump(image: Verified<Image<'_, Bytes<'_>>>) { let _ = image.payload_offset(); }
//! fn start(authority: &Authority<'_>, flash: &mut Bytes<'_>) -> Result<(), Refusal> {
//!     let image = Image::parse(flash)?;
//!     jump(image);
//!     Ok(())
//! }
//! ```
//!
//! Nor does forging the proof, with an image that is not proven:
//!
//! ```compile_fail,E0451
//! # use latchkey_image::{Authority, Bytes, Image, Refusal, SecurityCounter, Verified};
//! # fn jump(image: Verified<Image<'_, Bytes<'_>>>) { let _ = image.payload_offset(); }
//! fn start(authority: &Authority<'_>, flash: &mut Bytes<'_>) -> Result<(), Refusal> {
//!     let image = Image::parse(flash)?;
//!     jump(Verified { inner: image });
//!     Ok(())
//! }
//! ```
//!
//! After the proof has had its use, the flash may be written:
//!
//! ```
//! # use embedded_storage::nor_flash::NorFlash;
//! # use latchkey_image::{Authority, Image, Refusal, SecurityCounter};
//! fn start<F: NorFlash>(authority: &Authority<'_>, flash: &mut F) -> Result<(), Refusal> {
//!     let image = Image::parse(flash)?;
//!     let proven = authority.verify(image, SecurityCounter(0))?;
//!     let _ = proven.version();
//!     let _ = flash.write(0, &[0; 4]);
//!     Ok(())
//! }
//! ```
//!
//! Not while it lives: a proof does not outlive a write.
//!
//! ```compile_fail,E0499
//! # use embedded_storage::nor_flash::NorFlash;
//! # use latchkey_image::{Authority, Image, Refusal, SecurityCounter};
//! fn start<F: NorFlash>(authority: &Authority<'_>, flash: &mut F) -> Result<(), Refusal> {
//!     let image = Image::parse(flash)?;
//!     let proven = authority.verify(image, SecurityCounter(0))?;
//!     let _ = flash.write(0, &[0; 4]);
//!     let _ = proven.version();
//!     Ok(())
//! }
//! ```
//!
//! And it cannot be kept for later, when the flash is free again:
//!
//! ```compile_fail,E0597
//! # use latchkey_image::{Authority, Bytes, Image, Refusal, SecurityCounter, Verified};
//! # fn jump(image: Verified<Image<'_, Bytes<'_>>>) { let _ = image.payload_offset(); }
//! fn start(authority: &Authority<'_>, bytes: &[u8]) -> Result<(), Refusal> {
//!     let proven = {
//!         let mut flash = Bytes::new(bytes);
//!         let image = Image::parse(&mut flash)?;
//!         authority.verify(image, SecurityCounter(0))?
//!     };
//!     jump(proven);
//!     Ok(())
//! }
//! ```
//!
//! It can be used where the flash still is:
//!
//! ```
//! # use latchkey_image::{Authority, Bytes, Image, Refusal, SecurityCounter, Verified};
//! # fn jump(image: Verified<Image<'_, Bytes<'_>>>) { let _ = image.payload_offset(); }
//! fn start(authority: &Authority<'_>, bytes: &[u8]) -> Result<(), Refusal> {
//!     let mut flash = Bytes::new(bytes);
//!     let proven = {
//!         let image = Image::parse(&mut flash)?;
//!         authority.verify(image, SecurityCounter(0))?
//!     };
//!     jump(proven);
//!     Ok(())
//! }
//! ```
//!
//! What is proven cannot be changed either; a proof gives no `&mut` to what it holds:
//!
//! ```compile_fail,E0596
//! # use latchkey_image::{Bytes, Image, Verified};
//! fn change(mut proven: Verified<Image<'_, Bytes<'_>>>) {
//!     let _ = proven.signer(0);
//! }
//! ```
//!
//! A parsed image, which proves nothing, does:
//!
//! ```
//! # use latchkey_image::{Bytes, Image};
//! fn change(mut parsed: Image<'_, Bytes<'_>>) {
//!     let _ = parsed.signer(0);
//! }
//! ```
#![cfg_attr(not(any(test, feature = "std")), no_std)]
#![forbid(unsafe_code)]

#[cfg(feature = "build")]
extern crate alloc;

mod authority;
mod bytes;
mod example;
mod hardware;
mod header;
mod identity;
mod image;
mod policy;
mod protected;
mod refusal;
mod source;
pub mod tlv;

#[cfg(feature = "build")]
pub mod build;
#[cfg(feature = "build")]
mod name;
#[cfg(feature = "std")]
pub mod policy_file;

pub use authority::{Authority, Verified};
pub use bytes::{Bytes, OutOfBounds};
pub use example::EXAMPLE_KEY_HASHES;
pub use hardware::{Hardware, Slot};
pub use header::{HEADER_SIZE_STEP, Header, LENGTH as HEADER_LENGTH, MAX_HEADER_SIZE};
pub use identity::{ImageDigest, NotAVersion, SecurityCounter, Uuid, Version};
pub use image::{Image, MAX_SIGNATURES};
#[cfg(feature = "build")]
pub use name::NameError;
pub use policy::{KeyHash, MAX_KEYS, PolicyError, PublicKey, TrustPolicy};
pub use protected::MAX_PROTECTED;
pub use refusal::Refusal;
