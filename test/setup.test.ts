import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { describe, expect, test } from "vitest";
import { findChromium, planForBrowser } from "../scripts/setup/browser.mjs";
import {
  adviceAfter,
  backportsPath,
  describe as inWords,
  parseOptions,
  parseOsRelease,
  parseSources,
  planFor,
  shown,
  stepsOf,
} from "../scripts/setup/plan.mjs";

const bookworm = { ID: "debian", VERSION_ID: "12", VERSION_CODENAME: "bookworm", PRETTY_NAME: "Debian GNU/Linux 12 (bookworm)" };
const machine = {
  platform: "linux",
  osRelease: bookworm as Record<string, string>,
  hasApt: true,
  sources: [] as { name: string; text: string }[],
};
const deb822 = `Types: deb
# http://snapshot.debian.org/archive/debian/20250520T000000Z
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: /keys/debian.gpg

Types: deb
URIs: http://mirror.example/security
Suites: bookworm-security
Components: main
`;

/** The commands of a plan as they would be typed, or a failure when there is none. */
function commandsFor(changes: Partial<typeof machine>): string[] {
  const plan = planFor({ ...machine, ...changes });
  if (plan.kind !== "install") throw new Error(plan.says);
  return plan.steps.map((step) => shown(step, []));
}

describe("the plan for a machine without an adapter", () => {
  test("takes Mesa from backports on Debian 12, through the mirror and the key the machine already uses", () => {
    expect(commandsFor({ sources: [{ name: "debian.sources", text: deb822 }] })).toEqual([
      `tee ${backportsPath} <<'EOF'\nTypes: deb\nURIs: http://mirror.example/debian\nSuites: bookworm-backports\nComponents: main\nSigned-By: /keys/debian.gpg\nEOF`,
      "apt-get update",
      "env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends -t bookworm-backports mesa-vulkan-drivers libvulkan1",
    ]);
  });

  test("falls back to Debian's own mirror and key where no source names bookworm", () => {
    expect(commandsFor({})[0]).toContain("URIs: http://deb.debian.org/debian\n");
    expect(commandsFor({})[0]).toContain("Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n");
  });

  test("does not add backports a second time", () => {
    const sources = [{ name: "/etc/apt/sources.list", text: "deb http://deb.debian.org/debian bookworm-backports main\n" }];
    expect(commandsFor({ sources })[0]).toBe("apt-get update");
  });

  test("adds backports when they are only commented out or disabled", () => {
    const sources = [
      { name: "/etc/apt/sources.list", text: "# deb http://deb.debian.org/debian bookworm-backports main\n" },
      { name: "off.sources", text: "Enabled: no\nTypes: deb\nURIs: http://a\nSuites: bookworm-backports\n" },
    ];
    expect(commandsFor({ sources })[0]).toMatch(/^tee /);
  });

  test.each([
    ["Debian 13", { ID: "debian", VERSION_CODENAME: "trixie" }],
    ["Ubuntu", { ID: "ubuntu", VERSION_CODENAME: "noble" }],
    ["a system like Ubuntu", { ID: "linuxmint", ID_LIKE: "ubuntu debian", VERSION_CODENAME: "wilma" }],
  ])("takes Mesa from the system's own archive on %s", (_, osRelease) => {
    expect(commandsFor({ osRelease })).toEqual([
      "apt-get update",
      "env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends mesa-vulkan-drivers libvulkan1",
    ]);
  });

  test("treats a system built on Debian 12 like Debian 12", () => {
    expect(
      commandsFor({ osRelease: { ID: "linuxmint", ID_LIKE: "debian", VERSION_CODENAME: "faye", DEBIAN_CODENAME: "bookworm" } }),
    ).toHaveLength(3);
  });

  test.each([
    ["Fedora", { osRelease: { ID: "fedora", PRETTY_NAME: "Fedora Linux 42" } }, "Fedora Linux 42 has no WebGPU adapter"],
    ["a Debian without APT", { hasApt: false }, "Debian GNU/Linux 12 (bookworm) has no WebGPU adapter"],
    ["macOS", { platform: "darwin", osRelease: {} }, "darwin has no WebGPU adapter"],
    ["Debian 11", { osRelease: { ID: "debian", VERSION_CODENAME: "bullseye" } }, "Debian bullseye has no Mesa that is new enough."],
  ])("is only a message on %s", (_, changes, says) => {
    const plan = planFor({ ...machine, ...changes });
    expect(plan.kind).toBe("stuck");
    expect(plan.says).toContain(says);
  });
});

