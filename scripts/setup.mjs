// @ts-check
// Makes sure that this machine has a WebGPU adapter and, for the browser tests, Chromium. With both it does nothing; on Debian and Ubuntu without
// an adapter it installs a driver that runs on the CPU. What it decides is in setup/plan.mjs and setup/browser.mjs.

import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline/promises";
import { fileURLToPath } from "node:url";
import { findChromium, onPath, planForBrowser } from "./setup/browser.mjs";
import { adviceAfter, describe, parseOptions, parseOsRelease, planFor, shown, stepsOf } from "./setup/plan.mjs";

const help = `Usage: npm run setup -- [--check] [--yes] [--dry-run] [--no-browser]

Looks for a WebGPU adapter and for Chromium. With both, nothing is done. On Debian and Ubuntu
without an adapter, Mesa's lavapipe (Vulkan on the CPU) and the Vulkan loader are installed, as
root. On Debian without Chromium, which only the browser tests need, Chromium is installed.

  --check       only report: exit code 0 with an adapter, 1 without
  --yes         do not ask before using root
  --dry-run     print the commands and run none
  --no-browser  leave Chromium alone
  --help        this text`;

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

function sayChromium() {
  const path = findChromium(process.env);
  console.log(path ? `Chromium: ${path}.` : "No Chromium was found, so the browser tests cannot run.");
  return path;
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
  if (before.kind === "noModule") return 1;
  const hasAdapter = before.kind === "found";
  // Chromium is for the browser tests alone: a machine is ready without it.
  const ready = hasAdapter ? 0 : 1;
  const needsBrowser = options.browser && sayChromium() === undefined;
  if ((hasAdapter && !needsBrowser) || options.check) return ready;

  const osRelease = parseOsRelease(textOf("/etc/os-release") || textOf("/usr/lib/os-release"));
  const hasApt = onPath("apt-get", process.env) !== undefined;
  const machine = { platform: process.platform, osRelease, hasApt, sources: sourcesOfApt() };
  const plans = [...(hasAdapter ? [] : [planFor(machine)]), ...(needsBrowser ? [planForBrowser(machine)] : [])];
  for (const { says } of plans) console.log(says);
  const steps = stepsOf(plans);
  if ((!hasAdapter && plans[0]?.kind === "stuck") || steps.length === 0) return ready;

  const person = process.stdin.isTTY && process.stdout.isTTY && !process.env.CI && !options.yes;
  const isRoot = process.getuid?.() === 0;
  const hasSudo = isRoot || onPath("sudo", process.env) !== undefined;
  // Where nobody can type a password, sudo has to fail at once and not wait for one.
  const root = isRoot ? [] : process.stdin.isTTY ? ["sudo"] : ["sudo", "-n"];
  const commands = steps.map((step) => shown(step, root)).join("\n");
  if (options.dryRun) {
    console.log(`It would run:\n${commands}`);
    return 0;
  }
  if (!hasSudo) {
    console.log(
      `That needs root, and there is no sudo. Run this as root, then npm run setup again:\n${steps.map((step) => shown(step, [])).join("\n")}`,
    );
    return 1;
  }
  if (person) {
    console.log(commands);
    if (!(await agreed())) {
      console.log("Nothing was changed.");
      return ready;
    }
  }
  for (const step of steps) {
    if (runStep(step, root)) continue;
    console.log(
      `Set-up stopped: ${step.argv[0]} failed twice. Check the network and APT's sources, or run these commands by hand:\n${commands}`,
    );
    return 1;
  }
  const after = hasAdapter ? before : findAdapter();
  if (!hasAdapter) console.log(describe(after));
  if (needsBrowser) sayChromium();
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
