// @ts-check
// What set-up decides, without doing any of it: from what a machine says about itself to the commands that give it an adapter.

/**
 * @typedef {{ argv: string[], input?: string, essential: boolean }} Step  A command run as root; `input` is its standard input. A step that is not essential may fail.
 * @typedef {{ uri: string, suite: string, signedBy?: string }} Archive
 * @typedef {{ kind: "install", says: string, steps: Step[] } | { kind: "stuck", says: string }} Plan
 * @typedef {{ platform: string, osRelease: Record<string, string>, hasApt: boolean, sources: { name: string, text: string }[] }} Machine
 * @typedef {{ check: boolean, yes: boolean, dryRun: boolean, browser: boolean, help: boolean }} Options
 * @typedef {{ kind: "found", vendor: string, architecture: string, device: string, description: string }
 *   | { kind: "none" } | { kind: "noModule", detail: string } | { kind: "broken", detail: string }} Report
 */

/** Where Debian keeps the key that signs its archive. */
const debianKey = "/usr/share/keyrings/debian-archive-keyring.gpg";

/** The file that set-up adds; APT reads every `.sources` file in this folder. */
export const backportsPath = "/etc/apt/sources.list.d/bookworm-backports.sources";

/**
 * @param {readonly string[]} argv
 * @returns {Options}
 */
export function parseOptions(argv) {
  const known = ["--check", "--yes", "-y", "--dry-run", "--no-browser", "--help", "-h"];
  const unknown = argv.find((word) => !known.includes(word));
  if (unknown !== undefined) throw new Error(`${unknown} is no option. Options are --check, --yes, --dry-run, --no-browser and --help.`);
  const has = (/** @type {string[]} */ ...names) => names.some((name) => argv.includes(name));
  return {
    check: has("--check"),
    yes: has("--yes", "-y"),
    dryRun: has("--dry-run"),
    browser: !has("--no-browser"),
    help: has("--help", "-h"),
  };
}

/**
 * The fields of an os-release file.
 * @param {string} text
 * @returns {Record<string, string>}
 */
