//! Every bound on what a stranger may make this server hold, read or wait for, by name.

use std::time::Duration;

/// The longest image any lock can hold, in bytes: the ACTIVE slot, 96 pages of 4 KB. Header, payload and all
/// TLVs must fit.
pub const IMAGE_BYTES_MAX: usize = 384 * 1024;

/// The longest body of an operator request other than an image, in bytes: enough for a list of
/// [`LISTED_DEVICES_MAX`] devices or a policy file.
pub const OPERATOR_BODY_BYTES_MAX: usize = 1024 * 1024;

/// The longest body of an upload of TUF metadata, in bytes: two files of full length, with their quotes escaped. A
/// chain of roots has to fit too.
pub const METADATA_BODY_BYTES_MAX: usize = 3 * latchkey_tuf::FILE_BYTES_MAX;

/// The longest body of a device request, in bytes.
pub const DEVICE_BODY_BYTES_MAX: usize = latchkey_directive::MAX_SEALED;

/// The longest body of a request of a device that speaks hawkBit's interface, in bytes: its log comes with it.
pub const HAWKBIT_BODY_BYTES_MAX: usize = 64 * 1024;

/// The longest file with a list of devices, in bytes: enough for [`LISTED_DEVICES_MAX`] rows with all columns.
pub const LIST_FILE_BYTES_MAX: usize = 2 * 1024 * 1024;

/// Most devices named in one request.
pub const LISTED_DEVICES_MAX: usize = 10_000;

/// Most rows in one page of a listing.
pub const PAGE_ROWS_MAX: u32 = 1_000;

/// A page of the audit log ends with the line that brings it to this length, in bytes. No command takes a longer answer
/// than a few times that.
pub const AUDIT_PAGE_BYTES: i64 = 4 * 1024 * 1024;

/// Most devices that wait for an operator's approval. Anybody can ask, so the queue is bounded; who comes
/// when it is full is told to come back. Devices that an operator named beforehand need no place in it.
pub const AWAITING_DEVICES_MAX: i64 = 10_000;

/// Longest name of a vendor, class or token, in bytes.
pub const NAME_BYTES_MAX: usize = 100;

/// Longest text about what a release changes, in bytes. It travels in the request's head.
pub const NOTES_BYTES_MAX: usize = 2_000;

/// Longest advisory of a release, in bytes.
pub const ADVISORY_BYTES_MAX: usize = 64 * 1024;

/// Longest bill of materials of a release, in bytes.
pub const SBOM_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The longest `.swu` of a release, in bytes: an image, and what SWUpdate is told of it.
pub const SWU_BYTES_MAX: usize = IMAGE_BYTES_MAX + 128 * 1024;

/// The longest document of a release, in bytes.
pub const DOCUMENT_BYTES_MAX: usize = SBOM_BYTES_MAX;
const _: () = assert!(DOCUMENT_BYTES_MAX >= SWU_BYTES_MAX && DOCUMENT_BYTES_MAX >= ADVISORY_BYTES_MAX);

/// How long a client may take to send its request head.
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// How long one request may take from its head to the head of the answer, the client's sending included.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a body may take to come whole from somebody who has proved nothing: as long as a request head.
pub const UNPROVEN_BODY_TIMEOUT: Duration = HEAD_TIMEOUT;

/// How long one connection takes new requests. One under way then has [`REQUEST_TIMEOUT`] to end; a download that is
/// slower goes on by Range on the next connection.
pub const CONNECTION_AGE_MAX: Duration = Duration::from_secs(15 * 60);

/// How long a client may take nothing of what waits for it. Longer than a lost radio link usually takes to come back, and
/// the system tells of what was taken only when a good part of its own buffer is free; a download that is cut off goes on
/// by Range.
pub const WRITE_STALL_MAX: Duration = Duration::from_secs(60);

/// Most bytes of one connection that are kept here each way, but for one piece of a body more: a request's head has to
/// fit, and of an answer so much lies ready for the client. All connections together so keep half a gigabyte, beside
/// what TLS keeps and pieces that are longer (TUF metadata come in one, of half a megabyte at most), and not three.
pub const CONNECTION_BUFFER_BYTES: usize = 64 * 1024;
// Notes are escaped in the head, each byte by three; as much again is left for everything else.
const _: () = assert!(CONNECTION_BUFFER_BYTES >= 2 * 3 * NOTES_BYTES_MAX);

