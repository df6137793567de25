//! The part of GDB's remote protocol that drives QEMU: registers, memory, breakpoints, run, step.
//!
//! Knows no bootloader and no fault. Every wait has a limit, since the program under attack may do anything.

use std::collections::BTreeSet;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

/// How long QEMU may take to answer anything but "run".
const PATIENCE: Duration = Duration::from_secs(20);
/// Bytes of memory in one packet; QEMU takes 4096 characters.
const CHUNK: usize = 2000;

/// Register numbers as GDB counts them.
pub const SP: usize = 13;
/// The link register.
pub const LR: usize = 14;
/// The program counter.
pub const PC: usize = 15;
/// The registers of one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Registers {
    /// r0 to r15.
    pub core: [u32; 16],
    /// Flags, IT state and, in its low nine bits, the running exception.
    pub xpsr: u32,
}

impl Registers {
    /// Where the next instruction is.
    #[must_use]
    pub fn pc(&self) -> u32 {
        self.core[PC]
    }

    /// Whether the next instruction belongs to an IT block.
    #[must_use]
    pub fn in_it_block(&self) -> bool {
        self.xpsr & 0x0600_fc00 != 0
    }
}

/// A connection to QEMU's GDB server. The machine stands still unless it is told to run.
pub struct Gdb {
    stream: UnixStream,
    buffered: Vec<u8>,
    breakpoints: BTreeSet<u32>,
}

impl Gdb {
    /// Connects, as soon as QEMU listens.
    ///
    /// # Errors
    /// When it does not within the limit.
    pub fn connect(socket: &Path) -> Result<Self> {
        let deadline = Instant::now() + PATIENCE;
        let stream = loop {
            match UnixStream::connect(socket) {
                Ok(stream) => break stream,
                Err(error) if Instant::now() > deadline => return Err(error).context("QEMU does not listen"),
                Err(_) => std::thread::yield_now(),
            }
        };
        let mut gdb = Self {
            stream,
            buffered: Vec::new(),
            breakpoints: BTreeSet::new(),
        };
        // The answer tells the state it is in; it also shows that somebody answers.
        gdb.ask("?")?;
        // QEMU gives single registers only to those who have seen its description of them.
        gdb.ask("qXfer:features:read:target.xml:0,ffb")?;
        Ok(gdb)
    }

    /// All registers.
    ///
    /// # Errors
    /// When the connection is lost, here and in everything below.
    pub fn registers(&mut self) -> Result<Registers> {
        let all = words(&self.ask("g")?)?;
        let core = all.get(..16).context("QEMU gave too few registers")?.try_into()?;
        Ok(Registers {
            core,
            xpsr: all.get(16).copied().context("QEMU gave no xPSR")?,
        })
    }

    /// Where the next instruction is.
    pub fn pc(&mut self) -> Result<u32> {
        let pc = words(&self.ask(&format!("p{PC:x}"))?)?;
        pc.first().copied().context("QEMU gave no program counter")
    }

    /// Sets all registers.
    pub fn set_registers(&mut self, registers: &Registers) -> Result<()> {
        let words = registers.core.iter().chain([&registers.xpsr]);
        let hex: String = words.map(|word| format!("{:08x}", word.swap_bytes())).collect();
        let answer = self.ask(&format!("G{hex}"))?;
        ensure!(answer == "OK", "QEMU refused the registers: {answer}");
        Ok(())
    }

    /// Sets one register.
    pub fn set_register(&mut self, number: usize, value: u32) -> Result<()> {
        let answer = self.ask(&format!("P{number:x}={:08x}", value.swap_bytes()))?;
        ensure!(answer == "OK", "QEMU refused register {number}: {answer}");
        Ok(())
    }

