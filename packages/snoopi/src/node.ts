// What a Node script needs to make a picture and keep it: `@snoopi/snoopi` for the rest.
export { webgpu } from "@snoopi/kernels/node";
export { nodeFolder } from "@snoopi/models/node";
export { type Output, openOutput } from "./cli/output.ts";
