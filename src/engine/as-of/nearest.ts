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
import type { Spans } from './moments.ts';

const stateBytes = 16;

/** Which labels have a value in the first question's range, a byte each. */
export interface KnownLabels {
  readonly pointer: number;
  readonly labels: number;
}

export class NearestStates {
  /** Where the states are; 0: nothing was added. */
  pointer = 0;
  private readonly latest: 0 | 1;
  private readonly isDouble: 0 | 1;

  private constructor(
    private readonly instance: Instance,
    private readonly column: ValueColumn,
    private readonly stretches: number,
  ) {
    this.latest = column.last ? 1 : 0;
    this.isDouble = column.layout.kind === 'float' ? 1 : 0;
  }

  /** Undefined where something else is asked, or more. */
  static of(instance: Instance, { plan: { outputs, moments }, values: [column] }: BoundPlan): NearestStates | undefined {
    if (outputs.length !== 1 || !isByTime(outputs[0]!) || !isWords(column!) || column!.tie !== undefined) return undefined;
    return new NearestStates(instance, column!, moments!.points.length);
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

  /** For `answers`: nothing can be added any more. */
  settle(): void {
    this.instance.kernels.settleNearest(this.pointer, this.stretches, this.latest);
  }

  /** The value in each label's span, and which labels have one; of those that are not `known`, where that is said, none has. */
  answers({ first, end }: Spans, known: KnownLabels | undefined): { readonly data: Data; readonly known: KnownLabels } {
    const { instance, column, latest, isDouble } = this;
    const labels = first.length;
    const bitmapBytes = (labels + 7) >> 3;
    const [starts, ends] = [instance.placed(first), instance.placed(end)];
    const [isKnown, out, validity] = [instance.alloc(labels), instance.alloc(labels * 8), instance.alloc(bitmapBytes)];
    const found = instance.kernels.answersOfNearest(
      this.pointer, latest, isDouble, signsOf(column).flip, starts, ends, labels, known?.pointer ?? 0, isKnown, out, validity,
    );
    const halves = instance.view32(out, labels * 2).slice();
    const nullCount = labels - found;
    const bits = nullCount === 0 ? {} : { nullBitmap: instance.view8(validity, bitmapBytes).slice() };
    instance.free(starts, Math.max(first.byteLength, 16));
    instance.free(ends, Math.max(end.byteLength, 16));
    instance.free(out, labels * 8);
    instance.free(validity, bitmapBytes);
    return { data: columnOfWords(column, halves, { nullCount, ...bits }), known: { pointer: isKnown, labels: found } };
  }
}
