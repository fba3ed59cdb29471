import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { withAssertions } from "./claims.ts";
import { browserExamples, examplesOf, kinds, pagesOf } from "./examples.ts";

// Every example in the documentation that can run here does, each as a module of its own; those for browsers run in test/browser.

const root = resolve(import.meta.dirname, "..");
/** Inside the repository, so that `@snoopi/…` is found. */
const folder = join(root, "test", ".tmp");

beforeAll(() => mkdirSync(folder, { recursive: true }));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe.each(pagesOf(root))("%s", (page) => {
  const examples = examplesOf(root, page);
  // A page without examples still has a test: that its other fences were not meant to run.
  test("has no example that is cut off", () => {
    expect(readFileSync(join(root, page), "utf8").match(/^```/gm)?.length ?? 0).toSatisfy((count: number) => count % 2 === 0);
  });

  test("has only examples of known kinds, and claims only where they are checked", () => {
    for (const { kind, code } of examples) {
      expect(kinds).toContain(kind);
      if (kind !== "ts") expect(code).not.toContain("// =>");
    }
  });

  const here = examples.filter(({ kind }) => kind === "ts");
  here.forEach(({ code }, i) => {
    test(`example ${i + 1} does what it claims`, async () => {
      const file = join(folder, `${page.replaceAll(/[^A-Za-z0-9]+/g, "-")}-${i + 1}.ts`);
      writeFileSync(file, withAssertions(code));
      await import(pathToFileURL(file).href);
    });
  });
});

describe("examples for browsers", () => {
  const write = (page: string, text: string) => {
    mkdirSync(join(folder, "docs-of", page, ".."), { recursive: true });
    writeFileSync(join(folder, "docs-of", page), text);
  };
  const fenced = (kind: string, code: string) => `A page.\n\n\`\`\`${kind}\n${code}\n\`\`\`\n`;

  test("are those of all pages, wherever they stand", () => {
    write("README.md", fenced("ts", "1;") + fenced("ts browser", "2;"));
    write("docs/deep/new.md", fenced("ts browser", "3;") + fenced("ts weights", "4;") + fenced("ts browser", "5;"));
    write("packages/new/README.md", fenced("ts browser", "6;"));
    for (const page of ["docs/decisions/0001-old.md", "node_modules/theirs/README.md", "packages/new/CHANGES.md"])
      write(page, fenced("ts browser", "7;"));
    const found = browserExamples(join(folder, "docs-of")).map(({ page, code }) => `${page}: ${code}`);
    expect(found.sort()).toEqual(["README.md: 2;\n", "docs/deep/new.md: 3;\n", "docs/deep/new.md: 5;\n", "packages/new/README.md: 6;\n"]);
  });

  test("are missed where there are none", () => {
    const empty = join(folder, "no-docs");
    mkdirSync(empty);
    expect(() => browserExamples(empty)).toThrow('has an example fenced as "ts browser"');
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
