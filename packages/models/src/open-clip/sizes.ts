/** What shapes a CLIP in OpenCLIP's layout: the fields of its `open_clip_config.json` that matter here. */
export interface OpenClipSizes {
  /** Numbers in an embedding. */
  readonly embed: number;
  readonly image: TowerSizes & { readonly size: number; readonly patch: number };
  readonly text: TowerSizes & { readonly context: number; readonly vocab: number };
  /** True for OpenAI's own weights and those trained like them. LAION's use the exact GELU. */
  readonly quickGelu: boolean;
}

export interface TowerSizes {
  readonly width: number;
  readonly layers: number;
  readonly heads: number;
  /** Width inside of an MLP. */
  readonly inner: number;
}

const tower = (width: number, layers: number, heads: number, inner = 4 * width): TowerSizes => ({ width, layers, heads, inner });
const image = (patch: number, sizes: TowerSizes) => ({ size: 224, patch, ...sizes });
const text = (sizes: TowerSizes) => ({ context: 77, vocab: 49408, ...sizes });

/** Published sizes, under OpenCLIP's names. */
export const openClipSizes = {
  "ViT-B-32": { embed: 512, image: image(32, tower(768, 12, 12)), text: text(tower(512, 12, 8)), quickGelu: false },
  "ViT-L-14-quickgelu": { embed: 768, image: image(14, tower(1024, 24, 16)), text: text(tower(768, 12, 12)), quickGelu: true },
  "ViT-H-14": { embed: 1024, image: image(14, tower(1280, 32, 16)), text: text(tower(1024, 24, 16)), quickGelu: false },
  // The config gives the ratio as 4.3637, which means 6144.
  "ViT-g-14": { embed: 1024, image: image(14, tower(1408, 40, 16, 6144)), text: text(tower(1024, 24, 16)), quickGelu: false },
} as const satisfies Readonly<Record<string, OpenClipSizes>>;

export type OpenClipName = keyof typeof openClipSizes;
