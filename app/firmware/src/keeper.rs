//! The lock and its storage, as the tasks of one thread share them.
//!
//! Everything that happens goes through [`Keeper::tell`], one event at a time, to its end: nothing is awaited while
//! anything is borrowed. Whoever waits for what may follow (a connection, the advertiser, the motor, the clock) has
//! a bell that rings after every event. Knows none of the lock's rules.

use core::cell::{Cell, RefCell};

use bt_hci::param::BdAddr;
use embassy_futures::select::select;
use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use embassy_sync::signal::Signal;
use embassy_time::{Duration, Instant, Timer};
use latchkey_directive::PublicKey;
use latchkey_handoff::layout::ACTIVE;
use latchkey_lock::DeviceKey;
use latchkey_lock::bolt::{MotorCommand, Sense};
use latchkey_lock::clock::UnixTime;
use latchkey_lock::installed::Installed;
use latchkey_lock::lock::{Characteristic, Event, LinkId, Lock, Moment, OUTGOING_MAX, RANDOM_LENGTH};
use latchkey_lock::settings::Settings;
use latchkey_lock::update::{Conditions, Standing};
use latchkey_protocol::advertising::{Advertisement, scan_response};
use latchkey_protocol::value::{AdvertisingMode, NukiId};
use latchkey_storage::Storage;

use crate::board::Part;
use crate::motor::Mind;
use crate::phone::Phone;
use crate::radio::{self, Announcement};
use crate::start::Begun;
use crate::store::{self, StoreError};
use crate::{Board, Senses};

type Bell = Signal<NoopRawMutex, ()>;

/// What public addresses of locks begin with, so that clients take them for what they are.
const MAKER: [u8; 3] = [0x54, 0xD2, 0x72];
/// How often a lock advertises whom somebody is about to pair with, or to find.
const EAGER: Duration = Duration::from_millis(100);
/// How often the time of day is put where a restart finds it, in milliseconds: a lock that crashes goes behind by no
/// more than that, and by as long as it takes to start.
const RETAIN_MS: u64 = 60_000;
/// The end of time as far as the clock is concerned, in milliseconds.
pub(crate) const FAR_MS: u64 = u64::MAX / 1_000_000;

/// See the module's header.
pub struct Keeper<'b, B: Board> {
    board: &'b B,
    lock: RefCell<Lock>,
    storage: RefCell<Storage<Part<'b, B::Flash>>>,
    /// What lies in the storage besides the lock's own records.
    key: DeviceKey,
    settings: RefCell<Settings>,
    director: PublicKey,
    nuki_id: NukiId,
    standing: Standing,
    phone: Phone,
    radio_up: Cell<bool>,
    links: [Bell; radio::LINKS],
    advertiser: Bell,
    motor: Bell,
    clock: Bell,
    updater: Bell,
    lamp: Bell,
}

impl<'b, B: Board> Keeper<'b, B> {
    /// Keeps what a start has begun. When this was no more than a restart, the lock goes on knowing the time.
    #[must_use]
    pub fn new(board: &'b B, begun: Begun<'b, B>) -> Self {
        let mut lock = begun.lock;
        lock.set_on_trial(!begun.standing.running.confirmed);
        let hardware = board.hardware();
        lock.set_installed(Installed {
            vendor: hardware.vendor,
            class: hardware.class,
            room: ACTIVE.size,
            standing: begun.standing,
        });
        let keeper = Self {
            board,
            phone: Phone::new(board, &begun.standing),
            lock: RefCell::new(lock),
            storage: RefCell::new(begun.storage),
            key: begun.key,
            settings: RefCell::new(begun.settings),
            director: begun.director,
            nuki_id: begun.nuki_id,
            standing: begun.standing,
            radio_up: Cell::new(false),
            links: [const { Bell::new() }; radio::LINKS],
            advertiser: Bell::new(),
            motor: Bell::new(),
            clock: Bell::new(),
            updater: Bell::new(),
            lamp: Bell::new(),
        };
        if let Some(time_s) = board.retained_time() {
            keeper.tell(Event::WallClock(UnixTime(time_s)));
        }
        keeper
    }

    /// Tells the lock what happened, and everyone who waits that something may follow.
    pub fn tell(&self, event: Event<'_>) {
        let reset = {
            let mut lock = self.lock.borrow_mut();
            lock.handle(event, moment(self.board), &mut self.storage.borrow_mut());
            lock.take_factory_reset()
        };
        if reset {
            self.start_over();
        }
        self.retain_time();
        for bell in self.links.iter() {
            bell.signal(());
        }
        self.advertiser.signal(());
        self.motor.signal(());
        self.clock.signal(());
        self.updater.signal(());
        self.lamp.signal(());
    }

