import { type AttributeName, attributeNames, attributeValues, type Constraint, satisfies } from "../../world/attributes.ts";
import type { Judgement } from "../../world/judge.ts";
import { type Floor, isValid } from "./floor.ts";

type Counts = Readonly<Record<AttributeName, number>>;

/** What is counted of judged pictures. Two tallies add up number by number, so that a run can stop, go on, and be split. */
export interface Tally {
  readonly pictures: number;
  /** All attributes that the caption names are right. */
  readonly right: number;
  /** The world could have drawn it: see `Floor`. */
  readonly valid: number;
  readonly rightAndValid: number;
  /** The picture does not show the attribute that the negative names. */
  readonly lacking: number;
  readonly lackingAndValid: number;
  /** Over all pictures, the sum of the cosines of picture and caption. */
  readonly likeness: number;
  /** How often each attribute was named, and how often it was right then. */
  readonly named: Counts;
  readonly hits: Counts;
  /** How often each value was seen where the caption left its attribute open, in the order of `attributeValues`. */
  readonly open: Readonly<Record<AttributeName, readonly number[]>>;
}

const each = <T>(make: (name: AttributeName) => T) =>
  Object.fromEntries(attributeNames.map((name) => [name, make(name)])) as Record<AttributeName, T>;

/** Of no pictures: what others are merged into. */
export const emptyTally = (): Tally => ({
  pictures: 0,
  right: 0,
  valid: 0,
  rightAndValid: 0,
  lacking: 0,
  lackingAndValid: 0,
  likeness: 0,
  named: each(() => 0),
  hits: each(() => 0),
  open: each((name) => attributeValues[name].map(() => 0)),
});

export interface Expected {
  /** What the caption names. */
  readonly constraint: Constraint;
  readonly floor: Floor;
  /** What the negative names. */
  readonly lacks?: Constraint;
  readonly likeness?: number;
}

/** The tally of one picture. */
export function tallyOf(judgement: Judgement, { constraint, floor, lacks, likeness = 0 }: Expected): Tally {
  const { attributes } = judgement;
  const [right, valid] = [satisfies(attributes, constraint), isValid(judgement, floor)];
  const lacking = lacks !== undefined && !satisfies(attributes, lacks);
  const one = (holds: boolean) => (holds ? 1 : 0);
  return {
    pictures: 1,
    right: one(right),
    valid: one(valid),
    rightAndValid: one(right && valid),
    lacking: one(lacking),
    lackingAndValid: one(lacking && valid),
    likeness,
    named: each((name) => one(constraint[name] !== undefined)),
    hits: each((name) => one(constraint[name] === attributes[name])),
    open: each((name) => attributeValues[name].map((value) => one(constraint[name] === undefined && attributes[name] === value))),
  };
}

/** Both together. */
export const mergeTallies = (a: Tally, b: Tally): Tally => sum(a, b) as Tally;

function sum(a: unknown, b: unknown): unknown {
  if (typeof a === "number") return a + (b as number);
  if (Array.isArray(a)) return a.map((value, i) => sum(value, (b as unknown[])[i]));
  return Object.fromEntries(Object.entries(a as object).map(([key, value]) => [key, sum(value, (b as Record<string, unknown>)[key])]));
}
