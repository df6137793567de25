//! Asks an OpenID provider who somebody is: discovery, the address to send a browser to, and a code for claims.
//!
//! `openidconnect` speaks the protocol and checks ID tokens; here is what it may rest on. Nothing is asked before
//! somebody wants to sign in, so a provider that is away stops nothing else. Every answer is bounded in size, a sign-in
//! in time, and all sign-ins in number: those beyond wait a while. Anybody may have an attempt, and each has one code
//! redeemed by this instance; no redirect is followed, and nothing is asked in the clear but on this machine.
//! An ID token counts when it is signed by one of the provider's present keys, by an algorithm of [`ALGORITHMS`], for
//! this client alone, for this attempt, and is not over.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64ct::{Base64UrlUnpadded, Encoding as _};
use futures_util::future::BoxFuture;
use openidconnect::core::{
    CoreAuthenticationFlow, CoreClient, CoreClientAuthMethod, CoreErrorResponseType, CoreIdToken,
    CoreIdTokenClaims, CoreJwsSigningAlgorithm, CoreProviderMetadata,
};
use openidconnect::http::Response;
use openidconnect::{
    AsyncHttpClient, AuthType, AuthorizationCode, ClaimsVerificationError, ClientId, ClientSecret, CsrfToken,
    EndpointMaybeSet, EndpointNotSet, EndpointSet, HttpRequest, HttpResponse, IssuerUrl, Nonce,
    PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, RequestTokenError, Scope, StandardErrorResponse,
    TokenResponse as _,
};
use reqwest::redirect::Policy;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;
use url::{Host, Url};

use crate::domain::attempt::{Attempt, Redeemed};
use crate::failure::{Failure, Kind, Outcome};
use crate::limits::{
    ATTEMPT_LIFE_MS, PROVIDER_ANSWER_BYTES_MAX, PROVIDER_CALLS_MAX, PROVIDER_KNOWN_MS, PROVIDER_PATIENCE,
    PROVIDER_PLACE_WAIT, PROVIDER_QUEUE_MAX,
};

/// How an ID token may be signed: with a key that only the provider has. No `none`, and no secret that others know.
const ALGORITHMS: [CoreJwsSigningAlgorithm; 9] = [
    CoreJwsSigningAlgorithm::EcdsaP256Sha256,
    CoreJwsSigningAlgorithm::EcdsaP384Sha384,
    CoreJwsSigningAlgorithm::EdDsa,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha384,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha512,
    CoreJwsSigningAlgorithm::RsaSsaPssSha256,
    CoreJwsSigningAlgorithm::RsaSsaPssSha384,
    CoreJwsSigningAlgorithm::RsaSsaPssSha512,
];

/// How far a provider's clock may be ahead of ours, in seconds.
const AHEAD_S: i64 = 300;

/// What this server is to a provider.
pub struct Registration {
    /// The provider, by the name that it gives itself, to the letter.
    pub issuer: String,
    /// This server's name there.
    pub client_id: String,
    /// What it proves itself with.
    pub client_secret: ClientSecret,
    /// Where browsers find this server.
    pub public_url: Url,
    /// What is asked for beside `openid`.
    pub scopes: Vec<String>,
}

/// A provider.
pub struct Provider {
    http: Http,
    issuer: IssuerUrl,
    client_id: ClientId,
    client_secret: ClientSecret,
    redirect: RedirectUrl,
    scopes: Vec<Scope>,
    known: Mutex<Option<Known>>,
    places: Semaphore,
    /// For those who wait for one.
    queue: Semaphore,
    redeemed: Redeemed,
    patience: Duration,
}

/// What a provider said of itself, its keys included, and when.
#[derive(Clone)]
struct Known {
    metadata: CoreProviderMetadata,
    at_ms: i64,
}

/// What a browser brings back.
pub struct Returned {
    /// The code to be redeemed.
    pub code: String,
    /// Who says that it gave it, where it says so (RFC 9207).
    pub issuer: Option<String>,
}

impl Provider {
    /// A provider, which is not asked for anything yet. `callback` is the path to which it sends browsers back.
    ///
    /// # Errors
    /// An address is in the clear and not of this machine, or the system gives no client.
    pub fn new(registration: Registration, callback: &str) -> anyhow::Result<Self> {
        let public = registration.public_url;
        let issuer = IssuerUrl::new(registration.issuer)?;
        for url in [issuer.url(), &public] {
            anyhow::ensure!(is_guarded(url), "{}", InTheClear(url.clone()));
        }
        let whole = public.path() == "/" && public.query().is_none() && public.fragment().is_none();
        anyhow::ensure!(
            whole,
            "{public} is more than https://HOST or https://HOST:PORT; name where this server is, not a page"
        );
        Ok(Self {
            http: Http::new()?,
            issuer,
            client_id: ClientId::new(registration.client_id),
            client_secret: registration.client_secret,
            redirect: RedirectUrl::from_url(public.join(callback)?),
            scopes: registration.scopes.into_iter().map(Scope::new).collect(),
            known: Mutex::new(None),
            places: Semaphore::new(PROVIDER_CALLS_MAX),
            queue: Semaphore::new(PROVIDER_QUEUE_MAX),
            redeemed: Redeemed::default(),
            patience: PROVIDER_PATIENCE,
        })
    }

