//! What an update asks over the lock's own protocol, and what comes next by the lock's answers.

use latchkey_protocol::message::{FromLock, KeyturnerStates, UpdateStatus};
use latchkey_protocol::value::{Battery, ErrorCode, Reported, UpdateStage};

use super::super::news::{self, Earlier, Ended, News, Plan};
use super::super::patience::Wait;
use super::super::{Action, Buffer};
use super::{Doing, Step, Update};
use crate::error::{Error, Failure, NotAsked};
use crate::moment::Moment;
use crate::release::LockFacts;
use crate::request::Request;
use crate::session;

impl<B: AsRef<[u8]>> Update<B> {
    pub(super) fn ask<'a>(&mut self, request: Request, moment: Moment, out: &'a mut Buffer) -> Action<'a> {
        let now_ms = moment.now_ms;
        match self.session.ask(request, moment, &mut out.frame) {
            Ok(session::Action::Write { on, bytes }) => {
                self.doing = Doing::Asking;
                Action::Write { on, bytes }
            }
            Err(why @ (NotAsked::PinMissing | NotAsked::PinWidth)) => self.end(Ended::NotAsked(why)),
            // Something of before is under way yet.
            Ok(_) | Err(NotAsked::Busy | NotAsked::Over) => {
                let _ = self.come_again(now_ms);
                self.disconnect()
            }
        }
    }

    pub(super) fn tell_session<'a>(
        &mut self,
        event: session::Event<'_>,
        moment: Moment,
        out: &'a mut Buffer,
    ) -> Action<'a> {
        let now_ms = moment.now_ms;
        let asking = self.doing == Doing::Asking;
        match self.session.handle(event, moment, &mut out.frame) {
            session::Action::Write { on, bytes } => Action::Write { on, bytes },
            session::Action::Tell(session::News::Done(answer)) if asking => self.answered(answer, now_ms),
            session::Action::Tell(session::News::Failed(failure)) if asking => self.failed(failure, now_ms),
            // What the lock tells unasked.
            session::Action::Wait | session::Action::Store | session::Action::Tell(_) => Action::Wait,
        }
    }

    fn answered(&mut self, answer: Option<FromLock>, now_ms: u64) -> Action<'static> {
        match (self.step, answer) {
            (Step::AskRunning, Some(FromLock::RunningImage(told))) => {
                self.facts = Some(LockFacts::from(&told));
                self.then(Step::AskStatus)
            }
            (Step::AskStatus, Some(FromLock::UpdateStatus(status))) => match self.facts {
                Some(facts) => self.decide(&facts, &status, now_ms),
                None => self.then(Step::AskRunning),
            },
            (Step::AskStates, Some(FromLock::KeyturnerStates(states))) => {
                self.plan = self.plan.map(|plan| with_battery(plan, &states));
                self.then(Step::ShowPlan)
            }
            (Step::Open, None) => {
                self.opened = true;
                self.then(Step::AskImages)
            }
            // Whatever it says to being closed.
            (Step::Close, _) => self.then(Step::End),
            // The session lets no other answer through.
            _ => self.then(Step::End),
        }
    }

    fn failed(&mut self, failure: Failure, now_ms: u64) -> Action<'static> {
        match (self.step, failure.error) {
            (Step::Close, _) => self.then(Step::End),
            (_, Error::Silence | Error::Disconnected) => {
                let _ = self.come_again(now_ms);
                self.disconnect()
            }
            (Step::Open, Error::Refused(Reported::Known(ErrorCode::Busy))) => {
                self.busy(Ended::Busy(None), now_ms)
            }
            (Step::Open, Error::Refused(code)) => self.end(Ended::NotOpened(code)),
            (Step::AskRunning, Error::Refused(_)) => self.end(Ended::TooOld),
            _ => self.end(Ended::Session(failure)),
        }
    }

    /// Waits for whoever has the lock, for a while.
    pub(super) fn busy(&mut self, ended: Ended, now_ms: u64) -> Action<'static> {
        match self.patience.busy(now_ms) {
            // Asked once more at once, and then now and then.
            Wait::Begun => self.tell(News::Busy),
            Wait::On => self.pause(self.step, now_ms),
            Wait::Over => self.end(ended),
        }
    }

    /// What comes next, by what the lock says of itself.
    fn decide(&mut self, facts: &LockFacts, status: &UpdateStatus, now_ms: u64) -> Action<'static> {
        let about = *self.release.about();
        if facts.image == about.image {
            return self.look_at_trial(facts, now_ms);
        }
        let stage = status.stage.known();
        if self.asked {
            return self.look_at_install(facts, stage, status.seconds_left > 0, now_ms);
        }
        if !facts.confirmed {
            let version = facts.version;
            return self.end(Ended::LockOnTrial { version });
        }
        match self.release.for_lock(facts) {
            Ok(fitting) => self.fitting = Some(fitting),
            Err(unfit) => return self.end(Ended::Unfit(unfit)),
        }
        if !self.agreed {
            let received = if status.size == about.size {
                status.received
            } else {
                0
            };
            let boot = facts.boot;
            let earlier = news::earlier(boot.outcome, boot.reason).filter(|_| boot.is_about(about.image));
            self.plan = Some(Plan {
                from: facts.version,
                to: about.version,
                counter: about.counter,
                size: about.size,
                received,
                battery: Battery::default(),
                away_seconds: Plan::away_seconds(about.size),
                earlier,
            });
            return self.then(Step::AskStates);
        }
        self.guest = status.seconds_left > 0 && stage == Some(UpdateStage::Receiving);
        self.then(Step::AskParameters)
    }

    /// The new image runs.
    fn look_at_trial(&mut self, facts: &LockFacts, now_ms: u64) -> Action<'static> {
        if facts.confirmed {
            let version = facts.version;
            let before = !self.asked;
            return self.end(Ended::Confirmed { version, before });
        }
        self.asked = true;
        if self.patience.on_trial(now_ms) {
            self.step = Step::AskRunning;
            return self.tell(News::OnTrial);
        }
        if self.patience.is_over(now_ms) {
            return self.end(Ended::StillOnTrial);
        }
        self.pause(Step::AskRunning, now_ms)
    }

    /// Another image runs, after the install of ours was asked for.
    fn look_at_install(
        &mut self,
        facts: &LockFacts,
        stage: Option<UpdateStage>,
        open: bool,
        now_ms: u64,
    ) -> Action<'static> {
        let boot = facts.boot;
        if stage == Some(UpdateStage::Requested) {
            if self.patience.is_over(now_ms) {
                return self.end(Ended::NotRestarted);
            }
            // It has not restarted. When it does so is for it to say, once the window is closed.
            return if open {
                self.then(Step::AskImages)
            } else {
                self.pause(Step::AskRunning, now_ms)
            };
        }
        let about_ours = boot.is_about(self.release.about().image);
        let ended = match news::earlier(boot.outcome, boot.reason).filter(|_| about_ours) {
            Some(Earlier::Refused(reason)) => Ended::RefusedByBootloader { reason },
            Some(Earlier::Reverted(reason)) => Ended::Reverted { reason },
            None => Ended::NotInstalled {
                version: facts.version,
                reason: boot.reason,
            },
        };
        self.end(ended)
    }
}

fn with_battery(plan: Plan, states: &KeyturnerStates) -> Plan {
    let battery = states.battery;
    Plan { battery, ..plan }
}
