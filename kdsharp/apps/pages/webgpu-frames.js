// Frames through a network of `webgpu.js` and onto a canvas, without leaving the graphics card: luma goes to the network, and
// what it changes is added to red, green and blue, as in Python.
//
//     const painter = await openPainter(device, network, canvas);
//     painter.paint(video, video.videoWidth, video.videoHeight, { strength: 1 });

const SIDE = 8; // of a workgroup

// BT.601 luma in whole numbers, exactly as OpenCV rounds it: networks make much of half a step.
const ROUNDED = `
fn luma_of(colour: vec3f) -> f32 {
    let sum = dot(vec3u(round(255 * colour)), vec3u(9798, 19235, 3735));
    return f32((sum + 16384) >> 15) / 255;
}
`;

const TAKE = `${ROUNDED}
@group(0) @binding(0) var frame: texture_2d<f32>;
@group(0) @binding(1) var<storage, read_write> luma: array<f32>;

@compute @workgroup_size(${SIDE}, ${SIDE})
fn take(@builtin(global_invocation_id) id: vec3u) {
    let size = textureDimensions(frame);
    if (any(id.xy >= size)) {
        return;
    }
    luma[id.y * size.x + id.x] = luma_of(textureLoad(frame, id.xy, 0).rgb);
}
`;

const PAINT = `${ROUNDED}
@group(0) @binding(0) var frame: texture_2d<f32>;
@group(0) @binding(1) var linear: sampler;
@group(0) @binding(2) var<storage, read> sharper: array<f32>;
@group(0) @binding(3) var<uniform> size: vec2u;

@vertex
fn corner(@builtin(vertex_index) index: u32) -> @builtin(position) vec4f {
    return vec4f(f32(index % 2 * 4) - 1, f32(index / 2 * 4) - 1, 0, 1); // one triangle that holds the canvas
}

@fragment
fn colour(@builtin(position) place: vec4f) -> @location(0) vec4f {
    let pixel = vec2u(place.xy);
    let before = textureSampleLevel(frame, linear, place.xy / vec2f(size), 0).rgb;
    let change = sharper[pixel.y * size.x + pixel.x] - luma_of(before);
    return vec4f(before + change, 1);
}
`;

/** What paints frames on a canvas: { paint, destroy }. The canvas takes the size of what comes out. */
export async function openPainter(device, network, canvas) {
  const context = canvas.getContext("webgpu"), format = navigator.gpu.getPreferredCanvasFormat();
  context.configure({ device, format });
  const module = code => device.createShaderModule({ code });
  const taking = await device.createComputePipelineAsync({ layout: "auto", compute: { module: module(TAKE) } });
  const code = module(PAINT);
  const painting = await device.createRenderPipelineAsync({
    layout: "auto", vertex: { module: code }, fragment: { module: code, targets: [{ format }] },
  });
  const linear = device.createSampler({ magFilter: "linear", minFilter: "linear" });
  let ready = null;

  function prepare(width, height) {
    const buffers = network.prepare(width, height);
    const { TEXTURE_BINDING, COPY_DST, RENDER_ATTACHMENT } = GPUTextureUsage;
    const usage = TEXTURE_BINDING | COPY_DST | RENDER_ATTACHMENT;
    const frame = device.createTexture({ size: [width, height], format: "rgba8unorm", usage });
    const size = device.createBuffer({ size: 8, usage: GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST });
    device.queue.writeBuffer(size, 0, new Uint32Array([buffers.wide, buffers.high]));
    [canvas.width, canvas.height] = [buffers.wide, buffers.high];
    const group = (pipeline, resources) => device.createBindGroup({
      layout: pipeline.getBindGroupLayout(0), entries: resources.map((resource, binding) => ({ binding, resource })),
    });
    const view = frame.createView();
    const take = group(taking, [view, { buffer: buffers.before }]);
    const paint = group(painting, [view, linear, { buffer: buffers.after }, { buffer: size }]);
    return { buffers, frame, size, take, paint };
  }

  function destroy() {
    ready?.buffers.destroy();
    ready?.frame.destroy();
    ready?.size.destroy();
    ready = null;
  }

  /** Sharpen and paint a video, image, canvas, ImageBitmap or VideoFrame of width x height pixels. */
  function paint(source, width, height, settings) {
    if (ready?.buffers.width !== width || ready.buffers.height !== height) {
      destroy();
      ready = prepare(width, height);
    }
    device.queue.copyExternalImageToTexture({ source }, { texture: ready.frame }, [width, height]);
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    pass.setPipeline(taking);
    pass.setBindGroup(0, ready.take);
    pass.dispatchWorkgroups(Math.ceil(width / SIDE), Math.ceil(height / SIDE));
    pass.end();
    ready.buffers.encode(encoder, settings);
    const view = context.getCurrentTexture().createView();
    const drawn = encoder.beginRenderPass({ colorAttachments: [{ view, loadOp: "clear", storeOp: "store" }] });
    drawn.setPipeline(painting);
    drawn.setBindGroup(0, ready.paint);
    drawn.draw(3);
    drawn.end();
    device.queue.submit([encoder.finish()]);
  }

  return { paint, destroy };
}
