/**
 * Tables for a person to read.
 *
 *   origin   delay_mean  delay_count      a header,
 *   string      float64        int64      with types where there are any,
 *   ──────  ───────────  ───────────      a rule,
 *   ORD           9.273       166341      and the rows, numbers to the right.
 *   … 228 more rows
 *
 * A null is `∅`. When the terminal is too narrow, texts are cut first, then whole columns are left out and named; a
 * number is never cut, since it would look like another number.
 */
import type { Table } from '../arrow/arrow.ts';
import { cutText, escapeControls, padText, textWidth } from './text-width.ts';
import { formatValue, isNumeric, typeName, valueReader } from '../arrow/values.ts';

export const nullMark = '∅';

export interface TextColumn {
  readonly name: string;
  readonly type?: string;
  readonly align: 'left' | 'right';
}

export interface TableLayout {
  /** The cells of a line; undefined: as many as it takes. */
  readonly width?: number | undefined;
  /** Emphasis, for terminals that have it. */
  readonly style?: ((text: string, kind: 'header' | 'faint') => string) | undefined;
}

const gap = '  ';
const textWidthMin = 8;

/** The lines of a table. Cells are escaped here; an undefined cell is null. */
export function tableLines(
  columns: readonly TextColumn[],
  rows: readonly (readonly (string | undefined)[])[],
  layout: TableLayout = {},
): string[] {
  const style = layout.style ?? ((text) => text);
  const names = columns.map((column) => escapeControls(column.name));
  const cells = rows.map((row) => columns.map((_, i) => (row[i] === undefined ? nullMark : escapeControls(row[i]!))));
  const natural = columns.map((column, i) =>
    cells.reduce((width, row) => Math.max(width, textWidth(row[i]!)), Math.max(textWidth(names[i]!), column.type?.length ?? 0)),
  );
  const widths = fitWidths(columns, natural, layout.width);
  const shown = columns.map((_, i) => i).filter((i) => widths[i]! > 0);
  const line = (texts: readonly string[]): string =>
    shown.map((i) => padText(cutText(texts[i]!, widths[i]!), widths[i]!, columns[i]!.align)).join(gap).trimEnd();
  const lines = [style(line(names), 'header')];
  if (columns.some((column) => column.type !== undefined)) lines.push(style(line(columns.map((column) => column.type ?? '')), 'faint'));
  lines.push(style(shown.map((i) => '─'.repeat(widths[i]!)).join(gap), 'faint'));
  for (const row of cells) lines.push(line(row));
  const hidden = names.filter((_, i) => widths[i] === 0);
  if (hidden.length > 0) lines.push(style(`… and ${plural(hidden.length, 'column')} that did not fit: ${hidden.join(', ')}`, 'faint'));
  return lines;
}

/** The width of each column, 0 for those that do not fit. The first column always stays. */
function fitWidths(columns: readonly TextColumn[], natural: readonly number[], width: number | undefined): number[] {
  const widths = [...natural];
  if (width === undefined) return widths;
  const total = (): number => widths.reduce((sum, each) => sum + (each > 0 ? each + gap.length : 0), -gap.length);
  const cuttable = (i: number): boolean => columns[i]!.align === 'left' && widths[i]! > textWidthMin;
  while (total() > width) {
    let widest = -1;
    for (let i = 0; i < columns.length; i++) if (cuttable(i) && (widest < 0 || widths[i]! > widths[widest]!)) widest = i;
    if (widest < 0) break;
    widths[widest]!--;
  }
  for (let i = columns.length - 1; i > 0 && total() > width; i--) widths[i] = 0;
  return widths;
}

/** The first `limit` rows of an Arrow table as lines, with a last line that says how many more there are. */
export function arrowTableLines(table: Table, limit: number, layout: TableLayout = {}): string[] {
  const columns = table.schema.fields.map((field): TextColumn => ({
    name: field.name,
    type: typeName(field.type),
    align: isNumeric(field.type) ? 'right' : 'left',
  }));
  const rows: (string | undefined)[][] = [];
  for (const batch of table.batches) {
    const readers = batch.data.children.map(valueReader);
    for (let row = 0; row < batch.numRows && rows.length < limit; row++) {
      rows.push(readers.map((read, column) => formatValue(read(row), table.schema.fields[column]!.type)));
    }
  }
  const lines = tableLines(columns, rows, layout);
  const more = table.numRows - rows.length;
  if (more > 0) lines.push((layout.style ?? ((text) => text))(`… ${formatCount(more)} more ${more === 1 ? 'row' : 'rows'}`, 'faint'));
  return lines;
}

/** `3,000,000`: for counts in messages. Data is never written so. */
export function formatCount(count: number | bigint): string {
  return count.toString().replace(/\B(?=(\d{3})+$)/g, ',');
}

/** `1 row`, `209 rows`. */
export function plural(count: number, thing: string): string {
  return `${formatCount(count)} ${thing}${count === 1 ? '' : 's'}`;
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

/** `412 ms`, `2.31 s`, `3 min 5 s`. */
export function formatElapsed(ms: number): string {
  if (ms < 999.5) return `${ms < 9.95 ? ms.toFixed(1) : Math.round(ms)} ms`;
  if (ms < 59_995) return `${(ms / 1000).toPrecision(3)} s`;
  const seconds = Math.round(ms / 1000);
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}
