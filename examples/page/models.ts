/// <reference types="vite/client" />
import { type Folder, filesFolder, hubFolder, singleFileFolder } from "@snoopi/models";

/** The shipped student's files as this page's bundler serves them: path → URL. */
const tiny = import.meta.glob<string>("../../packages/tiny/student/**", { query: "?url", import: "default", eager: true });

/** Where a model is taken from. Choices of one `key` are the same model. */
export interface ModelChoice {
  readonly key: string;
  readonly variant?: string;
  open(signal: AbortSignal): Promise<Folder>;
}

/** The model that a form asks for. */
export function choiceOf(form: FormData): ModelChoice {
  const variant = String(form.get("variant") ?? "").trim();
  const named = variant === "" ? {} : { variant };
  const source = form.get("source");
  if (source === "hub") {
    const name = String(form.get("hub")).trim();
    return { key: `hub ${name} ${variant}`, ...named, open: (signal) => hubFolder(name, { signal }) };
  }
  if (source === "file") {
    const file = form.get("file") as File;
    const open = async () => singleFileFolder(filesFolder(new Map([[file.name, file]]), "your file"), file.name);
    return { key: `file ${file.name} ${file.size} ${file.lastModified}`, open };
  }
  if (source === "folder") {
    const files = form.getAll("folder").filter((entry): entry is File => entry instanceof File && entry.size > 0);
    const inside = (file: File) => file.webkitRelativePath.replace(/^[^/]*\//, "");
    const name = files[0]?.webkitRelativePath.split("/")[0] ?? "the folder";
    const open = async () => filesFolder(new Map(files.map((file) => [inside(file), file])), name);
    return { key: `folder ${files.map((file) => `${inside(file)} ${file.size} ${file.lastModified}`).join()} ${variant}`, ...named, open };
  }
  return { key: "tiny", open: tinyFolder };
}

async function tinyFolder(signal: AbortSignal): Promise<Folder> {
  const files = Object.entries(tiny).map(async ([path, url]) => {
    const response = await fetch(url, { signal });
    if (!response.ok) throw new Error(`${url}: the server answered ${response.status}.`);
    return [path.replace("../../packages/tiny/student/", ""), await response.blob()] as const;
  });
  return filesFolder(new Map(await Promise.all(files)), "tiny");
}
