// @ts-check
// Makes sure that this machine has a WebGPU adapter. With one it does nothing; on Debian and Ubuntu without one it installs a driver that runs on the CPU.
// What it decides is in setup/plan.mjs.

import { spawnSync } from "node:child_process";
import { accessSync, constants, readdirSync, readFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { createInterface } from "node:readline/promises";
import { fileURLToPath } from "node:url";
import { adviceAfter, describe, parseOptions, parseOsRelease, planFor, shown } from "./setup/plan.mjs";

const help = `Usage: npm run setup -- [--check] [--yes] [--dry-run]

Looks for a WebGPU adapter. With one, nothing is done. On Debian and Ubuntu without one, Mesa's
lavapipe (Vulkan on the CPU) and the Vulkan loader are installed, as root.

  --check    only report: exit code 0 with an adapter, 1 without
  --yes      do not ask before using root
  --dry-run  print the commands and run none
  --help     this text`;

/** @returns {import("./setup/plan.mjs").Report} */
function findAdapter() {
  const child = spawnSync(process.execPath, [fileURLToPath(new URL("./setup/adapter.mjs", import.meta.url))], {
    encoding: "utf8",
    timeout: 120_000,
  });
  const line = child.stdout?.split("\n").find((text) => text.startsWith("{"));
  if (line) return JSON.parse(line);
  const how = child.error?.message ?? (child.signal ? `killed by ${child.signal}` : `exit code ${child.status}`);
  const last = child.stderr?.trim().split("\n").at(-1);
  return { kind: "broken", detail: `the process that looks for an adapter ended without an answer, ${how}${last ? `: ${last}` : ""}` };
}

/** @param {string} path */
function textOf(path) {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

function sourcesOfApt() {
  const folder = "/etc/apt/sources.list.d";
  /** @type {string[]} */
  let names = [];
  try {
    names = readdirSync(folder).filter((name) => name.endsWith(".list") || name.endsWith(".sources"));
  } catch {}
  return ["/etc/apt/sources.list", ...names.map((name) => join(folder, name))].map((name) => ({ name, text: textOf(name) }));
}

/** @param {string} program */
function onPath(program) {
  return (process.env.PATH ?? "").split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/**
 * One more try covers a network that hiccups.
 * @param {import("./setup/plan.mjs").Step} step
 * @param {readonly string[]} root
 */
function runStep(step, root) {
  const [program, ...rest] = [...root, ...step.argv];
  for (const attempt of [1, 2]) {
    console.log(`+ ${shown(step, root)}`);
    const stdin = step.input === undefined ? "inherit" : "pipe";
    const { status, error } = spawnSync(program, rest, {
      stdio: [stdin, step.input === undefined ? "inherit" : "ignore", "inherit"],
      input: step.input,
    });
    if (status === 0) return true;
    console.log(`${program} failed (${error?.message ?? `exit code ${status}`})${attempt === 1 ? ": trying once more." : "."}`);
  }
  return !step.essential;
}

async function agreed() {
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  // Ctrl-D closes the terminal and answers nothing: that is a no.
  const closed = new Promise((resolve) => terminal.once("close", () => resolve("")));
  const answer = await Promise.race([terminal.question("Run these commands as root? [y/N] "), closed]);
  terminal.close();
  return /^y(es)?$/i.test(answer.trim());
}

/** @returns {Promise<number>} the exit code */
async function main() {
  const options = parseOptions(process.argv.slice(2));
  if (options.help) {
    console.log(help);
    return 0;
  }
  const before = findAdapter();
  console.log(describe(before));
  if (before.kind === "found") return 0;
  if (options.check || before.kind === "noModule") return 1;

  const osRelease = parseOsRelease(textOf("/etc/os-release") || textOf("/usr/lib/os-release"));
  const plan = planFor({ platform: process.platform, osRelease, hasApt: onPath("apt-get"), sources: sourcesOfApt() });
  console.log(plan.says);
  if (plan.kind === "stuck") return 1;

  const person = process.stdin.isTTY && process.stdout.isTTY && !process.env.CI && !options.yes;
  const isRoot = process.getuid?.() === 0;
  const hasSudo = isRoot || onPath("sudo");
  // Where nobody can type a password, sudo has to fail at once and not wait for one.
  const root = isRoot ? [] : process.stdin.isTTY ? ["sudo"] : ["sudo", "-n"];
  const commands = plan.steps.map((step) => shown(step, root)).join("\n");
  if (options.dryRun) {
    console.log(`It would run:\n${commands}`);
    return 0;
  }
  if (!hasSudo) {
    console.log(
      `That needs root, and there is no sudo. Run this as root, then npm run setup again:\n${plan.steps.map((step) => shown(step, [])).join("\n")}`,
    );
    return 1;
  }
  if (person) {
    console.log(commands);
    if (!(await agreed())) {
      console.log("Nothing was changed.");
      return 1;
    }
  }
  for (const step of plan.steps) {
    if (runStep(step, root)) continue;
    console.log(
      `Set-up stopped: ${step.argv[0]} failed twice. Check the network and APT's sources, or run these commands by hand:\n${commands}`,
    );
    return 1;
  }
  const after = findAdapter();
  console.log(describe(after));
  if (after.kind === "found") return 0;
  console.log(adviceAfter(after, process.env));
  return 1;
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(process.env.DEBUG ? error : `setup: ${error instanceof Error ? error.message : error}`);
  process.exitCode = 1;
}
