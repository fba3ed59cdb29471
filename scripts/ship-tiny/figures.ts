import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Spread } from "@snoopi/snoopi";
import { isThere } from "../../packages/snoopi/src/train/node/folder.ts";
import { shippedStudent } from "../tiny-world/steps.ts";

/** Figures by name, as an evaluation's table has them. */
export interface Row {
  readonly name: string;
  readonly figures: Readonly<Record<string, Spread>>;
}

/** What the card shows of one table, in the table's own words. */
export interface Shown {
  readonly title: string;
  readonly meanings: Readonly<Record<string, string>>;
  readonly rows: readonly Row[];
}

export type Figures = Partial<Record<"students" | "guidance" | "exclusion" | "judge", Shown>>;

/** Rows about the student that ships, under the names that `npm run tiny-world` and `snoopi eval` give it. */
const students: readonly string[] = [shippedStudent, "tiny"];
const about = (model: string) => students.includes(model);

/** Which rows of each table are of the models that ship. */
const shown: { readonly [N in keyof Figures]-?: (json: any) => Row[] } = {
  students: ({ rows }) => rows.filter(({ name }: Row, i: number) => i === 0 || about(name)).map(plain),
  guidance: ({ rows }) => rows.map(plain),
  judge: ({ rows }) => rows.map(plain),
  exclusion: ({ lines }) =>
    lines
      .filter((line: any) => about(line.model) && ["none", "nasa"].includes(line.way.method))
      .map(({ group, way, aggregates }: any) => ({
        name: `${group}, ${way.method === "none" ? "no negative" : `NASA ${way.scale}`}`,
        figures: aggregates,
      })),
};

const plain = ({ name, figures }: Row): Row => ({ name, figures });

/** The tables in a folder, as far as they are about the models that ship. A table without such rows is left out. */
export function figuresIn(results: string): Figures {
  const found = Object.entries(shown).flatMap(([name, rowsOf]) => {
    const path = join(results, `${name}.json`);
    if (!isThere(path)) return [];
    const json = JSON.parse(readFileSync(path, "utf8"));
    const rows = rowsOf(json);
    const meanings = Object.fromEntries(Object.entries(json.columns ?? {}).map(([key, { meaning }]: [string, any]) => [key, meaning]));
    return rows.length === 0 ? [] : [[name, { title: json.title, meanings, rows } satisfies Shown] as const];
  });
  return Object.fromEntries(found);
}
