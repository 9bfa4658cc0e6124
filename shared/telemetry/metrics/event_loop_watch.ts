/** Measures how late timers fire: the time for which this thread answers nobody. */

const PERIOD_MS = 100;

/** Tells `onDelay` the milliseconds by which each timer was late, until it is disposed. */
export function watchEventLoop(onDelay: (delayMs: number) => void): Disposable {
  let dueAtMs = performance.now() + PERIOD_MS;
  const timer = setInterval(() => {
    const now = performance.now();
    onDelay(Math.max(now - dueAtMs, 0));
    dueAtMs = now + PERIOD_MS;
  }, PERIOD_MS);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}
