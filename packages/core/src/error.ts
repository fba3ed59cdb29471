/** An error the caller can fix. Every error this library throws on purpose is one. */
export class SnoopiError extends Error {
  override readonly name: string = "SnoopiError";
}

/** A call that cannot be carried out, named after the op the caller wrote: `op: what is wrong, with both values. What to do.` */
export class OpError extends SnoopiError {
  override readonly name = "OpError";
  readonly op: string;

  constructor(op: string, problem: string, fix?: string) {
    super(`${op}: ${problem}.${fix ? ` ${fix}` : ""}`);
    this.op = op;
  }
}

/** The GPU went away: driver reset, unplugged, or `device.destroy()`. Tensors on it are gone. */
export class DeviceLostError extends SnoopiError {
  override readonly name = "DeviceLostError";
}

/** The device refused an allocation. */
export class OutOfMemoryError extends SnoopiError {
  override readonly name = "OutOfMemoryError";
}

/** A fact the library relies on. If it fails, the fault is ours. */
export function invariant(fact: unknown, message: string): asserts fact {
  if (!fact) throw new Error(`${message}. This is a bug in snoopi, please report it.`);
}
