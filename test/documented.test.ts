import { readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { parseSync } from "vite";
import { expect, test } from "vitest";

// Every function and constant that @snoopi/snoopi exports says what it is, right where it stands.

const root = resolve(import.meta.dirname, "..");
const entries = ["packages/snoopi/src/index.ts", "packages/snoopi/src/node.ts"];

/** Names that a file takes from others and passes on, with the file that each is from. Types are left out: their fields speak for them. */
function passedOn(path: string): { readonly name: string; readonly from: string }[] {
  const text = readFileSync(join(root, path), "utf8");
  return parseSync(path, text, { lang: "ts" }).module.staticExports.flatMap(({ entries }) =>
    entries.flatMap(({ moduleRequest, importName, isType }) =>
      moduleRequest?.value.startsWith(".") && !isType && importName.name
        ? [{ name: importName.name, from: join(dirname(path), moduleRequest.value) }]
        : [],
    ),
  );
}

/** Whether a comment ends where the declaration of a name begins. A file that only passes the name on is no declaration. */
function isDocumented({ name, from }: { readonly name: string; readonly from: string }): boolean {
  const text = readFileSync(join(root, from), "utf8");
  const at = text.search(new RegExp(`^export (declare |async )*(function\\*?|const|class|let) ${name}\\b`, "m"));
  return at < 0 || text.slice(0, at).trimEnd().endsWith("*/");
}

test.each(entries)("what %s exports is documented", (path) => {
  const names = passedOn(path);
  expect(names.length).toBeGreaterThan(0);
  expect(names.filter((one) => !isDocumented(one)).map(({ name, from }) => `${from}: ${name}`)).toEqual([]);
});
