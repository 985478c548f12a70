// A process with a store of its own: saves what each line of its input names, and says so.
import { createInterface } from "node:readline";

import { HoldfastStore } from "../dist/esm/store.js";

const { SERVICE_URL: url, SERVICE_KEY: serviceKey, PREFIX: prefix } = process.env;
const store = new HoldfastStore({ url, serviceKey, prefix, maxAge: 0 });
createInterface({ input: process.stdin }).on("line", (line) => {
  const { sid, n } = JSON.parse(line);
  store.set(sid, { cookie: { path: "/", originalMaxAge: null }, n }, (error) =>
    console.log(error ? `failed: ${error}` : "saved"),
  );
});
console.log("ready");
