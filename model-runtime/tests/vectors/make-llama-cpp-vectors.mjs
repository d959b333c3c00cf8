// Writes what llama.cpp makes of prompts with a model's file: llama-cpp.json of prompts.json with the default model, and
// llama-cpp-gemma.json of prompts-gemma.json with Gemma 3 270M, which also has the tokens of the texts of tokenizers/gemma3.json.
//
//   mkdir /tmp/reference && cd /tmp/reference
//   NODE_LLAMA_CPP_SKIP_DOWNLOAD=true npm install --ignore-scripts node-llama-cpp@3.22.1 @node-llama-cpp/linux-x64@3.22.1
//   node <this file> <model.gguf> [gemma]
//
// node-llama-cpp is looked for in the folder the script is started in. llama.cpp multiplies Q4_1 weights with activations rounded to
// 8 bits, so its logits differ from exact ones; the tests that read the vectors state by how much.
import { createHash } from "node:crypto";
import { createReadStream, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { pathToFileURL, fileURLToPath } from "node:url";

const isGemma = process.argv[3] === "gemma";
const [promptsFile, outFile] = isGemma ? ["prompts-gemma.json", "llama-cpp-gemma.json"] : ["prompts.json", "llama-cpp.json"];
const TOKENS_MAX = isGemma ? 24 : 48; // of each answer
const TOP = 16; // log-probabilities kept of the first step

const here = dirname(fileURLToPath(import.meta.url));
const modelPath = process.argv[2];
if (!modelPath) {
  console.error("usage: make-llama-cpp-vectors.mjs MODEL.gguf [gemma]");
  process.exit(2);
}
const resolve = createRequire(join(process.cwd(), "package.json")).resolve;
const { getLlama } = await import(pathToFileURL(resolve("node-llama-cpp")));

async function sha256(path) {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path)) hash.update(chunk);
  return hash.digest("hex");
}

// The file's own chat template, written out.
function chatText(messages) {
  let text = "";
  if (messages[0].role !== "system") {
    text += "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n";
  }
  for (const { role, content } of messages) text += `<|im_start|>${role}\n${content}<|im_end|>\n`;
  return `${text}<|im_start|>assistant\n`;
}

const round = (x) => Number(x.toFixed(5));

const llama = await getLlama({ gpu: false, build: "never", logLevel: "error" });
const model = await llama.loadModel({ modelPath, gpuLayers: 0 });
const cases = [];
for (const prompt of JSON.parse(readFileSync(join(here, promptsFile), "utf8"))) {
  const text = prompt.chat ? chatText(prompt.chat) : prompt.text;
  const context = await model.createContext({
    contextSize: 1024,
    threads: 1, // its threads wait by spinning, which takes forever on a busy machine
    flashAttention: false,
    experimentalKvCacheKeyType: "F32",
    experimentalKvCacheValueType: "F32",
  });
  const sequence = context.getSequence();
  const promptIds = model.tokenize(text, true);
  const greedyIds = [];
  const gaps = []; // log-probability of the best token minus that of the second, per step
  let first = null;
  let ended = false;
  for await (const { token, probabilities } of sequence.evaluateWithMetadata(promptIds, { probabilities: true }, { temperature: 0, yieldEogToken: true })) {
    const top = [...probabilities].sort((a, b) => b[1] - a[1]);
    greedyIds.push(token);
    gaps.push(round(Math.log(top[0][1]) - Math.log(top[1][1])));
    first ??= top.slice(0, TOP).map(([id, p]) => [id, round(Math.log(p))]);
    ended = model.isEogToken(token);
    if (ended || greedyIds.length >= TOKENS_MAX) break;
  }
  await context.dispose();
  cases.push({ name: prompt.name, text, prompt_ids: promptIds, greedy_ids: greedyIds, ended, gaps, first_step_log_probabilities: first });
  console.error(prompt.name, promptIds.length, JSON.stringify(model.detokenize(greedyIds, true)));
}
const version = JSON.parse(readFileSync(join(process.cwd(), "node_modules/node-llama-cpp/package.json"), "utf8")).version;
const header = { made_by: `node-llama-cpp ${version}`, model_sha256: await sha256(modelPath) };
if (isGemma) {
  const { cases: texts } = JSON.parse(readFileSync(join(here, "tokenizers/gemma3.json"), "utf8"));
  header.tokens_of_texts = texts.map(([text]) => model.tokenize(text, true));
}
const body = cases.map((c) => `    ${JSON.stringify(c)}`).join(",\n");
const top = JSON.stringify(header, (key, value) => (key === "tokens_of_texts" ? undefined : value), 2).slice(0, -2);
const texts = isGemma ? `  "tokens_of_texts": [\n${header.tokens_of_texts.map((t) => `    ${JSON.stringify(t)}`).join(",\n")}\n  ],\n` : "";
writeFileSync(join(here, outFile), `${top},\n${texts}  "cases": [\n${body}\n  ]\n}\n`);
process.exit(0);
