/**
 * Which rows of a batch have a value, put together from the bitmaps of the pages that it is cut from.
 *
 * Law: as long as no row is null nothing is written, and none is handed out.
 */
import type { Block, PageMemory } from './page-memory.ts';

export class Validity {
  private bitmap = 0;
  private rows = 0;
  private valid = 0;

  constructor(
    private readonly memory: PageMemory,
    private readonly block: Block,
    private readonly count: number,
  ) {}

  /** Rows that follow: those of a page from `row` on. A bitmap of 0 has no nulls. */
  add(bitmap: number, row: number, count: number): void {
    const { kernels } = this.memory;
    if (bitmap !== 0 && this.bitmap === 0) this.begin();
    if (bitmap !== 0) this.valid += kernels.copyBits(bitmap, row, count, this.bitmap, this.rows);
    else {
      this.valid += count;
      if (this.bitmap !== 0) kernels.setBits(this.bitmap, this.rows, count);
    }
    this.rows += count;
  }

  finish(): { nullCount: number; nullBitmap?: Uint8Array } {
    const nullCount = this.count - this.valid;
    if (nullCount === 0) return { nullCount };
    return { nullCount, nullBitmap: this.memory.handOut(this.bitmap, (this.count + 7) >> 3) };
  }

  private begin(): void {
    const bytes = (this.count >> 3) + 1;
    this.bitmap = this.memory.fit(this.block, bytes);
    this.memory.bytes.fill(0, this.bitmap, this.bitmap + bytes);
    this.memory.kernels.setBits(this.bitmap, 0, this.rows);
  }
}
