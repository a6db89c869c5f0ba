/** Sizes in bytes, as people write and read them. */
import { ArgumentError } from './errors.ts';

const unitBytes: Readonly<Record<string, number>> = {
  B: 1,
  KB: 1e3, MB: 1e6, GB: 1e9, TB: 1e12,
  KIB: 2 ** 10, MIB: 2 ** 20, GIB: 2 ** 30, TIB: 2 ** 40,
};

/** What `parseSize` takes, as a regular expression for editors. */
export const sizePattern = String.raw`^\s*\d{1,9}(\.\d{1,3})?\s*([kKMGT][iI]?)?[bB]\s*$`;

/** The bytes of `500MB`, `1.5 TB` or `10GiB`, at least one. `MB` is a million bytes, `MiB` 2^20. */
export function parseSize(text: string, argument = 'size'): number {
  const bytes = new RegExp(sizePattern).test(text) ? Number.parseFloat(text) * unitBytes[text.replace(/[\d.\s]/g, '').toUpperCase()]! : 0;
  if (bytes >= 1) return Math.floor(bytes);
  throw new ArgumentError(argument, `'${text}' is not a size; write a number above zero and a unit: 500MB, 10GB, 1.5TB or 10GiB`);
}

/** `13.5 MB`: three digits and a unit, in powers of 1000. */
export function formatBytes(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  const units = ['kB', 'MB', 'GB', 'TB', 'PB'];
  let value = bytes / 1000;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${value.toPrecision(3)} ${units[unit]}`;
}
