//! Moving the lock, and how that goes.

use super::layout::messages;
use crate::message::Command;
use crate::value::{
    ActionFlags, AppId, EnteredCode, ErrorCode, KeypadAction, KeypadSource, LockAction, Name, Reported,
    SimpleAction, Status,
};
use crate::wire::Tail;

messages! {
    /// Do this.
    challenged PerformLockAction = 0x000D {
        /// What.
        action: LockAction,
        /// What the client calls itself. Some send 0 whatever they paired with: proves nothing, decides nothing.
        app: AppId,
        /// How it is meant.
        flags: ActionFlags,
        /// What the log appends to the client's name.
        suffix: Tail<Name<20>>,
    }

    /// Lock or unlock, in as few bytes as can be.
    challenged PerformSimpleLockAction = 0x0100 {
        /// What.
        action: SimpleAction,
    }

    /// A keypad asks for something.
    challenged PerformKeypadAction = 0x0048 {
        /// Key, code or finger.
        source: KeypadSource,
        /// What was typed in; without meaning for the other sources.
        code: EnteredCode,
        /// What.
        action: KeypadAction,
    }

    /// How far the last command has come.
    plain StatusReport = 0x000E {
        /// Accepted or complete.
        status: Status,
    }

    /// The last command was refused or has failed.
    plain ErrorReport = 0x0012 {
        /// Why.
        error: Reported<ErrorCode>,
        /// Which command; 0 when the lock could not tell.
        command: Command,
    }
}
