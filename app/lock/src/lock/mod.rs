//! The lock: everything that it does, driven by events, over storage on flash.
//!
//! The shell calls [`Lock::handle`] with what happened and when, and then pulls what follows: commands for the motor
//! ([`Lock::next_motor_command`]), messages for each connection ([`Lock::outgoing`], whenever that connection can
//! take one), what to advertise, whom to disconnect, when to call again. Nothing is ever pushed, so nothing queues
//! without bound and a client that does not read stops nobody but itself.
//!
//! Invariants: a change is on flash before anybody hears that it was made; a motion needs nobody to stay connected;
//! what arrives ends in an answer, a documented error or silence, and in nothing else; nobody without a key changes
//! anything, a hand at the button apart.

mod answers;
mod commands;
mod links;
mod motion;
mod outgoing;
mod people;
mod receive;
mod state;
mod stored;
mod timing;

use embedded_storage::nor_flash::NorFlash;
use latchkey_protocol::advertising::Advertisement;
use latchkey_protocol::challenge::Fresh;
use latchkey_protocol::frame::sealed::FrameNonce;
use latchkey_protocol::pairing::Family;
use latchkey_protocol::value::{AdvertisingMode, Name, NukiId, Version};
use latchkey_storage::Storage;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::bolt::{MotorCommand, Sense};
use crate::clock::UnixTime;
use crate::installed::Installed;
use crate::window::UpdateWindow;
use links::Links;
pub use outgoing::OUTGOING_MAX;
use state::State;
pub use state::Unopened;

/// Connections at a time.
pub const LINKS: usize = 4;

/// Random bytes that each [`Moment`] brings.
pub const RANDOM_LENGTH: usize = 64;

/// When something happened, with random bytes that nobody else gets. No `Clone` and no `Copy`: each is for one call,
/// since what is made of them (keys, nonces) must never be made twice.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Moment {
    /// Milliseconds since the start, never going back.
    pub now_ms: u64,
    /// From a cryptographic random number generator.
    random: [u8; RANDOM_LENGTH],
    used: usize,
}

impl Moment {
    /// This moment, with fresh bytes from a cryptographic random number generator.
    #[must_use]
    pub const fn new(now_ms: u64, random: [u8; RANDOM_LENGTH]) -> Self {
        Self {
            now_ms,
            random,
            used: 0,
        }
    }

    /// Takes 32 of the random bytes; `None` once they are used up.
    fn fresh(&mut self) -> Option<Fresh> {
        self.take().map(Fresh::from_random)
    }

    fn frame_nonce(&mut self) -> Option<FrameNonce> {
        self.take().map(FrameNonce::from_random)
    }

    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let end = self.used.saturating_add(N);
        let bytes = self.random.get(self.used..end)?.try_into().ok()?;
        self.used = end;
        Some(bytes)
    }
}

/// What is the same from start to start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The lock's name to people.
    pub nuki_id: NukiId,
    /// How it pairs, and how wide PINs are.
    pub family: Family,
    /// The firmware's version, as clients see it.
    pub firmware: Version,
    /// The hardware's version: major, minor.
    pub hardware: [u8; 2],
    /// Degrees between the bolt's stops where the factory or whoever mounted the lock has measured them. `None`: it
    /// has to be calibrated first.
    pub mounted_deg: Option<u16>,
}

/// A connection's number, from 0 to [`LINKS`] - 1. The shell gives them out and may use one again after
/// [`Event::Disconnected`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkId(pub u8);

/// Where bytes come in and go out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Characteristic {
    /// Pairing: a92ee101, or a92ee301 in the 5th generation.
    Pairing,
    /// Keyturner, in plain: a92ee201.
    Keyturner,
    /// Keyturner, sealed: a92ee202.
    UserData,
}

/// What the door sensor tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DoorSense {
    /// There is none, or it went away.
    Unavailable,
    /// The door is open.
    Opened,
    /// The door is closed.
    Closed,
    /// Somebody tampered with it.
    Tampered,
}

/// How the battery is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatteryLevel {
    /// Charge.
    pub percent: u8,
    /// Voltage in millivolts.
    pub millivolts: u16,
    /// Whether it is being charged.
    pub charging: bool,
    /// Temperature in degrees Celsius.
    pub celsius: i8,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// Somebody connected.
    Connected(LinkId),
    /// A connection was written to. Pieces of a message may come one by one.
    Received {
        /// Which connection.
        link: LinkId,
        /// Which characteristic.
        on: Characteristic,
        /// The bytes.
        bytes: &'a [u8],
    },
    /// A connection is gone.
    Disconnected(LinkId),
    /// The time of [`Lock::next_deadline`] has come.
    Tick,
    /// The motor or its angle sensor tells something.
    Motor(Sense),
    /// The door sensor tells something.
    Door(DoorSense),
    /// The button went down (true) or up.
    Button(bool),
    /// The battery was measured.
    Battery(BatteryLevel),
    /// The board itself knows what time it is. Without it, time comes from an administrator.
    WallClock(UnixTime),
}

/// The lock. See the module's header.
pub struct Lock {
    state: State,
    links: Links,
}

impl Lock {
    /// Starts the lock with what is stored.
    ///
    /// # Errors
    /// [`Unopened`]: flash fails.
    pub fn open<F: NorFlash>(
        storage: &mut Storage<F>,
        identity: Identity,
        mut moment: Moment,
    ) -> Result<Self, Unopened> {
        let uuid = moment.take().ok_or(Unopened)?;
        Ok(Self {
            state: State::open(storage, identity, uuid, moment.now_ms)?,
            links: Links::new(),
        })
    }

