import { show } from "@snoopi/core";
import { type ComponentWeights, manifest, matchWeights } from "@snoopi/models";
import type { OpenModel } from "../pipeline/open.ts";
import { needed } from "../pipeline/shape.ts";
import { some } from "./text.ts";

/** Matches the files' tensors with our networks' parameters. Returns lines to print, and what keeps `generate` from running. */
export function compareWeights(model: OpenModel, weights: ReadonlyMap<string, ComponentWeights>): { lines: string[]; problems: string[] } {
  const lines: string[] = [];
  const problems: string[] = [];
  let agrees = weights.size > 0;
  for (const network of model.networks) {
    const { component, kind } = network;
    const opened = weights.get(component);
    if (!opened) continue;
    const { missing, unexpected, misshapen, dropped } = matchWeights(kind, opened.entries, manifest(network.whole));
    const forGenerate = needed(network);
    const lacking = missing.filter((name) => forGenerate.has(name));
    const unused = missing.filter((name) => !forGenerate.has(name));
    const shapes = misshapen.map(({ name, stored, wanted }) => `${name} is ${show(stored)} in the file and ${show(wanted)} in the model`);
    const list = (what: string, names: readonly string[]) => {
      if (names.length > 0) lines.push(`${component}: ${names.length} ${what}: ${some(names)}`);
    };
    list("missing", lacking);
    list("missing that generate does not need", unused);
    list("of another shape", shapes);
    list("unexpected, to be ignored", unexpected);
    list("left out as no parameters", dropped);
    agrees &&= missing.length + misshapen.length + unexpected.length === 0;
    if (lacking.length > 0) problems.push(`${component}: ${lacking.length} missing.`);
    if (misshapen.some(({ name }) => forGenerate.has(name))) problems.push(`${component}: ${misshapen.length} of another shape.`);
  }
  if (agrees) lines.push("weights and configs agree: nothing is missing, unexpected or of another shape");
  return { lines, problems };
}
