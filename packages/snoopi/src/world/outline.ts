import type { Attributes } from "./attributes.ts";

type Shape = Attributes["shape"];

const sector = Math.PI / 5;
const [cosSector, sinSector] = [Math.cos(sector), Math.sin(sector)];
const [tip, dent] = [1.12, 0.48];
/** The normal of a star's edge, from a tip to the dent beside it. */
const length = Math.hypot(tip - dent * cosSector, dent * sinSector);
const edge = [(tip - dent * cosSector) / length, (dent * sinSector) / length];

/**
 * For a shape of radius 1, centred on its centroid: the distance from the centre to its edges, and to its farthest point, its area, and the
 * width of its rim when hollow.
 */
export const proportions: Readonly<Record<Shape, { inner: number; reach: number; area: number; rim: number }>> = {
  circle: { inner: 1, reach: 1, area: Math.PI, rim: 0.32 },
  square: { inner: 0.84, reach: 0.84 * Math.SQRT2, area: (2 * 0.84) ** 2, rim: 0.32 },
  triangle: { inner: 0.6, reach: 1.2, area: 3 * Math.sqrt(3) * 0.6 ** 2, rim: 0.32 },
  star: { inner: edge[1] * tip, reach: tip, area: 5 * tip * dent * sinSector, rim: 0.2 },
};

/** Distance in pixels from the lines that bound a shape of radius `r`, negative inside, at (x, y) from its centre with y down. */
export const outline: Readonly<Record<Shape, (x: number, y: number, r: number) => number>> = {
  circle: (x, y, r) => Math.sqrt(x * x + y * y) - r,
  square: (x, y, r) => Math.max(Math.abs(x), Math.abs(y)) - 0.84 * r,
  triangle: (x, y, r) => Math.max(y, 0.5 * Math.sqrt(3) * Math.abs(x) - 0.5 * y) - 0.6 * r,
  star(x, y, r) {
    // Five tips, the first straight up: fold the plane into half a sector by mirrors, which cost less than angles.
    let [across, up] = [Math.abs(x), -y];
    for (let fold = 0; fold < 2; fold++) {
      const beyond = Math.max(0, across * cosSector - up * sinSector);
      across = Math.abs(across - 2 * beyond * cosSector);
      up += 2 * beyond * sinSector;
    }
    return edge[0] * across + edge[1] * (up - tip * r);
  },
};

/** What share of a shape's area its rim takes when hollow. */
export const rimShare = (shape: Shape): number => 1 - (1 - proportions[shape].rim / proportions[shape].inner) ** 2;
