/**
 * What work costs on this machine, in milliseconds: learned from what work has cost before. Pure.
 *
 *   cost  =  one read  +  files · one file  +  rows · one row  +  bytes · one byte        per kind of work
 *
 * An observation moves each rate by its share of the cost, so that a read of ten rows teaches what a read costs and a read of
 * ten million what a row costs. Steps are of the ratio of what was observed to what was expected, and are cut: a pause of the
 * machine moves an estimate no more than a small surprise does, and the estimates settle at the usual cost, not at the mean.
 *
 * Law: every rate stays finite and positive, whatever is observed.
 */

/** Kinds of work: what is done to a row of them is alike. */
export const workKinds = ['features', 'tiles', 'source', 'materialize'] as const;
export type WorkKind = (typeof workKinds)[number];

/**
 * A stretch of work of one kind, after pruning. Of `materialize`, rows are those that are read of the source, and bytes those that
 * are written.
 */
export interface Work {
  readonly kind: WorkKind;
  readonly rows: number;
  readonly bytes: number;
  readonly files: number;
}

/** Of one kind of work, in nanoseconds. */
export interface Rates {
  readonly readNs: number;
  readonly fileNs: number;
  readonly rowNs: number;
  readonly byteNs: number;
  /** How many observations they come from. */
  readonly observations: number;
}

export type Throughputs = Readonly<Record<WorkKind, Rates>>;

/** Before the first measurement: the order of magnitude on a small machine of 2024 (two cores, local disk). */
export const defaultThroughputs: Throughputs = {
  features: { readNs: 400_000, fileNs: 200_000, rowNs: 10, byteNs: 0.4, observations: 0 },
  tiles: { readNs: 1_500_000, fileNs: 500_000, rowNs: 100, byteNs: 0.5, observations: 0 },
  source: { readNs: 2_000_000, fileNs: 500_000, rowNs: 50, byteNs: 0.5, observations: 0 },
  materialize: { readNs: 60_000_000, fileNs: 500_000, rowNs: 90, byteNs: 25, observations: 0 },
};

/** What the work is expected to cost, in milliseconds. Parts that are done one after the other add up. */
export function expectedMs(work: readonly Work[], throughputs: Throughputs): number {
  return work.reduce((sum, part) => sum + termsOf(part, throughputs[part.kind]).reduce((a, b) => a + b), 0) / 1e6;
}

const rateNames = ['readNs', 'fileNs', 'rowNs', 'byteNs'] as const;

/** How far the first observations of a kind move it, and all later ones: defaults may be wrong by much, measurements are not. */
const [firstReach, laterReach] = [Math.log(16), Math.log(2)];
const firstObservations = 3;
/** The weight of an observation once there are many: machines change. */
const stepMin = 1 / 8;
const [rateMin, rateMax] = [1e-6, 1e12];

/** The throughputs after the work took so long. Work of several kinds teaches each by its share. */
export function learned(throughputs: Throughputs, work: readonly Work[], elapsedMs: number): Throughputs {
  const parts = work.map((part) => termsOf(part, throughputs[part.kind]));
  const expectedNs = parts.flat().reduce((a, b) => a + b, 0);
  if (!(elapsedMs > 0) || !Number.isFinite(elapsedMs) || !(expectedNs > 0) || !Number.isFinite(expectedNs)) return throughputs;
  const surprise = Math.log((elapsedMs * 1e6) / expectedNs);
  // The shares' squares: what moving every rate by its share would move of the whole, which is to be moved by the surprise.
  const leverage = parts.flat().reduce((sum, term) => sum + (term / expectedNs) ** 2, 0);
  const next: Record<WorkKind, Rates> = { ...throughputs };
  work.forEach(({ kind }, i) => {
    const before = next[kind];
    const pull = pullOf(surprise, before.observations) / leverage;
    next[kind] = { ...scaled(before, parts[i]!.map((term) => pull * (term / expectedNs))), observations: before.observations + 1 };
  });
  const observations = Math.min(...work.map(({ kind }) => throughputs[kind].observations));
  for (const kind of workKinds) {
    if (next[kind].observations === 0) next[kind] = scaled(next[kind], rateNames.map(() => pullOf(surprise, observations)));
  }
  const slowness = expectedMs(work, next) / expectedMs(work, defaultThroughputs);
  for (const kind of roadKinds) if (next[kind].observations > 0 && work.every((part) => part.kind !== kind)) next[kind] = faded(next[kind], kind, slowness);
  return next;
}

/** Kinds that reads choose among; what it costs to materialize is seen whenever it is done. */
const roadKinds = ['features', 'tiles', 'source'] as const;

/** How much of what speaks against a kind is forgotten when another is observed. */
const fading = 0.02;

/** Rates that lie above what they would be by default on a machine so slow, a little nearer to that. */
function faded(rates: Rates, kind: WorkKind, slowness: number): Rates {
  const excess = rateNames.map((name) => Math.log(rates[name] / (defaultThroughputs[kind][name] * slowness)));
  return scaled(rates, excess.map((each) => -fading * Math.max(0, each)));
}

/** How far an observation moves an estimate that comes from so many, on a scale of logarithms. */
function pullOf(surprise: number, observations: number): number {
  const reach = observations < firstObservations ? firstReach : laterReach;
  return Math.max(stepMin, 1 / (observations + 2)) * Math.max(-reach, Math.min(reach, surprise));
}

function scaled(rates: Rates, logFactors: readonly number[]): Rates {
  const moved = rateNames.map((name, i) => [name, Math.max(rateMin, Math.min(rateMax, rates[name] * Math.exp(logFactors[i]!)))] as const);
  return { ...rates, ...(Object.fromEntries(moved) as Pick<Rates, (typeof rateNames)[number]>) };
}

/** For a person: how fast work of a kind goes. */
export function rateText({ rowNs, byteNs, observations }: Rates): string {
  const perSecond = (ns: number): string => (1e9 / ns).toExponential(1).replace('e+', 'e');
  const from = observations === 0 ? 'not measured yet' : `measured ${observations} times`;
  return `${perSecond(rowNs)} rows/s, ${perSecond(byteNs)} bytes/s, ${from}`;
}

/** In the order of `rateNames`. */
function termsOf({ rows, bytes, files }: Work, rates: Rates): readonly number[] {
  return [rates.readNs, files * rates.fileNs, rows * rates.rowNs, bytes * rates.byteNs];
}
