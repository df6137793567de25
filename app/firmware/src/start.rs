//! What this start is like: which image runs, what the bootloader said of it, who this lock is and what it keeps.

use embassy_futures::select::{Either, select};
use embassy_time::{Instant, Timer};
use latchkey_directive::{BootOutcome, BootReport as Told, PublicKey, Running};
use latchkey_handoff::layout::{ACTIVE, FLOOR, MAP, RECORD};
use latchkey_handoff::{BootReport, Floor, ImageId, Outcome, Region};
use latchkey_image::{Image, SecurityCounter};
use latchkey_lock::DeviceKey;
use latchkey_lock::button::{Button, Gesture, RESET_HOLD_MS};
use latchkey_lock::lock::{Event, Identity, Lock, Unopened};
use latchkey_lock::settings::Settings;
use latchkey_lock::staging::Staging;
use latchkey_lock::update::{Standing, describe};
use latchkey_protocol::pairing::Family;
use latchkey_protocol::value::{NukiId, Version};
use latchkey_storage::{Layout, Storage};
use zeroize::Zeroizing;

use crate::board::{Part, storage, whole};
use crate::keeper::{FAR_MS, moment, now_ms};
use crate::store::{self, StoreError};
use crate::watch::Pulse;
use crate::{Board, Senses, trust};

/// What cannot be gone on without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoStart {
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
    fn words(self) -> &'static str {
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

impl From<Unopened> for NoStart {
    fn from(_: Unopened) -> Self {
        Self::Storage
    }
}

/// What every start needs.
pub struct Begun<'b, B: Board> {
    pub(crate) standing: Standing,
    pub(crate) settings: Settings,
    pub(crate) key: DeviceKey,
    pub(crate) director: PublicKey,
    pub(crate) storage: Storage<Part<'b, B::Flash>>,
    pub(crate) lock: Lock,
    pub(crate) nuki_id: NukiId,
}

/// Hardware revision that clients see: major, minor.
pub(crate) const HARDWARE: [u8; 2] = [1, 0];

/// Starts: finds out what runs, opens the storage, becomes this lock. `mounted_deg`, if the board knows it, is how
/// far the bolt turns.
///
/// # Errors
/// [`NoStart`]; see [`give_up`].
pub fn begin<B: Board>(board: &B, mounted_deg: Option<u16>) -> Result<Begun<'_, B>, NoStart> {
    let standing = standing(board)?;
    print_standing(board, &standing);
    let mut storage = Storage::open(storage(board), Layout::LOCK).map_err(|_| NoStart::Storage)?;
    let (settings, key) = identity(board, &mut storage)?;
    board.print(format_args!("device {}", key.device_id()));
    let nuki_id = nuki_id(&key);
    let identity = Identity {
        nuki_id,
        family: Family::ToFourth,
        firmware: firmware(&standing),
        hardware: HARDWARE,
        mounted_deg,
    };
    let lock = Lock::open(&mut storage, identity, moment(board))?;
    board.print(format_args!("lock Nuki_{nuki_id}"));
    Ok(Begun {
        standing,
        settings,
        key,
        director: trust::director().ok_or(NoStart::Director)?,
        storage,
        lock,
        nuki_id,
    })
}

/// How long a lock that cannot start waits before it restarts, in seconds: no use in doing so all the time.
const GIVE_UP_S: u64 = 10;

/// What a lock does that cannot start: says why, waits, and restarts. On trial that brings the old image back.
///
/// Storage that cannot be read is not given up by itself: with it would go what keeps strangers from pairing. A hand
/// at the lock can do so, by holding the button as for a factory reset; but not while the image is on trial, which
/// may itself be what is wrong.
pub async fn give_up<B: Board>(board: &B, why: NoStart, senses: &mut impl Senses, pulse: &Pulse) -> ! {
    if may_start_over(board, why) {
        board.print(format_args!(
            "cannot start: {}; hold the button for {} s to start over as a new lock",
            why.words(),
            RESET_HOLD_MS / 1000
        ));
        pulse.during(held_for_reset(senses)).await;
        match Storage::format(storage(board), Layout::LOCK) {
            Ok(_) => board.print(format_args!("starting over as a new lock")),
            Err(_) => board.print(format_args!("the storage cannot be written; restarting")),
        }
    } else {
        board.print(format_args!("cannot start: {}; restarting", why.words()));
        pulse.during(Timer::after_secs(GIVE_UP_S)).await;
    }
    board.restart()
}

