//! `serve` and `director-key`: what works on the server's own files.

use std::io::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::{Extension, Router};
use clap::{Args, ValueEnum};
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::filter::LevelFilter;
use url::Url;

use super::openid::OpenId;
use super::{CliError, rounds, show};
use crate::clock::SystemClock;
use crate::courier::Courier;
use crate::director::DirectorKey;
use crate::domain::access::{Caller, NewToken, ShownOnce, Token, TokenSecret};
use crate::domain::hours::Zone;
use crate::http::{self, App, Door, InTheClear, OverTls, Tls, WebApp};
use crate::limits;
use crate::objects::Objects;
use crate::online::OnlineKey;
use crate::store::{self, Store};
use crate::{Keys, Service, Settings};

/// Where the server keeps what has no place of its own.
#[derive(Args)]
struct DataFolder {
    /// Folder for everything that has no place of its own.
    #[arg(
        long,
        value_name = "DIR",
        env = "LATCHKEY_DATA",
        default_value = "latchkey-data"
    )]
    data: PathBuf,
}

/// Where the server keeps what it keeps.
#[derive(Args)]
pub(super) struct DataPlace {
    #[command(flatten)]
    folder: DataFolder,
    /// Database: sqlite:///path/to/file.db or postgres://user@host/name; a password belongs into the environment or
    /// into ~/.pgpass. Without it: latchkey.db in the data folder.
    #[arg(long, value_name = "URL", env = "LATCHKEY_DATABASE")]
    database: Option<String>,
}

#[derive(Args)]
struct DirectorKeyFile {
    /// The director key, PKCS#8 PEM. Without it: director.pem in the data folder, made when it is missing.
    #[arg(long, value_name = "FILE", env = "LATCHKEY_DIRECTOR_KEY")]
    director_key: Option<PathBuf>,
}

#[derive(Args)]
struct TufKeyFile {
    /// The key for snapshot and timestamp of the TUF repository, PKCS#8 PEM. Without it: tuf.pem in the data folder,
    /// made when it is missing.
    #[arg(long, value_name = "FILE", env = "LATCHKEY_TUF_KEY")]
    tuf_key: Option<PathBuf>,
}

/// Where the director key is.
#[derive(Args)]
pub(super) struct KeyPlace {
    #[command(flatten)]
    folder: DataFolder,
    #[command(flatten)]
    file: DirectorKeyFile,
    /// Use an example key. For trying things out.
    #[arg(long)]
    allow_example_keys: bool,
}

/// Where the server's key for the TUF repository is.
#[derive(Args)]
pub(super) struct TufKeyPlace {
    #[command(flatten)]
    folder: DataFolder,
    #[command(flatten)]
    file: TufKeyFile,
    /// Use an example key. For trying things out.
    #[arg(long)]
    allow_example_keys: bool,
}

/// How log lines look.
#[derive(Clone, Copy, ValueEnum)]
enum LogFormat {
    Text,
    Json,
}

/// How much is logged.
#[derive(Clone, Copy, ValueEnum)]
enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
}

