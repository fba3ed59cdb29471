import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { type Browser, chromium } from "playwright-core";

const names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/** The browser's path: `CHROMIUM_PATH`, or the first of its usual names on the PATH. */
export function findChromium(): string | undefined {
  const folders = (process.env.PATH ?? "").split(delimiter);
  const paths = names.flatMap((name) => folders.map((folder) => join(folder, name)));
  return process.env.CHROMIUM_PATH ?? paths.find(isProgram);
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/**
 * Opens a browser without a window and with WebGPU, on a profile that is thrown away.
 *
 * Its adapter is SwiftShader, the Vulkan driver that Chromium brings along: of drivers that run on the CPU, Chromium uses others, lavapipe among
 * them, only where they import images from other processes, which lavapipe does with /dev/udmabuf alone. So the tests see one driver everywhere.
 */
export function openChromium(executablePath: string): Promise<Browser> {
  const webGpu = ["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader"];
  const quiet = ["--no-first-run", "--disable-quic", "--disable-background-networking", "--disable-component-update", "--disable-sync"];
  // The sandbox does not work for root and in most containers; the only page that is opened is our own.
  return chromium.launch({ executablePath, chromiumSandbox: false, args: [...webGpu, ...quiet] });
}
