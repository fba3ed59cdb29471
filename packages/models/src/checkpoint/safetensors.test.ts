import { convert, type DType, sizeOf, type TypedArray } from "@snoopi/core";
import fc from "fast-check";
import { expect, test } from "vitest";
import { openSafetensors } from "./safetensors-read.ts";
import { encodeSafetensors } from "./safetensors-write.ts";
import { type ByteSource, blobSource, bytesSource } from "./source.ts";

/** A file of a header as text and some data. */
function file(header: string | Uint8Array, data: ArrayLike<number> = [], claimed?: bigint): Uint8Array {
  const json = typeof header === "string" ? new TextEncoder().encode(header) : header;
  const bytes = new Uint8Array(8 + json.length + data.length);
  new DataView(bytes.buffer).setBigUint64(0, claimed ?? BigInt(json.length), true);
  bytes.set(json, 8);
  bytes.set(data, 8 + json.length);
  return bytes;
}
const open = (bytes: Uint8Array) => openSafetensors(bytesSource(bytes), "x.safetensors");
const joined = (chunks: Uint8Array[]) => new Uint8Array(Buffer.concat(chunks));
const zeros = (length: number) => new Uint8Array(length);
const tensor = (fields: string) => `{"test":{${fields}}}`;
const i32 = (shape: string, offsets: string) => tensor(`"dtype":"I32","shape":${shape},"data_offsets":${offsets}`);

test.each<[string, Uint8Array, string]>([
  ["bytes after the last tensor", file(i32("[2,2]", "[0,16]"), zeros(20)), "the tensors end at byte 84 and the file at byte 88"],
  ["bytes missing", file(i32("[2,2]", "[0,16]"), zeros(12)), "the tensors end at byte 84 and the file at byte 80"],
  ["a header beyond the limit", file("{}", [], 100_000_001n), "claims 100000001 bytes, more than the allowed 100000000"],
  ["a header length of 2^64 - 1", file("{}", [], 2n ** 64n - 1n), "claims 18446744073709551615 bytes"],
  ["a header beyond the file", file("{}", [], 100n), "the header ends at byte 108, but the file has 10"],
  ["less than a length", zeros(7), "7 bytes are too few"],
  ["nothing", zeros(0), "0 bytes are too few"],
  ["an empty header", file(""), "the JSON cannot be parsed"],
  ["a header that is not UTF-8", file(new Uint8Array([0xff])), "the header is not UTF-8"],
  ["a header that is not JSON", file("{"), "the JSON cannot be parsed"],
  ["a byte order mark", file("\uFEFF{}"), "the JSON cannot be parsed"],
  ["a header that is a list", file("[]"), "the header is not a JSON object"],
  ["a header that ends in NUL", file("{}\0"), "the JSON cannot be parsed"],
  ["a trailing comma", file(`{"a":{},}`), "the JSON cannot be parsed"],
  ["nesting beyond 128", file(`{"a":${"[".repeat(200)}${"]".repeat(200)}}`), "nested more than 128 deep"],
  ["an unknown dtype", file(tensor(`"dtype":"f32","shape":[],"data_offsets":[0,4]`), zeros(4)), 'the unknown dtype "f32"'],
  ["no dtype", file(tensor(`"shape":[],"data_offsets":[0,4]`), zeros(4)), "the unknown dtype undefined"],
  ["no shape", file(tensor(`"dtype":"F32","data_offsets":[0,4]`), zeros(4)), "the shape undefined"],
  ["no offsets", file(tensor(`"dtype":"F32","shape":[1]`), zeros(4)), "the data_offsets undefined"],
  ["three offsets", file(i32("[1]", "[0,4,4]"), zeros(4)), "not a begin and an end"],
  ["a negative size", file(i32("[-1]", "[0,4]"), zeros(4)), "shape holds -1"],
  ["a size written as 2.0", file(i32("[2.0]", "[0,8]"), zeros(8)), "shape holds 2.0, which is not a whole number"],
  ["a size written as 2e0", file(i32("[2e0]", "[0,8]"), zeros(8)), "shape holds 2e0"],
  ["an offset written as 8.0", file(i32("[2]", "[0,8.0]"), zeros(8)), "data_offsets holds 8.0"],
  ["a size as a string", file(i32(`["2"]`, "[0,8]"), zeros(8)), "not a list of sizes"],
  ["a shape of the wrong length", file(i32("[2,3]", "[0,16]"), zeros(16)), "spans 16 bytes, but [2, 3] of I32 takes 24"],
  ["an end before its begin", file(i32("[1]", "[4,0]"), zeros(4)), "spans -4 bytes"],
  ["a shape whose product overflows", file(i32("[4294967296,4294967296]", "[0,16]"), zeros(16)), "too large"],
  ["a shape whose bytes overflow", file(i32("[2305843009213693952]", "[0,16]"), zeros(16)), "not a list of sizes"],
  ["an overflow before a zero", file(i32("[1099511627776,1099511627776,0]", "[0,0]")), "too large"],
  ["4-bit elements that leave half a byte", file(tensor(`"dtype":"F4","shape":[1,3],"data_offsets":[0,1]`), zeros(1)), "whole bytes"],
  [
    "a hole",
    file(`{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"b":{"dtype":"U8","shape":[1],"data_offsets":[2,3]}}`, zeros(3)),
    "begins at byte 2 of the data where 1 is due",
  ],
  [
    "an overlap",
    file(`{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}}`, zeros(3)),
    "begins at byte 1 of the data where 2 is due",
  ],
  ["a first tensor after the begin", file(i32("[1]", "[4,8]"), zeros(8)), "begins at byte 4 of the data where 0 is due"],
  [
    "a name given twice",
    file(`{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}`, zeros(1)),
    'the key "a" is given twice',
  ],
  [
    "a name given twice, once escaped",
    file(`{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"\\u0061":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}`, zeros(1)),
    "is given twice",
  ],
  [
    "a field given twice",
    file(tensor(`"dtype":"U8","dtype":"U8","shape":[1],"data_offsets":[0,1]`), zeros(1)),
    'the key "dtype" is given twice',
  ],
  ["metadata of numbers", file(`{"__metadata__":{"a":1}}`), "__metadata__.a is 1, not a string"],
  ["metadata given twice", file(`{"__metadata__":{},"__metadata__":{}}`), "is given twice"],
  ["metadata that is a list", file(`{"__metadata__":[]}`), "__metadata__ is not an object"],
  ["a lone surrogate", file(`{"\\ud800":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}`, zeros(1)), "not valid Unicode"],
  ["a Git LFS pointer", new TextEncoder().encode("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"), "Git LFS pointer"],
  ["a zipped pickle", new TextEncoder().encode("PK\u0003\u0004\0\0\u0008\u0008\0\0archive/data.pkl"), "PyTorch pickle"],
  ["a bare pickle", new Uint8Array([0x80, 2, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20]), "PyTorch pickle"],
])("a file with %s is refused", async (_, bytes, message) => {
  await expect(open(bytes)).rejects.toThrow(message);
  await expect(open(bytes)).rejects.toThrow(/^x\.safetensors: /);
});

