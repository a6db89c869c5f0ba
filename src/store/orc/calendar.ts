/**
 * The calendar that a file's dates and timestamps are in.
 *
 *   hybrid      what Java's old classes show, so Spark and Hive before 3.1: Julian until 1582-10-04, Gregorian from the next day,
 *               1582-10-15, on
 *   proleptic   Gregorian at all times, as Arrow, pyarrow and SQL have it
 *
 * A date is what its writer saw, the same year, month and day in both; so the count of days before 1582-10-15 is another one.
 * 29 February of a year that is a leap year in the Julian calendar alone (1500, 1400, 1300, 1100 …) becomes 1 March, as in Spark.
 *
 * Law: converted days keep their order; instants keep it but for those of such a 29 February, which share a day with others.
 */
import { dayUs, floorDivide } from '../../base/time.ts';
import { calendarKind, type Footer } from './metadata.ts';

/** The first day of the Gregorian calendar, 1582-10-15, in days since 1970. */
const gregorianDay = -141_427;

/** From 1 March of the year 0, by the Julian calendar, to 1970. */
const daysToMarch0 = 719_470;
const daysPer4Years = 1_461;

/** The writer of Java, for which no number stands in old files. Others never had another calendar than the proleptic one. */
const javaWriter = 0;

export function isJava({ writer }: Footer): boolean {
  return (writer ?? javaWriter) === javaWriter;
}

/** Whether days before 1582-10-15 are Julian. Files of Java that do not say are, as ORC's reader in Java takes them. */
export function isHybrid(footer: Footer): boolean {
  const calendar = footer.calendar ?? calendarKind.unknown;
  return calendar === calendarKind.unknown ? isJava(footer) : calendar === calendarKind.julianGregorian;
}

/** A day since 1970 of the hybrid calendar as the same date of the proleptic one. */
export function prolepticDay(day: number): number {
  if (day >= gregorianDay) return day;
  // Years that begin in March end with the leap day.
  const year = Math.floor((4 * (day + daysToMarch0) + 3) / daysPer4Years);
  return day + 2 - Math.floor(year / 100) + Math.floor(year / 400);
}

/** In place. */
export function toProlepticDays(days: Int32Array): void {
  for (let i = 0; i < days.length; i++) if (days[i]! < gregorianDay) days[i] = prolepticDay(days[i]!);
}

/** Points in time of so many units to a second, in place. */
export function toProlepticTimes(times: BigInt64Array, perSecond: bigint): void {
  const perDay = perSecond * 86_400n;
  // Most are of our age: of each the upper half is looked at, without a bigint.
  const halves = new Int32Array(times.buffer, times.byteOffset, 2 * times.length);
  const oldest = Number((BigInt(gregorianDay) * perDay) >> 32n);
  for (let i = 0; i < times.length; i++) {
    if (halves[2 * i + 1]! > oldest) continue;
    const day = Number(floorDivide(times[i]!, perDay));
    times[i]! += BigInt(prolepticDay(day) - day) * perDay;
  }
}

/** Bounds in microseconds that hold once times between them were converted: whole days, for the sake of 29 February. */
export function prolepticBounds(firstUs: bigint, lastUs: bigint): { readonly firstUs: bigint; readonly lastUs: bigint } {
  const [first, last] = [floorDivide(firstUs, dayUs), floorDivide(lastUs, dayUs)].map((day) => (day < gregorianDay ? BigInt(prolepticDay(Number(day))) : undefined));
  return { firstUs: first === undefined ? firstUs : first * dayUs, lastUs: last === undefined ? lastUs : (last + 1n) * dayUs - 1n };
}
