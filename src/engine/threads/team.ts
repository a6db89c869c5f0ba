/**
 * A run of aggregations on several threads over one memory.
 *
 *   batch ─▶ stretches ─▶ copied into the memory ─▶ whichever thread is free adds them to groups of its own
 *   unit  ─▶ fetched into the memory and added by whichever thread is free
 *   end   ─▶ one thread takes over the groups of the others and answers
 *
 * Rows that lie in the memory are given out all at once, and taken by whichever thread is free. Others the caller's thread copies, a stretch at a time, and
 * adds some itself while there is enough to do for the others: of `threads` threads it is one. Units are for the pool, and the caller waits, but for those that it fetches before any thread listens.
 * Laws are those of `Aggregation`: who adds which rows, and in which order, changes no bit.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { type Data, type DataType, Field, type RecordBatch, Schema, type Table } from '../../arrow/arrow.ts';
import { plainType } from '../../arrow/canonical.ts';
import { columnsOf } from '../../arrow/expression.ts';
import { streamOfSchema } from '../../arrow/schema-stream.ts';
import { throwIfCancelled } from '../../base/errors.ts';
import { inTurns, Pace } from '../../base/steps.ts';
import { Aggregation, type Answered, type AggregationMemory, type AggregationOptions, type Counters, type StateOptions, statesSchema } from '../aggregation.ts';
import { type Answers, labelsOf, type Question } from '../as-of/answers.ts';
import { placeMoments } from '../as-of/placed.ts';
import { type SomeAnswers, someAtATime, type SomeLabels } from '../as-of/shared-answers.ts';
import { travellingFields } from '../beside.ts';
import { joinedBeside } from '../beside-columns.ts';
import { type Instance, memoryMax, sharedModule } from '../instance.ts';
import { type Cut, partsMax } from '../cut.ts';
import { answerHere, mustDrain, noGroups, partOf, type PartOfGroups, PartReader, tableOfParts } from '../parts.ts';
import type { GroupByPlan, OutputColumn } from '../plan.ts';
import type { RowUnit } from '../run.ts';
import { columnData } from '../staging.ts';
import { bindPlan, fieldOf, outputType, resultSchema } from '../types.ts';
import { type CommonMemory, giveBackMemory, leaseMemory } from './common-memory.ts';
import { BatchPacker, type NamedData, unpackTable } from './packing.ts';
import { type PoolWorker, workersOf } from './pool.ts';
import { Ring, ringBytes } from './ring.ts';
import type { BatchLayout } from './worker.ts';

/** Rows that are handed over at a time where they are copied. */
const stretchRowsCopied = 1 << 16;
/** Rows of a resident table that are given out at a time: the fewer the less is left, so that all end together. */
const stretchRowsInPlace = { least: 1 << 15, most: 1 << 18 } as const;
/** Rows that the caller's thread adds before others get their turn, at first and at the most: code that has just begun to run takes up to a microsecond for each. */
const ownRowsOf = { first: 1 << 13, most: 1 << 17 } as const;
/** Stretches after which, at the least, each thread comes back for another. */
const stretchesEach = 4;
/** Stretches that wait for each thread while it works on another, where they are copied. */
const stretchesAhead = 2;
/** Stretches after which the event loop gets its turn. */
const stretchesPerTurn = 4;
/** Where fewer than one in so many rows is in the range of time, the caller's thread goes through them alone. */
const selective = 8;
/** Groups that are read out on the caller's thread, where it has them all. */
const groupsHere = 1 << 18;
/** From so many groups on, of all threads together, they are merged and read out in parts of so many. */
const partedDefault = { from: 1 << 19, groups: 1 << 16 } as const;
/** Labels that are worth several threads, and how many a thread answers at a time. */
const labelsForThreads = 1 << 14;
const labelsAtOnce = 1 << 17;
/** Units that threads are told of at a time, so that telling them holds up nothing; and how often before they have answered. */
const unitsAtOnce = 256;
const unitsAhead = 2;
/** And parts: this thread hears of an answer only when it is done with a part of its own. */
const partsAhead = 4;
/** What stretches under way may take beside the groups. */
const stagingBytes = 256 * 2 ** 20;

let jobs = 0;

