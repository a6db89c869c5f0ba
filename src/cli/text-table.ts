/**
 * Tables for a person to read.
 *
 *   origin   delay_mean  delay_count      a header,
 *   string      float64        int64      with types where there are any,
 *   ──────  ───────────  ───────────      a rule,
 *   ORD           9.273       166341      and the rows, numbers to the right.
 *   … 228 more rows
 *
 * A null is `∅`. When the terminal is too narrow, columns that do not fit even with short texts are left out and named,
 * and the texts of the others are cut. A number or a time is never cut, since it would look like another.
 */
import { DataType, type Table } from '../arrow/arrow.ts';
import { cutText, escapeControls, padText, textWidth } from './text-width.ts';
import { formatValue, isNumeric, typeName, valueReader } from '../arrow/values.ts';

export const nullMark = '∅';

export interface TextColumn {
  readonly name: string;
  readonly type?: string;
  readonly align: 'left' | 'right';
  /** Whether its texts may be cut; otherwise a cell is shown as a whole or not at all. */
  readonly isText: boolean;
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
  if (width === undefined) return [...natural];
  const least = natural.map((each, i) => (columns[i]!.isText ? Math.min(each, textWidthMin) : each));
  let shown = columns.length;
  while (shown > 1 && lineWidth(least.slice(0, shown)) > width) shown--;
  const widths = natural.map((each, i) => (i < shown ? each : 0));
  for (let excess = lineWidth(widths.slice(0, shown)) - width; excess > 0; excess--) {
    let widest = -1;
    for (let i = 0; i < shown; i++) if (widths[i]! > least[i]! && (widest < 0 || widths[i]! > widths[widest]!)) widest = i;
    if (widest < 0) break;
    widths[widest]!--;
  }
  return widths;
}

function lineWidth(widths: readonly number[]): number {
  return widths.reduce((sum, each) => sum + each + gap.length, -gap.length);
}

/** The first `limit` rows of an Arrow table as lines, with a last line that says how many more there are. */
export function arrowTableLines(table: Table, limit: number, layout: TableLayout = {}): string[] {
  const columns = table.schema.fields.map((field): TextColumn => ({
    name: field.name,
    type: typeName(field.type),
    align: isNumeric(field.type) ? 'right' : 'left',
    isText: !isNumeric(field.type) && !DataType.isTimestamp(field.type) && !DataType.isDate(field.type) && !DataType.isTime(field.type),
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

/** `412 ms`, `2.31 s`, `3 min 5 s`. */
export function formatElapsed(ms: number): string {
  if (ms < 999.5) return `${ms < 9.95 ? ms.toFixed(1) : Math.round(ms)} ms`;
  if (ms < 59_995) return `${(ms / 1000).toPrecision(3)} s`;
  const seconds = Math.round(ms / 1000);
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}
