//! The lock's side of pairing.
//!
//! [`LockPairing`] waits for the client's next message; every transition consumes it. Two answers are questions
//! to the lock itself, and what they hold is needed to go on: [`Application`] (may this client come in, and under
//! which id?) and [`Unstored`] (put this on flash). Dropping a question ends the pairing.

use super::{ConfirmationProof, Family, GrantProof, Identity, IdentityProof, KeyProof, Proof};
use crate::challenge::Fresh;
use crate::frame::sealed::{self, FrameNonce, Sealed};
use crate::frame::{FrameError, plain};
use crate::key::{PublicKey, SecretKey, SharedKey};
use crate::message::{
    AuthorizationAuthenticator, AuthorizationData, AuthorizationDataFifth, AuthorizationIdConfirmation,
    AuthorizationInfo, Challenge, Command, ErrorReport, GrantedAuthorization, GrantedAuthorizationFifth,
    Message, PairingFromClient, PairingFromLock, Payload, PublicKeyOffer, StatusReport,
};
use crate::value::{AuthorizationId, AuthorizationType, ErrorCode, LockUuid, Nonce, Pin, Status};
use crate::wire::{NoRoom, PinWidth};

/// See the module's header. One per connection; drop it with the connection.
pub struct LockPairing {
    terms: Terms,
    step: Step,
}

// What stays the same from pairing to pairing.
#[derive(Clone, Copy)]
struct Terms {
    family: Family,
    pin_set: bool,
}

// What was said last decides what may come next; each step holds only what is true then.
enum Step {
    // Nothing; 1 may come.
    Idle,
    // 2; 3 may come.
    KeySent {
        secret: SecretKey,
    },
    // 4; 5 may come. Nobody has proven anything yet.
    Challenged {
        agreed: Agreed,
        first: Nonce,
    },
    // 6; 7 may come.
    Proven {
        key: SharedKey,
        second: Nonce,
    },
    // 6 of the 5th generation; 7 may come, sealed.
    Informed {
        key: SharedKey,
    },
    // 8; 9 may come.
    Granted {
        authorization: NewAuthorization,
        third: Nonce,
    },
}

struct Agreed {
    key: SharedKey,
    client: PublicKey,
    lock: PublicKey,
}

/// What the lock does next.
pub enum Answer {
    /// Send this in a plain frame.
    Say(PairingFromLock),
    /// Send this in a sealed frame. The pairing is done.
    SaySealed(SealedGrant),
    /// Decide about this client.
    Decide(Application),
    /// Store this.
    Store(Unstored),
}

/// An authorization that a pairing makes.
pub struct NewAuthorization {
    /// Its number.
    pub authorization: AuthorizationId,
    /// Whose it is.
    pub identity: Identity,
    /// Its key.
    pub key: SharedKey,
}

impl LockPairing {
    /// Waits for the first message. `pin_set` is told to clients of the 5th generation.
    #[must_use]
    pub const fn new(family: Family, pin_set: bool) -> Self {
        Terms { family, pin_set }.at(Step::Idle)
    }

    /// Whether a pairing has begun, and the next word is the client's.
    #[must_use]
    pub const fn is_under_way(&self) -> bool {
        !matches!(self.step, Step::Idle)
    }

    /// Takes the client's next plain frame, with fresh random bytes for whatever has to be said next. Whatever is
    /// wrong ends this pairing, and the answer tells the client.
    #[must_use]
    pub fn receive(self, frame: &[u8], fresh: Fresh) -> (Self, Answer) {
        let frame = match plain::read(frame) {
            Ok(frame) => frame,
            Err(error) => return self.terms.fail(error.error_code(), Command(0)),
        };
        match PairingFromClient::read(frame.command, frame.payload, PinWidth::Short) {
            Ok(message) => self.step(message, fresh),
            Err(error) => self.terms.fail(error.pairing_error_code(), frame.command),
        }
    }

    /// Takes the client's next sealed frame (step 7 of the 5th generation), opening it in place. The
    /// authorization that it names is not looked at: the client has none yet.
    #[must_use]
    pub fn receive_sealed(self, frame: &mut [u8]) -> (Self, Answer) {
        let Self { terms, step } = self;
        let Step::Informed { key } = step else {
            return terms.fail(ErrorCode::PairingBadParameter, Command(0));
        };
        match read_sealed(frame, &key) {
            Ok(AuthorizationDataFifth { app, name, pin }) => {
                let kind = AuthorizationType::App;
                terms.ask(Application {
                    key,
                    identity: Identity { kind, app, name },
                    proof: ApplicationProof::Fifth { pin },
                    terms,
                })
            }
            Err((error, command)) => terms.fail(error, command),
        }
    }

