/** The promise's result, or an error if that takes longer than `ms`: a connection that delivers nothing counts as broken. */
export async function within<T>(ms: number, promise: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`nothing comes for ${ms / 1000} s`)), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** The bytes of a body without the first `skipped`. It fails when none arrive for `ms`; time between a reader's reads does not count. */
export function patient(body: ReadableStream<Uint8Array>, ms: number, skipped = 0): ReadableStream<Uint8Array<ArrayBuffer>> {
  const reader = body.getReader();
  let skip = skipped;
  return new ReadableStream<Uint8Array<ArrayBuffer>>(
    {
      async pull(controller) {
        try {
          for (;;) {
            const { done, value } = await within(ms, reader.read());
            if (done) return controller.close();
            const left = value.subarray(Math.min(skip, value.length)) as Uint8Array<ArrayBuffer>;
            skip -= value.length - left.length;
            if (left.length > 0) return controller.enqueue(left);
          }
        } catch (error) {
          reader.cancel(error).catch(() => {});
          throw error;
        }
      },
      cancel: (reason) => reader.cancel(reason),
    },
    { highWaterMark: 0 },
  );
}
