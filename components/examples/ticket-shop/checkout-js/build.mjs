// componentize-js needs preview2-shim and does not name it, so package.json does.
// Usage: node build.mjs WIT-FOLDER OUT.wasm

import { readFile, writeFile } from "node:fs/promises";
import { componentize } from "@bytecodealliance/componentize-js";

const [witPath, out] = process.argv.slice(2);
const source = await readFile(new URL("checkout.js", import.meta.url), "utf8");
const { component } = await componentize(source, { witPath, worldName: "javascript" });
await writeFile(out, component);
