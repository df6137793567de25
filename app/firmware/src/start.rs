//! What this start is like: which image runs, what the bootloader said of it, who this lock is.

use latchkey_directive::{BootOutcome, BootReport as Told, Running};
use latchkey_handoff::layout::{ACTIVE, FLOOR, MAP, RECORD};
use latchkey_handoff::{BootReport, Floor, ImageId, Outcome, Region};
use latchkey_image::{Image, SecurityCounter};
use latchkey_lock::DeviceKey;
use latchkey_lock::settings::Settings;
use latchkey_lock::staging::Staging;
use latchkey_lock::update::Standing;
use zeroize::Zeroizing;

use crate::Board;
use crate::store::{Store, StoreError};

/// What cannot be gone on without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoStart {
    /// The running image's header or the small records cannot be read.
    Flash,
    /// The app storage cannot be read or written.
    Storage,
    /// The random number generator gives nothing of use.
    Random,
    /// The director's key is none.
    Director,
}

impl NoStart {
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Flash => "the running image or the bootloader's records cannot be read",
            Self::Storage => "the storage cannot be read or written",
            Self::Random => "the random number generator does not work",
            Self::Director => "the director's key that was built in is no key",
        }
    }
}

impl From<StoreError> for NoStart {
    fn from(_: StoreError) -> Self {
        Self::Storage
    }
}

/// Reads what runs and how it came to.
pub(crate) fn standing(board: &mut impl Board) -> Result<Standing, NoStart> {
    let flash = board.flash();
    let confirmed = !Staging::new(MAP).on_trial(flash).map_err(|_| NoStart::Flash)?;
    let report = BootReport::read(&mut Region::new(&mut *flash, RECORD)).map_err(|_| NoStart::Flash)?;
    // A floor that cannot be told allows nothing.
    let floor = Floor::read(&mut Region::new(&mut *flash, FLOOR))
        .map_err(|_| NoStart::Flash)?
        .unwrap_or(SecurityCounter(u32::MAX));
    let mut active = Region::new(flash, ACTIVE);
    // The bootloader has verified it in this very start; here it only says its name.
    let image = Image::parse(&mut active).map_err(|_| NoStart::Flash)?;
    Ok(Standing {
        running: Running {
            image: image.digest(),
            version: image.version(),
            counter: image.security_counter(),
            confirmed,
        },
        floor,
        boot: told(report),
    })
}

/// The bootloader's report, as the server hears it.
fn told(report: Option<BootReport>) -> Told {
    let outcome = match report.map_or(Outcome::Steady, |report| report.outcome) {
        Outcome::Steady => BootOutcome::Steady,
        Outcome::Trial => BootOutcome::Trial,
        Outcome::Reverted => BootOutcome::Reverted,
        Outcome::Refused => BootOutcome::Refused,
        Outcome::Rescued => BootOutcome::Rescued,
    };
    Told {
        outcome,
        reason: report.map_or(0, |report| report.reason),
        about: report
            .and_then(|report| report.about)
            .map_or([0; 16], |ImageId(id)| id),
        starts_left: report.map_or(0, |report| report.starts_left),
    }
}

/// Settings and device key; on a new lock, fresh ones.
///
/// Storage that cannot be read is only ever given up by a confirmed image: one on trial may itself be what is
/// wrong, and the old image still understands what is stored.
pub(crate) fn identity(board: &mut impl Board, confirmed: bool) -> Result<(Settings, DeviceKey), NoStart> {
    match stored(board) {
        Err(NoStart::Storage) if confirmed => {
            board.print(format_args!("storage: unreadable; starting over as a new lock"));
            Store::open(board.flash()).erase()?;
            stored(board)
        }
        result => result,
    }
}

fn stored(board: &mut impl Board) -> Result<(Settings, DeviceKey), NoStart> {
    let settings = Store::open(board.flash()).settings()?;
    if let Some(key) = Store::open(board.flash()).device_key()? {
        return Ok((settings, key));
    }
    let mut seed = Zeroizing::new([0; 32]);
    board.random(&mut *seed);
    let key = DeviceKey::from_seed(&mut seed).ok_or(NoStart::Random)?;
    Store::open(board.flash()).save_device_key(&key)?;
    // Only a key that is there tomorrow is this lock's name.
    let key = Store::open(board.flash())
        .device_key()?
        .filter(|kept| kept.public() == key.public())
        .ok_or(NoStart::Storage)?;
    board.print(format_args!("device key made"));
    Ok((settings, key))
}

#[cfg(test)]
mod tests;
