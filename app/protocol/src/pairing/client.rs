//! The client's side of pairing.
//!
//! [`ClientPairing`] waits for the lock's next message; every transition consumes it, and an error leaves none:
//! begin anew. [`Unstored`] asks the client to store what it got; only then does the lock hear that it has it.

use core::fmt;

use super::{ConfirmationProof, Family, GrantProof, Identity, IdentityProof, KeyProof, Proof};
use crate::challenge::Fresh;
use crate::frame::sealed::{self, FrameNonce, Sealed};
use crate::frame::{FrameError, plain};
use crate::key::{PublicKey, SecretKey, SharedKey};
use crate::message::{
    AuthorizationAuthenticator, AuthorizationData, AuthorizationDataFifth, AuthorizationIdConfirmation,
    Command, ErrorReport, GrantedAuthorization, GrantedAuthorizationFifth, Message, PairingFromClient,
    PairingFromLock, Payload, PublicKeyOffer, RequestData, Unreadable,
};
use crate::value::{AuthorizationId, ErrorCode, LockUuid, Nonce, Pin, Reported, Status};
use crate::wire::{NoRoom, PinWidth, Rest};

/// See the module's header. One per connection; drop it with the connection.
pub struct ClientPairing {
    identity: Identity,
    step: Step,
}

/// How to pair, and what that way asks for.
pub enum Way {
    /// Generations 1 to 4.
    ToFourth,
    /// 5th generation: with the lock's security PIN.
    Fifth(Pin),
}

impl Way {
    /// The family that pairs so.
    #[must_use]
    pub const fn family(&self) -> Family {
        match self {
            Self::ToFourth => Family::ToFourth,
            Self::Fifth(_) => Family::Fifth,
        }
    }
}

// What was said last decides what may come next; each step holds only what is true then.
enum Step {
    // 1; 2 may come.
    Asked { way: Way, secret: SecretKey },
    // 3; 4 may come.
    KeySent { way: Way, agreed: Agreed },
    // 5; 6 may come.
    Proven { way: Way, keys: Keys },
    // 7; 8 may come.
    Identified { keys: Keys, nonce: Nonce },
    // 7 of the 5th generation; 8 may come, sealed.
    IdentifiedFifth { keys: Keys },
    // 9; 10 may come.
    Confirmed { authorization: Authorization },
}

struct Agreed {
    client: PublicKey,
    keys: Keys,
}

struct Keys {
    lock: PublicKey,
    shared: SharedKey,
}

/// What a client holds after pairing.
pub struct Authorization {
    /// Its number on this lock.
    pub authorization: AuthorizationId,
    /// The lock's.
    pub uuid: LockUuid,
    /// The lock's key in this pairing.
    pub lock: PublicKey,
    /// The key shared with the lock.
    pub key: SharedKey,
}

/// What the client does next, and what then waits for the lock.
pub enum Answer {
    /// Send this in a plain frame.
    Say(ClientPairing, PairingFromClient),
    /// Send this in a sealed frame: [`Sealing::seal`].
    SaySealed(Sealing),
    /// Store this.
    Store(Unstored),
    /// Nothing: it is paired.
    Paired(Authorization),
}

/// Why pairing ended. Nothing of it remains; open pairing mode and begin anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PairingError {
    /// The lock says no.
    Refused(Reported<ErrorCode>),
    /// The lock does not prove that it holds the key: somebody may be in between.
    BadAuthenticator,
    /// The lock's public key gives no secret.
    WeakKey,
    /// The lock said something else than what comes next.
    OutOfStep(Command),
    /// A frame was damaged.
    Frame(FrameError),
    /// A message could not be read.
    Unreadable(Unreadable),
}

impl fmt::Display for PairingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(Reported::Known(code)) => write!(f, "{code}"),
            Self::Refused(Reported::Unknown(code)) => {
                write!(
                    f,
                    "the lock refused to pair with an unknown code {code:#04x}; begin anew"
                )
            }
            Self::BadAuthenticator => f.write_str(
                "the lock did not prove that it holds the key; somebody may be in between, begin anew",
            ),
            Self::WeakKey => f.write_str("the lock's public key gives no secret; do not pair with it"),
            Self::OutOfStep(Command(command)) => {
                write!(
                    f,
                    "the lock said {command:#06x} when something else was due; begin anew"
                )
            }
            Self::Frame(error) => write!(f, "{error}; begin anew"),
            Self::Unreadable(error) => write!(f, "{error}; begin anew"),
        }
    }
}

