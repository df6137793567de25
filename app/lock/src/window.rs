//! The update window: for how long the lock takes an image from a phone, and what became of it.
//!
//! An owner opens it with an authenticated command that takes a fresh nonce and the security PIN. It closes by time,
//! by the owner, and by a restart, since it is nowhere but here. It does not open while the running image is on
//! trial (the image to return to lies where a new one would go), with a low battery, or while the bolt moves.
//!
//! It belongs to the lock and not to the connection that opened it: the field's tools speak SMP on a connection of
//! their own and know nothing of ours, and a phone may have but one. What a stranger in range gains by that is
//! small, and bounded: one client uploads at a time, only an image that enough release engineers signed for this
//! hardware, not older than what runs, is ever installed, an owner's phone that names the image's digest when it opens
//! the window lets no other one in, and after [`STARTS`] uploads no other is begun, so that nobody wears out the flash.
//!
//! [`Admitted`] is the leave to touch the slot. Only an open window gives one, and everything that changes flash for
//! a phone asks for it; so outside a window there is no way to a flash operation.

use latchkey_image::ImageDigest;
use latchkey_protocol::message::UpdateStatus;
use latchkey_protocol::value::{ErrorCode, UpdateStage};

use crate::reason::Reason;
use crate::update::{BATTERY_FLOOR_PERCENT, Conditions};

/// The longest window, in seconds.
pub const LONGEST_S: u16 = 1_800;

/// Uploads that may be begun while a window is open, or taken up from flash.
pub const STARTS: u8 = 16;

/// Why a window was not opened. One that was open before stays as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotOpened {
    /// The running image has yet to confirm itself.
    OnTrial,
    /// The battery would not last an update.
    Battery,
    /// The bolt moves, or somebody is at the lock otherwise.
    Busy,
    /// No time at all, or more than [`LONGEST_S`].
    Length,
}

impl NotOpened {
    /// What the lock answers.
    #[must_use]
    pub const fn error_code(self) -> ErrorCode {
        match self {
            Self::OnTrial => ErrorCode::Disabled,
            Self::Battery => ErrorCode::VoltageTooLow,
            Self::Busy => ErrorCode::Busy,
            Self::Length => ErrorCode::BadParameter,
        }
    }
}

/// Leave to touch the slot, given by an open window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Admitted {
    image: Option<ImageDigest>,
}

impl Admitted {
    /// Whether the owner lets this image in.
    #[must_use]
    pub fn allows(&self, image: ImageDigest) -> bool {
        self.image.is_none_or(|only| only == image)
    }
}

/// An image on its way, as it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// How far it is.
    pub stage: UpdateStage,
    /// Bytes on flash.
    pub received: u32,
    /// Bytes in all.
    pub size: u32,
}

impl Progress {
    /// Nothing has come.
    pub const NOTHING: Self = Self {
        stage: UpdateStage::Nothing,
        received: 0,
        size: 0,
    };
}

/// See the module's header.
#[derive(Debug)]
pub struct UpdateWindow {
    until_ms: Option<u64>,
    /// The one image that the owner lets in.
    image: Option<ImageDigest>,
    starts_left: u8,
    progress: Progress,
    refusal: u16,
}

impl UpdateWindow {
    /// The window as it is at the start.
    #[must_use]
    pub const fn closed() -> Self {
        Self {
            until_ms: None,
            image: None,
            starts_left: 0,
            progress: Progress::NOTHING,
            refusal: 0,
        }
    }

    /// Opens it, as an owner asked for whose command was authenticated. One that is open is opened anew.
    ///
    /// # Errors
    /// [`NotOpened`].
    pub fn open(
        &mut self,
        seconds: u16,
        image: Option<ImageDigest>,
        on_trial: bool,
        conditions: Conditions,
        now_ms: u64,
    ) -> Result<(), NotOpened> {
        if seconds == 0 || seconds > LONGEST_S {
            return Err(NotOpened::Length);
        }
        if on_trial {
            return Err(NotOpened::OnTrial);
        }
        if conditions.battery_percent < BATTERY_FLOOR_PERCENT {
            return Err(NotOpened::Battery);
        }
        if conditions.busy {
            return Err(NotOpened::Busy);
        }
        let length_ms = u64::from(seconds).saturating_mul(1_000);
        self.until_ms = Some(now_ms.saturating_add(length_ms));
        self.image = image;
        self.starts_left = STARTS;
        self.refusal = 0;
        Ok(())
    }

