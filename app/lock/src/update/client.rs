//! The state machine itself. One function an event; each asks first whether the event belongs to the phase.

mod acts;

use latchkey_directive::{
    Action as Allowed, Directive, Event as Reported, Install, MAX_SEALED, Nonce, Problem, ProblemCode,
    Receipt, seal,
};
use latchkey_image::Refusal;

use acts::{act, jitter, later, noted, open};

use super::{Action, Event, Failure, Head, Identity, Moment, Note, Standing, Step, Unfit};
use crate::reason::Reason;
use crate::settings::Settings;

/// How long the server may take to answer, in milliseconds.
const ANSWER_MS: u64 = 30_000;
/// How long a download may bring nothing, in milliseconds.
const SILENCE_MS: u64 = 20_000;
/// How long one attempt at a download may take in all, in milliseconds. What it brought is kept.
const ATTEMPT_MS: u64 = 900_000;
/// An attempt that brought less than this, in bytes, counts as another failure in a row.
const PROGRESS: u32 = 4096;
/// A line in the log each time a download passes a multiple of this, in bytes.
const NOTE_EVERY: u32 = 32_768;

/// An install the director allowed, and until when.
#[derive(Clone, Copy)]
struct Offer {
    install: Install,
    /// The time to call again: after it, the server must say so anew.
    valid_until_ms: u64,
}

impl Offer {
    fn is_valid(&self, moment: &Moment) -> bool {
        moment.now_ms < self.valid_until_ms
    }
}

/// What follows a wait.
#[derive(Clone, Copy)]
enum Then {
    /// Reports, then a check-in.
    CallServer,
    /// Going on with a download.
    Download(Offer),
    /// Asking for a proven image's install.
    Install(Offer),
}

/// What follows the reports.
#[derive(Clone, Copy)]
enum AfterReports {
    CheckIn,
    Wait { until_ms: u64 },
    Restart,
}

/// What the client is in the middle of. Each variant holds only what is true then.
#[derive(Clone, Copy)]
enum Phase {
    Waiting { until_ms: u64, then: Then },
    Enrolling,
    Reporting { sequence: u64, after: AfterReports },
    CheckingIn { nonce: Nonce },
    Opening(Offer),
    Asking { offer: Offer, from: u32 },
    Fetching(Fetching),
    Proving(Offer),
    Requesting(Offer),
    Restarting,
}

/// A download whose head was found fit.
#[derive(Clone, Copy)]
struct Fetching {
    offer: Offer,
    /// Where this attempt began.
    from: u32,
    /// Bytes in the slot.
    at: u32,
    /// When this attempt is over.
    ends_ms: u64,
}

/// The update client. See the module's header.
pub struct Client<'k> {
    identity: Identity<'k>,
    standing: Standing,
    settings: Settings,
    unsaved: bool,
    /// Messages signed in this start: the lower half of the sequence.
    signed: u32,
    online: bool,
    /// The server said it does not know us, and we have told it since.
    enrolled: bool,
    /// Failures in a row.
    failures: u32,
    /// What the server wants repeated.
    echo: Option<Nonce>,
    /// No install begins before: each that comes to nothing wears the flash, whoever offers it.
    rests_until_ms: u64,
    phase: Phase,
    outgoing: [u8; MAX_SEALED],
    outgoing_length: usize,
}

impl<'k> Client<'k> {
    /// A client for this start. Counts the start, and works out what became of an install asked for earlier;
    /// so the first step always asks to save the settings.
    ///
    /// The first call to the server is put off by a random part of the shortest wait: after a power cut a
    /// whole street starts at once.
    #[must_use]
    pub fn new(identity: Identity<'k>, standing: Standing, mut settings: Settings, moment: Moment) -> Self {
        settings.count_start();
        let put_off = identity.pace.least_ms.saturating_mul(u64::from(jitter(&moment))) >> 32;
        let mut client = Self {
            identity,
            standing,
            settings,
            unsaved: true,
            signed: 0,
            online: false,
            enrolled: false,
            failures: 0,
            echo: None,
            rests_until_ms: 0,
            phase: Phase::Waiting {
                until_ms: moment.now_ms.saturating_add(put_off),
                then: Then::CallServer,
            },
            outgoing: [0; MAX_SEALED],
            outgoing_length: 0,
        };
        client.settle_asked();
        client.rest(&moment);
        client
    }

    /// What is to be stored when a step says so.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The body to send with [`Action::Post`].
    #[must_use]
    pub fn outgoing(&self) -> &[u8] {
        self.outgoing.get(..self.outgoing_length).unwrap_or(&[])
    }

