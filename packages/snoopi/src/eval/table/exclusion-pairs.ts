import { attributeValues, type Constraint } from "../../world/attributes.ts";
import { captionOf } from "../../world/caption.ts";
import type { PairsName } from "./table.ts";

/** Prompts, and the negatives that are kept away from them. */
export interface Group {
  readonly pairs: PairsName;
  readonly name: string;
  readonly prompts: readonly string[];
  readonly negatives: readonly Constraint[];
  /** Whether negatives come in complementary couples. */
  readonly couples: boolean;
}

const of = <N extends "size" | "fill" | "ground" | "colour">(name: N) =>
  attributeValues[name].map((value): Constraint => ({ [name]: value }));
const couples = [...of("size"), ...of("fill"), ...of("ground")];

/** As the paper has its people and pets: small or large, solid or hollow, black or white; the colours have no counterpart. */
export const allGroups: readonly Group[] = [
  { pairs: "shape", name: "a shape", prompts: [captionOf({})], negatives: couples, couples: true },
  { pairs: "coloured", name: "a coloured shape", prompts: of("colour").map(captionOf), negatives: couples, couples: true },
  { pairs: "colours", name: "colours", prompts: [captionOf({})], negatives: of("colour"), couples: false },
];

export interface Way {
  readonly method: string;
  readonly scale: number;
}
export const none: Way = { method: "none", scale: 0 };
