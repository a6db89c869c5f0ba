/**
 * Work that takes long, in steps of some milliseconds: a generator that yields wherever others may have their turn.
 */
export type Steps<Result> = Generator<undefined, Result>;

/** After how much work others are to have their turn: little at first, since code that has just begun to run is slow, then twice as much each time. */
export class Pace {
  private left: number;

  constructor(
    private step: number,
    private readonly most: number,
  ) {
    this.left = step;
  }

  /** Whether they are to have it, after so much more. */
  isDue(work: number): boolean {
    this.left -= work;
    if (this.left > 0) return false;
    this.step = Math.min(this.step * 2, this.most);
    this.left = this.step;
    return true;
  }
}

/** All of it at once. */
export function complete<Result>(steps: Steps<Result>): Result {
  for (;;) {
    const { done, value } = steps.next();
    if (done) return value;
  }
}

/** One step after the other, with `turn` awaited between two. */
export async function inTurns<Result>(steps: Steps<Result>, turn: () => Promise<void>): Promise<Result> {
  for (;;) {
    const { done, value } = steps.next();
    if (done) return value;
    await turn();
  }
}

/** The same steps, each done by `around`. */
export function* within<Result>(steps: Steps<Result>, around: <Step>(step: () => Step) => Step): Steps<Result> {
  for (;;) {
    const { done, value } = around(() => steps.next());
    if (done) return value;
    yield;
  }
}
