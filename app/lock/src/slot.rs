//! Who may write the DFU slot: the network or a phone, one at a time. Knows no flash.
//!
//! Whoever has it keeps it until it gives it back, and has it for good once an install was asked for: what is to be
//! installed is not written over by somebody else. A restart frees it, as it is nowhere but here; what a power cut
//! leaves half written is known to the mailbox.

use core::fmt;

/// A way on which images come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The update server.
    Network,
    /// A phone, over SMP.
    Phone,
}

/// Another one has the slot. Nothing was changed; try again later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Who.
    pub by: Source,
}

impl Taken {
    /// Who has it, and what to do.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self.by {
            Source::Network => "an update from the server is under way; try again later",
            Source::Phone => "an update from a phone is under way; try again later",
        }
    }
}

impl fmt::Display for Taken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.words())
    }
}

impl core::error::Error for Taken {}

/// See the module's header.
#[derive(Debug, Default)]
pub struct Slot {
    owner: Option<Source>,
    asked: bool,
}

impl Slot {
    /// Nobody's.
    #[must_use]
    pub const fn free() -> Self {
        Self {
            owner: None,
            asked: false,
        }
    }

    /// Takes the slot, or keeps it.
    ///
    /// # Errors
    /// [`Taken`].
    pub fn claim(&mut self, source: Source) -> Result<(), Taken> {
        match self.owner {
            Some(by) if by != source => Err(Taken { by }),
            Some(_) | None => {
                self.owner = Some(source);
                Ok(())
            }
        }
    }

    /// An install of what this one wrote was asked for.
    pub fn asked(&mut self, source: Source) {
        if self.owner == Some(source) {
            self.asked = true;
        }
    }

    /// This one is through with it for now. Where an install was asked for, it stays with it.
    pub fn release(&mut self, source: Source) {
        if self.owner == Some(source) && !self.asked {
            self.owner = None;
        }
    }

    /// What this one asked for is not to be installed any more.
    pub fn withdraw(&mut self, source: Source) {
        if self.owner == Some(source) {
            *self = Self::free();
        }
    }

    /// Who has it.
    #[must_use]
    pub fn owner(&self) -> Option<Source> {
        self.owner
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time_and_for_good_once_an_install_was_asked_for() {
        for (one, other) in [(Source::Network, Source::Phone), (Source::Phone, Source::Network)] {
            let mut slot = Slot::free();
            slot.claim(one).unwrap();
            slot.claim(one).unwrap();
            assert_eq!(slot.claim(other), Err(Taken { by: one }));
            slot.release(other);
            slot.asked(other);
            slot.withdraw(other);
            assert_eq!(
                slot.claim(other),
                Err(Taken { by: one }),
                "not the other's to give"
            );
            slot.release(one);
            slot.claim(other).unwrap();
            slot.asked(other);
            slot.release(other);
            assert_eq!(slot.claim(one), Err(Taken { by: other }));
            slot.withdraw(other);
            slot.claim(one).unwrap();
        }
    }
}
