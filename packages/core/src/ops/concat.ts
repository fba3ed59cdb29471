import { promote } from "../dtype.ts";
import { kindOf, OpError } from "../error.ts";
import { dense, sliced, walk } from "../layout.ts";
import type { Op } from "../op.ts";
import { checkOptions, type NamesOf } from "../options.ts";
import { normalizeAxis, show } from "../shape.ts";
import { apply, share, type Tensor } from "../tensor.ts";
import { reshape } from "./movement.ts";
import { slice } from "./slice.ts";

export const concatOp: Op<{ axis: number }> = {
  name: "concat",
  infer(inputs, { axis }) {
    const [first, ...rest] = inputs;
    for (const x of rest) {
      if (x.shape.length !== first.shape.length || x.shape.some((d, i) => i !== axis && d !== first.shape[i])) {
        throw new OpError("concat", `${show(first.shape)} and ${show(x.shape)} differ in more than axis ${axis}`);
      }
    }
    const shape = first.shape.map((d, i) => (i === axis ? inputs.reduce((n, x) => n + x.shape[i], 0) : d));
    return { shape, dtype: inputs.map((x) => x.dtype).reduce(promote) };
  },
  reference(inputs, { axis }, out) {
    let at = 0;
    for (const x of inputs) {
      const starts = out.shape.map((_, i) => (i === axis ? at : 0));
      walk(
        sliced(
          dense(out.shape),
          starts,
          out.shape.map(() => 1),
          x.shape,
        ),
        (i, place) => {
          out.data[place] = x.data[i];
        },
      );
      at += x.shape[axis];
    }
  },
  vjp(g, { inputs, attrs: { axis } }) {
    let at = 0;
    return inputs.map((x) => {
      const start = at;
      at += x.shape[axis];
      return slice(
        g,
        x.shape.map((d, i) => (i === axis ? [start, start + d] : null)),
      );
    });
  },
};

interface JoinOptions {
  /** Default 0. */
  readonly axis?: number;
}

const joinNames: NamesOf<JoinOptions> = { axis: true };

function checkTensors(op: string, tensors: readonly Tensor[]): void {
  if (!Array.isArray(tensors)) throw new OpError(op, `expected an array of tensors, got ${kindOf(tensors)}`);
  if (tensors.length === 0) throw new OpError(op, "expected at least one tensor, got none");
}

/** Joins tensors end to end along an existing axis. */
export function concat(tensors: readonly Tensor[], options: JoinOptions = {}): Tensor {
  const { axis = 0 } = checkOptions("concat", options, joinNames);
  checkTensors("concat", tensors);
  const at = normalizeAxis("concat", axis, tensors[0].rank);
  return tensors.length === 1 ? share(tensors[0]) : apply(concatOp, tensors, { axis: at });
}

/** Joins tensors of one shape along a new axis. */
export function stack(tensors: readonly Tensor[], options: JoinOptions = {}): Tensor {
  const { axis = 0 } = checkOptions("stack", options, joinNames);
  checkTensors("stack", tensors);
  const at = normalizeAxis("stack", axis, tensors[0].rank + 1);
  return concat(
    tensors.map((t) => reshape(t, [...t.shape.slice(0, at), 1, ...t.shape.slice(at)])),
    { axis: at },
  );
}
