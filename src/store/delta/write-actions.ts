/** The actions that we write to a Delta log, as its protocol names their fields. Numbers are whole and exact. */
import type { DeletionVector } from './deletion-vector.ts';

export type Strings = Readonly<Record<string, string | null>>;

export interface Protocol {
  readonly minReaderVersion: number;
  readonly minWriterVersion: number;
  readonly readerFeatures?: readonly string[] | undefined;
  readonly writerFeatures?: readonly string[] | undefined;
}

export interface Metadata {
  readonly id: string;
  readonly name?: string | undefined;
  readonly description?: string | undefined;
  readonly format: { readonly provider: string; readonly options: Strings };
  readonly schemaString: string;
  readonly partitionColumns: readonly string[];
  readonly configuration: Readonly<Record<string, string>>;
  readonly createdTime?: number | undefined;
}

export interface Transaction {
  readonly appId: string;
  readonly version: number;
  readonly lastUpdated?: number | undefined;
}

export interface AddFile {
  /** As it stands in the folder; the log has it as a URI. */
  readonly path: string;
  readonly partitionValues: Strings;
  readonly size: number;
  readonly modificationTime: number;
  readonly dataChange: boolean;
  readonly stats?: string | undefined;
  readonly tags?: Strings | undefined;
  readonly deletionVector?: DeletionVector | undefined;
}

export interface RemoveFile {
  readonly path: string;
  readonly deletionTimestamp?: number | undefined;
  readonly dataChange: boolean;
  readonly partitionValues?: Strings | undefined;
  readonly size?: number | undefined;
  readonly deletionVector?: DeletionVector | undefined;
}