/** A thread of the pool in a run. */
interface Member {
  readonly worker: PoolWorker;
  begun: boolean;
  /** Whether it takes stretches from the ring. */
  streaming: boolean;
  /** What it was asked and has not answered. */
  ahead: number;
  /** What it has, where nothing has changed since it said so. */
  described: readonly AggregationMemory[] | undefined;
  /** Plans of which another thread has taken over its groups, so that it begins again before it is asked for more. */
  readonly taken: Set<number>;
}

/** Adds so many rows, from `start` on, on this thread. */
type AddHere = (start: number, rows: number) => void;

/** What is in an entry of the ring. */
interface HandedOver {
  /** Gives back what it takes, once the entry is free. */
  readonly free: () => void;
  readonly rows: number;
  /** Of its rows, from where they were; undefined where they were copied, since a batch is good only until the next is asked for. */
  readonly addHere: AddHere | undefined;
}

export class TeamRun {
  private readonly team: CommonMemory;
  /** Whether rows will come that lie in it. */
  private readonly isHome: boolean;
  private readonly job = jobs++;
  private readonly members: Member[] = [];
  private readonly packer: BatchPacker;
  private readonly ringAddress: number;
  /** Where the threads agree on whether rows are put aside, four bytes for each plan. */
  private readonly asideCells: number;
  private readonly ring: Ring;
  private readonly underWay = new Map<number, HandedOver>();
  private readonly layouts = new Map<string, number>();
  private readonly known: BatchLayout[] = [];
  private readonly options: AggregationOptions;
  private readonly columns: readonly string[];
  /** Whether rows are left out by ranges of time, of every plan, and by nothing else. */
  private readonly isRanged: boolean;
  /** Joins to a batch what stands beside its columns. */
  private readonly joined: (batch: RecordBatch) => RecordBatch;
  /** How many rows the caller's thread adds at once. */
  private readonly ownPace = new Pace(ownRowsOf.first, ownRowsOf.most);
  /** What the caller's thread has added itself. */
  private own: Aggregation[] | undefined;
  private failure: { readonly error: unknown } | undefined;
  private wake: () => void = () => undefined;
  /** For the threads, once one begins. */
  private schemaStream: Uint8Array | undefined;
  /** Of each plan, as of the last answer. */
  counters: readonly Counters[];
  private closing: Promise<void> | undefined;
  private readonly onAbort = (): void => this.cancel();
  private readonly plans: readonly GroupByPlan[];

  /** Throws as `Aggregation.create` does, and RangeError where there is no room for a shared memory. */
  constructor(
    plans: readonly GroupByPlan[],
    private readonly schema: Schema,
    private readonly threads: number,
    options: AggregationOptions,
    private readonly signal: AbortSignal | undefined,
    /** The memory that the table lives in whose rows will come. */
    home?: CommonMemory,
  ) {
    const bound = plans.map((plan) => bindPlan(plan, schema));
    const filters = plans.flatMap((plan) => (plan.filter === undefined ? [] : columnsOf(plan.filter)));
    for (const column of filters) fieldOf(schema, column);
    const besides = bound.flatMap(({ values, arrival }) => [...values.map(({ tie }) => tie), arrival].flatMap((column) => (column === undefined ? [] : [column.name])));
    this.columns = [
      ...new Set([...bound.flatMap((plan) => [...plan.keys, ...plan.values, ...(plan.time === undefined ? [] : [plan.time])].map(({ name }) => name)), ...filters, ...besides]),
    ];
    this.isRanged = plans.every(({ range, filter }) => range !== undefined && filter === undefined);
    this.joined = joinedBeside(plans);
    // What is under way needs room too; the limit is the groups'.
    this.options = { ...options, ...(options.memoryLimit !== undefined && { memoryLimit: Math.min(options.memoryLimit + stagingBytes, memoryMax) }) };
    this.team = leaseMemory(this.options.memoryLimit, home);
    this.isHome = this.team === home;
    const { instance } = this.team;
    try {
      this.plans = plans.map((plan) => placedPlan(plan, instance, options));
    } catch (error) {
      giveBackMemory(this.team, true);
      throw error;
    }
    this.packer = new BatchPacker(instance);
    this.ringAddress = instance.kernels.allocZeroed(ringBytes) >>> 0;
    this.asideCells = instance.kernels.allocZeroed(plans.length * 4) >>> 0;
    this.ring = new Ring(instance.view8(this.ringAddress, ringBytes).buffer, this.ringAddress);
    this.counters = plans.map(() => countersOf([]));
    signal?.addEventListener('abort', this.onAbort);
    this.enlist(Math.max(1, threads - 1));
  }