    fn retain_time(&self) {
        if let Some(UnixTime(time_s)) = self.lock.borrow().time(now_ms()) {
            self.board.retain_time(time_s);
        }
    }

    /// The owner is gone, the device is the same: its key and what it owes the update server stay.
    fn start_over(&self) -> ! {
        let kept = {
            let mut storage = self.storage.borrow_mut();
            let kept = store::save_device_key(&mut storage, &self.key);
            if B::NETWORK {
                kept.and_then(|()| store::save(&mut storage, &self.settings.borrow()))
            } else {
                kept
            }
        };
        let kept = if kept.is_ok() { "" } else { "; a new device too" };
        self.board
            .print(format_args!("reset to factory state{kept}; restarting"));
        self.board.restart()
    }

    /// Runs the lock's clock for good: ticks when it asks for one, and restarts when an administrator wants it.
    pub async fn keep_time(&self) -> ! {
        loop {
            let now_ms = now_ms();
            let conditions = self.conditions();
            let (restart, update, deadline_ms) = {
                let mut lock = self.lock.borrow_mut();
                let update = self.phone.tick(&mut lock, conditions);
                // One that is due waits for the bolt, whose rest is an event of its own.
                let phone_ms = self.phone.next_deadline(&mut lock).filter(|_| !update);
                let lock_ms = lock.next_deadline(now_ms);
                let deadline_ms = [phone_ms, lock_ms].into_iter().flatten().min();
                (lock.wants_restart(now_ms), update, deadline_ms)
            };
            if update && !conditions.busy {
                self.board
                    .print(format_args!("restarting for an update by phone"));
                self.board.restart();
            }
            if restart {
                self.board
                    .print(format_args!("an administrator asked for a restart"));
                self.board.restart();
            }
            let deadline_ms = deadline_ms.unwrap_or(FAR_MS).min(FAR_MS);
            if deadline_ms <= now_ms {
                self.tell(Event::Tick);
                // A deadline that a tick does not settle must not keep the processor from everyone else.
                embassy_futures::yield_now().await;
                continue;
            }
            self.retain_time();
            let until_ms = deadline_ms.min(now_ms.saturating_add(RETAIN_MS));
            select(Timer::at(Instant::from_millis(until_ms)), self.clock.wait()).await;
        }
    }

    /// Tells the lock what the board perceives, for good.
    pub async fn perceive(&self, senses: &mut impl Senses) -> ! {
        loop {
            let event = senses.next().await;
            self.tell(event);
        }
    }

    /// Whether the lock takes new clients now: what a lamp at the lock shows.
    #[must_use]
    pub fn is_inviting(&self) -> bool {
        match self.lock.borrow().advertisement(now_ms()) {
            Advertisement::Uninitialized(_) | Advertisement::Pairing(..) => true,
            Advertisement::DoorMode { .. } => false,
        }
    }

    /// Ends when [`Self::is_inviting`] may have changed. One waits at a time.
    pub async fn lamp_changed(&self) {
        self.lamp.wait().await;
    }

    /// What an install waits for.
    pub(crate) fn conditions(&self) -> Conditions {
        let lock = self.lock.borrow();
        Conditions {
            battery_percent: self.board.battery().percent,
            busy: lock.is_busy(now_ms()),
            quiet_hours: lock.is_quiet_time(),
            opted_out: lock.is_opted_out(),
        }
    }

    /// The phone's way to the slot.
    pub(crate) fn phone(&self) -> &Phone {
        &self.phone
    }

    /// The running image has confirmed itself.
    pub(crate) fn confirmed(&self) {
        self.lock.borrow_mut().set_on_trial(false);
    }

    /// The board has no radio, so nobody waits for it.
    pub fn has_no_radio(&self) {
        self.radio_up.set(true);
    }

    /// Ends when [`Self::conditions`] or [`Self::is_radio_up`] may have changed. One waits at a time.
    pub(crate) async fn conditions_changed(&self) {
        self.updater.wait().await;
    }

    /// Whether the radio has advertised since the start.
    pub(crate) fn is_radio_up(&self) -> bool {
        self.radio_up.get()
    }

    /// Who the device is to the update server.
    pub(crate) fn key(&self) -> &DeviceKey {
        &self.key
    }

    /// Whose directives count.
    pub(crate) fn director(&self) -> PublicKey {
        self.director
    }

    /// What runs, and how it came to.
    pub(crate) fn standing(&self) -> Standing {
        self.standing
    }

    /// How the lock presents itself over radio.
    #[must_use]
    pub fn presentation(&self) -> radio::Presentation {
        radio::Presentation::of(self.nuki_id, crate::start::firmware(&self.standing))
    }

