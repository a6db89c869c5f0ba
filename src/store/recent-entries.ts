/**
 * The entries of a log that were read last. A writer who was overtaken asks for the same ones several times: to see whose they
 * are, whether they stand in its way, and what the table has become.
 *
 * Law: a version, once read, never changes. Whoever finds that a table was made anew begins with none; what was being read then is
 * added to the old ones.
 */

const entriesMax = 64;

export class RecentEntries<Entry> {
  private readonly entries = new Map<number, Entry>();

  get(version: number): Entry | undefined {
    return this.entries.get(version);
  }

  add(version: number, entry: Entry): void {
    this.entries.delete(version);
    this.entries.set(version, entry);
    const [oldest] = this.entries.keys();
    if (this.entries.size > entriesMax) this.entries.delete(oldest!);
  }
}
