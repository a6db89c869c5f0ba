/** The question in SQL, for both DuckDBs. */
import type { Question } from '../questions.ts';
import { since } from '../support/dataset.ts';
import { keyColumns } from '../support/keys.ts';

/** `from` is a table, or what is one. The result's columns are the keys, then total, average, counted, newest. */
export function questionSql({ key, days }: Pick<Question, 'key' | 'days'>, from: string): string {
  const keys = keyColumns(key).map(({ name }) => name).join(', ');
  const filter = days === 'all' ? '' : ` WHERE date >= ${since.sql}`;
  return `SELECT ${keys}, sum(amount) AS total, avg(amount) AS average, count(amount) AS counted, max(date) AS newest FROM ${from}${filter} GROUP BY ${keys}`;
}

/** Everything in types that can be read at once: keys as INTEGER, BIGINT or VARCHAR, then DOUBLE, DOUBLE, BIGINT, BIGINT. */
export function answerSql(question: Pick<Question, 'key' | 'days'>, from: string): string {
  const keys = keyColumns(question.key).map(({ name, sqlType }) => (sqlType === 'customer_names' ? `${name}::VARCHAR` : name)).join(', ');
  return `SELECT ${keys}, total, average, counted, epoch_us(newest) FROM (${questionSql(question, from)})`;
}
