/**
 * Looked-up values: of one column the latest value before each label's moment, or the earliest of its range, and nothing else. Then a stretch is
 * sixteen bytes (kernel/nearest.ts) instead of thirty-two, less waits for memory, threads' stretches are merged as they stand, and a label's answer is read
 * by one look. Rows without a value or a time cannot be told of here: those are added to the states of groups, as in any question, and then all are.
 */
import type { Data } from '../../arrow/arrow.ts';
import type { Instance } from '../instance.ts';
import { isByTime } from '../plan.ts';
import { columnOfWords, isWords } from '../states/extreme.ts';
import { signsOf, type TimedStretch, type WholeStretch } from '../states/state.ts';
import type { BoundPlan, ValueColumn } from '../types.ts';
import type { PlacedAscending, SomeAnswers, SomeLabels } from './shared-answers.ts';

const stateBytes = 16;

export class NearestStates {
  /** Where the states are; 0: nothing was added. */
  pointer = 0;
  private readonly latest: 0 | 1;
  private readonly isDouble: 0 | 1;

  private isSettled = false;

  private constructor(
    readonly instance: Instance,
    private readonly column: ValueColumn,
    private readonly stretches: number,
  ) {
    this.latest = column.last ? 1 : 0;
    this.isDouble = column.layout.kind === 'float' ? 1 : 0;
  }

  /** Undefined where something else is asked, or more. */
  static of(instance: Instance, { plan: { outputs, moments }, values: [column] }: BoundPlan): NearestStates | undefined {
    if (outputs.length !== 1 || !isByTime(outputs[0]!) || !isWords(column!) || column!.tie !== undefined) return undefined;
    return new NearestStates(instance, column!, moments!.count);
  }

  add({ words, times, rows, ids, count }: WholeStretch): void {
    this.begin();
    this.instance.kernels.addNearest(this.isDouble, this.latest, words, times, rows, ids, count, this.pointer, signsOf(this.column).flip);
  }

  /** Takes over what another thread has in the same memory. */
  merge(other: number): void {
    this.begin();
    this.instance.kernels.mergeNearest(other, this.stretches, this.pointer);
  }

  private begin(): void {
    if (this.pointer !== 0) return;
    this.pointer = this.instance.alloc(this.stretches * stateBytes);
    this.instance.kernels.emptyNearest(this.pointer, this.stretches);
  }

  /** Nothing is left here: `take` has it, as rows. */
  drain(take: (rows: TimedStretch) => void): void {
    const { instance, stretches, latest, pointer } = this;
    if (pointer === 0) return;
    const [ids, keys, times] = [instance.alloc(stretches * 4), instance.alloc(stretches * 8), instance.alloc(stretches * 8)];
    const count = instance.kernels.nearestRows(pointer, stretches, latest, ids, keys, times);
    this.pointer = 0;
    instance.free(pointer, stretches * stateBytes);
    take({ ids, keys, times, count });
    instance.free(ids, stretches * 4);
    instance.free(keys, stretches * 8);
    instance.free(times, stretches * 8);
  }

  /** For `answers`, here or by another thread, of what other threads have, too: nothing can be added any more. */
  settle(others: readonly number[] = []): void {
    if (this.isSettled) return;
    this.begin();
    for (const other of others.slice(1)) this.merge(other);
    this.instance.kernels.settleNearest(this.pointer, others[0] ?? 0, this.stretches, this.latest);
    this.isSettled = true;
  }

  /** The values in the spans of labels, of states at `pointer` that are settled; of labels without one in the first question's none has. */
  answers({ questions, from, count }: SomeLabels, pointer = this.pointer): SomeAnswers {
    const { instance, column, latest, isDouble } = this;
    const bitmapBytes = (count + 7) >> 3;
    const [isKnown, known, out, validity] = [instance.alloc(count), instance.alloc(count), instance.alloc(count * 8), instance.alloc(bitmapBytes)];
    let labelsKnown: number | undefined;
    const columns = questions.flatMap(({ outputs, first, end }) => {
      const isFirst = labelsKnown === undefined;
      const found = instance.kernels.answersOfNearest(
        pointer, latest, isDouble, signsOf(column).flip, first + from * 4, end + from * 4, count, isFirst ? 0 : known, isFirst ? known : isKnown, out, validity,
      );
      labelsKnown ??= found;
      const nullCount = count - found;
      const bits = nullCount === 0 ? {} : { nullBitmap: instance.view8(validity, bitmapBytes).slice() };
      const data = columnOfWords(column, instance.view32(out, count * 2).slice(), { nullCount, ...bits });
      return outputs.map(() => data);
    });
    instance.free(isKnown, count);
    instance.free(known, count);
    instance.free(out, count * 8);
    instance.free(validity, bitmapBytes);
    return { columns, labelsKnown: labelsKnown! };
  }

  /** Writes the answers of some labels, those at [from, from + count) of their order; returns how many have a value. */
  answerAscending({ arrays, starts, entities, order, asked, out, known }: PlacedAscending, { from, count }: Pick<SomeLabels, 'from' | 'count'>): number {
    const { instance: { kernels }, column, isDouble } = this;
    return kernels.answersInOrder(arrays.pointer, arrays.count, isDouble, signsOf(column).flip, starts, entities, order, asked, from, from + count, out, known);
  }

  /** The answers of all labels, once all are written. */
  ascendingAnswers({ out, known, count }: PlacedAscending, labelsKnown: number): Data {
    const { instance, column } = this;
    const nullCount = count - labelsKnown;
    instance.kernels.packBits(known, count);
    const bits = nullCount === 0 ? {} : { nullBitmap: instance.view8(known, (count + 7) >> 3).slice() };
    return columnOfWords(column, new Uint32Array(instance.copied(out, count * 8)), { nullCount, ...bits });
  }
}
