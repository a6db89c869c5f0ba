/** Where a set's rows come from: a table registered in code, or a table of the silver or gold layer. */
import type { Table } from '../arrow/arrow.ts';
import type { FeatureSetDefinition, ProjectConfig } from '../config/definition.ts';
import { bytesAt, type StorageOptions } from '../store/bytes-at.ts';
import { memoryTable } from '../store/memory-table.ts';
import { openSource } from '../store/source.ts';
import type { ReadableTable } from '../store/table.ts';

export class Sources {
  private readonly registered = new Map<string, ReadableTable>();
  private readonly opened = new Map<string, ReadableTable>();

  constructor(
    private readonly config: ProjectConfig,
    private readonly storage: StorageOptions = {},
  ) {}

  register(name: string, table: Table): void {
    this.registered.set(name, memoryTable(name, table));
  }

  /** The table of a definition's source. A registered table goes before one of a layer; `silver.x` names the layer's. */
  of(source: FeatureSetDefinition['source']): ReadableTable {
    const inMemory = source.layer === undefined ? this.registered.get(source.table) : undefined;
    if (inMemory !== undefined) return inMemory;
    const layer = source.layer ?? this.config.sourceSchema;
    const folder = this.config.layers[layer];
    const path = `${folder}/${source.table}`;
    let table = this.opened.get(path);
    if (table === undefined) {
      table = openSource(bytesAt(folder, this.storage), source.table);
      this.opened.set(path, table);
    }
    return table;
  }
}
