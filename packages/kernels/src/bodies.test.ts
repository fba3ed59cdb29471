import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";

// `var x: T;` in the body of a loop is zero at every iteration in WGSL. Tint's SPIR-V on Mesa clears it only once, so it keeps the value of
// the previous iteration: sums silently start from the sum before. Hence `var x = T();`, except for an array that the very next statement,
// a loop over all of it, assigns.

/** Declarations without an initialiser inside a loop that the next statement does not assign whole. */
function uncleared(wgsl: string): string[] {
  const code = wgsl.replace(/\/\/.*$/gm, "").replace(/\$\{[^{}]*\}/g, "");
  const found: string[] = [];
  const loops: boolean[] = [];
  let [start, parens] = [0, 0];
  for (let i = 0; i < code.length; i++) {
    const c = code[i];
    if (c === "(") parens++;
    if (c === ")") parens--;
    if (parens > 0 || !/[;{}]/.test(c)) continue;
    const statement = code.slice(start, i).trim();
    start = i + 1;
    if (c === "{") loops.push(/^(for|while|loop)\b/.test(statement));
    if (c === "}") loops.pop();
    const [, name, type] = /^var\s+(\w+)\s*:\s*([^=]+)$/.exec(statement) ?? [];
    if (c === ";" && name && loops.includes(true) && !assignedNext(code.slice(i + 1), name, type)) found.push(statement);
  }
  return found;
}

/** Whether what follows is a loop over the whole of an array that assigns each element before anything reads one. */
function assignedNext(code: string, name: string, type: string): boolean {
  const length = /^array<.*,\s*(\w+?)u?\s*>$/s.exec(type)?.[1];
  const [head, index, end] = /^\s*for\s*\(var (\w+) = 0u; \1 < (\w+?)u?; \1\+\+\)\s*\{/.exec(code) ?? [];
  if (!head || !length || end !== length) return false;
  const body = code.slice(head.length);
  const at = body.search(new RegExp(`\\b${name}\\b`));
  const before = body.slice(0, at);
  const always = before.split("{").length === before.split("}").length && !/\b(continue|break|return)\b/.test(before);
  return always && new RegExp(`^${name}\\[${index}\\](\\[\\w+\\])?\\s*=[^=]`).test(body.slice(at));
}

/** Every template of a source that holds WGSL functions. */
const templates = (text: string): string[] => (text.match(/`[^`]*\bfn \w+\([^`]*`/g) ?? []).map((t) => t.slice(1, -1));

const sources = readdirSync(import.meta.dirname, { recursive: true, encoding: "utf8" })
  .filter((path) => path.endsWith(".ts") && !path.endsWith(".test.ts"))
  .map((path) => ({ path, bodies: templates(readFileSync(`${import.meta.dirname}/${path}`, "utf8")) }))
  .filter(({ bodies }) => bodies.length > 0);

test("the scan sees every file that has an entry point", () => {
  expect(sources.length).toBeGreaterThanOrEqual(30);
  for (const { path, bodies } of sources) {
    const written = readFileSync(`${import.meta.dirname}/${path}`, "utf8").match(/^@compute/gm)?.length ?? 0;
    expect(bodies.join("").match(/^@compute/gm)?.length ?? 0, path).toBe(written);
  }
});

test.each(sources)("no variable in a loop of $path relies on being cleared", ({ bodies }) => {
  expect(bodies.flatMap(uncleared)).toEqual([]);
});

describe("the scan", () => {
  const inLoop = (text: string) => uncleared(`fn main() { for (var i = 0u; i < 9u; i++) { ${text} } }`);

  test("finds scalars, vectors and arrays", () => {
    expect(inLoop("var s: f32; s += 1.0;")).toEqual(["var s: f32"]);
    expect(inLoop("if (i > 2u) { var s: vec4f; }")).toEqual(["var s: vec4f"]);
    expect(inLoop("var x: array<f32, R>; x[0] = 1.0;")).toEqual(["var x: array<f32, R>"]);
  });

  test("finds an array of which the next loop assigns only a part, or which it reads", () => {
    expect(inLoop("var x: array<f32, 8>; for (var j = 0u; j < 8u; j++) { if (j > 1u) { x[j] = 1.0; } }")).toHaveLength(1);
    expect(inLoop("var x: array<f32, 8>; for (var j = 0u; j < 8u; j++) { if (j == 1u) { continue; } x[j] = 1.0; }")).toHaveLength(1);
    expect(inLoop("var x: array<f32, R>; for (var j = 0u; j < C; j++) { x[j] = 1.0; }")).toHaveLength(1);
    expect(inLoop("var x: array<f32, R>; for (var j = 0u; j < R; j++) { x[j] += 1.0; }")).toHaveLength(1);
    expect(inLoop("var x: array<f32, R>; for (var j = 0u; j < R; j++) { let y = x[j]; x[j] = y; }")).toHaveLength(1);
  });

  test("allows initialisers, whole assignments, and variables of the function", () => {
    expect(inLoop("var s = vec4f(); var t: f32 = 0.0;")).toEqual([]);
    expect(inLoop("var x: array<array<f32, 3>, R>; for (var j = 0u; j < R; j++) { let at = j; x[j][0] = 1.0; x[j][1] = 2.0; }")).toEqual(
      [],
    );
    expect(inLoop("var x: array<f32, 8>; for (var j = 0u; j < 8u; j++) { var v = 0.0; if (j == 1u) { v = 1.0; } x[j] = v; }")).toEqual([]);
    expect(uncleared("fn main() { var acc: array<vec4f, 4>; loop { acc[0] += 1.0; } }")).toEqual([]);
  });
});
