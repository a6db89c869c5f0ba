/**
 * What runs on a thread of the pool: aggregations over a memory that all threads of a run share. Requests are served one
 * after the other; a cancellation is heard between two batches.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { parentPort, receiveMessageOnPort } from 'node:worker_threads';
import type { Schema } from '../../arrow/arrow.ts';
import type { ColumnMemory } from '../../arrow/column-memory.ts';
import { schemaOfStream } from '../../arrow/schema-stream.ts';
import { invariant, throwIfCancelled } from '../../base/errors.ts';
import { Aggregation, type Answered, type AggregationMemory, type AggregationOptions, type StateOptions } from '../aggregation.ts';
import { type LabelSource, type SomeLabels, tableOfAnswers } from '../as-of/shared-answers.ts';
import type { Cut } from '../cut.ts';
import { Instance } from '../instance.ts';
import { type PartOfGroups, PartReader, type SplitGroups } from '../parts.ts';
import type { GroupByPlan } from '../plan.ts';
import type { RowsOf, RowUnit } from '../run.ts';
import { BatchUnpacker, buffersOf, type ColumnLayout, packError, packTable, type PackedTable } from './packing.ts';
import { Ring, ringBytes } from './ring.ts';

export type Job = number;

/** Rows of units after which a thread says how far it is. */
const rowsPerNews = 1 << 20;

/** What can be asked of a worker, and what it answers. */
export interface Requests {
  /** Begins the aggregations of a run, once more after `merge`. */
  begin: {
    asks: {
      readonly job: Job;
      readonly team: number;
      readonly memory: WebAssembly.Memory;
      readonly ring: number;
      /** What of the memory the rows of a unit may take. */
      readonly unitBytes: number;
      readonly asideCells: number;
      readonly module: WebAssembly.Module;
      readonly plans: readonly GroupByPlan[];
      readonly schema: Uint8Array;
      readonly options: AggregationOptions;
    };
    gives: undefined;
  };
  /** Takes batches from the run's ring for as long as some come. This and the next give what `describe` would give then, which spares asking. */
  stream: { asks: { readonly job: Job }; gives: readonly AggregationMemory[] };
  /** Takes one unit after the other, the next being the one at the index that stands at `next`, in the memory, for all threads. */
  units: { asks: { readonly job: Job; readonly units: readonly RowUnit[]; readonly next: number }; gives: readonly AggregationMemory[] };
  describe: { asks: { readonly job: Job }; gives: readonly AggregationMemory[] };
  /** Groups the rows of a plan that were put aside. */
  drain: { asks: { readonly job: Job; readonly plan: number }; gives: undefined };
  /** Takes over what other threads have of one plan, and answers. */
  answer: { asks: { readonly job: Job; readonly plan: number; readonly others: readonly AggregationMemory[]; readonly what: Answered }; gives: PackedTable };
  /** Cuts the keys of all threads into parts, and says which groups of one are in which (parts.ts). */
  cut: { asks: { readonly job: Job; readonly plan: number; readonly all: readonly AggregationMemory[]; readonly parts: number }; gives: Cut };
  split: { asks: { readonly job: Job; readonly plan: number; readonly memory: AggregationMemory; readonly cut: Cut }; gives: SplitGroups };
  /** Merges what all threads have in one part, and answers. */
  part: { asks: { readonly job: Job; readonly plan: number; readonly groups: readonly PartOfGroups[]; readonly what: Answered }; gives: PackedTable };
  /** Answers some labels from what threads have (as-of/shared-answers.ts). */
  labels: { asks: { readonly job: Job; readonly source: LabelSource; readonly labels: SomeLabels }; gives: { readonly table: PackedTable; readonly labelsKnown: number } };
  /** Forgets the groups, so that they are not counted again. */
  restart: { asks: { readonly job: Job; readonly plan: number }; gives: undefined };
  end: { asks: { readonly job: Job }; gives: undefined };
  forget: { asks: { readonly team: number }; gives: undefined };
}

export type Request = { [Kind in keyof Requests]: { readonly kind: Kind; readonly ticket: number } & Requests[Kind]['asks'] }[keyof Requests];