    /// Takes in what happened.
    pub fn handle<F: NorFlash>(&mut self, event: Event<'_>, mut moment: Moment, storage: &mut Storage<F>) {
        let now_ms = moment.now_ms;
        match event {
            Event::Connected(link) => self
                .links
                .connected(link, self.state.new_pairing(storage), now_ms),
            Event::Received { link, on, bytes } => self.received(link, on, bytes, &mut moment, storage),
            Event::Disconnected(link) => self.disconnected(link),
            Event::Tick => {}
            Event::Motor(sense) => self.motor(sense, now_ms, storage),
            Event::Door(sense) => self.door(sense, now_ms, storage),
            Event::Button(pressed) => self.button(pressed, &mut moment, storage),
            Event::Battery(level) => self.state.battery.measured(level),
            Event::WallClock(time) => self.state.tell_time(time, now_ms),
        }
        self.tick(&mut moment, storage);
    }

    /// When [`Lock::handle`] wants [`Event::Tick`] at the latest, on the clock of [`Moment`].
    #[must_use]
    pub fn next_deadline(&self, now_ms: u64) -> Option<u64> {
        [
            self.state.deadline(now_ms),
            self.links.deadline(&self.state.acting()),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// The next command for the motor. To be asked after every event until there is none.
    pub fn next_motor_command(&mut self) -> Option<MotorCommand> {
        self.state.bolt.take_command()
    }

    /// Where the bolt is believed to stand, in degrees from the unlocked stop: for a motor that only knows how far it
    /// has turned since the start.
    #[must_use]
    pub fn bolt_at_deg(&self) -> Option<i16> {
        self.state.bolt.kept().at_deg
    }

    /// What to advertise now.
    #[must_use]
    pub fn advertisement(&self, now_ms: u64) -> Advertisement {
        let id = self.state.identity.nuki_id;
        if self
            .state
            .pairing_until_ms
            .is_some_and(|until_ms| now_ms < until_ms)
        {
            Advertisement::Pairing(self.state.identity.family, id)
        } else if !self.state.kept.initialized {
            Advertisement::Uninitialized(id)
        } else {
            Advertisement::DoorMode {
                id,
                state_changed: self.state.news_for_bridge,
            }
        }
    }

    /// How often the owner wants the lock to advertise.
    #[must_use]
    pub fn advertising_mode(&self) -> AdvertisingMode {
        self.state.config.advertising_mode
    }

    /// Whether this connection is to be dropped now. Connections that the lock does not know are.
    #[must_use]
    pub fn should_disconnect(&self, link: LinkId, now_ms: u64) -> bool {
        self.links.is_over(link, &self.state.acting(), now_ms)
    }

    /// Whether somebody is at the lock, or will be in a moment: no time to begin an update.
    #[must_use]
    pub fn is_busy(&self, now_ms: u64) -> bool {
        self.state.is_busy(now_ms) || self.links.are_busy()
    }

    /// What time it is, if anybody who may has told since the start.
    #[must_use]
    pub fn time(&self, now_ms: u64) -> Option<UnixTime> {
        self.state.clock.told(now_ms)
    }

    /// Whether the owner wants the lock left alone now: night mode.
    #[must_use]
    pub fn is_quiet_time(&self) -> bool {
        self.state.night.is_active()
    }

    /// Whether the owner has automatic updates switched off.
    #[must_use]
    pub fn is_opted_out(&self) -> bool {
        !self.state.advanced.auto_update
    }

    /// Tells whether the running image has yet to confirm itself. Until it is told that it has, and from then on that
    /// it has not, no update window is open.
    pub fn set_on_trial(&mut self, on_trial: bool) {
        self.state.on_trial = on_trial;
        if on_trial {
            self.state.window.close();
        }
    }

    /// Tells what runs. Owners who ask before that are told that the lock does not know it.
    pub fn set_installed(&mut self, installed: Installed) {
        self.state.installed = Some(installed);
    }

    /// The window in which an owner lets images in. [`Smp`](crate::smp::Smp) asks it, and notes there what comes.
    pub fn update_window(&mut self) -> &mut UpdateWindow {
        &mut self.state.window
    }

    /// A connection speaks SMP. While an owner holds the update window open that counts as traffic, and whoever
    /// uploads needs no key of the lock to stay.
    pub fn serves_update(&mut self, link: LinkId, now_ms: u64) {
        if self.state.window.admit(now_ms).is_some()
            && let Some(link) = self.links.get(link)
        {
            link.excuse(now_ms);
        }
    }

    /// Whether an administrator asked for a restart, and has been answered or had the time to be.
    #[must_use]
    pub fn wants_restart(&self, now_ms: u64) -> bool {
        self.state.restart_at_ms.is_some_and(|at_ms| at_ms <= now_ms)
    }

    /// Whether the lock was reset to factory state since the last call. Then nothing is left on flash: what else
    /// lies there must be written again by whoever keeps it, and the lock is best started anew.
    pub fn take_factory_reset(&mut self) -> bool {
        core::mem::take(&mut self.state.was_reset)
    }

    /// What the owner calls the lock.
    #[must_use]
    pub fn name(&self) -> &Name<32> {
        &self.state.config.name
    }

    /// Forgets everything, as somebody who held the button for long wants it.
    fn factory_reset<F: NorFlash>(&mut self, moment: &mut Moment, storage: &mut Storage<F>) {
        if storage.clear().is_err() {
            // All is as it was; whoever holds the button sees that nothing happened.
            return;
        }
        self.links = Links::new();
        let now_ms = moment.now_ms;
        if let Some(state) = moment
            .take()
            .and_then(|uuid| self.state.anew(storage, uuid, now_ms))
        {
            self.state = state;
        } else {
            // Nothing is left that would let anybody in, on flash or here; the next start begins anew.
            self.state.forget();
        }
        self.state.was_reset = true;
    }
}
