"""A conversation of the unmodified anthropic client with a running demo.

Environment: ANTHROPIC_BASE_URL and ANTHROPIC_API_KEY, which are all the client gets, and MODEL.

The client has no argument for the temperature any more; it goes beside the body, as other extensions do.
"""

import os

import anthropic

model = os.environ["MODEL"]
client = anthropic.Anthropic()
ask = dict(model=model, max_tokens=24, extra_body={"temperature": 0}, system="Be brief.", messages=[{"role": "user", "content": "Name three primary colors."}])

whole = client.messages.create(**ask)
assert whole.role == "assistant" and whole.content[0].type == "text" and whole.stop_reason in ("end_turn", "max_tokens")
with client.messages.stream(**ask) as stream:
    text = "".join(stream.text_stream)
    final = stream.get_final_message()
assert text == whole.content[0].text == final.content[0].text, (text, whole.content)
assert final.usage.output_tokens == whole.usage.output_tokens > 0
assert final.usage.input_tokens + final.usage.cache_read_input_tokens == whole.usage.input_tokens + whole.usage.cache_read_input_tokens

counted = client.messages.count_tokens(model=model, system=ask["system"], messages=ask["messages"])
assert counted.input_tokens == whole.usage.input_tokens + whole.usage.cache_read_input_tokens, counted

schema = {"type": "object", "properties": {"city": {"type": "string", "maxLength": 16}}, "required": ["city"], "additionalProperties": False}
tools = [{"name": "weather", "description": "The weather of a city", "input_schema": schema}]
question = {"role": "user", "content": "What is the weather in Rome?"}
with client.messages.stream(model=model, max_tokens=96, messages=[question], tools=tools, tool_choice={"type": "any"}) as stream:
    called = stream.get_final_message()
use = called.content[-1]
assert called.stop_reason == "tool_use" and use.type == "tool_use" and isinstance(use.input["city"], str), called
result = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": use.id, "content": "sunny"}]}
after = client.messages.create(model=model, max_tokens=16, tools=tools, messages=[question, {"role": "assistant", "content": called.content}, result])
assert after.stop_reason in ("end_turn", "max_tokens", "tool_use")

for wrong, expected in [(dict(model="no-such-model"), anthropic.NotFoundError), (dict(extra_body={"temperature": 9}), anthropic.BadRequestError)]:
    try:
        client.messages.create(**{**ask, **wrong})
    except expected:
        pass
    else:
        raise AssertionError(f"{wrong} was accepted")
print(f"anthropic {anthropic.__version__}: {text!r}, then weather({use.input})")
