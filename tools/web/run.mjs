// Run an exported student in onnxruntime-web's WASM, as a browser would.
//
//     node run.mjs STUDENT.onnx PLANES.bin CHANNELS HEIGHT WIDTH OUT.bin
//
// PLANES.bin and OUT.bin hold float32 planes in [0, 1], channel after channel, row after row.
import { readFileSync, writeFileSync } from "node:fs";
import * as ort from "onnxruntime-web";

const [model, planes, channels, height, width, out] = process.argv.slice(2);
ort.env.wasm.numThreads = 1;
const session = await ort.InferenceSession.create(readFileSync(model), { executionProviders: ["wasm"] });
const bytes = readFileSync(planes);
const values = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
const shape = [1, Number(channels), Number(height), Number(width)];
const { output } = await session.run({ input: new ort.Tensor("float32", values, shape) });
writeFileSync(out, Buffer.from(output.data.buffer, output.data.byteOffset, output.data.byteLength));
console.log(JSON.stringify({ dims: output.dims, version: ort.env.versions.web }));
