import { resolve } from "node:path";
import { defineConfig } from "vite";

const root = import.meta.dirname;

export default defineConfig({
  root,
  base: "./",
  // Imports resolve to the packages' sources, so that nothing has to be built first.
  resolve: { conditions: ["source", "module", "browser"] },
  server: { fs: { allow: [resolve(root, "../..")] } },
  build: { target: "es2023", assetsInlineLimit: 0, modulePreload: false },
});