impl core::error::Error for PairingError {}

impl From<FrameError> for PairingError {
    fn from(error: FrameError) -> Self {
        Self::Frame(error)
    }
}

impl From<Unreadable> for PairingError {
    fn from(error: Unreadable) -> Self {
        Self::Unreadable(error)
    }
}

impl ClientPairing {
    /// Begins with a fresh key pair; gives step 1, to be sent in a plain frame.
    #[must_use]
    pub const fn start(way: Way, identity: Identity, secret: SecretKey) -> (Self, PairingFromClient) {
        let request = RequestData {
            wanted: PublicKeyOffer::COMMAND,
            extra: Rest,
        };
        let step = Step::Asked { way, secret };
        (Self { identity, step }, PairingFromClient::RequestData(request))
    }

    /// Takes the lock's next plain frame, with fresh random bytes for whatever has to be said next.
    ///
    /// # Errors
    /// [`PairingError`].
    pub fn receive(self, frame: &[u8], fresh: Fresh) -> Result<Answer, PairingError> {
        use PairingFromLock as Lock;
        let frame = plain::read(frame)?;
        let message = Lock::read(frame.command, frame.payload, PinWidth::Short)?;
        let Self { identity, step } = self;
        match (step, message) {
            (_, Lock::ErrorReport(report)) => Err(PairingError::Refused(report.error)),
            (Step::Asked { way, secret }, Lock::PublicKeyOffer(message)) => {
                agree(identity, way, &secret, message.key)
            }
            (Step::KeySent { way, agreed }, Lock::Challenge(message)) => {
                Ok(prove(identity, way, agreed, &message.nonce))
            }
            (Step::Proven { way, keys }, message) => identify(identity, way, keys, &message, fresh),
            (Step::Identified { keys, nonce }, Lock::GrantedAuthorization(message)) => {
                check_grant(identity, keys, &nonce, &message)
            }
            (Step::Confirmed { authorization }, Lock::StatusReport(report))
                if report.status == Status::Complete =>
            {
                Ok(Answer::Paired(authorization))
            }
            (_, message) => Err(PairingError::OutOfStep(message.command())),
        }
    }

    /// Takes the lock's next sealed frame (step 8 of the 5th generation), opening it in place.
    ///
    /// # Errors
    /// [`PairingError`].
    pub fn receive_sealed(self, frame: &mut [u8]) -> Result<Answer, PairingError> {
        let Step::IdentifiedFifth { keys } = self.step else {
            return Err(PairingError::OutOfStep(GrantedAuthorizationFifth::COMMAND));
        };
        let opened = Sealed::read(frame)?.open(&keys.shared)?;
        let malformed = |why| Unreadable::Malformed(opened.command, why);
        match opened.command {
            GrantedAuthorizationFifth::COMMAND => {
                let message = GrantedAuthorizationFifth::read(opened.payload, PinWidth::Long);
                let GrantedAuthorizationFifth { authorization, uuid } = message.map_err(malformed)?;
                Ok(Answer::Store(Unstored {
                    authorization: keys.with(authorization, uuid),
                    next: None,
                }))
            }
            ErrorReport::COMMAND => {
                let report = ErrorReport::read(opened.payload, PinWidth::Long).map_err(malformed)?;
                Err(PairingError::Refused(report.error))
            }
            other => Err(PairingError::OutOfStep(other)),
        }
    }
}

impl Keys {
    fn with(self, authorization: AuthorizationId, uuid: LockUuid) -> Authorization {
        Authorization {
            authorization,
            uuid,
            lock: self.lock,
            key: self.shared,
        }
    }
}

const fn say(identity: Identity, step: Step, message: PairingFromClient) -> Answer {
    Answer::Say(ClientPairing { identity, step }, message)
}

// 2 and 3.
fn agree(identity: Identity, way: Way, secret: &SecretKey, lock: PublicKey) -> Result<Answer, PairingError> {
    let shared = secret.agree(&lock).map_err(|_| PairingError::WeakKey)?;
    let client = secret.public();
    let agreed = Agreed {
        client,
        keys: Keys { lock, shared },
    };
    let message = PublicKeyOffer { key: client };
    Ok(say(identity, Step::KeySent { way, agreed }, message.into()))
}