/// Options of `serve`.
#[derive(Args)]
pub(super) struct Serve {
    /// Where to listen; port 0 takes a free one and says which.
    #[arg(
        long,
        value_name = "ADDR",
        env = "LATCHKEY_LISTEN",
        default_value = "127.0.0.1:8470"
    )]
    listen: SocketAddr,
    /// Where to listen with TLS. Tokens are taken there only, then.
    #[arg(long, value_name = "ADDR", env = "LATCHKEY_TLS_LISTEN", requires_all = ["tls_certificate", "tls_key"])]
    tls_listen: Option<SocketAddr>,
    /// Certificate for TLS, PEM, with the chain behind it.
    #[arg(
        long,
        value_name = "FILE",
        env = "LATCHKEY_TLS_CERTIFICATE",
        requires = "tls_listen"
    )]
    tls_certificate: Option<PathBuf>,
    /// Its key, PEM.
    #[arg(long, value_name = "FILE", env = "LATCHKEY_TLS_KEY", requires = "tls_listen")]
    tls_key: Option<PathBuf>,
    /// A proxy in front of this server, whose X-Forwarded-For names the address that asks; may be given more than
    /// once. Without it the proxy counts as one address, and shares one allowance among all who come through it. What
    /// comes through it counts as come over TLS, unless its X-Forwarded-Proto says http.
    #[arg(long = "proxy", value_name = "IP")]
    proxies: Vec<IpAddr>,
    #[command(flatten)]
    openid: OpenId,
    #[command(flatten)]
    place: DataPlace,
    /// Images: file:///folder, or s3://bucket/path with the usual AWS_… variables. Without it: the folder
    /// images in the data folder.
    #[arg(long, value_name = "URL", env = "LATCHKEY_STORE")]
    store: Option<String>,
    /// Send owners' phones, mirrors and TUF clients to the bucket itself for images, by links that are good for so long.
    /// They must reach the bucket under the name that this server knows it by. Locks and the web app are served by this
    /// server all the same.
    #[arg(long, value_name = "SECONDS", env = "LATCHKEY_PRESIGNED_DOWNLOADS")]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=3600))]
    presigned_downloads: Option<u64>,
    #[command(flatten)]
    director: DirectorKeyFile,
    /// Direct the locks of this database with another key than so far, for those that trust it by now.
    #[arg(long)]
    replace_director_key: bool,
    #[command(flatten)]
    tuf: TufKeyFile,
    /// Take example keys in policies and as director key. For trying things out.
    #[arg(long)]
    allow_example_keys: bool,
    /// How often locks call, in seconds, give or take a tenth.
    #[arg(long, value_name = "SECONDS", default_value_t = 1800)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=86_400))]
    check_in_interval: u32,
    /// How often running rollouts are looked at, for locks that fell silent and for the next stage, in seconds. A
    /// failure that is reported is looked at at once.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=3600))]
    watch_interval: u32,
    /// Starting and widening any rollout takes two persons; stopping one never does.
    #[arg(long, env = "LATCHKEY_TWO_PERSONS")]
    two_persons: bool,
    /// Where the fleet is, by IANA name: what time it is there counts for locks whose own zone is not set.
    #[arg(long, value_name = "ZONE", env = "LATCHKEY_ZONE", default_value = "UTC")]
    zone: Zone,
    /// Serve devices that speak hawkBit's device interface, too; they reach this server at this address, such as
    /// https://updates.example.com. Their tokens are secrets: give them TLS.
    #[arg(long, value_name = "URL", env = "LATCHKEY_HAWKBIT", value_parser = hawkbit_base)]
    hawkbit: Option<Url>,
    /// Let webhooks go into private networks and to this machine; there without TLS too: http://127.0.0.1, http://[::1].
    #[arg(long)]
    allow_internal_webhooks: bool,
    /// How log lines look; they go to standard error.
    #[arg(long, value_enum, default_value = "text", env = "LATCHKEY_LOG_FORMAT")]
    log_format: LogFormat,
    /// How much is logged.
    #[arg(long, value_enum, default_value = "info", env = "LATCHKEY_LOG")]
    log: LogLevel,
}

/// What the server says about itself when it is up.
#[derive(Serialize)]
struct Started<'a> {
    listening: String,
    /// With TLS.
    #[serde(skip_serializing_if = "Option::is_none")]
    listening_tls: Option<String>,
    data: String,
    database: &'a str,
    store: &'a str,
    director_key: String,
    director_public: String,
    /// Only at the very first start.
    #[serde(skip_serializing_if = "Option::is_none")]
    admin_token: Option<ShownOnce<'a>>,
}

