//! A house with a lock, its motor, its flash and its radio, and clients in front of it.

use std::cell::RefCell;
use std::rc::Rc;

use embedded_storage::nor_flash::{ErrorType, NorFlash, ReadNorFlash};
use latchkey_lock::bolt::{MotorCommand, Sense};
use latchkey_lock::clock::UnixTime;
use latchkey_lock::lock::{
    Characteristic, Event, Identity, LINKS, LinkId, Lock, Moment, OUTGOING_MAX, RANDOM_LENGTH,
};
use latchkey_protocol::challenge::Fresh;
use latchkey_protocol::frame::plain;
use latchkey_protocol::frame::sealed::{self, FrameNonce, Sealed};
use latchkey_protocol::key::{SecretKey, SharedKey};
use latchkey_protocol::message::*;
use latchkey_protocol::pairing::client::{Answer, ClientPairing, PairingError, Way};
use latchkey_protocol::pairing::{Family, Identity as Who};
use latchkey_protocol::value::*;
use latchkey_protocol::wire::{PinWidth, Rest, Tail};
use latchkey_simulator::nor::{Nor, PowerCut};
use latchkey_simulator::random::Random;
use latchkey_storage::{Layout, Storage};

pub(crate) const PAGE: usize = 4096;
pub(crate) const PAGES: usize = (Layout::LOCK.records + Layout::LOCK.log) as usize;

pub(crate) const A: LinkId = LinkId(0);
pub(crate) const B: LinkId = LinkId(1);
pub(crate) const C: LinkId = LinkId(2);

/// 2026-06-01T08:00:00 UTC, a Monday.
pub(crate) const MONDAY_MORNING: UnixTime = UnixTime(1_780_300_800);

/// The flash, which the test keeps a hand on while the lock uses it.
#[derive(Clone)]
pub(crate) struct Chip(Rc<RefCell<Nor<PAGE>>>);

impl Chip {
    pub(crate) fn new(flash: Nor<PAGE>) -> Self {
        Self(Rc::new(RefCell::new(flash)))
    }

    pub(crate) fn flash(&self) -> std::cell::RefMut<'_, Nor<PAGE>> {
        self.0.borrow_mut()
    }

    /// Every byte on it.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0; PAGE * PAGES];
        self.flash().read(0, &mut bytes).unwrap();
        bytes
    }
}

impl ErrorType for Chip {
    type Error = PowerCut;
}

impl ReadNorFlash for Chip {
    const READ_SIZE: usize = <Nor<PAGE> as ReadNorFlash>::READ_SIZE;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), PowerCut> {
        self.flash().read(offset, bytes)
    }

    fn capacity(&self) -> usize {
        self.0.borrow().capacity()
    }
}

impl NorFlash for Chip {
    const WRITE_SIZE: usize = <Nor<PAGE> as NorFlash>::WRITE_SIZE;
    const ERASE_SIZE: usize = <Nor<PAGE> as NorFlash>::ERASE_SIZE;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), PowerCut> {
        self.flash().erase(from, to)
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), PowerCut> {
        self.flash().write(offset, bytes)
    }
}

/// How the motor behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Drive {
    /// Does what it is told, at once.
    Willing,
    /// Does nothing until the test says so.
    Silent,
    /// Runs against something at this angle.
    Blocked(i16),
}

/// What a connection got: where, and the bytes.
pub(crate) type Sent = (Characteristic, Vec<u8>);

pub(crate) struct House {
    pub(crate) lock: Lock,
    pub(crate) storage: Storage<Chip>,
    pub(crate) chip: Chip,
    pub(crate) identity: Identity,
    pub(crate) now_ms: u64,
    pub(crate) motor: Drive,
    /// Where the bolt stands.
    pub(crate) at_deg: i16,
    /// Everything the motor was told.
    pub(crate) commands: Vec<MotorCommand>,
    /// What each connection got and nobody has looked at.
    pub(crate) inbox: [Vec<Sent>; LINKS],
    pub(crate) connected: [bool; LINKS],
    /// Whether clients read what is sent to them.
    pub(crate) reading: [bool; LINKS],
    pub(crate) random: Random,
}

