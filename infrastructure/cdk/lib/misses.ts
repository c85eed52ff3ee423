// How often an environment does not remember the unit that it is asked for: a simulation, the same in every run.

/** Who asks, and what remembers. */
export interface Load {
  /** Requests for an assignment, all environments together. */
  readonly perSecond: number;
  readonly environments: number;
  /** The assignments that an environment remembers: the ones used last. */
  readonly cache: number;
  /** How often a unit asks in a visit. */
  readonly asks: number;
  /** How long a visit takes: its first request is at its begin, the others at any moment of it. */
  readonly visitSeconds: number;
}

/** Requests of the one environment that is watched. */
const WATCHED = 20_000;

/**
 * The share of requests for an assignment whose environment does not remember it. Lambda promises nothing about which environment
 * a request goes to, so each goes to any of them; they are alike, and one is watched. Nothing is remembered from an earlier visit.
 */
export function missRate({ perSecond, environments, cache, asks, visitSeconds }: Load): number {
  const random = uniform(14);
  const end = visitSeconds + WATCHED * environments / perSecond;
  const moments: [second: number, unit: number][] = [];
  let unit = 0;
  for (let begin = 0; begin < end; begin += -Math.log(1 - random()) * asks / perSecond) {
    unit += 1;
    for (let ask = 0; ask < asks; ask += 1) {
      const second = ask === 0 ? begin : begin + random() * visitSeconds;
      if (random() * environments < 1 && second < end) {
        moments.push([second, unit]);
      }
    }
  }
  moments.sort(([a], [b]) => a - b);
  // A Set keeps the order in which its members were added: the first is the one that was not used for longest.
  const remembered = new Set<number>();
  let [misses, watched] = [0, 0];
  for (const [second, asked] of moments) {
    const isMiss = !remembered.delete(asked);
    remembered.add(asked);
    if (remembered.size > cache) {
      remembered.delete(remembered.values().next().value as number);
    }
    // Visits that began before the first second are missing until then.
    if (second >= visitSeconds) {
      watched += 1;
      misses += Number(isMiss);
    }
  }
  return misses / watched;
}

/** Numbers from 0 to below 1, by a seed: a 32-bit generator whose state goes through a mixer (Steele, Lea and Flood 2014). */
function uniform(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x9e37_79b9) | 0;
    let mixed = Math.imul(state ^ (state >>> 16), 0x85eb_ca6b);
    mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2_ae35);
    return ((mixed ^ (mixed >>> 16)) >>> 0) / 2 ** 32;
  };
}