    /// With so much time for a sign-in.
    #[must_use]
    pub const fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// What people know it by: its host.
    #[must_use]
    pub fn host(&self) -> &str {
        self.issuer.url().host_str().unwrap_or_default()
    }

    /// Where to send the browser of somebody who wants to sign in.
    ///
    /// # Errors
    /// [`Kind::Provider`]; [`Kind::Busy`].
    pub async fn address(&self, attempt: &Attempt, now_ms: i64) -> Outcome<Url> {
        let known = match self.lately(now_ms) {
            // Nothing is asked, so no place is needed.
            Some(known) => known,
            None => {
                let _place = self.place().await?;
                self.in_time(self.known(now_ms)).await?
            }
        };
        let verifier = PkceCodeVerifier::new(attempt.verifier());
        let (state, nonce) = (CsrfToken::new(attempt.state()), Nonce::new(attempt.nonce()));
        let client = self.client(known.metadata);
        let mut request = client
            .authorize_url(CoreAuthenticationFlow::AuthorizationCode, || state, || nonce)
            .set_pkce_challenge(PkceCodeChallenge::from_code_verifier_sha256(&verifier));
        for scope in &self.scopes {
            request = request.add_scope(scope.clone());
        }
        let (url, _, _) = request.url();
        Ok(url)
    }

    /// Redeems what a browser brought back: all that the provider says of whoever signed in, verified. Whatever comes of
    /// it, the attempt is used up before the provider is asked.
    ///
    /// # Errors
    /// [`Kind::Provider`]; [`Kind::Busy`]; [`Kind::Unauthenticated`] when the attempt was used before, or the provider
    /// does not take the code.
    pub async fn redeem(
        &self,
        attempt: &Attempt,
        returned: Returned,
        now_ms: i64,
    ) -> Outcome<serde_json::Value> {
        // Before it waits for a place: what is said again takes none from others.
        self.redeemed.once(attempt)?;
        if returned.issuer.is_some_and(|issuer| issuer != *self.issuer) {
            // The browser says so, which is nothing that the provider did.
            return Err(Failure::new(
                Kind::Unauthenticated,
                "what was brought back is of another provider than this server's; nobody was signed in. Begin anew here",
            ));
        }
        let _place = self.place().await?;
        self.in_time(self.exchange(attempt, returned.code, now_ms)).await
    }

    async fn exchange(&self, attempt: &Attempt, code: String, now_ms: i64) -> Outcome<serde_json::Value> {
        let known = self.known(now_ms).await?;
        let client = self.client(known.metadata.clone());
        let request = client
            .exchange_code(AuthorizationCode::new(code))
            .map_err(|error| self.no_good(error))?
            .set_pkce_verifier(PkceCodeVerifier::new(attempt.verifier()));
        let answer = request.request_async(&self.http).await;
        let answer = answer.map_err(|error| self.not_redeemed(error))?;
        let token = answer
            .id_token()
            .ok_or_else(|| self.no_good("there is no ID token in its answer"))?;
        let claims = match self.verified(&known, token, attempt, now_ms) {
            // Keys change: one that was not there is looked for once more.
            Err(ClaimsVerificationError::SignatureVerification(error)) if known.at_ms < now_ms => {
                tracing::info!(%error, "an ID token is looked at again with the provider's present keys");
                let known = self.discover(now_ms).await?;
                self.verified(&known, token, attempt, now_ms)
            }
            verified => verified,
        };
        claims.map_err(|error| self.no_good(error))
    }

