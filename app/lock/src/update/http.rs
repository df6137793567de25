//! What of an HTTP answer decides whether its body may go into flash. Knows no connection.
//!
//! The rule: exactly the bytes that were asked for, of a file of exactly the length the directive names, or
//! nothing. No redirect is followed: the directive is signed, an address in an answer is not.

use core::fmt;

/// The head of a download's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// HTTP status.
    pub status: u16,
    /// `Content-Length`, when there is one.
    pub length: Option<u64>,
    /// `Content-Range`, when there is one that can be read.
    pub range: Option<ContentRange>,
}

/// `Content-Range: bytes FIRST-LAST/TOTAL`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContentRange {
    /// Offset of the first byte.
    pub first: u64,
    /// Offset of the last byte, included.
    pub last: u64,
    /// Length of the whole file.
    pub total: u64,
}

impl ContentRange {
    /// Reads the header's value; `None` for anything but whole numbers in the one form we ask for.
    #[must_use]
    pub fn parse(value: &[u8]) -> Option<Self> {
        let value = core::str::from_utf8(value).ok()?;
        let (range, total) = value.trim().strip_prefix("bytes ")?.split_once('/')?;
        let (first, last) = range.split_once('-')?;
        Some(Self {
            first: number(first)?,
            last: number(last)?,
            total: number(total)?,
        })
    }
}

/// Reads a `Content-Length`.
#[must_use]
pub fn content_length(value: &[u8]) -> Option<u64> {
    number(core::str::from_utf8(value).ok()?.trim())
}

/// Digits only: `str::parse` alone would take a plus sign.
fn number(text: &str) -> Option<u64> {
    text.bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| text.parse().ok())
        .flatten()
}

/// Why an answer's body is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// Neither 200 nor 206; the number is the status.
    Status(u16),
    /// An address to go to instead.
    Redirect,
    /// The server has nothing at this offset: start over.
    NothingThere,
    /// The lengths are missing, or not those of the file that the directive names.
    Lengths,
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "the server answered {status}"),
            Self::Redirect => f.write_str("the server redirects; its address must be the final one"),
            Self::NothingThere => f.write_str("the server has nothing at this offset"),
            Self::Lengths => f.write_str("the server's file has another length than its directive names"),
        }
    }
}

impl Head {
    /// Whether the body is the rest of a file of `size` bytes from offset `from`.
    ///
    /// # Errors
    /// [`Unfit`], and the body must not be read.
    pub fn fits(&self, from: u32, size: u32) -> Result<(), Unfit> {
        let (from, size) = (u64::from(from), u64::from(size));
        let rest = size.checked_sub(from);
        match self.status {
            206 => {
                let range = self.range.ok_or(Unfit::Lengths)?;
                let exact = range.first == from
                    && range.total == size
                    && range.last.checked_add(1) == Some(size)
                    && self.length == rest;
                exact.then_some(()).ok_or(Unfit::Lengths)
            }
            200 if from == 0 => (self.length == rest).then_some(()).ok_or(Unfit::Lengths),
            300..=399 => Err(Unfit::Redirect),
            416 => Err(Unfit::NothingThere),
            status => Err(Unfit::Status(status)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn partial(first: u64, last: u64, total: u64, length: u64) -> Head {
        Head {
            status: 206,
            length: Some(length),
            range: Some(ContentRange { first, last, total }),
        }
    }

    #[test]
    fn only_the_bytes_asked_for_are_taken() {
        assert_eq!(partial(40, 99, 100, 60).fits(40, 100), Ok(()));
        for wrong in [
            partial(0, 99, 100, 100),  // from the start, though the rest was asked for
            partial(40, 98, 100, 59),  // less
            partial(40, 99, 100, 61),  // length and range disagree
            partial(40, 100, 101, 61), // a longer file
            partial(40, u64::MAX, 100, 60),
            partial(40, 39, 100, 0),
        ] {
            assert_eq!(wrong.fits(40, 100), Err(Unfit::Lengths), "{wrong:?}");
        }
    }

    #[test]
    fn a_whole_answer_serves_only_a_whole_question() {
        let whole = |length| Head {
            status: 200,
            length,
            range: None,
        };
        assert_eq!(whole(Some(100)).fits(0, 100), Ok(()));
        assert_eq!(whole(None).fits(0, 100), Err(Unfit::Lengths), "no length, no end");
        assert_eq!(whole(Some(101)).fits(0, 100), Err(Unfit::Lengths));
        assert_eq!(whole(Some(100)).fits(40, 100), Err(Unfit::Status(200)));
    }

    #[test]
    fn other_answers_are_named() {
        let answer = |status| Head {
            status,
            length: Some(100),
            range: None,
        };
        assert_eq!(answer(302).fits(0, 100), Err(Unfit::Redirect));
        assert_eq!(answer(416).fits(0, 100), Err(Unfit::NothingThere));
        assert_eq!(answer(500).fits(0, 100), Err(Unfit::Status(500)));
        assert_eq!(
            answer(206).fits(0, 100),
            Err(Unfit::Lengths),
            "206 without a range"
        );
    }

    #[test]
    fn headers_are_read_strictly() {
        let range = |first, last, total| Some(ContentRange { first, last, total });
        assert_eq!(ContentRange::parse(b"bytes 40-99/100"), range(40, 99, 100));
        for wrong in [
            "bytes */100",
            "bytes 40-99/*",
            "items 40-99/100",
            "bytes +40-99/100",
            "bytes 40-/100",
            "bytes 4 0-99/100",
            "bytes 18446744073709551616-99/100",
            "",
        ] {
            assert_eq!(ContentRange::parse(wrong.as_bytes()), None, "{wrong:?}");
        }
        assert_eq!(content_length(b" 12 "), Some(12));
        assert_eq!(content_length(b"12, 12"), None);
        assert_eq!(content_length(b""), None);
    }

    proptest! {
        #[test]
        fn random_headers_never_panic(
            value in proptest::collection::vec(any::<u8>(), 0..60), status: u16, from: u32, size: u32,
        ) {
            let head = Head { status, length: content_length(&value), range: ContentRange::parse(&value) };
            let _ = head.fits(from, size);
        }
    }
}
