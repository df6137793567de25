//! The emulated lock: QEMU with the real bootloader, flash in a file, network to this machine.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::console::Console;
use crate::flash::FlashFile;

/// What to start.
#[derive(Clone)]
pub struct Machine {
    /// The bootloader, an ELF file.
    pub bootloader: PathBuf,
    /// The chip.
    pub flash: FlashFile,
    /// The update server, as this machine reaches it, for example `http://127.0.0.1:8080`.
    pub server: Option<String>,
    /// Where a Bluetooth controller listens, `HOST:PORT`.
    pub hci: Option<String>,
    /// Seconds between check-ins, when the server names none.
    pub check_in_s: u32,
    /// Battery charge the lock sees, in percent.
    pub battery_percent: u8,
    /// How fast its motor turns, in degrees a second; `None` for as fast as a real one.
    pub motor_deg_s: Option<u32>,
    /// Where QEMU writes what is executed while [`Emulator::trace`] is on. Beside it a socket is made.
    pub trace: Option<PathBuf>,
}

/// How long QEMU may take to obey.
const PATIENCE: Duration = Duration::from_secs(60);

impl Machine {
    /// A lock without server and radio, with a full battery.
    #[must_use]
    pub fn new(bootloader: &Path, flash: FlashFile) -> Self {
        let bootloader = bootloader.to_owned();
        Self {
            bootloader,
            flash,
            server: None,
            hci: None,
            check_in_s: 2,
            battery_percent: 100,
            motor_deg_s: None,
            trace: None,
        }
    }

    /// The command that runs this lock until it is killed; its console is standard output.
    ///
    /// # Errors
    /// When the system has no randomness to give the lock.
    pub fn command(&self) -> Result<Command> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).context("no randomness for the lock's seed")?;
        let mut host = format!("arg=latchkey,arg=seed={}", hex::encode(seed));
        if let Some(server) = &self.server {
            // From inside, QEMU's user network shows this machine under an address of its own.
            let server = server
                .replace("127.0.0.1", "10.0.2.2")
                .replace("localhost", "10.0.2.2");
            host += &format!(",arg=server={server}");
        }
        host += &format!(
            ",arg=interval={},arg=battery={}",
            self.check_in_s, self.battery_percent
        );

        if let Some(degrees) = self.motor_deg_s {
            host += &format!(",arg=motor={degrees}");
        }

        let mut qemu = Command::new("qemu-system-arm");
        qemu.args(["-M", "mps2-an386,memory-backend=flash", "-display", "none"]);
        match &self.trace {
            Some(file) => qemu
                .arg("-D")
                .arg(file)
                .arg("-monitor")
                .arg(format!("unix:{},server=on,wait=off", monitor(file).display())),
            None => qemu.args(["-monitor", "none"]),
        };
        qemu.arg("-object").arg(format!(
            "memory-backend-file,id=flash,size={},share=on,mem-path={}",
            crate::flash::BACKING_BYTES,
            self.flash.path().display()
        ));
        qemu.arg("-kernel").arg(&self.bootloader);
        qemu.args(["-nic", "user,model=lan9118", "-serial", "stdio"]);
        if let Some(hci) = &self.hci {
            qemu.args(["-serial", &format!("tcp:{hci},nodelay=on")]);
            host += ",arg=radio";
        }
        qemu.arg("-semihosting-config")
            .arg(format!("enable=on,target=native,{host}"));
        Ok(qemu)
    }

    /// Switches the lock on.
    ///
    /// # Errors
    /// When QEMU cannot be started.
    pub fn start(&self, echo: Option<&'static str>) -> Result<Emulator> {
        let mut child = self
            .command()?
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("cannot start qemu-system-arm; `cargo xtask setup` installs it")?;
        let output = child.stdout.take().context("QEMU has no standard output")?;
        let complaints = child.stderr.take().context("QEMU has no standard error")?;
        let console = Console::new(output.chain(complaints), echo);
        Ok(Emulator {
            child,
            console,
            monitor: self.trace.as_deref().map(monitor),
        })
    }
}

/// A running lock. Dropping it cuts its power.
pub struct Emulator {
    child: Child,
    monitor: Option<PathBuf>,
    /// What the lock prints.
    pub console: Console,
}

impl Emulator {
    /// Types a line on the lock's console.
    ///
    /// # Errors
    /// QEMU has ended.
    pub fn type_line(&mut self, line: &str) -> Result<()> {
        let input = self.child.stdin.as_mut().context("QEMU has no standard input")?;
        writeln!(input, "{line}").context("QEMU takes no input; has it ended?")
    }

    /// Writes down every instruction from now on, or no longer. It takes a while to begin; once this returns it has.
    ///
    /// # Errors
    /// It was started without a file to write to, or QEMU does not obey.
    pub fn trace(&mut self, on: bool) -> Result<()> {
        let path = self.monitor.as_ref().context("the lock is not traced")?;
        let mut monitor = UnixStream::connect(path).context("QEMU's monitor does not listen")?;
        monitor.set_read_timeout(Some(PATIENCE))?;
        let items = if on { "in_asm,exec,nochain" } else { "none" };
        let mut answers = BufReader::new(monitor.try_clone()?);
        let mut prompt = || -> Result<()> {
            // The prompt is no line of its own; a space ends it.
            while !answers.fill_buf()?.is_empty() {
                let mut word = Vec::new();
                answers.read_until(b' ', &mut word)?;
                if word.ends_with(b"(qemu) ") {
                    return Ok(());
                }
            }
            anyhow::bail!("QEMU's monitor has ended")
        };
        prompt()?;
        writeln!(monitor, "log {items}")?;
        prompt()
    }

    /// Cuts the power, at once and whatever the lock is doing.
    pub fn cut_power(self) {
        drop(self);
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        // The only failure is that the process has ended already, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The monitor's socket of a lock that is traced into `file`.
fn monitor(file: &Path) -> PathBuf {
    file.with_extension("monitor")
}