    /// Whether this core works: it seals a message with the device key and opens it again. For the self-test.
    #[must_use]
    pub fn answers(&mut self, moment: &Moment) -> bool {
        let message = self.next_check_in(moment);
        let mut bytes = [0; MAX_SEALED];
        let key = self.identity.key;
        let opened = seal(&message, |digest| key.sign(digest), &mut bytes)
            .ok()
            .and_then(|length| open(bytes.get(..length)?, key.public()));
        opened == Some(message)
    }

    /// Takes in what happened; says what to do next.
    pub fn handle(&mut self, event: Event<'_>, moment: &Moment) -> Step {
        let step = match event {
            Event::Tick => self.on_tick(moment),
            Event::Network { up } => {
                self.online = up;
                self.on_tick(moment)
            }
            Event::Answer { status, body } => self.on_answer(status, body, moment),
            Event::Head(head) => self.on_head(&head, moment),
            Event::Body { length } => self.on_body(length, moment),
            Event::BodyEnd => self.on_failed(Failure::TooShort, moment),
            Event::Staged { offset } => self.on_staged(offset, moment),
            Event::Proven => self.on_proven(moment),
            Event::Refused { reason } => self.on_refused(reason, moment),
            Event::Requested => self.on_requested(moment),
            Event::Confirmed => self.on_confirmed(moment),
            Event::Failed(why) => self.on_failed(why, moment),
        };
        if event == Event::Failed(Failure::Settings) {
            // They just could not be stored: tried again with the next step, not with this one.
            self.unsaved = true;
            return step;
        }
        Step {
            save: core::mem::take(&mut self.unsaved),
            ..step
        }
    }

    // What happened.

    fn on_tick(&mut self, moment: &Moment) -> Step {
        let Phase::Waiting { until_ms, then } = self.phase else {
            return self.out_of_turn(moment);
        };
        if let Then::Install(offer) = then
            && offer.is_valid(moment)
        {
            return self.install(offer, None, moment);
        }
        if !self.online || moment.now_ms < until_ms {
            return Step {
                until_ms: self.online.then_some(until_ms),
                ..act(None, Action::Wait, 0)
            };
        }
        match then {
            Then::Download(offer) if offer.is_valid(moment) => self.open(offer, None, moment),
            Then::CallServer | Then::Download(_) | Then::Install(_) => self.call_server(moment),
        }
    }

    fn on_answer(&mut self, status: u16, body: &[u8], moment: &Moment) -> Step {
        match self.phase {
            Phase::Enrolling => match status {
                200 => {
                    self.enrolled = true;
                    self.call_server(moment)
                }
                202 => {
                    // Known, but not let in. When to ask again comes with the next answer.
                    self.enrolled = true;
                    self.be_patient(ProblemCode::AwaitingApproval, 0, moment)
                }
                _ => self.on_problem(status, body, moment),
            },
            Phase::Reporting { sequence, after } if status == 200 => {
                self.on_receipt(sequence, after, body, moment)
            }
            Phase::CheckingIn { nonce } if status == 200 => self.on_directive(nonce, body, moment),
            Phase::Reporting { .. } | Phase::CheckingIn { .. } => self.on_problem(status, body, moment),
            Phase::Waiting { .. }
            | Phase::Opening(_)
            | Phase::Asking { .. }
            | Phase::Fetching(_)
            | Phase::Proving(_)
            | Phase::Requesting(_)
            | Phase::Restarting => self.out_of_turn(moment),
        }
    }

    /// Problems are not signed: they are good for patience and for introducing ourselves, for nothing else.
    fn on_problem(&mut self, status: u16, body: &[u8], moment: &Moment) -> Step {
        let Ok(problem) = minicbor::decode::<Problem>(body) else {
            let unfit = match status {
                300..=399 => Unfit::Redirect,
                _ => Unfit::Status(status),
            };
            return self.on_failed(Failure::Unfit(unfit), moment);
        };
        if let Phase::Reporting { after, .. } = self.phase {
            match after {
                AfterReports::Restart => return self.restart(None, moment),
                AfterReports::Wait { until_ms } => return self.wait(until_ms, Then::CallServer, None),
                AfterReports::CheckIn => {}
            }
            if problem.code == ProblemCode::Replayed {
                let sequence = self.next_sequence();
                self.settings.renumber(sequence);
                self.unsaved = true;
            }
        }
        self.echo = problem.challenge;
        match problem.code {
            ProblemCode::UnknownDevice if !self.enrolled => return self.enrol(moment),
            // A report that this server will not take must not keep the lock from being updated.
            ProblemCode::Malformed | ProblemCode::Replayed
                if matches!(self.phase, Phase::Reporting { .. }) =>
            {
                return self.check_in(moment);
            }
            ProblemCode::UnknownDevice => self.enrolled = false,
            ProblemCode::Malformed
            | ProblemCode::AwaitingApproval
            | ProblemCode::Revoked
            | ProblemCode::BadSignature
            | ProblemCode::Replayed
            | ProblemCode::NoSuchImage
            | ProblemCode::Busy => {}
        }
        self.be_patient(problem.code, problem.call_again_s, moment)
    }

