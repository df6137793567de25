//! One lock: the real update client and the real writer of the DFU slot, on flash in memory and a real connection.
//!
//! What is not real: time comes from the fleet, and the bootloader is a few lines that do what a release is fated to do
//! to this lock. The real one is in QEMU in `tests/system` and under power cuts in `tests/simulator`.

use std::sync::Arc;

use latchkey_directive::{BootOutcome, BootReport, DeviceId, Event as Reported, PublicKey, Running};
use latchkey_handoff::layout::{ACTIVE, MAP};
use latchkey_image::{Authority, Hardware, ImageDigest, SecurityCounter, Uuid, Version};
use latchkey_lock::DeviceKey;
use latchkey_lock::staging::{Expected, Proven, Staging};
use latchkey_lock::update::{
    Action, Client, Conditions, Event, Failure, Identity, Moment, Pace, RANDOM_LENGTH, Standing, Step,
};

use crate::flash::Flash;
use crate::wire::Wire;

/// How long a start takes, in milliseconds.
const START_MS: u64 = 5_000;
/// What a trial that is not confirmed ends with.
const TRIALS_OVER: u16 = 1;

/// What a release does to a lock that installs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It runs and confirms itself.
    Runs,
    /// It crashes until the bootloader goes back.
    Reverts,
    /// The lock is never heard of again.
    Bricks,
}

/// What all locks of the fleet have in common.
pub(crate) struct Model {
    /// Whose directives count.
    pub(crate) director: PublicKey,
    /// Which images they boot.
    pub(crate) authority: Authority<'static>,
    /// Who made them.
    pub(crate) vendor: Uuid,
    /// Which hardware they are.
    pub(crate) class: Uuid,
}

/// A release, as far as locks are concerned.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Release {
    /// What it is.
    pub(crate) running: Running,
    /// One in so many locks does not survive it; none at 0.
    pub(crate) breaks_one_in: u64,
}

/// What a lock tells the fleet of itself.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// Reports that the director receipted: sequence and event.
    pub(crate) receipted: Vec<(u64, Reported)>,
    /// Images it was offered.
    pub(crate) offered: Vec<ImageDigest>,
}

/// A lock.
pub(crate) struct Lock {
    model: Arc<Model>,
    key: &'static DeviceKey,
    client: Client<'static>,
    standing: Standing,
    flash: Flash,
    staging: Staging,
    proven: Option<Proven>,
    random: fastrand::Rng,
    step: Step,
    online: bool,
    /// Never heard of again.
    pub(crate) is_gone: bool,
    /// What happened since the fleet looked last.
    pub(crate) told: Told,
}

impl Lock {
    /// A lock from the factory, running `release`, at this time.
    pub(crate) fn new(
        model: Arc<Model>,
        mut random: fastrand::Rng,
        release: &Release,
        now_ms: u64,
    ) -> anyhow::Result<Self> {
        let mut seed = [0; 32];
        random.fill(&mut seed);
        let key = DeviceKey::from_seed(&mut seed).ok_or_else(|| anyhow::anyhow!("the seed makes no key"))?;
        // The client borrows its key for as long as it lives, and the fleet lives as long as the program.
        let key: &'static DeviceKey = Box::leak(Box::new(key));
        let standing = Standing {
            running: release.running,
            floor: release.running.counter,
            boot: steady(),
        };
        let settings = latchkey_lock::settings::Settings::default();
        let moment = moment(&mut random, now_ms);
        let client = Client::new(identity(&model, key), standing, settings, moment);
        let mut lock = Self {
            model,
            key,
            client,
            standing,
            flash: Flash::default(),
            staging: Staging::new(MAP),
            proven: None,
            random,
            step: waiting(),
            online: true,
            is_gone: false,
            told: Told::default(),
        };
        lock.advance(Event::Network { up: true }, now_ms);
        Ok(lock)
    }

    /// Its name.
    pub(crate) fn id(&self) -> DeviceId {
        self.key.device_id()
    }

    /// What it runs.
    pub(crate) fn running(&self) -> Running {
        self.standing.running
    }

