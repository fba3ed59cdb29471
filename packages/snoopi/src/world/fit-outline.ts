import { type Attributes, attributeValues } from "./attributes.ts";
import { proportions, rimShare } from "./outline.ts";
import { coverage } from "./render.ts";
import { type Geometry, pictureSize } from "./scene.ts";

type Form = Pick<Attributes, "shape" | "fill">;

/** A form placed on a picture, and the mean squared error of its coverage over all pixels. */
export interface Fit {
  readonly form: Form;
  readonly geometry: Geometry;
  readonly error: number;
}

const forms: readonly Form[] = attributeValues.shape.flatMap((shape) => attributeValues.fill.map((fill) => ({ shape, fill })));

/**
 * The shape and fill whose coverage comes nearest to `covered`, [64 × 64] with 0 for ground and 1 for figure, and where it lies. Every
 * form starts from the picture's centroid and area; the likelier are moved by Gauss–Newton steps over centre, radius and angle.
 */
export function fitOutline(covered: Float32Array): Fit {
  const { area, x, y } = moments(covered);
  const starts = forms.map((form) => {
    const share = form.fill === "hollow" ? rimShare(form.shape) : 1;
    const radius = Math.sqrt(area / (proportions[form.shape].area * share));
    return evaluate(covered, form, { x, y, radius: clamp(radius, 4, 26), angle: 0 });
  });
  // Only the form that drew a picture comes as close as this to it.
  const close = 1e-4;
  let best = refine(covered, likeliest(starts, 1)[0]);
  if (best.error < close) return best;
  for (const start of likeliest(
    likeliest(starts, 5).map((start) => moved(covered, start) ?? start),
    2,
  )) {
    const fit = refine(covered, start);
    if (fit.error < best.error) best = fit;
    if (best.error < close) break;
  }
  return best;
}

const likeliest = (fits: readonly Fit[], count: number) => [...fits].sort((a, b) => a.error - b.error).slice(0, count);

function moments(covered: Float32Array): { area: number; x: number; y: number } {
  let [area, x, y] = [0, 0, 0];
  for (let i = 0; i < covered.length; i++) {
    // Noise on the ground would pull the centroid to the middle of the picture.
    const weight = covered[i] < 0.25 ? 0 : covered[i];
    area += weight;
    x += weight * ((i % pictureSize) + 0.5);
    y += weight * (Math.floor(i / pictureSize) + 0.5);
  }
  return area === 0 ? { area: 1, x: pictureSize / 2, y: pictureSize / 2 } : { area, x: x / area, y: y / area };
}

const scratch = new Float32Array(pictureSize * pictureSize);

function evaluate(covered: Float32Array, form: Form, geometry: Geometry): Fit {
  const drawn = coverage(form, geometry, scratch);
  let square = 0;
  for (let i = 0; i < drawn.length; i++) square += (drawn[i] - covered[i]) ** 2;
  return { form, geometry, error: square / drawn.length };
}

/** Steps of the finite differences: half a pixel along the outline, more or less, since a ramp one pixel wide has no finer slope. */
const differences = { x: 0.5, y: 0.5, radius: 0.5, angle: 0.04 } as const;
const parameters = ["x", "y", "radius", "angle"] as const;

function refine(covered: Float32Array, start: Fit): Fit {
  let fit = start;
  for (let step = 0; step < 6; step++) {
    const next = moved(covered, fit);
    if (next === undefined) break;
    const gained = fit.error - next.error;
    fit = next;
    if (gained < 1e-3 * fit.error) break;
  }
  return fit;
}

/** One Gauss–Newton step, halved until it helps; undefined where none does. */
function moved(covered: Float32Array, { form, geometry, error }: Fit): Fit | undefined {
  const rest = coverage(form, geometry).map((v, i) => covered[i] - v);
  const free = form.shape === "circle" ? parameters.slice(0, 3) : parameters;
  const slopes = free.map((name) => {
    const h = differences[name];
    const low = coverage(form, { ...geometry, [name]: geometry[name] - h });
    return coverage(form, { ...geometry, [name]: geometry[name] + h }).map((v, i) => (v - low[i]) / (2 * h));
  });
  const normal = slopes.map((a, i) => slopes.map((b, j) => dot(a, b) + (i === j ? 1e-3 : 0)));
  const change = solve(
    normal,
    slopes.map((slope) => dot(slope, rest)),
  );
  for (let scale = 1; scale > 0.1; scale /= 2) {
    const [x, y, radius, angle = geometry.angle] = free.map((name, i) => geometry[name] + scale * change[i]);
    const next = evaluate(covered, form, {
      x: clamp(x, 0, pictureSize),
      y: clamp(y, 0, pictureSize),
      radius: clamp(radius, 4, 30),
      angle: clamp(angle, -0.3, 0.3),
    });
    if (next.error < error) return next;
  }
  return undefined;
}

const clamp = (v: number, low: number, high: number) => Math.min(high, Math.max(low, v));

function dot(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}

/** x of A·x = b for a small positive definite A: Gaussian elimination, which needs no pivots here. */
function solve(a: readonly (readonly number[])[], b: readonly number[]): number[] {
  const rows = a.map((row, i) => [...row, b[i]]);
  const n = rows.length;
  for (let k = 0; k < n; k++) {
    for (let i = 0; i < n; i++) {
      if (i === k) continue;
      const factor = rows[i][k] / rows[k][k];
      for (let j = k; j <= n; j++) rows[i][j] -= factor * rows[k][j];
    }
  }
  return rows.map((row, i) => row[n] / row[i]);
}
