//! What the emulated lock gets from its host by semihosting: randomness, and arguments on the command line.
//!
//! The machine has no source of random numbers, so the emulated lock is as good as its host; no real lock can
//! be built with this module. Needs QEMU's `-semihosting-config enable=on,target=native`; without it the
//! first call faults and the machine resets.

use cortex_m_semihosting::{nr, syscall};

/// Length of a seed, in bytes.
pub const SEED_LENGTH: usize = 32;
/// The longest command line that is taken, in bytes.
pub const ARGUMENTS_MAX: usize = 512;

const RANDOM: &[u8] = b"/dev/urandom\0";

/// The host does not serve this machine: is QEMU started with semihosting?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoHost;

/// Thirty-two bytes from the host's `/dev/urandom`, to seed a generator with; wipe them after use.
///
/// # Errors
/// [`NoHost`] when they cannot be had.
pub fn seed() -> Result<[u8; SEED_LENGTH], NoHost> {
    let mut seed = [0u8; SEED_LENGTH];
    // SAFETY: SYS_OPEN takes a zero-terminated name and its length, which RANDOM gives.
    let file = unsafe {
        syscall!(
            OPEN,
            RANDOM.as_ptr(),
            nr::open::R_BINARY,
            RANDOM.len().saturating_sub(1)
        )
    };
    if file == 0 || file == usize::MAX {
        return Err(NoHost);
    }
    // SAFETY: SYS_READ writes at most the given length to the given place, which is `seed`'s own memory, borrowed
    // mutably for the call.
    let missing = unsafe { syscall!(READ, file, seed.as_mut_ptr(), seed.len()) };
    // SAFETY: closes the file opened above; no memory is touched.
    unsafe { syscall!(CLOSE, file) };
    if missing == 0 { Ok(seed) } else { Err(NoHost) }
}

/// The command line the host started this machine with: the words after `arg=`, with spaces between
/// them.
///
/// # Errors
/// [`NoHost`] when there is none, when it is longer than the buffer, or no UTF-8.
pub fn arguments(buffer: &mut [u8; ARGUMENTS_MAX]) -> Result<&str, NoHost> {
    let mut block = [buffer.as_mut_ptr() as usize, buffer.len()];
    // SAFETY: SYS_GET_CMDLINE writes at most block[1] bytes to block[0], which is `buffer`'s own memory, and the
    // length it used to block[1]; both are borrowed mutably for the call.
    let failed = unsafe { cortex_m_semihosting::syscall1(nr::GET_CMDLINE, block.as_mut_ptr() as usize) };
    if failed != 0 {
        return Err(NoHost);
    }
    let text = buffer.get(..block[1]).ok_or(NoHost)?;
    let text = text.split(|byte| *byte == 0).next().unwrap_or_default();
    core::str::from_utf8(text).map_err(|_| NoHost)
}
