//! A lock with its motor and its flash, a connection of a chosen MTU, and a phone at the other end.

use std::collections::VecDeque;

use latchkey_directive::{BootOutcome, BootReport, Running};
use latchkey_image::{Hardware, ImageDigest, SecurityCounter};
use latchkey_lock::bolt::{MotorCommand, Sense};
use latchkey_lock::installed::Installed;
use latchkey_lock::lock::{self, Event as LockEvent, LinkId, Lock, OUTGOING_MAX};
use latchkey_lock::update::Standing;
use latchkey_phone::session::{Action, Characteristic, Event, Frame, News};
use latchkey_phone::{Credentials, Moment, RANDOM_LENGTH, Request, Session};
use latchkey_protocol::frame::sealed::FRAME_MAX;
use latchkey_protocol::key::{SecretKey, SharedKey};
use latchkey_protocol::pairing::client::Way;
use latchkey_protocol::pairing::{Family, Identity};
use latchkey_protocol::value::{AppId, AuthorizationType, Name, NukiId, Pin, Version};
use latchkey_simulator::nor::Nor;
use latchkey_simulator::random::Random;
use latchkey_storage::{Layout, Storage};

const PAGE: usize = 4096;
const PAGES: usize = (Layout::LOCK.records + Layout::LOCK.log) as usize;
pub(crate) const LINK: LinkId = LinkId(0);

/// What goes over the connection, either way.
pub(crate) type Sent = (Characteristic, Vec<u8>);

pub(crate) struct Door {
    pub(crate) lock: Lock,
    storage: Storage<Nor<PAGE>>,
    pub(crate) family: Family,
    pub(crate) random: Random,
    pub(crate) now_ms: u64,
    at_deg: i16,
    /// Everything the motor was told to turn.
    pub(crate) turns: usize,
    mtu: usize,
    /// What the lock has sent, in pieces, and the phone has not got yet.
    pub(crate) indications: VecDeque<Sent>,
}

impl Door {
    /// A new lock of this family, mounted and unlocked, and a connection of this MTU.
    pub(crate) fn new(family: Family, mtu: usize) -> Self {
        let mut random = Random::of(5, &[mtu as u64]);
        let mut flash = Nor::used(PAGES, Random::of(1, &[]));
        flash.put(0, &[0xff; PAGES * PAGE]);
        let mut storage = Storage::open(flash, Layout::LOCK).unwrap();
        let mut lock = Lock::open(&mut storage, identity(family), lock_moment(&mut random, 0)).unwrap();
        lock.set_on_trial(false);
        lock.set_installed(installed());
        let mut door = Self {
            lock,
            storage,
            family,
            random,
            now_ms: 0,
            at_deg: 0,
            turns: 0,
            mtu,
            indications: VecDeque::new(),
        };
        door.settle();
        door
    }

    /// The lock starts again, with what is on flash, and knows of no connection. Its clock goes on.
    #[allow(dead_code, reason = "for the tests of updates, which share this")]
    pub(crate) fn restart(&mut self) {
        let moment = lock_moment(&mut self.random, self.now_ms);
        self.lock = Lock::open(&mut self.storage, identity(self.family), moment).unwrap();
        self.indications.clear();
        self.settle();
    }

    pub(crate) fn tell(&mut self, event: LockEvent<'_>) {
        let moment = lock_moment(&mut self.random, self.now_ms);
        self.lock.handle(event, moment, &mut self.storage);
        self.settle();
    }

    fn settle(&mut self) {
        loop {
            let mut out = [0; OUTGOING_MAX];
            let moment = lock_moment(&mut self.random, self.now_ms);
            if let Some((on, length)) = self.lock.outgoing(LINK, moment, &mut self.storage, &mut out) {
                for piece in out[..length].chunks(self.mtu - 3) {
                    self.indications.push_back((from_lock(on), piece.to_vec()));
                }
                continue;
            }
            let Some(command) = self.lock.next_motor_command() else {
                return;
            };
            let sense = match command {
                MotorCommand::Locate | MotorCommand::Stop => Sense::Reached(self.at_deg),
                MotorCommand::Turn { to_deg } => {
                    self.turns += 1;
                    self.at_deg = to_deg;
                    Sense::Reached(to_deg)
                }
                MotorCommand::Calibrate => Sense::Calibrated(720),
            };
            let moment = lock_moment(&mut self.random, self.now_ms);
            self.lock
                .handle(LockEvent::Motor(sense), moment, &mut self.storage);
        }
    }

