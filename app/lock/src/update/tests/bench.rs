//! A lock and a scripted server around the client: carries out every action, keeps time, and checks on each
//! step what must hold whatever the server does.

use std::collections::VecDeque;

use ed25519_dalek::{Signer, SigningKey};
use latchkey_directive::{
    Action as Allowed, BootOutcome, BootReport, CheckIn, DeviceId, Directive, Enrolment, Install, MAX_SEALED,
    Nonce, Problem, ProblemCode, PublicKey, Purpose, Receipt, Report, Running, Sealed, seal,
};
use latchkey_image::{ImageDigest, SecurityCounter, Uuid, Version};
use minicbor::Encode;

use crate::DeviceKey;
use crate::settings::{ENCODED_MAX, Settings};
use crate::update::*;

pub(super) const PACE: Pace = Pace {
    least_ms: 10_000,
    most_ms: 3_600_000,
};
pub(super) const OLD: ImageDigest = ImageDigest([0x0d; 32]);
pub(super) const NEW: ImageDigest = ImageDigest([0xee; 32]);
pub(super) const SIZE: u32 = 100_001;

pub(super) fn device_key() -> DeviceKey {
    DeviceKey::from_seed(&mut core::array::from_fn(|n| n as u8)).unwrap()
}

pub(super) fn director() -> SigningKey {
    SigningKey::from_bytes(&[0xd1; 32])
}

pub(super) fn sealed<M: Purpose + Encode<()>>(message: &M, key: &SigningKey) -> Vec<u8> {
    let mut out = [0; MAX_SEALED];
    let length = seal(message, |digest| key.sign(digest).to_bytes(), &mut out).unwrap();
    out[..length].to_vec()
}

pub(super) fn install() -> Install {
    Install {
        image: NEW,
        size: SIZE,
        version: Version {
            major: 2,
            ..Version::default()
        },
        counter: SecurityCounter(7),
    }
}

pub(super) fn standing(image: ImageDigest, outcome: BootOutcome) -> Standing {
    Standing {
        running: Running {
            image,
            version: Version::default(),
            counter: SecurityCounter(5),
            confirmed: outcome != BootOutcome::Trial,
        },
        floor: SecurityCounter(5),
        boot: BootReport {
            outcome,
            reason: 0,
            about: [0; 16],
            starts_left: 0,
        },
    }
}

/// What the server does that it should not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mischief {
    None,
    ReplayedDirective,
    DirectiveForAnotherDevice,
    DirectiveForAnotherNonce,
    DirectiveByAnotherKey,
    ReceiptAsDirective,
    Nonsense,
    EmptyAnswer,
    EndlessAnswer,
    ServerError,
    Redirect,
    NoConnection,
    NoAnswer,
    WholeFileInsteadOfRange,
    LongerFile,
    NoLength,
    AnotherRange,
    MoreThanAsked,
    LessThanAsked,
    SilenceInTheBody,
    OneByteNowAndThen,
    ChangedBytes,
    OversizedImage,
    OlderImage,
}

impl Mischief {
    pub(super) const ALL: [Self; 23] = [
        Self::ReplayedDirective,
        Self::DirectiveForAnotherDevice,
        Self::DirectiveForAnotherNonce,
        Self::DirectiveByAnotherKey,
        Self::ReceiptAsDirective,
        Self::Nonsense,
        Self::EmptyAnswer,
        Self::EndlessAnswer,
        Self::ServerError,
        Self::Redirect,
        Self::NoConnection,
        Self::NoAnswer,
        Self::WholeFileInsteadOfRange,
        Self::LongerFile,
        Self::NoLength,
        Self::AnotherRange,
        Self::MoreThanAsked,
        Self::LessThanAsked,
        Self::SilenceInTheBody,
        Self::OneByteNowAndThen,
        Self::ChangedBytes,
        Self::OversizedImage,
        Self::OlderImage,
    ];
}

