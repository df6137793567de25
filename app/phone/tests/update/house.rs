//! A lock with its window, its slot and its flash, a bootloader that does as it is told, and a phone's shell around an
//! update.

use std::collections::VecDeque;

use latchkey_directive::{BootOutcome, BootReport, Running};
use latchkey_handoff::{Mailbox, Map, Partition, Region, Staging};
use latchkey_image::{Authority, Bytes, Hardware, Image, ImageDigest, SecurityCounter};
use latchkey_lock::installed::Installed;
use latchkey_lock::lock::LinkId;
use latchkey_lock::slot::Slot;
use latchkey_lock::smp::{Around, Identity, Smp};
use latchkey_lock::update::{Conditions, Standing};
use latchkey_phone::Credentials;
use latchkey_phone::release::Signed;
use latchkey_phone::update::{Action, Buffer, Channel, Ended, Event, News, Update};
use latchkey_protocol::pairing::Family;
use latchkey_protocol::value::Pin;
use latchkey_simulator::nor::Nor;
use latchkey_simulator::random::Random;

use crate::bench::{Door, LINK, Phone, Sent};
use crate::images::policy;

pub(crate) const PAGE: usize = 4096;
const PAGES: usize = 40;
const P: u32 = PAGE as u32;
pub(crate) const MAP: Map = Map {
    engine: Partition::new(0, P),
    mailbox: Partition::new(P, 2 * P),
    floor: Partition::new(3 * P, 2 * P),
    record: Partition::new(5 * P, 2 * P),
    active: Partition::new(7 * P, 16 * P),
    dfu: Partition::new(23 * P, 17 * P),
};
pub(crate) const OLD: ImageDigest = ImageDigest([0x11; 32]);

/// What the bootloader makes of an install that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It installs it, and the image confirms itself after so many milliseconds.
    Install {
        confirms_ms: u64,
    },
    /// It installs it, and takes it back after so many.
    Revert {
        after_ms: u64,
        reason: u16,
    },
    Refuse {
        reason: u16,
    },
    /// It does nothing, and says this about another image.
    Overlook {
        reason: u16,
    },
}

/// What becomes of the running image at a time.
#[derive(Clone, Copy)]
enum Due {
    Confirm,
    Revert(u16),
}

pub(crate) struct House {
    pub(crate) door: Door,
    pub(crate) smp: Smp<'static>,
    pub(crate) slot: Slot,
    pub(crate) flash: Nor<PAGE>,
    pub(crate) standing: Standing,
    pub(crate) verdict: Verdict,
    pub(crate) connected: bool,
    pub(crate) mtu: u16,
    pub(crate) restarts: usize,
    /// Pieces that were written to the SMP characteristic.
    pub(crate) pieces: usize,
    /// Where each of these many pieces have been written, the link breaks.
    pub(crate) lose_at: VecDeque<usize>,
    /// Where so many have, the lock loses its power.
    pub(crate) cut_at: VecDeque<usize>,
    /// Pieces that reach the lock before it has answered; more are dropped.
    pub(crate) holds: usize,
    /// Those since it has last answered.
    burst: usize,
    /// Attempts to connect that come to nothing, from now on.
    pub(crate) out_of_reach: usize,
    pub(crate) notifications: VecDeque<Vec<u8>>,
    /// What the lock notifies is changed on the way.
    pub(crate) tamper: Box<dyn FnMut(Vec<u8>) -> Vec<u8>>,
    due: Option<(u64, Due)>,
    before: Standing,
}

fn standing() -> Standing {
    Standing {
        running: Running {
            image: OLD,
            version: "1.2.3".parse().unwrap(),
            counter: SecurityCounter(4),
            confirmed: true,
        },
        floor: SecurityCounter(4),
        boot: report(BootOutcome::Steady, 0, [0; 16]),
    }
}

fn report(outcome: BootOutcome, reason: u16, about: [u8; 16]) -> BootReport {
    BootReport {
        outcome,
        reason,
        about,
        starts_left: 0,
    }
}