  /** Makes so many threads of the pool members. */
  private enlist(threads: number): void {
    for (const worker of workersOf(threads).slice(this.members.length)) {
      const member: Member = { worker, begun: false, streaming: false, ahead: 0, described: undefined, taken: new Set() };
      this.members.push(member);
      void this.beginMember(member);
    }
  }

  private async beginMember(member: Member): Promise<void> {
    const { worker } = member;
    if (!worker.ready) {
      await worker.started;
      this.wake();
      if (this.closing !== undefined || !worker.alive) return;
    }
    const { team, job, plans, options } = this;
    const schema = (this.schemaStream ??= streamOfSchema(this.schema));
    const unitBytes = Math.floor(stagingBytes / this.threads);
    const request = { job, team: team.id, memory: team.memory, ring: this.ringAddress, asideCells: this.asideCells, unitBytes, module: sharedModule(), plans, schema, options };
    // Requests are served in order: whatever is asked from here on finds the run begun.
    member.begun = true;
    const begun = this.ask(member, () => worker.call('begin', request));
    for (const layout of this.known) this.tellLayout(member, layout);
    // Rows that lie in the memory come at once, so that nobody has to be told.
    if (this.isHome) this.openStreams();
    this.wake();
    await begun;
  }

  /** Asks a member for something; a failure is kept for whoever awaits the run next. */
  private async ask<Answer>(member: Member, call: () => Promise<Answer>): Promise<Answer | undefined> {
    this.beginAgain(member);
    member.described = undefined;
    member.ahead++;
    try {
      return await call();
    } catch (error) {
      this.failure ??= { error };
      return undefined;
    } finally {
      member.ahead--;
      this.wake();
    }
  }

  /** Has a member forget groups that others have now. Requests are served in order: what it is asked next is heard after that. */
  private beginAgain(member: Member): void {
    const plans = [...member.taken];
    member.taken.clear();
    for (const plan of plans) void this.ask(member, () => member.worker.call('restart', { job: this.job, plan }));
  }

  private check(): void {
    throwIfCancelled(this.signal, 'group by');
    if (this.failure !== undefined) throw this.failure.error;
  }

  private change(): Promise<void> {
    return new Promise((resolve) => {
      this.wake = resolve;
    });
  }

  async add(batch: RecordBatch): Promise<void> {
    const rows = this.joined(batch);
    const columns = [...this.columns.map((name) => fieldOf(this.schema, name)), ...travellingFields(rows)];
    await this.share(rows, columns, undefined, (aggregation, start, end) => aggregation.add(rows, start, end));
  }

  /** `options`: one for each plan. */
  async addStates(batch: RecordBatch, options: readonly (StateOptions | undefined)[]): Promise<void> {
    await this.share(batch, this.statesFields(batch), options, (aggregation, start, end, i) => aggregation.addStates(batch, options[i], start, end));
  }

  /** The columns of a batch of partial states that any plan reads. */
  private statesFields(batch: RecordBatch): Field[] {
    const wanted = new Set(this.plans.flatMap((plan) => [...plan.keys, ...statesSchema(plan, this.schema).fields.map(({ name }) => name), ...(plan.filter === undefined ? [] : columnsOf(plan.filter))]));
    const isTile = (name: string): boolean => !wanted.has(name) && this.schema.fields.every((field) => field.name !== name);
    return batch.schema.fields.filter(({ name }) => wanted.has(name) || isTile(name));
  }

  private async share(
    batch: RecordBatch,
    fields: readonly Field[],
    states: BatchLayout['states'],
    work: (aggregation: Aggregation, start: number, end: number, plan: number) => void,
  ): Promise<void> {
    // To start a thread holds this one up for ten milliseconds.
    if (this.members.some(({ worker }) => !worker.ready)) await nextTurn();
    const types = fields.map(({ type }) => plainType(type));
    const columns = fields.map(({ name }, i) => ({ name, data: columnData(batch, name, types[i]!) }));
    const isCopied = columns.some(({ data }) => data.values && this.team.instance.addressOf(data.values as ArrayBufferView) === undefined);
    const addHere = (start: number, rows: number): void => {
      for (const [i, aggregation] of this.ownAggregations().entries()) work(aggregation, start, start + rows, i);
    };
    const layout = (): number => this.team.instance.guard(() => this.layoutOf(columns, types, states));
    await (isCopied ? this.shareCopies(batch.numRows, columns, layout, addHere) : this.shareInPlace(batch.numRows, columns, layout(), addHere));
  }