    /// Holds the button until pairing mode begins.
    pub(crate) fn open_pairing(&mut self) {
        self.tell(LockEvent::Button(true));
        self.wait(5_000);
        self.tell(LockEvent::Button(false));
    }

    /// Lets time pass.
    pub(crate) fn wait(&mut self, ms: u64) {
        let end_ms = self.now_ms + ms;
        while let Some(due_ms) = self
            .lock
            .next_deadline(self.now_ms)
            .filter(|due_ms| *due_ms <= end_ms && self.now_ms < end_ms)
        {
            // What is due and waits for the connection's end would be due for ever.
            self.now_ms = due_ms.max(self.now_ms + 1);
            self.tell(LockEvent::Tick);
        }
        self.now_ms = self.now_ms.max(end_ms);
    }

    pub(crate) fn connect(&mut self) {
        self.indications.clear();
        self.tell(LockEvent::Connected(LINK));
    }

    pub(crate) fn disconnect(&mut self) {
        self.tell(LockEvent::Disconnected(LINK));
        self.indications.clear();
    }

    pub(crate) fn write(&mut self, on: Characteristic, bytes: &[u8]) {
        let on = match on {
            Characteristic::Pairing => lock::Characteristic::Pairing,
            Characteristic::Keyturner => lock::Characteristic::Keyturner,
            Characteristic::UserData => lock::Characteristic::UserData,
        };
        self.tell(LockEvent::Received {
            link: LINK,
            on,
            bytes,
        });
    }

    pub(crate) fn pin(&self, value: u32) -> Pin {
        match self.family {
            Family::ToFourth => Pin::short(value as u16),
            Family::Fifth => Pin::long(value),
        }
    }

    pub(crate) fn moment(&mut self) -> Moment {
        let mut random = [0; RANDOM_LENGTH];
        self.random.fill(&mut random);
        Moment::new(self.now_ms, random)
    }
}

fn identity(family: Family) -> lock::Identity {
    lock::Identity {
        nuki_id: NukiId::new(0x1A2B_3C4D).unwrap(),
        family,
        firmware: Version {
            major: 1,
            minor: 2,
            patch: 3,
        },
        hardware: [1, 0],
        mounted_deg: Some(720),
    }
}

fn installed() -> Installed {
    let Hardware {
        vendor, class, slot, ..
    } = Hardware::EMULATOR;
    Installed {
        vendor,
        class,
        room: slot.size,
        standing: Standing {
            running: Running {
                image: ImageDigest([1; 32]),
                version: "1.2.3".parse().unwrap(),
                counter: SecurityCounter(1),
                confirmed: true,
            },
            floor: SecurityCounter(1),
            boot: BootReport {
                outcome: BootOutcome::Steady,
                reason: 0,
                about: [0; 16],
                starts_left: 0,
            },
        },
    }
}

fn lock_moment(random: &mut Random, now_ms: u64) -> lock::Moment {
    let mut bytes = [0; lock::RANDOM_LENGTH];
    random.fill(&mut bytes);
    lock::Moment::new(now_ms, bytes)
}

fn from_lock(on: lock::Characteristic) -> Characteristic {
    match on {
        lock::Characteristic::Pairing => Characteristic::Pairing,
        lock::Characteristic::Keyturner => Characteristic::Keyturner,
        lock::Characteristic::UserData => Characteristic::UserData,
    }
}

pub(crate) fn owner() -> Identity {
    Identity {
        kind: AuthorizationType::App,
        app: AppId(7),
        name: Name::new("Ann").unwrap(),
    }
}

/// A session on the connection, with all that it wrote.
pub(crate) struct Phone {
    pub(crate) session: Session,
    pub(crate) written: Vec<Sent>,
    /// What is indicated by the lock and what the phone does about it may be changed on the way.
    pub(crate) tamper: fn(usize, Sent) -> Option<Sent>,
    heard: usize,
}

/// What a phone is asked to do before it waits for the lock.
pub(crate) enum Due {
    Write(Characteristic, Vec<u8>),
    Store,
    Tell(News),
    Wait,
}

impl From<Action<'_>> for Due {
    fn from(action: Action<'_>) -> Self {
        match action {
            Action::Wait => Self::Wait,
            Action::Write { on, bytes } => Self::Write(on, bytes.to_vec()),
            Action::Store => Self::Store,
            Action::Tell(news) => Self::Tell(news),
        }
    }
}