fn smp(standing: &Standing) -> Smp<'static> {
    let Hardware {
        vendor, class, slot, ..
    } = Hardware::EMULATOR;
    Smp::new(Identity {
        authority: Authority {
            policy: policy(),
            vendor,
            class,
            slot,
        },
        running: standing.running,
        floor: standing.floor.max(standing.running.counter),
        map: MAP,
    })
}

impl House {
    /// A house whose owner has paired, and what the owner's phone holds.
    pub(crate) fn new(mtu: u16) -> (Self, Credentials) {
        let mut door = Door::new(Family::ToFourth, mtu.into());
        let phone = Phone::paired(&mut door);
        door.disconnect();
        let mut flash = Nor::used(PAGES, Random::new(1));
        flash.put(0, &vec![0xff; 7 * PAGE]);
        let standing = standing();
        let mut house = Self {
            smp: smp(&standing),
            slot: Slot::free(),
            flash,
            standing,
            verdict: Verdict::Install { confirms_ms: 5_000 },
            connected: false,
            mtu,
            restarts: 0,
            pieces: 0,
            lose_at: VecDeque::new(),
            cut_at: VecDeque::new(),
            holds: usize::MAX,
            burst: 0,
            out_of_reach: 0,
            notifications: VecDeque::new(),
            tamper: Box::new(|bytes| bytes),
            due: None,
            before: standing,
            door,
        };
        house.tell_lock();
        (house, phone.session.into_credentials().unwrap())
    }

    /// The shell tells the lock what runs, as after every start.
    pub(crate) fn tell_lock(&mut self) {
        let Hardware { vendor, class, .. } = Hardware::EMULATOR;
        self.door.lock.set_on_trial(!self.standing.running.confirmed);
        self.door.lock.set_installed(Installed {
            vendor,
            class,
            room: MAP.active.size,
            standing: self.standing,
        });
    }

    fn conditions(&self) -> Conditions {
        Conditions {
            battery_percent: 80,
            busy: self.door.lock.is_busy(self.door.now_ms),
            quiet_hours: false,
            opted_out: false,
        }
    }

    pub(crate) fn disconnect(&mut self) {
        self.connected = false;
        self.burst = 0;
        self.notifications.clear();
        self.smp.disconnected(LINK);
        self.door.disconnect();
    }

    /// The lock starts again, whyever.
    pub(crate) fn restart(&mut self) {
        self.connected = false;
        self.notifications.clear();
        self.restarts += 1;
        self.slot = Slot::free();
        self.boot();
        self.smp = smp(&self.standing);
        self.door.restart();
        self.tell_lock();
    }

    fn boot(&mut self) {
        let now_ms = self.door.now_ms;
        self.standing.boot = report(BootOutcome::Steady, 0, [0; 16]);
        let (mut journal, mut mailbox) = Mailbox::open(Region::new(&mut self.flash, MAP.mailbox)).unwrap();
        let Staging::Request(_) = mailbox.staging else {
            return;
        };
        mailbox.staging = Staging::Nothing;
        mailbox.post(&mut journal).unwrap();
        let mut bytes = vec![0; MAP.dfu.size as usize];
        embedded_storage::nor_flash::ReadNorFlash::read(&mut self.flash, MAP.dfu.offset, &mut bytes).unwrap();
        let mut bytes = Bytes::new(&bytes);
        let image = Image::parse(&mut bytes).unwrap();
        let about = *image.digest().0.first_chunk().unwrap();
        self.before = self.standing;
        let (outcome, reason) = match self.verdict {
            Verdict::Install { confirms_ms } => {
                self.due = Some((now_ms + confirms_ms, Due::Confirm));
                (BootOutcome::Trial, 0)
            }
            Verdict::Revert { after_ms, reason } => {
                self.due = Some((now_ms + after_ms, Due::Revert(reason)));
                (BootOutcome::Trial, 0)
            }
            Verdict::Refuse { reason } => (BootOutcome::Refused, reason),
            Verdict::Overlook { reason } => {
                self.standing.boot = report(BootOutcome::Refused, reason, [9; 16]);
                return;
            }
        };
        self.standing.boot = report(outcome, reason, about);
        if outcome == BootOutcome::Trial {
            self.standing.running = Running {
                image: image.digest(),
                version: image.version(),
                counter: image.security_counter(),
                confirmed: false,
            };
        }
    }

