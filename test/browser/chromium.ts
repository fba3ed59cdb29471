import { type Browser, chromium } from "playwright-core";

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
