//! What a page may ask of a lock, as JSON, and the request that this is.
//!
//! Anything else, and any value that a lock would not take, is refused here, before anything is sent.

use latchkey_phone::Request;
use latchkey_phone::request::{Act, Administer, Report};
use latchkey_protocol::pairing::Family;
use latchkey_protocol::value::{
    ActionFlags, AuthorizationId, AuthorizationType, CarriedKey, CodeId, DateTime, KeypadCode, LockAction,
    LogIndex, Name, NukiId, Pin, SortOrder, TimeLimits,
};
use latchkey_protocol::wire::Tail;
use serde::Deserialize;

use crate::limits::Limits;

/// Entries asked for in one go where the whole list is wanted; no lock holds more.
const ALL: u16 = 1_000;

/// What a page asks. No `Debug`: some of it is secret.
#[derive(Deserialize)]
#[serde(
    tag = "ask",
    rename_all = "kebab-case",
    rename_all_fields = "camelCase",
    deny_unknown_fields
)]
pub(crate) enum Ask {
    States {},
    Running {},
    Battery {},
    Config {},
    Move {
        action: Move,
    },
    Log {
        pin: u32,
        start: u32,
        count: u16,
    },
    Codes {
        pin: u32,
    },
    AddCode {
        pin: u32,
        code: u32,
        name: String,
        limits: Option<Limits>,
    },
    UpdateCode {
        pin: u32,
        id: u16,
        code: u32,
        name: String,
        enabled: bool,
        limits: Option<Limits>,
    },
    RemoveCode {
        pin: u32,
        id: u16,
    },
    Users {
        pin: u32,
    },
    Invite {
        pin: u32,
        /// The lock's Nuki ID, which the invitation names.
        lock: String,
        name: String,
        limits: Option<Limits>,
    },
    UpdateUser {
        pin: u32,
        id: u32,
        name: String,
        enabled: bool,
        remote: bool,
        limits: Option<Limits>,
    },
    RemoveUser {
        pin: u32,
        id: u32,
    },
    SetPin {
        pin: u32,
        new: u32,
    },
    SetTime {
        pin: u32,
        unix: u64,
    },
}

/// How a page may have the lock move.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Move {
    Lock,
    Unlock,
    Unlatch,
    LockNGo,
}

impl From<Move> for LockAction {
    fn from(action: Move) -> Self {
        match action {
            Move::Lock => Self::Lock,
            Move::Unlock => Self::Unlock,
            Move::Unlatch => Self::Unlatch,
            Move::LockNGo => Self::LockNGo,
        }
    }
}

impl Ask {
    /// Reads what a page asks.
    pub(crate) fn read(json: &str) -> Result<Self, String> {
        // What was asked may hold a PIN: the reason is named, the text is not repeated.
        serde_json::from_str(json).map_err(|error| {
            format!(
                "the page asked for something that is not known (at character {}); reload it",
                error.column()
            )
        })
    }

    /// The request, to a lock of this family. `carried` makes the key of an invitation to this lock.
    pub(crate) fn into_request(
        self,
        family: Family,
        carried: impl FnOnce(NukiId) -> Result<CarriedKey, String>,
    ) -> Result<Request, String> {
        let pin = |value| pin(family, value);
        let with = |asked: Administer, value| Ok(asked.with(pin(value)?));
        match self {
            Self::States {} => Ok(Report::States {}.into()),
            Self::Running {} => Ok(Report::Running {}.into()),
            Self::Battery {} => Ok(Report::Battery {}.into()),
            Self::Config {} => Ok(Act::Config {}.into()),
            Self::Move { action } => Ok(Act::Lock {
                action: action.into(),
                flags: ActionFlags::default(),
                suffix: Tail(None),
            }
            .into()),
            Self::Log { pin, start, count } => {
                let order = SortOrder::Descending;
                with(
                    Administer::Log {
                        start: LogIndex(start),
                        count,
                        order,
                        want_count: true,
                    },
                    pin,
                )
            }
            Self::Codes { pin } => with(
                Administer::Codes {
                    offset: 0,
                    count: ALL,
                },
                pin,
            ),
            Self::AddCode {
                pin,
                code,
                name,
                limits,
            } => {
                let (code, name, limits) = (keypad_code(code)?, self::name(&name)?, time_limits(limits)?);
                with(Administer::AddCode { code, name, limits }, pin)
            }
            Self::UpdateCode {
                pin,
                id,
                code,
                name,
                enabled,
                limits,
            } => {
                let (code, name, limits) = (keypad_code(code)?, self::name(&name)?, time_limits(limits)?);
                with(
                    Administer::UpdateCode {
                        id: CodeId(id),
                        code,
                        name,
                        enabled,
                        limits,
                    },
                    pin,
                )
            }
            Self::RemoveCode { pin, id } => with(Administer::RemoveCode { id: CodeId(id) }, pin),
            Self::Users { pin } => with(
                Administer::Authorizations {
                    offset: 0,
                    count: ALL,
                },
                pin,
            ),
            Self::Invite {
                pin,
                lock,
                name,
                limits,
            } => {
                let (name, limits) = (self::name(&name)?, time_limits(limits)?);
                let key = carried(nuki_id(&lock)?)?;
                let (kind, remote_allowed) = (AuthorizationType::App, false);
                with(
                    Administer::Invite {
                        name,
                        kind,
                        key,
                        remote_allowed,
                        limits,
                    },
                    pin,
                )
            }
            Self::UpdateUser {
                pin,
                id,
                name,
                enabled,
                remote,
                limits,
            } => {
                let (name, limits) = (self::name(&name)?, time_limits(limits)?);
                let authorization = AuthorizationId(id);
                let remote_allowed = remote;
                with(
                    Administer::UpdateAuthorization {
                        authorization,
                        name,
                        enabled,
                        remote_allowed,
                        limits,
                    },
                    pin,
                )
            }
            Self::RemoveUser { pin, id } => {
                let authorization = AuthorizationId(id);
                with(Administer::RemoveAuthorization { authorization }, pin)
            }
            Self::SetPin { pin: old, new } => with(Administer::SetPin { new_pin: pin(new)? }, old),
            Self::SetTime { pin, unix } => {
                let time = DateTime::from_unix(unix).ok_or("this is no time that a lock's clock can show")?;
                with(Administer::SetTime { time }, pin)
            }
        }
    }
}

