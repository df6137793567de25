//! A PostgreSQL of one's own: made in a temporary folder, reached over a socket in it, gone with whoever made it.
//!
//! Uses the programs of Debian's package `postgresql` (`cargo xtask setup` installs it) and nothing of the system's own
//! cluster: no port, no configuration, no user's database. PostgreSQL does not run as root, so root lends it the user
//! `nobody`. A small shell stands between: it holds the other end of a pipe, and when this process is gone, however it
//! went, it stops PostgreSQL and removes the folder.
#![forbid(unsafe_code)]

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::{MetadataExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context as _, Result, bail, ensure};

/// The user and group that PostgreSQL runs as where this runs as root: `nobody`, by the number it has on Debian.
const NOBODY: u32 = 65_534;

/// Starts PostgreSQL, says so, and stops it when standard input ends.
const KEEPER: &str = r#"
programs=$1 folder=$2; shift 2
"$programs/postgres" -D "$folder/data" -k "$folder" -c listen_addresses= "$@" </dev/null >"$folder/log" 2>&1 &
server=$!
until "$programs/pg_isready" -q -h "$folder" -d postgres; do
    kill -0 "$server" 2>/dev/null || { cat "$folder/log" >&2; echo failed; exit 1; }
    sleep 0.05
done
echo ready
read -r _
kill -QUIT "$server"
wait "$server"
rm -rf "$folder"
"#;

/// How commits are treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// As in service: a commit waits for the disk.
    Disk,
    /// For tests in which PostgreSQL itself is never killed: a commit waits for nothing.
    Process,
}

/// A running PostgreSQL.
#[derive(Debug)]
pub struct Postgres {
    programs: PathBuf,
    folder: PathBuf,
    keeper: Child,
    /// Its end is PostgreSQL's.
    leash: Option<ChildStdin>,
    databases: AtomicU32,
}

impl Postgres {
    /// Makes a cluster and starts it.
    ///
    /// # Errors
    /// PostgreSQL is not installed, or does not start; says what to do, or what it said.
    pub fn start(durability: Durability) -> Result<Self> {
        let programs = programs()?;
        // The keeper removes it: it may outlive this process by a moment.
        let folder = tempfile::Builder::new()
            .prefix("latchkey-postgres-")
            .tempdir()
            .context("cannot make a folder for PostgreSQL")?
            .keep();
        let lent = fs::metadata(&folder)?.uid() == 0;
        if lent {
            chown(&folder, Some(NOBODY), Some(NOBODY)).context("cannot give PostgreSQL its folder")?;
        }
        let as_user = |command: &mut Command| {
            command.current_dir(&folder).env("LC_ALL", "C");
            if lent {
                command.uid(NOBODY).gid(NOBODY);
            }
        };
        let mut initdb = Command::new(programs.join("initdb"));
        initdb
            .args(["--no-sync", "--auth=trust", "--encoding=UTF8", "--no-locale"])
            .args(["--username=latchkey", "--pgdata"])
            .arg(folder.join("data"));
        as_user(&mut initdb);
        run(&mut initdb)?;

        let mut keeper = Command::new("sh");
        keeper
            .args(["-c", KEEPER, "sh"])
            .args([&programs, &folder])
            .args(["-c", "max_connections=300", "-c", "shared_buffers=128MB"]);
        if durability == Durability::Process {
            keeper.args(["-c", "fsync=off", "-c", "full_page_writes=off"]);
        }
        as_user(&mut keeper);
        let mut keeper = keeper
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start PostgreSQL")?;
        let leash = keeper.stdin.take();
        let mut said = String::new();
        if let Some(out) = keeper.stdout.take() {
            BufReader::new(out).read_line(&mut said)?;
        }
        let postgres = Self {
            programs,
            folder,
            keeper,
            leash,
            databases: AtomicU32::new(0),
        };
        ensure!(
            said.trim() == "ready",
            "PostgreSQL did not start; it said why above"
        );
        Ok(postgres)
    }

    /// Makes a database, empty or as another one is that nobody uses now; gives its URL.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub fn create(&self, like: Option<&str>) -> Result<String> {
        let number = self.databases.fetch_add(1, Ordering::Relaxed);
        let name = format!("latchkey_{number}");
        let template = like
            .map(|url| {
                let name = url.split('?').next().and_then(|front| front.rsplit('/').next());
                name.context("the model's URL names no database")
            })
            .transpose()?;
        run(Command::new(self.programs.join("createdb"))
            .env("PGHOST", &self.folder)
            .args([
                "--username=latchkey",
                "--template",
                template.unwrap_or("template0"),
            ])
            .arg(&name))?;
        Ok(format!(
            "postgres://latchkey@localhost/{name}?host={}",
            self.folder.display()
        ))
    }

    /// Where PostgreSQL's own programs are.
    #[must_use]
    pub fn programs(&self) -> &Path {
        &self.programs
    }

    /// The process that commits: for its memory, and for putting it on a core.
    ///
    /// # Errors
    /// It has none any more.
    pub fn process(&self) -> Result<u32> {
        let pid = fs::read_to_string(self.folder.join("data/postmaster.pid"))?;
        let first = pid.lines().next().unwrap_or_default();
        first.trim().parse().context("PostgreSQL's pid file is damaged")
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        drop(self.leash.take());
        if let Err(error) = self.keeper.wait() {
            eprintln!(
                "PostgreSQL in {} was not waited for: {error}",
                self.folder.display()
            );
        }
    }
}

/// Debian keeps each major version's programs apart; the newest counts. Elsewhere they are on the path.
fn programs() -> Result<PathBuf> {
    let installed = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten();
    let mut versions: Vec<(u32, PathBuf)> = installed
        .filter_map(|version| {
            let programs = version.path().join("bin");
            let number = version.file_name().to_str()?.parse().ok()?;
            programs.join("initdb").exists().then_some((number, programs))
        })
        .collect();
    versions.sort();
    if let Some((_, newest)) = versions.pop() {
        return Ok(newest);
    }
    std::env::var_os("PATH")
        .iter()
        .flat_map(std::env::split_paths)
        .find(|folder| folder.join("initdb").exists())
        .context(
            "PostgreSQL is not installed; run `cargo xtask setup`, or install Debian's package postgresql",
        )
}

/// Runs to the end, quietly.
fn run(command: &mut Command) -> Result<()> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start {}", command.get_program().display()))?;
    if !output.status.success() {
        bail!(
            "{} failed: {}",
            command.get_program().display(),
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(())
}
