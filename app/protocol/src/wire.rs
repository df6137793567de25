//! Fields as bytes: a cursor that reads them, a cursor that writes them, and [`Field`], which every value of the
//! protocol implements once, for both directions.
//!
//! Integers are little endian. Nothing here knows what a message is.

use core::fmt;

/// How wide the security PIN is on the wire. Fixed by the family of the lock, not by the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PinWidth {
    /// Two bytes: generations 1 to 4.
    Short,
    /// Four bytes: the 5th generation and what speaks like it.
    Long,
}

impl PinWidth {
    /// Bytes a PIN takes.
    #[must_use]
    pub const fn bytes(self) -> usize {
        match self {
            Self::Short => 2,
            Self::Long => 4,
        }
    }
}

/// Why bytes are not the message they should be. Nothing was taken from them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// The bytes end before the message does; `missing` more were needed for the field that was cut.
    TooShort {
        /// Bytes that the field lacks.
        missing: usize,
    },
    /// The message ends before the bytes do.
    TooLong {
        /// Bytes left over.
        extra: usize,
    },
    /// A field holds a value that has no meaning; the text names the kind of field, never its content.
    Value(&'static str),
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooShort { missing } => write!(f, "the message ends {missing} bytes too early"),
            Self::TooLong { extra } => write!(f, "{extra} bytes follow the end of the message"),
            Self::Value(what) => write!(f, "the message holds no known {what}"),
        }
    }
}

impl core::error::Error for Malformed {}

/// Reads fields one after the other. Why one could not be read is kept here and said once, by [`Reader::finish`]:
/// a reason passed on from every field of every message would be more code than the reading.
pub struct Reader<'a> {
    rest: &'a [u8],
    end: &'a [u8],
    pin_width: PinWidth,
    report: bool,
    wrong: Option<Malformed>,
}

impl<'a> Reader<'a> {
    /// Starts at the first of these bytes.
    #[must_use]
    pub const fn new(bytes: &'a [u8], pin_width: PinWidth) -> Self {
        Self {
            rest: bytes,
            end: &[],
            pin_width,
            report: false,
            wrong: None,
        }
    }

    /// The same for what a lock reports.
    #[must_use]
    pub const fn of_report(bytes: &'a [u8], pin_width: PinWidth) -> Self {
        let mut reader = Self::new(bytes, pin_width);
        reader.is_report();
        reader
    }

    /// What follows is a lock's report: there a flag is set by anything but 0, since newer locks are known to put
    /// more into what was one.
    pub const fn is_report(&mut self) {
        self.report = true;
    }

    /// How wide PINs are here.
    #[must_use]
    pub const fn pin_width(&self) -> PinWidth {
        self.pin_width
    }

    /// Bytes not read yet.
    #[must_use]
    pub const fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// The next `N` bytes; `None` when there are fewer.
    pub fn bytes<const N: usize>(&mut self) -> Option<&'a [u8; N]> {
        self.take(N)?.first_chunk()
    }

    #[inline(never)]
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let Some((head, rest)) = self.rest.split_at_checked(length) else {
            return self.is_short_of(length);
        };
        self.rest = rest;
        Some(head)
    }

    /// The next field; `None` when it cannot be read.
    pub fn field<T: Field>(&mut self) -> Option<T> {
        T::read(self)
    }

    /// The next field of what [`Reader::split_end`] took away.
    pub fn end_field<T: Field>(&mut self) -> Option<T> {
        core::mem::swap(&mut self.rest, &mut self.end);
        let field = self.field();
        core::mem::swap(&mut self.rest, &mut self.end);
        field
    }

    /// Takes the last `length` bytes away, to be read apart: messages end in a nonce and a PIN, and what is left in
    /// front of them tells which optional fields are there. `None` when there are fewer.
    pub fn split_end(&mut self, length: usize) -> Option<()> {
        let at = self.rest.len().checked_sub(length);
        let Some((rest, end)) = at.and_then(|at| self.rest.split_at_checked(at)) else {
            return self.is_short_of(length);
        };
        (self.rest, self.end) = (rest, end);
        Some(())
    }

    /// Overlooks the next `length` bytes; `None` when there are fewer.
    pub fn skip(&mut self, length: usize) -> Option<()> {
        self.take(length).map(|_| ())
    }

    /// Overlooks what is left.
    pub fn skip_rest(&mut self) {
        self.rest = &[];
    }

    /// Passes on the meaning of what was read. Without one the bytes are malformed: they hold no known `what`.
    pub fn known<T>(&mut self, meaning: Option<T>, what: &'static str) -> Option<T> {
        if meaning.is_none() {
            self.refuse(Malformed::Value(what));
        }
        meaning
    }

    /// Ends the reading of a value.
    ///
    /// # Errors
    /// Why it is none, or [`Malformed::TooLong`] when something is left.
    pub fn finish<T>(self, read: Option<T>) -> Result<T, Malformed> {
        let extra = self.rest.len().saturating_add(self.end.len());
        match (read, self.wrong) {
            (Some(value), None) if extra == 0 => Ok(value),
            (_, Some(why)) => Err(why),
            (_, None) => Err(Malformed::TooLong { extra }),
        }
    }

    /// Reads the one value that the bytes are.
    ///
    /// # Errors
    /// Those of [`Reader::finish`].
    pub fn whole<T: Field>(mut self) -> Result<T, Malformed> {
        let read = self.field();
        self.finish(read)
    }

    fn is_short_of<T>(&mut self, length: usize) -> Option<T> {
        let missing = length.saturating_sub(self.rest.len());
        self.refuse(Malformed::TooShort { missing });
        None
    }

    /// The first reason counts.
    fn refuse(&mut self, why: Malformed) {
        self.wrong.get_or_insert(why);
    }
}

