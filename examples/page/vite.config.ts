import { resolve } from "node:path";
import { defineConfig } from "vite";

const root = import.meta.dirname;

export default defineConfig({
  root,
  base: "./",
  // The packages' sources, so that nothing has to be built before.
  resolve: { conditions: ["source", "module", "browser"] },
  server: { fs: { allow: [resolve(root, "../..")] } },
  build: { target: "es2023", assetsInlineLimit: 0, modulePreload: false },
});
