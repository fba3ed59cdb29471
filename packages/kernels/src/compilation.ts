import { SnoopiError } from "@snoopi/core";
import type { Kernel } from "./kernel.ts";

/** The compiler or the device rejected a kernel's WGSL. `line` counts from the first line of the body, as given. */
export class WgslError extends SnoopiError {
  override get name(): string {
    return "WgslError";
  }

  readonly kernel: string;
  readonly line: number | undefined;

  constructor(kernel: string, problem: string, { line, cause }: { readonly line?: number | undefined; readonly cause?: unknown } = {}) {
    super(`${kernel}: ${problem}`, cause === undefined ? undefined : { cause });
    this.kernel = kernel;
    this.line = line;
  }
}

/** What the compiler found wrong with a user's kernel, if anything. `code` is the whole shader, header included. */
export async function examine(
  { name, body }: Kernel,
  code: string,
  module: GPUShaderModule,
  refusal: Promise<GPUError | null>,
): Promise<WgslError | undefined> {
  const [{ messages }, error] = await Promise.all([module.getCompilationInfo(), refusal]);
  const found = messages.find(({ type }) => type === "error");
  if (!found) return error ? new WgslError(name, `the device refused this WGSL. ${error.message}`, { cause: error }) : undefined;
  // Compilers quote the shader below their message; here the author's own line is quoted instead.
  const said = found.message.split("\n")[0];
  // WebGPU's 0 is an error without a place.
  if (found.lineNum === 0) return new WgslError(name, `the WGSL does not compile: ${said}.`, { cause: error });
  const [lines, own] = [code.split("\n"), body.split("\n").length];
  const line = found.lineNum - (lines.length - own);
  const text = lines[found.lineNum - 1]?.trim();
  if (line < 1) {
    return new WgslError(
      name,
      `the WGSL does not compile with what is printed above it (${text}): ${said}. Rename an input, extra or parameter.`,
      {
        cause: error,
      },
    );
  }
  return new WgslError(name, `the WGSL does not compile. Line ${line}, column ${found.linePos}, "${text}": ${said}.`, {
    line,
    cause: error,
  });
}
