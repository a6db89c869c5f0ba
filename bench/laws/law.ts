/** Things that must hold of time and memory whatever the rivals do. */
import type { Fact } from '../support/result.ts';

export interface Law {
  readonly name: string;
  readonly text: string;
  measure(options: { readonly toy: boolean; readonly folder: string }): Promise<Fact[]>;
}
