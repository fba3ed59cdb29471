// @ts-check
// Where Chromium is and how to get it: the tests open one to show that the packages work in a browser.

import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { apt, families, nameOf } from "./plan.mjs";

const names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/**
 * A program's path, looked for as a shell would.
 * @param {string} program
 * @param {Record<string, string | undefined>} env
 */
export function onPath(program, env) {
  const paths = (env.PATH ?? "").split(delimiter).map((folder) => join(folder, program));
  return paths.find((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/**
 * The browser's path: `CHROMIUM_PATH`, or the first of its usual names on the PATH.
 * @param {Record<string, string | undefined>} env
 */
export function findChromium(env) {
  if (env.CHROMIUM_PATH) return env.CHROMIUM_PATH;
  for (const name of names) {
    const path = onPath(name, env);
    if (path) return path;
  }
  return undefined;
}

/**
 * How to get Chromium on a machine that has none. Ubuntu's package is an empty one that points to a snap, which needs a running snapd.
 * @param {Pick<import("./plan.mjs").Machine, "platform" | "osRelease" | "hasApt">} machine
 * @returns {import("./plan.mjs").Plan}
 */
export function planForBrowser({ platform, osRelease, hasApt }) {
  const family = families(osRelease);
  if (platform === "linux" && hasApt && family.includes("debian") && !family.includes("ubuntu")) {
    return {
      kind: "install",
      says: "Set-up installs Chromium, in which the browser tests run (about 100 MB; --no-browser leaves it out).",
      steps: [apt.update, apt.install(["chromium"], [])],
    };
  }
  return {
    kind: "stuck",
    says: `Set-up can install Chromium on Debian only, and this is ${nameOf({ platform, osRelease })}. The browser tests need Chromium or Chrome on the PATH, or its path in CHROMIUM_PATH.`,
  };
}