export function parseOsRelease(text) {
  const lines = text.matchAll(/^([A-Z0-9_]+)=(["']?)(.*?)\2\s*$/gm);
  return Object.fromEntries([...lines].map(([, key, , value]) => [key, value]));
}

/**
 * One archive per suite named in APT's sources, from both of its formats: one-line `.list` and deb822 `.sources`.
 * @param {string} name  the file's name, whose end tells the format
 * @param {string} text
 * @returns {Archive[]}
 */
export function parseSources(name, text) {
  return name.endsWith(".sources") ? parseDeb822(text) : text.split("\n").flatMap(parseOneLine);
}

/**
 * @param {string} line
 * @returns {Archive[]}
 */
function parseOneLine(line) {
  const [, options = "", uri, suite] = /^\s*deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)/.exec(line) ?? [];
  if (uri === undefined || suite === undefined) return [];
  const signedBy = /signed-by=(\S+)/.exec(options)?.[1];
  return [{ uri, suite, ...(signedBy ? { signedBy } : {}) }];
}

/**
 * @param {string} text
 * @returns {Archive[]}
 */
function parseDeb822(text) {
  const withoutComments = text.replace(/^#.*\n?/gm, "");
  return withoutComments.split(/\n\s*\n/).flatMap((stanza) => {
    // A field continues on lines that begin with a blank: Signed-By may hold a whole key that way.
    const found = stanza.matchAll(/^([A-Za-z-]+):[ \t]*(.*(?:\n[ \t].*)*)/gm);
    const fields = new Map([...found].map(([, key = "", value = ""]) => [key.toLowerCase(), value.trim()]));
    const words = (/** @type {string} */ key) => (fields.get(key) ?? "").split(/\s+/).filter(Boolean);
    if (!words("types").includes("deb") || fields.get("enabled")?.toLowerCase() === "no") return [];
    const signedBy = fields.get("signed-by");
    return words("uris").flatMap((uri) => words("suites").map((suite) => ({ uri, suite, ...(signedBy ? { signedBy } : {}) })));
  });
}

/**
 * The system's own name and those of the systems it is built on.
 * @param {Record<string, string>} osRelease
 */
export const families = ({ ID, ID_LIKE = "" }) => [ID, ...ID_LIKE.split(/\s+/)];

/** @param {Pick<Machine, "platform" | "osRelease">} machine */
export const nameOf = ({ platform, osRelease }) => osRelease.PRETTY_NAME ?? platform;

/**
 * How to get an adapter on a machine that has none: Mesa's lavapipe, a Vulkan driver that runs on the CPU, and the Vulkan loader.
 * @param {Machine} machine
 * @returns {Plan}
 */
export function planFor({ platform, osRelease, hasApt, sources }) {
  const family = families(osRelease);
  const debian = platform === "linux" && (family.includes("debian") || family.includes("ubuntu"));
  if (!debian || !hasApt) {
    const here = nameOf({ platform, osRelease });
    const what =
      platform === "linux" ? "a Vulkan driver and the Vulkan loader (Mesa 24 or newer, its lavapipe driver needs no GPU)" : "a GPU driver";
    return {
      kind: "stuck",
      says: `${here} has no WebGPU adapter, and set-up can install one on Debian and Ubuntu only. Install ${what}, then run this again.`,
    };
  }
  const codename = osRelease.ID === "debian" ? osRelease.VERSION_CODENAME : osRelease.DEBIAN_CODENAME;
  if (codename === "bullseye" || codename === "buster") {
    return {
      kind: "stuck",
      says: `Debian ${codename} has no Mesa that is new enough. Use Debian 12 or newer, or a machine with a GPU driver.`,
    };
  }
  const packages = ["mesa-vulkan-drivers", "libvulkan1"];
  if (codename !== "bookworm") {
    return {
      kind: "install",
      says: "Set-up installs Mesa's lavapipe, a Vulkan driver that runs on the CPU, and the Vulkan loader.",
      steps: [update, install(packages, [])],
    };
  }
  const archives = sources.flatMap(({ name, text }) => parseSources(name, text));
  const known = archives.some(({ suite }) => suite === "bookworm-backports");
  return {
    kind: "install",
    says:
      "Set-up installs Mesa's lavapipe, a Vulkan driver that runs on the CPU, and the Vulkan loader. " +
      `They come from bookworm-backports${known ? "" : ", which it adds to APT's sources"}: the Mesa 22.3 of Debian 12 is too old.`,
    steps: [...(known ? [] : [addBackports(archives)]), update, install(packages, ["-t", "bookworm-backports"])],
  };
}

// A source of the user's that does not answer must not stop set-up: installing shows whether the lists were good enough.
/** @type {Step} */
const update = { argv: ["apt-get", "update"], essential: false };

/**
 * @param {readonly string[]} packages
 * @param {readonly string[]} options
 * @returns {Step}
 */
function install(packages, options) {
  const argv = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "-y", "--no-install-recommends", ...options, ...packages];
  return { argv, essential: true };
}

export const apt = { update, install };

/**
 * The steps of several plans, each command once.
 * @param {readonly Plan[]} plans
 */
export function stepsOf(plans) {
  const steps = plans.flatMap((plan) => (plan.kind === "install" ? plan.steps : []));
  const text = steps.map((step) => shown(step, []));
  return steps.filter((_, i) => text.indexOf(text[i] ?? "") === i);
}

/**
 * @param {readonly Archive[]} archives
 * @returns {Step}
 */
function addBackports(archives) {
  const bookworm = archives.find(({ suite }) => suite === "bookworm") ?? { uri: "http://deb.debian.org/debian", signedBy: debianKey };
  const key = bookworm.signedBy ?? debianKey;
  // An inline key goes on the lines below its field's name.
  const signedBy = key.includes("\n") ? `Signed-By:\n ${key}` : `Signed-By: ${key}`;
  const lines = ["Types: deb", `URIs: ${bookworm.uri}`, "Suites: bookworm-backports", "Components: main", signedBy];
  return { argv: ["tee", backportsPath], input: `${lines.join("\n")}\n`, essential: true };
}

/**
 * A step as it is typed at a shell.
 * @param {Step} step
 * @param {readonly string[]} root  what comes before a command to run it as root
 */
export function shown({ argv, input }, root) {
  const words = [...root, ...argv].join(" ");
  return input === undefined ? words : `${words} <<'EOF'\n${input}EOF`;
}

/**
 * The adapter in one line, or why there is none.
 * @param {Report} report
 */
export function describe(report) {
  if (report.kind === "found") return `WebGPU adapter: ${report.description || report.device} (${report.vendor}, ${report.architecture}).`;
  if (report.kind === "noModule") return `The npm package "webgpu" is not installed (${report.detail}). Run npm ci first.`;
  if (report.kind === "broken") return `WebGPU does not work here: ${report.detail}.`;
  return "No WebGPU adapter was found.";
}

/**
 * What to do when the driver is installed and there is still no adapter.
 * @param {Report} report
 * @param {Record<string, string | undefined>} env
 */
export function adviceAfter(report, env) {
  const chosen = ["VK_DRIVER_FILES", "VK_ICD_FILENAMES"].filter((name) => env[name]);
  if (chosen.length > 0)
    return `${chosen.map((name) => `${name}=${env[name]}`).join(" and ")} tells Vulkan which drivers to use: unset it and run this again.`;
  if (report.kind === "broken") return "Update the GPU driver, or remove it so that lavapipe is used.";
  return "See what Vulkan says: apt-get install vulkan-tools && vulkaninfo --summary. A device with Vulkan 1.3 should be listed (lavapipe: llvmpipe).";
}
