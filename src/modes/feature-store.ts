/**
 * The store as users meet it: opens a project, knows its feature sets, and hands each call to the floor it belongs to.
 *
 * The outermost caller: the only place that asks for the time, and the one where options become requests.
 */
import type { Table } from '../arrow/arrow.ts';
import { ArgumentError, NotFoundError } from '../base/errors.ts';
import { checkName, didYouMean } from '../base/names.ts';
import { type Instant, parseInstant } from '../base/time.ts';
import type { FeatureSetDefinition, InputDefinition, NodeDefinition, ProjectConfig } from '../config/definition.ts';
import type { StorageOptions } from '../store/bytes-at.ts';
import type { S3Options } from '../store/s3/client.ts';
import type { FileLimits } from '../store/staging.ts';
import type { Compaction, OwnTable } from '../store/table.ts';
import type { Progress, RunOptions } from './compute.ts';
import type { Explanation } from './explain.ts';
import type { FeatureCache } from './feature-cache.ts';
import type { MaterializeOutcome } from './materialize.ts';
import type { FeatureAnswer, ReadContext } from './read.ts';
import type { PolicyKeeper } from './policy/keeper.ts';
import type { FeatureOptions, planRead } from './request.ts';
import type { Sources } from './sources.ts';
import type { FeatureSetStatus } from './status.ts';
import type { FeatureTables } from './storage.ts';
import type { TrainingExplanation } from './training/explain.ts';
import type { SavedTrainingSet, TrainingSetStatus } from './training/saved.ts';
import type { TrainingContext, TrainingSet } from './training-set.ts';
import type { TrainingSetOptions } from './training/request.ts';
import type { WriteMode } from './write.ts';

/** Set by `FeatureStore.open`, and there is no other way to a store. */
let work: typeof import('./work.ts');

export interface OpenOptions {
  /** The clock; by default the system's. */
  readonly now?: () => Date;
  /** How many threads compute; by default as many as the machine runs at once. */
  readonly threads?: number;
  /** Bytes that one computation may hold in its tables of groups. */
  readonly memoryLimit?: number;
  /** Bytes of stored features that are kept in memory once they were read; by default 256 MiB. */
  readonly cacheBytes?: number;
  /** Stops whatever the store is doing. */
  readonly signal?: AbortSignal;
  /** Hears a line about what is done that nobody asked for. */
  readonly logger?: (line: string) => void;
  /** What `${NAME}` in the configuration reads; by default the process's environment. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** How `s3://` paths are reached; by default as AWS_REGION, AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID and their like say. */
  readonly s3?: S3Options;
  /** Whether hybrid reads materialize in the background what they keep paying for; by default as the configuration says. */
  readonly backgroundMaterialization?: boolean;
  /** Where relative paths start when the configuration is an object; by default the working directory. */
  readonly folder?: string;
}

export interface MaterializeResult extends MaterializeOutcome {
  readonly featureSet: string;
  readonly elapsedMs: number;
}

export interface MaterializeCallOptions {
  /** Computes even when nothing has changed. */
  readonly full?: boolean;
  /** Only events before this instant, and windows that end at it. */
  readonly asOf?: Instant;
  readonly onProgress?: (progress: Progress) => void;
  readonly signal?: AbortSignal;
}

/** Rows of a row group: what is read at least to find one entity. */
const featurePartRows = 1 << 14;

const cacheBytesDefault = 256 * 1024 * 1024;

/** An embedded feature store over one project. */
export class FeatureStore {
  private readonly definitions = new Map<string, FeatureSetDefinition>();
  private readonly tables = new Map<string, FeatureTables>();
  private readonly sources: Sources;
  private readonly storage: StorageOptions;
  private readonly keeper: PolicyKeeper;
  private readonly cache: FeatureCache;

  private constructor(
    readonly config: ProjectConfig,
    private readonly options: OpenOptions,
  ) {
    this.storage = { s3: options.s3, env: options.env };
    this.cache = new work.FeatureCache(options.cacheBytes ?? cacheBytesDefault);
    this.sources = new work.Sources(config, this.storage);
    for (const definition of config.featureSets) this.definitions.set(definition.name, definition);
    this.keeper = new work.PolicyKeeper({
      clocks: { now: () => this.now().getTime(), elapsed: () => performance.now() },
      random: Math.random,
      log: (line) => this.options.logger?.(line),
      background: options.backgroundMaterialization ?? config.backgroundMaterialization,
      budgetBytes: config.storageBudget,
      ...work.storedSetsOf(() => this.setTables()),
      bytesOf: (set) => work.bytesAt(this.folderOf(set), this.storage),
      materialize: (set, call) => this.rematerialize(set, call),
    });
  }

