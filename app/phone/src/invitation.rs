//! An invitation: the credentials that an administrator had a lock make for somebody else, and which lock it is, as one
//! word that people pass on. A file, a message or a QR code that carries one holds this word and nothing else.
//!
//! ```text
//! "latchkey:", then as base64url without padding (RFC 4648, section 5):
//!  0  the credentials as they are stored (see `Credentials`); their first byte is the layout's number, 1
//! 58  u32, little endian: the lock's Nuki ID
//! 62  u32, little endian: CRC-32/ISO-HDLC of all before
//! ```
//!
//! The checksum finds up to five neighbouring letters that were mistyped, and all but one in four thousand million of
//! what else people do to words; it says nothing about who wrote it. Whoever has the word can use the lock, so it is
//! a secret: no `Clone`, no `Debug`, wiped when dropped.
//!
//! ```compile_fail
//! # fn shown(word: &latchkey_phone::invitation::Word) {
//! println!("{word:?}");
//! # }
//! ```

use core::fmt;

use base64ct::{Base64UrlUnpadded, Encoding as _};
use crc::{CRC_32_ISO_HDLC, Crc, NoTable};
use latchkey_protocol::value::NukiId;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::credentials::{BadCredentials, Credentials};

const START: &[u8] = b"latchkey:";
const LOCK: usize = Credentials::LENGTH;
const SUM: usize = LOCK + 4;
const LENGTH: usize = SUM + 4;
/// Four letters for three bytes, without a rest.
const LETTERS: usize = LENGTH / 3 * 4;
const _: () = assert!(LENGTH.is_multiple_of(3));

const CRC: Crc<u32, NoTable> = Crc::<u32, NoTable>::new(&CRC_32_ISO_HDLC);

/// See the module's header.
pub struct Invitation {
    /// Which lock it is to.
    pub lock: NukiId,
    /// What its holder is known by there.
    pub credentials: Credentials,
}

/// An invitation as it is passed on.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Word([u8; Word::LENGTH]);

impl Word {
    /// Letters that it has, all of them ASCII.
    pub const LENGTH: usize = START.len() + LETTERS;

    /// Lends it, key included, to whoever passes it on.
    pub fn expose<R>(&self, with: impl FnOnce(&str) -> R) -> R {
        with(core::str::from_utf8(&self.0).unwrap_or_default())
    }
}

/// What was given is no invitation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadInvitation {
    /// It does not begin like one.
    Foreign,
    /// A part is missing, too much or mistyped.
    Damaged,
    /// It has a layout that is not known here; or that part is mistyped.
    Layout(u8),
}

impl fmt::Display for BadInvitation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Foreign => {
                f.write_str("this is no invitation; copy all of it, from `latchkey:` to its end")
            }
            Self::Damaged => f.write_str(
                "the invitation was cut off or mistyped; copy all of it, from `latchkey:` to its end",
            ),
            Self::Layout(layout) => write!(
                f,
                "the invitation has layout {layout}, which this version does not know; update it, or copy the \
                 invitation again if it was typed in"
            ),
        }
    }
}

impl core::error::Error for BadInvitation {}

impl Invitation {
    /// As it is passed on.
    #[must_use]
    pub fn word(&self) -> Word {
        let mut bytes = Zeroizing::new([0; LENGTH]);
        self.credentials
            .expose(|credentials| put(&mut *bytes, 0, credentials));
        put(&mut *bytes, LOCK, &self.lock.get().to_le_bytes());
        let sum = sum(&bytes);
        put(&mut *bytes, SUM, &sum);
        let mut word = Word([0; Word::LENGTH]);
        put(&mut word.0, 0, START);
        let letters = word.0.get_mut(START.len()..).unwrap_or_default();
        // Exactly as long as the bytes need.
        let _ = Base64UrlUnpadded::encode(bytes.as_slice(), letters);
        word
    }

    /// Reads it back, wherever lines were broken on the way.
    ///
    /// # Errors
    /// [`BadInvitation`].
    pub fn read(text: &str) -> Result<Self, BadInvitation> {
        let mut letters = text.bytes().filter(|letter| !letter.is_ascii_whitespace());
        if !START.iter().all(|wanted| letters.next() == Some(*wanted)) {
            return Err(BadInvitation::Foreign);
        }
        let mut coded = Zeroizing::new([0; LETTERS]);
        let mut length = 0_usize;
        for (to, letter) in coded.iter_mut().zip(letters.by_ref()) {
            *to = letter;
            length = length.saturating_add(1);
        }
        let is_whole = length == LETTERS && letters.next().is_none();
        let mut bytes = Zeroizing::new([0; LENGTH]);
        let decoded = Base64UrlUnpadded::decode(coded.as_slice(), &mut *bytes).is_ok();
        if !(is_whole && decoded && bytes.ends_with(&sum(&bytes))) {
            return Err(layout(&coded).map_or(BadInvitation::Damaged, BadInvitation::Layout));
        }
        Self::take(&bytes)
    }

