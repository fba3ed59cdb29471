import { cpu } from "../cpu.ts";
import type { Device } from "../device.ts";
import type { DType } from "../dtype.ts";
import { OpError } from "../error.ts";
import type { Constant } from "../op.ts";
import { type Shape, show } from "../shape.ts";
import { apply, type Tensor } from "../tensor.ts";

export interface Full {
  readonly shape: Shape;
  readonly value: number;
  readonly dtype: DType;
}

export const fullOp: Constant<Full> = {
  name: "full",
  infer: (_, { shape, dtype }) => ({ shape: checkShape("full", shape), dtype }),
  reference: (_, { value }, out) => {
    out.data.fill(value);
  },
  constant: ({ value }) => value,
};

export interface On {
  /** Default `f32`. */
  readonly dtype?: DType;
  /** Default the CPU, or what `useDevice` chose. */
  readonly device?: Device;
}

let preferred: Device = cpu;

/** Sets where tensors are made when no `device` is given. Returns the one before. */
export function useDevice(device: Device): Device {
  const before = preferred;
  preferred = device;
  return before;
}

export const defaultDevice = (): Device => preferred;

/** A tensor of one value repeated. It takes no memory until something other than arithmetic reads it. */
export const full = (shape: Shape, value: number, { dtype = "f32", device = preferred }: On = {}): Tensor =>
  apply(fullOp, [], { shape: [...shape], value, dtype }, device);

export const zeros = (shape: Shape, on?: On): Tensor => full(shape, 0, on);
export const ones = (shape: Shape, on?: On): Tensor => full(shape, 1, on);

export function checkShape(op: string, shape: Shape): Shape {
  if (!shape.every((d) => Number.isSafeInteger(d) && d >= 0)) {
    throw new OpError(op, `a shape is a list of whole numbers ≥ 0, got ${show(shape)}`);
  }
  return shape;
}
