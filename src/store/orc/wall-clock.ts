/**
 * The wall clock of the writer. ORC counts the seconds of a timestamp without zone from when it was midnight of 2015-01-01 where
 * the file was written, and readers give back what that clock showed.
 */
import { UnsupportedError } from '../../base/errors.ts';

/** Seconds from 1970 to 2015, from where ORC counts. */
export const secondsTo2015 = 1_420_070_400;

/** Offsets from UTC change at full quarters of an hour, but for some before 1900. */
const stepSeconds = 900;

/** 1900-01-01, in seconds since 1970. */
const secondsTo1900 = -2_208_988_800;

/** A winter and a summer, one of which has standard time: 2025-01-01 and 2025-07-01. */
const standardAt = [1_735_689_600, 1_751_328_000] as const;

export class WallClock {
  private readonly format: Intl.DateTimeFormat | undefined;
  private readonly offsets = new Map<number, number>();
  /** When it was midnight of 2015-01-01, in seconds since 1970. */
  private readonly begin: number;
  /** What Java's clocks are off UTC by before 1900. */
  private readonly standardOffset: number | undefined;

  /**
   * Before there were zones, clocks went by the sun; those of Java went, before 1900, by the zone's standard time of today.
   * Throws UnsupportedError for a zone that is not known here.
   */
  constructor(file: string, zone: string | undefined, isJava: boolean) {
    if (zone !== undefined && zone !== '' && zone !== 'UTC' && zone !== 'GMT' && zone !== 'Etc/UTC') {
      try {
        this.format = new Intl.DateTimeFormat('en-u-ca-iso8601', {
          timeZone: zone, hourCycle: 'h23', era: 'short', year: 'numeric', month: 'numeric', day: 'numeric', hour: 'numeric', minute: 'numeric', second: 'numeric',
        });
      } catch (cause) {
        throw new UnsupportedError(file, `time zone ${zone}`, `its timestamps are of the time zone ${JSON.stringify(zone)}, which is not known here`, cause);
      }
    }
    this.begin = secondsTo2015 - this.offsetAt(secondsTo2015 - this.offsetAt(secondsTo2015));
    if (isJava) this.standardOffset = Math.min(...standardAt.map((instant) => this.offsetAt(instant)));
  }

  /** Whether it shows the time in UTC. */
  get isUtc(): boolean {
    return this.format === undefined;
  }

  /**
   * What the clock showed, as seconds since 1970 of a clock in UTC. `isRounded`: there are so many nanoseconds that a second before
   * 1970, in UTC, was rounded towards it.
   */
  wallOf(since2015: number, isRounded: boolean): number {
    const second = since2015 + this.begin;
    const instant = isRounded && second < 0 ? second - 1 : second;
    return instant + this.offsetAt(instant);
  }

  private offsetAt(instant: number): number {
    const { format } = this;
    if (format === undefined) return 0;
    if (instant < secondsTo1900 && this.standardOffset !== undefined) return this.standardOffset;
    const step = instant < secondsTo1900 ? instant : Math.floor(instant / stepSeconds) * stepSeconds;
    let offset = this.offsets.get(step);
    if (offset === undefined) {
      const part = Object.fromEntries(format.formatToParts(step * 1_000).map(({ type, value }) => [type, value]));
      const year = part.era?.startsWith('B') ? 1 - Number(part.year) : Number(part.year);
      const wall = new Date(0);
      wall.setUTCFullYear(year, Number(part.month) - 1, Number(part.day));
      wall.setUTCHours(Number(part.hour), Number(part.minute), Number(part.second));
      offset = wall.getTime() / 1_000 - step;
      if (this.offsets.size > 100_000) this.offsets.clear();
      this.offsets.set(step, offset);
    }
    return offset;
  }
}
