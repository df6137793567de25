//! The TUF repository: published releases for standard clients of The Update Framework.
//!
//! Root and targets come from release engineers and are taken only when they verify: the next version, enough
//! signatures, not over, and no target but a published release, with everything said of it true. Snapshot and
//! timestamp are made here, by the server's own key. One upload is one change: whatever moment the server stops at,
//! what is served is one repository as it was before or after.
//!
//! [`follow`] decides and is pure. That clients verify all of it again is the law; this is the early check.

use latchkey_image::Hardware;
use latchkey_tuf::{
    Document, Expires, Key, MetaFile, Refusal, Role, RoleName, Root, Snapshot, Target, TargetName, Targets,
    Timestamp, Trusted,
};

use super::access::{Caller, Permission};
use super::audit::{Actor, Entry};
use super::release::{Published, Release};
use crate::Service;
use crate::failure::{Failure, Kind, Outcome};
use crate::online::OnlineKey;
use crate::store::Change;

const DAY_S: u64 = 86_400;

/// How long a timestamp counts: the longest that somebody between server and client can hide an update.
const TIMESTAMP_LIFE_S: u64 = 3 * DAY_S;
/// A timestamp with less than this left is renewed: once a day, with two days to notice a server that does not.
const TIMESTAMP_LEFT_S: u64 = 2 * DAY_S;
/// How long a snapshot counts.
const SNAPSHOT_LIFE_S: u64 = 30 * DAY_S;
/// A snapshot with less than this left is renewed along with the timestamp.
const SNAPSHOT_LEFT_S: u64 = 15 * DAY_S;
/// So many snapshots are kept, for clients that read an older timestamp a moment ago.
const SNAPSHOTS_KEPT: u64 = 16;
/// Release engineers are reminded when root or targets have less than this left.
const REMIND_S: u64 = 30 * DAY_S;

/// The newest file of each kind, as it is served.
#[derive(Clone, Debug, Default)]
pub(crate) struct Files {
    pub(crate) root: Option<String>,
    pub(crate) targets: Option<String>,
    pub(crate) snapshot: Option<String>,
    pub(crate) timestamp: Option<String>,
}

/// What release engineers upload: either, or both together.
#[derive(Clone, Debug, Default)]
pub struct Upload {
    /// Root files, oldest first.
    pub roots: Vec<String>,
    /// A targets file.
    pub targets: Option<String>,
}

/// A repository that was verified when it was taken in.
struct Repository {
    root: Trusted<Root>,
    targets: Option<Trusted<Targets>>,
    snapshot: Option<Document<Snapshot>>,
    timestamp: Option<Document<Timestamp>>,
}

/// How one kind of file stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Which.
    pub role: RoleName,
    /// The newest version.
    pub version: u64,
    /// Until when it counts.
    pub expires: Expires,
}

/// How the repository stands.
#[derive(Clone, Debug)]
pub struct Overview {
    /// The server's key; a root must name it for snapshot and timestamp.
    pub server_key: Key,
    /// What there is of root, targets, snapshot, timestamp.
    pub files: Vec<Standing>,
    /// What the newest targets list.
    pub targets: Vec<(TargetName, Target)>,
    /// What somebody has to do, one sentence each.
    pub to_do: Vec<String>,
}

/// What an upload makes of a repository.
#[derive(Debug)]
struct Next {
    /// Those that are new, oldest first.
    roots: Vec<Trusted<Root>>,
    targets: Option<Trusted<Targets>>,
    new_targets: bool,
}

impl Files {
    /// The repository; `None` before the first root.
    fn read(&self) -> Outcome<Option<Repository>> {
        // This server's own database: a file in it that does not verify was not written by this server.
        let damaged =
            |refusal: Refusal| Failure::storage(format!("the TUF repository is damaged: {refusal}"));
        let Some(root) = &self.root else { return Ok(None) };
        let root = Document::parse(root.as_bytes())
            .and_then(Trusted::pinned)
            .map_err(damaged)?;
        let targets = self
            .targets
            .as_ref()
            .map(|file| root.targets(Document::parse(file.as_bytes())?));
        let snapshot = self
            .snapshot
            .as_ref()
            .map(|file| Document::parse(file.as_bytes()));
        let timestamp = self
            .timestamp
            .as_ref()
            .map(|file| Document::parse(file.as_bytes()));
        Ok(Some(Repository {
            targets: targets.transpose().map_err(damaged)?,
            snapshot: snapshot.transpose().map_err(damaged)?,
            timestamp: timestamp.transpose().map_err(damaged)?,
            root,
        }))
    }
}

