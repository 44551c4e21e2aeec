// Run an exported student in onnxruntime-web's WebAssembly, as a browser would.
//
//     node onnx_web.mjs RUNTIME STUDENT.onnx PLANES.bin CHANNELS HEIGHT WIDTH OUT.bin
//
// RUNTIME is the folder that `kdsharp web --runtime` fills. PLANES.bin and OUT.bin hold float32 planes in [0, 1], channel
// after channel, row after row.
import { readFileSync, writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [runtime, model, planes, channels, height, width, out] = process.argv.slice(2);
const ort = await import(pathToFileURL(`${runtime}/ort.wasm.min.mjs`));
ort.env.wasm.numThreads = 1;
const session = await ort.InferenceSession.create(new Uint8Array(readFileSync(model)), { executionProviders: ["wasm"] });
const bytes = readFileSync(planes);
const values = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
const shape = [1, Number(channels), Number(height), Number(width)];
const { output } = await session.run({ input: new ort.Tensor("float32", values, shape) }, ["output"]);
writeFileSync(out, Buffer.from(output.data.buffer, output.data.byteOffset, output.data.byteLength));
console.log(JSON.stringify({ dims: output.dims, version: ort.env.versions.web }));