    /// When it does something next, in milliseconds: 0 is at once, and nothing is never, without the network or when it
    /// is gone.
    pub(crate) fn wakes_ms(&self) -> Option<u64> {
        if self.is_gone {
            None
        } else if self.step.action == Action::Wait {
            self.step.until_ms
        } else {
            Some(0)
        }
    }

    /// The network comes or goes.
    pub(crate) fn network(&mut self, up: bool, now_ms: u64) {
        self.online = up;
        self.advance(Event::Network { up }, now_ms);
    }

    /// Does what is due, until it waits again.
    pub(crate) async fn live(&mut self, wire: &Wire, releases: &[Release], now_ms: u64) {
        if self.is_gone {
            return;
        }
        if self.step.action == Action::Wait {
            self.advance(Event::Tick, now_ms);
        }
        loop {
            match self.step.action {
                Action::Wait => return,
                Action::Post(path) => self.post(wire, path, now_ms).await,
                Action::Fetch { image, from } => self.fetch(wire, image, from, now_ms).await,
                Action::Restart => {
                    self.restart(releases, now_ms);
                    if self.is_gone {
                        return;
                    }
                }
                Action::Open { .. }
                | Action::Prove { .. }
                | Action::Request
                | Action::Stage
                | Action::Read => {
                    let event = self.work(self.step.action, &[]);
                    self.advance(event, now_ms);
                }
            }
        }
    }

    fn advance(&mut self, event: Event<'_>, now_ms: u64) {
        let moment = moment(&mut self.random, now_ms);
        self.step = self.client.handle(event, &moment);
    }

    async fn post(&mut self, wire: &Wire, path: &'static str, now_ms: u64) {
        let before = self
            .client
            .settings()
            .next_report()
            .map(|report| (report.sequence, report.event));
        match wire.post(path, self.client.outgoing()).await {
            Ok((status, body)) => self.advance(Event::Answer { status, body: &body }, now_ms),
            Err(why) => self.advance(Event::Failed(why), now_ms),
        }
        let after = self
            .client
            .settings()
            .next_report()
            .map(|report| (report.sequence, report.event));
        if let Some(report) = before.filter(|_| path.ends_with("/report") && before != after) {
            self.told.receipted.push(report);
        }
    }

    async fn fetch(&mut self, wire: &Wire, image: ImageDigest, from: u32, now_ms: u64) {
        let (head, body) = match wire.fetch(image, from).await {
            Ok(answer) => answer,
            Err(why) => return self.advance(Event::Failed(why), now_ms),
        };
        self.advance(Event::Head(head), now_ms);
        for piece in body.chunks(1024) {
            if self.step.action != Action::Read {
                return;
            }
            self.advance(Event::Body { length: piece.len() }, now_ms);
            if self.step.action == Action::Stage {
                let event = self.work(Action::Stage, piece);
                self.advance(event, now_ms);
            }
        }
        if self.step.action == Action::Read {
            self.advance(Event::BodyEnd, now_ms);
        }
    }

