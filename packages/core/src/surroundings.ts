/** A value that functions take from their surroundings, for as long as one of them runs. */
export interface Surrounding<T> {
  /** What it is here; `undefined` outside of every {@link Surrounding.with}. */
  get(): T | undefined;
  /** Runs `fn`, which is synchronous, with a value. */
  with<R>(value: T, fn: () => R): R;
}

let here: ReadonlyMap<symbol, unknown> = new Map();

/** A new kind of value. What runs a function again later, as {@link checkpoint} does, runs it with the values of the first time. */
export function surrounding<T>(): Surrounding<T> {
  const key = Symbol();
  return {
    get: () => here.get(key) as T | undefined,
    with: (value, fn) => inside(new Map(here).set(key, value), fn),
  };
}

/** Brings a function back to the surroundings of this moment. */
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
