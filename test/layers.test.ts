import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { type Edge, readSource, type Source } from "./source.ts";

// Who may import whom, read from the import statements. `core` knows no GPU, `kernels` no models, and only what runs in Node may name a backend
// or the weights that ship.

const root = resolve(import.meta.dirname, "..");
const mayImport: Record<string, readonly string[]> = {
  core: [],
  kernels: ["core"],
  models: ["core"],
  snoopi: ["core", "models"],
  tiny: [],
};
const mayImportInNode: Record<string, readonly string[]> = { ...mayImport, snoopi: ["core", "models", "kernels", "tiny"] };
const mostLines = 400;

const folders = [
  ...readdirSync(join(root, "packages")).flatMap((name) => [`packages/${name}/src`, `packages/${name}/bin`]),
  "test",
  "bench",
  "examples",
  "scripts",
];
const files = folders
  .filter((folder) => existsSync(join(root, folder)))
  .flatMap((folder) => readdirSync(join(root, folder), { recursive: true, encoding: "utf8" }).map((path) => join(folder, path)))
  .filter((path) => /\.(ts|mjs)$/.test(path) && !path.endsWith(".d.ts") && !/(^|\/)(node_modules|\.[^/]+)\//.test(path))
  .sort();
const sources = files.map((path) => readSource(root, path));
const inPackages = sources.filter(({ path }) => path.startsWith("packages/"));
const published = inPackages.filter(({ path }) => !path.endsWith(".test.ts"));

/** The lines of a report, one per broken rule, so that a failure names file and import. */
function broken(sources: readonly Source[], rule: (source: Source, edge: Edge) => string | undefined): string[] {
  return sources.flatMap((source) =>
    source.edges.flatMap((edge) => rule(source, edge)?.replace(/^/, `${source.path} imports "${edge.to}": `) ?? []),
  );
}

function packageOf(path: string): string {
  return path.split("/")[1]!;
}

/** Files that only Node loads: all under `node/`, `cli/` and `bin/`, and `node.ts` or `node-….ts` in a package with a `/node` entry. */
function isForNode(path: string): boolean {
  const inside = path.replace(/^packages\/[^/]+\//, "");
  if (/(^|\/)(node|cli|bin)\//.test(inside)) return true;
  return /(^|\/)node(-[^/]*)?\.ts$/.test(inside) && "./node" in manifest(packageOf(path)).exports;
}

function target({ path }: Source, { to }: Edge): string {
  return relative(root, join(root, dirname(path), to));
}

function manifest(name: string) {
  return JSON.parse(readFileSync(join(root, "packages", name, "package.json"), "utf8"));
}

describe("the layers", () => {
  test("there are files to look at", () => {
    expect(new Set(published.map(({ path }) => packageOf(path)))).toEqual(new Set(Object.keys(mayImport)));
  });

  test("each package imports only those below it", () => {
    const wrong = broken(published, ({ path }, { to }) => {
      const below = /^@snoopi\/([^/]+)/.exec(to)?.[1];
      if (below === undefined) return undefined;
      const allowed = (isForNode(path) ? mayImportInNode : mayImport)[packageOf(path)]!;
      return allowed.includes(below) ? undefined : `${packageOf(path)} may import ${allowed.join(", ") || "no other package"} here.`;
    });
    expect(wrong).toEqual([]);
  });

  test("packages are imported by the names they export", () => {
    const wrong = broken(sources, (_, { to }) => {
      const [, name, inside] = /^@snoopi\/([^/]+)(\/.*)?$/.exec(to) ?? [];
      if (name === undefined) return undefined;
      const names = existsSync(join(root, "packages", name)) ? Object.keys(manifest(name).exports) : [];
      return names.includes(`.${inside ?? ""}`)
        ? undefined
        : `it exports ${names.map((entry) => `@snoopi/${name}${entry.slice(1)}`).join(" and ")}.`;
    });
    expect(wrong).toEqual([]);
  });

  test("no relative path leads out of a package", () => {
    const wrong = broken(published, (source, edge) => {
      if (!edge.to.startsWith(".")) return undefined;
      const home = source.path.split("/").slice(0, 2).join("/");
      return target(source, edge).startsWith(`${home}/`) ? undefined : "import it by its package's name.";
    });
    // A test may share what stands in /test, but not reach into another package.
    const wrongTests = broken(
      inPackages.filter(({ path }) => path.endsWith(".test.ts")),
      (source, edge) => {
        if (!edge.to.startsWith(".") || !target(source, edge).startsWith("packages/")) return undefined;
        return packageOf(target(source, edge)) === packageOf(source.path) ? undefined : "import it by its package's name.";
      },
    );
    expect([...wrong, ...wrongTests]).toEqual([]);
  });

  test("each package declares what it imports", () => {
    const wrong = broken(published, ({ path }, { to }) => {
      if (to.startsWith(".") || to.startsWith("node:")) return undefined;
      const name = to.split("/", to.startsWith("@") ? 2 : 1).join("/");
      const { dependencies = {}, peerDependencies = {} } = manifest(packageOf(path));
      return name in dependencies || name in peerDependencies
        ? undefined
        : `packages/${packageOf(path)}/package.json does not list ${name}.`;
    });
    expect(wrong).toEqual([]);
  });
});

describe("what runs in a browser", () => {
  test("imports nothing of Node's", () => {
    const portable = published.filter(({ path }) => !isForNode(path));
    const wrong = broken(portable, (source, edge) => {
      if (edge.to.startsWith("node:")) return "put it into a file under node/ or cli/, or into node.ts.";
      if (edge.typeOnly || !edge.to.startsWith(".")) return /^@snoopi\/.*\/node$/.test(edge.to) ? "only files for Node may." : undefined;
      return isForNode(target(source, edge)) ? "that file is for Node only." : undefined;
    });
    expect(wrong).toEqual([]);
  });

  test("asks nothing of its surroundings while it is imported", () => {
    const wrong = inPackages
      .filter(({ path }) => !path.endsWith(".test.ts") && !isForNode(path))
      .flatMap(({ path, globalsAtImport }) =>
        globalsAtImport.map((name) => `${path} reads ${name} while it is imported: do it inside a function.`),
      );
    expect(wrong).toEqual([]);
  });
});

test("no module imports itself, directly or around a corner", () => {
  const next = new Map(
    inPackages.map((source) => [
      source.path,
      source.edges.filter((edge) => !edge.typeOnly && !edge.lazy && edge.to.startsWith(".")).map((edge) => target(source, edge)),
    ]),
  );
  const finished = new Set<string>();
  const cycles: string[] = [];
  const visit = (path: string, trail: readonly string[]): void => {
    if (trail.includes(path)) cycles.push([...trail.slice(trail.indexOf(path)), path].join(" → "));
    if (trail.includes(path) || finished.has(path)) return;
    for (const to of next.get(path) ?? []) visit(to, [...trail, path]);
    finished.add(path);
  };
  for (const path of next.keys()) visit(path, []);
  expect(cycles).toEqual([]);
});

test(`no file is longer than ${mostLines} lines`, () => {
  expect(sources.filter(({ lines }) => lines > mostLines).map(({ path, lines }) => `${path} has ${lines} lines.`)).toEqual([]);
});
