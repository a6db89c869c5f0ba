/** What was last asked for, by key: as many as are to be kept. */
export class LastAsked<Key, Value> {
  /** In the order in which they were asked for. */
  private readonly known = new Map<Key, Value>();

  constructor(private readonly most: number) {}

  get(key: Key): Value | undefined {
    return this.known.get(key);
  }

  /** Keeps it as what was asked for last. */
  keep(key: Key, value: Value): void {
    this.known.delete(key);
    this.known.set(key, value);
    if (this.known.size > this.most) this.known.delete(this.known.keys().next().value!);
  }
}
