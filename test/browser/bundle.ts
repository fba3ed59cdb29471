import { gzipSync } from "node:zlib";
import { build, type Plugin } from "vite";

/** A module as an application's bundler leaves it: minified, its dynamic imports in files of their own. */
export interface Bundle {
  /** The file's name, e.g. `page.js`. */
  readonly entry: string;
  /** File names to code. */
  readonly files: ReadonlyMap<string, string>;
  /** Bytes of the entry and what it imports at once, gzipped. */
  readonly gzipBytes: number;
}

/** Bundles the module at `path`, or the code given for it, for browsers. Throws where it imports what only Node has. */
export async function bundle(name: string, from: { readonly path: string } | { readonly code: string }): Promise<Bundle> {
  const virtual = "\0entry";
  const plugin: Plugin = {
    name: "for-browsers",
    enforce: "pre",
    resolveId(id, importer) {
      if (id.startsWith("node:") || id === "webgpu") throw new Error(`${importer} imports ${id}, which no browser has.`);
      return id === "entry" ? virtual : undefined;
    },
    load: (id) => (id === virtual && "code" in from ? { code: from.code, moduleType: "ts" } : undefined),
  };
  const built = await build({
    configFile: false,
    logLevel: "error",
    root: import.meta.dirname,
    resolve: { conditions: ["source", "module", "browser"] },
    plugins: [plugin],
    build: {
      write: false,
      target: "es2023",
      modulePreload: false,
      rolldownOptions: {
        input: { [name]: "path" in from ? from.path : "entry" },
        preserveEntrySignatures: "strict",
        output: { entryFileNames: "[name].js", chunkFileNames: `${name}-[name].js` },
      },
    },
  });
  if (!("output" in built)) throw new Error(`bundling ${name} made no single output`);
  const chunks = built.output.filter((file) => file.type === "chunk");
  const files = new Map(chunks.map(({ fileName, code }) => [fileName, code]));
  const atOnce = (file: string, seen = new Set<string>()): Set<string> => {
    if (seen.has(file)) return seen;
    seen.add(file);
    for (const next of chunks.find(({ fileName }) => fileName === file)?.imports ?? []) atOnce(next, seen);
    return seen;
  };
  const gzipBytes = [...atOnce(`${name}.js`)].reduce((sum, file) => sum + gzipSync(files.get(file) ?? "").length, 0);
  return { entry: `${name}.js`, files, gzipBytes };
}
