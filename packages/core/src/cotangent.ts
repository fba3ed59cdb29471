import type { Node } from "./node.ts";
import { add } from "./ops/arithmetic.ts";
import { concat } from "./ops/concat.ts";
import { full } from "./ops/full.ts";
import { type Pad, padOp } from "./ops/slice.ts";
import { Tensor } from "./tensor.ts";

/** The part of one tensor's cotangent that has arrived so far. */
export interface Cotangent {
  readonly sum?: Tensor;
  /** Cotangents of slices that do not overlap. Each is padded with zeros to the whole tensor's size: they are joined instead of added. */
  readonly pieces: readonly Piece[];
}

/** A tensor with zeros around it along one axis only. */
interface Piece {
  readonly padded: Tensor;
  readonly inside: Node;
  readonly axis: number;
  readonly start: number;
  readonly end: number;
}

/**
 * `before` and one more contribution, `g`. The total is that of adding in the order of arrival, bit for bit but for the sign of zeros: of
 * joined pieces, at most one is not zero at each element. Waiting pieces are together no larger than the tensor.
 */
export function arrived(before: Cotangent | undefined, g: Tensor): Cotangent {
  const piece = pieceOf(g);
  if (!before) return piece ? { pieces: [piece] } : { sum: g, pieces: [] };
  if (!piece) return { sum: add(total(before), g), pieces: [] };
  const apart = before.pieces.every((p) => p.axis === piece.axis && (p.end <= piece.start || piece.end <= p.start));
  return apart ? { ...before, pieces: [...before.pieces, piece] } : { sum: total(before), pieces: [piece] };
}

/** The sum of all that has arrived. */
export function total({ sum, pieces }: Cotangent): Tensor {
  const joined = pieces.length > 1 ? join(pieces) : pieces[0]?.padded;
  return sum && joined ? add(sum, joined) : ((sum ?? joined) as Tensor);
}

function pieceOf(padded: Tensor): Piece | undefined {
  const { origin } = padded.node;
  if (origin?.op !== padOp) return undefined;
  const { before, after, steps, value } = origin.attrs as Pad;
  const [axis, ...others] = before.flatMap((b, i) => (b !== 0 || after[i] !== 0 || steps[i] !== 1 ? [i] : []));
  if (value !== 0 || axis === undefined || others.length > 0 || steps[axis] !== 1) return undefined;
  const start = before[axis];
  return { padded, inside: origin.inputs[0], axis, start, end: padded.shape[axis] - after[axis] };
}

function join(pieces: readonly Piece[]): Tensor {
  const { padded, axis } = pieces[0];
  const { shape, dtype, device } = padded;
  const zeros = (from: number, to: number) => {
    const gap = shape.map((d, i) => (i === axis ? to - from : d));
    return to > from ? [full(gap, 0, { dtype, device })] : [];
  };
  let at = 0;
  const parts = pieces
    .toSorted((a, b) => a.start - b.start)
    .flatMap(({ inside, start, end }) => {
      const gap = zeros(at, start);
      at = Math.max(at, end);
      return [...gap, new Tensor(inside)];
    });
  return concat([...parts, ...zeros(at, shape[axis])], { axis });
}
