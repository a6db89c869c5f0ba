/**
 * Memories that wait to be used again: small ones for good, one large one until two seconds after it was last needed. Who asks
 * one large question asks more, and new pages are cleared by the system, which took longer than the work in them.
 */
export interface Shelved {
  readonly memoryBytes: number;
  /** What the last work took of it. */
  readonly usedBytes: number;
}

const smallBytes = 256 * 2 ** 20;
const lingerMs = 2_000;

export class Shelf<Item extends Shelved> {
  private readonly small: Item[] = [];
  private large: Item | undefined;
  /** Large ones that were needed lately, and when that is over. */
  private readonly lately = new Map<Item, NodeJS.Timeout>();

  /** `letGo` is called with what is not kept, or no longer. */
  constructor(
    private readonly smallMax: number,
    private readonly letGo: (item: Item) => void = () => undefined,
  ) {}

  take(): Item | undefined {
    const item = this.large ?? this.small.pop();
    if (item === this.large) this.large = undefined;
    return item;
  }

  put(item: Item): void {
    if (item.memoryBytes <= smallBytes) {
      if (this.small.length < this.smallMax) this.small.push(item);
      else this.letGo(item);
      return;
    }
    // Small questions do not keep a large memory.
    if (item.usedBytes > smallBytes) this.linger(item);
    if (this.lately.has(item) && this.large === undefined) this.large = item;
    else this.drop(item);
  }

  private linger(item: Item): void {
    clearTimeout(this.lately.get(item));
    const timer = setTimeout(() => {
      this.lately.delete(item);
      if (this.large !== item) return;
      this.large = undefined;
      this.drop(item);
    }, lingerMs);
    this.lately.set(item, timer.unref());
  }

  private drop(item: Item): void {
    clearTimeout(this.lately.get(item));
    this.lately.delete(item);
    this.letGo(item);
  }
}
