//! A browser whose Web Bluetooth is a controller of the virtual air: Debian's Chromium without a window, that does as
//! it is told. Knows nothing of any page, nor of the lock's protocol.

use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::builds::{checkout, peer_program};
use crate::{Air, Console};

/// How long it may take to start, on a machine that does something else too.
const START: Duration = Duration::from_secs(120);

/// Deque's rules for accessible pages, where `cargo xtask setup` has put them.
const AXE: &str = ".latchkey/npm/node_modules/axe-core/axe.min.js";

/// How long it waits for a page unless told otherwise: for a whole update too, on a machine that does something else.
const PATIENCE: Duration = Duration::from_secs(180);

/// How much longer than that it may take to say that it waited in vain.
const GRACE: Duration = Duration::from_secs(120);

/// How long Chromium may take to end when asked to.
const END: Duration = Duration::from_secs(20);

/// A browser with one page. Dropping it ends it; it also ends when this process does.
pub struct Browser {
    process: Child,
    console: Console,
    patience: Duration,
}

/// Which colours a person prefers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Dark on light.
    Light,
    /// Light on dark.
    Dark,
}

/// What the person at the browser does when a page asks for a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice<'a> {
    /// Takes the first that is offered.
    First,
    /// Takes the one with this address, once it is offered.
    Address(&'a str),
    /// Closes the question.
    None,
}

/// What a screen reader has of an element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessibleNode {
    /// What it is, as ARIA has it.
    pub role: String,
    /// What it is called; empty when it has no name.
    pub name: String,
    /// The element's id; empty when it has none.
    pub id: String,
}

impl Browser {
    /// Takes the controller of this name.
    ///
    /// # Errors
    /// There is none, or something has not been set up.
    pub fn start(air: &Air, controller: &str) -> Result<Self> {
        let mut process = Command::new(peer_program("python")?)
            .arg(checkout().join("tests/air/browser.py"))
            .arg(air.address(controller)?)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start the browser")?;
        let output = process
            .stdout
            .take()
            .context("the browser has no standard output")?;
        let mut browser = Self {
            process,
            console: Console::new(output, None),
            patience: PATIENCE,
        };
        browser.console.wait_for("ready", START)?;
        Ok(browser)
    }

    /// How long it waits for a page from now on.
    pub fn set_patience(&mut self, limit: Duration) {
        self.patience = limit;
    }

    fn tell(&mut self, command: &[&str]) -> Result<Value> {
        let input = self.process.stdin.as_mut().context("the browser has no input")?;
        writeln!(input, "{}", Value::from(command)).context("the browser has ended")?;
        let limit = self.patience.saturating_add(GRACE);
        let (_, line) = self.console.wait_for_any(&["ok ", "error "], limit)?;
        if let Some(result) = line.strip_prefix("ok ") {
            return serde_json::from_str(result).context("the browser's answer is not JSON");
        }
        let short: String = command.join(" ").chars().take(120).collect();
        let all = self.console.transcript();
        let happened: Vec<_> = all.iter().filter(|line| line.starts_with("browser: ")).collect();
        bail!("the browser could not `{short}`: {line}\nwhat happened on air: {happened:#?}");
    }

    /// Adds how long to wait.
    fn tell_patiently(&mut self, command: &[&str]) -> Result<Value> {
        let seconds = self.patience.as_secs().to_string();
        self.tell(&[command, &[&seconds]].concat())
    }

    /// Opens a page, and waits until it has loaded.
    ///
    /// # Errors
    /// It does not open.
    pub fn open(&mut self, url: &str) -> Result<()> {
        self.tell(&["open", url]).map(drop)
    }

    /// Loads the page again, and waits until it has loaded.
    ///
    /// # Errors
    /// It does not load.
    pub fn reload(&mut self) -> Result<()> {
        self.tell(&["reload"]).map(drop)
    }

    /// Clicks on the first such element that is seen, with the mouse, once it can be clicked.
    ///
    /// # Errors
    /// There is none, it stays disabled or covered; the message tells what the page says instead.
    pub fn click(&mut self, selector: &str) -> Result<()> {
        self.tell_patiently(&["click", selector]).map(drop)
    }

