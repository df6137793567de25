//! Bodies of requests, taken from their CBOR maps. What is not known is passed over, as the protocol wants it; what is
//! there twice or of another kind is refused. Nothing is copied.

use minicbor::data::Type;
use minicbor::decode::Decoder;

use super::fault::{Management, Refused};

const MALFORMED: Refused = Refused::request(
    Management::Invalid,
    "the body is not a map as this command has it",
);

/// An echo's text.
pub(super) fn echo(body: &[u8]) -> Result<&str, Refused> {
    let mut text = None;
    fields(body, &mut |key, value| match key {
        "d" => set(&mut text, value.str().ok()?),
        _ => value.skip().ok(),
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
        fields(body, &mut |key, value| match key {
            "image" => set(&mut upload.image, value.u32().ok()?),
            "len" => set(&mut upload.length, value.u32().ok()?),
            "off" => set(&mut upload.offset, value.u32().ok()?),
            "sha" => set(&mut upload.sha, value.bytes().ok()?),
            "data" => set(&mut upload.data, value.bytes().ok()?),
            "upgrade" => set(&mut upload.upgrade, value.bool().ok()?),
            _ => value.skip().ok(),
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
        fields(body, &mut |key, value| match key {
            "hash" => set(&mut wish.hash, value.bytes().ok()?),
            "confirm" => set(&mut wish.confirm, value.bool().ok()?),
            _ => value.skip().ok(),
        })?;
        Ok(wish)
    }
}

/// Which slot to erase; `None`: the one that is erased where nothing is said.
pub(super) fn erase(body: &[u8]) -> Result<Option<u32>, Refused> {
    let mut slot = None;
    fields(body, &mut |key, value| match key {
        "slot" => set(&mut slot, value.u32().ok()?),
        _ => value.skip().ok(),
    })?;
    Ok(slot)
}

/// That a body is a map, whatever is in it.
pub(super) fn nothing(body: &[u8]) -> Result<(), Refused> {
    fields(body, &mut |_, value| value.skip().ok())
}

fn set<T>(place: &mut Option<T>, value: T) -> Option<()> {
    match place.replace(value) {
        None => Some(()),
        // Twice.
        Some(_) => None,
    }
}

/// Takes the value behind a key; `None` when it is not what belongs there.
type Field<'f, 'b> = &'f mut dyn FnMut(&str, &mut Decoder<'b>) -> Option<()>;

/// Gives each key to `field`. No body at all is an empty map.
fn fields<'b>(body: &'b [u8], field: Field<'_, 'b>) -> Result<(), Refused> {
    if body.is_empty() {
        return Ok(());
    }
    map(body, field).ok_or(MALFORMED)
}

fn map<'b>(body: &'b [u8], field: Field<'_, 'b>) -> Option<()> {
    let mut decoder = Decoder::new(body);
    let mut left = decoder.map().ok()?;
    // Every turn takes a byte or ends in an error, so a large count costs nothing.
    loop {
        match &mut left {
            Some(0) => break,
            Some(left) => *left = left.saturating_sub(1),
            None if decoder.datatype().ok()? == Type::Break => {
                decoder.skip().ok()?;
                break;
            }
            None => {}
        }
        let key = decoder.str().ok()?;
        field(key, &mut decoder)?;
    }
    // Nothing may stand behind the map.
    (decoder.position() == body.len()).then_some(())
}