test("many tensors on one range are refused", async () => {
  const entries = Array.from({ length: 10_000 }, (_, i) => `"t${i}":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]}`);
  await expect(open(file(`{${entries.join(",")}}`, zeros(16)))).rejects.toThrow("begins at byte 0 of the data where 16 is due");
});

test("what the reference accepts is accepted: space around the header, no tensors, empty shapes, unknown fields, null metadata", async () => {
  expect((await open(file("\t\r\n {} \n"))).entries.size).toBe(0);
  expect((await open(file(`{"__metadata__":null}`))).metadata.size).toBe(0);
  const scalar = await open(file(tensor(`"dtype":"F32","shape":[],"data_offsets":[0,4],"note":[1.5,{"a":null}]`), [0, 0, 128, 63]));
  expect(await scalar.read("test")).toEqual({ dtype: "f32", shape: [], data: Float32Array.of(1) });
  const empty = await open(file(i32("[2,0]", "[0,0]")));
  expect((await empty.read("test")).data).toEqual(new Int32Array(0));
  expect((await open(file(tensor(`"dtype":"F4","shape":[2],"data_offsets":[0,1]`), zeros(1)))).entries.get("test")?.dtype).toBe("F4");
});

test("names that are special to JavaScript are ordinary names", async () => {
  const names = ["__proto__", "constructor", "", "0", "a\nb\0", "é😀"];
  const data = (i: number) => ({ dtype: "f32" as const, shape: [1], data: Float32Array.of(i) });
  const read = await open(joined(encodeSafetensors(names.map((name, i) => [name, data(i)]))));
  expect(read.entries.size).toBe(names.length);
  for (const [i, name] of names.entries()) expect((await read.read(name)).data[0]).toBe(i);
  await expect(read.read("toString")).rejects.toThrow('there is no tensor "toString"');
});