/// The buffer cannot take the message. What was written so far is a fragment and must not be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoRoom;

impl fmt::Display for NoRoom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the buffer is too small for the message; nothing was sent")
    }
}

impl core::error::Error for NoRoom {}

/// Writes fields one after the other. That the buffer was too small is said once, by [`Writer::finish`].
pub struct Writer<'a> {
    rest: &'a mut [u8],
    written: usize,
    overflowed: bool,
}

impl<'a> Writer<'a> {
    /// Starts at the first byte of `out`.
    #[must_use]
    pub const fn new(out: &'a mut [u8]) -> Self {
        Self {
            rest: out,
            written: 0,
            overflowed: false,
        }
    }

    /// Appends bytes.
    pub fn bytes(&mut self, bytes: &[u8]) {
        match core::mem::take(&mut self.rest).split_at_mut_checked(bytes.len()) {
            Some((head, rest)) if !self.overflowed => {
                head.copy_from_slice(bytes);
                self.rest = rest;
                self.written = self.written.saturating_add(bytes.len());
            }
            _ => self.overflowed = true,
        }
    }

    /// Appends a field.
    pub fn field<T: Field>(&mut self, field: &T) {
        field.write(self);
    }

    /// The number of bytes written.
    ///
    /// # Errors
    /// [`NoRoom`] when anything did not fit.
    pub const fn finish(self) -> Result<usize, NoRoom> {
        if self.overflowed {
            Err(NoRoom)
        } else {
            Ok(self.written)
        }
    }
}

/// A value with one form on the wire.
pub trait Field: Sized {
    /// The most bytes it takes.
    const MAX: usize;

    /// Appends it.
    fn write(&self, out: &mut Writer<'_>);

    /// Reads it back; `None` when the bytes end too early or have no meaning, which the reader then knows.
    fn read(from: &mut Reader<'_>) -> Option<Self>;
}

macro_rules! integers {
    ($($integer:ty),+) => { $(
        impl Field for $integer {
            const MAX: usize = size_of::<Self>();

            fn write(&self, out: &mut Writer<'_>) {
                out.bytes(&self.to_le_bytes());
            }

            fn read(from: &mut Reader<'_>) -> Option<Self> {
                from.bytes().copied().map(Self::from_le_bytes)
            }
        }
    )+ };
}

integers!(u8, u16, u32, i8, i16, f32);

impl<const N: usize> Field for [u8; N] {
    const MAX: usize = N;

    fn write(&self, out: &mut Writer<'_>) {
        out.bytes(self);
    }

    fn read(from: &mut Reader<'_>) -> Option<Self> {
        from.bytes().copied()
    }
}

/// One byte, 0 or 1. Anything else is refused in what is asked for, and means 1 in what a lock reports.
impl Field for bool {
    const MAX: usize = 1;

    fn write(&self, out: &mut Writer<'_>) {
        out.bytes(&[u8::from(*self)]);
    }

    fn read(from: &mut Reader<'_>) -> Option<Self> {
        let value = match from.bytes()? {
            [0] => Some(false),
            [1] => Some(true),
            _ => from.report.then_some(true),
        };
        from.known(value, "flag")
    }
}

/// A field that newer firmware has and older firmware has not. It is there when bytes are left, so it can only
/// stand at the end of a message (or right before its nonce).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tail<T>(pub Option<T>);

impl<T: Field> Field for Tail<T> {
    const MAX: usize = T::MAX;

    fn write(&self, out: &mut Writer<'_>) {
        if let Some(field) = &self.0 {
            field.write(out);
        }
    }

    fn read(from: &mut Reader<'_>) -> Option<Self> {
        if from.remaining() == 0 {
            return Some(Self(None));
        }
        from.field().map(Some).map(Self)
    }
}

impl<T> From<T> for Tail<T> {
    fn from(field: T) -> Self {
        Self(Some(field))
    }
}

/// Something that may be left out, in its fixed place: a flag says whether it counts, the bytes are always there.
/// When they do not count they are written as zeros and read as anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Always<T>(pub Option<T>);

impl<T: Field + Default> Field for Always<T> {
    const MAX: usize = T::MAX.saturating_add(1);

    fn write(&self, out: &mut Writer<'_>) {
        out.field(&self.0.is_some());
        match &self.0 {
            Some(value) => out.field(value),
            None => out.field(&T::default()),
        }
    }

    fn read(from: &mut Reader<'_>) -> Option<Self> {
        if from.field()? {
            return from.field().map(Some).map(Self);
        }
        from.skip(T::MAX)?;
        Some(Self(None))
    }
}

impl<T> From<Option<T>> for Always<T> {
    fn from(value: Option<T>) -> Self {
        Self(value)
    }
}

/// Whatever is left, which no known version gives a meaning. Overlooked when read; nothing when written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rest;

impl Field for Rest {
    const MAX: usize = 0;

    fn write(&self, _: &mut Writer<'_>) {}

    fn read(from: &mut Reader<'_>) -> Option<Self> {
        from.skip_rest();
        Some(Self)
    }
}
