import { keep, scope, type Tensor } from "@snoopi/core";
import type { Context } from "@snoopi/models";

/** Makes contexts and keeps them until it is disposed of, which frees them all. */
export interface HeldContexts extends Disposable {
  <C extends Context>(make: () => C): C;
}

export function heldContexts(): HeldContexts {
  const owned = new Set<Tensor>();
  const hold = <C extends Context>(make: () => C): C => {
    const made = scope(make);
    for (const t of [made.tokens, made.mask]) if (t) owned.add(keep(t));
    return made;
  };
  return Object.assign(hold, {
    [Symbol.dispose]() {
      for (const t of owned) t.dispose();
      owned.clear();
    },
  });
}
