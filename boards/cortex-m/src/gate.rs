//! The way into the app, and the only one.
//!
//! Two ideas guard it, for two kinds of adversary.
//!
//! **Values**, against mistakes in the code: [`Gate::enter`] takes a [`First`] and a [`Second`], each of which
//! is only made from a [`Verified`] image, and the second still holds the flash that it proves. Code that
//! forgets a check does not compile.
//!
//! **Tokens**, against glitches: types are gone when the processor runs, and one skipped branch makes a refused
//! image look like a proven one. So making a [`First`] or [`Second`] also leaves two words in memory that are
//! zero after reset, and [`Gate::enter`] takes nothing from its arguments: it re-reads the words and computes
//! from them, without a branch, where the vector table is and the attributes that make ACTIVE executable. With
//! one token missing it computes an address where nothing is, and a region that is not open. Two glitches in one
//! boot are needed where there was one.
//!
//! The code lies in a linker section of its own, `.gate`, behind a row of undefined instructions, so that
//! nothing falls through into it. The words pass through volatile accesses and assembly only, so that no
//! optimiser folds them; `cargo xtask attack` looks at the disassembly, and attacks it.

use core::arch::naked_asm;
use core::cell::UnsafeCell;
use core::marker::PhantomData;

use latchkey_handoff::layout::ACTIVE;
use latchkey_image::{Image, Verified};

use crate::{Board, mpu};

/// Two words that are zero until a check has been passed.
#[repr(C)]
struct Token(UnsafeCell<[u32; 2]>);

// SAFETY: one core, and the bootloader enables no interrupt: nothing else runs while a token is accessed.
unsafe impl Sync for Token {}

static FIRST: Token = Token(UnsafeCell::new([0; 2]));
static SECOND: Token = Token(UnsafeCell::new([0; 2]));

/// What the first check leaves: its halves of the address and of the attributes.
const FIRST_WORDS: [u32; 2] = [0x5b3c_94d1, 0xdfe0_1893];
/// The second check's half of the attributes. Its half of the address is computed from the image.
const SECOND_ATTRIBUTES: u32 = 0xae3a_2b7f;
/// What the halves are combined with. Nothing is mapped where that alone leads (0xf3a6_d51b), nor with the first
/// half (0xa89a_41ca), nor with the second (the vector table's address, mixed with 0x5b3c_94d1), on either board.
const ADDRESS_SALT: u32 = 0xf3a6_d51b;
const ATTRIBUTES_SALT: u32 = mpu::OPEN_REST
    .wrapping_sub(FIRST_WORDS[1].rotate_right(7))
    .wrapping_sub(SECOND_ATTRIBUTES);
/// Turns the attributes of ACTIVE's rest into those of its head.
const HEAD_FROM_REST: u32 = mpu::OPEN_REST ^ mpu::OPEN_HEAD;

/// The gate's arithmetic, as the assembly does it.
const fn attributes(first: u32, second: u32) -> u32 {
    first
        .rotate_right(7)
        .wrapping_add(second)
        .wrapping_add(ATTRIBUTES_SALT)
}

const _: () = {
    assert!(attributes(FIRST_WORDS[1], SECOND_ATTRIBUTES) == mpu::OPEN_REST);
    // Without both tokens, no region opens: execution stays forbidden in it, or it does not exist.
    assert!(opens_nothing(attributes(0, 0)));
    assert!(opens_nothing(attributes(FIRST_WORDS[1], 0)));
    assert!(opens_nothing(attributes(0, SECOND_ATTRIBUTES)));
};

const fn opens_nothing(rest: u32) -> bool {
    !mpu::executable(rest) && !mpu::executable(rest ^ HEAD_FROM_REST)
}

/// The first whole check was passed, in this boot, and its token left.
pub struct First(());

/// The second whole check was passed, and holds what it proved.
pub struct Second<'f, F> {
    _image: Verified<Image<'f, F>>,
}

/// Takes both tokens back, before anything is checked: what an earlier attempt left counts for nothing.
#[inline(always)]
pub fn close() {
    leave(&FIRST, [0; 2]);
    leave(&SECOND, [0; 2]);
}