/** What is not answered: a run's work stops where it is; batches of a layout that is new will come through its ring. */
export type Notice =
  | { readonly kind: 'cancel'; readonly job: Job }
  | ({ readonly kind: 'layout'; readonly job: Job } & BatchLayout);

export interface BatchLayout {
  readonly id: number;
  readonly columns: readonly ColumnLayout[];
  /** The schema of the columns, in order, with plain types. */
  readonly schema: Uint8Array;
  /** For batches of partial states: one for each plan. */
  readonly states: readonly (StateOptions | undefined)[] | undefined;
}

interface Run {
  readonly instance: Instance;
  readonly unitMemory: ColumnMemory;
  readonly schema: Schema;
  readonly plans: readonly GroupByPlan[];
  readonly options: AggregationOptions;
  readonly aggregations: Aggregation[];
  readonly asideCells: number;
  readonly parts: readonly PartReader[];
  readonly ring: Ring;
  readonly batches: BatchUnpacker;
  readonly heard: Heard;
}

/** What was said of a run, maybe before it was this thread's turn to begin it. */
interface Heard {
  readonly layouts: Map<number, { readonly columns: readonly ColumnLayout[]; readonly schema: Schema; readonly states: BatchLayout['states'] }>;
  readonly cancelled: AbortController;
}

const port = parentPort!;
const modules = new Map<string, { readonly rowsOf: RowsOf }>();
const instances = new Map<number, Instance>();
const runs = new Map<Job, Run>();
const heardOf = new Map<Job, Heard>();
let tail = Promise.resolve();

port.on('message', hear);
port.postMessage({ ready: true });

function hear(message: Request | Notice): void {
  switch (message.kind) {
    case 'cancel':
      heard(message.job).cancelled.abort();
      break;
    case 'layout':
      heard(message.job).layouts.set(message.id, { ...message, schema: schemaOfStream(message.schema) });
      break;
    default:
      tail = tail.then(() => serve(message));
  }
}

/** What was said meanwhile, without a turn of the event loop, which takes fifty times as long; false where that was nothing. */
function tryHear(): boolean {
  const received = receiveMessageOnPort(port);
  if (received !== undefined) hear(received.message);
  return received !== undefined;
}

function heard(job: Job): Heard {
  let known = heardOf.get(job);
  if (known === undefined) heardOf.set(job, (known = { layouts: new Map(), cancelled: new AbortController() }));
  return known;
}

async function serve(request: Request): Promise<void> {
  const { ticket } = request;
  try {
    const value = await answer(request);
    port.postMessage({ ticket, value }, handedOver(request, value));
  } catch (error) {
    port.postMessage({ ticket, error: packError(error) });
  }
}

/** The buffers of an answer. */
function handedOver({ kind }: Request, value: unknown): ArrayBuffer[] {
  if (kind === 'labels') return buffersOf((value as Requests['labels']['gives']).table);
  return kind === 'answer' || kind === 'part' ? buffersOf(value as PackedTable) : [];
}

async function answer(request: Request): Promise<unknown> {
  switch (request.kind) {
    case 'begin':
      return begin(request);
    case 'forget':
      instances.delete(request.team);
      collectGarbage();
      return undefined;
    case 'end':
      runs.delete(request.job);
      heardOf.delete(request.job);
      return undefined;
  }
  const run = runs.get(request.job)!;
  switch (request.kind) {
    case 'stream':
      stream(run);
      return describe(run);
    case 'units':
      await addUnits(run, request);
      return describe(run);
    case 'describe':
      return describe(run);
    case 'drain':
      run.aggregations[request.plan]!.drain();
      return undefined;
    case 'answer': {
      const aggregation = run.aggregations[request.plan]!;
      for (const other of request.others) aggregation.merge(other);
      return packTable(request.what === 'finish' ? aggregation.finish() : aggregation.states());
    }
    case 'cut':
      return run.aggregations[request.plan]!.cut(request.all, request.parts);
    case 'split':
      return run.aggregations[request.plan]!.split(request.memory, request.cut);
    case 'part':
      throwIfCancelled(run.heard.cancelled.signal, 'group by');
      return packTable(run.parts[request.plan]!.read(request.groups, request.what));
    case 'labels': {
      const { columns, labelsKnown } = run.aggregations[0]!.answerSome(request.source, request.labels);
      return { table: packTable(tableOfAnswers(columns, request.labels.count)), labelsKnown };
    }
    case 'restart':
      run.aggregations[request.plan] = Aggregation.create(run.plans[request.plan]!, run.schema, run.options, run.instance, run.asideCells + request.plan * 4);
      return undefined;
  }
}

