/** Pauses before each retry, in ms. */
export const waits: readonly number[] = [500, 1000, 2000, 4000];

/** Milliseconds that a server asks to wait, if it does: by `Retry-After` in seconds or, as the Hub does, by `RateLimit`. */
export function pauseOf(headers: Headers): number | undefined {
  const seconds = /^\d+$/.exec(headers.get("retry-after") ?? "")?.[0] ?? /;\s*r=0\s*;\s*t=(\d+)/.exec(headers.get("ratelimit") ?? "")?.[1];
  return seconds === undefined ? undefined : 1000 * Number(seconds);
}

/** Waits `ms`. @throws the signal's reason if it is aborted meanwhile. */
export async function waited(ms: number, signal: AbortSignal | undefined): Promise<void> {
  signal?.throwIfAborted();
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal!.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, ms);
    signal?.addEventListener("abort", stop, { once: true });
  });
}