    #[inline(never)]
    fn step(self, message: PairingFromClient, fresh: Fresh) -> (Self, Answer) {
        use PairingFromClient as Client;
        let Self { terms, step } = self;
        match (step, message) {
            // 1 begins a new pairing, whatever was going on.
            (_, Client::RequestData(message)) if message.wanted == PublicKeyOffer::COMMAND => {
                terms.offer_key(fresh)
            }
            (Step::KeySent { secret }, Client::PublicKeyOffer(message)) => {
                terms.agree(&secret, message.key, fresh)
            }
            (Step::Challenged { agreed, first }, Client::AuthorizationAuthenticator(message)) => {
                terms.check_key(agreed, first, &message, fresh)
            }
            (Step::Proven { key, second }, Client::AuthorizationData(message)) => {
                terms.check_identity(key, second, &message)
            }
            (Step::Granted { authorization, third }, Client::AuthorizationIdConfirmation(message)) => {
                terms.check_confirmation(authorization, third, &message)
            }
            (_, message) => terms.fail(ErrorCode::PairingBadParameter, message.command()),
        }
    }
}

impl Terms {
    const fn at(self, step: Step) -> LockPairing {
        LockPairing { terms: self, step }
    }

    fn fail(self, error: ErrorCode, command: Command) -> (LockPairing, Answer) {
        (self.at(Step::Idle), refuse(error, command))
    }

    fn say(self, next: Step, message: impl Into<PairingFromLock>) -> (LockPairing, Answer) {
        (self.at(next), Answer::Say(message.into()))
    }

    fn ask(self, application: Application) -> (LockPairing, Answer) {
        (self.at(Step::Idle), Answer::Decide(application))
    }

    // 1 and 2. The key pair is this pairing's alone.
    fn offer_key(self, fresh: Fresh) -> (LockPairing, Answer) {
        match SecretKey::from_bytes(&mut fresh.into_bytes()) {
            Some(secret) => {
                let key = secret.public();
                self.say(Step::KeySent { secret }, PublicKeyOffer { key })
            }
            None => self.fail(ErrorCode::Unknown, PublicKeyOffer::COMMAND),
        }
    }

    // 3 and 4.
    fn agree(self, secret: &SecretKey, client: PublicKey, fresh: Fresh) -> (LockPairing, Answer) {
        let Ok(key) = secret.agree(&client) else {
            return self.fail(ErrorCode::PairingBadParameter, PublicKeyOffer::COMMAND);
        };
        let lock = secret.public();
        let agreed = Agreed { key, client, lock };
        let first = fresh.into_nonce();
        self.say(Step::Challenged { agreed, first }, Challenge { nonce: first })
    }

    // 5 and 6.
    fn check_key(
        self,
        agreed: Agreed,
        first: Nonce,
        message: &AuthorizationAuthenticator,
        fresh: Fresh,
    ) -> (LockPairing, Answer) {
        let Agreed { key, client, lock } = agreed;
        let proof = KeyProof {
            client: &client,
            lock: &lock,
            first: &first,
        };
        if !proof.is(&key, &message.authenticator) {
            return self.fail(ErrorCode::BadAuthenticator, message.command());
        }
        match self.family {
            Family::ToFourth => {
                let second = fresh.into_nonce();
                self.say(Step::Proven { key, second }, Challenge { nonce: second })
            }
            Family::Fifth => {
                let pin_set = self.pin_set;
                self.say(Step::Informed { key }, AuthorizationInfo { pin_set })
            }
        }
    }

    // 7.
    fn check_identity(
        self,
        key: SharedKey,
        second: Nonce,
        message: &AuthorizationData,
    ) -> (LockPairing, Answer) {
        let identity = Identity {
            kind: message.kind,
            app: message.app,
            name: message.name,
        };
        let proof = IdentityProof {
            identity: &identity,
            client: &message.nonce,
            second: &second,
        };
        if !proof.is(&key, &message.authenticator) {
            return self.fail(ErrorCode::BadAuthenticator, message.command());
        }
        self.ask(Application {
            key,
            identity,
            proof: ApplicationProof::ToFourth {
                client: message.nonce,
            },
            terms: self,
        })
    }

    // 9.
    fn check_confirmation(
        self,
        authorization: NewAuthorization,
        third: Nonce,
        message: &AuthorizationIdConfirmation,
    ) -> (LockPairing, Answer) {
        let proof = ConfirmationProof {
            authorization: authorization.authorization,
            third: &third,
        };
        let same = message.authorization == authorization.authorization;
        if !(same && proof.is(&authorization.key, &message.authenticator)) {
            return self.fail(ErrorCode::BadAuthenticator, message.command());
        }
        let unstored = Unstored {
            authorization,
            uuid: None,
        };
        (self.at(Step::Idle), Answer::Store(unstored))
    }
}

/// A client that holds the shared key and has said who it is.
pub struct Application {
    key: SharedKey,
    identity: Identity,
    proof: ApplicationProof,
    terms: Terms,
}

enum ApplicationProof {
    // The client's nonce, for the lock's own authenticator.
    ToFourth { client: Nonce },
    Fifth { pin: Pin },
}

