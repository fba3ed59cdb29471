import { cpSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { tiny } from "./command.ts";

/** A copy of a tiny model, to be broken. Returns its folder. */
export function copyOf(name: "sd15" | "sd21" | "third", into: string): string {
  const folder = join(into, "model");
  cpSync(tiny(name), folder, { recursive: true });
  return folder;
}

export function editJson(path: string, edit: (json: any) => void): void {
  const json = JSON.parse(readFileSync(path, "utf8"));
  edit(json);
  writeFileSync(path, JSON.stringify(json));
}

/** Changes the header of a safetensors file and leaves the data as it is. */
export function editHeader(path: string, edit: (header: any, dataBytes: number) => void): void {
  const bytes = readFileSync(path);
  const end = 8 + Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.toString("utf8", 8, end));
  edit(header, bytes.length - end);
  const text = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  writeFileSync(path, Buffer.concat([length, text, bytes.subarray(end)]));
}

export const rename = (header: any, from: string, to: string): void => {
  header[to] = header[from];
  delete header[from];
};

export const halve = (path: string): void => truncateSync(path, Math.floor(readFileSync(path).length / 2));

/** A header that claims to be longer than any file. */
export function claimLongHeader(path: string): void {
  const bytes = readFileSync(path);
  bytes.writeBigUInt64LE(2n ** 60n, 0);
  writeFileSync(path, bytes);
}