pub(crate) fn identity() -> Identity {
    Identity {
        nuki_id: NukiId::new(0x1A2B_3C4D).unwrap(),
        family: Family::ToFourth,
        firmware: Version {
            major: 2,
            minor: 3,
            patch: 4,
        },
        hardware: [5, 6],
        mounted_deg: Some(720),
    }
}

pub(crate) fn blank() -> Nor<PAGE> {
    let mut flash = Nor::used(PAGES, Random::new(1));
    flash.put(0, &[0xff; PAGES * PAGE]);
    flash
}

fn moment(random: &mut Random, now_ms: u64) -> Moment {
    let mut bytes = [0; RANDOM_LENGTH];
    random.fill(&mut bytes);
    Moment::new(now_ms, bytes)
}

impl House {
    /// A new lock, mounted, unlocked, that was never paired.
    pub(crate) fn new() -> Self {
        Self::with(identity())
    }

    pub(crate) fn with(identity: Identity) -> Self {
        Self::on(Chip::new(blank()), identity, 0).expect("the power is on")
    }

    /// A lock on this flash, just started; `None` when the power goes before it has.
    pub(crate) fn on(chip: Chip, identity: Identity, at_deg: i16) -> Option<Self> {
        let mut random = Random::new(7);
        let mut storage = Storage::open(chip.clone(), Layout::LOCK).ok()?;
        let lock = Lock::open(&mut storage, identity, moment(&mut random, 0)).ok()?;
        let mut house = Self {
            lock,
            storage,
            chip,
            identity,
            now_ms: 0,
            motor: Drive::Willing,
            at_deg,
            commands: Vec::new(),
            inbox: Default::default(),
            connected: [false; LINKS],
            reading: [true; LINKS],
            random,
        };
        house.settle();
        Some(house)
    }

    /// The power goes and comes back: RAM is lost, connections too, the clock stands at 0 again.
    pub(crate) fn restart(self) -> Self {
        let Self {
            chip,
            identity,
            at_deg,
            random,
            ..
        } = self;
        let mut house = Self::on(chip, identity, at_deg).expect("the power is on");
        house.random = random;
        house
    }

    pub(crate) fn event(&mut self, event: Event<'_>) {
        let moment = moment(&mut self.random, self.now_ms);
        self.lock.handle(event, moment, &mut self.storage);
        self.settle();
    }

    /// Does everything the lock wants done now.
    fn settle(&mut self) {
        for _ in 0..1_000 {
            let moved = self.move_motor();
            let sent = self.take_outgoing();
            self.drop_links();
            if !moved && !sent {
                return;
            }
        }
        panic!("the lock never comes to rest");
    }

    fn move_motor(&mut self) -> bool {
        let Some(command) = self.lock.next_motor_command() else {
            return false;
        };
        self.commands.push(command);
        let sense = match (self.motor, command) {
            (_, MotorCommand::Locate | MotorCommand::Stop) => Sense::Reached(self.at_deg),
            (Drive::Silent, _) => return true,
            (Drive::Blocked(at_deg), _) => {
                self.at_deg = at_deg;
                Sense::Blocked(at_deg)
            }
            (Drive::Willing, MotorCommand::Turn { to_deg }) => {
                self.at_deg = to_deg;
                Sense::Reached(to_deg)
            }
            (Drive::Willing, MotorCommand::Calibrate) => {
                self.at_deg = 0;
                Sense::Calibrated(1_080)
            }
        };
        let moment = moment(&mut self.random, self.now_ms);
        // What waits is sent before the motor is done, as it is on a lock.
        self.take_outgoing();
        self.lock.handle(Event::Motor(sense), moment, &mut self.storage);
        true
    }

    fn take_outgoing(&mut self) -> bool {
        let mut any = false;
        for id in 0..LINKS {
            while self.connected[id] && self.reading[id] {
                let mut out = [0; OUTGOING_MAX];
                let moment = moment(&mut self.random, self.now_ms);
                let link = LinkId(id as u8);
                let Some((on, length)) = self.lock.outgoing(link, moment, &mut self.storage, &mut out) else {
                    break;
                };
                self.inbox[id].push((on, out[..length].to_vec()));
                any = true;
            }
        }
        any
    }