    fn verified(
        &self,
        known: &Known,
        token: &CoreIdToken,
        attempt: &Attempt,
        now_ms: i64,
    ) -> Result<serde_json::Value, ClaimsVerificationError> {
        let now = UNIX_EPOCH.checked_add(Duration::from_millis(now_ms.unsigned_abs()));
        let now = now.unwrap_or_else(SystemTime::now);
        let now_s = now_ms.div_euclid(1000);
        let client = self.client(known.metadata.clone());
        let verifier = client
            .id_token_verifier()
            .set_allowed_algs(ALGORITHMS)
            .set_time_fn(move || now.into())
            .set_issue_time_verifier_fn(move |issued| {
                let age = now_s.saturating_sub(issued.timestamp());
                let in_time = (-AHEAD_S..=ATTEMPT_LIFE_MS / 1000).contains(&age);
                in_time
                    .then_some(())
                    .ok_or_else(|| format!("it was issued {age} seconds ago"))
            });
        let claims: &CoreIdTokenClaims = token.claims(&verifier, &Nonce::new(attempt.nonce()))?;
        if claims
            .authorized_party()
            .is_some_and(|party| *party != self.client_id)
        {
            let other = "it was issued to another client".to_owned();
            return Err(ClaimsVerificationError::InvalidAudience(other));
        }
        all_claims(token).ok_or_else(|| ClaimsVerificationError::Other("its claims are no JSON".to_owned()))
    }

    /// What the provider says of itself: what it said lately, or what it says now.
    async fn known(&self, now_ms: i64) -> Outcome<Known> {
        match self.lately(now_ms) {
            Some(known) => Ok(known),
            None => self.discover(now_ms).await,
        }
    }

    fn lately(&self, now_ms: i64) -> Option<Known> {
        let held = self.held().clone();
        held.filter(|known| now_ms.saturating_sub(known.at_ms) < PROVIDER_KNOWN_MS)
    }

    async fn discover(&self, now_ms: i64) -> Outcome<Known> {
        let asked = CoreProviderMetadata::discover_async(self.issuer.clone(), &self.http).await;
        let metadata = asked.map_err(|error| self.no_good(error))?;
        let login = metadata.authorization_endpoint().url();
        if !is_guarded(login) {
            return Err(self.no_good(InTheClear(login.clone())));
        }
        let known = Known {
            metadata,
            at_ms: now_ms,
        };
        *self.held() = Some(known.clone());
        Ok(known)
    }

    fn held(&self) -> std::sync::MutexGuard<'_, Option<Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn place(&self) -> Outcome<SemaphorePermit<'_>> {
        let full = || {
            Failure::new(
                Kind::Busy,
                "too many sign-ins wait for the identity provider; nobody was signed in. Begin anew in a minute, or sign \
                 in with a token",
            )
        };
        let _waits = self.queue.try_acquire().map_err(|_| full())?;
        let place = timeout(PROVIDER_PLACE_WAIT, self.places.acquire()).await;
        place.ok().and_then(Result::ok).ok_or_else(full)
    }

    async fn in_time<T>(&self, asking: impl Future<Output = Outcome<T>>) -> Outcome<T> {
        let asked = timeout(self.patience, asking).await;
        asked.unwrap_or_else(|_| Err(self.no_good("it takes too long")))
    }

    fn no_good(&self, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Failure {
        let detail = format!(
            "the identity provider {} does not answer, or not as it must; nobody was signed in. Try again, or sign in \
             with a token; the server's log has the cause",
            self.host()
        );
        Failure::new(Kind::Provider, detail).because(cause)
    }
}

/// What discovery makes: a client has in its type which of its endpoints are known.
type Client = CoreClient<
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

impl Provider {
    fn client(&self, metadata: CoreProviderMetadata) -> Client {
        // Without a list, HTTP's own way is the provider's (OpenID Connect Discovery, section 3).
        let by_body = metadata
            .token_endpoint_auth_methods_supported()
            .is_some_and(|ways| !ways.contains(&CoreClientAuthMethod::ClientSecretBasic));
        let secret = Some(self.client_secret.clone());
        CoreClient::from_provider_metadata(metadata, self.client_id.clone(), secret)
            .set_auth_type(if by_body {
                AuthType::RequestBody
            } else {
                AuthType::BasicAuth
            })
            .set_redirect_uri(self.redirect.clone())
    }

