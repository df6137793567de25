//! The messages themselves. CBOR maps with small integer keys; a key that a side does not know is skipped,
//! so either side may be the newer one.

use core::fmt;

use latchkey_image::{ImageDigest, SecurityCounter, Uuid, Version};
use minicbor::{Decode, Encode};

use crate::codec;

/// What a signature on this message is for. Part of what is signed, never sent.
pub trait Purpose {
    /// Ends in the version of the message's meaning; a new meaning gets a new number.
    const PURPOSE: &'static str;
}

/// A message a device signs: it says whose.
pub trait FromDevice: Purpose {
    /// [`DeviceId`], or the public key itself where the server does not know it yet.
    type Sender;
    /// The device this message claims to be from.
    fn sender(&self) -> Self::Sender;
}

/// A device's name: the first 16 bytes of its public key's SHA-256.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct DeviceId(#[cbor(n(0), with = "minicbor::bytes")] pub [u8; 16]);

impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Sixteen random bytes, fresh for each check-in. The answer repeats them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(transparent)]
pub struct Nonce(#[cbor(n(0), with = "minicbor::bytes")] pub [u8; 16]);

/// "This is my key, and I hold its other half." Signed with that key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Enrolment {
    /// Ed25519 public key, 32 bytes of RFC 8032.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub device_key: [u8; 32],
    /// Who made the lock.
    #[cbor(n(1), with = "codec::uuid")]
    pub vendor: Uuid,
    /// Which hardware it is.
    #[cbor(n(2), with = "codec::uuid")]
    pub class: Uuid,
}

impl Purpose for Enrolment {
    const PURPOSE: &'static str = "latchkey/enrolment/1";
}

impl FromDevice for Enrolment {
    type Sender = [u8; 32];
    fn sender(&self) -> [u8; 32] {
        self.device_key
    }
}

/// "I am here, this is what I run; what am I to do?" Signed with the device key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct CheckIn {
    /// Who asks.
    #[n(0)]
    pub device: DeviceId,
    /// Fresh for this check-in.
    #[n(1)]
    pub nonce: Nonce,
    /// Grows with every signed message of this device; the upper half counts its starts. A message that
    /// does not exceed the last one seen is a replay.
    #[n(2)]
    pub sequence: u64,
    /// Who made the lock.
    #[cbor(n(3), with = "codec::uuid")]
    pub vendor: Uuid,
    /// Which hardware it is.
    #[cbor(n(4), with = "codec::uuid")]
    pub class: Uuid,
    /// What runs now.
    #[n(5)]
    pub running: Running,
    /// Images below this security counter do not boot here.
    #[cbor(n(6), with = "codec::counter")]
    pub floor: SecurityCounter,
    /// What the bootloader had to say about the latest start.
    #[n(7)]
    pub boot: BootReport,
    /// Battery charge in percent.
    #[n(8)]
    pub battery_percent: u8,
    /// What speaks against an install right now, as the lock sees it.
    #[n(9)]
    pub hold: Option<Hold>,
    /// The challenge of the last [`Problem`]: proof that whoever holds the key signed this after it.
    #[n(10)]
    pub echo: Option<Nonce>,
}

/// Why a lock does not install now. The list is open: a newer lock may have reasons that a server has no word for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(transparent)]
pub struct Hold(#[n(0)] pub u8);

impl Hold {
    /// Its battery is too low.
    pub const BATTERY: Self = Self(1);
    /// Somebody is dealing with it.
    pub const BUSY: Self = Self(2);
    /// Its owner wants it left alone at this time.
    pub const QUIET_HOURS: Self = Self(3);
    /// Its owner wants no automatic updates.
    pub const OWNER: Self = Self(4);
}

impl Purpose for CheckIn {
    const PURPOSE: &'static str = "latchkey/check-in/1";
}

impl FromDevice for CheckIn {
    type Sender = DeviceId;
    fn sender(&self) -> DeviceId {
        self.device
    }
}

/// The image a device runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Running {
    /// Which image.
    #[cbor(n(0), with = "codec::digest")]
    pub image: ImageDigest,
    /// Its version, for people.
    #[cbor(n(1), with = "codec::version")]
    pub version: Version,
    /// Its security counter.
    #[cbor(n(2), with = "codec::counter")]
    pub counter: SecurityCounter,
    /// Whether it passed its self-test; until then it is on trial.
    #[n(3)]
    pub confirmed: bool,
}

/// How the latest start came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum BootOutcome {
    /// Nothing was asked for; the same image as before runs.
    #[n(0)]
    Steady,
    /// A new image runs and has yet to confirm itself.
    #[n(1)]
    Trial,
    /// A new image did not confirm itself in its starts, or did not verify after the swap: the old one is back.
    #[n(2)]
    Reverted,
    /// An install was asked for and refused before anything was moved.
    #[n(3)]
    Refused,
    /// The image in place did not verify any more; the one in the other slot does and runs.
    #[n(4)]
    Rescued,
}