  /** Gives out all rows to whichever thread comes for them, this one being one of them: so none waits while another is held up. */
  private async shareInPlace(rows: number, columns: readonly NamedData[], layout: number, addHere: AddHere): Promise<void> {
    for (let start = 0; start < rows; ) {
      this.check();
      if (!this.ring.isFree(this.ring.nextEntry)) {
        if (!(await this.addOne())) await this.untilFree(this.ring.nextEntry);
        continue;
      }
      const [first, count] = [start, Math.min(this.stretchRows(false, rows - start), rows - start)];
      this.handOver(layout, columns, first, count, (from, some) => addHere(first + from, some));
      start += count;
    }
  }

  /** Copies rows for the others, a stretch at a time, and adds some here while they have enough to do. */
  private async shareCopies(rows: number, columns: readonly NamedData[], layoutOf: () => number, addHere: AddHere): Promise<void> {
    let layout: number | undefined;
    let sinceTurn = 0;
    for (let start = 0; start < rows; ) {
      this.check();
      let count = Math.min(this.stretchRows(true, rows - start), rows - start);
      if (!this.fewCount() && this.othersWant()) {
        layout ??= layoutOf();
        this.handOver(layout, columns, start, count, undefined);
      } else {
        await this.beginHere();
        count = this.ownPace.next(count);
        addHere(start, count);
        sinceTurn = stretchesPerTurn;
      }
      start += count;
      if (++sinceTurn < stretchesPerTurn) continue;
      sinceTurn = 0;
      await nextTurn();
    }
  }

  /** Begins the aggregations of this thread, each of which takes long the first time. */
  private async beginHere(): Promise<void> {
    if (this.own !== undefined) return;
    await nextTurn();
    this.ownAggregations();
    await nextTurn();
  }

  /** How many of the rows that are left are given out next. */
  private stretchRows(isCopied: boolean, left: number): number {
    if (this.options.rare?.stretchRows !== undefined) return this.options.rare.stretchRows;
    if (isCopied) return stretchRowsCopied;
    const { least, most } = stretchRowsInPlace;
    return Math.min(most, Math.max(least, Math.ceil(left / (this.threads * stretchesEach * least)) * least));
  }

  /** Whether most rows are left out by the range of time: to copy those for others costs more than to pass over them. */
  private fewCount(): boolean {
    if (!this.isRanged) return false;
    return this.own === undefined || this.own.every(({ rowsInRange, rowsDroppedNullKey, rowsSeen }) => (rowsInRange + rowsDroppedNullKey) * selective <= rowsSeen);
  }

  /** Whether a thread of the pool would soon be without work. */
  private othersWant(): boolean {
    const listening = this.members.filter(({ begun, worker }) => begun && worker.alive).length;
    return this.ring.waiting < listening * stretchesAhead && this.ring.isFree(this.ring.nextEntry);
  }

  /** Copies rows to where the threads of the pool take them from. */
  private handOver(layout: number, columns: readonly NamedData[], start: number, rows: number, addHere: AddHere | undefined): void {
    this.openStreams();
    for (const entry of this.underWay.keys()) if (this.ring.isFree(entry)) this.giveBack(entry);
    const { record, free } = this.team.instance.guard(() => this.packer.pack(layout, columns, start, rows));
    this.underWay.set(this.ring.nextEntry, { free, rows, addHere });
    this.ring.put(record);
  }

  /** Adds here the next stretch that nobody has begun; false where there is none, or rows were copied, which no longer stand where they were. */
  private async addOne(): Promise<boolean> {
    this.openStreams();
    const isInPlace = [...this.underWay.values()].every(({ addHere }) => addHere !== undefined);
    const taken = isInPlace ? this.ring.tryTake() : undefined;
    if (taken === undefined) return false;
    const { addHere, rows } = this.underWay.get(taken.entry)!;
    try {
      await this.beginHere();
      for (let start = 0, count = 0; start < rows; start += count) {
        count = this.ownPace.next(rows - start);
        addHere!(start, count);
        await nextTurn();
        this.check();
      }
    } finally {
      this.ring.done(taken.entry);
    }
    return true;
  }

  private giveBack(entry: number): void {
    this.underWay.get(entry)?.free();
    this.underWay.delete(entry);
  }

