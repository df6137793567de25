//! What the compiler and linker made of the gate: read from the binary, since no source can promise it.

use anyhow::{Context, Result, ensure};
use latchkey_handoff::layout::ACTIVE;

use crate::elf::Program;
use crate::machine::FLASH;

/// Instructions of the fence, half-words: more than any glitch skips.
const FENCE: u32 = 16;
/// `udf`, whatever its number.
const UNDEFINED: u16 = 0xde;

/// Checks that the jump loads both tokens, holds neither the app's address nor the attributes that open it, is
/// reached from one place, and that nothing falls into it or out of it.
///
/// # Errors
/// What does not hold.
pub fn inspect(program: &Program) -> Result<()> {
    let gate = program.function("4gate5enter")?;
    let code: Vec<u16> = (gate.start..gate.end)
        .step_by(2)
        .map_while(|address| program.half_word(address))
        .collect();
    ensure!(
        code.len() * 2 == (gate.end - gate.start) as usize,
        "the gate is not in the binary"
    );

    let constants = constants(&code);
    for token in ["4gate5FIRST", "4gate6SECOND"] {
        let address = program.variable(token)?;
        ensure!(constants.contains(&address), "the gate does not look at {token}");
    }
    let pairs = code.iter().filter(|half| **half & 0xfff0 == 0xe9d0).count();
    ensure!(
        pairs == 3,
        "the gate loads {pairs} pairs of words and not three: two tokens, stack and entry"
    );
    let active = FLASH + ACTIVE.offset..FLASH + ACTIVE.end();
    for constant in &constants {
        ensure!(
            !active.contains(constant),
            "the gate holds the app's address {constant:#x}"
        );
        let open = constant & 1 != 0 && constant >> 28 & 1 == 0 && constant >> 24 & 7 == 0b110;
        ensure!(
            !open,
            "the gate holds the attributes {constant:#x}, which open the app"
        );
    }

    let fence = |mut addresses: std::iter::StepBy<std::ops::Range<u32>>| {
        addresses.all(|address| {
            program
                .half_word(address)
                .is_some_and(|half| half >> 8 == UNDEFINED)
        })
    };
    ensure!(
        fence((gate.start - 2 * FENCE..gate.start).step_by(2)),
        "something can fall into the gate"
    );
    ensure!(
        fence((gate.end - 16..gate.end).step_by(2)),
        "the gate can fall into something"
    );

    let callers = program.calls_to(gate.start);
    let caller = program.at(*callers.first().context("nobody goes through the gate")?);
    ensure!(
        callers.len() == 1,
        "the gate is reached from {} places",
        callers.len()
    );
    ensure!(
        caller.is_some_and(|caller| caller.name.contains("check5again")),
        "the gate is reached from elsewhere than the second check"
    );
    Ok(())
}

/// Every 32-bit constant that a `movw` and `movt` to the same register make.
fn constants(code: &[u16]) -> Vec<u32> {
    let mut low = [0_u32; 16];
    let mut found = Vec::new();
    for pair in code.windows(2) {
        let (first, second) = (u32::from(pair[0]), u32::from(pair[1]));
        let value = (first & 0xf) << 12 | (first >> 10 & 1) << 11 | (second >> 12 & 7) << 8 | second & 0xff;
        let register = (second >> 8 & 0xf) as usize;
        match first & 0xfbf0 {
            0xf240 => low[register] = value,
            0xf2c0 => found.push(value << 16 | low[register]),
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants_are_put_together_from_their_halves() {
        // movw r6, #54555; nop; movt r6, #62374: from llvm-objdump. One half makes nothing.
        assert_eq!(constants(&[0xf24d, 0x561b, 0xbf00]), []);
        assert_eq!(
            constants(&[0xf24d, 0x561b, 0xbf00, 0xf2cf, 0x36a6]),
            [0xf3a6_d51b]
        );
    }
}
