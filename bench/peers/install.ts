import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

const folder = fileURLToPath(new URL(".", import.meta.url));

/** Installs the other libraries from their lock file, once. Returns why that did not work, if so. */
export function installPeers(): string | undefined {
  if (existsSync(new URL("node_modules/.package-lock.json", import.meta.url))) return undefined;
  console.error("bench: installing the libraries to compare with into bench/peers (160 MB, no install scripts; --no-peers goes without) …");
  try {
    execFileSync("npm", ["ci", "--ignore-scripts", "--omit=optional", "--no-workspaces", "--no-audit", "--no-fund"], {
      cwd: folder,
      stdio: ["ignore", "ignore", "inherit"],
    });
    return undefined;
  } catch (error) {
    return (error as Error).message.split("\n")[0];
  }
}
