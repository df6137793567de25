//! What the client does next: the second half of the state machine, which signs, sends, waits and asks.

use latchkey_directive::{
    BootOutcome, CheckIn, Enrolment, Event as Reported, Nonce, ProblemCode, Purpose, Report, Sealed, seal,
};
use latchkey_image::ImageDigest;
use minicbor::{Decode, Encode};

use super::{ANSWER_MS, AfterReports, Client, Fetching, Offer, Phase, SILENCE_MS, Then};
use crate::update::{Action, Conditions, Failure, Hold, Moment, Note, Step};

const ENROL: &str = "/device/v1/enrol";
const CHECK_IN: &str = "/device/v1/check-in";
const REPORT: &str = "/device/v1/report";

impl Client<'_> {
    pub(super) fn call_server(&mut self, moment: &Moment) -> Step {
        self.report(AfterReports::CheckIn, moment)
    }

    /// Sends the oldest report, or goes on when there is none.
    pub(super) fn report(&mut self, after: AfterReports, moment: &Moment) -> Step {
        if self.online
            && let Some(report) = self.settings.next_report().copied()
        {
            self.phase = Phase::Reporting {
                sequence: report.sequence,
                after,
            };
            return self.post(REPORT, &report, None, moment);
        }
        match after {
            AfterReports::CheckIn => self.check_in(moment),
            AfterReports::Wait { until_ms } => self.wait(until_ms, Then::CallServer, None),
            AfterReports::Restart => self.restart(None, moment),
        }
    }

    pub(super) fn check_in(&mut self, moment: &Moment) -> Step {
        let message = self.next_check_in(moment);
        self.phase = Phase::CheckingIn { nonce: message.nonce };
        self.post(CHECK_IN, &message, Some(Note::CheckIn), moment)
    }

    pub(super) fn next_check_in(&mut self, moment: &Moment) -> CheckIn {
        let [nonce @ .., _, _, _, _] = moment.random;
        CheckIn {
            device: self.identity.key.device_id(),
            nonce: Nonce(nonce),
            sequence: self.next_sequence(),
            vendor: self.identity.vendor,
            class: self.identity.class,
            running: self.standing.running,
            floor: self.standing.floor,
            boot: self.standing.boot,
            battery_percent: moment.conditions.battery_percent,
            // A server that hears of an owner's no does not ask again; the rest passes by itself.
            hold: match moment.conditions {
                Conditions { opted_out: true, .. } => Some(Hold::Owner),
                conditions => conditions.hold(),
            }
            .map(Hold::told),
            echo: self.echo,
        }
    }

    pub(super) fn enrol(&mut self, moment: &Moment) -> Step {
        let message = Enrolment {
            device_key: *self.identity.key.public().as_bytes(),
            vendor: self.identity.vendor,
            class: self.identity.class,
        };
        self.phase = Phase::Enrolling;
        self.post(ENROL, &message, Some(Note::Enrol), moment)
    }

    /// Begins or takes up a download. What the slot holds decides where it goes on, not what we remember.
    pub(super) fn open(&mut self, offer: Offer, note: Option<Note>, moment: &Moment) -> Step {
        self.phase = Phase::Opening(offer);
        let open = Action::Open {
            image: offer.install.image,
            size: offer.install.size,
        };
        act(note, open, later(moment, ANSWER_MS))
    }

    pub(super) fn read_on(&mut self, fetching: Fetching, note: Option<Note>, moment: &Moment) -> Step {
        self.phase = Phase::Fetching(fetching);
        let until_ms = later(moment, SILENCE_MS).min(fetching.ends_ms);
        act(note, Action::Read, until_ms)
    }

    /// Asks for the install as soon as nothing speaks against it.
    pub(super) fn install(&mut self, offer: Offer, note: Option<Note>, moment: &Moment) -> Step {
        if let Some(hold) = moment.conditions.hold() {
            // Said once: when the proof is new.
            let holding = note.map(|_| Note::Holding(hold));
            return self.wait(offer.valid_until_ms, Then::Install(offer), holding);
        }
        self.phase = Phase::Requesting(offer);
        self.settings.set_asked(Some(offer.install.image));
        self.unsaved = true;
        act(note, Action::Request, later(moment, ANSWER_MS))
    }

    /// Tells the server that the image is refused, and waits longer each time.
    pub(super) fn refuse(&mut self, offer: Offer, reason: u16, moment: &Moment) -> Step {
        if self.settings.asked() == Some(offer.install.image) {
            self.settings.set_asked(None);
        }
        self.queue(Reported::RefusedByApp, offer.install.image, reason);
        self.settings.count_refusal();
        self.rest(moment);
        let until_ms = offer.valid_until_ms.max(self.rests_until_ms);
        noted(
            Note::Refused { reason },
            self.report(AfterReports::Wait { until_ms }, moment),
        )
    }

    /// After installs that came to nothing no other begins for a while, longer each time, also after a restart:
    /// whoever holds the director's key must not be able to wear out the flash.
    pub(super) fn rest(&mut self, moment: &Moment) {
        self.rests_until_ms = match self.settings.refusals() {
            0 => 0,
            refusals => later(moment, self.identity.pace.after(refusals, jitter(moment))),
        };
    }

    pub(super) fn restart(&mut self, note: Option<Note>, moment: &Moment) -> Step {
        self.phase = Phase::Restarting;
        act(note, Action::Restart, later(moment, ANSWER_MS))
    }

    pub(super) fn wait(&mut self, until_ms: u64, then: Then, note: Option<Note>) -> Step {
        self.phase = Phase::Waiting { until_ms, then };
        let bounded = self.online || matches!(then, Then::Install(_));
        Step {
            until_ms: bounded.then_some(until_ms),
            ..act(note, Action::Wait, 0)
        }
    }

    /// Waits as the server says, and ever longer when waiting alone is no cure.
    pub(super) fn be_patient(&mut self, code: ProblemCode, call_again_s: u32, moment: &Moment) -> Step {
        let asked = self.identity.pace.asked(call_again_s);
        let again_ms = match code {
            ProblemCode::AwaitingApproval | ProblemCode::Busy => asked,
            ProblemCode::Malformed
            | ProblemCode::UnknownDevice
            | ProblemCode::Revoked
            | ProblemCode::BadSignature
            | ProblemCode::Replayed
            | ProblemCode::NoSuchImage => asked.max(self.next_backoff(moment)),
        };
        let note = Note::Problem { code, again_ms };
        self.wait(later(moment, again_ms), Then::CallServer, Some(note))
    }

    pub(super) fn out_of_turn(&mut self, moment: &Moment) -> Step {
        self.on_failed(Failure::OutOfTurn, moment)
    }

    fn post<M: Purpose + Encode<()>>(
        &mut self,
        path: &'static str,
        message: &M,
        note: Option<Note>,
        moment: &Moment,
    ) -> Step {
        let key = self.identity.key;
        // Every message fits; one that did not would be sent empty and refused.
        self.outgoing_length = seal(message, |digest| key.sign(digest), &mut self.outgoing).unwrap_or(0);
        act(note, Action::Post(path), later(moment, ANSWER_MS))
    }

    // What is remembered.

    /// Works out what became of the install that was asked for; a report for the server when that is known.
    pub(super) fn settle_asked(&mut self) {
        let Some(asked) = self.settings.asked() else {
            return;
        };
        let standing = &self.standing;
        let boot = standing.boot;
        let is_about = asked.0.starts_with(&boot.about);
        let (event, reason) = if standing.running.image == asked {
            if !standing.running.confirmed {
                return;
            }
            (Some(Reported::Confirmed), 0)
        } else {
            match boot.outcome {
                BootOutcome::Refused if is_about => (Some(Reported::RefusedByBootloader), boot.reason),
                BootOutcome::Reverted | BootOutcome::Rescued if is_about => {
                    (Some(Reported::Reverted), boot.reason)
                }
                // The power was cut before the bootloader was asked. The download is still there.
                BootOutcome::Steady
                | BootOutcome::Trial
                | BootOutcome::Refused
                | BootOutcome::Reverted
                | BootOutcome::Rescued => (None, 0),
            }
        };
        self.settings.set_asked(None);
        self.unsaved = true;
        match event {
            Some(Reported::Confirmed) => self.settings.forget_refusals(),
            Some(_) => self.settings.count_refusal(),
            None => {}
        }
        if let Some(event) = event {
            self.queue(event, asked, reason);
        }
    }

    pub(super) fn queue(&mut self, event: Reported, image: ImageDigest, reason: u16) {
        let report = Report {
            device: self.identity.key.device_id(),
            sequence: self.next_sequence(),
            event,
            image,
            reason,
        };
        self.settings.queue(report);
        self.unsaved = true;
    }

    /// Never the same twice: the upper half counts starts and is stored before anything is signed.
    pub(super) fn next_sequence(&mut self) -> u64 {
        self.signed = self.signed.saturating_add(1);
        u64::from(self.settings.starts()) << 32 | u64::from(self.signed)
    }

    pub(super) fn next_backoff(&mut self, moment: &Moment) -> u64 {
        self.failures = self.failures.saturating_add(1);
        self.identity.pace.after(self.failures, jitter(moment))
    }
}

/// Opens an answer; `None` for anything not signed by this key for this purpose.
pub(super) fn open<'b, M: Purpose + Decode<'b, ()>>(
    bytes: &'b [u8],
    key: &latchkey_directive::PublicKey,
) -> Option<M> {
    Sealed::parse(bytes).ok()?.open(key).ok()
}

pub(super) fn jitter(moment: &Moment) -> u32 {
    let [.., a, b, c, d] = moment.random;
    u32::from_le_bytes([a, b, c, d])
}

pub(super) fn later(moment: &Moment, ms: u64) -> u64 {
    moment.now_ms.saturating_add(ms)
}

/// Puts a line before the one that a step has.
pub(super) fn noted(first: Note, step: Step) -> Step {
    let [second, _] = step.notes;
    Step {
        notes: [Some(first), second],
        ..step
    }
}

pub(super) fn act(note: Option<Note>, action: Action, until_ms: u64) -> Step {
    Step {
        save: false,
        notes: [note, None],
        action,
        until_ms: Some(until_ms),
    }
}