    /// Presses the mouse on the first such element that is seen, and holds it there.
    ///
    /// # Errors
    /// As [`Self::click`].
    pub fn hold(&mut self, selector: &str) -> Result<()> {
        self.tell_patiently(&["hold", selector]).map(drop)
    }

    /// Lets go of the mouse where it is held.
    ///
    /// # Errors
    /// The browser has ended.
    pub fn release(&mut self) -> Result<()> {
        self.tell(&["release"]).map(drop)
    }

    /// A click by what a screen reader says: an accessible role, and the whole name.
    ///
    /// # Errors
    /// As [`Self::click`].
    pub fn click_role(&mut self, role: &str, name: &str) -> Result<()> {
        self.tell_patiently(&["click-role", role, name]).map(drop)
    }

    /// Replaces what an input holds.
    ///
    /// # Errors
    /// There is none.
    pub fn type_text(&mut self, selector: &str, text: &str) -> Result<()> {
        self.tell_patiently(&["type", selector, text]).map(drop)
    }

    /// Presses a key: Tab, Enter, Escape, Space, Backspace, an Arrow..., also with Shift+ before it.
    ///
    /// # Errors
    /// There is no such key.
    pub fn press(&mut self, key: &str) -> Result<()> {
        self.tell(&["key", key]).map(drop)
    }

    /// Chooses a file.
    ///
    /// # Errors
    /// There is no such input.
    pub fn choose_file(&mut self, selector: &str, file: &Path) -> Result<()> {
        let file = file.to_str().context("the file's name is not UTF-8")?;
        self.tell_patiently(&["file", selector, file]).map(drop)
    }

    /// Waits until such an element is seen that says `text` somewhere; gives all that it says.
    ///
    /// # Errors
    /// There comes none; the message tells what the page says instead.
    pub fn wait_for(&mut self, selector: &str, text: &str) -> Result<String> {
        let said = self.tell_patiently(&["wait", selector, text])?;
        Ok(said.as_str().unwrap_or_default().to_owned())
    }

    /// Waits until there is an element with this accessible role and name.
    ///
    /// # Errors
    /// There comes none; the message tells what the page says instead.
    pub fn wait_for_role(&mut self, role: &str, name: &str) -> Result<()> {
        self.tell_patiently(&["wait-role", role, name]).map(drop)
    }

    /// Waits until no such element is seen that says `text`.
    ///
    /// # Errors
    /// One stays.
    pub fn wait_until_gone(&mut self, selector: &str, text: &str) -> Result<()> {
        self.tell_patiently(&["gone", selector, text]).map(drop)
    }

    /// Types into whatever has the focus.
    ///
    /// # Errors
    /// The browser has ended.
    pub fn insert_text(&mut self, text: &str) -> Result<()> {
        self.tell(&["insert", text]).map(drop)
    }

    /// What those are told who do not see the page.
    ///
    /// # Errors
    /// The browser has ended.
    pub fn accessible_nodes(&mut self) -> Result<Vec<AccessibleNode>> {
        let nodes: Vec<[String; 3]> = serde_json::from_value(self.tell(&["tree"])?)?;
        let node = |[role, name, id]: [String; 3]| AccessibleNode { role, name, id };
        Ok(nodes.into_iter().map(node).collect())
    }

    /// What axe-core finds wrong with the page as it is now.
    ///
    /// # Errors
    /// It has not been set up.
    pub fn axe(&mut self) -> Result<Vec<String>> {
        let script = checkout().join(AXE);
        let script = script.to_str().context("the file's name is not UTF-8")?;
        Ok(serde_json::from_value(self.tell(&["axe", script])?)?)
    }

    /// Why the browser would not install the page as an app.
    ///
    /// # Errors
    /// The browser has ended.
    pub fn installability(&mut self) -> Result<Vec<String>> {
        self.list("installable")
    }