  /** Waits until an entry of the ring is free, and gives back what was under way there. */
  private async untilFree(entry: number): Promise<void> {
    while (!this.ring.isFree(entry)) {
      this.openStreams();
      await this.ring.untilFree(entry);
      this.check();
    }
    this.giveBack(entry);
  }

  private openStreams(): void {
    for (const member of this.members) {
      if (member.streaming || !member.begun || !member.worker.alive) continue;
      member.streaming = true;
      const streaming = this.ask(member, async () => {
        member.described = await member.worker.call('stream', { job: this.job });
      });
      void streaming.then(() => {
        member.streaming = false;
        if (this.ring.waiting > 0 && this.failure === undefined && this.closing === undefined) this.openStreams();
      });
    }
  }

  /** The number of a layout; those who read batches hear of a new one before the first batch of it. */
  private layoutOf(columns: readonly NamedData[], types: readonly DataType[], states: BatchLayout['states']): number {
    const layout = this.packer.layoutOf(columns);
    const key = JSON.stringify([layout, states], (_, value: unknown) => (typeof value === 'bigint' ? `${value}` : value));
    let id = this.layouts.get(key);
    if (id === undefined) {
      this.layouts.set(key, (id = this.layouts.size));
      const schema = new Schema(columns.map(({ name }, i) => new Field(name, types[i]!, true)));
      this.known.push({ id, columns: layout, schema: streamOfSchema(schema), states });
      for (const member of this.members) if (member.begun) this.tellLayout(member, this.known.at(-1)!);
    }
    return id;
  }

  private tellLayout({ worker }: Member, layout: BatchLayout): void {
    worker.tell({ kind: 'layout', job: this.job, ...layout });
  }

  private ownAggregations(): Aggregation[] {
    this.own ??= this.plans.map((_, i) => this.ownAggregation(i));
    return this.own;
  }

  private ownAggregation(plan: number): Aggregation {
    return Aggregation.create(this.plans[plan]!, this.schema, this.options, this.team.instance, this.asideCells + plan * 4);
  }

  /**
   * Threads are told of some units at a time and take them by themselves, an index in the memory telling the next. `fetchHere` adds the rows of
   * one on this thread, which does so for as long as no other listens.
   */
  async addUnits(units: readonly RowUnit[], onRows: ((rows: number) => void) | undefined, fetchHere: (unit: RowUnit) => Promise<void>): Promise<void> {
    // Whoever waits for batches would not hear of units.
    if (this.members.some(({ streaming }) => streaming)) await this.quiet();
    this.enlist(this.threads);
    const some = Array.from({ length: Math.ceil(units.length / unitsAtOnce) }, (_, i) => units.slice(i * unitsAtOnce, (i + 1) * unitsAtOnce));
    const { instance } = this.team;
    const bytes = 4 * some.length;
    const next = instance.guard(() => instance.kernels.allocZeroed(bytes) >>> 0);
    const indexes = new Int32Array(instance.view8(next, bytes).buffer, next, some.length);
    const left = (): number => some.findIndex(({ length }, i) => Atomics.load(indexes, i) < length);
    const told = new Map<Member, number>();
    for (let first = left(); first >= 0; first = left()) {
      this.check();
      const alive = this.members.filter(({ worker }) => worker.alive);
      for (const member of alive.filter(({ begun }) => begun)) {
        for (let i = Math.max(first, told.get(member) ?? 0); member.ahead < unitsAhead && i < some.length; i++) {
          told.set(member, i + 1);
          void this.ask(member, async () => {
            member.described = await member.worker.call('units', { job: this.job, units: some[i]!, next: next + 4 * i }, onRows);
          });
        }
      }
      if (alive.some(({ worker }) => worker.ready)) {
        await this.change();
        continue;
      }
      const unit = some[first]![Atomics.add(indexes, first, 1)];
      if (unit !== undefined) await fetchHere(unit);
      await this.quiet();
    }
    await this.quiet();
    instance.kernels.free(next, bytes);
  }

  /** Waits until all that was given out is done. */
  private async quiet(): Promise<void> {
    while (await this.addOne());
    // Whoever takes batches leaves once there are none: to hear of that is to hear that they are done with.
    this.ring.closed = true;
    // They settle what waits in them as they leave; so does this thread, meanwhile.
    for (const aggregation of this.own ?? []) aggregation.settle();
    await this.untilAnswered();
    for (const entry of [...this.underWay.keys()]) await this.untilFree(entry);
    await this.untilAnswered();
    this.ring.closed = false;
    this.check();
  }