    fn drop_links(&mut self) {
        for id in 0..LINKS {
            let link = LinkId(id as u8);
            if self.connected[id] && self.lock.should_disconnect(link, self.now_ms) {
                self.disconnect(link);
            }
        }
    }

    pub(crate) fn connect(&mut self, link: LinkId) {
        self.connected[usize::from(link.0)] = true;
        self.inbox[usize::from(link.0)].clear();
        self.event(Event::Connected(link));
    }

    pub(crate) fn disconnect(&mut self, link: LinkId) {
        self.connected[usize::from(link.0)] = false;
        let moment = moment(&mut self.random, self.now_ms);
        self.lock
            .handle(Event::Disconnected(link), moment, &mut self.storage);
    }

    pub(crate) fn is_connected(&self, link: LinkId) -> bool {
        self.connected[usize::from(link.0)]
    }

    pub(crate) fn write(&mut self, link: LinkId, on: Characteristic, bytes: &[u8]) {
        assert!(self.is_connected(link), "the lock has hung up");
        self.event(Event::Received { link, on, bytes });
    }

    /// What the connection got since the last look.
    pub(crate) fn read(&mut self, link: LinkId) -> Vec<Sent> {
        core::mem::take(&mut self.inbox[usize::from(link.0)])
    }

    /// Lets time pass, calling the lock when it wants to be called and not otherwise.
    pub(crate) fn wait(&mut self, ms: u64) {
        let end_ms = self.now_ms + ms;
        for _ in 0..100_000 {
            let due = self.lock.next_deadline(self.now_ms);
            let Some(due_ms) = due.filter(|due_ms| *due_ms <= end_ms) else {
                self.now_ms = end_ms;
                return;
            };
            self.now_ms = self.now_ms.max(due_ms);
            self.event(Event::Tick);
            let next = self.lock.next_deadline(self.now_ms);
            assert!(
                next.is_none_or(|next_ms| next_ms > self.now_ms),
                "what was due at {due_ms} is due again"
            );
        }
        panic!("the lock never sleeps");
    }

    /// Holds the button for so long.
    pub(crate) fn hold_button(&mut self, ms: u64) {
        self.event(Event::Button(true));
        self.wait(ms);
        self.event(Event::Button(false));
    }

    /// Pairs a client of this kind on this connection, button and all.
    pub(crate) fn pair(&mut self, link: LinkId, kind: AuthorizationType, name: &str) -> Client {
        self.hold_button(5_000);
        self.connect(link);
        self.pair_now(link, kind, name).unwrap()
    }

    /// Pairs on an open connection, without asking anybody at the lock.
    pub(crate) fn pair_now(
        &mut self,
        link: LinkId,
        kind: AuthorizationType,
        name: &str,
    ) -> Result<Client, PairingError> {
        let who = Who {
            kind,
            app: AppId(kind.number().into()),
            name: Name::new(name).unwrap(),
        };
        self.pair_as(link, Way::ToFourth, who)
    }

    pub(crate) fn pair_as(&mut self, link: LinkId, way: Way, who: Who) -> Result<Client, PairingError> {
        let mut secret = [0; 32];
        self.random.fill(&mut secret);
        let secret = SecretKey::from_bytes(&mut secret).unwrap();
        let (mut pairing, first) = ClientPairing::start(way, who, secret);
        self.say(link, &first);
        loop {
            let (on, mut frame) = self.read(link).pop().expect("the lock answers");
            assert_eq!(on, Characteristic::Pairing);
            let mut fresh = [0; 32];
            self.random.fill(&mut fresh);
            let answer = if frame.len() > 100 || (frame.len() == 74 && self.identity.family == Family::Fifth)
            {
                pairing.receive_sealed(&mut frame)?
            } else {
                pairing.receive(&frame, Fresh::from_random(fresh))?
            };
            match self.pairing_step(link, answer) {
                Ok(next) => pairing = next,
                Err(paired) => {
                    let client = Client {
                        link,
                        id: paired.authorization,
                        key: paired.key,
                        name: who.name,
                        width: self.identity.family.pin_width(),
                    };
                    return Ok(client);
                }
            }
        }
    }

