import { type AttrsOf, sizeOf } from "@snoopi/core";
import { bindDense } from "./binding.ts";
import type { Kernel } from "./kernel.ts";
import type { Lowering } from "./lowering.ts";
import { philoxWgsl } from "./philox.ts";
import { portion, stretches } from "./split.ts";

/** One thread per block of four elements, which share one call of the generator. */
const kernel: Kernel = {
  name: "random",
  inputs: [],
  outWidth: 4,
  params: ["blocks", "first", "stream", "keyLow", "keyHigh"],
  body: `${philoxWgsl}
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (group.y * grid.x + group.x) * 64u + lane;
  if (i >= P.blocks) { return; }
  let words = philox(vec4u(P.first + i, 0u, P.stream, 0u), vec2u(P.keyLow, P.keyHigh));
  if (NORMAL == 1u) {
    out[i] = vec4f(normalPair(words.x, words.y), normalPair(words.z, words.w));
  } else {
    out[i] = vec4f(uniformFrom(words.x), uniformFrom(words.y), uniformFrom(words.z), uniformFrom(words.w));
  }
}`,
};

export const random: Lowering<AttrsOf<"random">> = {
  launch({ attrs: { key, stream, distribution }, out, facts }) {
    const length = sizeOf(out.layout.shape);
    // Stretches of whole blocks that start where a binding may.
    const most = Math.floor(facts.maxBindingBytes / 2048) * 512;
    return stretches(Math.ceil(length / 512), most / 512).map((part) => {
      const first = part.first * 512;
      const count = Math.min(part.count * 512, length - first);
      const blocks = Math.ceil(count / 4);
      const params = { blocks, first: first / 4, stream, keyLow: key[0], keyHigh: key[1] };
      const consts = { NORMAL: distribution === "normal" ? 1 : 0 };
      return { kernel, inputs: [], out: bindDense(portion(out, first, [count])), consts, params, groups: Math.ceil(blocks / 64) };
    });
  },
};
