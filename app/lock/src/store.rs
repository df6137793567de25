//! Records on flash: under which key each lies, and how it is written.
//!
//! Every record is one CBOR map with small integer keys. A key that this version does not know is skipped and one
//! that is missing has a default, so an older image reads what a newer one wrote and the other way round. Storage
//! keys and map keys are frozen: they are on locks. Nothing here decides anything.

use embedded_storage::nor_flash::NorFlash;
use latchkey_storage::{ENTRY_MAX, Key, Storage};
use minicbor::encode::write::Cursor;
use minicbor::{Decode, Encode};
use zeroize::Zeroizing;

/// The longest record, in bytes.
pub(crate) const RECORD_MAX: usize = 512;

/// Who the lock is and what it handed out. Written at the first start.
pub(crate) const LOCK: Key = Key(0x0100);
/// The configuration.
pub(crate) const CONFIG: Key = Key(0x0101);
/// The advanced configuration.
pub(crate) const ADVANCED: Key = Key(0x0102);
/// The security PIN.
pub(crate) const PIN: Key = Key(0x0103);
/// Wrong guesses in a row.
pub(crate) const GUESSES: Key = Key(0x0104);
/// Where the bolt stands, and its stops.
pub(crate) const BOLT: Key = Key(0x0105);
/// Time control entries.
pub(crate) const TIME_CONTROL: Key = Key(0x0106);
/// The latest time that the lock was told.
pub(crate) const CLOCK: Key = Key(0x0107);
/// Authorizations, one to a slot from here on.
pub(crate) const AUTHORIZATIONS: u16 = 0x1000;
/// Keypad codes, one to a slot from here on.
pub(crate) const CODES: u16 = 0x2000;

/// A record could not be read or written. What was to be done with it was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreFailed;

/// The record under this key; `None` when there is none.
///
/// # Errors
/// [`StoreFailed`] also when no version of this program wrote what lies there: what cannot be read is never taken
/// for what was never set.
#[inline(never)]
pub(crate) fn load<T, F>(storage: &mut Storage<F>, key: Key) -> Result<Option<T>, StoreFailed>
where
    T: for<'b> Decode<'b, ()>,
    F: NorFlash,
{
    let mut buffer = Zeroizing::new([0; RECORD_MAX]);
    let found = storage.get(key, &mut *buffer).map_err(|_| StoreFailed)?;
    found
        .map(|bytes| minicbor::decode(bytes).map_err(|_| StoreFailed))
        .transpose()
}

/// Writes a record. It is on flash, whole, when this returns without an error.
#[inline(never)]
pub(crate) fn save<T, F>(storage: &mut Storage<F>, key: Key, record: &T) -> Result<(), StoreFailed>
where
    T: Encode<()>,
    F: NorFlash,
{
    let mut buffer = Zeroizing::new([0; RECORD_MAX]);
    let bytes = encode(record, &mut *buffer).ok_or(StoreFailed)?;
    storage.put(key, bytes).map_err(|_| StoreFailed)
}

/// Removes a record. Neither it nor any earlier one under its key can be read from flash any more when this returns
/// without an error.
pub(crate) fn remove<F: NorFlash>(storage: &mut Storage<F>, key: Key) -> Result<(), StoreFailed> {
    storage.remove(key).map_err(|_| StoreFailed)
}

/// Appends to the log. The entry is on flash when this returns without an error.
#[inline(never)]
pub(crate) fn append<T, F>(storage: &mut Storage<F>, entry: &T) -> Result<(), StoreFailed>
where
    T: Encode<()>,
    F: NorFlash,
{
    let mut buffer = [0; ENTRY_MAX];
    let bytes = encode(entry, &mut buffer).ok_or(StoreFailed)?;
    storage.append(bytes).map_err(|_| StoreFailed)?;
    Ok(())
}

/// The log entry of this number; `None` when it is gone, damaged or of no version of this program.
#[inline(never)]
pub(crate) fn entry<T, F>(storage: &mut Storage<F>, number: u32) -> Option<T>
where
    T: for<'b> Decode<'b, ()>,
    F: NorFlash,
{
    let mut buffer = [0; ENTRY_MAX];
    let found = storage.entry(number, &mut buffer).ok().flatten();
    found.and_then(|bytes| minicbor::decode(bytes).ok())
}

/// Writes a record into `out`; `None` when it does not fit.
pub(crate) fn encode<'o, T: Encode<()>>(record: &T, out: &'o mut [u8]) -> Option<&'o [u8]> {
    let mut cursor = Cursor::new(&mut *out);
    minicbor::encode(record, &mut cursor).ok()?;
    let length = cursor.position();
    out.get(..length)
}

/// A number with a meaning, as its number. One that this version does not know reads as [`Lenient::FALLBACK`].
pub(crate) mod number {
    use latchkey_protocol::value::Number;
    use minicbor::decode::{Decoder, Error as DecodeError};
    use minicbor::encode::{Encoder, Error as EncodeError, Write};

    use super::Lenient;

    pub(crate) fn encode<C, T, W: Write>(
        v: &T,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), EncodeError<W::Error>>
    where
        T: Number,
        T::Raw: Into<u32>,
    {
        e.u32(v.number().into())?.ok()
    }

