/** A dynamically scoped value: set by {@link Surrounding.with}, and read by `fn` and whatever it calls. */
export interface Surrounding<T> {
  /** The current value; `undefined` outside of every {@link Surrounding.with}. */
  get(): T | undefined;
  /** Runs `fn`, which must be synchronous, with `value` as the current one. */
  with<R>(value: T, fn: () => R): R;
}

let here: ReadonlyMap<symbol, unknown> = new Map();

/** Makes a new one. Whatever runs a function again later, as {@link checkpoint} does, restores the values of the first run. */
export function surrounding<T>(): Surrounding<T> {
  const key = Symbol();
  return {
    get: () => here.get(key) as T | undefined,
    with: (value, fn) => inside(new Map(here).set(key, value), fn),
  };
}

/** Remembers all current values; the returned function runs `fn` with them. */
export function surroundings(): <R>(fn: () => R) => R {
  const then = here;
  return (fn) => inside(then, fn);
}

function inside<R>(values: ReadonlyMap<symbol, unknown>, fn: () => R): R {
  const before = here;
  here = values;
  try {
    return fn();
  } finally {
    here = before;
  }
}