impl First {
    /// Leaves the first token.
    #[inline(always)]
    #[must_use]
    pub fn passed<F>(_proof: &Verified<Image<'_, F>>) -> Self {
        leave(&FIRST, FIRST_WORDS);
        Self(())
    }
}

impl<'f, F: embedded_storage::nor_flash::ReadNorFlash> Second<'f, F> {
    /// Leaves the second token, with the image's vector table in it.
    #[inline(always)]
    #[must_use]
    pub fn passed<B: Board>(proof: Verified<Image<'f, F>>) -> Self {
        let table = B::FLASH
            .wrapping_add(ACTIVE.offset)
            .wrapping_add(proof.payload_offset());
        leave(
            &SECOND,
            [table ^ FIRST_WORDS[0] ^ ADDRESS_SALT, SECOND_ATTRIBUTES],
        );
        Self { _image: proof }
    }
}

#[inline(always)]
fn leave(token: &Token, words: [u32; 2]) {
    // SAFETY: a static of our own; see Sync above for why nobody else is at it. Volatile, because the gate reads
    // it behind the compiler's back.
    unsafe { token.0.get().write_volatile(words) }
}

/// The jump, for one board. [`mpu::settle`] must have named the regions.
pub struct Gate<B>(PhantomData<B>);

impl<B: Board> Gate<B> {
    /// Opens ACTIVE and starts the app in it, as a reset would: its stack, its vector table, interrupts on.
    ///
    /// The proofs end here, and with them everybody who could have changed what they prove.
    pub fn enter<F>(_first: First, _second: Second<'_, F>) -> ! {
        enter()
    }
}

/// Computes everything from the tokens and goes. Takes no argument, so that none can be wrong.
///
/// Reached with both tokens, it hands the processor to an image that was verified twice: the table is that
/// image's, whose stack and entry the check found plausible. Reached in any other way, the computed address and
/// attributes let nothing run.
#[unsafe(naked)]
#[unsafe(link_section = ".gate")]
extern "C" fn enter() -> ! {
    naked_asm!(
        "cpsid i",
        "movw r0, #:lower16:{first}",
        "movt r0, #:upper16:{first}",
        "movw r1, #:lower16:{second}",
        "movt r1, #:upper16:{second}",
        "ldrd r2, r3, [r0]",
        "ldrd r4, r5, [r1]",
        // r4: where the vector table is.
        "movw r6, #{address_low}",
        "movt r6, #{address_high}",
        "eor r4, r4, r2",
        "eor r4, r4, r6",
        // r5: the attributes that open ACTIVE's rest; r6: those for its head.
        "movw r6, #{attributes_low}",
        "movt r6, #{attributes_high}",
        "add r5, r5, r3, ror #7",
        "add r5, r5, r6",
        "movw r6, #{head_low}",
        "movt r6, #{head_high}",
        "eor r6, r6, r5",
        // Region number and attributes, for both parts.
        "movw r0, #0xed98",
        "movt r0, #0xe000",
        "movs r1, #{rest_region}",
        "str r1, [r0]",
        "str r5, [r0, #8]",
        "movs r1, #{head_region}",
        "str r1, [r0]",
        "str r6, [r0, #8]",
        // VTOR: exceptions are the app's from here on.
        "movw r0, #0xed08",
        "movt r0, #0xe000",
        "str r4, [r0]",
        "dsb",
        "isb",
        "ldrd r0, r1, [r4]",
        "msr msp, r0",
        "mov lr, #-1",
        "cpsie i",
        "bx r1",
        "udf #0xfc",
        "udf #0xfc",
        "udf #0xfc",
        "udf #0xfc",
        "udf #0xfc",
        "udf #0xfc",
        "udf #0xfc",
        "udf #0xfc",
        first = sym FIRST,
        second = sym SECOND,
        address_low = const ADDRESS_SALT & 0xffff,
        address_high = const ADDRESS_SALT >> 16,
        attributes_low = const ATTRIBUTES_SALT & 0xffff,
        attributes_high = const ATTRIBUTES_SALT >> 16,
        head_low = const HEAD_FROM_REST & 0xffff,
        head_high = const HEAD_FROM_REST >> 16,
        rest_region = const mpu::REST,
        head_region = const mpu::HEAD,
    )
}
