// Runs an exported policy in onnxruntime-web and compares its answers with those that stand beside the questions.
import fs from 'node:fs';
import readline from 'node:readline';
import * as ort from 'onnxruntime-web';

const told = JSON.parse(fs.readFileSync('policy.json'));
const session = await ort.InferenceSession.create(fs.readFileSync('policy.onnx'));
const number = (text) => ({ nan: NaN, inf: Infinity })[text] ?? Number(text);
const make = {
  float64: (texts) => Float64Array.from(texts, number),
  int64: (texts) => BigInt64Array.from(texts, BigInt),
  bool: (texts) => Uint8Array.from(texts, (text) => (text === 'True' ? 1 : 0)),
};

let asked = 0, wrong = 0, furthest = 0, tookMs = 0;
for await (const line of readline.createInterface({ input: fs.createReadStream('questions.jsonl') })) {
  const question = JSON.parse(line);
  const feeds = {};
  for (const [name, input] of Object.entries(told.inputs)) {
    feeds[name] = new ort.Tensor(input.type, make[input.type](question.feeds[name]), input.shape);
  }
  const start = performance.now();
  const { target, probability } = await session.run(feeds);
  tookMs += performance.now() - start;
  furthest = Math.max(furthest, Math.abs(probability.data[0] - question.probability));
  wrong += Number(target.data[0]) !== question.target || Math.abs(probability.data[0] - question.probability) > 1e-9;
  asked += 1;
}
console.log(`onnxruntime-web ${ort.env.versions.web}, Node ${process.version}: ${asked} contexts, ${wrong} differ, ` +
  `probabilities within ${furthest.toExponential(1)}, ${((1000 * tookMs) / asked).toFixed(0)} us a choice`);
process.exit(asked > 0 && wrong === 0 ? 0 : 1);
