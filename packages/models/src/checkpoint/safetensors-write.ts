import { arrays, bytesOf, type DType, type Shape, SnoopiError, show, sizeOf, type TypedArray } from "@snoopi/core";
import { writtenAs } from "./safetensors-dtype.ts";

const encoder = new TextEncoder();

/** Rust orders strings by their UTF-8 bytes, which is the order of code points; JavaScript's `<` differs beyond U+FFFF. */
function byCodePoint(a: string, b: string): number {
  const [p, q] = [encoder.encode(a), encoder.encode(b)];
  const at = p.findIndex((byte, i) => byte !== q[i]);
  return at === -1 ? p.length - q.length : p[at] - (q[at] ?? -1);
}

const order = [...writtenAs.keys()];

/**
 * A safetensors file as the chunks it consists of: the header, then each tensor's bytes (views of `data`, nothing is copied).
 * Order and padding equal the reference writer's: by alignment of the type, then by name; the header filled with spaces to 8 bytes.
 * Throws when a name comes twice, or when data disagrees with shape or type.
 */
export function encodeSafetensors(
  tensors: Iterable<readonly [string, { dtype: DType; shape: Shape; data: TypedArray }]>,
  metadata?: Iterable<readonly [string, string]> | Readonly<Record<string, string>>,
): Uint8Array[] {
  const sorted = [...tensors].sort(([a, x], [b, y]) => order.indexOf(x.dtype) - order.indexOf(y.dtype) || byCodePoint(a, b));
  const fields: [string, unknown][] = [];
  const pairs = metadata === undefined ? [] : Symbol.iterator in metadata ? [...metadata] : Object.entries(metadata);
  if (pairs.length > 0) fields.push(["__metadata__", Object.fromEntries(pairs)]);
  const chunks: Uint8Array[] = [];
  const seen = new Set(["__metadata__"]);
  let at = 0;
  for (const [name, { dtype, shape, data }] of sorted) {
    if (seen.has(name)) throw new SnoopiError(`safetensors: the name ${JSON.stringify(name)} is taken. Give each tensor its own.`);
    if (data.length !== sizeOf(shape)) {
      throw new SnoopiError(`safetensors: ${JSON.stringify(name)} has the shape ${show(shape)} but ${data.length} elements.`);
    }
    if (!(data instanceof arrays[dtype])) {
      throw new SnoopiError(
        `safetensors: ${JSON.stringify(name)} is ${dtype} but its elements come as ${(data as TypedArray).constructor.name}. Give ${arrays[dtype].name}.`,
      );
    }
    seen.add(name);
    const end = at + data.length * bytesOf[dtype];
    fields.push([name, { dtype: writtenAs.get(dtype), shape, data_offsets: [at, end] }]);
    chunks.push(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    at = end;
  }
  return [encodeHeader(fields), ...chunks];
}

/** The bytes of a file before its data: the length, and the fields as JSON, padded with spaces to 8 bytes. */
export function encodeHeader(fields: readonly (readonly [string, unknown])[]): Uint8Array {
  // Joined by hand: an object would put names like "0" first and lose "__proto__".
  const json = encoder.encode(`{${fields.map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`).join(",")}}`);
  const header = new Uint8Array(8 + Math.ceil(json.length / 8) * 8).fill(0x20);
  new DataView(header.buffer).setBigUint64(0, BigInt(header.length - 8), true);
  header.set(json, 8);
  return header;
}
