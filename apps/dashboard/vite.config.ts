/** Builds the page into `dist`, with brotli and gzip siblings that the api serves as they are. */
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { brotliCompress, constants, gzip } from "node:zlib";
import tailwindcss from "@tailwindcss/vite";
import react from "@vitejs/plugin-react";
import { defineConfig, type Plugin } from "vite";

const COMPRESSIBLE = /\.(?:css|html|js|svg)$/u;

/** Libraries that every page uses. The others load with what uses them. */
const EVERYWHERE = /node_modules\/(?!cmdk|@radix-ui|@tanstack\/(?:react-)?virtual|lucide-react)/u;

function precompress(): Plugin {
  let directory = "";
  return {
    name: "branchward-precompress",
    apply: "build",
    configResolved(config) {
      directory = resolve(config.root, config.build.outDir);
    },
    async closeBundle() {
      for (const name of await readdir(directory, { recursive: true })) {
        if (!COMPRESSIBLE.test(name)) continue;
        const path = join(directory, name);
        const content = await readFile(path);
        const params = { [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY };
        await writeFile(`${path}.br`, await promisify(brotliCompress)(content, { params }));
        await writeFile(`${path}.gz`, await promisify(gzip)(content, { level: 9 }));
      }
    },
  };
}

/** Where `vite` finds the api while the page is being worked on. */
const api = process.env["BRANCHWARD_URL"] ?? "http://127.0.0.1:8787";

export default defineConfig({
  root: import.meta.dirname,
  plugins: [react(), tailwindcss(), precompress()],
  build: {
    target: "es2024",
    cssTarget: "chrome123",
    // The content security policy admits no `data:` addresses.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // One chunk of libraries compresses best.
    chunkSizeWarningLimit: 600,
    rolldownOptions: {
      output: {
        // Chunks must not run the contracts before zod is configured.
        strictExecutionOrder: true,
        codeSplitting: { groups: [{ name: "libraries", test: EVERYWHERE }] },
      },
    },
  },
  server: { proxy: { "/v1": api, "/openapi.json": api, "/queues": api, "/docs": api } },
});