    /// Closes it.
    pub fn close(&mut self) {
        self.until_ms = None;
    }

    /// Leave to touch the slot, while the window is open.
    #[must_use]
    pub fn admit(&self, now_ms: u64) -> Option<Admitted> {
        let until_ms = self.until_ms?;
        (now_ms < until_ms).then_some(Admitted { image: self.image })
    }

    /// When it closes; `None` when it is closed for good.
    #[must_use]
    pub fn closes_ms(&self) -> Option<u64> {
        self.until_ms
    }

    /// Whether one more upload may be begun; it counts.
    pub(crate) fn take_start(&mut self) -> bool {
        let left = self.starts_left.checked_sub(1);
        self.starts_left = left.unwrap_or(0);
        left.is_some()
    }

    /// Notes how far the image is.
    pub fn note(&mut self, progress: Progress) {
        self.progress = progress;
    }

    /// Notes why something was refused, by the numbers of [`Reason`] and its neighbours.
    pub fn refused(&mut self, reason: u16) {
        self.refusal = reason;
    }

    /// How far the image is.
    #[must_use]
    pub fn progress(&self) -> Progress {
        self.progress
    }

    /// What the owner's phone is told.
    #[must_use]
    pub fn status(&self, now_ms: u64) -> UpdateStatus {
        let left_ms = self
            .until_ms
            .map_or(0, |until_ms| until_ms.saturating_sub(now_ms));
        UpdateStatus {
            seconds_left: u16::try_from(left_ms.div_ceil(1_000)).unwrap_or(u16::MAX),
            stage: self.progress.stage.into(),
            received: self.progress.received,
            size: self.progress.size,
            refusal: self.refusal,
        }
    }

    /// Notes what the lock app itself refused for.
    pub(crate) fn refused_for(&mut self, reason: Reason) {
        self.refused(reason.code());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FINE: Conditions = Conditions {
        battery_percent: 80,
        busy: false,
        quiet_hours: true,
        opted_out: true,
    };

    #[test]
    fn it_closes_by_time_to_the_millisecond_and_by_the_owner() {
        let mut window = UpdateWindow::closed();
        assert_eq!(window.admit(0), None);
        window.open(10, None, false, FINE, 500).unwrap();
        assert_eq!(window.status(500).seconds_left, 10);
        assert!(window.admit(10_499).is_some());
        assert_eq!(window.status(10_499).seconds_left, 1);
        assert_eq!(window.admit(10_500), None);
        assert_eq!(window.status(10_500).seconds_left, 0);
        window.open(10, None, false, FINE, 20_000).unwrap();
        window.close();
        assert_eq!(window.admit(20_000), None);
    }

    #[test]
    fn what_speaks_against_it_is_named_and_an_open_one_stays_open() {
        let mut window = UpdateWindow::closed();
        let low = Conditions {
            battery_percent: BATTERY_FLOOR_PERCENT - 1,
            ..FINE
        };
        let busy = Conditions { busy: true, ..FINE };
        for open_before in [false, true] {
            if open_before {
                window.open(600, None, false, FINE, 0).unwrap();
            }
            for (seconds, on_trial, conditions, why) in [
                (0, false, FINE, NotOpened::Length),
                (LONGEST_S + 1, false, FINE, NotOpened::Length),
                (60, true, FINE, NotOpened::OnTrial),
                (60, false, low, NotOpened::Battery),
                (60, false, busy, NotOpened::Busy),
            ] {
                assert_eq!(window.open(seconds, None, on_trial, conditions, 1), Err(why));
                assert_eq!(window.admit(599_999).is_some(), open_before);
            }
        }
    }

    #[test]
    fn an_owner_who_names_an_image_lets_no_other_one_in() {
        let mut window = UpdateWindow::closed();
        let [named, other] = [1, 2].map(|byte| ImageDigest([byte; 32]));
        window.open(60, Some(named), false, FINE, 0).unwrap();
        let admitted = window.admit(0).unwrap();
        assert!(admitted.allows(named));
        assert!(!admitted.allows(other));
        window.open(60, None, false, FINE, 0).unwrap();
        assert!(window.admit(0).unwrap().allows(other));
    }
}