/// The scripted server.
pub(super) struct Server {
    pub(super) mischief: Mischief,
    /// For the next check-in, whose sequence the server will not take.
    pub(super) challenge: Option<Nonce>,
    pub(super) enrolled: bool,
    pub(super) approved: bool,
    pub(super) install: Option<Install>,
    pub(super) call_again_s: u32,
    /// How long each part of an image takes.
    pub(super) read_ms: u64,
    /// Answers to reports, before it takes them.
    pub(super) report_problems: VecDeque<ProblemCode>,
    pub(super) check_ins: Vec<CheckIn>,
    pub(super) reports: Vec<Report>,
    pub(super) enrolments: usize,
    pub(super) fetches: Vec<u32>,
    old_directive: Option<Vec<u8>>,
}

impl Server {
    pub(super) fn new() -> Self {
        Self {
            mischief: Mischief::None,
            enrolled: true,
            approved: true,
            challenge: None,
            install: Some(install()),
            call_again_s: 600,
            read_ms: 0,
            report_problems: VecDeque::new(),
            check_ins: Vec::new(),
            reports: Vec::new(),
            enrolments: 0,
            fetches: Vec::new(),
            old_directive: None,
        }
    }

    pub(super) fn events(&self) -> Vec<latchkey_directive::Event> {
        self.reports.iter().map(|report| report.event).collect()
    }

    fn problem(code: ProblemCode) -> (u16, Vec<u8>) {
        let problem = Problem {
            code,
            call_again_s: 30,
            challenge: None,
        };
        (403, minicbor::to_vec(problem).unwrap())
    }

    fn answer(&mut self, path: &str, body: &[u8]) -> Result<(u16, Vec<u8>), Failure> {
        match self.mischief {
            Mischief::NoConnection => return Err(Failure::Connection),
            Mischief::NoAnswer => return Err(Failure::Timeout),
            Mischief::EndlessAnswer => return Err(Failure::TooLong),
            Mischief::ServerError => return Ok((500, b"oops".to_vec())),
            Mischief::Redirect => return Ok((302, Vec::new())),
            Mischief::Nonsense => return Ok((200, vec![0x9f; MAX_SEALED])),
            Mischief::EmptyAnswer => return Ok((200, Vec::new())),
            _ => {}
        }
        let message = Sealed::parse(body).unwrap();
        let key = device_key();
        Ok(match path {
            "/device/v1/enrol" => {
                message.open::<Enrolment>(key.public()).unwrap();
                self.enrolments += 1;
                self.enrolled = true;
                (if self.approved { 200 } else { 202 }, Vec::new())
            }
            "/device/v1/report" => {
                let report: Report = message.open(key.public()).unwrap();
                if let Some(code) = self.report_problems.pop_front() {
                    return Ok(Self::problem(code));
                }
                if !self.reports.contains(&report) {
                    self.reports.push(report);
                }
                let receipt = Receipt {
                    device: report.device,
                    sequence: report.sequence,
                };
                (200, sealed(&receipt, &director()))
            }
            "/device/v1/check-in" => {
                let check_in: CheckIn = message.open(key.public()).unwrap();
                if let Some(last) = self.check_ins.last() {
                    assert!(check_in.sequence > last.sequence, "a sequence is used once");
                    assert_ne!(check_in.nonce, last.nonce, "a nonce is fresh");
                }
                self.check_ins.push(check_in);
                if let Some(challenge) = self.challenge.take() {
                    let problem = Problem {
                        code: ProblemCode::Replayed,
                        call_again_s: 30,
                        challenge: Some(challenge),
                    };
                    return Ok((409, minicbor::to_vec(problem).unwrap()));
                }
                match (self.enrolled, self.approved) {
                    (false, _) => Self::problem(ProblemCode::UnknownDevice),
                    (true, false) => Self::problem(ProblemCode::AwaitingApproval),
                    (true, true) => (200, self.directive(&check_in)),
                }
            }
            _ => panic!("no such path: {path}"),
        })
    }

