// The student on the graphics card, by `webgpu.js`: frames come and go as bitmaps, which need not leave the card.

import { openPainter } from "./webgpu-frames.js";
import { open as openNetwork } from "./webgpu.js";

const COLOUR = { r: 0.8, g: 0.4, b: 0.2, a: 1 };

/** Whether there is a card, and whether it is a real one: an emulated one is slower than WebAssembly. */
export async function look() {
  try {
    const adapter = await navigator.gpu.requestAdapter(), device = await adapter.requestDevice();
    const webgpu = paints(device);
    device.destroy();
    return { webgpu, fast: webgpu && !adapter.info.isFallbackAdapter };
  } catch { return { webgpu: false, fast: false }; }
}

/** Some browsers have a card and get no picture back from it. */
function paints(device) {
  const canvas = new OffscreenCanvas(1, 1), painted = canvas.getContext("webgpu");
  painted.configure({ device, format: navigator.gpu.getPreferredCanvasFormat(), alphaMode: "opaque" });
  const encoder = device.createCommandEncoder(), view = painted.getCurrentTexture().createView();
  encoder.beginRenderPass({ colorAttachments: [{ view, loadOp: "clear", storeOp: "store", clearValue: COLOUR }] }).end();
  device.queue.submit([encoder.finish()]);
  const context = new OffscreenCanvas(1, 1).getContext("2d");
  context.drawImage(canvas.transferToImageBitmap(), 0, 0);
  const [red, green, blue] = context.getImageData(0, 0, 1, 1).data;
  return Math.abs(red - 204) + Math.abs(green - 102) + Math.abs(blue - 51) < 10;
}

/** A network on the card: { said, sharpen, change, forget, close }. */
export async function open({ name, wgsl }) {
  const adapter = await navigator.gpu?.requestAdapter(), answer = wgsl && await fetch(wgsl);
  if (!adapter) throw new Error("there is no graphics card that WebGPU can use");
  if (!answer?.ok) throw new Error(`${name} is not there for graphics cards`);
  const { maxBufferSize, maxStorageBufferBindingSize } = adapter.limits; // large pictures have large features
  const device = await adapter.requestDevice({ requiredLimits: { maxBufferSize, maxStorageBufferBindingSize } });
  const canvas = new OffscreenCanvas(1, 1), network = await openNetwork(device, await answer.text());
  const painter = await openPainter(device, network, canvas);
  let lost = null;
  device.lost.then(({ message }) => { lost = `the graphics card is lost: choose the network again. ${message}`; });

  async function painted(paint) {
    if (lost) throw new Error(lost);
    for (const filter of ["out-of-memory", "validation"]) device.pushErrorScope(filter);
    paint();
    const made = canvas.transferToImageBitmap(); // before anything is waited for: then it would be blank
    const complaints = await Promise.all([device.popErrorScope(), device.popErrorScope(), device.queue.onSubmittedWorkDone()]);
    const complaint = complaints.find(Boolean);
    if (complaint) throw new Error(`the picture is too much for this graphics card, take WebAssembly. ${complaint.message}`);
    return made;
  }

  return {
    said: "WebGPU",
    sharpen: (frame, strength) => painted(() => painter.paint(frame, frame.width, frame.height, { strength })),
    change: frame => painted(() => painter.paintChange(frame, frame.width, frame.height)),
    forget() {},
    close: () => device.destroy(),
  };
}