test("a tensor that does not begin at a multiple of its element size is read", async () => {
  const bytes = file(
    `{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"b":{"dtype":"F32","shape":[1],"data_offsets":[1,5]}}`,
    [7, 0, 0, 128, 63],
  );
  // A source that hands out views, at odd addresses.
  const source: ByteSource = { size: bytes.length, read: async (start, end) => bytes.subarray(start, end) };
  const read = await openSafetensors(source, "x");
  expect((await read.read("b")).data).toEqual(Float32Array.of(1));
});

test.each<[string, number[], DType, number[]]>([
  ["BF16", [0x80, 0x3f, 0x00, 0xc0], "f32", [1, -2]],
  ["F16", [0x00, 0x3c], "f16", [0x3c00]],
  ["F64", [0, 0, 0, 0, 0, 0, 0xf0, 0x3f], "f64", [1]],
  ["I64", [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], "i32", [-1]],
  ["U64", [5, 0, 0, 0, 0, 0, 0, 0], "u32", [5]],
  ["I8", [0xff], "i32", [-1]],
  ["U8", [0xff], "u32", [255]],
  ["I16", [0xfe, 0xff], "i32", [-2]],
  ["U16", [0xfe, 0xff], "u32", [65534]],
  ["BOOL", [0, 1, 1], "bool", [0, 1, 1]],
])("%s is read as the nearest type", async (type, bytes, dtype, values) => {
  const shape = `[${values.length}]`;
  const read = await open(file(tensor(`"dtype":"${type}","shape":${shape},"data_offsets":[0,${bytes.length}]`), bytes));
  const got = await read.read("test");
  expect([got.dtype, [...got.data]]).toEqual([dtype, values]);
});

test("a type without an equal here is refused when it is read, not before", async () => {
  const read = await open(file(tensor(`"dtype":"F8_E4M3","shape":[1],"data_offsets":[0,1]`), zeros(1)));
  await expect(read.read("test")).rejects.toThrow('x.safetensors: tensor "test": elements of type F8_E4M3 cannot be read, only F64');
});

test("values that do not fit are refused: beyond 32 bits, beyond f16", async () => {
  const long = await open(file(tensor(`"dtype":"I64","shape":[1],"data_offsets":[0,8]`), [0, 0, 0, 0, 1, 0, 0, 0]));
  await expect(long.read("test")).rejects.toThrow("4294967296 at element 0 does not fit into 32 bits");
  const big = await open(joined(encodeSafetensors([["a", { dtype: "f32", shape: [3], data: Float32Array.of(1, 1e5, Infinity) }]])));
  await expect(big.read("a", { dtype: "f16" })).rejects.toThrow('tensor "a": 1 of 3 values are too large for f16');
});

test("a source that returns too little is an error", async () => {
  const bytes = joined(encodeSafetensors([["a", { dtype: "f32", shape: [2], data: Float32Array.of(1, 2) }]]));
  const read = await openSafetensors(
    { size: bytes.length, read: async (start, end) => bytes.slice(start, Math.min(end, bytes.length - 1)) },
    "x",
  );
  await expect(read.read("a")).rejects.toThrow("got 7 of 8");
});

test("the writer's bytes are those of the reference writer", () => {
  // safetensors 0.8.0, numpy.save of these tensors with the metadata {"k": "v"}; the two names in é differ in order by UTF-16 and by UTF-8.
  const reference =
    "6AEAAAAAAAB7Il9fbWV0YWRhdGFfXyI6eyJrIjoidiJ9LCJkIjp7ImR0eXBlIjoiRjY0Iiwic2hhcGUiOlsxXSwiZGF0YV9vZmZzZXRzIjpbMCw4XX0sInoiOnsiZHR5cGUi" +
    "OiJGMzIiLCJzaGFwZSI6WzFdLCJkYXRhX29mZnNldHMiOls4LDEyXX0sInFcIlxuIjp7ImR0eXBlIjoiVTMyIiwic2hhcGUiOlsxXSwiZGF0YV9vZmZzZXRzIjpbMTIsMTZd" +
    "fSwiw6nvv64iOnsiZHR5cGUiOiJJMzIiLCJzaGFwZSI6WzFdLCJkYXRhX29mZnNldHMiOlsxNiwyMF19LCLDqfCdkIAiOnsiZHR5cGUiOiJJMzIiLCJzaGFwZSI6WzEsMV0s" +
    "ImRhdGFfb2Zmc2V0cyI6WzIwLDI0XX0sImIuMTAiOnsiZHR5cGUiOiJGMTYiLCJzaGFwZSI6WzJdLCJkYXRhX29mZnNldHMiOlsyNCwyOF19LCJiLjIiOnsiZHR5cGUiOiJG" +
    "MTYiLCJzaGFwZSI6WzFdLCJkYXRhX29mZnNldHMiOlsyOCwzMF19LCJtIjp7ImR0eXBlIjoiQk9PTCIsInNoYXBlIjpbMV0sImRhdGFfb2Zmc2V0cyI6WzMwLDMxXX19ICAg" +
    "IAAAAAAAAOA/AACAPwkAAAAJAAAABwAAAABAAEIAPAE=";
  const chunks = encodeSafetensors(
    [
      ["b.2", { dtype: "f16", shape: [1], data: Uint16Array.of(0x3c00) }],
      ["m", { dtype: "bool", shape: [1], data: Uint8Array.of(1) }],
      ["b.10", { dtype: "f16", shape: [2], data: Uint16Array.of(0x4000, 0x4200) }],
      ["z", { dtype: "f32", shape: [1], data: Float32Array.of(1) }],
      ["é\u{1d400}", { dtype: "i32", shape: [1, 1], data: Int32Array.of(7) }],
      ["é\uffee", { dtype: "i32", shape: [1], data: Int32Array.of(9) }],
      ['q"\n', { dtype: "u32", shape: [1], data: Uint32Array.of(9) }],
      ["d", { dtype: "f64", shape: [1], data: Float64Array.of(0.5) }],
    ],
    { k: "v" },
  );
  expect(Buffer.concat(chunks).toString("base64")).toBe(reference);
});

