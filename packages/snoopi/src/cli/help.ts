/** What the commands print for `--help`. */
export const help = `snoopi: text to image in one step, with negative prompts that work.

  snoopi generate --prompt "…" --out picture.png            make a picture
  snoopi inspect PATH                                       show what is in a model
  snoopi download OWNER/NAME                                get a model from the Hub
  snoopi convert FILE.safetensors --out DIR                 make a folder of a single file
  snoopi train vae|clip|teacher --out DIR                   train one from scratch
  snoopi distill --config FILE --model DIR --out DIR        make a one-step student
  snoopi merge A B --out DIR                                make one student of two
  snoopi eval TABLE --out DIR                               fill a table of figures
  snoopi --version

--model takes a diffusers folder, or a checkpoint in a single .safetensors file. Two
small models ship with snoopi: tiny, a one-step student that draws one shape on a
background ("a small red star on a black background"), and tiny-teacher.

snoopi COMMAND --help lists a command's options.`;

export const generateHelp = `snoopi generate --prompt "…" --out picture.png [options]

  --model PATH       a diffusers folder (the one with model_index.json), a checkpoint of
                     Stable Diffusion 1 or 2 in a single .safetensors file, or tiny or
                     tiny-teacher, which ship with snoopi. Default: tiny. A folder of
                     such a name is ./tiny
  --prompt TEXT      what to show
  --out FILE.png     the picture to write; an existing one is replaced
  --negative TEXT    what to keep away
  --nasa-scale A     how strongly to keep it away inside cross-attention (NASA).
                     Default: 0.5 in one step, and with lcm or few-step, a student's
                     samplers
  --seed N           the starting noise, as in PyTorch. Default: 0
  --count N          how many pictures, of consecutive seeds, in files named by seed:
                     picture-0.png, picture-1.png …
  --width, --height  pixels. Default: the model's own size
  --steps N          Default: for a student, the steps it was made for, by its
                     scheduler (LCMScheduler); for an LCM, 4; else 25, by DDIM
  --sampler NAME     how several steps follow each other: ddim, dpm-solver (second
                     order), lcm (for LCM-LoRAs, in about 4 steps) or few-step
  --lora PATH[:X]    a LoRA to add to the model, X times (default 1): a file with the
                     names of diffusers, PEFT or kohya, or a folder with one. May be
                     given several times
  --timestep T       where one step begins. Default: the model's own, else the last
  --guidance G       classifier-free guidance, for 2 steps or more; 1 is none.
                     Default: none with lcm or few-step, else 4.5 for PixArt and 7.5
                     for other models. --negative is its negative prompt, unless
                     --nasa-scale is given too
  --guidance NAME    how to keep the negative away, in one step or more: nasa,
                     nasa-guarded, nag, vsf, neutral, cfg or subtract
  --guidance-scale X how strongly; each method has its own default
  --device NAME      webgpu, cpu or auto (webgpu if there is an adapter)
  --variant NAME     weight files such as model.NAME.safetensors (fp16)`;

export const downloadHelp = `snoopi download OWNER/NAME [FILE …] [--out DIR] [--variant NAME] [--revision REV]

Downloads a model from the Hugging Face Hub: only the files that making pictures
needs, or the FILEs that are named, such as a LoRA's. Each is checked against the
Hub's digest. If it is stopped or breaks off, the same command resumes it.

  --out DIR          Default: NAME in the current folder
  --variant NAME     weight files such as model.NAME.safetensors (fp16: half the size)
  --revision REV     a branch, a tag or a commit. Default: main

HF_TOKEN is an access token, for gated or private models; if it is not set, the one
that "hf auth login" saved is used. HF_ENDPOINT is a mirror's address.`;

export const mergeHelp = `snoopi merge A B --out DIR [--lambda L]

Merges two students of one form into one that draws in the same time: each weight of
its network is L times A's and 1 - L times B's. All else is A's. A and B are folders,
or tiny, which ships with snoopi.

  --out DIR          the folder of the new student
  --lambda L         the weight of A, 0 or more. Default: 0.5`;

export const convertHelp = `snoopi convert FILE.safetensors --out DIR [--predicts NAME]

Writes a checkpoint of Stable Diffusion 1 or 2 in a single file, as AUTOMATIC1111 and
ComfyUI read it, as a diffusers folder. generate and inspect read such a file
directly; distill and eval need a folder.

  --out DIR          the folder to write. It must be empty or not exist
  --predicts NAME    what the UNet predicts: epsilon (noise), v_prediction (velocity) or
                     sample. Default: what the file says or its weights suggest`;

export const inspectHelp = `snoopi inspect [PATH] [--variant NAME]

PATH is a diffusers folder, a .safetensors file of a checkpoint, weights or a LoRA, or
tiny or tiny-teacher, which ship with snoopi. Default: tiny. Prints components,
parameters, dtypes, bytes, what is missing or unexpected, and the memory that generate
needs. The exit code is 1 if generate cannot use the model, or the LoRA.

  --variant NAME     weight files such as model.NAME.safetensors (fp16)`;
