/**
 * What the kernels know by heart. It stands where the caller says, not at an address of the module: instances on several threads
 * may share one memory, and each has tables of its own there.
 *
 *   | patterns, 17 · 16 | tags, 256 · 4 | scratch, 32 |
 */

const tagsAt: usize = 17 * 16;
const scratchAt: usize = tagsAt + 256 * 4;
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

/** For a kernel's own use while it runs. */
export let scratch: usize = 0;

export function tablesBytes(): usize {
  return tableBytes;
}

/** Fills the tables in at an address with room for them. Before all else. */
export function prepare(at: usize): void {
  patterns = at;
  tags = at + tagsAt;
  scratch = at + scratchAt;
  for (let distance: i32 = 1; distance <= 16; distance++) {
    for (let i: i32 = 0; i < 16; i++) store<u8>(patterns + (distance << 4) + i, <u8>(i % distance));
  }
  for (let tag: u32 = 0; tag < 256; tag++) {
    const kind = tag & 3;
    let entry: u32 = 0;
    if (kind == 1) entry = 0x00ff0000 | ((tag >> 5) << 8) | (((tag >> 2) & 7) + 4);
    else if (kind == 2) entry = 0xffff0000 | ((tag >> 2) + 1);
    store<u32>(tags + (tag << 2), entry);
  }
}
