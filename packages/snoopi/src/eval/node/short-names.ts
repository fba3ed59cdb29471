import { resolve, sep } from "node:path";

/** Names for folders: the last part of each path, with as many before it as tell it from the others. */
export function shortNames(paths: Iterable<string>): ReadonlyMap<string, string> {
  const all = new Map([...paths].map((path) => [path, resolve(path).split(sep)]));
  const ends = (parts: readonly string[], count: number) => parts.slice(-count).join("/");
  const nameOf = (parts: readonly string[]): string => {
    const others = [...all.values()].filter((other) => other.join(sep) !== parts.join(sep));
    let count = 1;
    while (count < parts.length && others.some((other) => ends(other, count) === ends(parts, count))) count++;
    return ends(parts, count);
  };
  return new Map([...all].map(([path, parts]) => [path, nameOf(parts)]));
}
