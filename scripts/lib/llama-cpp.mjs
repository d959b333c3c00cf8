// What llama.cpp makes of texts: its greedy answers with their log-probabilities, and the log-probability of every token of a given text.
//
//   node llama-cpp.mjs MODEL.gguf < QUESTION > ANSWER
//
// QUESTION is {"prompts": [text], "tokens_max": n, "text": text}. node-llama-cpp is looked for in the folder the script is started in.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const resolve = createRequire(join(process.cwd(), "package.json")).resolve;
const { getLlama } = await import(pathToFileURL(resolve("node-llama-cpp")));
const question = JSON.parse(readFileSync(0, "utf8"));
const llama = await getLlama({ gpu: false, build: "never", logLevel: "error" });
const model = await llama.loadModel({ modelPath: process.argv[2], gpuLayers: 0 });
const context = await model.createContext({
  contextSize: 8192,
  threads: 1, // its threads wait by spinning, which takes forever on a busy machine
  flashAttention: false,
  experimentalKvCacheKeyType: "F32",
  experimentalKvCacheValueType: "F32",
});
const sequence = context.getSequence();

// `tokenize` leaves out the token that begins texts.
const begin = model.tokens.shouldPrependBosToken && model.tokens.bos != null ? [model.tokens.bos] : [];
const answers = [];
for (const prompt of question.prompts) {
  await sequence.clearHistory();
  const promptIds = [...begin, ...model.tokenize(prompt, true)];
  const ids = [];
  for await (const { token } of sequence.evaluateWithMetadata(promptIds, {}, { temperature: 0, yieldEogToken: true })) {
    ids.push(token);
    if (model.isEogToken(token) || ids.length >= question.tokens_max) break;
  }
  answers.push({ prompt_ids: promptIds, ids });
  process.stderr.write(`\rllama.cpp: ${answers.length} of ${question.prompts.length} prompts`);
}
process.stderr.write("\n");

await sequence.clearHistory();
const textIds = [...begin, ...model.tokenize(question.text, true)];
const logProbabilities = [];
// A few tokens at a time: each gets a map of the whole vocabulary.
for (let first = 0; first < textIds.length - 1; first += 32) {
  const piece = textIds.slice(first, Math.min(first + 32, textIds.length - 1));
  const rows = await sequence.controlledEvaluate(piece.map((token) => [token, { generateNext: { probabilities: true } }]));
  rows.forEach((row, i) => logProbabilities.push(Math.log(row.next.probabilities.get(textIds[first + i + 1]) ?? 0)));
}
process.stdout.write(JSON.stringify({ answers, text_ids: textIds, log_probabilities: logProbabilities }));
process.exit(0);
