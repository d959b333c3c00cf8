"""A conversation of the unmodified litellm client with a running demo.

Environment: OPENAI_BASE_URL, OPENAI_API_KEY, and MODEL.
"""

import os

# Its table of prices is read from the package and not from the network.
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

import litellm

litellm.telemetry = False
ask = dict(
    model=f"openai/{os.environ['MODEL']}", api_base=os.environ["OPENAI_BASE_URL"], api_key=os.environ["OPENAI_API_KEY"],
    messages=[{"role": "user", "content": "Name three primary colors."}], max_tokens=24, temperature=0,
)
whole = litellm.completion(**ask)
chunks = list(litellm.completion(**ask, stream=True, stream_options={"include_usage": True}))
rebuilt = litellm.stream_chunk_builder(chunks)
assert rebuilt.choices[0].message.content == whole.choices[0].message.content
assert rebuilt.usage.completion_tokens == whole.usage.completion_tokens > 0

tool = {"type": "function", "function": {"name": "paint", "parameters": {"type": "object", "properties": {"color": {"enum": ["red", "blue"]}}, "required": ["color"], "additionalProperties": False}}}
called = litellm.completion(**{**ask, "max_tokens": 64}, tools=[tool], tool_choice="required")
assert called.choices[0].finish_reason == "tool_calls" and called.choices[0].message.tool_calls[0].function.name == "paint"

vectors = litellm.embedding(model="openai/all-MiniLM-L6-v2", input=["a"], api_base=ask["api_base"], api_key=ask["api_key"])
assert len(vectors.data[0]["embedding"]) == 384
try:
    litellm.completion(**{**ask, "model": "openai/no-such-model"})
except litellm.NotFoundError:
    pass
else:
    raise AssertionError("an unknown model was accepted")
print(f"litellm: {whole.choices[0].message.content!r}")
