//! What is asked for, as CBOR maps.

use latchkey_image::ImageDigest;
use minicbor::encode::write::{Cursor, EndOfSlice};
use minicbor::encode::{Encoder, Error};

use latchkey_protocol::smp::Header;

use super::frame;

const OS_GROUP: u16 = 0;
const IMAGE_GROUP: u16 = 1;

/// A request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request<'a> {
    /// Has a text of up to 64 bytes sent back.
    Echo(&'a str),
    /// How long a frame may be. To be asked first: until then, a frame is no longer than one piece.
    Parameters,
    /// What lies in the lock's slots.
    Images,
    /// A piece of an image.
    Upload(Piece<'a>),
    /// Has the uploaded image installed at the next start, on trial.
    Test(ImageDigest),
    /// Gives up what was uploaded.
    Erase,
    /// Has the lock start again.
    Reset,
}

/// A piece of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece<'a> {
    /// Where in the image it lies.
    pub offset: u32,
    /// The bytes.
    pub data: &'a [u8],
    /// What begins, when this is the first piece on this connection.
    pub start: Option<Start>,
}

/// An upload that begins, or goes on where it ended on an earlier connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Start {
    /// Which image. The lock knows it again by that.
    pub image: ImageDigest,
    /// Its length, in bytes.
    pub size: u32,
}

/// What a piece needs around its bytes: map head, two keys, the longest offset, the head of the bytes.
const PIECE: usize = 1 + 4 + 5 + 5 + 3;
/// And what the first has besides: two keys, the longest length, a digest with its head.
const START: usize = 4 + 5 + 4 + 2 + 32;

/// Bytes of a body around an image's bytes, at most.
pub(super) const fn around(first: bool) -> usize {
    if first { PIECE + START } else { PIECE }
}

impl Request<'_> {
    pub(super) const fn head(&self, sequence: u8) -> Header {
        let (operation, group, command) = match self {
            Self::Echo(_) => (Header::WRITE, OS_GROUP, 0),
            Self::Parameters => (Header::READ, OS_GROUP, 6),
            Self::Reset => (Header::WRITE, OS_GROUP, 5),
            Self::Images => (Header::READ, IMAGE_GROUP, 0),
            Self::Test(_) => (Header::WRITE, IMAGE_GROUP, 0),
            Self::Upload(_) => (Header::WRITE, IMAGE_GROUP, 1),
            Self::Erase => (Header::WRITE, IMAGE_GROUP, 5),
        };
        frame::request(operation, group, command, sequence)
    }
}

/// Writes the body; its length, unless it does not fit.
pub(super) fn write(request: &Request<'_>, body: &mut [u8]) -> Option<usize> {
    let mut out = Encoder::new(Cursor::new(body));
    encode(request, &mut out).ok()?;
    Some(out.writer().position())
}

fn encode(request: &Request<'_>, out: &mut Encoder<Cursor<&mut [u8]>>) -> Result<(), Error<EndOfSlice>> {
    match request {
        Request::Echo(text) => out.map(1)?.str("d")?.str(text)?,
        Request::Parameters | Request::Images | Request::Erase | Request::Reset => out.map(0)?,
        Request::Test(image) => {
            out.map(2)?.str("hash")?.bytes(&image.0)?;
            out.str("confirm")?.bool(false)?
        }
        Request::Upload(piece) => {
            out.map(if piece.start.is_some() { 4 } else { 2 })?;
            out.str("off")?.u32(piece.offset)?;
            if let Some(start) = &piece.start {
                out.str("len")?.u32(start.size)?;
                out.str("sha")?.bytes(&start.image.0)?;
            }
            out.str("data")?.bytes(piece.data)?
        }
    };
    Ok(())
}