    /// A provider that knows the code no more is no fault of it: the person begins anew.
    fn not_redeemed(&self, error: NotRedeemed) -> Failure {
        if let RequestTokenError::ServerResponse(refusal) = &error
            && *refusal.error() == CoreErrorResponseType::InvalidGrant
        {
            return Failure::new(
                Kind::Unauthenticated,
                "the identity provider does not take this sign-in, or not any more; nobody was signed in. Begin anew here",
            );
        }
        self.no_good(error)
    }
}

type NotRedeemed = RequestTokenError<Unanswered, StandardErrorResponse<CoreErrorResponseType>>;

/// All claims of an ID token, from the very text that was verified: those that are not the standard's as well.
fn all_claims(token: &CoreIdToken) -> Option<serde_json::Value> {
    let text = token.to_string();
    let payload = text.split('.').nth(1)?;
    serde_json::from_slice(&Base64UrlUnpadded::decode_vec(payload).ok()?).ok()
}

/// Whether nobody on the way can read or change what goes to an address: by TLS, or because it goes nowhere.
fn is_guarded(url: &Url) -> bool {
    match (url.scheme(), url.host()) {
        ("https", Some(_)) => true,
        ("http", Some(Host::Domain(name))) => name == "localhost",
        ("http", Some(Host::Ipv4(address))) => address.is_loopback(),
        ("http", Some(Host::Ipv6(address))) => address.is_loopback(),
        _ => false,
    }
}

/// An address that is not used.
#[derive(Debug, thiserror::Error)]
#[error("{0} is in the clear; an address here is https://, or http:// on this machine")]
pub struct InTheClear(Url);

/// Why a provider gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum Unanswered {
    /// It cannot be asked there.
    #[error(transparent)]
    InTheClear(#[from] InTheClear),
    /// The connection failed.
    #[error("the connection failed")]
    Connection(#[from] reqwest::Error),
    /// Its answer is too long.
    #[error("its answer is longer than {PROVIDER_ANSWER_BYTES_MAX} bytes")]
    TooLong,
}

/// Asks over HTTP, within bounds.
struct Http(reqwest::Client);

impl Http {
    fn new() -> anyhow::Result<Self> {
        let client = reqwest::Client::builder()
            .redirect(Policy::none())
            .no_proxy()
            // A connection kept may be closed by the provider just when it is asked again; a code is redeemed once, so
            // nothing could be asked a second time.
            .pool_max_idle_per_host(0)
            .timeout(PROVIDER_PATIENCE)
            .user_agent(concat!("latchkey-server/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self(client))
    }

    async fn ask(&self, request: HttpRequest) -> Result<HttpResponse, Unanswered> {
        let request = reqwest::Request::try_from(request)?;
        if !is_guarded(request.url()) {
            return Err(InTheClear(request.url().clone()).into());
        }
        let mut answer = self.0.execute(request).await?;
        let mut body = Vec::new();
        while let Some(piece) = answer.chunk().await? {
            if body.len().saturating_add(piece.len()) > PROVIDER_ANSWER_BYTES_MAX {
                return Err(Unanswered::TooLong);
            }
            body.extend_from_slice(&piece);
        }
        let mut whole = Response::new(body);
        *whole.status_mut() = answer.status();
        *whole.headers_mut() = std::mem::take(answer.headers_mut());
        Ok(whole)
    }
}

impl<'c> AsyncHttpClient<'c> for Http {
    type Error = Unanswered;
    type Future = BoxFuture<'c, Result<HttpResponse, Unanswered>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(self.ask(request))
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    fn provider() -> Provider {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let registration = Registration {
            issuer: "https://id.example".to_owned(),
            client_id: "latchkey".to_owned(),
            client_secret: ClientSecret::new("a test's".to_owned()),
            public_url: Url::parse("https://updates.example").unwrap(),
            scopes: Vec::new(),
        };
        Provider::new(registration, "/back").unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_place_is_waited_for_in_bounds_and_so_are_those_who_wait() {
        let provider = provider();
        let most = u32::try_from(PROVIDER_CALLS_MAX).unwrap();
        let all = provider.places.acquire_many(most).await.unwrap();
        let began = Instant::now();
        let waiting = (0..=PROVIDER_QUEUE_MAX).map(|_| async {
            let busy = provider.place().await.unwrap_err();
            assert_eq!(busy.kind, Kind::Busy);
            began.elapsed()
        });
        let waited = futures_util::future::join_all(waiting).await;
        let (last, others) = waited.split_last().unwrap();
        assert_eq!(*last, Duration::ZERO, "one more than may wait");
        for waited in others {
            assert!((PROVIDER_PLACE_WAIT..PROVIDER_PLACE_WAIT * 2).contains(waited));
        }
        drop(all);
        assert!(provider.place().await.is_ok());
    }

    #[test]
    fn nothing_goes_over_a_network_in_the_clear() {
        for (url, guarded) in [
            ("https://id.example/x", true),
            ("http://127.0.0.1:1/", true),
            ("http://[::1]/", true),
            ("http://localhost/", true),
            ("http://id.example/", false),
            ("http://localhost.id.example/", false),
            ("http://127.0.0.1.id.example/", false),
            ("http://10.0.0.1/", false),
            ("ftp://127.0.0.1/", false),
            ("javascript:alert(1)", false),
            ("data:text/html,x", false),
        ] {
            assert_eq!(is_guarded(&Url::parse(url).unwrap()), guarded, "{url}");
        }
    }
}