/// What follows when these files are uploaded. `None` when they are the ones that are there.
fn follow(
    before: Option<&Repository>,
    upload: &Upload,
    server: &Key,
    now_s: u64,
) -> Result<Option<Next>, Refused> {
    let same = |offered: &Option<String>, there: Option<Vec<u8>>| {
        let offered = offered.as_ref().map(String::as_bytes);
        offered.is_none() || offered == there.as_deref()
    };
    let there = before.and_then(|before| before.targets.as_ref());
    let same_targets = same(&upload.targets, there.map(Trusted::to_file));
    let published = before.map(|before| &before.root);
    let new_roots = behind(published, &upload.roots);
    if new_roots.is_empty() && same_targets {
        return Ok(None);
    }
    let roots = succession(published, new_roots)?;
    let root = roots.last().or(published).cloned().ok_or(Refused::NoRoot)?;
    // As clients do: they ask this of the last root that there is, and not of those that lead there.
    root.check_fresh(now_s)?;
    if !may_sign(&root, server) {
        return Err(Refused::OtherServerKey);
    }
    let current = before.and_then(|before| before.targets.as_ref());
    let targets = match upload.targets.as_ref().filter(|_| !same_targets) {
        Some(file) => {
            let targets = root.targets(Document::parse(file.as_bytes())?)?;
            let current = current.map_or(0, |current| current.get().version);
            let offered = targets.get().version;
            if current.checked_add(1) != Some(offered) {
                return Err(Refused::Metadata(Refusal::VersionOrder {
                    role: RoleName::Targets,
                    offered,
                    current,
                }));
            }
            Some(targets)
        }
        // The targets that are there must go on under the root that comes.
        None => match current {
            Some(current) => {
                let again = root.targets(Document::parse(&current.to_file())?);
                // To the byte: a signature less would be another file under the same version.
                let same = again.is_ok_and(|again| again.to_file() == current.to_file());
                same.then(|| Some(current.clone()))
                    .ok_or(Refused::TargetsLeftBehind)?
            }
            None => None,
        },
    };
    if let Some(targets) = &targets {
        targets.check_fresh(now_s)?;
    }
    Ok(Some(Next {
        new_targets: !same_targets,
        roots,
        targets,
    }))
}

/// Those of the roots that come behind the published one, where it is among them.
fn behind<'f>(published: Option<&Trusted<Root>>, roots: &'f [String]) -> &'f [String] {
    let there = published.map(Trusted::to_file);
    let at = roots
        .iter()
        .position(|file| Some(file.as_bytes()) == there.as_deref());
    let first = at.map_or(0, |at| at.saturating_add(1));
    roots.get(first..).unwrap_or_default()
}

/// Roots that follow the published one and each other, the first of all by its own word.
fn succession(published: Option<&Trusted<Root>>, files: &[String]) -> Result<Vec<Trusted<Root>>, Refused> {
    let mut roots: Vec<Trusted<Root>> = Vec::new();
    for file in files {
        let offered: Document<Root> = Document::parse(file.as_bytes())?;
        let next = match roots.last().or(published) {
            Some(before) => before.succeed(offered)?,
            None if offered.claims().version == 1 => Trusted::pinned(offered)?,
            None => {
                return Err(Refused::Metadata(Refusal::VersionOrder {
                    role: RoleName::Root,
                    offered: offered.claims().version,
                    current: 0,
                }));
            }
        };
        roots.push(next);
    }
    Ok(roots)
}

/// Whether this key alone makes snapshot and timestamp under this root.
fn may_sign(root: &Trusted<Root>, server: &Key) -> bool {
    [RoleName::Snapshot, RoleName::Timestamp].into_iter().all(|role| {
        let signers = root.get().signers(role);
        signers.threshold == 1 && signers.keyids.contains(&server.id())
    })
}

/// What an upload is refused for.
#[derive(Debug, PartialEq, Eq)]
enum Refused {
    Metadata(Refusal),
    NoRoot,
    OtherServerKey,
    TargetsLeftBehind,
    /// A target is none of the releases, or says something else of it.
    Target(TargetName, String),
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self::Metadata(refusal)
    }
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        let why = match refused {
            Refused::Metadata(refusal) => refusal.to_string(),
            Refused::NoRoot => "there is no root yet; upload one first, or with the targets".to_owned(),
            Refused::OtherServerKey => {
                "the root does not let this server's key alone sign snapshot and timestamp; \
                                        take the key from `latchkey-server tuf key`"
                    .to_owned()
            }
            Refused::TargetsLeftBehind => {
                "the published targets would no longer be signed as the new root asks; \
                                           upload targets that the new keys signed along with it"
                    .to_owned()
            }
            Refused::Target(name, why) => format!("the target {name} {why}"),
        };
        Self::new(Kind::MetadataRefused, format!("{why}. Nothing was published"))
    }
}