pub(super) async fn serve(options: Serve, json: bool) -> Result<(), CliError> {
    start_logging(options.log, options.log_format);
    if WebApp::is_for_trial() && !options.allow_example_keys {
        return Err(CliError::failed(
            "the owners' web app in this program was built for trying things out and may trust the example keys, so \
             nothing was started; run `cargo xtask web --release --policy FILE`, build the server again, or start with \
             --allow-example-keys to try things out",
        ));
    }
    make_folder(&options.place.folder.data)?;
    let key_path = options.director.path(&options.place.folder.data);
    let tuf_path = options.tuf.path(&options.place.folder.data);
    let online = OnlineKey::open_or_create(&tuf_path, options.allow_example_keys)?;
    let database = options.place.database_url()?;
    let store = Store::open(&database).await?;
    let director = director(&store, &key_path, &options).await?;
    let folder = std::path::absolute(options.place.folder.data.join("images"))
        .context("the data folder has no path")?;
    let (objects, store_url) = match options.store {
        Some(url) => (Objects::from_url(&url, environment())?, url),
        None => (Objects::folder(&folder)?, format!("file://{}", folder.display())),
    };
    if options.presigned_downloads.is_some() && !objects.signs_links() {
        return Err(CliError::failed(format!(
            "the image store {store_url} is no bucket, so it signs no links; leave out --presigned-downloads, or name a \
             bucket with --store s3://…"
        )));
    }
    let (provider, admission) = options.openid.into_parts()?.unzip();
    let settings = Settings {
        admission,
        check_in_interval_s: options.check_in_interval,
        watch_interval_s: options.watch_interval,
        allow_example_keys: options.allow_example_keys,
        two_persons: options.two_persons,
        internal_webhooks: options.allow_internal_webhooks,
        hawkbit: options.hawkbit,
        zone: options.zone,
        presigned_downloads: options.presigned_downloads.map(Duration::from_secs),
        ..Settings::default()
    };
    let director_public = hex::encode(director.public());
    let service = Arc::new(Service::new(
        store,
        objects,
        Keys { director, online },
        Arc::new(SystemClock),
        settings,
    ));
    service.check_store().await.map_err(|failure| {
        CliError::failed(format!(
            "the image store {store_url} does not answer: {:#}",
            anyhow::Error::from(failure)
        ))
    })?;
    let (listener, address) = listen(options.listen, "--listen").await?;
    let tls = match (options.tls_listen, &options.tls_certificate, &options.tls_key) {
        (Some(address), Some(certificate), Some(key)) => {
            let tls = Tls::from_files(certificate, key)?;
            Some((tls, listen(address, "--tls-listen").await?))
        }
        _ => None,
    };
    let agreed = service.agree_on_director(options.replace_director_key).await;
    agreed.map_err(anyhow::Error::from)?;
    // Before anybody hears that the server is there: who hears it may tell it to stop.
    let stop = stop_signal()?;
    // Last of what can fail: a token that is made must also be shown.
    let admin = service.first_admin().await.map_err(anyhow::Error::from)?;
    let started = Started {
        listening: format!("http://{address}"),
        listening_tls: tls.as_ref().map(|(_, (_, address))| format!("https://{address}")),
        data: shown(&options.place.folder.data),
        database: &store::shown(&database),
        store: &store_url,
        director_key: shown(&key_path),
        director_public,
        admin_token: admin.as_ref().map(ShownOnce),
    };
    say(&started, json, options.allow_example_keys).context("cannot write to standard output")?;

    // What a kill cut short is made good before anybody is answered: a failure that was kept halts its rollout first.
    service.watch_rollouts().await;
    let watch_interval = Duration::from_secs(options.watch_interval.into());
    let mut beside = rounds::start(
        &service,
        Courier::new(options.allow_internal_webhooks)?,
        watch_interval,
    );
    let mut app = App::new(service.clone()).behind(&options.proxies);
    if let Some(provider) = provider {
        app = app.with_provider(provider);
    }
    let (router, _) = http::routes(&app);
    let bounds = app.bounds(limits::connections());
    let fresh = app.clone();
    beside.spawn(async move { fresh.keep_dashboards_fresh().await });
    let stop = async move {
        stop.await;
        app.end_dashboards();
    };
    tracing::info!(connections = bounds.connections, "serving");
    http::serve(doors(router, listener, tls), bounds, stop).await;
    beside.shutdown().await;
    service.close().await.map_err(anyhow::Error::from)?;
    tracing::info!("stopped");
    Ok(())
}

/// The key this instance directs locks with. A new one is made only where the database knows of none yet.
async fn director(store: &Store, path: &Path, options: &Serve) -> anyhow::Result<DirectorKey> {
    let named = store.director().await?;
    let Some(named) = named.filter(|_| !options.replace_director_key) else {
        return DirectorKey::open_or_create(path, options.allow_example_keys);
    };
    let opened = DirectorKey::open(path, options.allow_example_keys);
    opened.with_context(|| {
        format!(
            "the locks of this database take directives of the key {} only; put that key's file there, or name it with \
             --director-key",
            hex::encode(named.as_bytes())
        )
    })
}

/// An address without a query: paths are put behind it.
fn hawkbit_base(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| error.to_string())?;
    let plain = url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
    if matches!(url.scheme(), "http" | "https") && url.has_host() && plain {
        return Ok(url);
    }
    Err("it has to be http:// or https://, a host, and a path at most".to_owned())
}

async fn listen(address: SocketAddr, option: &str) -> anyhow::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address}; choose another with {option}"))?;
    let address = listener
        .local_addr()
        .context("the listening address is not known")?;
    Ok((listener, address))
}

/// Where there is TLS, tokens are taken nowhere else.
fn doors(router: Router, listener: TcpListener, tls: Option<(Tls, (TcpListener, SocketAddr))>) -> Vec<Door> {
    let plain = |router| Door {
        listener,
        router,
        tls: None,
    };
    match tls {
        None => vec![plain(router)],
        Some((tls, (listener, _))) => vec![
            plain(router.clone().layer(Extension(InTheClear))),
            Door {
                listener,
                router: router.layer(Extension(OverTls)),
                tls: Some(tls),
            },
        ],
    }
}

