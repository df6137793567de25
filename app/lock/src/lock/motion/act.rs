//! An action: what it is, who wants it, what becomes of it in the log and in the answer.

use latchkey_protocol::message::{Command, LogEvent, Movement};
use latchkey_protocol::value::{
    ActionFlags, AuthorizationId, CodeId, Completion, ErrorCode, KeypadAction, KeypadSource, LockAction,
    Name, Trigger,
};

use super::super::LinkId;
use crate::access::Authorization;
use crate::activity::NOBODY;
use crate::bolt::{Failure, MotorFault};

/// What is in the log about an action besides how it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    Action(LockAction),
    Calibration,
    /// The bolt was found after a start that followed a cut in a motion.
    Found,
    Keypad {
        action: LockAction,
        asked: KeypadAction,
        source: KeypadSource,
        code: CodeId,
    },
}

/// An action under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::lock) struct Act {
    pub(super) subject: Subject,
    pub(super) trigger: Trigger,
    pub(super) flags: ActionFlags,
    pub(super) who: AuthorizationId,
    pub(super) name: Name<32>,
    /// Who waits for its end.
    pub(in crate::lock) answer: Option<(LinkId, Command)>,
    /// Lock again when it is over.
    pub(super) lock_n_go: bool,
}

impl Act {
    /// The connection that waits for its end.
    pub(in crate::lock) fn link(&self) -> Option<u8> {
        self.answer.map(|(link, _)| link.0)
    }

    /// What this client asks for on this connection.
    pub(super) fn asked_by(by: &Authorization, link: LinkId, action: LockAction, command: Command) -> Self {
        Self {
            subject: Subject::Action(action),
            trigger: Trigger::System,
            flags: ActionFlags::default(),
            who: by.id,
            name: by.name,
            answer: Some((link, command)),
            lock_n_go: false,
        }
    }

    /// What the lock does without being asked.
    pub(super) fn by_itself(action: LockAction, trigger: Trigger) -> Self {
        Self {
            subject: Subject::Action(action),
            trigger,
            flags: ActionFlags::default(),
            who: NOBODY,
            name: Name::EMPTY,
            answer: None,
            lock_n_go: false,
        }
    }

    /// The same, with what it comes to.
    pub(super) fn planned(self, lock_n_go: bool) -> Self {
        Self { lock_n_go, ..self }
    }

    pub(super) fn action(&self) -> Option<LockAction> {
        match self.subject {
            Subject::Action(action) | Subject::Keypad { action, .. } => Some(action),
            Subject::Calibration | Subject::Found => None,
        }
    }

    pub(super) fn event(&self, completion: Completion) -> LogEvent {
        let movement = Movement {
            action: self.action().map(Into::into),
            trigger: self.trigger.into(),
            flags: self.flags,
            completion: completion.into(),
        };
        match self.subject {
            Subject::Action(_) => LogEvent::LockAction(movement),
            Subject::Calibration => LogEvent::Calibration(movement),
            Subject::Found => LogEvent::InitializationRun(movement),
            Subject::Keypad {
                asked, source, code, ..
            } => LogEvent::KeypadAction {
                action: asked.into(),
                source: source.into(),
                completion: completion.into(),
                code,
            },
        }
    }
}

pub(super) fn completion_of(failure: Failure) -> Completion {
    match failure {
        Failure::Blocked => Completion::MotorBlocked,
        Failure::Canceled => Completion::Canceled,
        Failure::Timeout => Completion::Incomplete,
        Failure::Motor(MotorFault::LowVoltage) => Completion::LowMotorVoltage,
        Failure::Motor(MotorFault::Clutch) => Completion::ClutchFailure,
        Failure::Motor(MotorFault::Power) => Completion::MotorPowerFailure,
    }
}

pub(super) fn error_of(failure: Failure) -> ErrorCode {
    match failure {
        Failure::Blocked => ErrorCode::MotorBlocked,
        Failure::Canceled => ErrorCode::Canceled,
        Failure::Timeout => ErrorCode::MotorTimeout,
        Failure::Motor(MotorFault::LowVoltage) => ErrorCode::MotorLowVoltage,
        Failure::Motor(MotorFault::Clutch) => ErrorCode::ClutchFailure,
        Failure::Motor(MotorFault::Power) => ErrorCode::MotorPowerFailure,
    }
}
