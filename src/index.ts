/** The public surface. What it re-exports is light: apache-arrow, zod, yaml and the floors are loaded when they are first needed. */
export { FeatureStore, type MaterializeCallOptions, type MaterializeResult, type OpenOptions } from './modes/feature-store.ts';
export type { FeatureAnswer } from './modes/read.ts';
export type { FeatureOptions } from './modes/request.ts';
export type { Road, WeighedRoad } from './modes/decide.ts';
export type { Explanation } from './modes/explain.ts';
export type { FeatureSetStatus } from './modes/status.ts';
export type { Progress } from './modes/compute.ts';
export type { TrainingSet, TrainingSource } from './modes/training-set.ts';
export type { SetExplanation, TrainingExplanation } from './modes/training/explain.ts';
export type { TrainingRoad } from './modes/training/roads.ts';
export type { TrainingSetOptions } from './modes/training/request.ts';
export type { SavedTrainingSet, TrainingMakings, TrainingSetStatus } from './modes/training/saved.ts';
export type { WriteMode } from './modes/write.ts';
export { NotMaterializedError, StaleError } from './modes/errors.ts';
export type { OpenedTable, ReadOptions } from './modes/open-table.ts';
export { filterTimeRange, groupBy, loadProject, openTable, residentTable, writeTable } from './modes/surface.ts';
export type { Agg, AggSpec } from './engine/plan.ts';
export type { GroupByOptions } from './engine/group-by.ts';
export { type FeatureColumns, featureSet, type FeatureSetInput, type TypedFeatureSet } from './config/feature-set.ts';
export { AggregatedFrame, type ComputeFunction, Frame } from './config/frame.ts';
export {
  type FeatureSetDefinition, type InputDefinition, type Mode, type NodeDefinition, type ProjectConfig, resultColumns, type StorageFormat, windowedOutputs,
} from './config/definition.ts';
export { configurationJsonSchema } from './config/schema.ts';
export type { S3Options } from './store/s3/client.ts';
export type { S3Credentials, S3CredentialsProvider } from './store/s3/credentials.ts';
export { encodeParquet } from './store/parquet/encode.ts';
export { encodeOrc } from './store/orc/encode.ts';
export type { OpenTableOptions, WriteTableOptions } from './store/open-table.ts';
export type { ScanPlan } from './store/table.ts';
export { col, type Condition, type Expression, formatExpression } from './arrow/expression.ts';
export { tablesEqual } from './arrow/canonical.ts';
export { toRows } from './arrow/values.ts';
export type { Instant, TimeRange, TimeRangeInput } from './base/time.ts';
export * from './base/errors.ts';