    fn directive(&mut self, check_in: &CheckIn) -> Vec<u8> {
        let mut install = self.install;
        if let Some(install) = &mut install {
            match self.mischief {
                Mischief::OversizedImage => install.size = u32::MAX,
                Mischief::OlderImage => install.counter = SecurityCounter(4),
                _ => {}
            }
        }
        let mut directive = Directive {
            device: check_in.device,
            nonce: check_in.nonce,
            action: install.map_or(Allowed::Nothing, Allowed::Install),
            call_again_s: self.call_again_s,
        };
        let mut key = director();
        match self.mischief {
            Mischief::DirectiveForAnotherDevice => directive.device = DeviceId([0; 16]),
            Mischief::DirectiveForAnotherNonce => directive.nonce = Nonce([0; 16]),
            Mischief::DirectiveByAnotherKey => key = SigningKey::from_bytes(&[3; 32]),
            Mischief::ReceiptAsDirective => {
                let receipt = Receipt {
                    device: check_in.device,
                    sequence: check_in.sequence,
                };
                return sealed(&receipt, &key);
            }
            _ => {}
        }
        let bytes = sealed(&directive, &key);
        let old = self.old_directive.get_or_insert_with(|| bytes.clone());
        if self.mischief == Mischief::ReplayedDirective {
            old.clone()
        } else {
            bytes
        }
    }

    fn head(&self, from: u32) -> Head {
        let (from, total) = (u64::from(from), u64::from(SIZE));
        let range = |first, last, total| Some(ContentRange { first, last, total });
        let mut head = Head {
            status: 206,
            length: Some(total - from),
            range: range(from, total - 1, total),
        };
        match self.mischief {
            Mischief::WholeFileInsteadOfRange => {
                head = Head {
                    status: 200,
                    length: Some(total + 1),
                    range: None,
                };
            }
            Mischief::LongerFile => {
                head.length = Some(total + 1 - from);
                head.range = range(from, total, total + 1);
            }
            Mischief::NoLength => head.length = None,
            Mischief::AnotherRange => head.range = range(from + 1, total - 1, total),
            _ => {}
        }
        head
    }
}

/// A lock on the bench.
pub(super) struct Bench {
    pub(super) client: Client<'static>,
    pub(super) server: Server,
    pub(super) now_ms: u64,
    pub(super) conditions: Conditions,
    pub(super) stored: Settings,
    pub(super) store_works: bool,
    pub(super) requested: bool,
    /// A phone has the slot.
    pub(super) slot_taken: bool,
    pub(super) notes: Vec<String>,
    slot: Option<(ImageDigest, u32)>,
    changed: bool,
    proven: bool,
    random: u8,
    calls: usize,
}

impl Bench {
    pub(super) fn new(standing: Standing, stored: Settings) -> Self {
        let key: &'static DeviceKey = Box::leak(Box::new(device_key()));
        let identity = Identity {
            key,
            director: PublicKey::from_bytes(director().verifying_key().as_bytes()).unwrap(),
            vendor: Uuid([1; 16]),
            class: Uuid([2; 16]),
            slot: 400_000,
            pace: PACE,
        };
        let conditions = Conditions {
            battery_percent: 80,
            busy: false,
            quiet_hours: false,
            opted_out: false,
        };
        let moment = Moment {
            now_ms: 0,
            random: [0x80; RANDOM_LENGTH],
            conditions,
        };
        Self {
            client: Client::new(identity, standing, stored.clone(), moment),
            server: Server::new(),
            now_ms: 0,
            conditions,
            stored,
            store_works: true,
            requested: false,
            slot_taken: false,
            notes: Vec::new(),
            slot: None,
            changed: false,
            proven: false,
            random: 0,
            calls: 0,
        }
    }

    /// A confirmed lock that runs [`OLD`].
    pub(super) fn steady() -> Self {
        Self::new(standing(OLD, BootOutcome::Steady), Settings::default())
    }

    /// The same lock, restarted: only what was stored is left.
    pub(super) fn restarted(self, standing: Standing) -> Self {
        let mut next = Self::new(standing, self.stored);
        next.server = self.server;
        (next.slot, next.random) = (self.slot, self.random);
        next
    }

    pub(super) fn tell(&mut self, event: Event<'_>) -> Step {
        self.random = self.random.wrapping_add(1);
        let moment = Moment {
            now_ms: self.now_ms,
            random: [self.random; RANDOM_LENGTH],
            conditions: self.conditions,
        };
        let step = self.client.handle(event, &moment);
        let notes = step.notes.into_iter().flatten();
        self.notes.extend(notes.map(|note| note.to_string()));
        if step.save {
            if !self.store_works {
                return self.tell(Event::Failed(Failure::Settings));
            }
            let mut bytes = [0; ENCODED_MAX];
            let length = self.client.settings().encode(&mut bytes).unwrap();
            self.stored = Settings::decode(&bytes[..length]).unwrap();
        }
        let patience = match step.action {
            Action::Wait => PACE.most_ms,
            _ => 30_000,
        };
        let until_ms = step.until_ms.expect("online, every action has an end");
        assert!(until_ms <= self.now_ms + patience, "{step:?} at {}", self.now_ms);
        step
    }

