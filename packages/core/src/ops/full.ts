import { cpu } from "../cpu.ts";
import type { Device } from "../device.ts";
import { checkType, type DType, wholeLimits } from "../dtype.ts";
import { kindOf, OpError } from "../error.ts";
import type { Constant } from "../op.ts";
import { checkOptions, type NamesOf } from "../options.ts";
import { type Shape, show } from "../shape.ts";
import { apply, type Tensor } from "../tensor.ts";

export interface Full {
  readonly shape: Shape;
  readonly value: number;
  readonly dtype: DType;
  /** The type in which formulas read it. Default `dtype`. */
  readonly readAs?: DType;
}

export const fullOp: Constant<Full> = {
  name: "full",
  infer(_, { shape, value, dtype }) {
    checkType("full", dtype);
    checkFits("full", value, dtype);
    return { shape: checkShape("full", shape), dtype };
  },
  reference: (_, { value }, out) => {
    out.data.fill(value);
  },
  constant: ({ value }) => value,
  readAs: ({ readAs }) => readAs,
};

export interface On {
  /** Default `f32`. */
  readonly dtype?: DType;
  /** Default the CPU, or what `useDevice` chose. */
  readonly device?: Device;
}

export const onNames: NamesOf<On> = { dtype: true, device: true };

let preferred: Device = cpu;

/** Sets where tensors are made when no `device` is given. Returns the one before. */
export function useDevice(device: Device): Device {
  const before = preferred;
  preferred = device;
  return before;
}

export const defaultDevice = (): Device => preferred;

/** A tensor of one value repeated. It takes no memory until something other than arithmetic reads it. */
export const full = (shape: Shape, value: number, on: On = {}): Tensor => filled("full", shape, value, on);
export const zeros = (shape: Shape, on: On = {}): Tensor => filled("zeros", shape, 0, on);
export const ones = (shape: Shape, on: On = {}): Tensor => filled("ones", shape, 1, on);

function filled(name: string, shape: Shape, value: number, on: On): Tensor {
  const { dtype = "f32", device = preferred } = checkOptions(name, on, onNames);
  checkType(name, dtype);
  return apply(fullOp, [], { shape: [...checkShape(name, shape)], value, dtype }, device);
}

export function checkShape(op: string, shape: Shape): Shape {
  if (!Array.isArray(shape) || !shape.every((d) => Number.isSafeInteger(d) && d >= 0)) {
    throw new OpError(op, `a shape is a list of whole numbers ≥ 0, got ${Array.isArray(shape) ? show(shape) : kindOf(shape)}`);
  }
  return shape;
}

/** Throws where an integer type does not hold a number, whose fraction is cut off first. */
export function checkFits(op: string, value: number, dtype: DType, fix?: string): void {
  if (typeof value !== "number") throw new OpError(op, `the value is ${kindOf(value)}, expected a number`);
  const [least, most] = wholeLimits[dtype] ?? [];
  if (least === undefined || most === undefined) return;
  const whole = Math.trunc(value);
  if (!(whole >= least && whole <= most)) throw new OpError(op, `${value} is no ${dtype}, which goes from ${least} to ${most}`, fix);
}
