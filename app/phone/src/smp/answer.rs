//! What comes back, taken from CBOR maps. What is not known is passed over, as the protocol wants it; what is missing,
//! there twice or of another kind is an error.

use heapless::{String, Vec};
use latchkey_image::ImageDigest;
use latchkey_protocol::smp::Header;
use minicbor::data::Type;
use minicbor::decode::{Decoder, Error as Broken};

use super::error::{Error, Fault, Refused, Words, printable};

/// Images that a lock may list.
const IMAGES_MOST: usize = 4;
const IMAGE_GROUP: u16 = 1;

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The text that was to be sent back.
    Echo(String<64>),
    /// How long a frame may be.
    Parameters(Parameters),
    /// What lies in the lock's slots.
    Images(Images),
    /// How much of an image is there.
    Offset(Offset),
    /// Done.
    Done,
}

/// What the lock takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameters {
    /// The longest frame, in bytes.
    pub buffer: u32,
    /// Frames at a time.
    pub count: u32,
}

/// What lies in the lock's slots.
pub type Images = Vec<Image, IMAGES_MOST>;

/// An image in a slot, as the lock lists it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Image {
    /// In which slot; 0 is where images run.
    pub slot: u32,
    /// Which image, when the lock says so in the usual 32 bytes.
    pub image: Option<ImageDigest>,
    /// It runs.
    pub active: bool,
    /// Its install was asked for.
    pub pending: bool,
    /// It is there for good.
    pub confirmed: bool,
}

/// How much of an image is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offset {
    /// Bytes.
    pub offset: u32,
    /// Whether what is there is what was to be sent, once the lock knows.
    pub matches: Option<bool>,
}

/// Everything that an answer may hold.
#[derive(Default)]
struct Fields<'b> {
    echo: Option<&'b str>,
    buffer: Option<u32>,
    count: Option<u32>,
    offset: Option<u32>,
    matches: Option<bool>,
    images: Option<Images>,
    code: Option<u32>,
    words: Option<&'b str>,
    group: Option<(u16, u32)>,
}

/// Reads the body of the answer to a request.
pub(super) fn read(body: &[u8], asked: &Header) -> Result<Answer, Error> {
    let fields = Fields::read(body).map_err(|_| Error::Malformed)?;
    fields.refusal()?;
    fields.answer(asked).ok_or(Error::Malformed)
}

impl<'b> Fields<'b> {
    fn read(body: &'b [u8]) -> Result<Self, Broken> {
        let mut fields = Self::default();
        let mut decoder = Decoder::new(body);
        map(&mut decoder, |key, value| fields.take(key, value))?;
        if decoder.position() == body.len() {
            Ok(fields)
        } else {
            Err(Broken::message("bytes behind the map"))
        }
    }

    fn take(&mut self, key: &str, value: &mut Decoder<'b>) -> Result<(), Broken> {
        match key {
            "r" => set(&mut self.echo, value.str()?),
            "buf_size" => set(&mut self.buffer, value.u32()?),
            "buf_count" => set(&mut self.count, value.u32()?),
            "off" => set(&mut self.offset, value.u32()?),
            "match" => set(&mut self.matches, value.bool()?),
            "images" => set(&mut self.images, images(value)?),
            "rc" => set(&mut self.code, value.u32()?),
            "rsn" => set(&mut self.words, value.str()?),
            "err" => set(&mut self.group, group_error(value)?),
            _ => value.skip(),
        }
    }

    fn refusal(&self) -> Result<(), Error> {
        let fault = match (self.group, self.code) {
            (Some((group, code)), _) if code != 0 => Fault::Group { group, code },
            (_, Some(code)) if code != 0 => Fault::Management(code),
            _ => return Ok(()),
        };
        let words: Words = self.words.map(printable).unwrap_or_default();
        Err(Error::Refused(Refused { fault, words }))
    }

    fn answer(self, asked: &Header) -> Option<Answer> {
        Some(match (asked.group, asked.command) {
            (IMAGE_GROUP, 0) => Answer::Images(self.images?),
            (IMAGE_GROUP, 1) => Answer::Offset(Offset {
                offset: self.offset?,
                matches: self.matches,
            }),
            (IMAGE_GROUP, _) => Answer::Done,
            (_, 0) => Answer::Echo(self.echo?.try_into().ok()?),
            (_, 6) => Answer::Parameters(Parameters {
                buffer: self.buffer?,
                count: self.count?,
            }),
            _ => Answer::Done,
        })
    }
}

fn images(value: &mut Decoder<'_>) -> Result<Images, Broken> {
    let mut images = Images::new();
    let mut left = value.array()?;
    while !is_over(&mut left, value)? {
        let image = image(value)?;
        images.push(image).map_err(|_| Broken::message("too many"))?;
    }
    Ok(images)
}

fn image(value: &mut Decoder<'_>) -> Result<Image, Broken> {
    let mut image = Image::default();
    map(value, |key, value| {
        match key {
            "slot" => image.slot = value.u32()?,
            "hash" => image.image = value.bytes()?.try_into().ok().map(ImageDigest),
            "active" => image.active = value.bool()?,
            "pending" => image.pending = value.bool()?,
            "confirmed" => image.confirmed = value.bool()?,
            _ => value.skip()?,
        }
        Ok(())
    })?;
    Ok(image)
}

fn group_error(value: &mut Decoder<'_>) -> Result<(u16, u32), Broken> {
    let (mut group, mut code) = (None, None);
    map(value, |key, value| match key {
        "group" => set(&mut group, value.u16()?),
        "rc" => set(&mut code, value.u32()?),
        _ => value.skip(),
    })?;
    group.zip(code).ok_or(Broken::message("half an error"))
}

fn set<T>(place: &mut Option<T>, value: T) -> Result<(), Broken> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(Broken::message("twice")),
    }
}

/// Gives each key of a map to `field`, which takes the value behind it. Every turn takes a byte or ends in an error,
/// so a large count costs nothing.
fn map<'b>(
    decoder: &mut Decoder<'b>,
    mut field: impl FnMut(&str, &mut Decoder<'b>) -> Result<(), Broken>,
) -> Result<(), Broken> {
    let mut left = decoder.map()?;
    while !is_over(&mut left, decoder)? {
        let key = decoder.str()?;
        field(key, decoder)?;
    }
    Ok(())
}

/// Whether a map or list has ended: by its count, or by the mark at its end.
fn is_over(left: &mut Option<u64>, decoder: &mut Decoder<'_>) -> Result<bool, Broken> {
    match left {
        Some(0) => Ok(true),
        Some(left) => {
            *left = left.saturating_sub(1);
            Ok(false)
        }
        None if decoder.datatype()? == Type::Break => {
            decoder.skip()?;
            Ok(true)
        }
        None => Ok(false),
    }
}