// 4 and 5.
fn prove(identity: Identity, way: Way, agreed: Agreed, first: &Nonce) -> Answer {
    let Agreed { client, keys } = agreed;
    let proof = KeyProof {
        client: &client,
        lock: &keys.lock,
        first,
    };
    let authenticator = proof.make(&keys.shared);
    let message = AuthorizationAuthenticator { authenticator };
    say(identity, Step::Proven { way, keys }, message.into())
}

// 6 and 7.
fn identify(
    identity: Identity,
    way: Way,
    keys: Keys,
    message: &PairingFromLock,
    fresh: Fresh,
) -> Result<Answer, PairingError> {
    match (way, message) {
        (Way::ToFourth, PairingFromLock::Challenge(message)) => {
            let nonce = fresh.into_nonce();
            let message = identity_message(&identity, &keys.shared, nonce, &message.nonce);
            Ok(say(identity, Step::Identified { keys, nonce }, message.into()))
        }
        (Way::Fifth(pin), PairingFromLock::AuthorizationInfo(_)) => {
            let Identity { app, name, .. } = identity;
            let message = AuthorizationDataFifth { app, name, pin };
            Ok(Answer::SaySealed(Sealing {
                identity,
                keys,
                message,
            }))
        }
        (_, message) => Err(PairingError::OutOfStep(message.command())),
    }
}

fn identity_message(
    identity: &Identity,
    key: &SharedKey,
    client: Nonce,
    second: &Nonce,
) -> AuthorizationData {
    let proof = IdentityProof {
        identity,
        client: &client,
        second,
    };
    AuthorizationData {
        authenticator: proof.make(key),
        kind: identity.kind,
        app: identity.app,
        name: identity.name,
        nonce: client,
    }
}

// 8, and what 9 will be.
fn check_grant(
    identity: Identity,
    keys: Keys,
    nonce: &Nonce,
    message: &GrantedAuthorization,
) -> Result<Answer, PairingError> {
    let proof = GrantProof {
        authorization: message.authorization,
        uuid: &message.uuid,
        third: &message.nonce,
        client: nonce,
    };
    if !proof.is(&keys.shared, &message.authenticator) {
        return Err(PairingError::BadAuthenticator);
    }
    let proof = ConfirmationProof {
        authorization: message.authorization,
        third: &message.nonce,
    };
    let confirmation = AuthorizationIdConfirmation {
        authenticator: proof.make(&keys.shared),
        authorization: message.authorization,
    };
    Ok(Answer::Store(Unstored {
        authorization: keys.with(message.authorization, message.uuid),
        next: Some((identity, confirmation)),
    }))
}

/// What the client got, to be stored before the lock hears that it was.
pub struct Unstored {
    authorization: Authorization,
    // Step 9; the 5th generation has none.
    next: Option<(Identity, AuthorizationIdConfirmation)>,
}

impl Unstored {
    /// What to store.
    #[must_use]
    pub const fn authorization(&self) -> &Authorization {
        &self.authorization
    }

    /// It is stored, whatever happens now.
    #[must_use]
    pub fn stored(self) -> Answer {
        let authorization = self.authorization;
        match self.next {
            Some((identity, confirmation)) => {
                say(identity, Step::Confirmed { authorization }, confirmation.into())
            }
            None => Answer::Paired(authorization),
        }
    }
}

/// Step 7 of the 5th generation, to be sealed with the key that was just agreed.
pub struct Sealing {
    identity: Identity,
    keys: Keys,
    message: AuthorizationDataFifth,
}

impl Sealing {
    /// Seals it; gives what waits for the lock then, and the frame's length. See [`sealed::seal`].
    ///
    /// # Errors
    /// [`NoRoom`].
    pub fn seal(self, nonce: FrameNonce, out: &mut [u8]) -> Result<(ClientPairing, usize), NoRoom> {
        let Self {
            identity,
            keys,
            message,
        } = self;
        let length = sealed::seal(&message, AuthorizationId::PENDING, &keys.shared, nonce, out)?;
        let step = Step::IdentifiedFifth { keys };
        Ok((ClientPairing { identity, step }, length))
    }
}
