import { type Collecting, createCollecting } from "./cpu-program.ts";
import type { Device, MemoryReport, Operand } from "./device.ts";
import { convert, type DType, isFloat, type TypedArray, toNumbers, wholeLimits, wholeOf, zerosOf } from "./dtype.ts";
import type { Expression, Term } from "./fuse.ts";
import { fromHalf, toHalf } from "./half.ts";
import { isDense, type Layout, walk } from "./layout.ts";
import { meeting } from "./meeting.ts";
import { Storage } from "./node.ts";
import type { Op, Value } from "./op.ts";
import { sizeOf } from "./shape.ts";

/** Milliseconds without a turn for timers after which reading gives them one. */
const perTurn = 100;

/** Runs every op by its reference, on the calling thread. It defines what ops mean, and serves where there is no GPU adapter. */
export function createCpu(): Device {
  const live = { tensors: 0, bytes: 0, peakBytes: 0 };
  const hold = (data: TypedArray): Storage => {
    live.tensors++;
    live.bytes += data.byteLength;
    live.peakBytes = Math.max(live.peakBytes, live.bytes);
    return new Storage(data, data.byteLength, (storage) => {
      live.tensors--;
      live.bytes -= storage.bytes;
    });
  };
  let collecting: Collecting | undefined;
  // Everything has run already: this gives timers and signals their turn, which a resolved promise would not.
  const idle = () => new Promise<void>((resolve) => setTimeout(resolve));
  let turn = performance.now();
  return {
    name: "cpu",
    maxInputs: 8,
    supports() {},
    allocate: (dtype, length) => (collecting ? collecting.allocate(dtype, length) : hold(zerosOf(dtype, length))),
    upload: (_, data) => hold(data.slice()),
    accepts: (_op, _attrs, _index, { layout }) => isDense(layout),
    run(op: Op<any>, attrs, inputs, out, extras) {
      if (collecting) return collecting.add(() => this.run(op, attrs, inputs, out, extras));
      // f16 results are computed wide and rounded at the end.
      const results = [out, ...extras].map(({ storage, layout, dtype }) => {
        const target = storage.buffer as TypedArray;
        const wide = dtype === "f16" ? new Float32Array(sizeOf(layout.shape)) : target;
        return { target, value: { shape: layout.shape, dtype, data: wide as Value["data"] } };
      });
      const [first, ...rest] = results.map((r) => r.value);
      op.reference(inputs.map(denseValue), attrs, first, rest);
      for (const { target, value } of results) if (value.data !== target) target.set(convert("f32", value.data, "f16"));
    },
    elementwise(expression, inputs, out) {
      if (collecting) return collecting.add(() => elementwise(expression, inputs, out));
      elementwise(expression, inputs, out);
    },
    capture(calls) {
      const own = createCollecting(hold);
      collecting = own;
      try {
        calls();
      } catch (error) {
        own.dispose();
        throw error;
      } finally {
        collecting = undefined;
      }
      return own.program();
    },
    submit() {},
    idle,
    async read(storage, _dtype, length) {
      const data = (storage.buffer as TypedArray).slice(0, length);
      // A loop that only awaits results would keep Ctrl-C waiting to its end.
      if (performance.now() - turn > perTurn) {
        await idle();
        turn = performance.now();
      }
      return data;
    },
    memory: (): MemoryReport => ({ ...live, pooledBytes: 0, peakDeviceBytes: live.peakBytes }),
    trim() {},
  };
}

/** The CPU device. */
export const cpu: Device = /* @__PURE__ */ createCpu();

/** A dense view of an operand, widened when it is f16. */
function denseValue({ storage, layout, dtype }: Operand): Value {
  const data = storage.buffer as TypedArray;
  const part = data.subarray(layout.offset, layout.offset + sizeOf(layout.shape));
  return { shape: layout.shape, dtype, data: toNumbers(dtype, part) };
}

type Read = (at: number) => number;

function elementwise(expression: Expression, inputs: readonly Operand[], out: Operand): void {
  const offsets = inputs.map(({ layout }) => offsetsOf(layout));
  const reads = inputs.map(({ storage, dtype }, k): Read => {
    const data = storage.buffer as TypedArray;
    const at = offsets[k];
    return dtype === "f16" ? (i) => fromHalf(data[at(i)]) : (i) => data[at(i)];
  });
  const value = evaluator(expression.term, reads, expression.constants);
  const data = out.storage.buffer as TypedArray;
  const to = offsetsOf(out.layout);
  const n = sizeOf(out.layout.shape);
  if (out.dtype === "f16") for (let i = 0; i < n; i++) data[to(i)] = toHalf(value(i));
  else if (out.dtype === "bool") for (let i = 0; i < n; i++) data[to(i)] = value(i) === 0 ? 0 : 1;
  else for (let i = 0; i < n; i++) data[to(i)] = value(i);
}

/** Maps an element's index to its place in storage: by the offset, or by a table. */
function offsetsOf(layout: Layout): Read {
  if (isDense(layout)) return layout.offset === 0 ? (i) => i : (i) => i + layout.offset;
  const places = new Uint32Array(sizeOf(layout.shape));
  walk(layout, (i, at) => {
    places[i] = at;
  });
  return (i) => places[i];
}

/** Intermediate results are rounded to their own type (integers wrap), so that a fused chain gives what its parts would. */
const round: Partial<Record<DType, (v: number) => number>> = {
  f32: Math.fround,
  f16: (v) => fromHalf(toHalf(v)),
  i32: (v) => v | 0,
  u32: (v) => v >>> 0,
  bool: (v) => (v === 0 ? 0 : 1),
};

function evaluator(term: Term, reads: readonly Read[], constants: readonly number[]): Read {
  if (term.kind === "input") return reads[term.index];
  const limits = term.kind === "call" && term.args.some((t) => isFloat(t.dtype)) ? wholeLimits[term.dtype] : undefined;
  const narrow = limits ? (v: number) => wholeOf(v, limits) : (round[term.dtype] ?? ((v: number) => v));
  if (term.kind === "constant") {
    const value = narrow(constants[term.index]);
    return () => value;
  }
  const { formula } = term.op;
  const { scalar, become } = meeting(
    term.args.map((t) => t.dtype),
    term.dtype,
  );
  const args = term.args.map((t): Read => {
    const [read, as] = [evaluator(t, reads, constants), become(t.dtype)];
    return as ? (i) => as(read(i)) : read;
  });
  const [a, b, c] = args;
  if (args.length === 1) return (i) => narrow(formula(scalar, [a(i)]));
  if (args.length === 2) return (i) => narrow(formula(scalar, [a(i), b(i)]));
  return (i) => narrow(formula(scalar, [a(i), b(i), c(i)]));
}