  /**
   * Opens a project: its folder (the parent of `config/`), its `global.yaml`, or an object of the same shape.
   * Throws ConfigurationError with file, line and column. Reads no data.
   */
  static async open(project: string | object, options: OpenOptions = {}): Promise<FeatureStore> {
    work ??= await import('./work.ts');
    const env = options.env ?? process.env;
    const config = typeof project === 'string'
      ? await work.loadProject(project, { env })
      : await work.projectFromObject(project, { folder: options.folder ?? process.cwd(), env });
    // Said when the store is opened, not at the first write: nothing is half-done by then.
    work.checkTableFormat(config.storageFormat, 'feature_store.storage_format');
    return new FeatureStore(config, options);
  }

  /** The names of the feature sets, in the order they were defined. */
  get featureSets(): readonly string[] {
    return [...this.definitions.keys()];
  }

  /** Makes an Arrow table a source under this name. Registering again replaces it. */
  registerSource(name: string, table: Table): void {
    this.sources.register(checkName(name, 'source'), table);
  }

  /** Adds a feature set, or replaces the one of that name. See `featureSet()`. */
  define(definition: FeatureSetDefinition): void {
    this.definitions.set(checkName(definition.name, 'feature set'), definition);
  }

  /** The definition of a set. Throws NotFoundError with the nearest name. */
  definition(name: string): FeatureSetDefinition {
    const definition = this.definitions.get(name);
    if (definition !== undefined) return definition;
    const names = this.featureSets;
    const known = names.length === 0 ? 'none is defined' : `there is ${names.join(', ')}`;
    throw new NotFoundError('feature set', name, `${known}${didYouMean(name, names)}`);
  }

  /** Computes a set from its source and stores it. Does nothing, and says so, when the source has not changed. */
  async materialize(name: string, options: MaterializeCallOptions = {}): Promise<MaterializeResult> {
    const definition = this.definition(name);
    if (definition.kind === 'written') {
      throw new ArgumentError('name', `feature set ${name} has no aggregations and no compute function; store its rows with store.write`);
    }
    if (options.asOf !== undefined && definition.timestamp === undefined) {
      throw new ArgumentError('asOf', `feature set ${name} names no event time`);
    }
    const run = this.run(options.signal);
    const started = performance.now();
    const source = await this.sources.of(definition.source).snapshot(run.signal === undefined ? {} : { signal: run.signal });
    const outcome = await work.materialize(definition, source, this.tablesOf(name), run, {
      full: options.full,
      asOfUs: options.asOf === undefined ? undefined : parseInstant(options.asOf, 'asOf'),
      nowUs: this.nowUs(),
      onProgress: options.onProgress,
    });
    const elapsedMs = performance.now() - started;
    if (outcome.changed) this.keeper.materialized(name, outcome, elapsedMs);
    return { featureSet: name, ...outcome, elapsedMs };
  }

  /** Features as an Arrow table, with what they are an answer to. */
  async getFeatures(name: string, options: FeatureOptions = {}): Promise<FeatureAnswer> {
    const { request, context } = this.prepare(name, options);
    if (request.mode !== 'hybrid' || request.definition.kind === 'written') return work.read(request, context);
    return this.keeper.during(name, () => work.readAndObserve(request, context, this.keeper));
  }

  /**
   * The labels, each with what was known at its moment: the row that `getFeatures` with `asOf` that moment has for its entity,
   * null where it has none. Computed from the sources, whatever the mode.
   *
   *   await store.getTrainingSet(labels, { features: ['spend:amount_sum', 'visits'], timestamp: 'decided_at' })
   */
  async getTrainingSet(labels: Table, options: TrainingSetOptions): Promise<TrainingSet> {
    const context = this.trainingContext(options?.signal);
    return work.trainingSet(await work.planOf(labels, options, context), context, options.onProgress);
  }

  /** What `getTrainingSet` would read and hold for the same question. Reads no rows of the sources. */
  async explainTrainingSet(labels: Table, options: TrainingSetOptions): Promise<TrainingExplanation> {
    return work.explainTraining(await work.planOf(labels, options, this.trainingContext(options?.signal)));
  }

  /**
   * A training set that is kept, with the definitions, source versions and options that it came from. Asked again for the same,
   * it gives the stored bits; where any of them has changed it is computed and stored anew, as a new version.
   */
  async saveTrainingSet(name: string, labels: Table, options: TrainingSetOptions): Promise<SavedTrainingSet> {
    const context = this.trainingContext(options?.signal);
    return work.saveTrainingSet(name, this.trainingTable(name), await work.planOf(labels, options, context), context, options.onProgress);
  }

  /** A training set that was saved, by default its newest version. */
  async loadTrainingSet(name: string, options: { readonly version?: number } = {}): Promise<SavedTrainingSet> {
    return work.loadTrainingSet(name, this.trainingTable(name), options.version, () => this.savedTrainingSets());
  }

