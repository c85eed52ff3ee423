//! `MurmurHash3_x86_32` (Austin Appleby, public domain reference), resumable after a prefix.
//!
//! Our own because no crate lets the state after a prefix be kept, and the prefix is half of the bytes.

const C1: u32 = 0xcc9e_2d51;
const C2: u32 = 0x1b87_3593;

/// The hash after some bytes; up to three of them may still wait for a whole block.
#[derive(Debug, Clone, Copy)]
pub(super) struct Murmur3State {
    hash: u32,
    /// The bytes that wait, little endian.
    carry: u32,
    /// The number of bits that wait for a full block: 0, 8, 16 or 24.
    carry_bits: u32,
    /// Bytes hashed so far, the waiting ones too.
    length: u32,
}

impl Murmur3State {
    /// The state (seed 0) after a prefix.
    pub(super) fn after(prefix: &[u8]) -> Self {
        Self { hash: 0, carry: 0, carry_bits: 0, length: 0 }.push(prefix)
    }

    /// The hash of the prefix followed by `bytes`.
    #[inline]
    pub(super) fn finish(&self, bytes: &[u8]) -> u32 {
        let state = self.push(bytes);
        // An empty tail scrambles to zero, so it needs no branch.
        avalanche(state.hash ^ scramble(state.carry) ^ state.length)
    }

    #[inline]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the low half of a shifted u64 is what is meant; the \
        reference too takes the length modulo 2^32"
    )]
    fn push(mut self, bytes: &[u8]) -> Self {
        let shift = self.carry_bits;
        let mut waiting = u64::from(self.carry);
        let (blocks, rest) = bytes.as_chunks::<4>();
        for block in blocks {
            waiting |= u64::from(u32::from_le_bytes(*block)) << shift;
            self.hash = mix(self.hash, waiting as u32);
            waiting >>= 32;
        }
        let mut bits = shift;
        for &byte in rest {
            waiting |= u64::from(byte) << bits;
            bits += 8;
        }
        if bits >= 32 {
            self.hash = mix(self.hash, waiting as u32);
            waiting >>= 32;
            bits -= 32;
        }
        self.carry = waiting as u32;
        self.carry_bits = bits;
        self.length = self.length.wrapping_add(bytes.len() as u32);
        self
    }
}

#[inline]
fn scramble(block: u32) -> u32 {
    block.wrapping_mul(C1).rotate_left(15).wrapping_mul(C2)
}

#[inline]
fn mix(hash: u32, block: u32) -> u32 {
    (hash ^ scramble(block)).rotate_left(13).wrapping_mul(5).wrapping_add(0xe654_6b64)
}

#[inline]
fn avalanche(mut hash: u32) -> u32 {
    hash ^= hash >> 16;
    hash = hash.wrapping_mul(0x85eb_ca6b);
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(0xc2b2_ae35);
    hash ^ (hash >> 16)
}