pub(super) fn director_key(place: &KeyPlace, json: bool) -> Result<(), CliError> {
    make_folder(&place.folder.data)?;
    let path = place.file.path(&place.folder.data);
    let key = DirectorKey::open_or_create(&path, place.allow_example_keys)?;
    let pem = key.public_pem()?;
    if json {
        show::json(&serde_json::json!({
            "path": shown(&path),
            "public": hex::encode(key.public()),
            "pem": pem,
        }));
    } else {
        show::text(pem.trim_end());
    }
    Ok(())
}

pub(super) fn tuf_key(place: &TufKeyPlace, json: bool) -> Result<(), CliError> {
    make_folder(&place.folder.data)?;
    let path = place.file.path(&place.folder.data);
    let key = OnlineKey::open_or_create(&path, place.allow_example_keys)?;
    let pem = key.public_pem()?;
    if json {
        let public = key.public().context("the TUF key")?;
        show::json(&serde_json::json!({
            "path": shown(&path),
            "public": hex::encode(public.public()),
            "key_id": public.id().to_string(),
            "pem": pem,
        }));
    } else {
        show::text(pem.trim_end());
    }
    Ok(())
}

/// Makes a token without a server: for whoever may write the server's files anyway.
pub(super) async fn create_token_offline(
    place: &DataPlace,
    wanted: &NewToken<'_>,
) -> anyhow::Result<(Token, TokenSecret)> {
    let store = open_offline(place).await?;
    let made = crate::domain::access::create(&store, &SystemClock, &Caller::console(), wanted).await;
    store.close().await;
    Ok(made?)
}

/// The database of a server that need not run. One that is not there is not made, and one of another version not changed.
pub(super) async fn open_offline(place: &DataPlace) -> anyhow::Result<Store> {
    let url = place.database_url()?;
    if place.database.is_none() && !place.folder.data.join("latchkey.db").exists() {
        anyhow::bail!(
            "there is no server's database in {}; name it with --data",
            shown(&place.folder.data)
        );
    }
    Store::open_existing(&url).await
}

impl DataPlace {
    fn database_url(&self) -> anyhow::Result<String> {
        match &self.database {
            Some(url) => Ok(url.clone()),
            None => Store::url_of_file(&self.folder.data.join("latchkey.db")),
        }
    }
}

/// The environment, without what is no text: no option of a store is any.
fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().filter_map(|(key, value)| Some((key.into_string().ok()?, value.into_string().ok()?)))
}

impl DirectorKeyFile {
    fn path(&self, data: &Path) -> PathBuf {
        self.director_key
            .clone()
            .unwrap_or_else(|| data.join("director.pem"))
    }
}

impl TufKeyFile {
    fn path(&self, data: &Path) -> PathBuf {
        self.tuf_key.clone().unwrap_or_else(|| data.join("tuf.pem"))
    }
}

fn shown(path: &Path) -> String {
    std::path::absolute(path)
        .unwrap_or_else(|_| path.to_owned())
        .display()
        .to_string()
}

/// The data folder holds the director key and token hashes: its owner's alone.
fn make_folder(path: &Path) -> anyhow::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    let made = std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path);
    made.with_context(|| format!("cannot make the data folder {}", path.display()))
}

fn say(started: &Started<'_>, json: bool, example_keys: bool) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    if json {
        serde_json::to_writer(&mut out, started)?;
        writeln!(out)?;
        return out.flush();
    }
    writeln!(out, "data folder   {}", started.data)?;
    writeln!(out, "database      {}", started.database)?;
    writeln!(out, "images        {}", started.store)?;
    writeln!(
        out,
        "director key  {} (public {})",
        started.director_key, started.director_public
    )?;
    if example_keys {
        writeln!(
            out,
            "EXAMPLE KEYS are allowed: for trying things out, never for locks on doors"
        )?;
    }
    if let Some(token) = &started.admin_token {
        token
            .0
            .expose(|token| writeln!(out, "administrator token, shown this once: {token}"))?;
    }
    if let Some(address) = &started.listening_tls {
        writeln!(out, "for tokens    {address}")?;
    }
    writeln!(out, "listening on  {}", started.listening)?;
    out.flush()
}

fn start_logging(level: LogLevel, format: LogFormat) {
    let level = match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
    };
    let logs = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()));
    match format {
        LogFormat::Text => logs.init(),
        LogFormat::Json => logs.json().init(),
    }
}

/// Ready when the server is told to stop; listening from now on, so that no signal is missed.
fn stop_signal() -> anyhow::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping: requests under way are finished");
    })
}