    /// What is done on flash, as the lock app does it.
    fn work(&mut self, action: Action, bytes: &[u8]) -> Event<'static> {
        let failed = |error: latchkey_lock::staging::StagingError| Event::Refused {
            reason: error.reason().code(),
        };
        match action {
            Action::Open { image, size } => {
                self.told.offered.push(image);
                let begun = self.staging.begin(&mut self.flash, image.into(), size);
                begun.map_or_else(failed, |offset| Event::Staged { offset })
            }
            Action::Stage => {
                let written = self.staging.write(&mut self.flash, bytes);
                written.map_or_else(failed, |offset| Event::Staged { offset })
            }
            Action::Prove { image } => {
                let expected = Expected {
                    image,
                    running: self.standing.running.version,
                    floor: self.standing.floor.max(self.standing.running.counter),
                };
                match self
                    .staging
                    .prove(&mut self.flash, &self.model.authority, &expected)
                {
                    Ok(proven) => {
                        self.proven = Some(proven);
                        Event::Proven
                    }
                    Err(unproven) => Event::Refused {
                        reason: unproven.code(),
                    },
                }
            }
            Action::Request => match self.proven.take() {
                Some(proven) => {
                    let asked = self.staging.request(&mut self.flash, proven);
                    asked.map_or_else(failed, |()| Event::Requested)
                }
                None => Event::Failed(Failure::OutOfTurn),
            },
            Action::Wait | Action::Post(_) | Action::Fetch { .. } | Action::Read | Action::Restart => {
                Event::Failed(Failure::OutOfTurn)
            }
        }
    }

    /// Stands for the bootloader, and for the start of what it boots.
    fn restart(&mut self, releases: &[Release], now_ms: u64) {
        let asked = self.client.settings().asked();
        let new = releases
            .iter()
            .find(|release| Some(release.running.image) == asked);
        let fate = new.map_or(Fate::Runs, |release| self.fate(release));
        let old = self.standing;
        if fate == Fate::Bricks {
            self.is_gone = true;
            self.flash = Flash::default();
            return;
        }
        self.standing = match (new, fate) {
            (Some(new), Fate::Runs) => Standing {
                running: Running {
                    confirmed: false,
                    ..new.running
                },
                floor: old.floor,
                boot: BootReport {
                    outcome: BootOutcome::Trial,
                    ..steady()
                },
            },
            (Some(new), _) => Standing {
                boot: BootReport {
                    outcome: BootOutcome::Reverted,
                    reason: TRIALS_OVER,
                    about: about(new.running.image),
                    starts_left: 0,
                },
                ..old
            },
            (None, _) => Standing {
                boot: steady(),
                ..old
            },
        };
        let settings = self.client.settings().clone();
        let started_ms = now_ms.saturating_add(START_MS);
        let moment = moment(&mut self.random, started_ms);
        self.flash = Flash::default();
        self.staging = Staging::new(MAP);
        self.client = Client::new(identity(&self.model, self.key), self.standing, settings, moment);
        self.advance(Event::Network { up: self.online }, started_ms);
        if !self.standing.running.confirmed {
            self.standing.running.confirmed = true;
            self.advance(Event::Confirmed, started_ms);
        }
    }

    /// What a release does to this lock: the same each time, and another one's business not.
    fn fate(&self, release: &Release) -> Fate {
        if release.breaks_one_in == 0 {
            return Fate::Runs;
        }
        let DeviceId(id) = self.id();
        let [a, b, c, d, .., last] = id;
        let number = u64::from(u32::from_le_bytes([a, b, c, d]));
        match (number % release.breaks_one_in, last % 2) {
            (0, 0) => Fate::Bricks,
            (0, _) => Fate::Reverts,
            _ => Fate::Runs,
        }
    }
}

fn identity(model: &Model, key: &'static DeviceKey) -> Identity<'static> {
    Identity {
        key,
        director: model.director,
        vendor: model.vendor,
        class: model.class,
        slot: ACTIVE.size,
        pace: Pace::FIELD,
    }
}

fn moment(random: &mut fastrand::Rng, now_ms: u64) -> Moment {
    let mut bytes = [0; RANDOM_LENGTH];
    random.fill(&mut bytes);
    Moment {
        now_ms,
        random: bytes,
        conditions: Conditions {
            battery_percent: 80,
            busy: false,
            quiet_hours: false,
            opted_out: false,
        },
    }
}

const fn waiting() -> Step {
    Step {
        save: false,
        notes: [None; 2],
        action: Action::Wait,
        until_ms: None,
    }
}

const fn steady() -> BootReport {
    BootReport {
        outcome: BootOutcome::Steady,
        reason: 0,
        about: [0; 16],
        starts_left: 0,
    }
}

fn about(image: ImageDigest) -> [u8; 16] {
    latchkey_handoff::ImageId::from(image).0
}

/// The hardware all locks of the fleet are.
pub(crate) const HARDWARE: Hardware = Hardware::EMULATOR;

/// A release of this version.
pub(crate) fn running(image: ImageDigest, minor: u8) -> Running {
    Running {
        image,
        version: Version {
            major: 1,
            minor,
            ..Version::default()
        },
        counter: SecurityCounter(u32::from(minor)),
        confirmed: true,
    }
}