    /// Pairs until the lock has granted an authorization, and says no more.
    pub(crate) fn pair_up_to_the_grant(&mut self, link: LinkId) {
        let who = Who {
            kind: AuthorizationType::App,
            app: AppId(1),
            name: Name::new("Never").unwrap(),
        };
        let mut secret = [0; 32];
        self.random.fill(&mut secret);
        let secret = SecretKey::from_bytes(&mut secret).unwrap();
        let (mut pairing, first) = ClientPairing::start(Way::ToFourth, who, secret);
        self.say(link, &first);
        loop {
            let (_, frame) = self.read(link).pop().expect("the lock answers");
            let mut fresh = [0; 32];
            self.random.fill(&mut fresh);
            match pairing.receive(&frame, Fresh::from_random(fresh)).unwrap() {
                Answer::Say(next, message) => {
                    self.say(link, &message);
                    pairing = next;
                }
                Answer::Store(_) => return,
                Answer::SaySealed(_) | Answer::Paired(_) => panic!("out of step"),
            }
        }
    }

    fn pairing_step(
        &mut self,
        link: LinkId,
        answer: Answer,
    ) -> Result<ClientPairing, latchkey_protocol::pairing::client::Authorization> {
        match answer {
            Answer::Say(next, message) => {
                self.say(link, &message);
                Ok(next)
            }
            Answer::SaySealed(sealing) => {
                let mut out = [0; sealed::FRAME_MAX];
                let (next, length) = sealing.seal(self.frame_nonce(), &mut out).unwrap();
                self.write(link, Characteristic::Pairing, &out[..length]);
                Ok(next)
            }
            Answer::Store(unstored) => self.pairing_step(link, unstored.stored()),
            Answer::Paired(authorization) => Err(authorization),
        }
    }

    pub(crate) fn say(&mut self, link: LinkId, message: &PairingFromClient) {
        let mut out = [0; plain::FRAME_MAX];
        let length = plain::write(message, &mut out).unwrap();
        self.write(link, Characteristic::Pairing, &out[..length]);
    }

    pub(crate) fn frame_nonce(&mut self) -> FrameNonce {
        let mut bytes = [0; 24];
        self.random.fill(&mut bytes);
        FrameNonce::from_random(bytes)
    }

    /// Where the bolt is, says the lock to this client.
    pub(crate) fn lock_state(&mut self, client: &Client) -> LockState {
        client.states(self).lock_state.known().unwrap()
    }
}

/// A client that has paired. One connection at a time.
pub(crate) struct Client {
    pub(crate) link: LinkId,
    pub(crate) id: AuthorizationId,
    pub(crate) key: SharedKey,
    pub(crate) name: Name<32>,
    pub(crate) width: PinWidth,
}

impl Client {
    /// Another one with the same key, on another connection.
    pub(crate) fn on(&self, link: LinkId) -> Self {
        let mut key = self.key.expose(|key| *key);
        Self {
            link,
            key: SharedKey::from_bytes(&mut key),
            ..*self
        }
    }

    /// The PIN of a lock on which none was set.
    pub(crate) fn pin(&self, pin: u32) -> Pin {
        match self.width {
            PinWidth::Short => Pin::short(pin as u16),
            PinWidth::Long => Pin::long(pin),
        }
    }

    pub(crate) fn seal(&self, house: &mut House, message: &dyn Payload) -> Vec<u8> {
        let mut out = [0; sealed::FRAME_MAX];
        let nonce = house.frame_nonce();
        let length = sealed::seal(message, self.id, &self.key, nonce, &mut out).unwrap();
        out[..length].to_vec()
    }

    /// Opens what the lock has sent.
    pub(crate) fn open(&self, sent: Vec<Sent>) -> Vec<FromLock> {
        sent.into_iter()
            .map(|(on, mut frame)| {
                assert_eq!(on, Characteristic::UserData, "sealed for this client");
                let opened = Sealed::read(&mut frame).unwrap().open(&self.key).unwrap();
                assert_eq!(opened.authorization, self.id);
                FromLock::read(opened.command, opened.payload, self.width).unwrap()
            })
            .collect()
    }

    /// Says something and hears what the lock has to say at once.
    pub(crate) fn say(&self, house: &mut House, message: &dyn Payload) -> Vec<FromLock> {
        let frame = self.seal(house, message);
        house.read(self.link);
        house.write(self.link, Characteristic::UserData, &frame);
        self.hear(house)
    }

