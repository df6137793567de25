//! The forms that a record's fields take on flash, each one CBOR value.

use latchkey_protocol::key::{KEY_LENGTH, SharedKey};
use latchkey_protocol::value::{KeypadCode, Name, Number as Numbered};
use latchkey_protocol::wire::{Field, PinWidth, Reader, Writer};
use minicbor::data::Type;

use super::record::{In, Out};

/// How a value of this type lies on flash.
pub(crate) trait Form<T> {
    /// `None` when there is no room.
    fn write(value: &T, out: &mut Out<'_>) -> Option<()>;
    /// `None` when that is no such value.
    fn read(bytes: &mut In<'_>) -> Option<T>;
}

/// Yes or no.
pub(crate) struct Flag;

impl Form<bool> for Flag {
    fn write(value: &bool, out: &mut Out<'_>) -> Option<()> {
        out.bool(*value).ok().map(|_| ())
    }

    fn read(bytes: &mut In<'_>) -> Option<bool> {
        bytes.bool().ok()
    }
}

/// A count.
pub(crate) struct Unsigned;

impl<T: Copy + Into<u32> + TryFrom<u32>> Form<T> for Unsigned {
    fn write(value: &T, out: &mut Out<'_>) -> Option<()> {
        out.u32((*value).into()).ok().map(|_| ())
    }

    fn read(bytes: &mut In<'_>) -> Option<T> {
        bytes.u32().ok()?.try_into().ok()
    }
}

/// A count that may be below zero.
pub(crate) struct Signed;

impl Form<i16> for Signed {
    fn write(value: &i16, out: &mut Out<'_>) -> Option<()> {
        out.i16(*value).ok().map(|_| ())
    }

    fn read(bytes: &mut In<'_>) -> Option<i16> {
        bytes.i16().ok()
    }
}

/// A measure.
pub(crate) struct Float;

impl Form<f32> for Float {
    fn write(value: &f32, out: &mut Out<'_>) -> Option<()> {
        out.f32(*value).ok().map(|_| ())
    }

    fn read(bytes: &mut In<'_>) -> Option<f32> {
        bytes.f32().ok()
    }
}

/// A number with a meaning. One that this version does not know reads as [`Lenient::FALLBACK`].
pub(crate) struct Number;

/// What to take for a number that only a newer version knows.
pub(crate) trait Lenient: Numbered {
    /// The harmless value.
    const FALLBACK: Self;
}

impl<T> Form<T> for Number
where
    T: Lenient,
    T::Raw: Into<u32> + TryFrom<u32>,
{
    fn write(value: &T, out: &mut Out<'_>) -> Option<()> {
        out.u32(value.number().into()).ok().map(|_| ())
    }

    fn read(bytes: &mut In<'_>) -> Option<T> {
        let raw = T::Raw::try_from(bytes.u32().ok()?).ok();
        Some(raw.and_then(T::from_number).unwrap_or(T::FALLBACK))
    }
}

/// A name, without its padding.
pub(crate) struct Text;

impl<const N: usize> Form<Name<N>> for Text {
    fn write(value: &Name<N>, out: &mut Out<'_>) -> Option<()> {
        let padded = value.as_bytes();
        let last = padded.iter().rposition(|byte| *byte != 0);
        let used = last.map_or(0, |last| last.saturating_add(1));
        out.bytes(padded.get(..used)?).ok().map(|_| ())
    }

    fn read(bytes: &mut In<'_>) -> Option<Name<N>> {
        let stored = bytes.bytes().ok()?;
        let mut padded = [0; N];
        padded.get_mut(..stored.len())?.copy_from_slice(stored);
        Name::from_bytes(padded)
    }
}

/// A keypad code.
pub(crate) struct Code;

impl Form<KeypadCode> for Code {
    fn write(value: &KeypadCode, out: &mut Out<'_>) -> Option<()> {
        value.expose(|code| out.u32(code).ok().map(|_| ()))
    }

    fn read(bytes: &mut In<'_>) -> Option<KeypadCode> {
        KeypadCode::new(bytes.u32().ok()?)
    }
}

/// The key of an authorization.
pub(crate) struct Key;

impl Form<SharedKey> for Key {
    fn write(value: &SharedKey, out: &mut Out<'_>) -> Option<()> {
        value.expose(|key| out.bytes(key).ok().map(|_| ()))
    }

    fn read(bytes: &mut In<'_>) -> Option<SharedKey> {
        let mut key: [u8; KEY_LENGTH] = bytes.bytes().ok()?.try_into().ok()?;
        Some(SharedKey::from_bytes(&mut key))
    }
}

/// A value in its form on the wire, which the published protocol freezes.
pub(crate) struct Wire;

/// The longest such value, in bytes.
const VALUE_MAX: usize = 32;

impl<T: Field> Form<T> for Wire {
    fn write(value: &T, out: &mut Out<'_>) -> Option<()> {
        let mut bytes = [0; VALUE_MAX];
        let mut fields = Writer::new(&mut bytes);
        fields.field(value);
        let length = fields.finish().ok()?;
        out.bytes(bytes.get(..length)?).ok().map(|_| ())
    }

    fn read(bytes: &mut In<'_>) -> Option<T> {
        // No stored value holds a PIN, so its width is of no account.
        Reader::new(bytes.bytes().ok()?, PinWidth::Long).whole().ok()
    }
}

/// A value that may be missing.
pub(crate) struct Maybe<F>(F);

impl<T, F: Form<T>> Form<Option<T>> for Maybe<F> {
    fn write(value: &Option<T>, out: &mut Out<'_>) -> Option<()> {
        match value {
            Some(value) => F::write(value, out),
            None => out.null().ok().map(|_| ()),
        }
    }

    fn read(bytes: &mut In<'_>) -> Option<Option<T>> {
        if bytes.datatype().ok()? == Type::Null {
            return bytes.null().ok().map(|()| None);
        }
        F::read(bytes).map(Some)
    }
}