/// Whether a target says of a release what is so.
fn check_target(name: &TargetName, target: &Target, release: Option<&Release>) -> Result<(), Refused> {
    let refused = |why: String| Err(Refused::Target(name.clone(), why));
    let Some(release) = release else {
        return refused("is no published release; `latchkey-server release upload` it first".to_owned());
    };
    let class = Hardware::find(release.vendor, release.class).map_or_else(
        || release.class.to_string(),
        |hardware| hardware.class_name.to_owned(),
    );
    let version = release.version.to_string();
    if TargetName::of_image(&class, &version).as_ref() != Ok(name) {
        return refused(format!(
            "is version {version} for {class}, and its name says otherwise"
        ));
    }
    let said = &target.custom;
    for (what, said, so) in [
        ("length", target.length.to_string(), release.size.to_string()),
        ("vendor", said.vendor.clone(), release.vendor.to_string()),
        ("class", said.class.clone(), release.class.to_string()),
        ("version", said.version.clone(), version),
        (
            "security_counter",
            said.security_counter.to_string(),
            release.counter.0.to_string(),
        ),
        (
            "image_digest",
            said.image_digest.clone(),
            release.digest.to_string(),
        ),
    ] {
        if said != so {
            return refused(format!("says {what} {said} of a release with {what} {so}"));
        }
    }
    Ok(())
}

/// The snapshot and timestamp that follow. A snapshot is made anew only when it must be.
fn sign_on(
    key: &OnlineKey,
    targets: MetaFile,
    snapshot: Option<&Document<Snapshot>>,
    timestamp: Option<&Document<Timestamp>>,
    now_s: u64,
    renew_snapshot: bool,
) -> Result<(Option<Document<Snapshot>>, Document<Timestamp>), Refusal> {
    let until = |life_s: u64| Expires::at(now_s.saturating_add(life_s));
    let still_good = snapshot.filter(|snapshot| {
        let claims = snapshot.claims();
        !renew_snapshot
            && claims.meta.targets == targets
            && !claims.expires.is_over(now_s.saturating_add(SNAPSHOT_LEFT_S))
    });
    let made = match still_good {
        Some(_) => None,
        None => {
            let version = snapshot.map_or(0, |snapshot| snapshot.claims().version);
            Some(key.snapshot(Snapshot::new(
                version.saturating_add(1),
                until(SNAPSHOT_LIFE_S),
                targets,
            ))?)
        }
    };
    let named = made.as_ref().or(snapshot).map(Document::meta).unwrap_or(targets);
    let version = timestamp.map_or(0, |timestamp| timestamp.claims().version);
    let timestamp = key.timestamp(Timestamp::new(
        version.saturating_add(1),
        until(TIMESTAMP_LIFE_S),
        named,
    ))?;
    Ok((made, timestamp))
}

impl Service {
    /// Takes roots, targets or both from release engineers. When this returns, they survive a power cut.
    ///
    /// # Errors
    /// [`Kind::MetadataRefused`], saying why; [`Kind::Forbidden`] for the first root by anybody but an administrator;
    /// storage.
    pub async fn publish_tuf(&self, by: &Caller, upload: &Upload) -> Outcome<(Overview, Published)> {
        let now = self.clock.now_ms();
        let mut earlier: Vec<String> = upload.roots.iter().map(|file| hash(file)).collect();
        let root = earlier.pop();
        let mut change = self
            .store
            .change(&Entry {
                actor: by.actor(),
                at: now,
                action: "tuf.publish",
                subject: subject(upload),
                detail: serde_json::json!({
                    "earlier_roots_sha256": (!earlier.is_empty()).then_some(earlier),
                    "root_sha256": root,
                    "targets_sha256": upload.targets.as_ref().map(|file| hash(file)),
                }),
            })
            .await?;
        let files = change.tuf_files().await?;
        let before = files.read()?;
        if before.is_none() && !upload.roots.is_empty() {
            // Whose signatures count from now on: what a policy is for images.
            by.must(Permission::Administer)?;
        }
        let server = self.server_key()?;
        let Some(next) = follow(before.as_ref(), upload, &server, seconds(now))? else {
            change.unchanged().await?;
            return Ok((self.overview(&files)?, Published::Before));
        };
        if next.new_targets {
            self.take_targets(&mut change, &next).await?;
        }
        for root in &next.roots {
            let file = text(root.to_file())?;
            change
                .put_tuf_file(RoleName::Root, root.get().version, &file, 0)
                .await?;
        }
        if let Some(targets) = &next.targets {
            let (snapshot, timestamp) = before.as_ref().map_or((None, None), |before| {
                (before.snapshot.as_ref(), before.timestamp.as_ref())
            });
            // Another root may let another key sign: made anew, they are always this key's.
            let signed = sign_on(
                &self.online,
                targets.meta(),
                snapshot,
                timestamp,
                seconds(now),
                !next.roots.is_empty(),
            );
            put_signed(&mut change, signed).await?;
        }
        // Before it takes effect: a failure would say that nothing did.
        let overview = self.overview(&change.tuf_files().await?)?;
        change.commit().await?;
        Ok((overview, Published::Now))
    }