/// How long requests under way may still take once the server is told to stop.
pub const SHUTDOWN_GRACE: Duration = Duration::from_secs(20);

/// Most connections at one time; further ones wait in the system's queue. Fewer where the system gives fewer
/// descriptors: see [`connections`].
pub const CONNECTIONS_MAX: usize = 4_096;

/// Descriptors kept back for the database, the listening socket, the log.
const DESCRIPTORS_KEPT: u64 = 64;

/// How many connections the descriptors of this process allow, [`CONNECTIONS_MAX`] at most: each may need one
/// for itself and one for the image it sends. Takes what the system is willing to give first.
#[must_use]
pub fn connections() -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let wanted = (CONNECTIONS_MAX as u64)
        .saturating_mul(2)
        .saturating_add(DESCRIPTORS_KEPT);
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let possible = maximum.map_or(wanted, |maximum| maximum.min(wanted));
    let mut given = current.unwrap_or(wanted);
    let more = Rlimit {
        current: Some(possible),
        maximum,
    };
    if given < possible && setrlimit(Resource::Nofile, more).is_ok() {
        given = possible;
    }
    let places = given.saturating_sub(DESCRIPTORS_KEPT) / 2;
    usize::try_from(places)
        .unwrap_or(CONNECTIONS_MAX)
        .clamp(1, CONNECTIONS_MAX)
}

/// Most requests worked on at one time; further ones wait for [`PLACE_WAIT`], as many as there are connections, and are
/// then told to come back. While a body comes from somebody who has proved nothing, its request is not worked on.
pub const REQUESTS_MAX: usize = 512;

/// How long a request waits for others to be done. A fleet that comes back all at once is served sooner so than by
/// being told to come back.
pub const PLACE_WAIT: Duration = Duration::from_secs(5);

/// How long database and image store may take to answer when somebody asks whether they do.
pub const HEALTH_PATIENCE: Duration = Duration::from_secs(3);

/// How long what was found then is told to all who ask. Anybody may ask, and a bucket's operator pays for each look: so
/// much less often than they ask, and as soon as whoever watches would notice.
pub const HEALTH_KNOWN: Duration = Duration::from_secs(5);
const _: () = assert!(HEALTH_PATIENCE.as_millis() < HEALTH_KNOWN.as_millis());

/// What whoever is told to come back should wait at least, in seconds.
pub const BUSY_RETRY_S: u32 = 60;

/// The same and up to as much again by chance, so that those who were sent away together do not come back together.
#[must_use]
pub fn busy_again_s() -> u32 {
    // Without randomness the shortest will do: nothing rests on this but the load.
    let random = crate::ids::random::<4>().map_or(0, u32::from_le_bytes);
    BUSY_RETRY_S.saturating_add(random.checked_rem(BUSY_RETRY_S).unwrap_or(0))
}

/// How long a request waits for a place at the database.
pub const DATABASE_WAIT: Duration = Duration::from_secs(5);

/// How long the answer to a lookup may take, the wait for a place at the database included. Whoever asks next must not
/// wait for a connection that has gone.
pub const LOOKUP_TIME: Duration = DATABASE_WAIT.saturating_mul(2);

/// Most devices that one statement is about; a power of two.
pub const STATEMENT_ROWS_MAX: usize = 64;

/// Most rollouts of one hardware class that run or are paused at one time; each is looked at in every check-in.
pub const OPEN_ROLLOUTS_MAX: i64 = 100;

/// Most cohorts.
pub const COHORTS_MAX: i64 = 1_000;

/// Most devices in one cohort.
pub const COHORT_DEVICES_MAX: i64 = 100_000;

/// Longest name of a cohort, in bytes.
pub const COHORT_NAME_BYTES_MAX: usize = 40;

/// Most webhooks.
pub const WEBHOOKS_MAX: i64 = 20;

/// Most webhooks that one instance tells something at one time: all of them, so that a slow one keeps no place from others.
pub const WEBHOOKS_AT_WORK_MAX: usize = WEBHOOKS_MAX as usize;