  private async untilAnswered(): Promise<void> {
    while (this.members.some(({ ahead, begun }) => begun && ahead > 0)) {
      this.check();
      await this.change();
    }
  }

  /** What has become of the rows so far, one table for each plan. */
  async answers(what: Answered): Promise<Table[]> {
    await this.quiet();
    const members = this.members.filter(({ begun, worker }) => begun && worker.alive);
    let { described, own, all } = await this.describe(members);
    if (await this.drainWhatMust(members, all)) ({ described, own, all } = await this.describe(members));
    this.counters = this.plans.map((_, i) => countersOf(all.map((each) => each[i]!)));
    const isLittle = ({ groups, aside }: AggregationMemory, groupsMax: number): boolean => groups <= groupsMax && aside === undefined;
    const isHere = described.every((memories) => memories.every((memory) => isLittle(memory, 0))) && (own?.every((memory) => isLittle(memory, groupsHere)) ?? false);
    if (members.length === 0 || isHere) {
      return Promise.all(this.ownAggregations().map((aggregation, i) => answerHere(aggregation, this.readerHere(i), what, () => this.turn())));
    }
    return Promise.all(
      this.plans.map(async (plan, i) => {
        const cut = all.map((each) => each[i]!.aside?.cut).find((each) => each !== undefined);
        const inParts = cut === undefined ? this.partsOf(i, all) : cut.bounds.length + 1;
        if (cut !== undefined || inParts > 1) return this.answerInParts(i, members, all.map((each) => each[i]!), cut ?? inParts, what);
        const memories = described.map((each) => each[i]!);
        // The last plan is for this thread, once others have theirs.
        if (own !== undefined && i === this.plans.length - 1 && this.isQuick(i, all)) return this.answerHere(i, members, memories, what);
        const target = members[largest(memories.map(({ groups }) => groups), i)]!;
        const others = [...memories.filter((_, m) => members[m] !== target), ...(own === undefined ? [] : [own[i]!])].filter(({ groups }) => groups > 0);
        const answering = target.worker.call('answer', { job: this.job, plan: i, others, what });
        const schema = this.schemaOf(plan, what);
        const packed = await answering;
        // Who had no groups keeps what it counted.
        for (const [m, member] of members.entries()) if (member !== target && memories[m]!.groups > 0) member.taken.add(i);
        if (own !== undefined && own[i]!.groups > 0) this.own![i] = this.ownAggregation(i);
        return unpackTable(schema, packed);
      }),
    );
  }

  /** Whether this thread merges and reads out a plan in a few milliseconds. */
  private isQuick(plan: number, all: readonly (readonly AggregationMemory[])[]): boolean {
    const memories = all.map((each) => each[plan]!).filter(({ groups }) => groups > 0);
    return memories.every(({ groups, grouper }) => groups <= groupsHere && grouper.isInOrder) && this.ownAggregations()[plan]!.isCuttable;
  }

  /** Takes over what others have of a plan, and answers. */
  private answerHere(plan: number, members: readonly Member[], memories: readonly AggregationMemory[], what: Answered): Promise<Table> {
    const aggregation = this.ownAggregations()[plan]!;
    for (const [m, memory] of memories.entries()) {
      if (memory.groups === 0) continue;
      aggregation.merge(memory);
      members[m]!.taken.add(plan);
    }
    return inTurns(aggregation.answering(what), () => this.turn());
  }

  /** What each thread has, of each plan. */
  private async describe(members: readonly Member[]) {
    const describing = Promise.all(members.map((member) => {
      const { described: known } = member;
      // Good for once: whoever asks may be about to change it.
      member.described = undefined;
      this.beginAgain(member);
      return known ?? member.worker.call('describe', { job: this.job });
    }));
    // Should this thread fail first, what becomes of the others does not matter.
    void describing.catch(() => undefined);
    // Whoever is asked does what is left to do before (`Aggregation.memory`): all threads at the same time.
    const own = this.own?.map((aggregation) => aggregation.memory);
    const described = await describing;
    return { described, own, all: [...described, ...(own === undefined ? [] : [own])] };
  }