function begin({ job, team, memory, ring, asideCells, unitBytes, module, plans, schema, options }: Request & { readonly kind: 'begin' }): void {
  let instance = instances.get(team);
  if (instance === undefined) instances.set(team, (instance = new Instance(module, memory)));
  instance.join(options.memoryLimit);
  const tableSchema = schemaOfStream(schema);
  const aggregations = plans.map((plan, i) => Aggregation.create(plan, tableSchema, options, instance, asideCells + i * 4));
  runs.set(job, {
    instance,
    unitMemory: instance.lend(unitBytes),
    schema: tableSchema,
    plans,
    options,
    aggregations,
    asideCells,
    parts: plans.map((plan) => new PartReader(instance, plan, tableSchema, options)),
    ring: new Ring(instance.view8(ring, ringBytes).buffer, ring),
    batches: new BatchUnpacker(instance),
    heard: heard(job),
  });
}

function describe({ aggregations }: Run): readonly AggregationMemory[] {
  return aggregations.map((aggregation) => aggregation.memory);
}

let collect: (() => void) | undefined;

/**
 * A memory that was let go is returned when the garbage of every thread that had it is collected, which may be far off where
 * the heap hardly grows; V8 does not count the memory. So it is asked to: Node offers it to those who start it with a flag,
 * or to a context that is made while the flag stands.
 */
function collectGarbage(): void {
  if (collect === undefined) {
    setFlagsFromString('--expose-gc');
    collect = runInNewContext('gc') as () => void;
    setFlagsFromString('--no-expose-gc');
  }
  collect();
}

/** Adds batches of the ring for as long as some come. What is taken is done with, whatever happens. */
function stream(run: Run): void {
  for (let taken = run.ring.take(); taken !== undefined; taken = run.ring.take()) {
    try {
      addRecord(run, taken.record);
    } finally {
      run.ring.done(taken.entry);
    }
  }
}

function addRecord(run: Run, record: number): void {
  const id = run.instance.viewDoubles(record, 1)[0]!;
  let layout = run.heard.layouts.get(id);
  while (layout === undefined) {
    // It was posted before the batch was put.
    invariant(tryHear(), `layout ${id} is not known`);
    layout = run.heard.layouts.get(id);
  }
  const batch = run.batches.unpack(record, layout.columns, layout.schema);
  run.aggregations.forEach((aggregation, i) => {
    if (layout.states === undefined) aggregation.add(batch);
    else aggregation.addStates(batch, layout.states[i]);
  });
}

/** Says how many rows were done with, now and then. */
async function addUnits(run: Run, { units, next, ticket }: Request & { readonly kind: 'units' }): Promise<void> {
  const indexes = new Int32Array(run.instance.view8(next, 4).buffer, next, 1);
  let done = 0;
  const tell = (): void => {
    if (done > 0) port.postMessage({ ticket, rows: done });
    done = 0;
  };
  for (let index = Atomics.add(indexes, 0, 1); index < units.length; index = Atomics.add(indexes, 0, 1)) {
    done += await addUnit(run, units[index]!);
    if (done >= rowsPerNews) tell();
  }
  tell();
}

/** To be told again what is known takes longer than to add a thousand rows. */
async function moduleOf({ module }: RowUnit): Promise<{ readonly rowsOf: RowsOf }> {
  let known = modules.get(module);
  if (known === undefined) modules.set(module, (known = (await import(module)) as { readonly rowsOf: RowsOf }));
  return known;
}

async function addUnit(run: Run, unit: RowUnit): Promise<number> {
  const { rowsOf } = await moduleOf(unit);
  const { signal } = run.heard.cancelled;
  let rows = 0;
  for await (const batch of rowsOf(unit.argument, signal, run.unitMemory)) {
    while (tryHear());
    throwIfCancelled(signal, 'group by');
    for (const aggregation of run.aggregations) aggregation.add(batch);
    rows += batch.numRows;
  }
  return rows;
}