    async fn take_targets(&self, change: &mut Change, next: &Next) -> Outcome<()> {
        let Some(targets) = &next.targets else {
            return Ok(());
        };
        let mut rows = Vec::new();
        for (name, target) in &targets.get().targets {
            let sha256 = target.hashes.sha256.to_string();
            let release = change.release_of_file(&sha256).await?;
            check_target(name, target, release.as_ref())?;
            rows.push((name.to_string(), sha256));
        }
        change.put_tuf_targets(&rows).await?;
        let file = text(targets.to_file())?;
        change
            .put_tuf_file(RoleName::Targets, targets.get().version, &file, 0)
            .await
    }

    /// Renews timestamp and snapshot when they have little left. Asked often and by every instance: one row is read,
    /// and whoever is first to write is the only one.
    ///
    /// # Errors
    /// [`Kind::MetadataRefused`] when the root names another key than this server's; storage.
    pub async fn renew_tuf(&self) -> Outcome<bool> {
        let now_s = seconds(self.clock.now_ms());
        let Some(newest) = self.store.tuf_timestamp().await? else {
            return Ok(false);
        };
        if !is_due(&newest, now_s)? {
            return Ok(false);
        }
        let mut change = self
            .store
            .change(&Entry {
                actor: &Actor::Clock,
                at: self.clock.now_ms(),
                action: "tuf.renew",
                subject: "timestamp".to_owned(),
                detail: serde_json::Value::Null,
            })
            .await?;
        let Some(before) = change.tuf_files().await?.read()? else {
            return Ok(false);
        };
        let (Some(targets), Some(timestamp)) = (&before.targets, &before.timestamp) else {
            return Ok(false);
        };
        // Another instance may have been quicker.
        if !is_due(&text(timestamp.to_file())?, now_s)? {
            return Ok(false);
        }
        if !may_sign(&before.root, &self.server_key()?) {
            return Err(Refused::OtherServerKey.into());
        }
        let signed = sign_on(
            &self.online,
            targets.meta(),
            before.snapshot.as_ref(),
            Some(timestamp),
            now_s,
            false,
        );
        put_signed(&mut change, signed).await?;
        change.commit().await?;
        Ok(true)
    }

    /// How the repository stands.
    ///
    /// # Errors
    /// Storage.
    pub async fn tuf(&self) -> Outcome<Overview> {
        self.overview(&self.store.tuf_files().await?)
    }

    fn overview(&self, files: &Files) -> Outcome<Overview> {
        let now_s = seconds(self.clock.now_ms());
        let server_key = self.server_key()?;
        let Some(there) = files.read()? else {
            return Ok(Overview {
                server_key,
                files: Vec::new(),
                targets: Vec::new(),
                to_do: vec!["there is no repository yet; upload a root and targets".to_owned()],
            });
        };
        let mut files = vec![standing(there.root.get())];
        files.extend(there.targets.as_ref().map(|targets| standing(targets.get())));
        files.extend(
            there
                .snapshot
                .as_ref()
                .map(|snapshot| standing(snapshot.claims())),
        );
        files.extend(
            there
                .timestamp
                .as_ref()
                .map(|timestamp| standing(timestamp.claims())),
        );
        let mut to_do = reminders(&files, now_s);
        if !may_sign(&there.root, &server_key) {
            to_do.push(
                "the root names another key than this server's; have engineers sign one that names it"
                    .to_owned(),
            );
        }
        let targets = there
            .targets
            .map(|targets| targets.get().targets.clone())
            .unwrap_or_default();
        Ok(Overview {
            server_key,
            files,
            targets: targets.into_iter().collect(),
            to_do,
        })
    }

