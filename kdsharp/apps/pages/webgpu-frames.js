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
struct Settings {
    size: vec2u, // of what comes out
    scale: f32,
    strength: f32,
}

@group(0) @binding(0) var frame: texture_2d<f32>;
@group(0) @binding(1) var<storage, read> sharper: array<f32>;
@group(0) @binding(2) var<uniform> settings: Settings;

@vertex
fn corner(@builtin(vertex_index) index: u32) -> @builtin(position) vec4f {
    return vec4f(f32(index % 2 * 4) - 1, f32(index / 2 * 4) - 1, 0, 1); // one triangle that holds the canvas
}

// Keys' cubic interpolation with a = -0.75, as in enlarge.js.
fn weights(t: f32) -> vec4f {
    let near = vec2f(t, 1 - t);
    let far = 1 + near;
    let inner = (1.25 * near - 2.25) * near * near + 1;
    let outer = ((-0.75 * far + 3.75) * far - 6) * far + 3;
    return vec4f(outer.x, inner, outer.y);
}

fn base_of(pixel: vec2u) -> vec3f {
    if (settings.scale == 1) {
        return textureLoad(frame, pixel, 0).rgb;
    }
    let last = vec2i(textureDimensions(frame)) - 1;
    let place = (vec2f(pixel) + 0.5) / settings.scale - 0.5;
    let across = weights(fract(place.x));
    let down = weights(fract(place.y));
    var sum = vec3f();
    for (var row = 0; row < 4; row++) {
        for (var column = 0; column < 4; column++) {
            let near = clamp(vec2i(floor(place)) + vec2i(column, row) - 1, vec2i(), last);
            sum += down[row] * across[column] * textureLoad(frame, near, 0).rgb;
        }
    }
    return saturate(sum);
}

fn change_of(pixel: vec2u, base: vec3f) -> f32 {
    return sharper[pixel.y * settings.size.x + pixel.x] - luma_of(base);
}

@fragment
fn colour(@builtin(position) place: vec4f) -> @location(0) vec4f {
    let pixel = vec2u(place.xy);
    let base = base_of(pixel);
    return vec4f(mix(base, saturate(base + change_of(pixel, base)), settings.strength), 1);
}

// In grey, twice as high: above what is to be added, below what is to be taken away.
@fragment
fn halves(@builtin(position) place: vec4f) -> @location(0) vec4f {
    let below = u32(place.y) >= settings.size.y;
    let pixel = vec2u(place.xy) - select(vec2u(), vec2u(0, settings.size.y), below);
    let change = change_of(pixel, base_of(pixel));
    return vec4f(vec3f(saturate(select(change, -change, below))), 1);
}
`;

/** What paints frames on a canvas: { paint, paintChange, destroy }. The canvas takes the size of what comes out. */
export async function openPainter(device, network, canvas) {
  const context = canvas.getContext("webgpu"), format = navigator.gpu.getPreferredCanvasFormat();
  context.configure({ device, format, alphaMode: "opaque" });
  const module = code => device.createShaderModule({ code });
  const taking = await device.createComputePipelineAsync({ layout: "auto", compute: { module: module(TAKE) } });
  const code = module(PAINT), bindings = device.createBindGroupLayout({
    entries: [{ texture: {} }, { buffer: { type: "read-only-storage" } }, { buffer: { type: "uniform" } }].map(
      (kind, binding) => ({ binding, visibility: GPUShaderStage.FRAGMENT, ...kind }),
    ),
  });
  const layout = device.createPipelineLayout({ bindGroupLayouts: [bindings] });
  const [colour, halves] = await Promise.all(["colour", "halves"].map(entryPoint => device.createRenderPipelineAsync({
    layout, vertex: { module: code }, fragment: { module: code, entryPoint, targets: [{ format }] },
  })));
  let ready = null;

  function prepare(width, height) {
    const buffers = network.prepare(width, height);
    const { TEXTURE_BINDING, COPY_DST, RENDER_ATTACHMENT } = GPUTextureUsage;
    const usage = TEXTURE_BINDING | COPY_DST | RENDER_ATTACHMENT;
    const frame = device.createTexture({ size: [width, height], format: "rgba8unorm", usage });
    const settings = device.createBuffer({ size: 16, usage: GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST });
    const group = (layout, resources) => device.createBindGroup({
      layout, entries: resources.map((resource, binding) => ({ binding, resource })),
    });
    const view = frame.createView();
    const take = group(taking.getBindGroupLayout(0), [view, { buffer: buffers.before }]);
    const paint = group(bindings, [view, { buffer: buffers.after }, { buffer: settings }]);
    return { buffers, frame, settings, take, paint };
  }

  function destroy() {
    ready?.buffers.destroy();
    ready?.frame.destroy();
    ready?.settings.destroy();
    ready = null;
  }

  function through(pipeline, parts, source, width, height, { strength = 1, ...settings } = {}) {
    if (ready?.buffers.width !== width || ready.buffers.height !== height) {
      destroy();
      ready = prepare(width, height);
    }
    const { wide, high, encode } = ready.buffers;
    if (canvas.width !== wide || canvas.height !== parts * high) Object.assign(canvas, { width: wide, height: parts * high });
    device.queue.writeBuffer(ready.settings, 0, new Uint32Array([wide, high]));
    device.queue.writeBuffer(ready.settings, 8, new Float32Array([network.scale, strength]));
    device.queue.copyExternalImageToTexture({ source }, { texture: ready.frame }, [width, height]);
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    pass.setPipeline(taking);
    pass.setBindGroup(0, ready.take);
    pass.dispatchWorkgroups(Math.ceil(width / SIDE), Math.ceil(height / SIDE));
    pass.end();
    encode(encoder, { steps: 255, ...settings }); // what is painted has 8 bits
    const view = context.getCurrentTexture().createView();
    const drawn = encoder.beginRenderPass({ colorAttachments: [{ view, loadOp: "clear", storeOp: "store" }] });
    drawn.setPipeline(pipeline);
    drawn.setBindGroup(0, ready.paint);
    drawn.draw(3);
    drawn.end();
    device.queue.submit([encoder.finish()]);
  }

  return {
    /** Sharpen and paint a video, image, canvas, ImageBitmap or VideoFrame of width x height pixels. */
    paint: (...values) => through(colour, 1, ...values),
    /** Paint what sharpening changes, in grey: above what is to be added, below what is to be taken away. */
    paintChange: (...values) => through(halves, 2, ...values),
    destroy,
  };
}
