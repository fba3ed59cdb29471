export { nodeFolder } from "./checkpoint/node-folder.ts";
export { fileSource } from "./checkpoint/node-source.ts";
export { writeSafetensors } from "./checkpoint/node-write.ts";
export { modelFolder, singleFile } from "./single-file/node-model.ts";