    fn take(bytes: &[u8; LENGTH]) -> Result<Self, BadInvitation> {
        let (credentials, rest) = bytes.split_first_chunk().ok_or(BadInvitation::Damaged)?;
        let lock = rest.first_chunk().ok_or(BadInvitation::Damaged)?;
        let credentials = Credentials::from_bytes(&mut Zeroizing::new(*credentials));
        Ok(Self {
            lock: NukiId::new(u32::from_le_bytes(*lock)).ok_or(BadInvitation::Damaged)?,
            credentials: credentials.map_err(|error| match error {
                BadCredentials::Version(layout) => BadInvitation::Layout(layout),
                BadCredentials::Damaged => BadInvitation::Damaged,
            })?,
        })
    }
}

/// The number of a layout that is not known here.
fn layout(coded: &[u8; LETTERS]) -> Option<u8> {
    let mut first = Zeroizing::new([0; 3]);
    Base64UrlUnpadded::decode(coded.get(..4)?, &mut *first).ok()?;
    let [layout, ..] = *first;
    (layout != Credentials::VERSION).then_some(layout)
}

fn sum(bytes: &[u8; LENGTH]) -> [u8; 4] {
    CRC.checksum(bytes.get(..SUM).unwrap_or_default()).to_le_bytes()
}

fn put(bytes: &mut [u8], at: usize, what: &[u8]) {
    let to = bytes.iter_mut().skip(at);
    to.zip(what).for_each(|(to, from)| *to = *from);
}

#[cfg(test)]
mod tests {
    use latchkey_protocol::key::SharedKey;
    use latchkey_protocol::pairing::Family;
    use latchkey_protocol::value::{AppId, AuthorizationId, LockUuid};
    use proptest::prelude::{any, proptest};

    use super::*;

    /// Computed apart from this code, with Python's base64, struct and zlib.
    const GOLDEN: [(Family, &str); 2] = [
        (
            Family::ToFourth,
            "latchkey:AQQEAwIBBQAAAPDw8PDw8PDw8PDw8PDw8PAAAQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eH82rNBK9CIwH",
        ),
        (
            Family::Fifth,
            "latchkey:AQUEAwIBBQAAAPDw8PDw8PDw8PDw8PDw8PAAAQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eH82rNBKCRUF6",
        ),
    ];

    fn invitation(family: Family) -> Invitation {
        let bytes = core::array::from_fn(|at| u8::try_from(at).unwrap());
        Invitation {
            lock: NukiId::new(0x1234_ABCD).unwrap(),
            credentials: Credentials::invited(
                family,
                LockUuid([0xF0; 16]),
                AuthorizationId(5),
                AppId(0x0102_0304),
                SharedKey::from_bytes(&mut { bytes }),
            ),
        }
    }

    fn text(invitation: &Invitation) -> String {
        invitation.word().expose(str::to_owned)
    }

    fn refusal(text: &str) -> BadInvitation {
        Invitation::read(text)
            .err()
            .unwrap_or_else(|| panic!("{text} was taken"))
    }

    #[test]
    fn words_are_as_others_compute_them() {
        for (family, golden) in GOLDEN {
            assert_eq!(text(&invitation(family)), golden);
            assert_eq!(text(&Invitation::read(golden).ok().unwrap()), golden);
        }
    }

    #[test]
    fn a_word_survives_being_wrapped_by_a_mail_program() {
        let (start, end) = GOLDEN[0].1.split_at(40);
        let wrapped = format!("\r\n  {start}\r\n  {end}\n");
        assert_eq!(text(&Invitation::read(&wrapped).ok().unwrap()), GOLDEN[0].1);
    }

    #[test]
    fn what_was_cut_off_or_lengthened_is_none() {
        let word = GOLDEN[0].1;
        for end in 0..word.len() {
            refusal(&word[..end]);
        }
        assert_eq!(refusal(&word[..word.len() - 1]), BadInvitation::Damaged);
        assert_eq!(refusal(&format!("{word}A")), BadInvitation::Damaged);
        for foreign in ["", "latchkey", "https://example.org/", "LATCHKEY:AQQ"] {
            assert_eq!(refusal(foreign), BadInvitation::Foreign);
        }
    }

    #[test]
    fn one_mistyped_letter_or_two_exchanged_ones_are_noticed() {
        let word = GOLDEN[0].1;
        for at in 0..word.len() {
            for other in ['A', 'a', '0', '-', '_', '+', 'é'] {
                let mut mistyped: Vec<char> = word.chars().collect();
                if mistyped[at] != other {
                    mistyped[at] = other;
                    refusal(&mistyped.iter().collect::<String>());
                }
            }
            let mut exchanged = word.as_bytes().to_vec();
            if at > 0 && exchanged[at - 1] != exchanged[at] {
                exchanged.swap(at - 1, at);
                refusal(core::str::from_utf8(&exchanged).unwrap());
            }
        }
    }

    #[test]
    fn another_layout_is_named() {
        let newer = GOLDEN[0].1.replacen("latchkey:AQ", "latchkey:Ag", 1);
        assert_eq!(refusal(&newer), BadInvitation::Layout(2));
        assert_eq!(refusal(&format!("{newer}AAAA")), BadInvitation::Layout(2));
    }

    proptest! {
        #[test]
        fn any_text_ends_in_an_invitation_or_a_named_error(text in any::<String>()) {
            let _ = Invitation::read(&text);
            let _ = Invitation::read(&format!("latchkey:{text}"));
        }
    }
}