impl Phone {
    fn of(session: Session) -> Self {
        Self {
            session,
            written: Vec::new(),
            tamper: |_, sent| Some(sent),
            heard: 0,
        }
    }

    pub(crate) fn open(door: &mut Door, credentials: Credentials) -> Self {
        door.connect();
        Self::of(Session::open(credentials))
    }

    /// Begins to pair; nothing is written yet.
    pub(crate) fn begin_pairing(door: &mut Door) -> (Self, Due) {
        let way = match door.family {
            Family::ToFourth => Way::ToFourth,
            Family::Fifth => Way::Fifth(door.pin(0)),
        };
        Self::begin_pairing_by(door, way)
    }

    pub(crate) fn begin_pairing_by(door: &mut Door, way: Way) -> (Self, Due) {
        door.connect();
        let mut secret = [0; 32];
        door.random.fill(&mut secret);
        let secret = SecretKey::from_bytes(&mut secret).unwrap();
        let mut out: Frame = [0; FRAME_MAX];
        let (session, action) = Session::pair(way, owner(), secret, door.now_ms, &mut out);
        let due = action.into();
        (Self::of(session), due)
    }

    /// Pairs with the button pressed.
    pub(crate) fn paired(door: &mut Door) -> Self {
        door.open_pairing();
        let (mut phone, due) = Self::begin_pairing(door);
        assert_eq!(phone.run(door, due), [News::Paired]);
        phone
    }

    pub(crate) fn event(&mut self, door: &mut Door, event: Event<'_>) -> Due {
        let mut out: Frame = [0; FRAME_MAX];
        let moment = door.moment();
        self.session.handle(event, moment, &mut out).into()
    }

    pub(crate) fn begin(&mut self, door: &mut Door, request: impl Into<Request>) -> Due {
        let mut out: Frame = [0; FRAME_MAX];
        let moment = door.moment();
        self.session
            .ask(request.into(), moment, &mut out)
            .expect("nothing else goes on")
            .into()
    }

    /// Asks, and goes on until that has ended.
    pub(crate) fn ask(&mut self, door: &mut Door, request: impl Into<Request>) -> Vec<News> {
        let due = self.begin(door, request);
        self.run(door, due)
    }

    /// Does what is due, and what follows, until what was begun has ended or the lock has no more to say.
    pub(crate) fn run(&mut self, door: &mut Door, mut due: Due) -> Vec<News> {
        let mut news = Vec::new();
        loop {
            match due {
                Due::Write(on, bytes) => {
                    self.written.push((on, bytes.clone()));
                    door.write(on, &bytes);
                }
                Due::Store => {
                    due = self.event(door, Event::Stored);
                    continue;
                }
                Due::Tell(told) => {
                    let ends = matches!(told, News::Paired | News::Done(_) | News::Failed(_));
                    news.push(told);
                    if ends {
                        return news;
                    }
                }
                Due::Wait => {}
            }
            due = match self.next_indication(door) {
                Some((on, bytes)) => self.event(door, Event::Received { on, bytes: &bytes }),
                None => match self.wait(door) {
                    Some(due) => due,
                    None => return news,
                },
            };
        }
    }

    fn next_indication(&mut self, door: &mut Door) -> Option<Sent> {
        while let Some(sent) = door.indications.pop_front() {
            self.heard += 1;
            if let Some(sent) = (self.tamper)(self.heard - 1, sent) {
                return Some(sent);
            }
        }
        None
    }

    /// Time passes until the lock has something to say or the session has had enough; `None` when nothing goes on.
    fn wait(&mut self, door: &mut Door) -> Option<Due> {
        let by_ms = self.session.next_deadline()?;
        while door.indications.is_empty() && door.now_ms < by_ms {
            let step = door
                .lock
                .next_deadline(door.now_ms)
                .unwrap_or(by_ms)
                .clamp(door.now_ms + 1, by_ms);
            door.wait(step - door.now_ms);
        }
        if door.now_ms >= by_ms {
            return Some(self.event(door, Event::Tick));
        }
        Some(Due::Wait)
    }

    /// The shared key, to see what goes over the connection.
    pub(crate) fn key(&self) -> SharedKey {
        self.session
            .credentials()
            .unwrap()
            .expose(|bytes| SharedKey::from_bytes(&mut bytes[26..58].try_into().unwrap()))
    }
}
