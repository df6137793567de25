//! What every record on flash has in common: keys, their order, and what a newer or an older version left there.
//!
//! [`record!`] gives a struct its codec from one table. A derived one would do the same, at twice the flash: it writes
//! each reader out for maps of known and of unknown length, and no record here ever has the latter.

use minicbor::encode::write::Cursor;

/// Where a record is written to.
pub(crate) type Out<'o> = minicbor::Encoder<Cursor<&'o mut [u8]>>;
/// Where a record is read from.
pub(crate) type In<'b> = minicbor::Decoder<'b>;

/// Something that lies on flash as one record.
pub(crate) trait Record: Sized {
    /// `None` when there is no room.
    fn write(&self, out: &mut Out<'_>) -> Option<()>;
    /// `None` when no version of this program wrote that.
    fn read(bytes: &mut In<'_>) -> Option<Self>;
}

/// How a record's fields are found.
#[derive(Clone, Copy)]
pub(crate) enum Shape {
    /// Each behind its key.
    Map,
    /// Each at its place, for records that have to be short.
    Array,
}

/// Writes a record into `out`; `None` when it does not fit.
pub(crate) fn encode<'o, T: Record>(record: &T, out: &'o mut [u8]) -> Option<&'o [u8]> {
    let mut to = Out::new(Cursor::new(&mut *out));
    record.write(&mut to)?;
    let length = to.writer().position();
    out.get(..length)
}

/// Reads a record; `None` unless the bytes are exactly one.
pub(crate) fn decode<T: Record>(bytes: &[u8]) -> Option<T> {
    let mut from = In::new(bytes);
    let record = T::read(&mut from)?;
    (from.position() == bytes.len()).then_some(record)
}

/// Begins a record of so many fields.
pub(crate) fn begin(out: &mut Out<'_>, shape: Shape, fields: &[u32]) -> Option<()> {
    let count = u64::try_from(fields.len()).ok()?;
    let begun = match shape {
        Shape::Map => out.map(count),
        Shape::Array => out.array(count),
    };
    begun.ok().map(|_| ())
}

/// Writes what stands before a field.
pub(crate) fn key(out: &mut Out<'_>, shape: Shape, key: u32) -> Option<()> {
    match shape {
        Shape::Map => out.u32(key).ok().map(|_| ()),
        Shape::Array => Some(()),
    }
}

/// Reads a record field by field. `field` says whether it knew the key; what it does not know is skipped, because a
/// newer version wrote it. `required` has a bit for each key, of the first 32, without which there is no record.
pub(crate) fn fields(
    bytes: &mut In<'_>,
    shape: Shape,
    required: u32,
    field: &mut dyn FnMut(u32, &mut In<'_>) -> Option<bool>,
) -> Option<()> {
    let count = match shape {
        Shape::Map => bytes.map(),
        Shape::Array => bytes.array(),
    };
    let mut there = 0;
    for place in 0..count.ok()?? {
        let key = match shape {
            Shape::Map => bytes.u32().ok()?,
            Shape::Array => u32::try_from(place).ok()?,
        };
        if !field(key, bytes)? {
            bytes.skip().ok()?;
        }
        there |= 1_u32.checked_shl(key).unwrap_or(0);
    }
    (there & required == required).then_some(())
}

/// The bits of these keys, for [`fields`].
pub(crate) const fn bits(mut keys: &[u32]) -> u32 {
    let mut bits = 0;
    while let [first, rest @ ..] = keys {
        bits |= 1 << *first;
        keys = rest;
    }
    bits
}

/// Makes a struct a [`Record`]: its shape, what to start reading from, and which field lies under which key in which
/// [`Form`](super::form::Form). Without a required field there is no record; without an optional one, the field is as
/// it was at the start.
macro_rules! record {
    (
        $record:ident as $shape:ident from $blank:expr;
        required { $($key:literal => $field:ident: $form:ty),* $(,)? }
        optional { $($late_key:literal => $late:ident: $late_form:ty),* $(,)? }
    ) => {
        impl $crate::store::record::Record for $record {
            fn write(&self, out: &mut $crate::store::record::Out<'_>) -> Option<()> {
                use $crate::store::form::Form;
                use $crate::store::record::{Shape, begin, key};
                begin(out, Shape::$shape, &[$($key,)* $($late_key,)*])?;
                $(
                    key(out, Shape::$shape, $key)?;
                    <$form as Form<_>>::write(&self.$field, out)?;
                )*
                $(
                    key(out, Shape::$shape, $late_key)?;
                    <$late_form as Form<_>>::write(&self.$late, out)?;
                )*
                Some(())
            }

            fn read(bytes: &mut $crate::store::record::In<'_>) -> Option<Self> {
                use $crate::store::form::Form;
                use $crate::store::record::{Shape, bits, fields};
                const REQUIRED: u32 = bits(&[$($key),*]);
                let mut record: Self = $blank;
                fields(bytes, Shape::$shape, REQUIRED, &mut |key, bytes| {
                    match key {
                        $($key => record.$field = <$form as Form<_>>::read(bytes)?,)*
                        $($late_key => record.$late = <$late_form as Form<_>>::read(bytes)?,)*
                        _ => return Some(false),
                    }
                    Some(true)
                })?;
                Some(record)
            }
        }
    };
}
pub(crate) use record;
