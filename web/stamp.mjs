// Writes the hash of the page's sources beside the built page: a test compares it with the sources.
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";

function files(folder) {
  return readdirSync(folder)
    .sort()
    .flatMap((name) => {
      const path = `${folder}/${name}`;
      return statSync(path).isDirectory() ? files(path) : [path];
    });
}

const hash = createHash("sha256");
for (const path of ["index.html", "package-lock.json", "vite.config.ts", ...files("public"), ...files("src")].sort()) {
  hash.update(`${path}\0`);
  hash.update(readFileSync(path));
  hash.update("\0");
}
writeFileSync(join("..", "src", "tokenworks", "app", "web", "static", "sources.txt"), `${hash.digest("hex")}\n`);