    /// What the person allows this page from now on, by the names that DevTools have for it.
    ///
    /// # Errors
    /// There is no such name.
    pub fn permit(&mut self, names: &[&str]) -> Result<()> {
        self.tell(&[&["permit"], names].concat()).map(drop)
    }

    /// Another tab comes to the front.
    ///
    /// # Errors
    /// The browser has ended.
    pub fn look_away(&mut self) -> Result<()> {
        self.tell(&["aside"]).map(drop)
    }

    /// The page comes to the front again.
    ///
    /// # Errors
    /// The browser has ended.
    pub fn look_back(&mut self) -> Result<()> {
        self.tell(&["back"]).map(drop)
    }

    /// The page's clocks and timers live through so much time in a moment, and stand still afterwards.
    ///
    /// # Errors
    /// The browser has ended.
    pub fn live_through(&mut self, time: Duration) -> Result<()> {
        self.tell(&["later", &time.as_secs().to_string()]).map(drop)
    }

    /// The browser finds it time for the service worker's periodic work of this name.
    ///
    /// # Errors
    /// There is no service worker.
    pub fn periodic_sync(&mut self, tag: &str) -> Result<()> {
        self.tell(&["periodic", tag]).map(drop)
    }

    /// The value of an expression in the page; of a promise, what it comes to.
    ///
    /// # Errors
    /// It throws.
    pub fn evaluate(&mut self, expression: &str) -> Result<Value> {
        self.tell_patiently(&["eval", expression])
    }

    /// Takes a picture of what is seen in a window of this size. Size and colours stay so afterwards.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn screenshot(&mut self, file: &Path, size: (u32, u32), scheme: Scheme) -> Result<()> {
        let file = file.to_str().context("the file's name is not UTF-8")?;
        let (width, height) = size;
        let scheme = match scheme {
            Scheme::Light => "light",
            Scheme::Dark => "dark",
        };
        self.tell(&["screenshot", file, &format!("{width}x{height}"), scheme])
            .map(drop)
    }

    /// Takes the network away from the page and its service worker, or gives it back.
    ///
    /// # Errors
    /// The browser has ended.
    pub fn set_offline(&mut self, offline: bool) -> Result<()> {
        self.tell(&["offline", if offline { "on" } else { "off" }])
            .map(drop)
    }

    /// Lets no page run scripts from the next one on, or lets them again.
    ///
    /// # Errors
    /// The browser has ended.
    pub fn set_scripts(&mut self, on: bool) -> Result<()> {
        self.tell(&["scripts", if on { "on" } else { "off" }]).map(drop)
    }

    /// Messages, policy violations, uncaught errors, failed requests, and requests that carry data to a server, since
    /// this was last asked.
    ///
    /// # Errors
    /// The browser has ended.
    pub fn complaints(&mut self) -> Result<Vec<String>> {
        self.list("console")
    }

    /// Every URL that the page or its service worker asked for since this was last asked.
    ///
    /// # Errors
    /// The browser has ended.
    pub fn requests(&mut self) -> Result<Vec<String>> {
        self.list("requests")
    }

    fn list(&mut self, of: &str) -> Result<Vec<String>> {
        Ok(serde_json::from_value(self.tell(&[of])?)?)
    }

    /// Waits until this device is in range of it.
    ///
    /// # Errors
    /// It does not come.
    pub fn wait_for_device(&mut self, address: &str) -> Result<()> {
        self.tell_patiently(&["range", address]).map(drop)
    }

    /// What the person does from now on when the page asks for a device. At first, takes the first.
    ///
    /// # Errors
    /// The browser has ended.
    pub fn choose(&mut self, choice: Choice<'_>) -> Result<()> {
        let word = match choice {
            Choice::First => "first",
            Choice::Address(address) => address,
            Choice::None => "none",
        };
        self.tell(&["choose", word]).map(drop)
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It ends Chromium, and then itself, when its standard input ends.
        drop(self.process.stdin.take());
        while self.console.wait_for("", END).is_ok() {}
        // The only failure is that it has ended already, which is what is wanted.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
