import { SnoopiError } from "@snoopi/core";
import { at, colours, text, titleOf } from "./svg.ts";
import { extent, linearTicks, logTicks, type Range, showTick } from "./ticks.ts";

/** One curve: `points` are [x, y], drawn in the order given. */
export interface Series {
  readonly name: string;
  readonly points: Points;
  /** The curves it is the mean of: thin lines of its colour. */
  readonly each?: readonly Points[];
}

type Points = readonly (readonly [number, number])[];

export interface LineChartOptions {
  readonly title: string;
  readonly xLabel: string;
  readonly yLabel: string;
  /** For losses that fall by orders of magnitude. */
  readonly yScale?: "linear" | "log";
  /** In pixels. Default 640 × 400; the legend comes below, 18 pixels a curve. */
  readonly width?: number;
  readonly height?: number;
}

const margin = { left: 72, right: 16, top: 40, bottom: 52 };
const legendLine = 18;

/**
 * The curves as an SVG picture with axes, ticks and a legend. After seven curves the colours repeat, dashed.
 *
 * @throws SnoopiError without a point to draw, for a point that is not finite, or one at or below 0 on a log scale.
 */
export function lineChart(series: readonly Series[], options: LineChartOptions): string {
  const { title, xLabel, yLabel, yScale = "linear", width = 640, height = 400 } = options;
  checkSeries(series, yScale);
  const log = yScale === "log";
  const points = series.flatMap(({ points, each = [] }) => [points, ...each]).flat();
  const [xs, ys] = [0, 1].map((axis) =>
    extent(
      points.map((point) => point[axis]),
      { log: log && axis === 1 },
    ),
  );
  const inside = { width: width - margin.left - margin.right, height: height - margin.top - margin.bottom };
  const full = height + legendLine * series.length;
  const bottom = margin.top + inside.height;
  const x = (value: number) => margin.left + inside.width * share(value, xs);
  const y = (value: number) => bottom - inside.height * (log ? share(Math.log(value), ys.map(Math.log) as Range) : share(value, ys));
  const yTicks = log ? logTicks(...ys) : linearTicks(...ys, 6);

  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${full}" width="${width}" height="${full}" font-family="sans-serif" font-size="12">`,
    titleOf(title),
    `<rect width="${width}" height="${full}" fill="#fff"/>`,
    text(title, { x: width / 2, y: 22, anchor: "middle", more: ' font-size="15"' }),
    ...yTicks.flatMap((value) => [
      `<path d="M${at(margin.left)} ${at(y(value))}h${at(inside.width)}" stroke="#ddd"/>`,
      text(showTick(value), { x: margin.left - 8, y: y(value) + 4, anchor: "end" }),
    ]),
    ...linearTicks(...xs, 8).flatMap((value) => [
      `<path d="M${at(x(value))} ${at(bottom)}v5" stroke="#444"/>`,
      text(showTick(value), { x: x(value), y: bottom + 18, anchor: "middle" }),
    ]),
    `<path d="M${at(margin.left)} ${at(margin.top)}V${at(bottom)}h${at(inside.width)}" fill="none" stroke="#444"/>`,
    text(xLabel, { x: margin.left + inside.width / 2, y: bottom + 36, anchor: "middle" }),
    text(yLabel, { x: 0, y: 0, anchor: "middle", more: ` transform="translate(16 ${at(margin.top + inside.height / 2)}) rotate(-90)"` }),
    ...series.flatMap(({ name, points, each = [] }, i) => {
      const colour = `stroke="${colours[i % colours.length]}"`;
      const stroke = `${colour} stroke-width="1.8"${i < colours.length ? "" : ' stroke-dasharray="6 4"'}`;
      const legend = bottom + 52 + legendLine * i;
      const placed = (some: Points) => some.map(([px, py]) => [x(px), y(py)] as const);
      return [
        ...each.map((one) => curve(placed(one), `${colour} stroke-width="0.8" stroke-opacity="0.45"`)),
        curve(placed(points), stroke),
        `<path d="M${at(margin.left)} ${at(legend - 4)}h24" ${stroke}/>`,
        text(name, { x: margin.left + 32, y: legend, anchor: "start" }),
      ];
    }),
    "</svg>",
    "",
  ].join("\n");
}

function checkSeries(series: readonly Series[], yScale: "linear" | "log"): void {
  if (series.length === 0) throw new SnoopiError("line chart: there are no curves. Pass at least 1.");
  for (const { name, points, each = [] } of series) for (const one of [points, ...each]) checkPoints(name, one, yScale);
}

function checkPoints(name: string, points: Points, yScale: "linear" | "log"): void {
  if (points.length === 0) throw new SnoopiError(`line chart: the curve "${name}" has no points. Leave it out, or pass at least 1.`);
  const bad = points.findIndex((point) => !point.every(Number.isFinite));
  if (bad >= 0) throw new SnoopiError(`line chart: point ${bad} of "${name}" is (${points[bad].join(", ")}). Pass finite numbers.`);
  const below = yScale === "log" ? points.findIndex(([, y]) => y <= 0) : -1;
  if (below >= 0) {
    throw new SnoopiError(
      `line chart: point ${below} of "${name}" is at ${points[below][1]}, which has no logarithm. Take yScale "linear".`,
    );
  }
}

const share = (value: number, [low, high]: Range) => (value - low) / (high - low);

/** A single point is a dot: a path of one point shows nothing. */
function curve(points: Points, stroke: string): string {
  if (points.length === 1) return `<circle cx="${at(points[0][0])}" cy="${at(points[0][1])}" r="2.5" fill="none" ${stroke}/>`;
  return `<path d="M${points.map(([x, y]) => `${at(x)} ${at(y)}`).join("L")}" fill="none" stroke-linejoin="round" ${stroke}/>`;
}
