import { attributeNames } from "../../world/attributes.ts";
import { normalisedEntropy } from "../entropy.ts";
import type { Features } from "../features.ts";
import { frechetDistance } from "../frechet.ts";
import type { Moments } from "../moments.ts";
import { precisionRecall } from "../precision-recall.ts";
import type { Cell } from "./cell.ts";
import type { CellState } from "./evaluate.ts";
import type { Tally } from "./tally.ts";

/** Features of the world's own pictures. */
export interface Reference {
  readonly moments: Moments;
  readonly rows: Features;
}

/** The figures of a cell. Shares are from 0 to 1. */
export interface Figures {
  readonly pictures: number;
  readonly fidelity: number;
  readonly valid: number;
  readonly both: number;
  /** Where a cell has something to keep away: the share that lacks it, and that lacks it and is valid. */
  readonly lacking?: number;
  readonly lackingAndValid?: number;
  /** For each attribute that captions named: the share that is right where it was named. */
  readonly attributes: Readonly<Record<string, number>>;
  /** Mean normalised entropy of the attributes that captions left open. */
  readonly entropy?: number;
  readonly frechet?: number;
  readonly precision?: number;
  readonly recall?: number;
  readonly clip?: number;
}

/** The neighbour that sets the radius of a picture's ball. */
const k = 3;

/** The figures of a cell, of what was counted of its pictures: distances need a reference of the same features. */
export function figuresOf({ lacks }: Pick<Cell, "lacks">, { tally, likened, moments, rows }: CellState, reference: Reference): Figures {
  const { pictures, named, hits } = tally;
  const entropy = entropyOf(tally);
  const near = rows.shape[0] > k && reference.rows.shape[0] > k ? precisionRecall(reference.rows, rows, { k }) : undefined;
  return {
    pictures,
    fidelity: tally.right / pictures,
    valid: tally.valid / pictures,
    both: tally.rightAndValid / pictures,
    ...(lacks && { lacking: tally.lacking / pictures, lackingAndValid: tally.lackingAndValid / pictures }),
    attributes: Object.fromEntries(attributeNames.filter((name) => named[name] > 0).map((name) => [name, hits[name] / named[name]])),
    ...(entropy !== undefined && { entropy }),
    ...(moments.count > 1 && { frechet: frechetDistance(reference.moments, moments) }),
    ...near,
    ...(likened && { clip: tally.likeness / pictures }),
  };
}

function entropyOf({ open }: Tally): number | undefined {
  const seen = attributeNames.map((name) => open[name]).filter((counts) => counts.some((count) => count > 0));
  return seen.length === 0 ? undefined : seen.reduce((sum, counts) => sum + normalisedEntropy(counts), 0) / seen.length;
}
