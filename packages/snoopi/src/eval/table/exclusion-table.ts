import type { Constraint } from "../../world/attributes.ts";
import { captionOf } from "../../world/caption.ts";
import type { Cell, Drawing } from "./cell.ts";
import { allGroups, type Group, none, type Way } from "./exclusion-pairs.ts";
import { type Line, pairsOf, spreads } from "./exclusion-rates.ts";
import { chartsOf, meaning, section } from "./exclusion-report.ts";
import { amount, byLabel, inSteps, type Labelled, pairsNames, slug, type Table, type TableOptions } from "./table.ts";

/** How often what a negative names stays away, by method and scale (SNOOPI's Table 3 and 7 and its α sweep), with quality beside it. */
export function exclusionTable({ model, students, pictures, seeds, steps, methods, pairs = pairsNames }: TableOptions): Table {
  const groups = allGroups.filter((group) => pairs.includes(group.pairs));
  const models: readonly Labelled[] = students.length > 0 ? students : [{ label: "model", model }];
  const ways = [none, ...methods.flatMap(({ method, scales }) => scales.map((scale) => ({ method, scale })))];
  const cellOf = (one: Labelled, group: Group, { method, scale }: Way, lacks: Constraint, seed: number): Cell => {
    const negative = captionOf(lacks);
    const drawing: Drawing = { by: "model", model: one.model, steps: one.steps ?? steps, sampler: "few-step", kappa: 1 };
    return {
      name: slug(`${models.indexOf(one) + 1} ${method} ${scale} ${group.name} ${negative} s${seed}`),
      source: method === "none" ? drawing : { ...drawing, away: { method, negative, scale } },
      prompts: group.prompts,
      pictures,
      seed,
      lacks,
      features: false,
    };
  };
  const cells = models.flatMap((one) =>
    ways.flatMap((way) =>
      groups.flatMap((group) => group.negatives.flatMap((lacks) => seeds.map((seed) => cellOf(one, group, way, lacks, seed)))),
    ),
  );
  return {
    name: "exclusion",
    cells,
    report(figuresOf, about) {
      const lines = byLabel(models).flatMap(({ label, trainings }) =>
        ways.flatMap((way) =>
          groups.map((group): Line => {
            const runs = trainings.map((one) =>
              seeds.map((seed) =>
                group.negatives.map((lacks) => ({
                  lacks,
                  before: figuresOf(cellOf(one, group, none, lacks, seed)),
                  after: figuresOf(cellOf(one, group, way, lacks, seed)),
                })),
              ),
            );
            const own = trainings[0].steps ?? steps;
            return { model: label, steps: own, group: group.name, way, aggregates: spreads(runs, group), pairs: pairsOf(runs.flat()) };
          }),
        ),
      );
      const title = `What a negative prompt keeps away, for each pair ${amount(pictures, seeds)}`;
      const several = models.length > 1;
      return {
        json: { title, lines },
        markdown: [
          `# ${title}`,
          "",
          ...[...new Set(lines.map(({ model: label, steps: own }) => `- ${label}: ${inSteps(own)}.`))],
          "",
          meaning(about, { groups, trainings: byLabel(models).some(({ trainings }) => trainings.length > 1), seeds: seeds.length }),
          ...groups.map((group) => section(group, lines, several)),
        ].join("\n"),
        charts: Object.fromEntries(groups.flatMap((group, i) => chartsOf(group, lines, methods, i))),
      };
    },
  };
}
