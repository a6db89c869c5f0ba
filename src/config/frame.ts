/**
 * The lazy Frame that compute functions are given: it builds a plan, so a function of the usual shape is understood, not
 * just called.
 *
 *   (df) => df.filter(col('amount').gt(0)).groupBy('customer_id').agg({ amount: ['sum', 'mean'], date: 'max' })
 *
 * A function that asks for the rows (`await df.collect()`) is opaque: what it returns is kept as it is.
 * Law: a frame is never changed; each step gives a new one. What a plan does to rows is done by whoever brings them.
 */
import type { Table } from '../arrow/arrow.ts';
import { asExpression, columnsOf, type Condition, type Expression } from '../arrow/expression.ts';
import { ArgumentError } from '../base/errors.ts';
import { didYouMean } from '../base/names.ts';
import { type Agg, type AggSpec, aggregationNames, type OutputColumn, outputsOf } from '../engine/plan.ts';

/** What was asked of a frame so far: rows for which `filter` is true, of these only `columns`. Absent: all. */
export interface FramePlan {
  readonly filter?: Expression;
  readonly columns?: readonly string[];
}

/** Brings the rows that a plan describes, filtered, and with its columns in its order. */
export type Collect = (plan: FramePlan) => Promise<Table>;

/** The names that aggregations give: `amount_sum | amount_mean | date_max`. */
export type AggregatedColumns<Spec> = {
  [Column in keyof Spec & string]: Spec[Column] extends string
    ? `${Column}_${Spec[Column]}`
    : Spec[Column] extends readonly (infer Each extends string)[] ? `${Column}_${Each}` : never;
}[keyof Spec & string];

export class Frame {
  private constructor(
    readonly plan: FramePlan,
    private readonly source: Collect,
  ) {}

  /** A frame over rows that `collect` brings when somebody asks for them. */
  static over(collect: Collect, plan: FramePlan = {}): Frame {
    return new Frame(plan, collect);
  }

  /** The selected columns, or undefined when nothing was selected: then there are all that the source has. */
  get columns(): readonly string[] | undefined {
    return this.plan.columns;
  }

  /** Only rows for which the condition is true. */
  filter(condition: Condition | Expression): Frame {
    const added = asExpression(condition);
    this.check('filter', columnsOf(added));
    return new Frame({ ...this.plan, filter: bothOf(this.plan.filter, added)! }, this.source);
  }

  /** Only these columns; what comes after can name no other. */
  select(...columns: readonly (string | readonly string[])[]): Frame {
    const names = [...new Set(columns.flat())];
    if (names.length === 0) throw new ArgumentError('select', 'name at least one column');
    this.check('select', names);
    return new Frame({ ...this.plan, columns: names }, this.source);
  }

  groupBy(...keys: readonly (string | readonly string[])[]): GroupedFrame {
    const names = keys.flat();
    if (names.length === 0) throw new ArgumentError('groupBy', 'name at least one entity key');
    const repeated = names.find((name, i) => names.indexOf(name) !== i);
    if (repeated !== undefined) throw new ArgumentError('groupBy', `'${repeated}' is named twice`);
    this.check('groupBy', names);
    return new GroupedFrame(this, names);
  }

  /** The rows, as an Arrow table. */
  collect(): Promise<Table> {
    return this.source(this.plan);
  }

  /** Throws when one of the names is no column's, or not among the selected. */
  check(step: string, names: readonly string[]): void {
    for (const name of names) {
      if (typeof name !== 'string' || name === '') throw new ArgumentError(step, 'a column is named by its name, a text that is not empty');
      const { columns } = this.plan;
      if (columns === undefined || columns.includes(name)) continue;
      throw new ArgumentError(step, `column '${name}' is not among the selected ${columns.join(', ')}${didYouMean(name, columns)}`);
    }
  }
}

/** A frame whose keys are named and whose aggregations are not yet. */
export class GroupedFrame {
  constructor(
    private readonly frame: Frame,
    private readonly keys: readonly string[],
  ) {}

