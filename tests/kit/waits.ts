/** How tests wait: each wait ends by itself, and then says what did not come and what was there instead. */

const WAIT_MS = 60_000;
const POLL_MS = 25;

export interface WaitOptions {
  readonly timeoutMs?: number;
  /** What was there instead, for the error. */
  readonly seen?: () => string;
}

/** The promise's value; rejects after the time with "`what` did not come in … ms". */
export async function within<T>(
  what: string,
  promise: Promise<T>,
  { timeoutMs = WAIT_MS, seen }: WaitOptions = {},
): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    const instead = seen === undefined ? "" : `:\n${seen()}`;
    late.reject(new Error(`${what} did not come in ${timeoutMs} ms${instead}`));
  }, timeoutMs);
  try {
    return await Promise.race([promise, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

/** Polls until `isTrue`, where there is no event to wait for; rejects after the time. */
export async function eventually(
  isTrue: () => boolean | Promise<boolean>,
  timeoutMs = WAIT_MS,
): Promise<void> {
  let isOver = false;
  const becomeTrue = async () => {
    while (!isOver && !await isTrue()) {
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  };
  try {
    await within(`the truth of ${isTrue}`, becomeTrue(), { timeoutMs });
  } finally {
    isOver = true;
  }
}