impl Application {
    /// Who it says to be.
    #[must_use]
    pub const fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The security PIN that came along: always there in the 5th generation, never before. It has not been
    /// compared with anything.
    #[must_use]
    pub const fn pin(&self) -> Option<&Pin> {
        match &self.proof {
            ApplicationProof::ToFourth { .. } => None,
            ApplicationProof::Fifth { pin } => Some(pin),
        }
    }

    /// Lets it in (step 8). `authorization` must be assignable and nobody else's.
    #[must_use]
    #[inline(never)]
    pub fn grant(
        self,
        authorization: AuthorizationId,
        uuid: LockUuid,
        fresh: Fresh,
    ) -> (LockPairing, Answer) {
        let Self {
            key,
            identity,
            proof,
            terms,
        } = self;
        if !authorization.is_assignable() {
            return terms.fail(ErrorCode::Unknown, AuthorizationData::COMMAND);
        }
        let new = NewAuthorization {
            authorization,
            identity,
            key,
        };
        match proof {
            ApplicationProof::ToFourth { client } => {
                let third = fresh.into_nonce();
                let message = grant_message(&new, uuid, third, &client);
                let authorization = new;
                terms.say(Step::Granted { authorization, third }, message)
            }
            ApplicationProof::Fifth { .. } => {
                let unstored = Unstored {
                    authorization: new,
                    uuid: Some(uuid),
                };
                (terms.at(Step::Idle), Answer::Store(unstored))
            }
        }
    }

    /// Sends it away.
    #[must_use]
    pub fn refuse(self, error: ErrorCode) -> Answer {
        refuse(error, AuthorizationData::COMMAND)
    }
}

fn grant_message(
    new: &NewAuthorization,
    uuid: LockUuid,
    third: Nonce,
    client: &Nonce,
) -> GrantedAuthorization {
    let proof = GrantProof {
        authorization: new.authorization,
        uuid: &uuid,
        third: &third,
        client,
    };
    GrantedAuthorization {
        authenticator: proof.make(&new.key),
        authorization: new.authorization,
        uuid,
        nonce: third,
    }
}

/// An authorization that must be on flash before the client hears that it has it.
pub struct Unstored {
    authorization: NewAuthorization,
    // What the 5th generation says at the end; earlier ones say that they are done.
    uuid: Option<LockUuid>,
}

impl Unstored {
    /// What to store.
    #[must_use]
    pub const fn authorization(&self) -> &NewAuthorization {
        &self.authorization
    }

    /// It is on flash, whole, whatever happens now: ends the pairing.
    #[must_use]
    pub fn stored(self) -> Answer {
        match self.uuid {
            None => {
                let status = Status::Complete;
                Answer::Say(StatusReport { status }.into())
            }
            Some(uuid) => Answer::SaySealed(SealedGrant {
                message: GrantedAuthorizationFifth {
                    authorization: self.authorization.authorization,
                    uuid,
                },
                key: self.authorization.key,
            }),
        }
    }

    /// It could not be stored: ends the pairing.
    #[must_use]
    pub fn failed(self) -> Answer {
        refuse(ErrorCode::Unknown, AuthorizationData::COMMAND)
    }
}

/// Step 8 of the 5th generation, to be sealed with the new key.
pub struct SealedGrant {
    message: GrantedAuthorizationFifth,
    key: SharedKey,
}

impl SealedGrant {
    /// Seals it; gives the frame's length. See [`sealed::seal`].
    ///
    /// # Errors
    /// [`NoRoom`].
    pub fn seal(self, nonce: FrameNonce, out: &mut [u8]) -> Result<usize, NoRoom> {
        let authorization = self.message.authorization;
        sealed::seal(&self.message, authorization, &self.key, nonce, out)
    }
}

fn refuse(error: ErrorCode, command: Command) -> Answer {
    let error = error.into();
    Answer::Say(ErrorReport { error, command }.into())
}

fn read_sealed(frame: &mut [u8], key: &SharedKey) -> Result<AuthorizationDataFifth, (ErrorCode, Command)> {
    let opened = Sealed::read(frame)
        .and_then(|sealed| sealed.open(key))
        .map_err(|error| match error {
            FrameError::Box => (ErrorCode::BadAuthenticator, AuthorizationDataFifth::COMMAND),
            FrameError::Length | FrameError::Checksum | FrameError::Authorization => {
                (error.error_code(), Command(0))
            }
        })?;
    if opened.command != AuthorizationDataFifth::COMMAND {
        return Err((ErrorCode::PairingBadParameter, opened.command));
    }
    AuthorizationDataFifth::read(opened.payload, PinWidth::Long).map_err(|malformed| {
        let unreadable = crate::message::Unreadable::Malformed(opened.command, malformed);
        (unreadable.pairing_error_code(), opened.command)
    })
}
