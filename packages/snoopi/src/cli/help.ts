/** What the commands print for `--help`. */
export const help = `snoopi: text to image in one step, with negative prompts that work.

  snoopi generate --prompt "…" --out picture.png            make a picture
  snoopi inspect PATH                                       say what is in a model
  snoopi download OWNER/NAME                                bring one from the Hub
  snoopi train vae|clip|teacher --out DIR                   train one from nothing
  snoopi distill --config FILE --model DIR --out DIR        make a one-step student
  snoopi eval TABLE --out DIR                               fill a table of figures
  snoopi --version

--model takes a diffusers folder. tiny, a one-step student of one shape on a ground
("a small red star on a black background"), and tiny-teacher ship with snoopi.

snoopi COMMAND --help lists a command's options.`;

export const generateHelp = `snoopi generate --prompt "…" --out picture.png [options]

  --model DIR        a diffusers folder, the one with model_index.json; or tiny or
                     tiny-teacher, which ship with snoopi; tiny unless given. A folder
                     of such a name is ./tiny
  --prompt TEXT      what to show
  --out FILE.png     the picture to write; one that is there is replaced
  --negative TEXT    what to keep away
  --nasa-scale A     how strongly, inside cross-attention (NASA); 0.5 in one step
                     and by lcm or few-step, which are a student's
  --seed N           the starting noise, as in PyTorch; 0 unless given
  --count N          pictures of the seeds from there on, in files that tell them:
                     picture-0.png, picture-1.png …
  --width, --height  pixels; the model's own size unless given
  --steps N          unless given those that a student was made for, of which its
                     scheduler (LCMScheduler) tells, or an LCM's 4; else 25, by DDIM
  --sampler NAME     how several steps follow each other: ddim, dpm-solver (which is
                     of second order), lcm (for LCM-LoRAs, in about 4) or few-step
  --lora PATH[:X]    a LoRA to add to the model, X times (1 unless given): a file
                     with the names of diffusers, PEFT or kohya, or a folder with
                     one; may be given many times
  --timestep T       where one step begins, the last timestep unless given
  --guidance G       classifier-free guidance, for 2 steps or more; unless given
                     none by lcm or few-step, else 4.5 for PixArt and 7.5; 1 is none.
                     --negative is its negative prompt unless --nasa-scale is
                     given too
  --guidance NAME    how to keep the negative away, in one step or more: nasa,
                     nasa-guarded, nag, vsf, neutral, cfg or subtract
  --guidance-scale X how strongly; each method has a default of its own
  --device NAME      webgpu, cpu or auto (webgpu where there is an adapter)
  --variant NAME     weight files such as model.NAME.safetensors (fp16)`;

export const downloadHelp = `snoopi download OWNER/NAME [FILE …] [--out DIR] [--variant NAME] [--revision REV]

Brings a model of the Hugging Face Hub: of all its files those that making pictures
reads, or the FILEs that are named, such as a LoRA's. Each is checked against what
the Hub tells of its bytes. Stopped or broken off, the same line goes on from there.

  --out DIR          NAME in this folder unless given
  --variant NAME     weight files such as model.NAME.safetensors (fp16: half the size)
  --revision REV     a branch, a tag or a commit; main unless given

HF_TOKEN is an access token, for models that are gated or private; else the one that
"hf auth login" kept is used. HF_ENDPOINT is a mirror's address.`;

export const inspectHelp = `snoopi inspect [PATH] [--variant NAME]

PATH is a diffusers folder or a .safetensors file, of weights or a LoRA, or tiny or
tiny-teacher, which ship with snoopi; tiny unless given. Prints components,
parameters, dtypes, bytes, what is missing or unexpected, and the memory that
generate needs.
The exit code is 1 when generate could not use the folder.

  --variant NAME     weight files such as model.NAME.safetensors (fp16)`;
