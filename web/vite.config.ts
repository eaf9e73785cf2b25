import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

export default defineConfig({
  plugins: [react()],
  base: "/",
  build: {
    outDir: "../src/tokenworks/app/web/static",
    emptyOutDir: true,
    assetsInlineLimit: 0, // data: addresses are not allowed for scripts and styles by the server's policy
    modulePreload: { polyfill: false },
    target: "es2022",
  },
  server: { proxy: { "/v1": "http://127.0.0.1:8321" } },
});
