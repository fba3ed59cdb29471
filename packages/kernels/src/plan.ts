import { type DryOptions, isDense, type Operand, type Spec, Storage } from "@snoopi/core";
import type { Launch } from "./encoder.ts";
import type { Facts } from "./facts.ts";
import { footprint } from "./footprint.ts";
import { isEmpty } from "./kernel.ts";
import { launchesFor, launchesOf, loweringOf } from "./launches.ts";
import type { Block } from "./pool.ts";

/**
 * A stand-in for a GPU with these facts, for `createDryDevice` and `estimate`: its memory, the kernels it would launch and their
 * temporaries. `facts` are an open device's (`device.facts`), or assumed of one that is not at hand.
 */
export function webgpuPlan(facts: Facts): DryOptions {
  const roomOf = (temporary: (spec: Spec) => Operand) => ({ facts, temporary: (spec: Spec) => standIn(temporary(spec)) });
  return {
    bytes: footprint,
    maxInputs: facts.maxInputs,
    plan: {
      accepts: (op, attrs, index, lies) => loweringOf(op)?.accepts?.(index, lies, attrs) ?? isDense(lies.layout),
      orderOf: (op, index, inputs) => loweringOf(op)?.order?.(index, inputs),
      run: (temporary, op, attrs, inputs, out, extras) =>
        started(launchesOf({ op, attrs, inputs: inputs.map(standIn), out: standIn(out), extras: extras.map(standIn) }, roomOf(temporary))),
      elementwise: (temporary, expression, inputs, out) =>
        started(launchesFor(expression, inputs.map(standIn), standIn(out), roomOf(temporary))),
    },
  };
}

const started = (launches: readonly Launch[]): number => launches.filter(({ groups }) => !isEmpty(groups)).length;

/** The operand in a block without a buffer: of a block, only its size decides which launches are chosen. */
function standIn({ storage: { bytes }, ...x }: Operand): Operand {
  const block: Omit<Block, "buffer"> = { id: -1, bytes, usedBy: -1 };
  return { ...x, storage: new Storage(block, bytes) };
}
