import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { withAssertions } from "./claims.ts";

// Every ```ts example in the documentation runs, each as a module of its own. One that cannot run here says so in its fence, ```ts browser: those of
// the README and of kernels run in test/browser.

const root = resolve(import.meta.dirname, "..");
/** Inside the repository, so that `@snoopi/…` is found. */
const folder = join(root, "test", ".tmp");
const fence = /^```ts\n([\s\S]*?)^```/gm;

const docs = existsSync(join(root, "docs"))
  ? readdirSync(join(root, "docs"), { recursive: true, encoding: "utf8" }).map((path) => join("docs", path))
  : [];
const pages = ["README.md", ...docs, ...readdirSync(join(root, "packages")).map((name) => join("packages", name, "README.md"))].filter(
  (path) => path.endsWith(".md") && !path.startsWith(join("docs", "decisions")) && existsSync(join(root, path)),
);

beforeAll(() => mkdirSync(folder, { recursive: true }));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe.each(pages)("%s", (page) => {
  const examples = [...readFileSync(join(root, page), "utf8").matchAll(fence)].map(([, code]) => code!);
  // A page without examples still has a test: that its other fences were not meant to run.
  test("has no example that is cut off", () => {
    expect(readFileSync(join(root, page), "utf8").match(/^```/gm)?.length ?? 0).toSatisfy((count: number) => count % 2 === 0);
  });

  examples.forEach((code, i) => {
    test(`example ${i + 1} does what it claims`, async () => {
      const file = join(folder, `${page.replaceAll(/[^A-Za-z0-9]+/g, "-")}-${i + 1}.ts`);
      writeFileSync(file, withAssertions(code));
      await import(pathToFileURL(file).href);
    });
  });
});

describe("a claim", () => {
  const assertion = (expression: string, value: string) => `expect(plain(${expression})).toEqual(plain(${value}));`;

  test.each([
    ["f(1); // => 2", assertion("f(1)", "2")],
    ["f(1) // => 2", assertion("f(1)", "2")],
    ["await f(\n  1,\n); // => [1, 2]", assertion("await f(\n  1,\n)", "[1, 2]")],
    ["const x: number = f(1); // => 2", `const x: number = f(1); ${assertion("x", "2")}`],
    ['"; // => 1"; // => "; // => 1"', assertion('"; // => 1"', '"; // => 1"')],
    ["a; // => 1\nb; // a remark\nc; // => 3", `${assertion("a", "1")}\nb; // a remark\n${assertion("c", "3")}`],
  ])("in %j becomes an assertion", (code, expected) => {
    expect(withAssertions(code).split("\n").slice(1).join("\n")).toBe(expected);
  });

  test.each(["// => 1", "import a from 'a'; // => 1", "{\n  a; // => 1\n}", "a;\n// => 1"])(
    "in %j is refused, for it would go unchecked",
    (code) => {
      expect(() => withAssertions(code)).toThrow("stands behind no expression");
    },
  );
});

test("the README's line that runs the tests is what continuous integration runs", () => {
  const line = readFileSync(join(root, ".ci", "run"), "utf8")
    .split("\n")
    .find((text) => text.startsWith("npm ci"));
  expect(readFileSync(join(root, "README.md"), "utf8")).toContain(line);
});
