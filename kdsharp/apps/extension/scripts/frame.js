// A hidden frame of the extension's own origin, where the page's policies do not reach: it has the worker, and gives
// it the port that the script in the page talks through.

const worker = new Worker("worker.js", { type: "module" });

addEventListener("message", ({ ports }) => worker.postMessage(null, ports), { once: true });
