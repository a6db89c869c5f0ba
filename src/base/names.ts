/** Names that people type: the nearest right word for a wrong one, and names that are safe as parts of a path. */
import { ArgumentError } from './errors.ts';

/** The candidate that `word` was most likely meant to be, or undefined when none is near. */
export function nearestName(word: string, candidates: Iterable<string>): string | undefined {
  let best: string | undefined;
  let bestDistance = Math.max(2, Math.floor(word.length / 3)) + 1;
  for (const candidate of candidates) {
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase());
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  return best;
}

/** `; did you mean 'hybrid'?`, or nothing. For the end of a sentence that names what is allowed. */
export function didYouMean(word: string, candidates: Iterable<string>): string {
  const nearest = nearestName(word, candidates);
  return nearest === undefined ? '' : `; did you mean '${nearest}'?`;
}

/** The optimal string alignment distance: insertions, deletions, substitutions and swaps of neighbours. */
function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let row = 1; row <= a.length; row++) {
    const current = [row];
    for (let column = 1; column <= b.length; column++) {
      const same = a[row - 1] === b[column - 1];
      let distance = Math.min(last[column]! + 1, current[column - 1]! + 1, last[column - 1]! + (same ? 0 : 1));
      const swapped = row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1];
      if (swapped) distance = Math.min(distance, beforeLast[column - 2]! + 1);
      current.push(distance);
    }
    [beforeLast, last] = [last, current];
  }
  return last[b.length]!;
}

const safeName = /^[\p{L}\p{N}_][\p{L}\p{N}_.-]{0,127}$/u;

/** Returns the name, if it can be a folder's name on every system; no `..`, no separators, no device names. */
export function checkName(name: string, argument: string): string {
  const hostile = !safeName.test(name) || name.includes('..') || name.endsWith('.');
  if (hostile || /^(con|prn|aux|nul|com\d|lpt\d)(\.|$)/i.test(name)) {
    throw new ArgumentError(
      argument,
      `${JSON.stringify(name)} cannot be a name; use letters, digits, '_', '-' and single dots, starting with a letter, digit or '_'`,
    );
  }
  return name;
}