  /** What is saved of a training set, or of all of them, and what each was made of. Reads no rows. */
  async trainingSetStatus(name?: string): Promise<TrainingSetStatus[]> {
    const found: TrainingSetStatus[] = [];
    for (const each of name === undefined ? await this.savedTrainingSets() : [name]) {
      const status = await work.statusOfTraining(each, this.trainingTable(each));
      if (status !== undefined) found.push(status);
    }
    return found;
  }

  private async savedTrainingSets(): Promise<readonly string[]> {
    return (await work.bytesAt(this.config.storagePath, this.storage).names(work.trainingFolder)) ?? [];
  }

  private trainingTable(name: string): OwnTable {
    const folder = `${this.config.storagePath}/${work.trainingFolder}/${checkName(name, 'training set')}`;
    return work.openWritable(work.bytesAt(folder, this.storage), '', this.config.storageFormat, { now: () => this.now().getTime() });
  }

  private trainingContext(signal: AbortSignal | undefined): TrainingContext {
    return {
      definitionOf: (name) => this.definition(name),
      sourceOf: (definition) => this.sources.of(definition.source),
      storedOf: async ({ name }) => ({ mode: this.config.mode, tables: this.tablesOf(name), throughputs: await this.keeper.throughputs(name) }),
      run: this.run(signal),
      now: () => this.now(),
    };
  }

  /** What `getFeatures` with the same options would do, and why, in words and as data. Reads no rows. */
  async explain(name: string, options: FeatureOptions = {}): Promise<Explanation> {
    const { request, context } = this.prepare(name, options);
    if (request.mode !== 'hybrid') return work.explanationOf(request, await work.gatherFacts(request, context), context);
    const throughputs = await this.keeper.throughputs(name);
    return work.explanationOf(request, await work.gatherFacts(request, { ...context, throughputs }, 'always'), context);
  }

  /** The Arrow table of one of the project's `inputs:`. */
  async loadInput(name: string): Promise<Table> {
    const input = this.config.inputs.find((candidate) => candidate.name === name);
    if (input !== undefined) return this.loadDefinedInput(input);
    const names = this.config.inputs.map((candidate) => candidate.name);
    throw new NotFoundError('input', name, `there is ${names.join(', ') || 'none'}${didYouMean(name, names)}`);
  }

  /** Every input of the project, by name. */
  async loadInputs(): Promise<Record<string, Table>> {
    const tables: Record<string, Table> = {};
    for (const input of this.config.inputs) tables[input.name] = await this.loadDefinedInput(input);
    return tables;
  }

  private async loadDefinedInput(input: InputDefinition): Promise<Table> {
    if (input.kind === 'feature_set') {
      const timeRange = input.timeRange === undefined ? {} : { timeRange: input.timeRange };
      return (await this.getFeatures(input.featureSet, timeRange)).table;
    }
    return this.readSource(input.source);
  }

  /** All rows of a source, by `name`, `silver.name` or `gold.name`. */
  private async readSource(text: string): Promise<Table> {
    const [layer, table] = text.includes('.') ? (text.split('.', 2) as ['silver' | 'gold', string]) : [undefined, text];
    const snapshot = await this.sources.of({ table, ...(layer !== undefined && { layer }) }).snapshot();
    const batches = [];
    for await (const batch of snapshot.scan()) batches.push(batch);
    return work.canonicalTable(snapshot.schema, batches);
  }

  /** Runs one of the project's `nodes:`: loads its inputs, calls its function, stores what it returns. */
  async runNode(name: string): Promise<{ readonly featureSet: string; readonly rows: number; readonly version: number }> {
    const nodes: readonly NodeDefinition[] = this.config.nodes;
    const node = nodes.find((candidate) => candidate.name === name);
    if (node === undefined) {
      const names = nodes.map((candidate) => candidate.name);
      throw new NotFoundError('node', name, `there is ${names.join(', ') || 'none'}${didYouMean(name, names)}`);
    }
    const inputs: Table[] = [];
    for (const input of node.inputs) inputs.push(await this.loadInput(input));
    const table = await work.runNode(node, this.definition(node.output.featureSet), inputs, this.config.folder, this.run(undefined));
    const { rows, version } = await this.write(node.output.featureSet, table, { mode: 'overwrite' });
    return { featureSet: node.output.featureSet, rows, version };
  }

  /** Stores rows that something else computed. `merge` replaces the rows of the entities that come again. */
  async write(name: string, table: Table, options: { readonly mode: WriteMode }): Promise<{ readonly rows: number; readonly version: number }> {
    return work.writeRows(this.definition(name), table, options.mode, this.tablesOf(name));
  }

