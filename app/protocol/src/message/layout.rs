//! How a message is written down: its fields in the order of the wire, once, for reading and for writing.
//!
//! Three kinds, as the specification's table has them: `plain` ends with its last field, `challenged` with the
//! nonce of a fresh challenge, `guarded` with that nonce and the security PIN. What is challenged or guarded asks
//! for something and must be understood whole; what is plain reports.

use crate::value::{Nonce, Pin};
use crate::wire::{Field, Malformed, PinWidth, Reader, Writer};

/// The number in front of every message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Command(pub u16);

impl Field for Command {
    const MAX: usize = 2;

    fn write(&self, out: &mut Writer<'_>) {
        out.field(&self.0);
    }

    fn read(from: &mut Reader<'_>) -> Option<Self> {
        from.field().map(Self)
    }
}

/// Something to be put into a frame: one message, or one of a catalogue.
pub trait Payload {
    /// Its number.
    fn command(&self) -> Command;

    /// Appends the payload.
    fn write(&self, out: &mut Writer<'_>);
}

/// Something that one side says to the other.
pub trait Message: Payload + Sized {
    /// Its number.
    const COMMAND: Command;

    /// The most bytes its payload takes, with the wider PIN and every optional field.
    const MAX: usize;

    /// Reads the fields of a payload.
    fn fields(from: &mut Reader<'_>) -> Option<Self>;

    /// Reads a whole payload.
    ///
    /// # Errors
    /// [`Malformed`], also when a byte is left over.
    fn read(payload: &[u8], width: PinWidth) -> Result<Self, Malformed> {
        let mut from = Reader::new(payload, width);
        let message = Self::fields(&mut from);
        from.finish(message)
    }

    /// The challenge's nonce, for messages that need one.
    fn nonce(&self) -> Option<&Nonce> {
        None
    }

    /// The security PIN, for messages that need it.
    fn pin(&self) -> Option<&Pin> {
        None
    }
}

/// The three kinds of messages.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    Plain,
    Challenged,
    Guarded,
}

impl Kind {
    /// Begins to read one: what stands behind the fields is taken off first, so that optional fields see where they
    /// end.
    pub(crate) fn begin(self, from: &mut Reader<'_>) -> Option<()> {
        match self {
            Self::Plain => {
                from.is_report();
                Some(())
            }
            Self::Challenged => from.split_end(Nonce::MAX),
            Self::Guarded => from.split_end(from.pin_width().bytes().saturating_add(Nonce::MAX)),
        }
    }
}

/// The most bytes that fields take together.
#[allow(
    clippy::arithmetic_side_effects,
    reason = "evaluated at compile time, where an overflow is an error"
)]
pub(crate) const fn sum(mut fields: &[usize]) -> usize {
    let mut total = 0;
    while let [first, rest @ ..] = fields {
        total += *first;
        fields = rest;
    }
    total
}

macro_rules! messages {
    () => {};
    (
        $(#[$meta:meta])*
        plain $name:ident = $command:literal { $($(#[$field_meta:meta])* $field:ident: $type:ty,)* }
        $($rest:tt)*
    ) => {
        $(#[$meta])*
        #[derive(Debug, PartialEq)]
        pub struct $name { $($(#[$field_meta])* pub $field: $type,)* }

        $crate::message::layout::message! { $name = $command Plain { $($field: $type,)* } {} }
        $crate::message::layout::messages! { $($rest)* }
    };
    (
        $(#[$meta:meta])*
        challenged $name:ident = $command:literal { $($(#[$field_meta:meta])* $field:ident: $type:ty,)* }
        $($rest:tt)*
    ) => {
        $(#[$meta])*
        #[derive(Debug, PartialEq)]
        pub struct $name {
            $($(#[$field_meta])* pub $field: $type,)*
            /// From the lock's last challenge.
            pub nonce: $crate::value::Nonce,
        }

        $crate::message::layout::message! {
            $name = $command Challenged { $($field: $type,)* } { nonce: $crate::value::Nonce }
        }
        $crate::message::layout::messages! { $($rest)* }
    };
    (
        $(#[$meta:meta])*
        guarded $name:ident = $command:literal { $($(#[$field_meta:meta])* $field:ident: $type:ty,)* }
        $($rest:tt)*
    ) => {
        $(#[$meta])*
        #[derive(Debug, PartialEq)]
        pub struct $name {
            $($(#[$field_meta])* pub $field: $type,)*
            /// From the lock's last challenge.
            pub nonce: $crate::value::Nonce,
            /// The lock's security PIN.
            pub pin: $crate::value::Pin,
        }

        $crate::message::layout::message! {
            $name = $command Guarded { $($field: $type,)* }
            { nonce: $crate::value::Nonce, pin: $crate::value::Pin }
        }
        $crate::message::layout::messages! { $($rest)* }
    };
}

macro_rules! message {
    (
        $name:ident = $command:literal $kind:ident { $($field:ident: $type:ty,)* }
        { $($end:ident: $end_type:ty),* }
    ) => {
        impl $crate::message::Payload for $name {
            fn command(&self) -> $crate::message::Command {
                <Self as $crate::message::Message>::COMMAND
            }

            #[allow(unused_variables, reason = "not every message has fields")]
            fn write(&self, out: &mut $crate::wire::Writer<'_>) {
                $(out.field(&self.$field);)*
                $(out.field(&self.$end);)*
            }
        }

        impl $crate::message::Message for $name {
            const COMMAND: $crate::message::Command = $crate::message::Command($command);
            const MAX: usize = $crate::message::layout::sum(&[
                $(<$type as $crate::wire::Field>::MAX,)*
                $(<$end_type as $crate::wire::Field>::MAX,)*
            ]);

            #[inline(never)]
            fn fields(from: &mut $crate::wire::Reader<'_>) -> Option<Self> {
                $crate::message::layout::Kind::$kind.begin(from)?;
                Some(Self {
                    $($field: from.field()?,)*
                    $($end: from.end_field()?,)*
                })
            }

            $(
                fn $end(&self) -> Option<&$end_type> {
                    Some(&self.$end)
                }
            )*
        }
    };
}

pub(crate) use {message, messages};