describe("the plan for a machine without Chromium", () => {
  const debian = { ...machine, osRelease: { ID: "debian", VERSION_CODENAME: "trixie" } };

  test("installs Debian's package", () => {
    expect(stepsOf([planForBrowser(machine)]).map((step) => shown(step, []))).toEqual([
      "apt-get update",
      "env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends chromium",
    ]);
  });

  test("updates APT's lists once, and after backports are added, where the adapter is missing too", () => {
    const both = (on: typeof machine) => stepsOf([planFor(on), planForBrowser(on)]).map(({ argv }) => argv.at(-1));
    expect(both(debian)).toEqual(["update", "libvulkan1", "chromium"]);
    expect(both(machine)).toEqual([backportsPath, "update", "libvulkan1", "chromium"]);
  });

  test.each([
    [
      "Ubuntu, which has it as a snap only",
      { osRelease: { ID: "ubuntu", ID_LIKE: "debian", PRETTY_NAME: "Ubuntu 24.04" } },
      "Ubuntu 24.04",
    ],
    ["macOS", { platform: "darwin", osRelease: {} }, "darwin"],
    ["a Debian without APT", { hasApt: false }, "Debian GNU/Linux 12 (bookworm)"],
  ])("is only a message on %s", (_, changes, name) => {
    const plan = planForBrowser({ ...machine, ...changes });
    expect(plan.kind).toBe("stuck");
    expect(plan.says).toContain(`this is ${name}. `);
    expect(plan.says).toContain("CHROMIUM_PATH");
  });
});

describe("looking for Chromium", () => {
  test("CHROMIUM_PATH goes before the PATH, and only programs count", () => {
    const folder = mkdtempSync(join(tmpdir(), "chromium-"));
    try {
      const PATH = ["/nonexistent", folder].join(delimiter);
      writeFileSync(join(folder, "chromium"), "");
      chmodSync(join(folder, "chromium"), 0o644);
      expect(findChromium({ PATH })).toBeUndefined();
      writeFileSync(join(folder, "google-chrome"), "");
      chmodSync(join(folder, "google-chrome"), 0o755);
      expect(findChromium({ PATH })).toBe(join(folder, "google-chrome"));
      expect(findChromium({ PATH, CHROMIUM_PATH: "/opt/chrome" })).toBe("/opt/chrome");
      expect(findChromium({})).toBeUndefined();
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe("reading the system's files", () => {
  test("os-release values lose their quotes", () => {
    expect(parseOsRelease(`NAME="Debian GNU/Linux"\nID=debian\n# a comment\nX='y'\n`)).toEqual({
      NAME: "Debian GNU/Linux",
      ID: "debian",
      X: "y",
    });
  });

  test("a one-line source gives its address, suite and key", () => {
    expect(
      parseSources("x.list", "deb [arch=amd64 signed-by=/k.gpg] http://m/debian bookworm main\ndeb-src http://m/debian bookworm main\n"),
    ).toEqual([{ uri: "http://m/debian", suite: "bookworm", signedBy: "/k.gpg" }]);
  });

  test("a deb822 source gives one archive per suite", () => {
    expect(parseSources("x.sources", deb822).map(({ suite }) => suite)).toEqual(["bookworm", "bookworm-updates", "bookworm-security"]);
  });

  test("a key written into a source is kept whole", () => {
    const key = "\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n abc\n -----END PGP PUBLIC KEY BLOCK-----";
    const [source] = parseSources("x.sources", `Types: deb\nURIs: http://m\nSuites: bookworm\nSigned-By:${key}\n`);
    expect(source?.signedBy).toBe(key.trim());
  });
});

describe("what set-up says", () => {
  test("an adapter is named with its driver", () => {
    expect(
      inWords({ kind: "found", vendor: "mesa", architecture: "software", device: "llvmpipe", description: "llvmpipe: Mesa 25.0.7" }),
    ).toBe("WebGPU adapter: llvmpipe: Mesa 25.0.7 (mesa, software).");
  });

  test("advice after a failure names the variable that hides the drivers", () => {
    expect(adviceAfter({ kind: "none" }, { VK_ICD_FILENAMES: "/nonexistent" })).toBe(
      "VK_ICD_FILENAMES=/nonexistent tells Vulkan which drivers to use: unset it and run this again.",
    );
    expect(adviceAfter({ kind: "none" }, {})).toContain("vulkaninfo --summary");
  });

  test("a command for sudo is shown with sudo", () => {
    expect(shown({ argv: ["tee", "/a"], input: "b\n", essential: true }, ["sudo"])).toBe("sudo tee /a <<'EOF'\nb\nEOF");
  });

  test("options are read strictly", () => {
    expect(parseOptions(["--check", "-y"])).toEqual({ check: true, yes: true, dryRun: false, browser: true, help: false });
    expect(parseOptions(["--no-browser"]).browser).toBe(false);
    expect(() => parseOptions(["--chekc"])).toThrow(
      "--chekc is no option. Options are --check, --yes, --dry-run, --no-browser and --help.",
    );
  });
});