  /** The columns of the answer are the keys, then `<column>_<aggregation>`. */
  agg<const Spec extends AggSpec>(spec: Spec): AggregatedFrame<AggregatedColumns<Spec>> {
    if (typeof spec !== 'object' || spec === null) {
      throw new ArgumentError('agg', "expected column → aggregations, such as { amount: ['sum', 'mean'], date: 'max' }");
    }
    this.frame.check('agg', Object.keys(spec));
    const outputs = outputsOf(spec);
    const empty = Object.keys(spec).find((column) => [spec[column]].flat().length === 0);
    if (outputs.length === 0 || empty !== undefined) throw new ArgumentError('agg', `name at least one aggregation${empty === undefined ? '' : ` of ${empty}`}`);
    for (const { column, aggregation } of outputs) {
      if (aggregationNames.includes(aggregation as Agg)) continue;
      const known = `there is ${aggregationNames.join(', ')}${didYouMean(String(aggregation), aggregationNames)}`;
      throw new ArgumentError('agg', `'${aggregation}' of column '${column}' is not an aggregation; ${known}`);
    }
    return new AggregatedFrame(this.frame, this.keys, outputs);
  }
}

/** A whole plan: what a compute function returns. Nothing can be added to it. */
export class AggregatedFrame<Columns extends string = string> {
  /** Only for the types: the names of the columns. */
  declare readonly columnNames?: Columns;

  constructor(
    readonly source: Frame,
    readonly keys: readonly string[],
    readonly outputs: readonly OutputColumn[],
  ) {}

  get filter(): Expression | undefined {
    return this.source.plan.filter;
  }
}

/** A compute function: it says a plan, or makes an Arrow table. It is called once to learn its plan, without rows. */
export type ComputeFunction<Columns extends string = string> = (df: Frame) => AggregatedFrame<Columns> | Table | Promise<Table>;

/** Thrown by a frame without rows when it is asked for them. */
const rowsWanted = Symbol('the compute function wants rows');

/**
 * Calls a compute function to learn its plan. Undefined when it is opaque: it wants rows, or returns something else than
 * a plan. What else it throws is thrown.
 */
export function tracePlan(compute: ComputeFunction): AggregatedFrame | undefined {
  let wantsRows = false;
  // Thrown at once, not by a promise: no promise is left that nobody looks at, and none that waits for ever.
  const frame = Frame.over(() => {
    wantsRows = true;
    throw rowsWanted;
  });
  let result: unknown;
  try {
    result = compute(frame);
  } catch (error) {
    if (error === rowsWanted || wantsRows) return undefined;
    throw error;
  }
  // An asynchronous function fails here for want of rows, or will fail again when it is run.
  if (result instanceof Promise) result.catch(() => undefined);
  if (wantsRows) return undefined;
  if (result instanceof AggregatedFrame) return result;
  if (result instanceof GroupedFrame || result instanceof Frame) {
    throw new ArgumentError('compute', `the function returns a frame that is not finished; end it in ${endings}`);
  }
  if (typeof result !== 'object' || result === null) {
    throw new ArgumentError('compute', `the function returns ${result === undefined || result === null ? 'nothing' : `a ${typeof result}`}; return ${endings}`);
  }
  return undefined;
}

/**
 * An opaque compute function over whatever brings rows; of these, it sees only those for which `filter` is true. As a
 * string it is the function's own text.
 */
export function opaqueCompute(compute: ComputeFunction, filter: Expression | undefined): (collect: Collect) => Promise<Table> {
  const run = async (collect: Collect): Promise<Table> => {
    const result: unknown = await compute(Frame.over(collect, filter === undefined ? {} : { filter }));
    if (result instanceof AggregatedFrame || result instanceof GroupedFrame || result instanceof Frame) {
      throw new ArgumentError('compute', 'the function returns a plan in a promise, or after it asked for rows; return the plan at once, without async');
    }
    return result as Table;
  };
  return Object.assign(run, { toString: () => String(compute) });
}

const endings = '.groupBy(…).agg(…), or an Arrow table of its own making';

/** What is true where both are. */
export function bothOf(a: Expression | undefined, b: Expression | undefined): Expression | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return { kind: 'and', operands: [a, b] };
}
