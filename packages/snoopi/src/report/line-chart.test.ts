import fc from "fast-check";
import { expect, test } from "vitest";
import { lineChart, type Series } from "./line-chart.ts";
import { extent, linearTicks, logTicks, showTick } from "./ticks.ts";

const labels = { title: "Loss", xLabel: "step", yLabel: "MSE" };
const ofPaths = (svg: string) =>
  [...svg.matchAll(/<path d="(M[^"]*L[^"]*)"/g)].map(([, d]) =>
    d
      .slice(1)
      .split("L")
      .map((p) => p.split(" ").map(Number)),
  );

test("a chart holds its labels, a curve and a legend entry for each series", () => {
  const svg = lineChart(
    [
      {
        name: "fixed κ",
        points: [
          [0, 1],
          [10, 0.5],
          [20, 0.25],
        ],
      },
      {
        name: "random κ",
        points: [
          [0, 2],
          [20, 1],
        ],
      },
    ],
    labels,
  );
  for (const words of ["Loss", "step", "MSE", "fixed κ", "random κ", "0.5", "20"]) expect(svg).toContain(`>${words}</text>`);
  expect(ofPaths(svg).map((points) => points.length)).toEqual([3, 2]);
  expect(svg.startsWith("<svg xmlns=")).toBe(true);
  expect(svg).toContain("<title>Loss</title>");
});

test("what a curve is the mean of is drawn thin in its colour, within the picture and without a legend", () => {
  const of = (...ys: number[]) => ys.map((y, x): [number, number] => [x, y]);
  const svg = lineChart([{ name: "mean", points: of(2, 2), each: [of(1, 0), of(3, 4)] }], labels);
  expect(ofPaths(svg).map(([, [, y]]) => y)).toEqual([348, 40, 194]);
  expect(svg.match(/stroke="#0072b2" stroke-width="0.8" stroke-opacity="0.45"/g)?.length).toBe(2);
  expect(svg.match(/>mean<\/text>/g)?.length).toBe(1);
  expect(() => lineChart([{ name: "a", points: of(1), each: [of(Number.NaN)] }], labels)).toThrow('point 0 of "a" is (0, NaN)');
});

const finite = fc.double({ min: -1e6, max: 1e6, noNaN: true });
const point = fc.tuple(finite, finite);

test("every point lies within the picture, and higher values lie higher", () => {
  fc.assert(
    fc.property(fc.array(point, { minLength: 2, maxLength: 20 }), (points) => {
      const [drawn] = ofPaths(lineChart([{ name: "a", points }], labels));
      for (const [i, [x, y]] of drawn.entries()) {
        expect(x >= 72 && x <= 640 - 16 && y >= 40 && y <= 400).toBe(true);
        for (const [j, [, other]] of drawn.entries()) if (points[i][1] > points[j][1]) expect(y).toBeLessThanOrEqual(other);
      }
    }),
  );
});

test("values that rounding alone tells apart are drawn as one, with room around", () => {
  expect(extent([3, 3], { log: false })).toEqual([1.5, 4.5]);
  expect(extent([0, 5e-324], { log: false })).toEqual([-0.5, 0.5]);
  expect(extent([1 - 2 ** -53, 1], { log: false })).toEqual([0.5 - 2 ** -53, 1.5]);
  expect(extent([0.25, 0.25], { log: true })).toEqual([0.125, 0.5]);
  expect(extent([-2, 5, 1], { log: false })).toEqual([-2, 5]);
  for (const y of [0, 5e-324, 1e-310, -1e6, 1e300]) {
    const points = [
      [0, y],
      [1, y + 5e-324],
    ] as const;
    expect(
      ofPaths(lineChart([{ name: "a", points }], labels))[0]
        .flat()
        .every(Number.isFinite),
    ).toBe(true);
  }
});

test("on a log scale equal ratios are equally far apart", () => {
  const points: [number, number][] = [
    [0, 1],
    [1, 0.1],
    [2, 0.01],
  ];
  const [[a, b, c]] = ofPaths(lineChart([{ name: "a", points }], { ...labels, yScale: "log" }));
  // Written to a tenth of a pixel, so that two differences of them are off by at most two tenths.
  expect(Math.abs(b[1] - a[1] - (c[1] - b[1]))).toBeLessThan(0.21);
});

test("names are text, not markup", () => {
  const svg = lineChart([{ name: '<script>&"\u0007', points: [[0, 0]] }], labels);
  expect(svg).toContain("&lt;script&gt;&amp;&quot; </text>");
  expect(svg).toContain("<circle");
});

test("an eighth curve takes the first colour, dashed", () => {
  const series = Array.from(
    { length: 8 },
    (_, i): Series => ({
      name: `${i}`,
      points: [
        [0, i],
        [1, i],
      ],
    }),
  );
  expect(lineChart(series, labels).match(/stroke="#0072b2"[^/]*stroke-dasharray/g)?.length).toBe(2);
});

test("ticks are round numbers within the range", () => {
  expect(linearTicks(0, 0.3, 3)).toEqual([0, 0.1, 0.2, 0.3]);
  expect(linearTicks(-7, 23, 6)).toEqual([-5, 0, 5, 10, 15, 20]);
  expect(logTicks(0.004, 30)).toEqual([0.01, 0.1, 1, 10]);
  expect(logTicks(0.15, 0.6)).toEqual([0.2, 0.5]);
  expect([20_000, 0.05, 1e-7, 2e6, 0].map(showTick)).toEqual(["20000", "0.05", "1e-7", "2e6", "0"]);
  fc.assert(
    fc.property(finite, fc.double({ min: 1e-3, max: 1e6, noNaN: true }), (low, length) => {
      const ticks = linearTicks(low, low + length, 6);
      expect(ticks.length >= 2 && ticks.length <= 7).toBe(true);
      // Rounded to 12 digits of at most 2e6; and a tick that misses an end by 1e-9 of a step, which is shorter than the range, is there.
      const off = 1e-5 + 1e-9 * length;
      for (const tick of ticks) expect(tick >= low - off && tick <= low + length + off).toBe(true);
    }),
  );
});

test("what cannot be drawn is refused in one line", () => {
  expect(() => lineChart([], labels)).toThrow("line chart: there are no curves. Pass at least 1.");
  expect(() => lineChart([{ name: "a", points: [] }], labels)).toThrow('line chart: the curve "a" has no points.');
  expect(() => lineChart([{ name: "a", points: [[0, Number.NaN]] }], labels)).toThrow(
    'line chart: point 0 of "a" is (0, NaN). Pass finite numbers.',
  );
  expect(() => lineChart([{ name: "a", points: [[0, 0]] }], { ...labels, yScale: "log" })).toThrow(
    'line chart: point 0 of "a" is at 0, which has no logarithm. Take yScale "linear".',
  );
});