/// A PIN as locks of this family have it.
pub(crate) fn pin(family: Family, value: u32) -> Result<Pin, String> {
    match family {
        Family::ToFourth => u16::try_from(value)
            .map(Pin::short)
            .map_err(|_| "the security PIN of this lock is at most 65535; check what you typed".to_owned()),
        Family::Fifth => Ok(Pin::long(value)),
    }
}

/// A name that fits.
pub(crate) fn name<const N: usize>(text: &str) -> Result<Name<N>, String> {
    let text = text.trim();
    if text.is_empty() {
        return Err("the name is empty; give one".to_owned());
    }
    Name::new(text).ok_or_else(|| {
        format!(
            "the name is too long: it takes {} bytes, and there is room for {N}; shorten it",
            text.len()
        )
    })
}

fn nuki_id(text: &str) -> Result<NukiId, String> {
    let id = u32::from_str_radix(text, 16).ok().and_then(NukiId::new);
    id.ok_or_else(|| "the lock's ID is not known; connect to the lock and try again".to_owned())
}

fn keypad_code(code: u32) -> Result<KeypadCode, String> {
    KeypadCode::new(code).ok_or_else(|| {
        "a keypad code has six digits from 1 to 9, and does not begin with 12; choose another".to_owned()
    })
}

fn time_limits(limits: Option<Limits>) -> Result<Option<TimeLimits>, String> {
    limits.map(|limits| limits.read()).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(json: &str) -> Result<Request, String> {
        Ask::read(json)?.into_request(Family::ToFourth, |_| Ok(CarriedKey::new([7; 32])))
    }

    #[test]
    fn a_code_to_add_is_the_request_to_add_it() {
        let asked = request(r#"{"ask":"add-code","pin":1234,"code":345678,"name":"Cleaner","limits":null}"#);
        let wanted = Administer::AddCode {
            code: KeypadCode::new(345_678).unwrap(),
            name: Name::new("Cleaner").unwrap(),
            limits: None,
        };
        assert_eq!(asked, Ok(wanted.with(Pin::short(1234))));
    }

    #[test]
    fn a_key_is_made_for_an_invitation_alone() {
        let asked = |json| {
            Ask::read(json)
                .unwrap()
                .into_request(Family::ToFourth, |lock| Err(format!("made {lock}")))
        };
        assert_eq!(
            asked(r#"{"ask":"invite","pin":0,"lock":"1A2B3C4D","name":"Guest","limits":null}"#),
            Err("made 1A2B3C4D".into())
        );
        assert!(asked(r#"{"ask":"users","pin":0}"#).is_ok());
    }

    #[test]
    fn what_no_lock_takes_is_refused_before_it_is_sent_and_not_repeated() {
        for json in [
            r#"{"ask":"open-sesame"}"#,
            r#"{"ask":"states","extra":1}"#,
            r#"{"ask":"move","action":"calibrate"}"#,
            r#"{"ask":"users","pin":654321}"#,
            r#"{"ask":"users","pin":-1}"#,
            r#"{"ask":"add-code","pin":0,"code":123456,"name":"A","limits":null}"#,
            r#"{"ask":"add-code","pin":0,"code":345670,"name":"A","limits":null}"#,
            r#"{"ask":"add-code","pin":0,"code":345678,"name":"  ","limits":null}"#,
            r#"{"ask":"add-code","pin":0,"code":345678,"name":"a name of twenty-one b","limits":null}"#,
            r#"{"ask":"add-code","pin":0,"code":345678,"name":"A","limits":{"from":"2026-02-30T00:00"}}"#,
            r#"{"ask":"set-time","pin":0,"unix":99999999999999}"#,
            r#"{"ask":"invite","pin":0,"lock":"Home","name":"A","limits":null}"#,
            r#"{"ask":"invite","pin":0,"lock":"00000000","name":"A","limits":null}"#,
        ] {
            let refused = request(json).err().unwrap_or_else(|| panic!("{json}"));
            assert!(!refused.contains("654321"), "{refused}");
        }
    }
}
