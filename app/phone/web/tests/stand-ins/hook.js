// Has the page's modules find those of this folder where they ask for one that stands on a browser: the Rust half, the
// radio, what is stored. To be imported before any of the page's modules that need one, and these by `await import`.

import { register } from "node:module";

const hooks = `
  const STAND_INS = ["./latchkey.js", "./radio.js", "./store.js"];
  export async function resolve(specifier, context, next) {
    if (!STAND_INS.includes(specifier) || !context.parentURL?.includes("/page/")) return next(specifier, context);
    return { url: new URL("../tests/stand-ins/" + specifier, context.parentURL).href, shortCircuit: true };
  }`;
register(`data:text/javascript,${encodeURIComponent(hooks)}`);
