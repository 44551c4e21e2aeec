// What a click puts into the page: its answer is "on", "off" or "nothing" (there is no video).
import(chrome.runtime.getURL("videos.js")).then(({ toggle }) => toggle());