    /// Reads memory.
    pub fn read(&mut self, address: u32, length: usize) -> Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(length);
        while bytes.len() < length {
            let part = CHUNK.min(length - bytes.len());
            let at = address + u32::try_from(bytes.len())?;
            bytes.extend(unhex(&self.ask(&format!("m{at:x},{part:x}"))?)?);
        }
        Ok(bytes)
    }

    /// Reads a word.
    pub fn read_word(&mut self, address: u32) -> Result<u32> {
        let bytes = self.read(address, 4)?;
        Ok(u32::from_le_bytes(bytes.as_slice().try_into()?))
    }

    /// Writes memory.
    pub fn write(&mut self, address: u32, bytes: &[u8]) -> Result<()> {
        for (index, part) in bytes.chunks(CHUNK).enumerate() {
            let at = address + u32::try_from(index * CHUNK)?;
            let hex: String = part.iter().map(|byte| format!("{byte:02x}")).collect();
            let answer = self.ask(&format!("M{at:x},{:x}:{hex}", part.len()))?;
            ensure!(answer == "OK", "QEMU refused to write at {at:#x}: {answer}");
        }
        Ok(())
    }

    /// Stops the machine whenever it is about to execute `address`.
    pub fn break_at(&mut self, address: u32) -> Result<()> {
        let answer = self.ask(&format!("Z1,{address:x},2"))?;
        ensure!(
            answer == "OK",
            "QEMU refused a breakpoint at {address:#x}: {answer}"
        );
        self.breakpoints.insert(address);
        Ok(())
    }

    /// Takes a breakpoint away.
    pub fn unbreak(&mut self, address: u32) -> Result<()> {
        self.breakpoints.remove(&address);
        self.ask(&format!("z1,{address:x},2")).map(|_| ())
    }

    /// Executes one instruction.
    pub fn step(&mut self) -> Result<()> {
        self.ask("vCont;s").map(|_| ())
    }

    /// Runs until a breakpoint, at least one instruction; `false` when none was met in time, and the machine was stopped.
    pub fn run(&mut self, limit: Duration) -> Result<bool> {
        // QEMU would stop again at a breakpoint that it stands on.
        let pc = self.pc()?;
        if self.breakpoints.contains(&pc) {
            self.step()?;
            let pc = self.pc()?;
            if self.breakpoints.contains(&pc) {
                return Ok(true);
            }
        }
        self.send("vCont;c")?;
        if self.receive(limit)?.is_some() {
            return Ok(true);
        }
        self.stream.write_all(&[3])?;
        self.receive(PATIENCE)?.context("QEMU does not stop")?;
        Ok(false)
    }

    /// A command for QEMU's monitor.
    pub fn monitor(&mut self, command: &str) -> Result<()> {
        let hex: String = command.bytes().map(|byte| format!("{byte:02x}")).collect();
        let mut answer = self.ask(&format!("qRcmd,{hex}"))?;
        while answer.starts_with('O') && answer != "OK" {
            answer = self.receive(PATIENCE)?.context("QEMU's monitor went silent")?;
        }
        ensure!(answer == "OK", "QEMU's monitor refused {command:?}: {answer}");
        Ok(())
    }

    fn ask(&mut self, question: &str) -> Result<String> {
        self.send(question)?;
        self.receive(PATIENCE)?
            .with_context(|| format!("no answer to {question:?}"))
    }

    fn send(&mut self, packet: &str) -> Result<()> {
        let sum = packet.bytes().fold(0_u8, u8::wrapping_add);
        write!(self.stream, "${packet}#{sum:02x}").context("QEMU has gone")
    }

    /// The next packet, acknowledged; `None` when none comes in time.
    fn receive(&mut self, limit: Duration) -> Result<Option<String>> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(packet) = self.packet()? {
                self.stream.write_all(b"+").context("QEMU has gone")?;
                return Ok(Some(packet));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            self.stream.set_read_timeout(Some(left))?;
            let mut part = [0; 4096];
            match self.stream.read(&mut part) {
                Ok(0) => bail!("QEMU has gone"),
                Ok(length) => self.buffered.extend_from_slice(&part[..length]),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error).context("QEMU has gone"),
            }
        }
    }

    /// Takes one whole packet from what was received, if there is one. Acknowledgements before it are dropped.
    fn packet(&mut self) -> Result<Option<String>> {
        let Some(start) = self.buffered.iter().position(|byte| *byte == b'$') else {
            return Ok(None);
        };
        let Some(length) = self.buffered[start..].iter().position(|byte| *byte == b'#') else {
            return Ok(None);
        };
        let end = start + length;
        if self.buffered.len() < end + 3 {
            return Ok(None);
        }
        let packet = String::from_utf8(self.buffered[start + 1..end].to_vec())?;
        self.buffered.drain(..end + 3);
        Ok(Some(packet))
    }
}

fn unhex(text: &str) -> Result<Vec<u8>> {
    ensure!(
        text.len().is_multiple_of(2) && text.is_ascii(),
        "QEMU refused: {text:?}"
    );
    (0..text.len())
        .step_by(2)
        .map(|at| {
            u8::from_str_radix(&text[at..at + 2], 16).with_context(|| format!("QEMU refused: {text:?}"))
        })
        .collect()
}

fn words(text: &str) -> Result<Vec<u32>> {
    let bytes = unhex(text)?;
    Ok(bytes
        .chunks_exact(4)
        .map(|word| u32::from_le_bytes([word[0], word[1], word[2], word[3]]))
        .collect())
}
