// Pieces of SVG that all charts have.

/** Okabe and Ito's colours, which colour-blind readers can tell apart, without the yellow, which is too pale on white. */
export const colours = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000"];

/** Tenths of a pixel are enough, and keep long curves small. */
export const at = (pixels: number) => String(Math.round(pixels * 10) / 10);

/** What a screen reader says of the whole picture. */
export const titleOf = (words: string): string => `<title>${escapeXml(words)}</title>`;

/** Text at a position, escaped. */
export function text(words: string, { x, y, anchor, more = "" }: { x: number; y: number; anchor: string; more?: string }): string {
  return `<text x="${at(x)}" y="${at(y)}" text-anchor="${anchor}" fill="#222"${more}>${escapeXml(words)}</text>`;
}

/** Control characters have no place in XML, escaped or not. */
function escapeXml(words: string): string {
  const names: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };
  return words.replace(/[&<>"]/g, (sign) => names[sign]).replace(/\p{Cc}/gu, " ");
}
