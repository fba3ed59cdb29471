import { SnoopiError } from "@snoopi/core";
import { at, colours, text, titleOf } from "./svg.ts";
import { extent, linearTicks, showTick } from "./ticks.ts";

/** One figure for several rows: each a dot, with an error bar of one spread to either side if it has one. */
export interface Panel {
  readonly name: string;
  readonly points: readonly { readonly name: string; readonly mean: number; readonly spread?: number }[];
}

const margin = { left: 220, right: 24, top: 40 };
const line = 20;
const head = 24;
const foot = 28;

/**
 * A table as an SVG picture, to be compared by eye: panels one below the other, each with its own scale, a labelled row for each point.
 * @throws SnoopiError without a panel or a point, and for a number that is not finite.
 */
export function dotChart(panels: readonly Panel[], { title, width = 640 }: { readonly title: string; readonly width?: number }): string {
  if (panels.length === 0) throw new SnoopiError("dot chart: there are no panels. Pass at least 1.");
  for (const { name, points } of panels) {
    if (points.length === 0) throw new SnoopiError(`dot chart: the panel "${name}" has no points. Leave it out, or pass at least 1.`);
    const bad = points.find(({ mean, spread = 0 }) => !Number.isFinite(mean) || !Number.isFinite(spread));
    if (bad) throw new SnoopiError(`dot chart: "${bad.name}" of "${name}" is ${bad.mean} ± ${bad.spread}. Pass finite numbers.`);
  }
  const heights = panels.map(({ points }) => head + line * points.length + foot);
  const full = margin.top + heights.reduce((a, b) => a + b, 0);
  const tops = heights.map((_, i) => margin.top + heights.slice(0, i).reduce((a, b) => a + b, 0));
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${full}" width="${width}" height="${full}" font-family="sans-serif" font-size="12">`,
    titleOf(title),
    `<rect width="${width}" height="${full}" fill="#fff"/>`,
    text(title, { x: width / 2, y: 22, anchor: "middle", more: ' font-size="15"' }),
    ...panels.flatMap((panel, i) => drawn(panel, tops[i], width)),
    "</svg>",
    "",
  ].join("\n");
}

function drawn({ name, points }: Panel, top: number, width: number): string[] {
  const [low, high] = range(points);
  const inside = width - margin.left - margin.right;
  const x = (value: number) => margin.left + (inside * (value - low)) / (high - low);
  const bottom = top + head + line * points.length;
  return [
    text(name, { x: margin.left, y: top + 16, anchor: "start", more: ' font-weight="bold"' }),
    ...linearTicks(low, high, 5).flatMap((value) => [
      `<path d="M${at(x(value))} ${at(top + head)}V${at(bottom)}" stroke="#ddd"/>`,
      text(showTick(value), { x: x(value), y: bottom + 14, anchor: "middle" }),
    ]),
    ...points.flatMap(({ name: row, mean, spread }, i) => {
      const y = top + head + line * (i + 0.5);
      const colour = colours[i % colours.length];
      return [
        text(row, { x: margin.left - 10, y: y + 4, anchor: "end" }),
        ...(spread ? [`<path d="M${at(x(mean - spread))} ${at(y)}H${at(x(mean + spread))}" stroke="${colour}" stroke-width="1.8"/>`] : []),
        `<circle cx="${at(x(mean))}" cy="${at(y)}" r="4" fill="${colour}"/>`,
      ];
    }),
  ];
}

/** Range of dots and bars, with a twentieth of it to spare at either end. */
function range(points: Panel["points"]): readonly [number, number] {
  const ends = points.flatMap(({ mean, spread = 0 }) => [mean - spread, mean + spread]);
  const [low, high] = extent(ends, { log: false });
  const room = (high - low) / 20;
  return [low - room, high + room];
}
