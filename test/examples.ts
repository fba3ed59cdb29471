import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** How examples are fenced, and where each kind runs: in docs.test.ts, in test/browser, and nowhere, for weights that are not in the repository. */
export const kinds = ["ts", "ts browser", "ts weights"] as const;

/** A fenced piece of TypeScript in the documentation. */
export interface Example {
  readonly page: string;
  /** What stands behind the fence's backticks; one of {@link kinds}, as docs.test.ts checks. */
  readonly kind: string;
  readonly code: string;
}

/** The documentation below `root`: every README, and all of docs but its decisions, which stay as they were taken. */
export function pagesOf(root: string, folder = ""): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = `${folder}${entry.name}`;
    if (entry.isDirectory()) return /(^|\/)(node_modules|dist|\.[^/]*)$|^docs\/decisions$/.test(path) ? [] : pagesOf(root, `${path}/`);
    return entry.name === "README.md" || /^docs\/.*\.md$/.test(path) ? [path] : [];
  });
}

export const examplesOf = (root: string, page: string): Example[] =>
  [...readFileSync(join(root, page), "utf8").matchAll(/^```(ts\b.*)\n([\s\S]*?)^```/gm)].map(([, kind, code]) => ({
    page,
    kind: kind!,
    code: code!,
  }));

/** The examples for browsers, of all pages. Throws if none is found, since there are some. */
export function browserExamples(root: string): Example[] {
  const found = pagesOf(root)
    .flatMap((page) => examplesOf(root, page))
    .filter(({ kind }) => kind === "ts browser");
  if (found.length === 0) throw new Error(`No page below ${root} has an example fenced as "ts browser".`);
  return found;
}
