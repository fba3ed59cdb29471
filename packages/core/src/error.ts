/** An error the caller can fix. Every error this library throws on purpose is one. */
export class SnoopiError extends Error {
  constructor(message?: string, options?: ErrorOptions) {
    super(message, options);
    // Until `stack` is read, V8 keeps the functions and objects on it alive, and their tensors with them, as long as the error itself.
    void this.stack;
  }

  // On the prototype, so that it is already set when the stack's first line is written.
  override get name(): string {
    return "SnoopiError";
  }
}

/** A call that cannot be carried out, named after the op the caller wrote: `op: what is wrong, with both values. What to do.` */
export class OpError extends SnoopiError {
  readonly op: string;

  constructor(op: string, problem: string, fix?: string) {
    super(`${op}: ${problem}.${fix ? ` ${fix}` : ""}`);
    this.op = op;
  }

  override get name(): string {
    return "OpError";
  }
}

/** What kind of value this is, in words for an error message. */
export function kindOf(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (Array.isArray(value)) return "an array";
  if (value instanceof Promise) return "a promise";
  return typeof value === "object" ? "an object" : `a ${typeof value}`;
}

/** The GPU went away: driver reset, unplugged, or `device.destroy()`. Tensors on it are gone. */
export class DeviceLostError extends SnoopiError {
  override get name(): string {
    return "DeviceLostError";
  }
}

/** The device refused an allocation. */
export class OutOfMemoryError extends SnoopiError {
  override get name(): string {
    return "OutOfMemoryError";
  }
}

/** A fact the library relies on. If it fails, the fault is ours. */
export function invariant(fact: unknown, message: string): asserts fact {
  if (!fact) throw new Error(`${message}. This is a bug in snoopi, please report it.`);
}
