/** Colours of services by number, the same in every drawing that has the default names. */

const HUES = 6;
const DEFAULT_NAMES = ["baton-page", "baton-frontend", "baton-prefill", "baton-decode"];

/** Each service with its hue, in the order given: Baton's own have theirs, the others take what is left. */
export function serviceHues(services: Iterable<string>): ReadonlyMap<string, number> {
  const names = [...new Set(services)];
  const others = names.filter((name) => !DEFAULT_NAMES.includes(name));
  const known = DEFAULT_NAMES.filter((name) => names.includes(name));
  const free = Array.from({ length: HUES }, (_, hue) => hue)
    .filter((hue) => !known.includes(DEFAULT_NAMES[hue] ?? ""));
  return new Map(names.map((name) => {
    const own = DEFAULT_NAMES.indexOf(name);
    return [name, own >= 0 ? own : free[others.indexOf(name) % free.length] ?? 0];
  }));
}
