/**
 * The schema of a Delta table for reading: its flat columns as Arrow has them, the others and why they are passed over, and
 * what the files call them (column mapping by name, or by field id). Pure.
 */
import { type DataType, Field, Schema } from '../../arrow/arrow.ts';
import { DamagedFileError, UnsupportedError } from '../../base/errors.ts';
import { holdsAll } from '../conform.ts';
import type { Metadata } from './write-actions.ts';
import { schemaFields, tryArrowType } from './write-schema.ts';

export interface TableSchema {
  readonly schema: Schema;
  readonly passedOver: readonly { readonly column: string; readonly why: string }[];
  /** By the table's name; absent: files have the same names. */
  readonly rename: ReadonlyMap<string, string | number> | undefined;
  /** What partition values and statistics call a column. */
  readonly physicalName: (column: string) => string;
}

const nestedKinds: ReadonlySet<unknown> = new Set(['struct', 'array', 'map']);

/** Throws UnsupportedError for a column of a type that nobody knows. */
export function tableSchemaOf(table: string, { schemaString, configuration }: Metadata): TableSchema {
  const mode = configuration['delta.columnMapping.mode'] ?? 'none';
  if (!['none', 'name', 'id'].includes(mode)) throw new UnsupportedError(table, `column mapping by ${mode}`, 'the table maps its columns in a way that this library does not know');
  const fields: Field[] = [];
  const passedOver: { column: string; why: string }[] = [];
  const rename = new Map<string, string | number>();
  const physical = new Map<string, string>();
  const names = new Map<string, string>();
  for (const field of schemaFields(table, schemaString)) {
    const { name, type, nullable } = field;
    const twin = names.get(name.toLowerCase());
    if (twin !== undefined) throw new DamagedFileError(table, `the schema in its log has two columns ${twin} and ${name}, which Delta does not tell apart`);
    names.set(name.toLowerCase(), name);
    if (mode !== 'none') {
      const told = field.metadata?.['delta.columnMapping.physicalName'];
      const id = field.metadata?.['delta.columnMapping.id'];
      if (typeof told !== 'string' || (mode === 'id' && typeof id !== 'number')) throw new DamagedFileError(table, `the table maps columns by ${mode}, but its schema does not say to what it maps ${name}`);
      physical.set(name, told);
      rename.set(name, mode === 'id' ? (id as number) : told);
    }
    const kind = typeof type === 'object' && type !== null ? (type as { readonly type?: unknown }).type : type;
    const arrow: DataType | undefined = typeof kind === 'string' && kind === type ? tryArrowType(kind) : undefined;
    if (arrow !== undefined) {
      checkTypeChanges(`${table}, column ${name}`, field.metadata?.['delta.typeChanges']);
      fields.push(new Field(name, arrow, nullable));
    } else if (nestedKinds.has(kind)) passedOver.push({ column: name, why: `columns of type ${String(kind)} are not read` });
    else throw new UnsupportedError(`${table}, column ${name}`, 'type', `is of type ${JSON.stringify(type)}, which this library does not read`);
  }
  return { schema: new Schema(fields), passedOver, rename: mode === 'none' ? undefined : rename, physicalName: (column) => physical.get(column) ?? column };
}

/** Files from before a change have the type of then; a change that we do not know would be read as something else. */
function checkTypeChanges(where: string, changes: unknown): void {
  for (const change of Array.isArray(changes) ? changes : changes === undefined ? [] : [changes]) {
    const { fromType, toType } = (change ?? {}) as { readonly fromType?: unknown; readonly toType?: unknown };
    const [from, to] = [fromType, toType].map((type) => (typeof type === 'string' ? tryArrowType(type) : undefined));
    if (from !== undefined && to !== undefined && holdsAll(to, from)) continue;
    throw new UnsupportedError(where, 'type widening', `was changed from ${JSON.stringify(fromType)} to ${JSON.stringify(toType)}, which is not among the changes that Delta's protocol lists`);
  }
}
