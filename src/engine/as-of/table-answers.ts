/**
 * From the states of stretches, as a table, to the answers of labels: as answers.ts, where states come from several places. Pure.
 */
import type { Data, Schema, Table } from '../../arrow/arrow.ts';
import { oneBatch } from '../../arrow/canonical.ts';
import { columnOf, pickColumns, pickRows } from '../../arrow/rows.ts';
import { isByTime, type OutputColumn } from '../plan.ts';
import { stretchKey } from '../types.ts';
import { type Answers, mergedAnswers, type Question } from './answers.ts';
import { TableLevel } from './levels.ts';
import type { Spans } from './spans.ts';

/**
 * `states`: what a plan with moments and all outputs gave. `schema` and `timestamp` are those of the events, `stretches` is how
 * many there are. The first question says whether an entity is known to a label.
 */
export async function answerLabelsOf(
  states: Table, schema: Schema, timestamp: string, stretches: number, questions: readonly Question[], turn: () => Promise<void>, memoryLimit?: number,
): Promise<Answers> {
  const table = oneBatch(states);
  const rowsBefore = rowsBeforeStretches(table, stretches);
  const inRows = questions.map(({ spans: { first, end } }): Spans => ({ first: taken(rowsBefore, first), end: taken(rowsBefore, end) }));
  const { known, labelsKnown } = knownLabels(inRows[0]!);
  const columns: { output: OutputColumn; data: Data }[][] = [];
  for (const [i, { outputs }] of questions.entries()) {
    const merged = outputs.filter((output) => !isByTime(output));
    const { first, end } = inRows[i]!;
    const lowest = new TableLevel(table, { outputs: merged, timestamp, schema, memoryLimit });
    // Labels that are not known get nothing.
    const ends = Int32Array.from(end, (row, label) => (known[label] === 1 ? row : first[label]!));
    const merging = { known: { bytes: known }, turn, spans: { starts: Int32Array.from(first), ends } };
    const byMerging = merged.length === 0 ? new Map<string, Data>() : await mergedAnswers(lowest, merged, merging, (work) => work());
    columns.push(outputs.map((output) => ({ output, data: byMerging.get(output.name) ?? pickedAnswer(table, output, inRows[i]!, known) })));
  }
  return { columns, labelsKnown };
}

export function taken(words: Uint32Array, places: Uint32Array): Uint32Array {
  const found = new Uint32Array(places.length);
  for (let i = 0; i < places.length; i++) found[i] = words[places[i]!]!;
  return found;
}

/** How many states there are before each stretch, and in all. The upper half of a key does not count (see late.ts). */
export function rowsBeforeStretches(states: Table, stretches: number): Uint32Array {
  const before = new Uint32Array(stretches + 1);
  if (states.numRows > 0) {
    const keys = columnOf(states, stretchKey.name).values as BigInt64Array;
    const halves = new Uint32Array(keys.buffer, keys.byteOffset, keys.length * 2);
    for (let row = 0; row < keys.length; row++) before[halves[row * 2]! + 1] = 1;
  }
  for (let stretch = 0; stretch < stretches; stretch++) before[stretch + 1]! += before[stretch]!;
  return before;
}

function knownLabels({ first, end }: Spans): { readonly known: Uint8Array; readonly labelsKnown: number } {
  const known = new Uint8Array(first.length);
  let labelsKnown = 0;
  for (let label = 0; label < first.length; label++) {
    if (first[label]! >= end[label]!) continue;
    known[label] = 1;
    labelsKnown++;
  }
  return { known, labelsKnown };
}

/** The first or last value in each range. */
function pickedAnswer(states: Table, { column, aggregation }: OutputColumn, { first, end }: Spans, known: Uint8Array): Data {
  const name = `${column}__${aggregation}`;
  const data = states.getChild(name)!.data[0];
  const near = nearestValid(data, states.numRows, aggregation === 'last');
  const positions = new Int32Array(first.length).fill(-1);
  for (let label = 0; label < first.length; label++) {
    if (known[label] === 0 || first[label]! >= end[label]!) continue;
    const row = near[aggregation === 'last' ? end[label]! - 1 : first[label]!]!;
    if (row >= first[label]! && row < end[label]!) positions[label] = row;
  }
  return columnOf(pickRows(pickColumns(states, [name]), positions), name);
}

/** The nearest row with a value, at or before each row, or at or after it; −1 and `rows` where there is none. */
function nearestValid(data: Data | undefined, rows: number, before: boolean): Int32Array {
  const near = new Int32Array(rows);
  let nearest = before ? -1 : rows;
  for (let i = 0; i < rows; i++) {
    const row = before ? i : rows - 1 - i;
    if (data!.getValid(row)) nearest = row;
    near[row] = nearest;
  }
  return near;
}
