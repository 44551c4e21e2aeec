// A service worker that keeps what the page loads: with the server the newest is used, without it what is there.

const KEPT = "kdsharp-live";
const SMALL = ["./", "style.css", "common.js", "live.js", "worker.js", "example.png", "site.json"];

self.addEventListener("install", event => event.waitUntil((async () => {
  const cache = await caches.open(KEPT);
  await cache.addAll(SMALL);
  const { networks } = await (await cache.match("site.json")).json();
  await cache.addAll(networks.map(network => network.file));
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
    if (fresh.status === 200) await cache.put(request, fresh.clone());
    return fresh;
  } catch {
    return await cache.match(request) ?? Response.error();
  }
}
