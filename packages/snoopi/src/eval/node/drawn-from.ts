import { pipelineFiles } from "@snoopi/models";
import { nodeFolder } from "@snoopi/models/node";

/** The files that a model's pictures depend on, or of them those in one folder: configs, tokenizer, scheduler, and the weights that are read. */
export async function drawnFrom(model: string, folder = ""): Promise<string[]> {
  const files = await pipelineFiles(nodeFolder(model));
  return files.filter((file) => file.startsWith(folder) && !/^(README|LICEN[CS]E)/i.test(file));
}
