import type { DType, TypedArray } from "@snoopi/core";

interface Stored {
  readonly shape: readonly number[];
  readonly dtype: DType;
  readonly data: TypedArray;
}

const types = { F64: ["f64", Float64Array], F32: ["f32", Float32Array], I32: ["i32", Int32Array], BOOL: ["bool", Uint8Array] } as const;

/** The tensors of a golden file. It trusts the file: the reader that does not is in `@snoopi/models`. */
export function safetensors(file: Uint8Array): Record<string, Stored> {
  const view = new DataView(file.buffer, file.byteOffset);
  const start = 8 + Number(view.getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(file.subarray(8, start))) as Record<
    string,
    { dtype: keyof typeof types; shape: number[]; data_offsets: [number, number] }
  >;
  return Object.fromEntries(
    Object.entries(header)
      .filter(([name]) => name !== "__metadata__")
      .map(
        ([
          name,
          {
            dtype,
            shape,
            data_offsets: [from, to],
          },
        ]) => {
          const [type, array] = types[dtype];
          // A copy, because the file's offsets need not be aligned.
          const bytes = Uint8Array.from(file.subarray(start + from, start + to));
          return [name, { shape, dtype: type, data: new array(bytes.buffer) }];
        },
      ),
  );
}
