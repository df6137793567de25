//! An OpenID provider by others: panva's oidc-provider, certified, as a process of its own. Whom it knows is in
//! `tests/openid/provider.mjs`; everybody signs in with any password.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::Console;
use crate::builds::checkout;

/// How long it may take to start, on a machine that does something else too.
const START: Duration = Duration::from_secs(120);

/// Where `cargo xtask setup` has put it.
const MODULES: &str = ".latchkey/npm/node_modules";

/// A provider. Dropping it ends it; it also ends when this process does.
pub struct OpenIdProvider {
    process: Child,
    issuer: String,
    /// Keeps reading, so that the process never waits for someone to take what it prints.
    _printed: Console,
}

impl OpenIdProvider {
    /// Starts one that knows one client, which is sent its people at `redirect`.
    ///
    /// # Errors
    /// It has not been set up, or does not start.
    pub fn start(client: &str, secret: &str, redirect: &str) -> Result<Self> {
        let modules = checkout().join(MODULES);
        if !modules.join("oidc-provider").is_dir() {
            bail!("oidc-provider is missing: run `cargo xtask setup`");
        }
        let mut process = Command::new("node")
            .arg(checkout().join("tests/openid/provider.mjs"))
            .arg(modules)
            .args([client, secret, redirect])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot start oidc-provider")?;
        let output = process
            .stdout
            .take()
            .context("the provider has no standard output")?;
        let mut console = Console::new(output, None);
        let line = console.wait_for("issuer ", START)?;
        let issuer = line.trim_start_matches("issuer ").trim().to_owned();
        Ok(Self {
            process,
            issuer,
            _printed: console,
        })
    }

    /// What it calls itself.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }
}

impl Drop for OpenIdProvider {
    fn drop(&mut self) {
        // The only failure is that it has ended already, which is what is wanted.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
