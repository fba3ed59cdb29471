import { convert, type DType, type Shape, SnoopiError, type TypedArray, toNumbers } from "@snoopi/core";
import { decode } from "./safetensors-dtype.ts";
import { parseHeader, type SafetensorsHeader, type TensorEntry } from "./safetensors-header.ts";
import { type ByteSource, readExactly, refuseForeignFile } from "./source.ts";

/** The reference's limit; a longer header is an attack or another format. */
const MAX_HEADER = 100_000_000;

export interface TensorData {
  readonly dtype: DType;
  readonly shape: Shape;
  readonly data: TypedArray;
}

/** Reads tensors by name, from one file or from a component spread over several. */
export interface TensorReader {
  readonly name: string;
  readonly entries: ReadonlyMap<string, TensorEntry>;
  /** Bytes of all tensors as stored. */
  readonly bytes: number;
  /**
   * One tensor, in the element type nearest to the stored one (BF16 as f32, I64 as i32) or in `dtype`.
   * Throws for a name that is not there, for types that cannot be read, and when a finite value does not fit into `dtype`.
   */
  read(tensor: string, options?: { dtype?: DType }): Promise<TensorData>;
  close(): Promise<void>;
}

export interface SafetensorsFile extends TensorReader, SafetensorsHeader {}

/** Opens a safetensors file: reads and checks the header, and leaves the data where it is. `name` is shown in errors. */
export async function openSafetensors(source: ByteSource, name: string): Promise<SafetensorsFile> {
  const head = await readExactly(source, { start: 0, end: Math.min(source.size, 64), name });
  refuseForeignFile(head, name);
  if (source.size < 8) throw new SnoopiError(`${name}: ${source.size} bytes are too few for a safetensors file. Download the file again.`);
  const length = new DataView(head.buffer, head.byteOffset).getBigUint64(0, true);
  if (length > MAX_HEADER) {
    throw new SnoopiError(
      `${name}: the header claims ${length} bytes, more than the allowed ${MAX_HEADER}. This is not a safetensors file.`,
    );
  }
  const begin = 8 + Number(length);
  if (begin > source.size) {
    throw new SnoopiError(`${name}: the header ends at byte ${begin}, but the file has ${source.size}. Download the file again.`);
  }
  const header = parseHeader(await readExactly(source, { start: 8, end: begin, name }), { name, begin, size: source.size });

  return {
    name,
    ...header,
    bytes: source.size - begin,
    async read(tensor, options = {}) {
      const entry = header.entries.get(tensor);
      if (entry === undefined) throw new SnoopiError(`${name}: there is no tensor ${JSON.stringify(tensor)}.`);
      const bytes = await readExactly(source, { start: entry.start, end: entry.end, name });
      try {
        const { dtype, data } = decode(entry.dtype, bytes);
        const to = options.dtype ?? dtype;
        return { dtype: to, shape: entry.shape, data: convertExactly(dtype, data, to) };
      } catch (error) {
        if (!(error instanceof SnoopiError)) throw error;
        throw new SnoopiError(`${name}: tensor ${JSON.stringify(tensor)}: ${error.message}.`);
      }
    },
    close: async () => source.close?.(),
  };
}

/** `convert`, but a finite value that f16 or f32 can only hold as infinity is an error: the picture would silently be black. */
function convertExactly(from: DType, data: TypedArray, to: DType): TypedArray {
  const out = convert(from, data, to);
  if (to === from || (to !== "f16" && !(to === "f32" && from === "f64"))) return out;
  const [before, after] = [toNumbers(from, data), toNumbers(to, out)];
  let lost = 0;
  for (let i = 0; i < after.length; i++) if (!Number.isFinite(after[i]) && Number.isFinite(before[i])) lost++;
  if (lost > 0) throw new SnoopiError(`${lost} of ${after.length} values are too large for ${to}. Read it as ${from}`);
  return out;
}