    pub(crate) fn hear(&self, house: &mut House) -> Vec<FromLock> {
        let sent = house.read(self.link);
        self.open(sent)
    }

    pub(crate) fn ask(&self, house: &mut House, wanted: Command) -> Vec<FromLock> {
        self.say(house, &RequestData { wanted, extra: Rest })
    }

    pub(crate) fn challenge(&self, house: &mut House) -> Nonce {
        match &self.ask(house, Challenge::COMMAND)[..] {
            [FromLock::Challenge(Challenge { nonce })] => *nonce,
            other => panic!("no challenge: {other:?}"),
        }
    }

    /// A command with a fresh nonce.
    pub(crate) fn command<M: Payload>(
        &self,
        house: &mut House,
        message: impl FnOnce(Nonce) -> M,
    ) -> Vec<FromLock> {
        let nonce = self.challenge(house);
        self.say(house, &message(nonce))
    }

    pub(crate) fn states(&self, house: &mut House) -> KeyturnerStates {
        match self.ask(house, KeyturnerStates::COMMAND).pop() {
            Some(FromLock::KeyturnerStates(states)) => states,
            other => panic!("no states: {other:?}"),
        }
    }

    pub(crate) fn act(&self, house: &mut House, action: LockAction) -> Vec<FromLock> {
        self.act_with(house, action, ActionFlags::default(), None)
    }

    pub(crate) fn act_with(
        &self,
        house: &mut House,
        action: LockAction,
        flags: ActionFlags,
        suffix: Option<&str>,
    ) -> Vec<FromLock> {
        let suffix = Tail(suffix.map(|text| Name::new(text).unwrap()));
        self.command(house, |nonce| PerformLockAction {
            action,
            app: AppId(0),
            flags,
            suffix,
            nonce,
        })
    }

    /// Sets the clock.
    pub(crate) fn tell_time(&self, house: &mut House, time: UnixTime) {
        let done = self.command(house, |nonce| UpdateTime {
            time: time.date(),
            nonce,
            pin: self.pin(0),
        });
        assert_eq!(apart(done).1, [complete()]);
    }

    /// The whole log, newest first.
    pub(crate) fn log(&self, house: &mut House) -> Vec<LogEntry> {
        let replies = self.command(house, |nonce| RequestLogEntries {
            start: LogIndex(0),
            count: u16::MAX,
            order: SortOrder::Descending,
            want_count: false,
            nonce,
            pin: self.pin(0),
        });
        let (last, entries) = replies.split_last().unwrap();
        assert_eq!(*last, complete());
        let entry = |reply: &FromLock| match reply {
            FromLock::LogEntry(entry) => LogEntry { ..*entry },
            other => panic!("no entry: {other:?}"),
        };
        entries.iter().map(entry).collect()
    }
}

pub(crate) fn complete() -> FromLock {
    StatusReport {
        status: Status::Complete,
    }
    .into()
}

pub(crate) fn accepted() -> FromLock {
    StatusReport {
        status: Status::Accepted,
    }
    .into()
}

pub(crate) fn error(error: ErrorCode, command: Command) -> FromLock {
    ErrorReport {
        error: error.into(),
        command,
    }
    .into()
}

/// The lock states that were told of, and everything else.
pub(crate) fn apart(replies: Vec<FromLock>) -> (Vec<LockState>, Vec<FromLock>) {
    let mut states = Vec::new();
    let mut others = Vec::new();
    for reply in replies {
        match reply {
            FromLock::KeyturnerStates(told) => states.push(told.lock_state.known().unwrap()),
            other => others.push(other),
        }
    }
    (states, others)
}

/// What a plain frame says.
pub(crate) fn plain_errors(sent: Vec<Sent>) -> Vec<(Characteristic, ErrorCode)> {
    sent.into_iter()
        .map(|(on, frame)| {
            let frame = plain::read(&frame).unwrap();
            match PairingFromLock::read(frame.command, frame.payload, PinWidth::Short).unwrap() {
                PairingFromLock::ErrorReport(report) => (on, report.error.known().unwrap()),
                other => panic!("no error: {other:?}"),
            }
        })
        .collect()
}
