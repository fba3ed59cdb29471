import { type Browser, chromium } from "playwright-core";

/**
 * Opens a browser without a window and with WebGPU, on a profile that is thrown away.
 *
 * Its adapter is SwiftShader, the Vulkan driver that comes with Chromium, so that the tests see one driver everywhere. Chromium uses other
 * CPU drivers, such as lavapipe, only if they can import images from other processes, for which lavapipe needs /dev/udmabuf.
 */
export function openChromium(executablePath: string): Promise<Browser> {
  const webGpu = ["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader"];
  const quiet = ["--no-first-run", "--disable-quic", "--disable-background-networking", "--disable-component-update", "--disable-sync"];
  // The sandbox does not work for root and in most containers; the only page that is opened is our own.
  return chromium.launch({ executablePath, chromiumSandbox: false, args: [...webGpu, ...quiet] });
}