/// Most events that one webhook names.
pub const WEBHOOK_EVENTS_MAX: usize = 20;

/// Longest address of a webhook, in bytes.
pub const WEBHOOK_URL_BYTES_MAX: usize = 500;

/// Most reports of one device in an hour. A lock in good health sends a handful a month.
pub const REPORTS_PER_HOUR_MAX: i64 = 120;

/// How long somebody stays signed in at the dashboard, in milliseconds: a working day and a bit.
pub const SESSION_LIFE_MS: i64 = 12 * 3_600_000;

/// The same for whom an OpenID provider lets in, in milliseconds: the provider is not asked again, and tells nobody when
/// somebody leaves, so they are shorter.
pub const PERSON_SESSION_LIFE_MS: i64 = 4 * 3_600_000;

/// How long somebody may take to sign in at an OpenID provider, in milliseconds.
pub const ATTEMPT_LIFE_MS: i64 = 10 * 60_000;

/// Longest address of a page that is remembered while somebody signs in, in bytes.
pub const NEXT_BYTES_MAX: usize = 1_000;

/// Longest name that a provider gives a person, in bytes: OpenID Connect Core, section 2.
pub const SUBJECT_BYTES_MAX: usize = 255;

/// How long a sign-in waits for the OpenID provider, whatever it asks it for.
pub const PROVIDER_PATIENCE: Duration = Duration::from_secs(12);

/// Longest answer of an OpenID provider, in bytes.
pub const PROVIDER_ANSWER_BYTES_MAX: usize = 256 * 1024;

/// How long the provider's description of itself and its keys are taken as they were, in milliseconds.
pub const PROVIDER_KNOWN_MS: i64 = 5 * 60_000;

/// Most sign-ins that ask the OpenID provider at one time.
pub const PROVIDER_CALLS_MAX: usize = 16;

/// How long a sign-in waits for others to be done with the provider; then it is answered that the server is busy. Anybody
/// can begin one, so that many are under way is no reason to send people away at once.
pub const PROVIDER_PLACE_WAIT: Duration = Duration::from_secs(5);
const _: () = assert!(
    PLACE_WAIT.as_secs()
        + PROVIDER_PLACE_WAIT.as_secs()
        + PROVIDER_PATIENCE.as_secs()
        + DATABASE_WAIT.as_secs()
        < REQUEST_TIMEOUT.as_secs()
);

/// Most sign-ins that wait so at one time; those beyond are answered that the server is busy. Each holds a request's place,
/// and most of those stay for locks.
pub const PROVIDER_QUEUE_MAX: usize = 64;
const _: () = assert!(PROVIDER_QUEUE_MAX + PROVIDER_CALLS_MAX < REQUESTS_MAX / 2);

/// Most attempts to sign in that are remembered as used up in each of the two halves of a memory. Whoever has one that was
/// forgotten gains nothing that a fresh one would not give.
pub const ATTEMPTS_REMEMBERED_MAX: usize = 10_000;

/// Most sessions of one login at one time; a further one ends the oldest.
pub const SESSIONS_PER_LOGIN_MAX: i64 = 16;

/// Longest form of the dashboard, in bytes: a rollout to a list of some thousand devices.
pub const FORM_BYTES_MAX: usize = 256 * 1024;

/// Longest form that somebody signs in with, in bytes: a token, and the address of a page to go on to. Short, since it is
/// read of anybody, over as many connections as there are.
pub const SIGN_IN_FORM_BYTES_MAX: usize = 16 * 1024;

/// How long a failed sign-in takes at least. A token has 256 random bits, so nobody guesses one; this bounds what trying
/// costs the others.
pub const SIGN_IN_PENALTY: Duration = Duration::from_secs(1);

/// Most failed sign-ins that wait at one time; those beyond are answered that the server is busy. Good tokens never wait.
pub const SIGN_IN_PENALTIES_MAX: usize = 16;

/// Most pages that are kept fresh at one time; further ones say how to load them again.
pub const LIVE_READERS_MAX: usize = 64;

/// How long a page that is kept fresh may take to take what it is sent.
pub const LIVE_TAKE_MAX: Duration = Duration::from_secs(10);