  /** Has rows grouped that were put aside and cannot be read in parts; whether there were any. */
  private async drainWhatMust(members: readonly Member[], all: readonly (readonly AggregationMemory[])[]): Promise<boolean> {
    if (all.every((memories) => memories.every(({ aside }) => aside === undefined))) return false;
    const plans = this.plans.flatMap((_, i) => (mustDrain(all.map((each) => each[i]!), this.ownAggregations()[i]!) ? [i] : []));
    for (const plan of plans) {
      const drained = members.map(({ worker }) => worker.call('drain', { job: this.job, plan }));
      this.ownAggregations()[plan]!.drain();
      await Promise.all(drained);
    }
    return plans.length > 0;
  }

  /** What all threads have, brought together by this one. Nothing can be added any more. */
  async intoAggregations(): Promise<readonly Aggregation[]> {
    await this.quiet();
    const { described } = await this.describe(this.members.filter(({ begun, worker }) => begun && worker.alive));
    const own = this.ownAggregations();
    this.counters = own.map((aggregation, i) => countersOf([aggregation, ...described.map((memories) => memories[i]!)]));
    for (const memories of described) {
      for (const [i, memory] of memories.entries()) if (memory.groups > 0 || memory.nearest !== 0) own[i]!.merge(memory);
      await nextTurn();
    }
    return own;
  }

  /** The answers of labels by all threads, of a run of one plan with moments; undefined where they are not to be had so. Nothing can be added any more. */
  async answerLabels(questions: readonly Question[]): Promise<Answers | undefined> {
    await this.quiet();
    const members = this.members.filter(({ begun, worker }) => begun && worker.alive);
    const labels = labelsOf(questions[0]!);
    if (labels < this.labelsLeast || members.length === 0) return undefined;
    const { described } = await this.describe(members);
    const [own] = this.ownAggregations();
    const asked = own!.askedLabels(described.map(([memory]) => memory!), questions);
    if (asked === undefined) return undefined;
    this.counters = [countersOf([own!, ...described.map(([memory]) => memory!)])];
    const { source } = asked;
    const pieces = someAtATime(asked.labels, Math.min(labelsAtOnce, Math.ceil(labels / this.threads)));
    const schema = answersSchema(this.plans[0]!, this.schema, source.kind === 'ascending' ? [] : questions);
    const lanes = members.map(({ worker }) => async (piece: SomeLabels): Promise<SomeAnswers> => {
      const { table, labelsKnown } = await worker.call('labels', { job: this.job, source, labels: piece });
      return { columns: unpackTable(schema, table).batches[0]!.data.children as Data[], labelsKnown };
    });
    lanes.push(async (piece) => {
      await this.turn();
      return own!.answerSome(source, piece);
    });
    return own!.allAnswers(source, questions, await sharedOut(pieces, lanes));
  }

  private get labelsLeast(): number {
    return this.options.rare?.stretchRows === undefined ? labelsForThreads : 1;
  }

  private schemaOf(plan: GroupByPlan, what: Answered): Schema {
    return what === 'finish' ? resultSchema(bindPlan(plan, this.schema)) : statesSchema(plan, this.schema);
  }

  /** In how many parts a plan is answered; one where it is not worth it, or cannot be. */
  private partsOf(plan: number, all: readonly (readonly AggregationMemory[])[]): number {
    const groups = all.reduce((sum, memories) => sum + memories[plan]!.groups, 0);
    const { from, groups: each } = this.options.rare?.stretchRows === undefined ? partedDefault : { from: 2, groups: 2 };
    if (groups < from) return 1;
    return this.ownAggregations()[plan]!.isCuttable ? Math.min(Math.ceil(groups / each), partsMax) : 1;
  }

  private readerHere(plan: number): PartReader {
    return new PartReader(this.team.instance, this.plans[plan]!, this.schema, this.options);
  }

  private async turn(): Promise<void> {
    await nextTurn();
    this.check();
  }

