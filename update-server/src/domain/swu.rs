//! SWUpdate's files (`.swu`): cpio archives of a description, the maker's signature on it, and what is to be installed.
//!
//! What the description says and who signed it is between the maker and the device: it is not read here, and nothing
//! here can sign. What is promised is that such a file hands out the image of its release and nothing beside it: three
//! members in the order in which SWUpdate reads them, the third with the image's very bytes, and no byte that is
//! neither theirs nor padding. Only the two forms that SWUpdate takes are read, `newc` and `crc`, and only as cpio
//! writes them.

use std::fmt;

use crate::objects::FileHash;

/// The two forms of the archive: they differ in the magic, and in whether a checksum is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Newc,
    Crc,
}

impl fmt::Display for Form {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(match self {
            Self::Newc => "SWUpdate newc",
            Self::Crc => "SWUpdate crc",
        })
    }
}

/// Why a file is not the `.swu` of a release. What is not to be found here was found as it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotSwu {
    #[error(
        "at byte {at} there is no header of a cpio archive of the form `newc` or `crc`, or of another form than the first"
    )]
    NoHeader { at: usize },
    #[error("the archive is cut off: at byte {at} there should be {missing} more")]
    CutOff { at: usize, missing: usize },
    #[error("at byte {at} there is something where an archive has padding")]
    NotPadding { at: usize },
    #[error(
        "member {number} of the archive has no plain name: letters, digits and `.-_+`, 255 at most, and a zero"
    )]
    BadName { number: usize },
    #[error("member {number} of the archive is no regular file")]
    NoFile { number: usize },
    #[error("the checksum of member {number} is not that of its bytes")]
    BadChecksum { number: usize },
    #[error("member {number} of the archive is not `{expected}`")]
    OutOfOrder { number: usize, expected: &'static str },
    #[error(
        "the archive ends after member {number}; it has to have sw-description, sw-description.sig and the image"
    )]
    TooFew { number: usize },
    #[error("the archive has more than sw-description, sw-description.sig and the image")]
    TooMany,
    #[error(
        "what it installs is not this release: its third member is not the image file byte for byte, signatures included"
    )]
    OtherImage,
}

/// Members before the image: what is signed, and the signature.
const DESCRIPTION: [&str; 2] = ["sw-description", "sw-description.sig"];

/// The member that is none: it ends the archive.
const TRAILER: &[u8] = b"TRAILER!!!";

const HEADER_BYTES: usize = 110;
const NAME_BYTES_MAX: usize = 255;

/// Whether a file is a `.swu` with this image.
pub(super) fn check(file: &[u8], image: &FileHash) -> Result<Form, NotSwu> {
    let mut archive = Archive::open(file)?;
    for expected in DESCRIPTION {
        let member = archive.expect_member()?;
        if member.name != expected.as_bytes() {
            let number = archive.number;
            return Err(NotSwu::OutOfOrder { number, expected });
        }
    }
    if FileHash::of(archive.expect_member()?.bytes) != *image {
        return Err(NotSwu::OtherImage);
    }
    match archive.member()? {
        None => Ok(archive.form),
        Some(_) => Err(NotSwu::TooMany),
    }
}

struct Archive<'f> {
    file: &'f [u8],
    form: Form,
    at: usize,
    /// Of the member that was read last, from 1.
    number: usize,
}

struct Member<'f> {
    name: &'f [u8],
    bytes: &'f [u8],
}

impl<'f> Archive<'f> {
    fn open(file: &'f [u8]) -> Result<Self, NotSwu> {
        let form = match file.get(..6) {
            Some(b"070701") => Form::Newc,
            Some(b"070702") => Form::Crc,
            Some(_) | None => return Err(NotSwu::NoHeader { at: 0 }),
        };
        Ok(Self {
            file,
            form,
            at: 0,
            number: 0,
        })
    }

    fn expect_member(&mut self) -> Result<Member<'f>, NotSwu> {
        let number = self.number;
        self.member()?.ok_or(NotSwu::TooFew { number })
    }

    /// The next member; after the last, `None` and nothing but zeros.
    fn member(&mut self) -> Result<Option<Member<'f>>, NotSwu> {
        let header = self.header()?;
        let number = self.number.saturating_add(1);
        let (name, zero) = match self.take(header.name_bytes)?.split_last() {
            Some((zero, name)) => (name, *zero),
            None => return Err(NotSwu::BadName { number }),
        };
        self.skip_padding()?;
        let bytes = self.take(header.bytes)?;
        if zero == 0 && name == TRAILER && bytes.is_empty() {
            let rest = self.file.len().saturating_sub(self.at);
            self.skip_zeros(rest)?;
            return Ok(None);
        }
        self.skip_padding()?;
        let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b".-_+".contains(byte);
        if zero != 0 || name.is_empty() || name.len() > NAME_BYTES_MAX || !name.iter().all(plain) {
            return Err(NotSwu::BadName { number });
        }
        if header.mode & 0o17_0000 != 0o10_0000 {
            return Err(NotSwu::NoFile { number });
        }
        let sum = |bytes: &[u8]| {
            bytes
                .iter()
                .fold(0_u32, |sum, byte| sum.wrapping_add((*byte).into()))
        };
        if self.form == Form::Crc && header.checksum != sum(bytes) {
            return Err(NotSwu::BadChecksum { number });
        }
        self.number = number;
        Ok(Some(Member { name, bytes }))
    }

    fn header(&mut self) -> Result<Header, NotSwu> {
        let at = self.at;
        let header = self.take(HEADER_BYTES)?;
        Header::read(header, self.form).ok_or(NotSwu::NoHeader { at })
    }

    fn take(&mut self, length: usize) -> Result<&'f [u8], NotSwu> {
        let (at, end) = (self.at, self.at.saturating_add(length));
        let taken = self.file.get(at..end).ok_or(NotSwu::CutOff {
            at,
            missing: end.saturating_sub(self.file.len()),
        })?;
        self.at = end;
        Ok(taken)
    }

    /// Names and contents end on a multiple of four bytes of the archive.
    fn skip_padding(&mut self) -> Result<(), NotSwu> {
        self.skip_zeros(self.at.wrapping_neg() & 3)
    }

    fn skip_zeros(&mut self, length: usize) -> Result<(), NotSwu> {
        let start = self.at;
        match self.take(length)?.iter().position(|byte| *byte != 0) {
            None => Ok(()),
            Some(other) => Err(NotSwu::NotPadding {
                at: start.saturating_add(other),
            }),
        }
    }
}

/// What is made use of of a header: a magic, then thirteen numbers of eight hex digits.
struct Header {
    mode: u32,
    bytes: usize,
    name_bytes: usize,
    checksum: u32,
}

impl Header {
    fn read(header: &[u8], form: Form) -> Option<Self> {
        let (magic, numbers) = header.split_at_checked(6)?;
        let expected = match form {
            Form::Newc => b"070701",
            Form::Crc => b"070702",
        };
        if magic != expected {
            return None;
        }
        let number = |digits: &[u8]| {
            let text = std::str::from_utf8(digits).ok()?;
            let plain = text.bytes().all(|digit| digit.is_ascii_hexdigit());
            u32::from_str_radix(text, 16).ok().filter(|_| plain)
        };
        let numbers: Option<Vec<u32>> = numbers.chunks_exact(8).map(number).collect();
        match numbers?[..] {
            [_, mode, _, _, _, _, bytes, _, _, _, _, name_bytes, checksum] => Some(Self {
                mode,
                bytes: bytes.try_into().ok()?,
                name_bytes: name_bytes.try_into().ok()?,
                checksum,
            }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
