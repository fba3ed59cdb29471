/** Modules of a checkpoint → their names in diffusers or transformers, and the same for parts inside modules, such as the layers of a resnet. */
export interface Renaming {
  readonly modules: ReadonlyMap<string, string>;
  readonly parts: ReadonlyMap<string, string>;
}

/** The new name of a tensor; undefined if its module is unknown. */
export function renamed(name: string, { modules, parts }: Renaming): string | undefined {
  const found = split(name, modules);
  if (!found) return undefined;
  const [module, rest] = found;
  const [part, end] = split(rest, parts) ?? ["", rest];
  return [module, part, end].filter((word) => word !== "").join(".");
}

/** The longest prefix of a name, up to a dot or the end, that is in the table: its new name, and the rest of the name. */
function split(name: string, table: ReadonlyMap<string, string>): readonly [to: string, rest: string] | undefined {
  for (let end = name.length; end > 0; end = name.lastIndexOf(".", end - 1)) {
    const to = table.get(name.slice(0, end));
    if (to !== undefined) return [to, name.slice(end + 1)];
  }
  return undefined;
}
