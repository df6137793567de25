//! What runs on this lock, as its owner is told: what a phone measures an image by before it sends it, and looks at
//! afterwards. Facts of this start; the shell brings them, nothing here decides by them.

use latchkey_directive::{BootOutcome as Did, Running};
use latchkey_image::Uuid;
use latchkey_protocol::message::RunningImage;
use latchkey_protocol::value::BootOutcome;

use crate::update::Standing;

/// See the module's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Installed {
    /// Who made the lock.
    pub vendor: Uuid,
    /// Which hardware it is.
    pub class: Uuid,
    /// Room for an image, in bytes.
    pub room: u32,
    /// What runs, and what the bootloader said of it.
    pub standing: Standing,
}

impl Installed {
    /// As it is told; whether the image is on trial changes while it runs.
    pub(crate) fn message(&self, on_trial: bool) -> RunningImage {
        let Standing { running, floor, boot } = self.standing;
        let Running {
            image,
            version,
            counter,
            ..
        } = running;
        RunningImage {
            vendor: self.vendor.0,
            class: self.class.0,
            room: self.room,
            image: image.0,
            major: version.major,
            minor: version.minor,
            revision: version.revision,
            build: version.build,
            counter: counter.0,
            floor: floor.0,
            confirmed: !on_trial,
            outcome: outcome(boot.outcome).into(),
            refusal: boot.reason,
            about: boot.about,
            starts_left: boot.starts_left,
        }
    }
}

const fn outcome(did: Did) -> BootOutcome {
    match did {
        Did::Steady => BootOutcome::Steady,
        Did::Trial => BootOutcome::Trial,
        Did::Reverted => BootOutcome::Reverted,
        Did::Refused => BootOutcome::Refused,
        Did::Rescued => BootOutcome::Rescued,
    }
}
