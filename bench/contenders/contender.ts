/** What a question needs of whoever takes part. Loading is not timed; the data then lie in a layout of their own. */
import type { Question } from '../questions.ts';
import type { Answer } from '../support/answer.ts';
import type { Dataset } from '../support/dataset.ts';

export interface Contender {
  /** What is timed: answers the question, keeps the whole answer in memory. */
  run(): Promise<unknown>;
  /** Answers once more, to be checked. */
  answer(): Promise<Answer>;
  close(): Promise<void>;
  /** Takes seconds: gets fewer rounds, and no run to warm up but the one that was checked. */
  readonly isSlow?: boolean;
}

/** Where the rows are: of a question in memory, the dataset; from Parquet, a file `<folder>/data/silver/<table>.parquet`. */
export interface Place {
  readonly question: Question;
  readonly dataset: Dataset;
  readonly folder: string;
  readonly table: string;
}

export const parquetPath = ({ folder, table }: Pick<Place, 'folder' | 'table'>): string => `${folder}/data/silver/${table}.parquet`;

/** Takes part, or says why not. */
export type Open = (place: Place) => Promise<Contender | { readonly absent: string }>;