    pub(crate) fn decode<C, T>(d: &mut Decoder<'_>, _: &mut C) -> Result<T, DecodeError>
    where
        T: Lenient,
        T::Raw: TryFrom<u32>,
    {
        let raw = T::Raw::try_from(d.u32()?).ok();
        Ok(raw.and_then(T::from_number).unwrap_or(T::FALLBACK))
    }
}

/// What to take for a number that only a newer version knows.
pub(crate) trait Lenient: latchkey_protocol::value::Number {
    /// The harmless value.
    const FALLBACK: Self;
}

/// A name, without its padding.
pub(crate) mod name {
    use latchkey_protocol::value::Name;
    use minicbor::decode::{Decoder, Error as DecodeError};
    use minicbor::encode::{Encoder, Error as EncodeError, Write};

    pub(crate) fn encode<C, W: Write, const N: usize>(
        v: &Name<N>,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), EncodeError<W::Error>> {
        let used = v
            .as_bytes()
            .iter()
            .rposition(|byte| *byte != 0)
            .map_or(0, |last| last.saturating_add(1));
        e.bytes(v.as_bytes().get(..used).unwrap_or_default())?.ok()
    }

    pub(crate) fn decode<C, const N: usize>(d: &mut Decoder<'_>, _: &mut C) -> Result<Name<N>, DecodeError> {
        let stored = d.bytes()?;
        let mut bytes = [0; N];
        bytes
            .get_mut(..stored.len())
            .ok_or(DecodeError::message("a name is too long"))?
            .copy_from_slice(stored);
        Name::from_bytes(bytes).ok_or(DecodeError::message("a name is no text"))
    }
}

/// A keypad code.
pub(crate) mod code {
    use latchkey_protocol::value::KeypadCode;
    use minicbor::decode::{Decoder, Error as DecodeError};
    use minicbor::encode::{Encoder, Error as EncodeError, Write};

    pub(crate) fn encode<C, W: Write>(
        v: &KeypadCode,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), EncodeError<W::Error>> {
        v.expose(|code| e.u32(code).map(|_| ()))
    }

    pub(crate) fn decode<C>(d: &mut Decoder<'_>, _: &mut C) -> Result<KeypadCode, DecodeError> {
        KeypadCode::new(d.u32()?).ok_or(DecodeError::message("a code is none"))
    }
}

/// The key of an authorization.
pub(crate) mod shared_key {
    use latchkey_protocol::key::{KEY_LENGTH, SharedKey};
    use minicbor::decode::{Decoder, Error as DecodeError};
    use minicbor::encode::{Encoder, Error as EncodeError, Write};

    pub(crate) fn encode<C, W: Write>(
        v: &SharedKey,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), EncodeError<W::Error>> {
        v.expose(|bytes| e.bytes(bytes).map(|_| ()))
    }

    pub(crate) fn decode<C>(d: &mut Decoder<'_>, _: &mut C) -> Result<SharedKey, DecodeError> {
        let mut bytes: [u8; KEY_LENGTH] = d
            .bytes()?
            .try_into()
            .map_err(|_| DecodeError::message("a key has another length"))?;
        Ok(SharedKey::from_bytes(&mut bytes))
    }
}

/// A value in its form on the wire, which the published protocol freezes.
pub(crate) mod wire {
    use latchkey_protocol::wire::{Field, PinWidth, Reader, Writer};
    use minicbor::decode::{Decoder, Error as DecodeError};
    use minicbor::encode::{Encoder, Error as EncodeError, Write};

    /// The longest such value, in bytes.
    const VALUE_MAX: usize = 32;

    pub(crate) fn encode<C, T: Field, W: Write>(
        v: &T,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), EncodeError<W::Error>> {
        let mut bytes = [0; VALUE_MAX];
        let mut fields = Writer::new(&mut bytes);
        fields.field(v);
        let length = fields
            .finish()
            .map_err(|_| EncodeError::message("a value is too long"))?;
        e.bytes(bytes.get(..length).unwrap_or_default())?.ok()
    }

    pub(crate) fn decode<C, T: Field>(d: &mut Decoder<'_>, _: &mut C) -> Result<T, DecodeError> {
        // No stored value holds a PIN, so its width is of no account.
        let value = Reader::new(d.bytes()?, PinWidth::Long).whole();
        value.map_err(|_| DecodeError::message("a value has no meaning, or is too long"))
    }
}

/// A value in its form on the wire that may be missing.
pub(crate) mod optional_wire {
    use latchkey_protocol::wire::Field;
    use minicbor::decode::{Decoder, Error as DecodeError};
    use minicbor::encode::{Encoder, Error as EncodeError, Write};

    pub(crate) fn encode<C, T: Field, W: Write>(
        v: &Option<T>,
        e: &mut Encoder<W>,
        context: &mut C,
    ) -> Result<(), EncodeError<W::Error>> {
        match v {
            Some(value) => super::wire::encode(value, e, context),
            None => e.null()?.ok(),
        }
    }

    pub(crate) fn decode<C, T: Field>(
        d: &mut Decoder<'_>,
        context: &mut C,
    ) -> Result<Option<T>, DecodeError> {
        if d.datatype()? == minicbor::data::Type::Null {
            return d.null().map(|()| None);
        }
        super::wire::decode(d, context).map(Some)
    }
}