/// Whether a hand may give up the storage.
fn may_start_over(board: &impl Board, why: NoStart) -> bool {
    why == NoStart::Storage && standing(board).is_ok_and(|standing| standing.running.confirmed)
}

/// Ends when somebody has held the button for a factory reset.
async fn held_for_reset(senses: &mut impl Senses) {
    let mut button = Button::new();
    loop {
        let deadline_ms = button.deadline().unwrap_or(FAR_MS).min(FAR_MS);
        let gesture = match select(senses.next(), Timer::at(Instant::from_millis(deadline_ms))).await {
            Either::First(Event::Button(pressed)) => button.change(pressed, now_ms()),
            Either::First(_) => None,
            Either::Second(()) => button.tick(now_ms()),
        };
        if gesture == Some(Gesture::Reset) {
            return;
        }
    }
}

/// The version that clients see.
pub(crate) fn firmware(standing: &Standing) -> Version {
    let version = standing.running.version;
    Version {
        major: version.major,
        minor: version.minor,
        patch: u8::try_from(version.revision).unwrap_or(u8::MAX),
    }
}

/// The lock's name to people follows from its device key, so it is the same for good.
fn nuki_id(key: &DeviceKey) -> NukiId {
    let [a, b, c, d, ..] = key.device_id().0;
    let id = u32::from_be_bytes([a, b, c, d]) & 0x7FFF_FFFF;
    // One in two thousand million gets the first one.
    NukiId::new(id.max(1)).unwrap_or(FIRST)
}

const FIRST: NukiId = match NukiId::new(1) {
    Some(id) => id,
    None => panic!("one is a lock's number"),
};

fn print_standing(board: &impl Board, standing: &Standing) {
    let Standing { running, floor, boot } = standing;
    if trust::ANY_EXAMPLE_KEY {
        board.print(format_args!("EXAMPLE KEYS: anyone can sign for this lock"));
    }
    board.print(format_args!(
        "app {} counter {} image {} {} starts-left {} built-as {}",
        running.version,
        running.counter,
        running.image,
        if running.confirmed { "confirmed" } else { "trial" },
        boot.starts_left,
        trust::BUILT_AS,
    ));
    let (outcome, about) = (boot.outcome, ImageId(boot.about));
    if boot.reason == 0 {
        board.print(format_args!("boot report {outcome:?} floor {floor}"));
    } else {
        let reason = boot.reason;
        let words = describe(reason);
        board.print(format_args!(
            "boot report {outcome:?} about {about} reason {reason} ({words}) floor {floor}"
        ));
    }
}

/// Reads what runs and how it came to.
pub(crate) fn standing(board: &impl Board) -> Result<Standing, NoStart> {
    let mut flash = whole(board);
    let confirmed = !Staging::new(MAP)
        .on_trial(&mut flash)
        .map_err(|_| NoStart::Flash)?;
    let report = BootReport::read(&mut Region::new(&mut flash, RECORD)).map_err(|_| NoStart::Flash)?;
    // A floor that cannot be told allows nothing.
    let floor = Floor::read(&mut Region::new(&mut flash, FLOOR))
        .map_err(|_| NoStart::Flash)?
        .unwrap_or(SecurityCounter(u32::MAX));
    let mut active = Region::new(&mut flash, ACTIVE);
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

/// The update client's settings, where there is one, and the device key; on a new lock, fresh ones.
fn identity<B: Board>(
    board: &B,
    storage: &mut Storage<Part<'_, B::Flash>>,
) -> Result<(Settings, DeviceKey), NoStart> {
    let settings = if B::NETWORK {
        store::settings(storage)?
    } else {
        Settings::default()
    };
    if let Some(key) = store::device_key(storage)? {
        return Ok((settings, key));
    }
    let mut seed = Zeroizing::new([0; 32]);
    board.random(&mut *seed);
    let key = DeviceKey::from_seed(&mut seed).ok_or(NoStart::Random)?;
    store::save_device_key(storage, &key)?;
    // Only a key that is there tomorrow is this lock's name.
    let key = store::device_key(storage)?
        .filter(|kept| kept.public() == key.public())
        .ok_or(NoStart::Storage)?;
    board.print(format_args!("device key made"));
    Ok((settings, key))
}

#[cfg(test)]
mod tests;
