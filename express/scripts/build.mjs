// The same sources twice, as ES modules and as CommonJS; `dist/<kind>/package.json` says which.
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const tsc = `${root}node_modules/typescript/bin/tsc`;
const kinds = { esm: "module", cjs: "commonjs" };

rmSync(`${root}dist`, { recursive: true, force: true });
for (const [kind, type] of Object.entries(kinds)) {
  // The compiler reads the type of a module from the package.json beside its source.
  const sources = `${root}dist/${kind}-src`;
  mkdirSync(sources, { recursive: true });
  cpSync(`${root}src`, `${sources}/src`, { recursive: true });
  const kindOf = JSON.stringify({ type }) + "\n";
  writeFileSync(`${sources}/package.json`, kindOf);
  writeFileSync(
    `${sources}/tsconfig.json`,
    JSON.stringify({
      extends: "../../tsconfig.json",
      compilerOptions: { rootDir: "src", outDir: `../${kind}` },
      include: ["src"],
    }),
  );
  execFileSync(process.execPath, [tsc, "-p", sources], { stdio: "inherit" });
  writeFileSync(`${root}dist/${kind}/package.json`, kindOf);
  rmSync(sources, { recursive: true });
}
