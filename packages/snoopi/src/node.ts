// What a Node script needs to make a picture and keep it, and to train: `@snoopi/snoopi` for the rest.
export { webgpu } from "@snoopi/kernels/node";
export { nodeFolder } from "@snoopi/models/node";
export { type Output, openOutput } from "./cli/output.ts";
export { type LoadFeatureNetworkOptions, loadFeatureNetwork, loadPublished } from "./eval/networks/node/load.ts";
export { type RanTable, type RunTableOptions, runTable } from "./eval/node/run-table.ts";
export { type EmbeddingCache, type EmbeddingCacheOptions, openEmbeddingCache } from "./prompts/node/embedding-cache.ts";
export { encoderIdentity } from "./prompts/node/encoder-identity.ts";
export { type PromptList, promptList } from "./prompts/node/prompt-list.ts";
export { promptFile, promptFiles, type ReadPromptsOptions, readPrompts } from "./prompts/node/read-prompts.ts";
export { type CheckpointOptions, checkpointPath, readCheckpoint, writeCheckpoint } from "./train/node/checkpoint.ts";
export { clipJob } from "./train/node/clip-job.ts";
export { writeComponent, writeJson } from "./train/node/component.ts";
export { type DistillEnded, type DistillPhase, type DistillRunOptions, distillRun } from "./train/node/distill-run.ts";
export type { Job, JobOptions } from "./train/node/job.ts";
export { lockFolder } from "./train/node/lock.ts";
export { type Ended, type RunOptions, runTraining } from "./train/node/run.ts";
export { teacherJob } from "./train/node/teacher-job.ts";
export { vaeJob } from "./train/node/vae-job.ts";