    /// Lets time pass; says whether the lock has restarted.
    pub(crate) fn wait(&mut self, ms: u64) -> bool {
        self.door.wait(ms);
        let now_ms = self.door.now_ms;
        let conditions = self.conditions();
        let mut around = Around {
            now_ms,
            conditions,
            window: self.door.lock.update_window(),
            slot: &mut self.slot,
        };
        self.smp.settle(&mut around);
        let wants = self.smp.wants_restart(around.window, now_ms);
        if let Some((_, due)) = self.due.filter(|(at_ms, _)| *at_ms <= now_ms) {
            self.due = None;
            match due {
                Due::Confirm => {
                    self.standing.running.confirmed = true;
                    self.door.lock.set_on_trial(false);
                }
                Due::Revert(reason) => {
                    let about = *self.standing.running.image.0.first_chunk().unwrap();
                    self.restart();
                    self.standing = self.before;
                    self.standing.boot = report(BootOutcome::Reverted, reason, about);
                    self.smp = smp(&self.standing);
                    self.tell_lock();
                    return true;
                }
            }
        }
        if wants {
            self.restart();
        }
        wants
    }

    /// A client writes to the SMP characteristic.
    pub(crate) fn write_smp(&mut self, link: LinkId, bytes: &[u8]) -> Vec<Vec<u8>> {
        let now_ms = self.door.now_ms;
        self.door.lock.serves_update(link, now_ms);
        let conditions = self.conditions();
        let mut around = Around {
            now_ms,
            conditions,
            window: self.door.lock.update_window(),
            slot: &mut self.slot,
        };
        self.smp.receive(link, bytes, &mut around, &mut self.flash);
        let mut notified = Vec::new();
        let mut piece = vec![0; usize::from(self.mtu - 3)];
        while let Some(length) = self.smp.outgoing(link, &mut piece) {
            notified.push(piece[..length].to_vec());
        }
        notified
    }

    pub(crate) fn connect(&mut self) -> Happened {
        if self.out_of_reach > 0 {
            self.out_of_reach -= 1;
            return Happened::NotConnected;
        }
        self.connected = true;
        self.door.connect();
        Happened::Connected(self.mtu)
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) -> Happened {
        self.pieces += 1;
        self.burst += 1;
        let notified = if self.burst > self.holds {
            Vec::new()
        } else {
            self.write_smp(LINK, bytes)
        };
        if !notified.is_empty() {
            self.burst = 0;
        }
        self.notifications
            .extend(notified.into_iter().map(&mut self.tamper));
        let reached = |at: &usize| self.pieces >= *at;
        if self.lose_at.front().is_some_and(reached) {
            self.lose_at.pop_front();
            self.disconnect();
            return Happened::Disconnected;
        }
        if self.cut_at.front().is_some_and(reached) {
            self.cut_at.pop_front();
            self.restart();
            return Happened::Disconnected;
        }
        Happened::Done
    }

    pub(crate) fn slot_holds(&self, image: &[u8]) -> bool {
        self.flash.holds(MAP.dfu.offset as usize, image)
    }
}

/// An owner's phone with an update, as the shell of it.
pub(crate) struct Shell {
    pub(crate) update: Update<Vec<u8>>,
    pub(crate) news: Vec<News>,
    /// What the owner says to the plan.
    pub(crate) consents: bool,
    /// The phone is killed when so many pieces have been sent.
    pub(crate) killed_at: Option<usize>,
    /// What happens whenever it waits.
    pub(crate) meanwhile: fn(&mut House),
}

pub(crate) enum Happened {
    Done,
    Connected(u16),
    NotConnected,
    Disconnected,
    Lock(Sent),
    Smp(Vec<u8>),
    Consent(bool),
    Tick,
}

