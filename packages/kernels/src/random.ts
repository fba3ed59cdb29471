import { type AttrsOf, sizeOf } from "@snoopi/core";
import { type Kernel } from "./kernel.ts";
import { bind, type Lowering } from "./lowering.ts";
import { philoxWgsl } from "./philox.ts";

/** One thread per block of four elements, which share one call of the generator. */
const kernel: Kernel = {
  name: "random",
  inputs: [],
  outWidth: 4,
  params: ["blocks", "stream", "keyLow", "keyHigh"],
  body: `${philoxWgsl}
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (group.y * grid.x + group.x) * 64u + lane;
  if (i >= P.blocks) { return; }
  let words = philox(vec4u(i, 0u, P.stream, 0u), vec2u(P.keyLow, P.keyHigh));
  if (NORMAL == 1u) {
    out[i] = vec4f(normalPair(words.x, words.y), normalPair(words.z, words.w));
  } else {
    out[i] = vec4f(uniformFrom(words.x), uniformFrom(words.y), uniformFrom(words.z), uniformFrom(words.w));
  }
}`,
};

export const random: Lowering<AttrsOf<"random">> = {
  launch({ attrs: { key, stream, distribution }, out }) {
    const blocks = Math.ceil(sizeOf(out.layout.shape) / 4);
    const params = { blocks, stream, keyLow: key[0], keyHigh: key[1] };
    return [{ kernel, inputs: [], out: bind(out), consts: { NORMAL: distribution === "normal" ? 1 : 0 }, params, groups: Math.ceil(blocks / 64) }];
  },
};