    /// The lock's public address: of its maker, with the end of its id.
    #[must_use]
    pub fn address(&self) -> BdAddr {
        let [_, d, e, f] = self.nuki_id.get().to_be_bytes();
        let [a, b, c] = MAKER;
        // The lowest byte comes first.
        BdAddr::new([f, e, d, c, b, a])
    }

    /// The update client's settings, as they were last stored.
    pub(crate) fn kept_settings(&self) -> Settings {
        self.settings.borrow().clone()
    }

    /// Whether the storage works.
    pub(crate) fn storage_answers(&self) -> bool {
        let mut probe = [0; 16];
        self.board.random(&mut probe);
        store::answers(&mut self.storage.borrow_mut(), &probe) == Ok(true)
    }

    /// Stores the update client's settings.
    pub(crate) fn save(&self, settings: &Settings) -> Result<(), StoreError> {
        store::save(&mut self.storage.borrow_mut(), settings)?;
        self.settings.replace(settings.clone());
        Ok(())
    }
}

impl<B: Board> radio::Core for Keeper<'_, B> {
    fn radio_is_up(&self) {
        if !self.radio_up.replace(true) {
            self.board.print(format_args!("radio up"));
            self.updater.signal(());
        }
    }

    fn connected(&self, link: LinkId) {
        self.tell(Event::Connected(link));
    }

    fn received(&self, link: LinkId, on: Characteristic, bytes: &[u8]) {
        self.tell(Event::Received { link, on, bytes });
    }

    fn smp_received(&self, link: LinkId, bytes: &[u8]) {
        let conditions = self.conditions();
        self.phone
            .received(self.board, &mut self.lock.borrow_mut(), conditions, link, bytes);
        let LinkId(place) = link;
        if let Some(bell) = self.links.get(usize::from(place)) {
            bell.signal(());
        }
        self.clock.signal(());
    }

    fn smp_outgoing(&self, link: LinkId, piece: &mut [u8]) -> Option<usize> {
        self.phone.outgoing(link, piece)
    }

    fn disconnected(&self, link: LinkId) {
        self.phone.disconnected(link);
        self.tell(Event::Disconnected(link));
    }

    fn outgoing(&self, link: LinkId, message: &mut [u8; OUTGOING_MAX]) -> Option<(Characteristic, usize)> {
        let mut lock = self.lock.borrow_mut();
        let sent = lock.outgoing(link, moment(self.board), &mut self.storage.borrow_mut(), message);
        // What was sent counts as traffic, and may be all that a restart waits for.
        self.clock.signal(());
        sent
    }

    fn should_disconnect(&self, link: LinkId) -> bool {
        self.lock.borrow().should_disconnect(link, now_ms())
    }

    async fn changed(&self, LinkId(place): LinkId) {
        if let Some(bell) = self.links.get(usize::from(place)) {
            bell.wait().await;
        }
    }

    fn announcement(&self) -> Announcement {
        let lock = self.lock.borrow();
        let advertisement = lock.advertisement(now_ms());
        Announcement {
            advertisement: advertisement.data(),
            scan_response: scan_response(self.nuki_id),
            interval: match advertisement {
                Advertisement::Uninitialized(_) | Advertisement::Pairing(..) => EAGER,
                Advertisement::DoorMode { .. } => calm(lock.advertising_mode()),
            },
        }
    }

    async fn announcement_changed(&self) {
        let before = self.announcement();
        while self.announcement() == before {
            self.advertiser.wait().await;
        }
    }
}

impl<B: Board> Mind for Keeper<'_, B> {
    async fn command(&self) -> MotorCommand {
        loop {
            let command = self.lock.borrow_mut().next_motor_command();
            match command {
                Some(command) => return command,
                None => self.motor.wait().await,
            }
        }
    }

    fn sense(&self, sense: Sense) -> Option<i16> {
        self.tell(Event::Motor(sense));
        let at_deg = self.lock.borrow().bolt_at_deg();
        if let Some(at_deg) = at_deg {
            self.board.print(format_args!("bolt at rest at {at_deg}"));
        }
        at_deg
    }
}

/// How often a lock advertises that nobody is about to pair with: more often costs more of its battery.
fn calm(mode: AdvertisingMode) -> Duration {
    Duration::from_millis(match mode {
        AdvertisingMode::Automatic | AdvertisingMode::Normal => 300,
        AdvertisingMode::Slow => 700,
        AdvertisingMode::Slowest => 1_500,
    })
}

/// Now, with randomness for one event.
pub(crate) fn moment(board: &impl Board) -> Moment {
    let mut random = [0; RANDOM_LENGTH];
    board.random(&mut random);
    Moment::new(now_ms(), random)
}

pub(crate) fn now_ms() -> u64 {
    Instant::now().as_millis()
}