impl Happened {
    fn event(&self) -> Event<'_> {
        match self {
            Self::Done => Event::Done,
            Self::Connected(mtu) => Event::Connected { mtu: *mtu },
            Self::NotConnected => Event::NotConnected,
            Self::Disconnected => Event::Disconnected,
            Self::Lock((on, bytes)) => Event::Received {
                on: Channel::Lock(*on),
                bytes,
            },
            Self::Smp(bytes) => Event::Received {
                on: Channel::Smp,
                bytes,
            },
            Self::Consent(yes) => Event::Consent(*yes),
            Self::Tick => Event::Tick,
        }
    }
}

impl Shell {
    pub(crate) fn new(release: Signed<Vec<u8>>, credentials: Credentials) -> Self {
        Self::with_pin(release, credentials, Pin::short(0))
    }

    pub(crate) fn with_pin(release: Signed<Vec<u8>>, credentials: Credentials, pin: Pin) -> Self {
        Self {
            update: Update::new(release, credentials, pin),
            news: Vec::new(),
            consents: true,
            killed_at: None,
            meanwhile: |_| {},
        }
    }

    /// Runs it to its end; `None` when the phone was killed before. Panics when it does not end.
    pub(crate) fn run(&mut self, house: &mut House) -> Option<Ended> {
        const LONGEST_MS: u64 = 3 * 3_600 * 1_000;
        const MOST_EVENTS: usize = 100_000;
        let end_ms = house.door.now_ms + LONGEST_MS;
        let mut buffer = Buffer::new();
        let mut happened = Happened::Done;
        for _ in 0..MOST_EVENTS {
            assert!(
                house.door.now_ms < end_ms,
                "it does not end: {:?}",
                self.news.last()
            );
            let moment = house.door.moment();
            happened = match self.update.handle(happened.event(), moment, &mut buffer) {
                Action::Again => Happened::Done,
                Action::Connect => house.connect(),
                Action::Disconnect => {
                    house.disconnect();
                    Happened::Done
                }
                Action::Write { on, bytes } => {
                    assert!(house.connected, "nobody is there");
                    house.door.write(on, bytes);
                    Happened::Done
                }
                Action::Send { bytes } => {
                    assert!(house.connected, "nobody is there");
                    assert!(bytes.len() <= usize::from(house.mtu - 3));
                    let sent = house.send(bytes);
                    if self.killed_at.is_some_and(|at| house.pieces >= at) {
                        house.disconnect();
                        return None;
                    }
                    sent
                }
                Action::Tell(News::Ended(ended)) => {
                    assert!(self.update.is_over());
                    assert!(!house.connected, "it leaves the lock alone");
                    return Some(ended);
                }
                Action::Tell(news) => {
                    let plan = matches!(news, News::Plan(_));
                    self.news.push(news);
                    if plan {
                        assert!(!house.connected, "it holds no connection while somebody thinks");
                        Happened::Consent(self.consents)
                    } else {
                        Happened::Done
                    }
                }
                Action::Wait => self.wait(house),
            };
        }
        panic!("it does not end: {:?}", self.news.last())
    }

    /// What happens next.
    fn wait(&mut self, house: &mut House) -> Happened {
        const STEP_MS: u64 = 100;
        loop {
            (self.meanwhile)(house);
            if let Some(sent) = house.door.indications.pop_front() {
                return Happened::Lock(sent);
            }
            if let Some(bytes) = house.notifications.pop_front() {
                return Happened::Smp(bytes);
            }
            let now_ms = house.door.now_ms;
            if house.connected && house.door.lock.should_disconnect(LINK, now_ms) {
                house.disconnect();
                return Happened::Disconnected;
            }
            let by_ms = self.update.next_deadline().expect("it waits for something");
            if now_ms >= by_ms {
                return Happened::Tick;
            }
            let was = house.connected;
            let restarted = house.wait(STEP_MS.min(by_ms - now_ms));
            if restarted && was {
                return Happened::Disconnected;
            }
        }
    }
}
