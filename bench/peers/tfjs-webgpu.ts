import { createRequire } from "node:module";
import { openBrowserGpu } from "../browser-gpu.ts";
import type { Library } from "../library.ts";
import { tensorflow } from "./tfjs.ts";

export async function open(): Promise<Library> {
  openBrowserGpu();
  const require = createRequire(import.meta.url);
  const tf = require("@tensorflow/tfjs-core");
  require("@tensorflow/tfjs-backend-webgpu");
  return tensorflow(tf, "webgpu");
}
