import { isFloat } from "./dtype.ts";
import { OpError, SnoopiError } from "./error.ts";
import { notScalar, pullBack } from "./grad.ts";
import { full } from "./ops/full.ts";
import { checkOptions } from "./options.ts";
import { scope } from "./scope.ts";
import { currentScope } from "./scope-stack.ts";
import { show } from "./shape.ts";
import { startListening, Tape } from "./tape.ts";
import type { Tensor } from "./tensor.ts";
import { leaves, mapTree } from "./tree.ts";

/** Records what is computed from its creation on, to give gradients of it. */
export interface GradientTape<X> extends Disposable {
  /**
   * The gradients of `loss`, a scalar, in a tree like the parameters'. The tape stops recording and releases what it held, unless `retain`
   * says that more losses follow. Gradients neither accumulate between calls nor are stored in the parameters: sum them with an
   * `accumulator` of `@snoopi/core/optim`.
   * @throws SnoopiError when `loss` is no scalar, was not computed from a parameter while the tape listened, or when the tape has ended.
   */
  backward(loss: Tensor, options?: { readonly retain?: boolean }): X;
}

/** Ends tapes that a program forgot outside of every scope. */
const forgotten = new FinalizationRegistry<() => void>((end) => end());

/**
 * {@link valueAndGradients} for a loss that is computed in statements and not in a function, as with PyTorch's `backward`:
 *
 *     using tape = gradientTape(params);
 *     const loss = mean(square(model(x).sub(target)));
 *     const gradients = tape.backward(loss);
 *
 * It ends with the first `backward` without `retain`, when disposed of, or with the scope that was current here. `params` is a tree of
 * float tensors.
 */
export function gradientTape<X>(params: X): GradientTape<X> {
  const own = leaves(params);
  if (own.length === 0) throw new SnoopiError("gradientTape: there are no tensors among the parameters. Pass them in arrays or objects.");
  for (const t of own) {
    if (!isFloat(t.dtype)) throw new OpError("gradientTape", `a parameter is ${t.dtype} ${show(t.shape)}, and only floats have gradients`);
  }
  const tape = new Tape(own);
  // Taken now: an optimiser may assign other values to the handles before `backward`.
  const wrt = own.map((t) => t.node);
  const stop = startListening(tape);
  const owner = currentScope();
  let ended = false;
  const end = () => {
    ended = true;
    stop();
    tape[Symbol.dispose]();
  };
  const held: Disposable = { [Symbol.dispose]: end };
  const dispose = () => {
    forgotten.unregister(end);
    owner?.disown(held);
    end();
  };

  const result: GradientTape<X> = {
    backward(loss, options = {}) {
      const { retain = false } = checkOptions("backward", options, { retain: true });
      if (ended) {
        throw new SnoopiError(
          "backward: the tape has ended. Make one for every step, or pass { retain: true } to all calls of backward but the last.",
        );
      }
      if (loss.shape.some((d) => d !== 1)) throw notScalar(loss);
      if (!tape.tracks(loss.node)) {
        throw new SnoopiError(
          "backward: the loss depends on none of the parameters. Compute it from them after gradientTape(params), and outside noGrad.",
        );
      }
      let found: Tensor[];
      tape.paused = true;
      try {
        found = scope(() => pullBack(tape, loss.node, full(loss.shape, 1, { dtype: loss.dtype, device: loss.device }), wrt));
      } finally {
        tape.paused = false;
      }
      if (!retain) dispose();
      let next = 0;
      return mapTree(params, () => found[next++]);
    },
    [Symbol.dispose]: dispose,
  };
  if (owner) owner.adopt(held);
  else forgotten.register(result, end, end);
  return result;
}
