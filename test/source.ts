import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseSync } from "vite";

/** An import, or an export from elsewhere. */
export interface Edge {
  readonly to: string;
  /** True where TypeScript erases all that it names. */
  readonly typeOnly: boolean;
  /** `import("…")`: loaded when reached, not when the file is. */
  readonly lazy: boolean;
}

export interface Source {
  /** From the repository's root. */
  readonly path: string;
  readonly lines: number;
  readonly edges: readonly Edge[];
  /** Globals of the environment (`navigator`, `process` …) used outside every function. */
  readonly globalsAtImport: readonly string[];
}

const surroundings = new Set(["navigator", "process", "window", "document", "self", "Deno", "Bun", "require", "Buffer"]);

/** What the rules about layers need to know of a file. */
export function readSource(root: string, path: string): Source {
  const text = readFileSync(join(root, path), "utf8");
  const { module, program, errors } = parseSync(path, text, { lang: path.endsWith(".ts") ? "ts" : "js" });
  if (errors.length > 0) throw new Error(`${path}: ${errors[0]!.message}`);
  const edges = [
    ...module.staticImports.map(({ moduleRequest, entries, start }) => ({
      to: moduleRequest.value,
      typeOnly: (entries.length > 0 && entries.every(({ isType }) => isType)) || /^import\s+type\b/.test(text.slice(start)),
      lazy: false,
    })),
    ...module.staticExports.flatMap(({ entries }) =>
      entries.flatMap(({ moduleRequest, isType }) => (moduleRequest ? [{ to: moduleRequest.value, typeOnly: isType, lazy: false }] : [])),
    ),
    ...module.dynamicImports.flatMap(({ moduleRequest }) => {
      const literal = /^["'](.*)["']$/.exec(text.slice(moduleRequest.start, moduleRequest.end))?.[1];
      return literal === undefined ? [] : [{ to: literal, typeOnly: false, lazy: true }];
    }),
  ];
  return { path, lines: text.split("\n").length - 1, edges, globalsAtImport: [...new Set(globalsOutsideFunctions(program))] };
}

/** Globals of the environment that are reached when the module runs. Property names and types do not count. */
function* globalsOutsideFunctions(node: unknown): Generator<string> {
  if (Array.isArray(node)) for (const child of node) yield* globalsOutsideFunctions(child);
  if (!isNode(node) || /^TS(Type|Interface)|Function/.test(node.type)) return;
  if (node.type === "Identifier" && surroundings.has(String(node.name))) yield String(node.name);
  for (const [key, child] of Object.entries(node)) {
    const isName = (key === "property" || key === "key") && node.computed !== true && !isGlobalThis(node);
    if (!isName) yield* globalsOutsideFunctions(child);
  }
}

/** `globalThis.process` reads `process` all the same. */
function isGlobalThis({ object }: Record<string, unknown>): boolean {
  return isNode(object) && object.type === "Identifier" && object.name === "globalThis";
}

function isNode(value: unknown): value is { type: string } & Record<string, unknown> {
  return typeof value === "object" && value !== null && "type" in value && typeof value.type === "string";
}
