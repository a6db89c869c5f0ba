/** What the events would have cost who knew them all, and who never thinks: what the policy is measured by. */
import { changed, type Event, isCurrent, type SetSize, type SourceState, truthMs, worksOf } from './world.ts';

/** The cost of a read for who takes the cheapest road and need not guess. */
function readMs(size: SetSize, now: SourceState, stored: SourceState | undefined): number {
  const { fresh, merged, source } = worksOf(size, now, stored);
  if (isCurrent(now, stored)) return truthMs(fresh);
  return Math.min(truthMs(source), merged === undefined ? Infinity : truthMs(merged));
}

const priceMs = (size: SetSize, now: SourceState, stored: SourceState | undefined): number => truthMs(worksOf(size, now, stored).materialize);

interface Timeline {
  readonly size: SetSize;
  readonly events: readonly Event[];
  /** The source before each event. */
  readonly states: readonly SourceState[];
}

function timelines(sizes: readonly SetSize[], events: readonly Event[]): Timeline[] {
  return sizes.map((size, set) => {
    const own = events.filter((event) => event.set === set);
    const states: SourceState[] = [];
    let source: SourceState = { rows: size.rows, rewrites: 0 };
    for (const event of own) {
      states.push(source);
      source = changed(source, event);
    }
    return { size, events: own, states };
  });
}

const sumOver = (sizes: readonly SetSize[], events: readonly Event[], cost: (timeline: Timeline) => number): number =>
  timelines(sizes, events).reduce((sum, timeline) => sum + cost(timeline), 0);

/** Every read from the source. */
export function alwaysVirtualized(sizes: readonly SetSize[], events: readonly Event[]): number {
  return sumOver(sizes, events, ({ size, events: own, states }) =>
    own.reduce((sum, event, i) => sum + (event.kind === 'read' ? event.luck * truthMs(worksOf(size, states[i]!, undefined).source) : 0), 0));
}

/** At the beginning, and again as soon as anything changes. */
export function alwaysMaterialized(sizes: readonly SetSize[], events: readonly Event[]): number {
  return sumOver(sizes, events, ({ size, events: own, states }) => {
    let stored: SourceState | undefined;
    let total = 0;
    own.forEach((event, i) => {
      if (!isCurrent(states[i]!, stored)) total += priceMs(size, states[i]!, stored);
      stored = states[i]!;
      if (event.kind === 'read') total += event.luck * readMs(size, stored, stored);
    });
    return total;
  });
}

/**
 * The least that anyone could have paid: sets do not touch each other, so each is a shortest way through its events. It is never
 * wrong to materialize right after a change, or at the very beginning: later is as dear, and spares less.
 */
export function bestInHindsight(sizes: readonly SetSize[], events: readonly Event[]): number {
  return sumOver(sizes, events, (timeline) => {
    const stretches = stretchesOf(timeline);
    // least[i] is the least cost of all before stretch i with tiles made at its start; between two such points all follows.
    const least = new Array<number>(stretches.length).fill(Infinity);
    let end = Infinity;
    for (let from = -1; from < stretches.length; from++) {
      const stored = from < 0 ? undefined : stretches[from]!.source;
      let total = from < 0 ? 0 : least[from]!;
      for (let i = Math.max(from, 0); i < stretches.length; i++) {
        const { source, luck } = stretches[i]!;
        if (i > from) least[i] = Math.min(least[i]!, total + priceMs(timeline.size, source, stored));
        total += luck * readMs(timeline.size, source, stored);
      }
      end = Math.min(end, total);
    }
    return end;
  });
}

/** Reads between two changes: how many, each weighed by its luck. */
function stretchesOf({ events, states }: Timeline): { readonly source: SourceState; luck: number }[] {
  const stretches: { readonly source: SourceState; luck: number }[] = [];
  events.forEach((event, i) => {
    if (i === 0 || events[i - 1]!.kind !== 'read') stretches.push({ source: states[i]!, luck: 0 });
    if (event.kind === 'read') stretches.at(-1)!.luck += event.luck;
  });
  return stretches;
}