/// What the bootloader tells, as the lock passes it on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct BootReport {
    /// How the latest start came about.
    #[n(0)]
    pub outcome: BootOutcome,
    /// Code of the refusal behind [`BootOutcome::Refused`], `Reverted` or `Rescued`; 0 when there is none.
    /// `latchkey_image` holds the list.
    #[n(1)]
    pub reason: u16,
    /// First 16 bytes of the digest of the image that `reason` is about.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub about: [u8; 16],
    /// Starts a trial image has left before it is reverted; 0 when nothing is on trial.
    #[n(3)]
    pub starts_left: u8,
}

/// The server's answer to a check-in. Signed with the director key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Directive {
    /// Whom it is for.
    #[n(0)]
    pub device: DeviceId,
    /// The check-in's nonce. Any other is an answer to something else.
    #[n(1)]
    pub nonce: Nonce,
    /// What may be done.
    #[n(2)]
    pub action: Action,
    /// When to call again, in seconds from now.
    #[n(3)]
    pub call_again_s: u32,
}

impl Purpose for Directive {
    const PURPOSE: &'static str = "latchkey/directive/1";
}

/// What a directive allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Action {
    /// Carry on.
    #[n(0)]
    Nothing,
    /// Fetch and install this image.
    #[n(1)]
    Install(#[n(0)] Install),
}

/// The image a device may install, and no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Install {
    /// Which image; also the last part of its download path, in hex.
    #[cbor(n(0), with = "codec::digest")]
    pub image: ImageDigest,
    /// Length of the file in bytes: header, payload and all TLVs.
    #[n(1)]
    pub size: u32,
    /// Its version, for people.
    #[cbor(n(2), with = "codec::version")]
    pub version: Version,
    /// Its security counter, so that a lock need not fetch what it would refuse.
    #[cbor(n(3), with = "codec::counter")]
    pub counter: SecurityCounter,
}

/// Something happened to an update. Signed with the device key; kept and sent again until receipted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Report {
    /// Who reports.
    #[n(0)]
    pub device: DeviceId,
    /// As in [`CheckIn::sequence`].
    #[n(1)]
    pub sequence: u64,
    /// What happened.
    #[n(2)]
    pub event: Event,
    /// To which image.
    #[cbor(n(3), with = "codec::digest")]
    pub image: ImageDigest,
    /// Refusal code, 0 when there is none.
    #[n(4)]
    pub reason: u16,
}

impl Purpose for Report {
    const PURPOSE: &'static str = "latchkey/report/1";
}

impl FromDevice for Report {
    type Sender = DeviceId;
    fn sender(&self) -> DeviceId {
        self.device
    }
}

/// The steps of an update that the server hears of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Event {
    /// Fetched whole and verified; the bootloader has been asked to install it.
    #[n(0)]
    Requested,
    /// The lock app refused it before asking; `reason` says why.
    #[n(1)]
    RefusedByApp,
    /// The bootloader refused it; `reason` says why.
    #[n(2)]
    RefusedByBootloader,
    /// It runs, passed its self-test and is confirmed.
    #[n(3)]
    Confirmed,
    /// It ran or should have run, and the old one is back.
    #[n(4)]
    Reverted,
}

/// "Your report is on disk." Signed with the director key; only this ends the sending again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Receipt {
    /// Whose report.
    #[n(0)]
    pub device: DeviceId,
    /// Which one.
    #[n(1)]
    pub sequence: u64,
}

impl Purpose for Receipt {
    const PURPOSE: &'static str = "latchkey/receipt/1";
}

/// Why the server gave no answer. Not signed: good for patience and for the log, for nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Problem {
    /// What is wrong.
    #[n(0)]
    pub code: ProblemCode,
    /// When to call again, in seconds; the lock bounds it.
    #[n(1)]
    pub call_again_s: u32,
    /// To be repeated in the next check-in. Comes with [`ProblemCode::Replayed`].
    #[n(2)]
    pub challenge: Option<Nonce>,
}

/// Reasons for a [`Problem`]. The numbers are frozen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum ProblemCode {
    /// Not a message this server understands.
    #[n(1)]
    Malformed,
    /// No device of that name is enrolled: enrol first.
    #[n(2)]
    UnknownDevice,
    /// Enrolled, but no operator has approved it yet: call again later.
    #[n(3)]
    AwaitingApproval,
    /// An operator revoked this device.
    #[n(4)]
    Revoked,
    /// The signature is not by the enrolled key.
    #[n(5)]
    BadSignature,
    /// The sequence does not exceed the last one seen.
    #[n(6)]
    Replayed,
    /// This device may not fetch this image, or there is none of that name.
    #[n(7)]
    NoSuchImage,
    /// Too many requests; `call_again_s` says when.
    #[n(8)]
    Busy,
}
