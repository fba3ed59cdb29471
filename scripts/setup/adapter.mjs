// @ts-check
// Run as a child process: prints one line of JSON about the WebGPU adapter that Dawn finds. A driver that crashes takes only this process down.

/** @returns {Promise<import("./plan.mjs").Report>} */
async function findAdapter() {
  let webgpu;
  try {
    webgpu = await import("webgpu");
  } catch (error) {
    const missing = error instanceof Error && "code" in error && error.code === "ERR_MODULE_NOT_FOUND";
    return { kind: missing ? "noModule" : "broken", detail: firstLine(error) };
  }
  const gpu = webgpu.create([]);
  // Dawn frees its instance when this object is collected, and then the next call on the adapter segfaults.
  Object.assign(globalThis, { gpu });
  const adapter = await gpu.requestAdapter();
  if (!adapter) return { kind: "none" };
  try {
    const device = await adapter.requestDevice();
    device.destroy();
  } catch (error) {
    return { kind: "broken", detail: `${adapter.info.description}: ${firstLine(error)}` };
  }
  const { vendor, architecture, device, description } = adapter.info;
  return { kind: "found", vendor, architecture, device, description };
}

/** @param {unknown} error */
function firstLine(error) {
  return (error instanceof Error ? error.message : String(error)).split("\n", 1)[0] ?? "";
}

console.log(JSON.stringify(await findAdapter()));
