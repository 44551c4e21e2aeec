// A student on the graphics card by WebGPU alone, without onnxruntime-web: `kdsharp export call-s call-s.wgsl` writes the
// file that is run here. Its header tells what it binds, and in which order its passes run.
//
//     const device = await (await navigator.gpu.requestAdapter()).requestDevice();
//     const network = await open(device, await (await fetch("call-s.wgsl")).text());
//     const sharper = await network.run(luma, width, height, { strength: 1 });

const SIDE = 8; // of a workgroup
const PARTS = 64; // by as many places restraint is counted, in both directions

/** What each layer has learnt, `counts` floats out of the base64, as a bind group. */
function layers(device, layout, weights, counts) {
  const bytes = Uint8Array.from(atob(weights), letter => letter.charCodeAt(0));
  let from = 0;
  return counts.map(count => {
    const buffer = device.createBuffer({ size: 4 * count, usage: GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST });
    device.queue.writeBuffer(buffer, 0, bytes, from, 4 * count);
    from += 4 * count;
    return device.createBindGroup({ layout, entries: [{ binding: 0, resource: { buffer } }] });
  });
}

/** A network out of its file's text: { name, scale, fold, prepare, run }. Rejects where the file is none, or is refused. */
export async function open(device, text) {
  const facts = JSON.parse(text.match(/^\/\/ kdsharp: (.+)$/m)?.[1] ?? "null");
  const weights = text.match(/^\/\/ weights: (.+)$/m)?.[1];
  if (!facts || !weights) throw new Error("This is no network of kdsharp's in WGSL: write one with `kdsharp export`.");
  const module = device.createShaderModule({ code: text.replace(weights, ""), label: facts.name });
  const bindings = types => device.createBindGroupLayout({
    entries: types.map((type, binding) => ({ binding, visibility: GPUShaderStage.COMPUTE, buffer: { type } })),
  });
  const bound = bindings(["uniform", "read-only-storage", "storage", "storage", "storage", "storage"]);
  const ofLayer = bindings(["uniform"]), groups = layers(device, ofLayer, weights, facts.weights);
  const layout = device.createPipelineLayout({ bindGroupLayouts: [bound, ofLayer] });
  const passes = await Promise.all(Object.entries(facts.passes).map(async ([entryPoint, over]) => ({
    over,
    learnt: groups[Number(entryPoint.match(/^layer(\d+)$/)?.[1] ?? 1) - 1], // other passes look at none
    pipeline: await device.createComputePipelineAsync({ layout, compute: { module, entryPoint } }),
  })));
  const network = { ...facts, prepare, run };
  let prepared = null;
  return network;

  /**
   * Buffers for frames of one size: { before, after, wide, high, encode, destroy }. `before` takes width x height floats of
   * luma in [0, 1]; `encode(encoder, settings)` adds the passes to a command encoder, and `after` holds what they give.
   */
  function prepare(width, height) {
    const [wide, high] = [width, height].map(side => Math.round(side * facts.scale)); // half a pixel is rounded up
    const [across, down] = [width, height].map(side => Math.ceil(side / facts.fold));
    const { STORAGE, UNIFORM, COPY_DST, COPY_SRC } = GPUBufferUsage;
    const buffer = (size, usage) => device.createBuffer({ size, usage });
    const features = 16 * facts.vectors * across * down;
    const settings = buffer(32, UNIFORM | COPY_DST);
    const before = buffer(4 * width * height, STORAGE | COPY_DST);
    const after = buffer(4 * wide * high, STORAGE | COPY_SRC);
    const buffers = [settings, before, after, buffer(features, STORAGE), buffer(features, STORAGE)];
    buffers.push(buffer(8 * (PARTS ** 2 + 1), STORAGE));
    const entries = buffers.map((each, binding) => ({ binding, resource: { buffer: each } }));
    const group = device.createBindGroup({ layout: bound, entries });
    const threads = { folded: [across, down], parts: [PARTS, PARTS], once: [1, 1], output: [wide, high] };

    function encode(encoder, { strength = 1, clamped = false, restraint = true, steps = 0 } = {}) {
      const values = new DataView(new ArrayBuffer(32));
      [width, height].forEach((side, at) => values.setUint32(4 * at, side, true));
      values.setFloat32(8, strength, true);
      [clamped, restraint].forEach((flag, at) => values.setUint32(12 + 4 * at, Number(flag), true));
      values.setFloat32(20, steps, true);
      device.queue.writeBuffer(settings, 0, values.buffer);
      const pass = encoder.beginComputePass();
      pass.setBindGroup(0, group);
      for (const { pipeline, learnt, over } of passes) {
        pass.setPipeline(pipeline);
        pass.setBindGroup(1, learnt);
        pass.dispatchWorkgroups(...threads[over].map(count => Math.ceil(count / SIDE)));
      }
      pass.end();
    }

    return { before, after, width, height, wide, high, encode, destroy: () => buffers.forEach(each => each.destroy()) };
  }

  /** Luma (Float32Array, row after row, in [0, 1]) to sharper luma, `scale` times as wide and high. One call at a time. */
  async function run(luma, width, height, settings) {
    if (prepared?.width !== width || prepared.height !== height) {
      prepared?.destroy();
      prepared = prepare(width, height);
    }
    const { before, after, encode } = prepared;
    device.queue.writeBuffer(before, 0, luma);
    const out = device.createBuffer({ size: after.size, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
    const encoder = device.createCommandEncoder();
    encode(encoder, settings);
    encoder.copyBufferToBuffer(after, 0, out, 0, after.size);
    device.queue.submit([encoder.finish()]);
    await out.mapAsync(GPUMapMode.READ);
    const values = new Float32Array(out.getMappedRange().slice(0));
    out.destroy();
    return values;
  }
}
