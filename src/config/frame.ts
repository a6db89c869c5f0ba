/**
 * The lazy Frame that compute functions are given: it builds a plan, so a function of the usual shape is understood, not
 * just called.
 *
 *   (df) => df.filter(col('amount').gt(0)).groupBy('customer_id').agg({ amount: ['sum', 'mean'], date: 'max' })
 *
 * A function that asks for the rows (`await df.collect()`) is opaque: its rows are kept as it makes them.
 */
import type { Table } from '../arrow/arrow.ts';
import { asExpression, columnsOf, type Condition, type Expression } from '../arrow/expression.ts';
import { ArgumentError } from '../base/errors.ts';
import { didYouMean } from '../base/names.ts';
import { type AggSpec, type OutputColumn, outputsOf } from '../engine/plan.ts';

/** What was asked of a frame so far. */
export interface FramePlan {
  readonly filter?: Expression;
  readonly columns?: readonly string[];
}

/** Brings the rows that a plan describes. */
export type Collect = (plan: FramePlan) => Promise<Table>;

export class Frame {
  private constructor(
    readonly plan: FramePlan,
    private readonly source: Collect,
  ) {}

  /** A frame over rows that `collect` brings when somebody asks for them. */
  static over(collect: Collect): Frame {
    return new Frame({}, collect);
  }

  /** Only rows for which the condition is true. */
  filter(condition: Condition | Expression): Frame {
    const added = asExpression(condition);
    this.check(columnsOf(added));
    const filter: Expression = this.plan.filter === undefined ? added : { kind: 'and', operands: [this.plan.filter, added] };
    return new Frame({ ...this.plan, filter }, this.source);
  }

  /** Only these columns; what comes after can name no other. */
  select(...columns: readonly string[]): Frame {
    this.check(columns);
    return new Frame({ ...this.plan, columns }, this.source);
  }

  groupBy(...keys: readonly (string | readonly string[])[]): GroupedFrame {
    const names = keys.flat();
    if (names.length === 0) throw new ArgumentError('groupBy', 'name at least one entity key');
    this.check(names);
    return new GroupedFrame(this, names);
  }

  /** The rows, as an Arrow table. */
  async collect(): Promise<Table> {
    return this.source(this.plan);
  }

  /** Throws when a name is not among the selected columns. */
  check(names: readonly string[]): void {
    const { columns } = this.plan;
    const unknown = columns && names.find((name) => !columns.includes(name));
    if (unknown === undefined) return;
    throw new ArgumentError('column', `${unknown} is not among the selected ${columns!.join(', ')}${didYouMean(unknown, columns!)}`);
  }
}

export class GroupedFrame {
  constructor(
    private readonly frame: Frame,
    private readonly keys: readonly string[],
  ) {}

  /** The columns of the answer are the keys, then `<column>_<aggregation>`. */
  agg(spec: AggSpec): AggregatedFrame {
    this.frame.check(Object.keys(spec));
    return new AggregatedFrame(this.frame, this.keys, outputsOf(spec));
  }
}

/** A whole plan: what a compute function returns. */
export class AggregatedFrame {
  constructor(
    readonly source: Frame,
    readonly keys: readonly string[],
    readonly outputs: readonly OutputColumn[],
  ) {}

  get filter(): Expression | undefined {
    return this.source.plan.filter;
  }
}

/** A compute function of a project. */
export type ComputeFunction = (df: Frame) => AggregatedFrame | Table | Promise<Table | AggregatedFrame>;

/**
 * Calls a compute function to learn its plan. Undefined when it is opaque: it wants rows, or does not return a plan.
 * What it throws before that is thrown.
 */
export function tracePlan(compute: ComputeFunction): AggregatedFrame | undefined {
  let wantsRows = false;
  const frame = Frame.over(() => {
    wantsRows = true;
    return new Promise<Table>(() => undefined);
  });
  const result = compute(frame);
  if (result instanceof AggregatedFrame) return result;
  if (result instanceof GroupedFrame || result instanceof Frame) {
    throw new ArgumentError('compute', 'the function must end in .groupBy(…).agg(…), or return an Arrow table');
  }
  // A promise that waits for rows waits for ever and is forgotten; one that fails for another reason fails again when run.
  if (result instanceof Promise) result.catch(() => undefined);
  else if (!wantsRows && (result === undefined || result === null)) {
    throw new ArgumentError('compute', 'the function returned nothing; return df.groupBy(…).agg(…), or an Arrow table');
  }
  return undefined;
}