test("the writer refuses a name given twice, and data that does not fill its shape or is of another type", () => {
  const one = { dtype: "f32" as const, shape: [1], data: Float32Array.of(1) };
  expect(() =>
    encodeSafetensors([
      ["a", one],
      ["a", one],
    ]),
  ).toThrow('the name "a" is taken');
  expect(() => encodeSafetensors([["__metadata__", one]])).toThrow('the name "__metadata__" is taken');
  expect(() => encodeSafetensors([["a", { ...one, shape: [2] }]])).toThrow('"a" has the shape [2] but 1 elements');
  for (const dtype of ["f16", "f64", "i32"] as const) {
    expect(() => encodeSafetensors([["a", { ...one, dtype }]])).toThrow(`"a" is ${dtype} but its elements come as Float32Array. Give `);
  }
});

const dtypes: readonly DType[] = ["f32", "f16", "f64", "i32", "u32"];
const tensors = fc.uniqueArray(
  fc.record({
    name: fc.string({ unit: "grapheme" }).filter((name) => name !== "__metadata__" && !/\p{Surrogate}/u.test(name)),
    dtype: fc.constantFrom(...dtypes),
    shape: fc.array(fc.nat(4), { maxLength: 4 }),
    seed: fc.integer(),
  }),
  { selector: ({ name }) => name, maxLength: 8 },
);

test("what is written is read back, bit for bit, from memory and from a blob", async () => {
  await fc.assert(
    fc.asyncProperty(tensors, fc.dictionary(fc.string(), fc.string()), async (list, metadata) => {
      const made = list.map(({ name, dtype, shape, seed }): [string, { dtype: DType; shape: number[]; data: TypedArray }] => {
        const values = Float64Array.from({ length: sizeOf(shape) }, (_, i) => Math.abs(seed + i * 7) % 1000);
        const data = convert("f64", values, dtype);
        return [name, { dtype, shape, data }];
      });
      const bytes = joined(encodeSafetensors(made, metadata));
      for (const source of [bytesSource(bytes), blobSource(new Blob([bytes]))]) {
        const read = await openSafetensors(source, "x");
        expect(new Map(read.metadata)).toEqual(new Map(Object.entries(metadata)));
        expect([...read.entries.keys()].sort()).toEqual(made.map(([name]) => name).sort());
        for (const [name, written] of made) expect(await read.read(name)).toEqual(written);
      }
    }),
    { numRuns: 50 },
  );
});

test("a cut or a flipped header byte never yields anything but a file or one clear error", async () => {
  const bytes = joined(encodeSafetensors([["w", { dtype: "f32", shape: [2, 3], data: new Float32Array(6) }]], { k: "v" }));
  await fc.assert(
    fc.asyncProperty(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), fc.boolean(), async (at, flip, cut) => {
      const damaged = cut ? bytes.slice(0, at) : bytes.map((byte, i) => (i === at ? byte ^ flip : byte));
      const error = await open(damaged).then(
        () => undefined,
        (error: Error) => error,
      );
      if (cut) expect(error).toBeDefined();
      if (error) expect(error.name).toBe("SnoopiError");
    }),
    { numRuns: 500 },
  );
});
