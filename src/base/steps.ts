/**
 * Work that takes long, in steps of some milliseconds: a generator that yields wherever others may have their turn.
 */
export type Steps<Result> = Generator<undefined, Result>;

/** Lets others have their turn; throws where the work was cancelled. */
export type Turn = () => Promise<void>;

/**
 * After how much work others are to have their turn: little at first, since code that has just begun to run is slow, then twice as much each time, up to `most`.
 */
export class Pace {
  /** What is to be done before they have it next; undefined until that is asked. */
  private left: number | undefined;

  constructor(
    private step: number,
    private readonly most = step,
  ) {}

  /** How much of so much is to be done at once. */
  next(work: number): number {
    const now = Math.min(work, this.step);
    this.step = Math.min(this.step * 2, this.most);
    return now;
  }

  /** Whether they are to have it, after so much more. */
  isDue(work: number): boolean {
    this.left = (this.left ?? this.next(Infinity)) - work;
    if (this.left > 0) return false;
    this.left = undefined;
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
export async function inTurns<Result>(steps: Steps<Result>, turn: Turn): Promise<Result> {
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