  /** Whoever has time takes the next part. `wanted`: how to cut, or in how many parts. */
  private async answerInParts(plan: number, members: readonly Member[], all: readonly AggregationMemory[], wanted: Cut | number, what: Answered): Promise<Table> {
    const { job } = this;
    const cut = typeof wanted === 'number' ? await members[0]!.worker.call('cut', { job, plan, all, parts: wanted }) : wanted;
    const parts = cut.bounds.length + 1;
    const split = await Promise.all(
      all.map((memory, i) => (memory.groups === 0 ? noGroups(memory, parts) : members[i % members.length]!.worker.call('split', { job, plan, memory, cut }))),
    );
    const schema = this.schemaOf(this.plans[plan]!, what);
    const tables: Table[] = [];
    const failures = new Map<number, unknown>();
    let next = 0;
    const takeParts = async (read: (groups: readonly PartOfGroups[]) => Promise<Table>): Promise<void> => {
      while (next < parts && failures.size === 0) {
        const part = next++;
        try {
          this.check();
          tables[part] = await read(split.map((groups) => partOf(groups, part)));
        } catch (error) {
          failures.set(part, error);
        }
      }
    };
    const lanes = members.flatMap(({ worker }) => Array<PoolWorker>(partsAhead).fill(worker)).map((worker) =>
      takeParts(async (groups) => unpackTable(schema, await worker.call('part', { job, plan, groups, what }))),
    );
    if (members.length < this.threads) {
      const reader = this.readerHere(plan);
      lanes.push(takeParts(async (groups) => {
        await nextTurn();
        return inTurns(reader.reading(groups, what), () => this.turn());
      }));
    }
    await Promise.all(lanes);
    // Of several errors the one of the least keys, as one thread would have it.
    if (failures.size > 0) throw failures.get(Math.min(...failures.keys()));
    return tableOfParts(schema, tables);
  }

  private cancel(): void {
    for (const { worker, begun } of this.members) if (begun) worker.tell({ kind: 'cancel', job: this.job });
    this.wake();
  }

  close(): Promise<void> {
    this.closing ??= this.end();
    return this.closing;
  }

  private async end(): Promise<void> {
    this.signal?.removeEventListener('abort', this.onAbort);
    const { job, team } = this;
    this.ring.closed = true;
    const begun = this.members.filter(({ worker }) => worker.alive);
    // Where all was answered nobody is at work in the memory, which may be used again before threads have heard of the end.
    const isIdle = begun.every(({ worker }) => worker.pending === 0);
    if (!isIdle) this.cancel();
    const ending = Promise.allSettled(begun.map(({ worker }) => (worker.ready ? worker.call('end', { job }) : undefined)));
    const ended = isIdle ? [] : await ending;
    const sound = this.failure === undefined && ended.every(({ status }) => status === 'fulfilled') && this.members.every(({ worker }) => worker.alive);
    giveBackMemory(team, sound);
  }
}

/** The plan with its moments where all threads find them. */
function placedPlan(plan: GroupByPlan, instance: Instance, { coarse }: AggregationOptions): GroupByPlan {
  const { moments, timestamp } = plan;
  if (moments === undefined) return plan;
  return { ...plan, moments: { ...moments, at: instance.guard(() => placeMoments(instance, moments, coarse?.get(timestamp!))) } };
}

/** The columns that labels are answered by, of each question in turn. */
function answersSchema(plan: GroupByPlan, schema: Schema, questions: readonly Question[]): Schema {
  const { values } = bindPlan(plan, schema);
  const typeOf = ({ column, aggregation }: OutputColumn): DataType => outputType(aggregation, values.find(({ name }) => name === column)!.type);
  return new Schema(questions.flatMap(({ outputs }) => outputs.map((output) => new Field(output.name, typeOf(output), true))));
}

/** Calls lanes with one piece after the other, each with the next as soon as it is done with one. Of several errors the one of the first piece is thrown. */
async function sharedOut<Piece, Answer>(pieces: readonly Piece[], lanes: readonly ((piece: Piece) => Promise<Answer>)[]): Promise<Answer[]> {
  const answers: Answer[] = [];
  const failures = new Map<number, unknown>();
  let next = 0;
  await Promise.all(lanes.map(async (lane) => {
    while (next < pieces.length && failures.size === 0) {
      const piece = next++;
      try {
        answers[piece] = await lane(pieces[piece]!);
      } catch (error) {
        failures.set(piece, error);
      }
    }
  }));
  if (failures.size > 0) throw failures.get(Math.min(...failures.keys()));
  return answers;
}

/** The position of the greatest number; of equal ones the `turn`-th, so that several plans are answered side by side. */
function largest(numbers: readonly number[], turn: number): number {
  const most = Math.max(...numbers);
  const near = numbers.flatMap((number, i) => (number * 2 >= most ? [i] : []));
  return near[turn % near.length]!;
}

function countersOf(memories: readonly Counters[]): Counters {
  const sum = (name: keyof Counters): number => memories.reduce((total, memory) => total + memory[name], 0);
  return { rowsSeen: sum('rowsSeen'), rowsDroppedNullKey: sum('rowsDroppedNullKey'), rowsInRange: sum('rowsInRange') };
}