    /// A metadata file: of the timestamp the newest, of the others this version.
    ///
    /// # Errors
    /// [`Kind::NotFound`]; storage.
    pub async fn tuf_file(&self, role: RoleName, version: Option<u64>) -> Outcome<String> {
        let found = match (role, version) {
            (RoleName::Timestamp, None) => self.store.tuf_timestamp().await?,
            (RoleName::Root | RoleName::Snapshot | RoleName::Targets, Some(version)) => {
                self.store.tuf_file(role, version).await?
            }
            (RoleName::Root | RoleName::Snapshot | RoleName::Targets, None)
            | (RoleName::Timestamp, Some(_)) => None,
        };
        found.ok_or_else(|| Failure::new(Kind::NotFound, "the repository has no such file"))
    }

    /// The release that the newest targets list under this name with this hash.
    ///
    /// # Errors
    /// [`Kind::NotFound`]; storage.
    pub async fn tuf_target(&self, name: &str, sha256: &str) -> Outcome<Release> {
        let found = self.store.tuf_target(name, sha256).await?;
        found.ok_or_else(|| Failure::new(Kind::NotFound, "the repository lists no such target"))
    }

    fn server_key(&self) -> Outcome<Key> {
        self.online
            .public()
            .map_err(|refusal| Failure::storage(refusal.to_string()))
    }
}

async fn put_signed(
    change: &mut Change,
    signed: Result<(Option<Document<Snapshot>>, Document<Timestamp>), Refusal>,
) -> Outcome<()> {
    let (snapshot, timestamp) = signed.map_err(Refused::Metadata)?;
    if let Some(snapshot) = snapshot {
        let version = snapshot.claims().version;
        let keep_from = version.saturating_sub(SNAPSHOTS_KEPT);
        change
            .put_tuf_file(RoleName::Snapshot, version, &text(snapshot.to_file())?, keep_from)
            .await?;
    }
    let version = timestamp.claims().version;
    change
        .put_tuf_file(RoleName::Timestamp, version, &text(timestamp.to_file())?, version)
        .await
}

/// Whether a timestamp is to be renewed.
fn is_due(timestamp: &str, now_s: u64) -> Outcome<bool> {
    let read: Document<Timestamp> = Document::parse(timestamp.as_bytes())
        .map_err(|refusal| Failure::storage(format!("the TUF timestamp is damaged: {refusal}")))?;
    Ok(read
        .claims()
        .expires
        .is_over(now_s.saturating_add(TIMESTAMP_LEFT_S)))
}

fn standing<R: Role>(role: &R) -> Standing {
    Standing {
        role: R::NAME,
        version: role.version(),
        expires: role.expires(),
    }
}

fn reminders(files: &[Standing], now_s: u64) -> Vec<String> {
    let offline = |file: &&Standing| matches!(file.role, RoleName::Root | RoleName::Targets);
    let mut to_do = Vec::new();
    for Standing { role, expires, .. } in files.iter().filter(offline) {
        if expires.is_over(now_s) {
            to_do.push(format!("the {role} expired at {expires}, so no client takes anything; have engineers sign the next one now"));
        } else if expires.is_over(now_s.saturating_add(REMIND_S)) {
            to_do.push(format!(
                "the {role} expires at {expires}; have engineers sign the next one"
            ));
        }
    }
    if !files.iter().any(|file| file.role == RoleName::Targets) {
        to_do.push("there are no targets yet; upload them".to_owned());
    }
    to_do
}

/// What an upload is about, for the audit log: what the files claim, true or not.
fn subject(upload: &Upload) -> String {
    let mut parts = Vec::new();
    for file in &upload.roots {
        if let Ok(root) = Document::<Root>::parse(file.as_bytes()) {
            parts.push(format!("root {}", root.claims().version));
        }
    }
    if let Some(Ok(targets)) = upload
        .targets
        .as_ref()
        .map(|file| Document::<Targets>::parse(file.as_bytes()))
    {
        parts.push(format!("targets {}", targets.claims().version));
    }
    parts.join(", ")
}

fn hash(file: &str) -> String {
    latchkey_tuf::Hash::of(file.as_bytes()).to_string()
}

/// Metadata are ASCII, so text.
fn text(file: Vec<u8>) -> Outcome<String> {
    String::from_utf8(file).map_err(Failure::storage)
}

fn seconds(now_ms: i64) -> u64 {
    u64::try_from(now_ms / 1000).unwrap_or(0)
}
