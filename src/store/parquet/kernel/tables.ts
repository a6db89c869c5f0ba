/**
 * What the kernels know by heart. It stands where the caller says, not at an address of the module: instances on several threads
 * may share one memory, and each has tables of its own there.
 *
 *   | patterns, 17 · 16 | tags, 256 · 4 | needs, 256 · 4 | sizes, 256 | lengths, 256 | advances, 1 k and slack | scratch, 32 |
 */

const tagsAt: usize = 17 * 16;
const advancesAt: usize = tagsAt + 256 * 10;
const advancesSlack: usize = 32;

/** How much of a Snappy input is looked at in advance. */
export const blockBytes: usize = 1024;
const scratchAt: usize = advancesAt + blockBytes + advancesSlack;
const tableBytes: usize = scratchAt + 32;

/** Byte i of row d is i mod d: what 16 bytes look like that repeat the last d. Row 16: as they are. */
export let patterns: usize = 0;

/**
 * Of each Snappy tag that is a copy: its length, and at which bits of what follows its distance stands.
 *
 *   u32   | mask of the two bytes behind the tag, 16 | distance from the tag itself, bits 8 to 10 | length, 8 |
 *
 * Of other tags, and of copies with distances of four bytes: 0.
 */
export let tags: usize = 0;

/** Behind `tags`, u32: how far a copy has to reach back to be done by moving 16 bytes once; further than it can where that does not do. */
export const needs: usize = 256 * 4;

/** Behind `tags`, u8: of a literal of up to 15 bytes how many there are, with the tag and without; of what is none: 0. */
export const literalSizes: usize = 256 * 8;
export const literalLengths: usize = 256 * 9;

/** Of each byte of a block, how far the next turn is that may begin there. */
export let advances: usize = 0;

/** For a kernel's own use while it runs. */
export let scratch: usize = 0;

const never: u32 = 1 << 20;

export function tablesBytes(): usize {
  return tableBytes;
}

/** Fills the tables in at an address with room for them. Before all else. */
export function prepare(at: usize): void {
  patterns = at;
  tags = at + tagsAt;
  advances = at + advancesAt;
  scratch = at + scratchAt;
  for (let distance: i32 = 1; distance <= 16; distance++) {
    for (let i: i32 = 0; i < 16; i++) store<u8>(patterns + (distance << 4) + i, <u8>(i % distance));
  }
  for (let tag: u32 = 0; tag < 256; tag++) {
    const kind = tag & 3;
    let length: u32 = 0;
    let entry: u32 = 0;
    if (kind == 1) entry = 0x00ff0000 | ((tag >> 5) << 8) | (length = ((tag >> 2) & 7) + 4);
    else if (kind == 2) entry = 0xffff0000 | (length = (tag >> 2) + 1);
    const word = tags + (tag << 2);
    store<u32>(word, entry);
    store<u32>(word, length == 0 || length > 16 ? never : length, needs);
    const literal: u32 = kind == 0 && tag < 15 << 2 ? (tag >> 2) + 1 : 0;
    store<u8>(tags + tag, literal == 0 ? 0 : literal + 1, literalSizes);
    store<u8>(tags + tag, literal, literalLengths);
  }
}