    fn on_receipt(&mut self, sequence: u64, after: AfterReports, body: &[u8], moment: &Moment) -> Step {
        let Some(receipt) = open::<Receipt>(body, &self.identity.director) else {
            return self.on_failed(Failure::NotSigned, moment);
        };
        let ours = receipt.device == self.identity.key.device_id() && receipt.sequence == sequence;
        let event = self.settings.next_report().map(|report| report.event);
        if !ours || !self.settings.receipted(sequence) {
            return self.on_failed(Failure::NotForUs, moment);
        }
        self.unsaved = true;
        self.failures = 0;
        let step = self.report(after, moment);
        match event {
            Some(event) => noted(Note::Receipted(event), step),
            None => step,
        }
    }

    fn on_directive(&mut self, nonce: Nonce, body: &[u8], moment: &Moment) -> Step {
        let Some(directive) = open::<Directive>(body, &self.identity.director) else {
            return self.on_failed(Failure::NotSigned, moment);
        };
        if directive.device != self.identity.key.device_id() || directive.nonce != nonce {
            return self.on_failed(Failure::NotForUs, moment);
        }
        self.failures = 0;
        self.echo = None;
        let again_ms = self.identity.pace.asked(directive.call_again_s);
        let valid_until_ms = moment.now_ms.saturating_add(again_ms);
        match directive.action {
            Allowed::Nothing => self.wait(valid_until_ms, Then::CallServer, Some(Note::Nothing { again_ms })),
            Allowed::Install(install) => self.on_install(
                Offer {
                    install,
                    valid_until_ms,
                },
                moment,
            ),
        }
    }

    fn on_install(&mut self, offer: Offer, moment: &Moment) -> Step {
        let Offer {
            install,
            valid_until_ms,
        } = offer;
        if install.image == self.standing.running.image {
            self.wait(valid_until_ms, Then::CallServer, Some(Note::AlreadyRunning))
        } else if !self.standing.running.confirmed {
            // The DFU slot holds the image to return to.
            self.wait(valid_until_ms, Then::CallServer, Some(Note::OnTrial))
        } else if install.counter < self.standing.floor {
            let below = Refusal::BelowFloor {
                offered: install.counter,
                floor: self.standing.floor,
            };
            self.refuse(offer, below.code(), moment)
        } else if install.size > self.identity.slot {
            self.refuse(offer, Reason::TooLarge.code(), moment)
        } else if moment.now_ms < self.rests_until_ms {
            let until_ms = valid_until_ms.max(self.rests_until_ms);
            let again_ms = until_ms.saturating_sub(moment.now_ms);
            self.wait(until_ms, Then::CallServer, Some(Note::Resting { again_ms }))
        } else {
            self.open(offer, Some(Note::Offered(install)), moment)
        }
    }

    fn on_head(&mut self, head: &Head, moment: &Moment) -> Step {
        let Phase::Asking { offer, from } = self.phase else {
            return self.out_of_turn(moment);
        };
        if let Err(unfit) = head.fits(from, offer.install.size) {
            return self.on_failed(Failure::Unfit(unfit), moment);
        }
        let fetching = Fetching {
            offer,
            from,
            at: from,
            ends_ms: moment.now_ms.saturating_add(ATTEMPT_MS),
        };
        let note = Note::Download {
            offset: from,
            size: offer.install.size,
        };
        self.read_on(fetching, Some(note), moment)
    }

    fn on_body(&mut self, length: usize, moment: &Moment) -> Step {
        let Phase::Fetching(fetching) = self.phase else {
            return self.out_of_turn(moment);
        };
        let rest = fetching.offer.install.size.saturating_sub(fetching.at);
        match u32::try_from(length) {
            Ok(0) => self.on_failed(Failure::TooShort, moment),
            Ok(length) if length <= rest => act(None, Action::Stage, later(moment, ANSWER_MS)),
            _ => self.on_failed(Failure::TooLong, moment),
        }
    }

