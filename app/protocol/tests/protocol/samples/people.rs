//! Pairing, authorizations, keypad codes.

use latchkey_protocol::key::{Authenticator, PublicKey};
use latchkey_protocol::message::*;
use latchkey_protocol::value::*;
use latchkey_protocol::wire::{Always, Rest};

use super::*;

pub(super) fn pairing() -> Vec<Sample> {
    let authenticator = Authenticator(counting(0xC0));
    vec![
        sample(
            "RequestData",
            RequestData {
                wanted: Challenge::COMMAND,
                extra: Rest,
            },
        ),
        sample(
            "PublicKeyOffer",
            PublicKeyOffer {
                key: PublicKey(counting(0x80)),
            },
        ),
        sample("Challenge", Challenge { nonce: NONCE }),
        sample(
            "AuthorizationAuthenticator",
            AuthorizationAuthenticator { authenticator },
        ),
        sample(
            "AuthorizationData",
            AuthorizationData {
                authenticator,
                kind: AuthorizationType::Bridge,
                app: APP,
                name: name(),
                nonce: NONCE,
            },
        ),
        sample(
            "GrantedAuthorization",
            GrantedAuthorization {
                authenticator,
                authorization: AUTHORIZATION,
                uuid: UUID,
                nonce: NONCE,
            },
        ),
        sample(
            "AuthorizationIdConfirmation",
            AuthorizationIdConfirmation {
                authenticator,
                authorization: AUTHORIZATION,
            },
        ),
        sample("AuthorizationInfo", AuthorizationInfo { pin_set: true }),
        sample(
            "AuthorizationDataFifth",
            AuthorizationDataFifth {
                app: APP,
                name: name(),
                pin: wide_pin(),
            },
        ),
        sample(
            "GrantedAuthorizationFifth",
            GrantedAuthorizationFifth {
                authorization: AUTHORIZATION,
                uuid: UUID,
            },
        ),
    ]
}

pub(super) fn authorizations() -> Vec<Sample> {
    vec![
        sample(
            "RemoveAuthorizationEntry",
            RemoveAuthorizationEntry {
                authorization: AUTHORIZATION,
                nonce: NONCE,
                pin: pin(),
            },
        ),
        sample(
            "RequestAuthorizationEntries",
            RequestAuthorizationEntries {
                offset: 3,
                count: 10,
                nonce: NONCE,
                pin: pin(),
            },
        ),
        sample("AuthorizationEntry", authorization_entry(None)),
        sample("AuthorizationEntry.limited", authorization_entry(Some(limits()))),
        sample(
            "InviteAuthorization",
            InviteAuthorization {
                name: name(),
                kind: AuthorizationType::App,
                key: CarriedKey::new(counting(0x80)),
                remote_allowed: true,
                limits: Always(None),
                nonce: NONCE,
                pin: pin(),
            },
        ),
        sample(
            "InvitedAuthorization",
            InvitedAuthorization {
                authorization: AUTHORIZATION,
                created: CREATED,
            },
        ),
        sample("UpdateAuthorizationEntry", update_authorization(pin())),
        sample("UpdateAuthorizationEntry.wide", update_authorization(wide_pin())),
        sample("AuthorizationEntryCount", AuthorizationEntryCount { count: 259 }),
    ]
}

pub(super) fn keypad() -> Vec<Sample> {
    let id = CodeId(300);
    vec![
        sample("AddKeypadCode", add_code(Some(limits()))),
        sample("AddKeypadCode.unlimited", add_code(None)),
        sample("KeypadCodeId", KeypadCodeId { id, created: CREATED }),
        sample(
            "RequestKeypadCodes",
            RequestKeypadCodes {
                offset: 3,
                count: 10,
                nonce: NONCE,
                pin: pin(),
            },
        ),
        sample("KeypadCodeCount", KeypadCodeCount { count: 259 }),
        sample("KeypadCodeEntry", code_entry(None)),
        sample("KeypadCodeEntry.limited", code_entry(Some(limits()))),
        sample(
            "UpdateKeypadCode",
            UpdateKeypadCode {
                id,
                code: code(),
                name: short_name(),
                enabled: false,
                limits: Always(Some(limits())),
                nonce: NONCE,
                pin: pin(),
            },
        ),
        sample(
            "RemoveKeypadCode",
            RemoveKeypadCode {
                id,
                nonce: NONCE,
                pin: pin(),
            },
        ),
    ]
}

fn authorization_entry(limits: Option<TimeLimits>) -> AuthorizationEntry {
    AuthorizationEntry {
        authorization: AUTHORIZATION,
        kind: AuthorizationType::Fob.into(),
        name: name(),
        enabled: true,
        remote_allowed: false,
        created: CREATED,
        last_active: ACTIVE,
        lock_count: 513,
        limits,
    }
}

fn update_authorization(pin: Pin) -> UpdateAuthorizationEntry {
    UpdateAuthorizationEntry {
        authorization: AUTHORIZATION,
        name: name(),
        enabled: false,
        remote_allowed: true,
        limits: Always(Some(limits())),
        nonce: NONCE,
        pin,
    }
}

fn add_code(limits: Option<TimeLimits>) -> AddKeypadCode {
    AddKeypadCode {
        code: code(),
        name: short_name(),
        limits: Always(limits),
        nonce: NONCE,
        pin: pin(),
    }
}

fn code_entry(limits: Option<TimeLimits>) -> KeypadCodeEntry {
    KeypadCodeEntry {
        id: CodeId(300),
        code: code(),
        name: short_name(),
        enabled: true,
        created: CREATED,
        last_active: ACTIVE,
        lock_count: 513,
        limits,
    }
}
