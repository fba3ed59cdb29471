import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, test } from "vitest";

// What `npm publish` would upload, from npm itself: `files` and npm's own rules decide, so no list here can.

const root = resolve(import.meta.dirname, "..");
// Without scripts: `prepare` would build while other tests run what is built.
const args = ["pack", "--workspaces", "--dry-run", "--json", "--ignore-scripts"];
const packed = Object.values(JSON.parse(execFileSync("npm", args, { cwd: root, encoding: "utf8" }))) as {
  readonly name: string;
  readonly files: readonly { readonly path: string }[];
}[];

describe.each(packed.map(({ name, files }) => ({ name, paths: files.map(({ path }) => path) })))("$name", ({ name, paths }) => {
  const folder = join(root, "packages", name.replace("@snoopi/", ""));

  test("carries README and licence", () => {
    expect(paths).toEqual(expect.arrayContaining(["README.md", "LICENSE"]));
    expect(readFileSync(join(folder, "LICENSE"), "utf8")).toBe(readFileSync(join(root, "LICENSE"), "utf8"));
  });

  test("carries every file that it exports, and the sources that its source maps name", () => {
    const { exports } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as {
      readonly exports: Readonly<Record<string, Readonly<Record<string, string>>>>;
    };
    const exported = Object.values(exports).flatMap((conditions) => Object.values(conditions).map((path) => path.replace("./", "")));
    const sources = paths
      .filter((path) => path.startsWith("dist/") && path.endsWith(".js.map"))
      .map((path) => path.replace("dist/", "src/").replace(/\.js\.map$/, ".ts"));
    expect([...exported, ...sources].filter((path) => !paths.includes(path))).toEqual([]);
  });

  test("carries no tests", () => {
    expect(paths.filter((path) => /\.test\./.test(path))).toEqual([]);
  });
});