    fn on_staged(&mut self, offset: u32, moment: &Moment) -> Step {
        let (offer, known) = match self.phase {
            Phase::Opening(offer) => (offer, 0),
            Phase::Fetching(fetching) => (fetching.offer, fetching.at),
            Phase::Waiting { .. }
            | Phase::Enrolling
            | Phase::Reporting { .. }
            | Phase::CheckingIn { .. }
            | Phase::Asking { .. }
            | Phase::Proving(_)
            | Phase::Requesting(_)
            | Phase::Restarting => return self.out_of_turn(moment),
        };
        let Install { image, size, .. } = offer.install;
        if offset == size {
            self.phase = Phase::Proving(offer);
            let note = Note::Download { offset, size };
            return act(Some(note), Action::Prove { image }, later(moment, ANSWER_MS));
        }
        if offset > size || offset < known {
            return self.out_of_turn(moment);
        }
        if let Phase::Fetching(fetching) = self.phase {
            let passed = offset / NOTE_EVERY > fetching.at / NOTE_EVERY;
            let note = passed.then_some(Note::Download { offset, size });
            return self.read_on(
                Fetching {
                    at: offset,
                    ..fetching
                },
                note,
                moment,
            );
        }
        self.phase = Phase::Asking { offer, from: offset };
        let fetch = Action::Fetch { image, from: offset };
        act(None, fetch, later(moment, ANSWER_MS))
    }

    fn on_proven(&mut self, moment: &Moment) -> Step {
        let Phase::Proving(offer) = self.phase else {
            return self.out_of_turn(moment);
        };
        let verified = Note::Verified(offer.install.image);
        if !offer.is_valid(moment) {
            // It took too long to come. What is staged is found again, if the server says so anew.
            self.phase = Phase::Waiting {
                until_ms: moment.now_ms,
                then: Then::CallServer,
            };
            return noted(verified, self.on_tick(moment));
        }
        self.install(offer, Some(verified), moment)
    }

    fn on_refused(&mut self, reason: u16, moment: &Moment) -> Step {
        match self.phase {
            Phase::Opening(offer) | Phase::Proving(offer) | Phase::Requesting(offer) => {
                self.refuse(offer, reason, moment)
            }
            Phase::Fetching(fetching) => self.refuse(fetching.offer, reason, moment),
            Phase::Waiting { .. }
            | Phase::Enrolling
            | Phase::Reporting { .. }
            | Phase::CheckingIn { .. }
            | Phase::Asking { .. }
            | Phase::Restarting => self.out_of_turn(moment),
        }
    }

    fn on_requested(&mut self, moment: &Moment) -> Step {
        let Phase::Requesting(offer) = self.phase else {
            return self.out_of_turn(moment);
        };
        self.queue(Reported::Requested, offer.install.image, 0);
        noted(Note::Requested, self.report(AfterReports::Restart, moment))
    }

    fn on_confirmed(&mut self, moment: &Moment) -> Step {
        self.standing.running.confirmed = true;
        self.settle_asked();
        if matches!(self.phase, Phase::Waiting { .. }) && self.settings.next_report().is_some() {
            // The server hears of it now, not when it asked to be called again.
            self.phase = Phase::Waiting {
                until_ms: moment.now_ms,
                then: Then::CallServer,
            };
        }
        self.on_tick(moment)
    }

    fn on_failed(&mut self, why: Failure, moment: &Moment) -> Step {
        let now_ms = moment.now_ms;
        let (then, not_before_ms) = match self.phase {
            Phase::Reporting {
                after: AfterReports::Restart,
                ..
            }
            | Phase::Restarting => return self.restart(None, moment),
            Phase::Reporting {
                after: AfterReports::Wait { until_ms },
                ..
            } => (Then::CallServer, until_ms),
            Phase::Opening(offer)
            | Phase::Asking { offer, .. }
            | Phase::Proving(offer)
            | Phase::Requesting(offer) => (Then::Download(offer), now_ms),
            Phase::Fetching(fetching) => {
                if fetching.at.saturating_sub(fetching.from) >= PROGRESS {
                    self.failures = 0;
                }
                (Then::Download(fetching.offer), now_ms)
            }
            Phase::Waiting { then, .. } => (then, now_ms),
            Phase::Enrolling | Phase::Reporting { .. } | Phase::CheckingIn { .. } => {
                (Then::CallServer, now_ms)
            }
        };
        let again_ms = self.next_backoff(moment);
        let until_ms = now_ms.saturating_add(again_ms).max(not_before_ms);
        let note = Note::Failed {
            why,
            again_ms: until_ms.saturating_sub(now_ms),
        };
        self.wait(until_ms, then, Some(note))
    }
}
