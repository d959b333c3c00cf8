// A conversation of the unmodified openai client for JavaScript with a running demo.
// Environment: OPENAI_BASE_URL and OPENAI_API_KEY, which are all the client gets; NODE_MODULES, where the package is.
import assert from "node:assert/strict";
import { createRequire } from "node:module";

const require = createRequire(process.env.NODE_MODULES + "/");
const { OpenAI } = require("openai");
const client = new OpenAI();

const models = (await client.models.list()).data.map((model) => model.id);
const model = models.find((id) => !id.includes("MiniLM"));
assert.equal((await client.models.retrieve(model)).id, model);
const ask = { model, messages: [{ role: "user", content: "Name three primary colors." }], max_tokens: 24, temperature: 0 };

let text = "";
let usage;
for await (const chunk of await client.chat.completions.create({ ...ask, stream: true, stream_options: { include_usage: true } })) {
  usage = chunk.usage ?? usage;
  text += chunk.choices[0]?.delta?.content ?? "";
}
const whole = await client.chat.completions.create(ask);
assert.equal(whole.choices[0].message.content, text);
assert.equal(usage.completion_tokens, whole.usage.completion_tokens);

// The client's own reading of a stream, which is strict about the order and form of chunks.
const helped = client.chat.completions.stream({
  ...ask,
  max_tokens: 96,
  tools: [{ type: "function", function: { name: "paint", parameters: { type: "object", properties: { color: { enum: ["red", "blue"] } }, required: ["color"], additionalProperties: false } } }],
  tool_choice: "required",
});
const called = (await helped.finalChatCompletion()).choices[0];
assert.equal(called.finish_reason, "tool_calls");
assert.ok(["red", "blue"].includes(JSON.parse(called.message.tool_calls[0].function.arguments).color));

const vectors = await client.embeddings.create({ model: "all-MiniLM-L6-v2", input: ["a", "b"] });
assert.deepEqual(vectors.data.map((entry) => entry.embedding.length), [384, 384]);

const response = client.responses.stream({ model, input: "Name three primary colors.", max_output_tokens: 24, temperature: 0 });
const final = await response.finalResponse();
assert.ok(final.output_text.length > 0);

await assert.rejects(client.chat.completions.create({ ...ask, model: "no-such-model" }), OpenAI.NotFoundError);
await assert.rejects(client.chat.completions.create({ ...ask, temperature: 9 }), OpenAI.BadRequestError);
await assert.rejects(new OpenAI({ apiKey: "sk-wrong" }).models.list(), OpenAI.AuthenticationError);
console.log(`openai for JavaScript: ${models.length} models, ${JSON.stringify(text)}`);
