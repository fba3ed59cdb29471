import fc from "fast-check";
import { expect, test } from "vitest";
import { dotChart, type Panel } from "./dot-chart.ts";

const dots = (svg: string) => [...svg.matchAll(/<circle cx="([^"]*)" cy="([^"]*)"/g)].map(([, x, y]) => [Number(x), Number(y)]);

test("a chart has a dot for each row, its names, and a bar where there is a spread", () => {
  const panels: Panel[] = [
    {
      name: "fidelity ↑",
      points: [
        { name: "teacher", mean: 0.9, spread: 0.01 },
        { name: "a < b", mean: 0.8 },
      ],
    },
    { name: "Fréchet ↓", points: [{ name: "teacher", mean: 11 }] },
  ];
  const svg = dotChart(panels, { title: "Students" });
  expect(svg).toContain("<title>Students</title>");
  expect(dots(svg).length).toBe(3);
  expect(svg.match(/stroke-width="1.8"/g)?.length).toBe(1);
  for (const words of ["Students", "fidelity ↑", "Fréchet ↓", "teacher", "a &lt; b"]) expect(svg).toContain(`>${words}</text>`);
});

test("greater values lie further right, all within the picture", () => {
  const value = fc.double({ min: -1e6, max: 1e6, noNaN: true });
  const point = fc.record({ name: fc.constant("a"), mean: value, spread: fc.double({ min: 0, max: 1e6, noNaN: true }) });
  fc.assert(
    fc.property(fc.array(point, { minLength: 1, maxLength: 8 }), (points) => {
      const drawn = dots(dotChart([{ name: "panel", points }], { title: "t", width: 400 }));
      for (const [i, [x]] of drawn.entries()) {
        expect(x >= 220 && x <= 376).toBe(true);
        for (const [j, [other]] of drawn.entries()) if (points[i].mean > points[j].mean) expect(x).toBeGreaterThanOrEqual(other);
      }
    }),
  );
});

test("what cannot be drawn is refused in one line", () => {
  expect(() => dotChart([], { title: "t" })).toThrow("dot chart: there are no panels. Pass at least 1.");
  expect(() => dotChart([{ name: "p", points: [] }], { title: "t" })).toThrow('dot chart: the panel "p" has no points.');
  expect(() => dotChart([{ name: "p", points: [{ name: "a", mean: Number.NaN, spread: 1 }] }], { title: "t" })).toThrow(
    'dot chart: "a" of "p" is NaN ± 1. Pass finite numbers.',
  );
});
