import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

// The command as users run it: built, in a process of its own.

export const root = resolve(import.meta.dirname, "../..");

/** Builds what has changed; a few seconds at most when nothing has. */
export const build = (): void => {
  execFileSync("npm", ["run", "--silent", "build"], { cwd: root, stdio: "inherit" });
};

export const tiny = (name: "sd15" | "sd21" | "third"): string => join(root, "test", "golden", `${name}-tiny`);

/** A folder for the test to remove at its end. */
export function temporary(): { readonly path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), "snoopi-test-"));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

export interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  /** Without what the GPU's driver prints on its own. */
  readonly stderr: string;
}

const driver = /^(Warning: |\s+at CheckVkSuccessImpl|$)/;

export function start(args: readonly string[], env: Readonly<Record<string, string>> = {}): { child: ChildProcess; ended: Promise<Ran> } {
  const child = spawn(process.execPath, [join(root, "packages/snoopi/bin/snoopi.mjs"), ...args], {
    // Vitest's own settings (FORCE_COLOR, DEBUG) are kept from the command.
    env: { PATH: process.env.PATH, HOME: process.env.HOME, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const text = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) child[name]!.setEncoding("utf8").on("data", (part: string) => (text[name] += part));
  const ended = new Promise<Ran>((done, failed) => {
    child.on("error", failed).on("close", (code) => {
      done({
        code,
        stdout: text.stdout,
        stderr: text.stderr
          .split("\n")
          .filter((line) => !driver.test(line))
          .join("\n"),
      });
    });
  });
  return { child, ended };
}

export const snoopi = (args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ran> => start(args, env).ended;

/** An environment in which no Vulkan driver is found. */
export const withoutAdapter = { VK_DRIVER_FILES: "/nonexistent", VK_ICD_FILENAMES: "/nonexistent" };
