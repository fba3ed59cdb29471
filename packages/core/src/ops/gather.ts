import { isFloat } from "../dtype.ts";
import { OpError } from "../error.ts";
import type { Op } from "../op.ts";
import { type Shape, show, sizeOf } from "../shape.ts";
import { apply, type Tensor } from "../tensor.ts";
import { reshape } from "./movement.ts";

/** Rows of `table [rows, width]` picked by `ids [...]`: `[..., width]`. A row that does not exist is an error, or NaN on a GPU. */
export const embeddingOp: Op = {
  name: "embedding",
  infer([table, ids]) {
    if (table.shape.length !== 2) throw new OpError("embedding", `the table is ${show(table.shape)}, expected [rows, width]`);
    if (ids.dtype !== "i32" && ids.dtype !== "u32") throw new OpError("embedding", `the ids are ${ids.dtype}, expected i32 or u32`);
    return { shape: [...ids.shape, table.shape[1]], dtype: table.dtype };
  },
  reference([table, ids], _, out) {
    const [rows, width] = table.shape;
    ids.data.forEach((id: number, i: number) => {
      if (id < 0 || id >= rows) throw new OpError("embedding", `id ${id} is not a row of the table ${show(table.shape)}`);
      for (let j = 0; j < width; j++) out.data[i * width + j] = table.data[id * width + j];
    });
  },
  vjp: (g, { inputs: [table, ids] }) => [isFloat(table.dtype) ? scatterAdd(g, ids, table.shape[0]) : null, null],
};

/** The transpose of {@link embeddingOp}: adds row `i` of the input to row `ids[i]` of the result. As there, a row that does not exist is an error, or NaN on a GPU. */
export const scatterAddOp: Op<{ rows: number }> = {
  name: "scatterAdd",
  infer([x, ids], { rows }) {
    if (x.dtype === "bool") throw new OpError("scatterAdd", "x is bool, which has no sums", 'Cast it first with x.to("i32").');
    const lead: Shape = x.shape.slice(0, -1);
    if (x.shape.length === 0) throw new OpError("scatterAdd", `expected [..., width], got ${show(x.shape)}`);
    if (!Number.isInteger(rows) || rows < 0) throw new OpError("scatterAdd", `the table has ${rows} rows, expected a whole number`);
    if (sizeOf(lead) !== sizeOf(ids.shape))
      throw new OpError("scatterAdd", `${show(x.shape)} has ${sizeOf(lead)} rows and there are ${sizeOf(ids.shape)} ids`);
    if (ids.dtype !== "i32" && ids.dtype !== "u32") throw new OpError("scatterAdd", `the ids are ${ids.dtype}, expected i32 or u32`);
    return { shape: [rows, x.shape[x.shape.length - 1]], dtype: x.dtype };
  },
  reference([x, ids], { rows }, out) {
    const width = out.shape[1];
    const sums = new Float64Array(out.data.length);
    ids.data.forEach((id: number, i: number) => {
      if (id < 0 || id >= rows) throw new OpError("scatterAdd", `id ${id} is not a row of a table of ${rows}`);
      for (let j = 0; j < width; j++) sums[id * width + j] += x.data[i * width + j];
    });
    out.data.set(sums);
  },
  vjp: (g, { inputs: [x, ids] }) => [reshape(embedding(g, ids), x.shape), null],
};

/** Looks up `ids` (i32 or u32, any shape) in `table [rows, width]`. */
export const embedding = (table: Tensor, ids: Tensor): Tensor => apply(embeddingOp, [table, ids], undefined);

/** Sums the rows of `x [..., width]` that share an id into a table of `rows`. */
export const scatterAdd = (x: Tensor, ids: Tensor, rows: number): Tensor => apply(scatterAddOp, [x, ids], { rows });