    /// Runs until the lock restarts or this much time has passed. Whether it restarted.
    pub(super) fn run_for(&mut self, ms: u64) -> bool {
        let end = self.now_ms + ms;
        let mut step = self.tell(Event::Network { up: true });
        while self.now_ms < end {
            self.calls += 1;
            assert!(self.calls < 200_000, "no progress in time");
            step = match step.action {
                Action::Wait => {
                    let until_ms = step.until_ms.unwrap();
                    self.now_ms = until_ms.max(self.now_ms + 1).min(end);
                    self.tell(Event::Tick)
                }
                Action::Restart => return true,
                action => self.carry_out(action, step.until_ms.unwrap()),
            };
        }
        false
    }

    fn carry_out(&mut self, action: Action, until_ms: u64) -> Step {
        match action {
            Action::Post(path) => {
                let body = self.client.outgoing().to_vec();
                match self.server.answer(path, &body) {
                    Ok((status, body)) => self.tell(Event::Answer { status, body: &body }),
                    Err(Failure::Timeout) => self.time_out(until_ms),
                    Err(why) => self.tell(Event::Failed(why)),
                }
            }
            Action::Open { .. } if self.slot_taken => self.tell(Event::Failed(Failure::SlotTaken)),
            Action::Open { image, size } => {
                let offset = match self.slot {
                    Some((known, offset)) if known == image => offset,
                    _ => 0,
                };
                assert!(size <= 400_000 && offset <= size);
                self.slot = Some((image, offset));
                self.tell(Event::Staged { offset })
            }
            Action::Fetch { from, .. } => {
                self.server.fetches.push(from);
                let head = self.server.head(from);
                self.tell(Event::Head(head))
            }
            Action::Read => self.read(until_ms),
            Action::Prove { image } => {
                assert_eq!(self.slot, Some((image, SIZE)), "only a whole image is proven");
                if self.changed {
                    (self.slot, self.changed) = (None, false);
                    return self.tell(Event::Refused { reason: 35 });
                }
                self.proven = true;
                self.tell(Event::Proven)
            }
            Action::Request => {
                assert!(self.proven, "nothing is asked for without a proof");
                assert_eq!(
                    self.stored.asked(),
                    Some(NEW),
                    "and not before it is written down"
                );
                assert_eq!(self.conditions.hold(), None);
                self.requested = true;
                self.tell(Event::Requested)
            }
            Action::Wait | Action::Stage | Action::Restart => panic!("not here: {action:?}"),
        }
    }

    fn time_out(&mut self, until_ms: u64) -> Step {
        self.now_ms = until_ms;
        self.tell(Event::Failed(Failure::Timeout))
    }

    fn read(&mut self, until_ms: u64) -> Step {
        let (image, offset) = self.slot.unwrap();
        let rest = SIZE - offset;
        let mut length = rest.min(1500);
        self.now_ms += self.server.read_ms;
        match self.server.mischief {
            Mischief::SilenceInTheBody => return self.time_out(until_ms),
            Mischief::OneByteNowAndThen => {
                length = 1;
                self.now_ms += 19_000;
                if self.now_ms > until_ms {
                    return self.time_out(until_ms);
                }
            }
            Mischief::LessThanAsked if rest < 50_000 => return self.tell(Event::BodyEnd),
            Mischief::MoreThanAsked => length += 1500,
            Mischief::ChangedBytes => self.changed = true,
            _ => {}
        }
        let step = self.tell(Event::Body {
            length: length as usize,
        });
        if step.action != Action::Stage {
            assert!(length > rest, "only what is too long is not taken");
            return step;
        }
        assert!(length <= rest, "never more than the directive's size");
        self.slot = Some((image, offset + length));
        self.tell(Event::Staged {
            offset: offset + length,
        })
    }
}