  /** What is stored of a set, or of all of them, and how it stands to the source. */
  async status(name?: string): Promise<FeatureSetStatus[]> {
    const names = name === undefined ? this.featureSets : [name];
    const found: FeatureSetStatus[] = [];
    for (const each of names) {
      const status = await work.statusOf(this.definition(each), this.context(each, undefined));
      found.push({ ...status, detail: [...status.detail, ...(await this.keeper.detail(each))] });
    }
    return found;
  }

  /** Puts the small files together that many writes have left of a set's tiles and features; answers stay. Undefined: there was nothing to gain. */
  async compact(name: string, options: { readonly signal?: AbortSignal } = {}): Promise<Compaction | undefined> {
    this.definition(name);
    const { signal } = this.run(options.signal);
    return work.compactStored(this.tablesOf(name), signal === undefined ? {} : { signal });
  }

  /** Deletes the files of versions that nobody reads any more, and what writers that died left behind. */
  async vacuum(name: string, options: { readonly retentionMs?: number } = {}): Promise<{ readonly files: number; readonly bytes: number }> {
    this.definition(name);
    const { features, tiles } = this.tablesOf(name);
    const nowMs = this.now().getTime();
    const tilesVersion = (await work.readStored({ features }))?.facts.tilesVersion;
    const a = await features.vacuum({ ...options, nowMs });
    const b = await tiles.vacuum({ ...options, nowMs, ...(tilesVersion !== undefined && { keepVersion: tilesVersion }) });
    return { files: a.files + b.files, bytes: a.bytes + b.bytes };
  }

  /**
   * Lets go of what the store holds, when background work is done, or cancelled. Stored tables stay; the store cannot be used any
   * more.
   */
  async close(options: { readonly background?: 'wait' | 'cancel' } = {}): Promise<void> {
    await this.keeper.close(options.background ?? 'wait');
    this.definitions.clear();
    this.tables.clear();
    this.cache.clear();
  }

  private prepare(name: string, options: FeatureOptions): { request: ReturnType<typeof planRead>; context: ReadContext } {
    const definition = this.definition(name);
    const defaults = { mode: this.config.mode, nowUs: this.nowUs(), maxStalenessUs: this.config.maxStalenessUs };
    return { request: work.planRead(definition, options, defaults), context: this.context(name, options.signal) };
  }

  private context(name: string, signal: AbortSignal | undefined): ReadContext {
    const definition = this.definition(name);
    const source = definition.kind === 'written' ? undefined : this.sources.of(definition.source);
    return { source, tables: this.tablesOf(name), run: this.run(signal), now: () => this.now() };
  }

  private folderOf(name: string): string {
    return `${this.config.storagePath}/${checkName(name, 'feature set')}`;
  }

  /** The sets and their tables. Only where hybrid is the mode could the source answer instead of what is stored. */
  private setTables(): { readonly definition: FeatureSetDefinition; readonly tables: FeatureTables; readonly canGo: boolean }[] {
    return Array.from(this.definitions.values(), (definition) => ({
      definition, tables: this.tablesOf(definition.name), canGo: this.config.mode === 'hybrid' && definition.kind !== 'written',
    }));
  }

  /** What the keeper does in the background. */
  private async rematerialize(name: string, { full, signal }: { readonly full: boolean; readonly signal: AbortSignal }): Promise<MaterializeOutcome | undefined> {
    const definition = this.definition(name);
    const run = this.run(signal);
    const source = await this.sources.of(definition.source).snapshot({ signal: run.signal! });
    const outcome = await work.materialize(definition, source, this.tablesOf(name), run, { full, asOfUs: undefined, nowUs: this.nowUs() });
    return outcome.changed ? outcome : undefined;
  }

  private tablesOf(name: string): FeatureTables {
    let tables = this.tables.get(name);
    if (tables === undefined) {
      const folder = this.folderOf(name);
      const { storageFormat: format } = this.config;
      const open = (table: string, limits: FileLimits): OwnTable => work.openWritable(work.bytesAt(`${folder}/${table}`, this.storage), '', format, { now: () => this.now().getTime(), ...limits });
      tables = { format, features: open('features', { partRows: featurePartRows }), tiles: open('tiles', {}), cache: this.cache };
      this.tables.set(name, tables);
    }
    return tables;
  }

  private run(signal: AbortSignal | undefined): RunOptions {
    const signals = [signal, this.options.signal].filter((each) => each !== undefined);
    return {
      threads: this.options.threads,
      memoryLimit: this.options.memoryLimit,
      signal: signals.length > 1 ? AbortSignal.any(signals) : signals[0],
    };
  }

  private now(): Date {
    return this.options.now?.() ?? new Date();
  }

  private nowUs(): bigint {
    return BigInt(this.now().getTime()) * 1_000n;
  }
}
