import { createRequire } from "node:module";
import type { Library } from "../library.ts";
import { tensorflow } from "./tfjs.ts";

export async function open(): Promise<Library> {
  const require = createRequire(import.meta.url);
  const tf = require("@tensorflow/tfjs-core");
  require("@tensorflow/tfjs-backend-cpu");
  return tensorflow(tf, "cpu");
}
