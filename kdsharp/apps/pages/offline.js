// A service worker that keeps what the page loads: with the server the newest is used, without it what is there. What
// the server's list of networks and its runtime no longer name is dropped: a runtime weighs some 25 MB.

const KEPT = "kdsharp-live";
const SMALL = [
  "./", "style.css", "common.js", "student.js", "live.js", "worker.js", "processor.js", "streams.js", "restraint.js",
  "enlarge.js", "card.js", "webgpu.js", "webgpu-frames.js", "example.png", "site.json",
];

self.addEventListener("install", event => event.waitUntil((async () => {
  const cache = await caches.open(KEPT);
  await cache.addAll(SMALL);
  const { networks } = await (await cache.match("site.json")).json();
  await cache.addAll(networks.flatMap(files));
  await self.skipWaiting();
})()));

self.addEventListener("activate", event => event.waitUntil(self.clients.claim()));

self.addEventListener("fetch", event => {
  if (event.request.method === "GET") event.respondWith(answer(event.request));
});

async function answer(request) {
  const cache = await caches.open(KEPT);
  try {
    const fresh = await fetch(request);
    if (fresh.status === 200) {
      await cache.put(request, fresh.clone());
      if (request.url === address("site.json")) await drop(cache, await fresh.clone().json());
    }
    return fresh;
  } catch {
    return await cache.match(request) ?? Response.error();
  }
}

/** Of runtimes and networks, keep those that the site has. */
async function drop(cache, site) {
  const networks = new Set(site.networks.flatMap(files).map(address));
  for (const request of await cache.keys()) {
    const isRuntime = request.url.startsWith(address("onnxruntime-web-"));
    const isNetwork = request.url.startsWith(address("networks/"));
    const isNamed = isRuntime ? request.url.startsWith(address(`${site.runtime}/`)) : networks.has(request.url);
    if ((isRuntime || isNetwork) && !isNamed) await cache.delete(request);
  }
}

/** A network for each engine; not every one has all. */
const files = ({ file, int8, wgsl }) => [file, int8, wgsl].filter(Boolean);

function address(name) {
  return new URL(name, self.registration.scope).href;
}
