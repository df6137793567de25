//! Bodies of requests, taken from their CBOR maps. What is not known is passed over, as the protocol wants it; what is
//! there twice or of another kind is refused. Nothing is copied.

use minicbor::data::Type;
use minicbor::decode::{Decoder, Error};

use super::fault::{Management, Refused};

const MALFORMED: Refused = Refused::request(
    Management::Invalid,
    "the body is not a map as this command has it",
);

/// An echo's text.
pub(super) fn echo(body: &[u8]) -> Result<&str, Refused> {
    let mut text = None;
    fields(body, |key, value| match key {
        "d" => set(&mut text, value.str()?),
        _ => value.skip(),
    })?;
    text.ok_or(MALFORMED)
}

/// A piece of an image.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Upload<'b> {
    pub(super) image: Option<u32>,
    pub(super) length: Option<u32>,
    pub(super) offset: Option<u32>,
    pub(super) sha: Option<&'b [u8]>,
    pub(super) data: Option<&'b [u8]>,
    pub(super) upgrade: Option<bool>,
}

impl<'b> Upload<'b> {
    pub(super) fn read(body: &'b [u8]) -> Result<Self, Refused> {
        let mut upload = Self::default();
        fields(body, |key, value| match key {
            "image" => set(&mut upload.image, value.u32()?),
            "len" => set(&mut upload.length, value.u32()?),
            "off" => set(&mut upload.offset, value.u32()?),
            "sha" => set(&mut upload.sha, value.bytes()?),
            "data" => set(&mut upload.data, value.bytes()?),
            "upgrade" => set(&mut upload.upgrade, value.bool()?),
            _ => value.skip(),
        })?;
        Ok(upload)
    }
}

/// A wish about an image's state.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct SetState<'b> {
    pub(super) hash: Option<&'b [u8]>,
    pub(super) confirm: Option<bool>,
}

impl<'b> SetState<'b> {
    pub(super) fn read(body: &'b [u8]) -> Result<Self, Refused> {
        let mut wish = Self::default();
        fields(body, |key, value| match key {
            "hash" => set(&mut wish.hash, value.bytes()?),
            "confirm" => set(&mut wish.confirm, value.bool()?),
            _ => value.skip(),
        })?;
        Ok(wish)
    }
}

/// Which slot to erase; `None`: the one that is erased where nothing is said.
pub(super) fn erase(body: &[u8]) -> Result<Option<u32>, Refused> {
    let mut slot = None;
    fields(body, |key, value| match key {
        "slot" => set(&mut slot, value.u32()?),
        _ => value.skip(),
    })?;
    Ok(slot)
}

/// That a body is a map, whatever is in it.
pub(super) fn nothing(body: &[u8]) -> Result<(), Refused> {
    fields(body, |_, value| value.skip())
}

fn set<T>(place: &mut Option<T>, value: T) -> Result<(), Error> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(Error::message("twice")),
    }
}

/// Gives each key to `field`, which takes the value behind it. No body at all is an empty map.
fn fields<'b>(
    body: &'b [u8],
    field: impl FnMut(&str, &mut Decoder<'b>) -> Result<(), Error>,
) -> Result<(), Refused> {
    if body.is_empty() {
        return Ok(());
    }
    map(body, field).map_err(|_| MALFORMED)
}

fn map<'b>(
    body: &'b [u8],
    mut field: impl FnMut(&str, &mut Decoder<'b>) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut decoder = Decoder::new(body);
    let mut left = decoder.map()?;
    // Every turn takes a byte or ends in an error, so a large count costs nothing.
    loop {
        match &mut left {
            Some(0) => break,
            Some(left) => *left = left.saturating_sub(1),
            None if decoder.datatype()? == Type::Break => {
                decoder.skip()?;
                break;
            }
            None => {}
        }
        let key = decoder.str()?;
        field(key, &mut decoder)?;
    }
    if decoder.position() == body.len() {
        Ok(())
    } else {
        Err(Error::message("bytes behind the map"))
    }
}
